//! `[discovery]`: under which name the box is found on the LAN.

use super::section::Section;

/// Longer ones leave no room in a DNS label for what a name conflict appends, bytes.
const MAX_NAME_LEN: usize = 56;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveryConfig {
    pub enabled: bool,
    /// What people see in lists; `None` is the host name.
    pub name: Option<String>,
}

impl Default for DiscoveryConfig {
    fn default() -> Self {
        Self { enabled: true, name: None }
    }
}

pub(super) fn read(section: &Section<'_>) -> DiscoveryConfig {
    let enabled = section.field("enabled").and_then(|field| field.boolean()).unwrap_or(true);
    let name = section.field("name").and_then(|field| {
        let name = field.string("\"Kitchen camera\"")?;
        if name.len() > MAX_NAME_LEN {
            field.refuse(format!("has {} bytes; at most {MAX_NAME_LEN} are possible", name.len()));
        } else if name.chars().any(char::is_control) || name.trim() != name {
            field.refuse("must be one line without control characters, and without spaces around it");
        } else {
            return Some(name.to_owned());
        }
        None
    });
    section.finish();
    DiscoveryConfig { enabled, name }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn read(text: &str) -> Result<DiscoveryConfig, String> {
        Config::parse(text, "box.toml").map(|config| config.discovery).map_err(|error| error.to_string())
    }

    #[test]
    fn the_default_is_on_under_the_host_name() {
        assert_eq!(read(""), Ok(DiscoveryConfig { enabled: true, name: None }));
        assert_eq!(read("[discovery]\n"), read(""));
    }

    #[test]
    fn a_name_and_off_are_read() {
        let name = Some("Küche 2".to_owned());
        assert_eq!(read("[discovery]\nname = \"Küche 2\"\n"), Ok(DiscoveryConfig { enabled: true, name }));
        assert_eq!(read("[discovery]\nenabled = false\n"), Ok(DiscoveryConfig { enabled: false, name: None }));
    }

    #[test]
    fn bad_ones_are_refused_with_their_line() {
        let long = format!("[discovery]\nname = \"{}\"\n", "x".repeat(MAX_NAME_LEN + 1));
        let table = [
            ("[discovery]\nenabled = \"no\"\n", "box.toml:2: `enabled` is \"no\"; it must be true or false"),
            ("[discovery]\nname = \"\"\n", "box.toml:2: `name` is empty"),
            (long.as_str(), "box.toml:2: `name` has 57 bytes; at most 56"),
            ("[discovery]\nname = \"a\\nb\"\n", "box.toml:2: `name` must be one line"),
            ("[discovery]\nnane = \"a\"\n", "box.toml:2: unknown key `nane` in [discovery]; did you mean `name`?"),
        ];
        for (text, message) in table {
            let told = read(text).expect_err(text);
            assert!(told.starts_with(message), "{told}");
        }
    }
}
