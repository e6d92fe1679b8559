//! A method and a path below `/api/v1/` → the endpoint and its parameters.

use super::{Endpoint, RESOURCES};
use hyper::Method;
use hyper::header::HeaderValue;

/// What stands at a path.
pub enum Found<'a> {
    Endpoint {
        endpoint: &'static Endpoint,
        /// What stands for the `{…}`, in order.
        parameters: Vec<&'a str>,
    },
    /// The path is there, but not with this method; those it has, as `Allow` lists them.
    OtherMethods(HeaderValue),
    Nothing,
}

/// HEAD asks for what GET would say.
pub fn find<'a>(method: &Method, path: &'a str) -> Found<'a> {
    let wanted = if method == Method::HEAD { &Method::GET } else { method };
    let mut here = all().filter(|endpoint| endpoint.method == wanted);
    here.find_map(|endpoint| Some(Found::Endpoint { endpoint, parameters: matches(endpoint.path, path)? }))
        .unwrap_or_else(|| match methods(path) {
            Some(allow) => Found::OtherMethods(allow),
            None => Found::Nothing,
        })
}

/// The methods that a path has, as `Allow` lists them; `None` where there is nothing.
pub fn methods(path: &str) -> Option<HeaderValue> {
    let mut methods: Vec<&str> = Vec::new();
    for endpoint in all().filter(|endpoint| matches(endpoint.path, path).is_some()) {
        methods.push(endpoint.method.as_str());
        if endpoint.method == Method::GET {
            methods.push("HEAD");
        }
    }
    if methods.is_empty() {
        return None;
    }
    methods.push("OPTIONS");
    HeaderValue::try_from(methods.join(", ")).ok()
}

/// Every endpoint there is.
pub fn all() -> impl Iterator<Item = &'static Endpoint> {
    RESOURCES.iter().flat_map(|resource| resource.endpoints)
}

fn matches<'a>(pattern: &str, path: &'a str) -> Option<Vec<&'a str>> {
    let mut parameters = Vec::new();
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(parameters),
            (Some(wanted), Some(given)) if wanted.starts_with('{') => parameters.push(given),
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_take_whole_segments() {
        assert_eq!(matches("streams", "streams"), Some(vec![]));
        assert_eq!(matches("streams/{name}", "streams/camera"), Some(vec!["camera"]));
        assert_eq!(matches("streams/{name}/start", "streams/camera/start"), Some(vec!["camera"]));
        for (pattern, path) in [
            ("streams", "streams/camera"),
            ("streams/{name}", "streams"),
            ("streams/{name}/start", "streams/camera/stop"),
            ("streams/{name}", "streams/camera/start"),
        ] {
            assert_eq!(matches(pattern, path), None, "{pattern} {path}");
        }
    }

    #[test]
    fn a_path_with_other_methods_says_which() {
        assert!(matches!(find(&Method::HEAD, "time"), Found::Endpoint { .. }));
        assert!(matches!(find(&Method::DELETE, "time"), Found::OtherMethods(allow) if allow == "GET, HEAD, OPTIONS"));
        assert!(matches!(find(&Method::GET, "nothing/of/that/name"), Found::Nothing));
        assert_eq!(methods("streams/camera/bitrate"), Some(HeaderValue::from_static("PUT, OPTIONS")));
        assert_eq!(methods("nothing/of/that/name"), None);
    }

    #[test]
    fn no_two_endpoints_answer_the_same() {
        let mut seen: Vec<_> = all().map(|endpoint| (endpoint.path, endpoint.method.as_str())).collect();
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count);
    }
}
