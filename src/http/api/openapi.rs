//! The OpenAPI 3.1 document: what each resource says about itself, put together.

use super::super::access::COOKIE_NAME;
use super::{Endpoint, Needs, RESOURCES, Resource, Takes, json, now, table};
use hyper::Method;
use serde_json::{Map, Value, json as value};
use std::sync::LazyLock;

pub static RESOURCE: Resource = Resource {
    endpoints: &[Endpoint {
        method: Method::GET,
        path: "openapi.json",
        needs: Needs::Nothing,
        takes: Takes::Nothing,
        run: |_| now(json(&*DOCUMENT)),
    }],
    openapi: include_str!("openapi.json"),
};

/// Statuses that any endpoint may answer with: refused by access, by a limit, or for want of anything.
const ANYWHERE: [(&str, &str); 12] = [
    ("400", "The request is malformed."),
    ("401", "Sign in first."),
    ("403", "Not for you."),
    ("404", "There is nothing of that name."),
    ("405", "Not with that method."),
    ("408", "The body did not come in time."),
    ("413", "The body is too long."),
    ("414", "The address is too long."),
    ("415", "The body is not sent as JSON."),
    ("422", "The body is not what belongs here."),
    ("429", "Too many tries; wait."),
    ("503", "Busy; try again."),
];

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for resource in RESOURCES {
        let part: Value = serde_json::from_str(resource.openapi).unwrap_or_default();
        let members = |name: &str| part.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
        paths.extend(members("paths"));
        schemas.extend(members("schemas"));
    }
    for endpoint in table::all() {
        let item = paths.get_mut(&format!("/{}", endpoint.path));
        let operation = item.and_then(|item| item.get_mut(endpoint.method.as_str().to_lowercase())?.as_object_mut());
        operation.map(|operation| operation.insert("security".to_owned(), security(endpoint.needs)));
    }
    let operations = paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    for responses in operations.filter_map(|operation| operation.get_mut("responses")?.as_object_mut()) {
        for (status, description) in ANYWHERE {
            responses.entry(status).or_insert_with(|| problem_response(description));
        }
    }
    value!({
        "openapi": "3.1.0",
        "info": {
            "title": "capturebox",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What runs on this box, and how to change it.",
        },
        "servers": [{ "url": "/api/v1" }],
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": COOKIE_NAME,
                    "description": "Set by signing in; as what its account may.",
                },
                "token": { "type": "http", "scheme": "bearer", "description": "For the streams it was made for." },
                "token_parameter": {
                    "type": "apiKey",
                    "in": "query",
                    "name": "token",
                    "description": "The same, for players that can't send headers.",
                },
            },
        },
        "paths": paths,
    })
});

/// What opens an endpoint, as the document tells it. What a stream needs is its policy's to say; lists are
/// of what the caller may see.
fn security(needs: Needs) -> Value {
    match needs {
        Needs::Nothing | Needs::View | Needs::Publish | Needs::Meet | Needs::Metrics => {
            value!([{}, { "session": [] }, { "token": [] }, { "token_parameter": [] }])
        }
        Needs::Observe | Needs::Operate | Needs::Administer => value!([{ "session": [] }]),
    }
}

fn problem_response(description: &str) -> Value {
    let schema = value!({ "$ref": "#/components/schemas/Problem" });
    value!({ "description": description, "content": { "application/problem+json": { "schema": schema } } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

    #[test]
    fn the_document_and_the_table_have_the_same_endpoints() {
        let served: BTreeSet<_> = table::all()
            .map(|endpoint| (format!("/{}", endpoint.path), endpoint.method.as_str().to_lowercase()))
            .collect();
        let mut told = BTreeSet::new();
        for (path, item) in DOCUMENT["paths"].as_object().expect("paths") {
            for method in item.as_object().expect("an item").keys().filter(|key| METHODS.contains(&key.as_str())) {
                told.insert((path.clone(), method.clone()));
            }
        }
        assert_eq!(served, told);
    }

    #[test]
    fn every_operation_has_its_name_its_parameters_and_its_body() {
        let mut names = BTreeSet::new();
        for endpoint in table::all() {
            let item = &DOCUMENT["paths"][format!("/{}", endpoint.path)];
            let operation = &item[endpoint.method.as_str().to_lowercase()];
            let name = operation["operationId"].as_str().unwrap_or_else(|| panic!("{} has no name", endpoint.path));
            assert!(names.insert(name.to_owned()), "{name} twice");
            let wanted: BTreeSet<_> = endpoint.path.split('/').filter_map(|part| part.strip_prefix('{')).collect();
            let wanted: BTreeSet<_> = wanted.iter().filter_map(|part| part.strip_suffix('}')).collect();
            let parameters = [&item["parameters"], &operation["parameters"]];
            let told = parameters.iter().filter_map(|list| list.as_array()).flatten();
            let told: BTreeSet<_> =
                told.filter(|parameter| parameter["in"] == "path").filter_map(|one| one["name"].as_str()).collect();
            assert_eq!(told, wanted, "{name}");
            let takes = !operation["requestBody"].is_null();
            assert_eq!(takes, endpoint.takes != Takes::Nothing, "{name}");
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_part_is_json() {
        for resource in RESOURCES {
            serde_json::from_str::<Value>(resource.openapi).expect("a part of the document is JSON");
        }
        let mut open = vec![&*DOCUMENT];
        let mut references = 0;
        while let Some(next) = open.pop() {
            match next {
                Value::Object(members) => {
                    if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                        references += 1;
                        let pointer = reference.strip_prefix('#').expect("within the document");
                        assert!(DOCUMENT.pointer(pointer).is_some(), "{reference}");
                    }
                    open.extend(members.values());
                }
                Value::Array(items) => open.extend(items),
                _ => {}
            }
        }
        assert!(references > 5);
    }
}
