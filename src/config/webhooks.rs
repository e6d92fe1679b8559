//! `[[webhooks]]`: who is told over HTTP of what happens.

use super::problem::{hint, listed};
use super::section::{Section, described};
use std::fmt;
use std::path::PathBuf;
use toml::de::DeValue;

/// Each has a task and a queue of its own.
pub const MAX_WEBHOOKS: usize = 8;
/// The events' names, as the API has them.
pub const EVENTS: [&str; 14] = [
    "stream_started",
    "stream_stopped",
    "source_state",
    "reader_joined",
    "reader_left",
    "mark",
    "mute",
    "slate",
    "address",
    "board",
    "load",
    "configuration_changed",
    "disk_low",
    "disk_ok",
];
/// A key that is shorter can be guessed.
const MIN_SECRET_LEN: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// `http` or `https`, with a host.
    pub url: hyper::Uri,
    pub secret: Secret,
    /// PEM: the authorities that an `https` receiver's certificate may come from, instead of the system's.
    pub ca: Option<PathBuf>,
    /// Of [`EVENTS`].
    pub events: Vec<&'static str>,
}

/// Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

pub(super) fn read(root: &Section<'_>) -> Vec<WebhookConfig> {
    let Some(field) = root.field("webhooks") else { return Vec::new() };
    let tables = field.read(|value| match value {
        DeValue::Array(tables) if tables.len() > MAX_WEBHOOKS => {
            Err(format!("has {} entries; at most {MAX_WEBHOOKS} are possible", tables.len()))
        }
        DeValue::Array(tables) if tables.iter().all(|table| matches!(table.get_ref(), DeValue::Table(_))) => Ok(tables),
        other => Err(format!("is {}; each webhook is a [[webhooks]] of its own", described(other))),
    });
    let tables = tables.into_iter().flatten().enumerate();
    let sections = tables.filter_map(|(index, table)| match table.get_ref() {
        DeValue::Table(inner) => Some(root.listed("webhooks", index, table.span().start, inner)),
        _ => None,
    });
    sections.filter_map(|section| webhook(&section)).collect()
}

fn webhook(section: &Section<'_>) -> Option<WebhookConfig> {
    const URL: &str = "\"https://example.org/hook\"";
    const SECRET: &str = "secret = \"at least 16 characters\"";
    let url = section.required("url", &format!("url = {URL}")).and_then(|field| {
        let url = field.string(URL)?.parse::<hyper::Uri>().ok();
        let good = |url: &hyper::Uri| matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some();
        // The URL isn't repeated: it may hold a key.
        let url = url.filter(|url| good(url) && !url.authority().is_some_and(|host| host.as_str().contains('@')));
        if url.is_none() {
            field.refuse(format!("is no http or https URL (without a user's name) like {URL}"));
        }
        url
    });
    let secret = section.required("secret", SECRET).and_then(|field| {
        field.read(|value| match value {
            DeValue::String(secret) if secret.len() >= MIN_SECRET_LEN => Ok(Secret::new(secret.clone())),
            _ => Err(format!("must be a string of at least {MIN_SECRET_LEN} characters, known to the receiver only")),
        })
    });
    let ca = section.field("ca");
    if let (Some(ca), Some(url)) = (&ca, &url)
        && url.scheme_str() != Some("https")
    {
        ca.refuse("has no effect: the `url` isn't https");
    }
    let ca = ca.and_then(|ca| ca.string("\"/etc/capturebox/receiver-ca.pem\"")).map(PathBuf::from);
    let events = match section.field("events") {
        None => Some(EVENTS.to_vec()),
        Some(field) => field.read(|value| {
            let DeValue::Array(words) = value else {
                return Err(format!("is {}; it must be a list of {}", described(value), listed(&EVENTS)));
            };
            let event = |word: &DeValue<'_>| match word {
                DeValue::String(word) => {
                    EVENTS.iter().find(|event| *event == word).copied().ok_or_else(|| hint(word, &EVENTS))
                }
                other => Err(format!("{} is no event", described(other))),
            };
            let events = words.iter().map(|word| event(word.get_ref())).collect::<Result<Vec<_>, _>>();
            events.map_err(|why| format!("has an unknown event; {why}"))
        }),
    };
    section.finish();
    Some(WebhookConfig { url: url?, secret: secret?, ca, events: events? })
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn read(text: &str) -> Result<Vec<WebhookConfig>, String> {
        Config::parse(text, "box.toml").map(|config| config.webhooks).map_err(|error| error.to_string())
    }

    #[test]
    fn good_ones_are_read() {
        let text = "[[webhooks]]\nurl = \"https://example.org/a?b=c\"\nsecret = \"0123456789abcdef\"\nca = \"own.pem\"\n\
            [[webhooks]]\nurl = \"http://10.0.0.1:81/\"\nsecret = \"0123456789abcdef\"\nevents = [\"disk_low\"]\n";
        let hooks = read(text).expect("good");
        assert_eq!(hooks.len(), 2);
        assert_eq!(hooks[0].events, EVENTS);
        assert_eq!(hooks.iter().map(|hook| hook.ca.clone()).collect::<Vec<_>>(), [Some("own.pem".into()), None]);
        assert_eq!((hooks[1].url.port_u16(), hooks[1].events.clone()), (Some(81), vec!["disk_low"]));
        assert!(!format!("{hooks:?}").contains("0123456789"), "the secret isn't shown");
    }

    #[test]
    fn bad_ones_are_refused_and_secrets_not_repeated() {
        let secret = "secret = \"0123456789abcdef\"\n";
        let table = [
            ("[[webhooks]]\nurl = \"ftp://a/\"\n".to_owned() + secret, "box.toml:2: `url` is no http or https URL"),
            ("[[webhooks]]\nurl = \"http://u:p@a/\"\n".to_owned() + secret, "box.toml:2: `url` is no http"),
            ("[[webhooks]]\nurl = \"http://a/\"\n".to_owned(), "box.toml:1: [[webhooks]] has no `secret`"),
            ("[[webhooks]]\nurl = \"http://a/\"\nsecret = \"hunter2\"\n".to_owned(), "box.toml:3: `secret` must be"),
            (
                format!("[[webhooks]]\nurl = \"http://a/\"\n{secret}events = [\"disk_lo\"]\n"),
                "box.toml:4: `events` has an unknown event; did you mean `disk_low`?",
            ),
            (
                format!("[[webhooks]]\nurl = \"http://a/\"\n{secret}ca = \"own.pem\"\n"),
                "box.toml:4: `ca` has no effect",
            ),
            ("webhooks = 3\n".to_owned(), "box.toml:1: `webhooks` is the number 3; each"),
        ];
        for (text, message) in table {
            let told = read(&text).expect_err(&text);
            assert!(told.starts_with(message), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}
