//! `[[streams.NAME.push]]`: where else a stream is published.

use super::Secret;
use super::section::{Section, described};
use std::path::PathBuf;
use toml::de::DeValue;

/// Each goes out of the box by itself, over the same uplink.
pub const MAX_PUSHES: usize = 4;
/// It stands in a header.
const MAX_TOKEN_LEN: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushConfig {
    /// A WHIP endpoint (RFC 9725): `http` or `https`, with a host.
    pub url: hyper::Uri,
    /// What the other server knows the box by: sent as `Authorization: Bearer`.
    pub token: Option<Secret>,
    /// PEM: the authorities that an `https` server's certificate may come from, instead of the system's.
    pub ca: Option<PathBuf>,
    pub enabled: bool,
}

/// Those of one stream.
pub(super) fn read(stream: &Section<'_>) -> Vec<PushConfig> {
    let Some(field) = stream.field("push") else { return Vec::new() };
    let tables = field.read(|value| match value {
        DeValue::Array(tables) if tables.len() > MAX_PUSHES => {
            Err(format!("has {} entries; at most {MAX_PUSHES} are possible", tables.len()))
        }
        DeValue::Array(tables) if tables.iter().all(|table| matches!(table.get_ref(), DeValue::Table(_))) => Ok(tables),
        other => Err(format!("is {}; each is a [[streams.NAME.push]] of its own", described(other))),
    });
    let tables = tables.into_iter().flatten().enumerate();
    let sections = tables.filter_map(|(index, table)| match table.get_ref() {
        DeValue::Table(inner) => Some(stream.listed("push", index, table.span().start, inner)),
        _ => None,
    });
    sections.filter_map(|section| push(&section)).collect()
}

fn push(section: &Section<'_>) -> Option<PushConfig> {
    const URL: &str = "\"https://example.org/whip\"";
    let url = section.required("url", &format!("url = {URL}")).and_then(|field| {
        let url = field.string(URL)?.parse::<hyper::Uri>().ok();
        let good = |url: &hyper::Uri| matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some();
        // The URL isn't repeated: it may hold a key.
        let url = url.filter(|url| good(url) && !url.authority().is_some_and(|host| host.as_str().contains('@')));
        if url.is_none() {
            field.refuse(format!("is no WHIP address: http or https, without a user's name, like {URL}"));
        }
        url
    });
    let token = match section.field("token") {
        None => Some(None),
        Some(field) => field.read(|value| match value {
            DeValue::String(token)
                if (1..=MAX_TOKEN_LEN).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic()) =>
            {
                Ok(Some(Secret::new(token.clone())))
            }
            // Nor is the token.
            _ => Err("must be a string of ASCII letters, digits and signs, as the other server gave it".to_owned()),
        }),
    };
    let ca = section.field("ca");
    if let (Some(ca), Some(url)) = (&ca, &url)
        && url.scheme_str() != Some("https")
    {
        ca.refuse("has no effect: the `url` isn't https");
    }
    let ca = ca.and_then(|ca| ca.string("\"/etc/capturebox/server-ca.pem\"")).map(PathBuf::from);
    let enabled = section.field("enabled").map_or(Some(true), |field| field.boolean());
    section.finish();
    Some(PushConfig { url: url?, token: token?, ca, enabled: enabled? })
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn read(push: &str) -> Result<Vec<PushConfig>, String> {
        let text = format!("[streams.a]\ninput = {{ source = \"test\" }}\n{push}");
        let config = Config::parse(&text, "box.toml").map_err(|error| error.to_string())?;
        Ok(config.pushes().remove("a").unwrap_or_default())
    }

    #[test]
    fn good_ones_are_read() {
        assert_eq!(read(""), Ok(Vec::new()));
        let pushes = read(
            "[[streams.a.push]]\nurl = \"https://example.org/whip/a?b=c\"\ntoken = \"s3cret.word\"\nca = \"own.pem\"\n\
             [[streams.a.push]]\nurl = \"http://10.0.0.2:8080/hall/whip\"\nenabled = false\n",
        )
        .expect("good");
        assert_eq!(pushes.len(), 2);
        assert_eq!(pushes[0].token, Some(Secret::new("s3cret.word")));
        assert_eq!((pushes[0].ca.clone(), pushes[0].enabled), (Some("own.pem".into()), true));
        assert_eq!((pushes[1].url.port_u16(), &pushes[1].token, pushes[1].enabled), (Some(8080), &None, false));
        assert!(!format!("{pushes:?}").contains("s3cret"), "the token isn't shown");
    }

    #[test]
    fn bad_ones_are_refused_with_their_line_and_secrets_not_repeated() {
        let table = [
            ("push = 3\n", "box.toml:3: `push` is the number 3; each is a [[streams.NAME.push]]"),
            ("[[streams.a.push]]\n", "box.toml:3: [[streams.a.push]] has no `url`; add, for example, url = \"https:"),
            ("[[streams.a.push]]\nurl = \"rtmp://hunter2/\"\n", "box.toml:4: `url` is no WHIP address"),
            ("[[streams.a.push]]\nurl = \"https://u:hunter2@a/\"\n", "box.toml:4: `url` is no WHIP address"),
            ("[[streams.a.push]]\nurl = \"http://a/\"\ntoken = \"hunter2 \"\n", "box.toml:5: `token` must be a string"),
            ("[[streams.a.push]]\nurl = \"http://a/\"\nca = \"a.pem\"\n", "box.toml:5: `ca` has no effect"),
            ("[[streams.a.push]]\nurl = \"http://a/\"\nenabled = \"no\"\n", "box.toml:5: `enabled`"),
            ("[[streams.a.push]]\nurl = \"http://a/\"\ntokn = \"x\"\n", "box.toml:5: unknown key `tokn`"),
        ];
        for (text, message) in table {
            let told = read(text).expect_err(text);
            assert!(told.starts_with(message), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
        let many = "[[streams.a.push]]\nurl = \"http://a/\"\n".repeat(MAX_PUSHES + 1);
        assert!(read(&many).expect_err("too many").starts_with("box.toml:3: `push` has 5 entries; at most 4"));
    }
}
