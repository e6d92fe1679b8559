//! `[actions]`: what the box's actions run, and which it doesn't do.

use super::problem::{hint, listed};
use super::section::{Field, Section, described};
use toml::de::DeValue;

/// The actions' names, as the API has them, in the order of the list.
pub const ACTIONS: [&str; 6] = ["mark", "mute", "slate", "restart_network", "shut_down", "show_address"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionsConfig {
    /// A program and its arguments, as is the next.
    pub restart_network: Vec<String>,
    pub shut_down: Vec<String>,
    /// Of [`ACTIONS`]: those that nobody can do.
    pub off: Vec<&'static str>,
}

impl Default for ActionsConfig {
    fn default() -> Self {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            restart_network: words(&["systemctl", "--no-ask-password", "restart", "NetworkManager.service"]),
            shut_down: words(&["systemctl", "--no-ask-password", "poweroff"]),
            off: Vec::new(),
        }
    }
}

pub(super) fn read(section: &Section<'_>) -> ActionsConfig {
    let default = ActionsConfig::default();
    let command = |key| section.field(key).and_then(|field| field.command());
    let restart_network = command("restart_network").unwrap_or(default.restart_network);
    let shut_down = command("shut_down").unwrap_or(default.shut_down);
    let off = section.field("off").and_then(|field| actions(&field)).unwrap_or_default();
    section.finish();
    ActionsConfig { restart_network, shut_down, off }
}

fn actions(field: &Field<'_>) -> Option<Vec<&'static str>> {
    field.read(|value| {
        let DeValue::Array(words) = value else {
            return Err(format!("is {}; it must be a list of {}", described(value), listed(&ACTIONS)));
        };
        let action = |word: &DeValue<'_>| match word {
            DeValue::String(word) => {
                ACTIONS.iter().find(|action| *action == word).copied().ok_or_else(|| hint(word, &ACTIONS))
            }
            other => Err(format!("{} is no action", described(other))),
        };
        let actions = words.iter().map(|word| action(word.get_ref())).collect::<Result<Vec<_>, _>>();
        actions.map_err(|why| format!("has an unknown action; {why}"))
    })
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn read(text: &str) -> Result<ActionsConfig, String> {
        Config::parse(text, "box.toml").map(|config| config.actions).map_err(|error| error.to_string())
    }

    #[test]
    fn good_ones_are_read() {
        assert_eq!(read(""), Ok(ActionsConfig::default()));
        let read = read("[actions]\nshut_down = [\"halt\"]\noff = [\"restart_network\"]\n").expect("good");
        assert_eq!(
            read,
            ActionsConfig { shut_down: vec!["halt".into()], off: vec!["restart_network"], ..Default::default() }
        );
    }

    #[test]
    fn bad_ones_are_refused_with_their_line() {
        let table = [
            (
                "[actions]\nshut_down = \"halt\"\n",
                "box.toml:2: `shut_down` is \"halt\"; it must be the list of a program",
            ),
            ("[actions]\noff = [\"shutdown\"]\n", "box.toml:2: `off` has an unknown action; did you mean `shut_down`?"),
            ("[actions]\noff = \"mute\"\n", "box.toml:2: `off` is \"mute\"; it must be a list of mark, mute"),
            ("[actions]\nreboot = [\"a\"]\n", "box.toml:2: unknown key `reboot` in [actions]"),
        ];
        for (text, message) in table {
            let told = read(text).expect_err(text);
            assert!(told.starts_with(message), "{told}");
        }
    }
}
