//! Names that are fit for DNS: the host's label and the instance's.

/// A DNS label has 63 bytes (RFC 1035 section 2.3.4); the rest is for " (12)" or "-12", which a conflict appends.
const MAX_LABEL_LEN: usize = 56;
/// What a machine without a name of its own is called.
const NAMELESS: &str = "capturebox";

/// The first label of this machine's name as it stands before `.local`: letters, digits and inner hyphens.
pub fn host_label(host_name: &str) -> String {
    let first = host_name.trim().split('.').next().unwrap_or_default();
    let label: String = first
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(MAX_LABEL_LEN)
        .collect();
    match label.trim_matches('-') {
        // Every machine without a name has this one.
        "" | "localhost" => NAMELESS.to_owned(),
        label => label.to_owned(),
    }
}

/// Something from the network, fit for a terminal: no control characters (a terminal obeys them), not endless.
pub(super) fn printable(text: &str) -> String {
    const MAX_CHARACTERS: usize = 255;
    text.chars().filter(|c| !c.is_control()).take(MAX_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn host_names_become_labels() {
        let table = [
            ("box", "box"),
            ("Kitchen-Box", "kitchen-box"),
            ("box.example.org", "box"),
            ("my_box", "my-box"),
            ("box\n", "box"),
            ("", "capturebox"),
            ("localhost", "capturebox"),
            ("localhost.localdomain", "capturebox"),
            ("---", "capturebox"),
            ("größe", "gr--e"),
        ];
        for (name, label) in table {
            assert_eq!(host_label(name), label, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn a_label_is_always_one(name in any::<String>()) {
            let label = host_label(&name);
            prop_assert!((1..=MAX_LABEL_LEN).contains(&label.len()));
            prop_assert!(label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            prop_assert!(!label.starts_with('-') && !label.ends_with('-'));
        }

        #[test]
        fn what_is_printed_commands_no_terminal(text in any::<String>()) {
            prop_assert!(!printable(&text).chars().any(char::is_control));
        }
    }
}
