//! A configuration's text, changed with its comments and order kept, and shown without its secrets.
//!
//! A secret is shown as a mark that stands for it while this process runs; where the mark comes back, the
//! secret is put in its place again.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::LazyLock;
use toml::Value as Wanted;
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Key, Table, TableLike, Value};

/// Where secrets stand; `*` is any key.
const SECRETS: [&[&str]; 5] = [
    &["access", "admin_password_hash"],
    &["webhooks", "secret"],
    &["rooms", "password"],
    &["rooms", "host_password"],
    &["streams", "*", "push", "token"],
];
/// What is in their keys, for a text that isn't TOML any more.
const SECRET_KEYS: [&str; 3] = ["password", "secret", "token"];
/// What every mark starts with.
const MARK: &str = "(unchanged ";
/// Tables that people write in one line.
const INLINE: [&str; 3] = ["input", "video", "audio"];

/// A text whose secrets are hidden.
#[derive(Debug, Clone)]
pub struct Hidden {
    pub text: String,
    /// The marks as they stand in it, and what they stand for.
    secrets: Vec<(String, String)>,
}

impl Hidden {
    /// Hides the secrets of a text; of one that isn't TOML, all that could be one.
    pub fn of(text: &str) -> Self {
        let mut secrets = Vec::new();
        let text = match text.parse::<DocumentMut>() {
            Ok(mut document) => {
                for path in SECRETS {
                    visit(document.as_table_mut(), path, &mut |value| hide(value, &mut secrets));
                }
                document.to_string()
            }
            Err(_) => text.split_inclusive('\n').map(|line| hide_in_line(line, &mut secrets)).collect(),
        };
        Self { text, secrets }
    }

    /// `text` with the secrets in place of their marks.
    pub fn restored(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, (mark, secret)| {
            text.replace(&format!("\"{mark}\""), secret).replace(&format!("'{mark}'"), secret)
        })
    }
}

/// Where in a text a mark stands that stands for nothing, bytes.
pub fn stray_mark(text: &str) -> Option<usize> {
    text.find(MARK)
}

/// The mark of a secret; another one after each start, so that it tells nothing.
fn mark(secret: &str) -> String {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    format!("{MARK}{:016x})", KEY.hash_one(secret))
}

fn hide(value: &mut Value, secrets: &mut Vec<(String, String)>) {
    let mut bare = value.clone();
    bare.decor_mut().clear();
    let secret = bare.to_string();
    let mark = mark(&secret);
    replace(value, Value::from(mark.as_str()));
    secrets.push((mark, secret));
}

/// Everything behind the `=` of a line that speaks of a secret.
fn hide_in_line(line: &str, secrets: &mut Vec<(String, String)>) -> String {
    let of = SECRET_KEYS.iter().filter_map(|key| line.find(key).map(|at| at + key.len())).min();
    let Some((from, rest)) = of.and_then(|from| Some((from, line.get(from..)?))) else { return line.to_owned() };
    let Some((between, secret)) = rest.split_once('=') else { return line.to_owned() };
    let end = if line.ends_with('\n') { "\n" } else { "" };
    let secret = secret.trim();
    let mark = mark(secret);
    let hidden = format!("{}{between}= \"{mark}\"{end}", line.get(..from).unwrap_or_default());
    secrets.push((mark, secret.to_owned()));
    hidden
}

/// Calls `see` for each value at `path` below a table, also in each table of a list.
fn visit(table: &mut dyn TableLike, path: &[&str], see: &mut dyn FnMut(&mut Value)) {
    let [key, rest @ ..] = path else { return };
    if *key == "*" {
        table.iter_mut().for_each(|(_, item)| visit_item(item, rest, see));
    } else if let Some(item) = table.get_mut(key) {
        visit_item(item, rest, see);
    }
}

fn visit_item(item: &mut Item, path: &[&str], see: &mut dyn FnMut(&mut Value)) {
    if path.is_empty() {
        if let Some(value) = item.as_value_mut() {
            see(value);
        }
    } else if let Some(tables) = item.as_array_of_tables_mut() {
        tables.iter_mut().for_each(|table| visit(table, path, see));
    } else if let Some(array) = item.as_array_mut() {
        let tables = array.iter_mut().filter_map(Value::as_inline_table_mut);
        tables.for_each(|table| visit(table, path, see));
    } else if let Some(table) = item.as_table_like_mut() {
        visit(table, path, see);
    }
}

/// `text` made to say what `settings` say: what is the same stays as it is written, comments and all.
pub fn merged(text: &str, settings: &toml::Table) -> String {
    // Over a text that can't be read there is nothing to keep.
    let mut document: DocumentMut = text.parse().unwrap_or_default();
    if let (Some(streams), Some(Wanted::Table(wanted))) =
        (document.get_mut("streams").and_then(Item::as_table_mut), settings.get("streams"))
    {
        rename(streams, wanted);
    }
    merge(document.as_table_mut(), settings, false);
    document.to_string()
}

/// A table that is gone, and one that is new and says the same, are one with another name.
fn rename(tables: &mut Table, wanted: &toml::Table) {
    let gone = |tables: &Table, name: &str| tables.contains_key(name) && !wanted.contains_key(name);
    let names: Vec<String> = tables.iter().map(|(name, _)| name.to_owned()).collect();
    for (new, wanted_table) in wanted {
        if tables.contains_key(new) {
            continue;
        }
        let old = names
            .iter()
            .find(|name| gone(tables, name) && tables.get(name).is_some_and(|item| same_item(item, wanted_table)));
        if let Some(item) = old.and_then(|old| tables.remove(old)) {
            tables.insert(new, item);
        }
    }
}

/// Makes `table` say what `wanted` says. `inline`: it stands in one line.
fn merge(table: &mut dyn TableLike, wanted: &toml::Table, inline: bool) {
    let gone: Vec<String> =
        table.iter().map(|(key, _)| key).filter(|key| !wanted.contains_key(*key)).map(str::to_owned).collect();
    for key in gone {
        table.remove(&key);
    }
    for (key, value) in wanted {
        match table.get_mut(key) {
            Some(item) if same_item(item, value) => {}
            Some(item) => merge_item(item, value),
            None => {
                let inline = inline || INLINE.contains(&key.as_str());
                table.entry_format(&Key::new(key)).or_insert(new_item(value, inline));
            }
        }
    }
}

fn merge_item(item: &mut Item, wanted: &Wanted) {
    match (item, wanted) {
        (Item::Table(table), Wanted::Table(wanted)) => merge(table, wanted, false),
        (Item::Value(Value::InlineTable(table)), Wanted::Table(wanted)) => merge(table, wanted, true),
        (Item::ArrayOfTables(tables), Wanted::Array(wanted)) if wanted.iter().all(Wanted::is_table) => {
            merge_tables(tables, wanted);
        }
        (Item::Value(value), wanted) => replace(value, new_value(wanted)),
        (item, wanted) => *item = new_item(wanted, false),
    }
}

/// The tables of a list, each with the one that has its place.
fn merge_tables(tables: &mut ArrayOfTables, wanted: &[Wanted]) {
    while tables.len() > wanted.len() {
        tables.remove(tables.len() - 1);
    }
    for (index, wanted) in wanted.iter().filter_map(Wanted::as_table).enumerate() {
        match tables.get_mut(index) {
            Some(table) => merge(table, wanted, false),
            None => tables.push(new_table(wanted)),
        }
    }
}

/// Another value, with the spaces and comments around the old one.
fn replace(value: &mut Value, new: Value) {
    let decor = value.decor().clone();
    *value = new;
    *value.decor_mut() = decor;
}

fn new_item(wanted: &Wanted, inline: bool) -> Item {
    match wanted {
        Wanted::Table(wanted) if !inline => Item::Table(new_table(wanted)),
        Wanted::Array(list) if !inline && !list.is_empty() && list.iter().all(Wanted::is_table) => {
            Item::ArrayOfTables(list.iter().filter_map(Wanted::as_table).map(new_table).collect())
        }
        wanted => Item::Value(new_value(wanted)),
    }
}

fn new_table(wanted: &toml::Table) -> Table {
    let mut table = Table::new();
    // A header of its own only where something stands right below it.
    table.set_implicit(!wanted.is_empty() && wanted.values().all(Wanted::is_table));
    merge(&mut table, wanted, false);
    table
}

fn new_value(wanted: &Wanted) -> Value {
    match wanted {
        Wanted::String(text) => Value::from(text.as_str()),
        Wanted::Integer(number) => Value::from(*number),
        Wanted::Float(number) => Value::from(*number),
        Wanted::Boolean(value) => Value::from(*value),
        Wanted::Datetime(date) => Value::from(*date),
        Wanted::Array(list) => Value::Array(list.iter().map(new_value).collect::<Array>()),
        Wanted::Table(wanted) => {
            let mut table = InlineTable::new();
            merge(&mut table, wanted, true);
            Value::InlineTable(table)
        }
    }
}

fn same_item(item: &Item, wanted: &Wanted) -> bool {
    match item {
        Item::None => false,
        Item::Value(value) => same(value, wanted),
        Item::Table(table) => wanted.as_table().is_some_and(|wanted| same_table(table, wanted)),
        Item::ArrayOfTables(tables) => wanted.as_array().is_some_and(|wanted| {
            tables.len() == wanted.len()
                && tables
                    .iter()
                    .zip(wanted)
                    .all(|(table, wanted)| wanted.as_table().is_some_and(|wanted| same_table(table, wanted)))
        }),
    }
}

fn same_table(table: &dyn TableLike, wanted: &toml::Table) -> bool {
    table.iter().count() == wanted.len()
        && table.iter().all(|(key, item)| wanted.get(key).is_some_and(|wanted| same_item(item, wanted)))
}

fn same(value: &Value, wanted: &Wanted) -> bool {
    match (value, wanted) {
        (Value::String(text), Wanted::String(wanted)) => text.value() == wanted,
        (Value::Integer(number), Wanted::Integer(wanted)) => number.value() == wanted,
        // As it is written: what was read from this text is bit by bit the same.
        (Value::Float(number), Wanted::Float(wanted)) => number.value().to_bits() == wanted.to_bits(),
        (Value::Boolean(value), Wanted::Boolean(wanted)) => value.value() == wanted,
        (Value::Datetime(date), Wanted::Datetime(wanted)) => date.value() == wanted,
        (Value::Array(list), Wanted::Array(wanted)) => {
            list.len() == wanted.len() && list.iter().zip(wanted).all(|(value, wanted)| same(value, wanted))
        }
        (Value::InlineTable(table), Wanted::Table(wanted)) => same_table(table, wanted),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: &str = "# Our church\n[http]\nlisten = \"0.0.0.0:80\" # the door\n\n\
        [streams.altar]\n# bought 2024\nvideo = { source = \"test\", fps = 25 }\n\n\
        [streams.altar.encode]\nvideo_bitrate = \"3M\"   # enough\n\n[streams.organ]\naudio = { source = \"test\" }\n";

    fn settings(text: &str) -> toml::Table {
        text.parse().expect("TOML")
    }

    /// `FILE` after a change of what it says.
    fn changed(change: impl FnOnce(&mut toml::Table)) -> String {
        let mut wanted = settings(FILE);
        change(&mut wanted);
        let text = merged(FILE, &wanted);
        assert_eq!(settings(&text), wanted, "it says what was wanted:\n{text}");
        text
    }

    fn stream<'a>(settings: &'a mut toml::Table, name: &str) -> &'a mut toml::Table {
        settings["streams"][name].as_table_mut().expect("a table")
    }

    #[test]
    fn what_is_the_same_stays_as_it_is_written() {
        assert_eq!(merged(FILE, &settings(FILE)), FILE);
    }

    #[test]
    fn a_value_changes_and_its_comments_stay() {
        let text = changed(|all| {
            stream(all, "altar")["encode"]["video_bitrate"] = "2M".into();
        });
        assert_eq!(text, FILE.replace("\"3M\"", "\"2M\""));
        let text = changed(|all| {
            stream(all, "altar")["video"]["fps"] = 30.into();
        });
        assert_eq!(text, FILE.replace("fps = 25", "fps = 30"));
    }

    #[test]
    fn streams_come_go_and_change_their_name() {
        let text = changed(|all| {
            let new = settings("video = { source = \"test\" }\n[hls]\nwindow = 9\n");
            all["streams"].as_table_mut().expect("a table").insert("hall".into(), new.into());
        });
        assert!(text.starts_with(FILE), "{text}");
        let added = text.get(FILE.len()..).expect("longer");
        assert_eq!(added, "\n[streams.hall]\nvideo = { source = \"test\" }\n\n[streams.hall.hls]\nwindow = 9\n");

        let text = changed(|all| drop(all["streams"].as_table_mut().expect("a table").remove("organ")));
        assert_eq!(text, FILE.replace("\n[streams.organ]\naudio = { source = \"test\" }\n", ""));

        let text = changed(|all| {
            let streams = all["streams"].as_table_mut().expect("a table");
            let altar = streams.remove("altar").expect("there");
            streams.insert("choir".into(), altar);
        });
        assert!(text.contains("# bought 2024") && text.contains("[streams.choir.encode]"), "{text}");
    }

    #[test]
    fn an_empty_file_gets_headers_only_where_something_stands_below() {
        let wanted = settings("[streams.a]\nvideo = { source = \"test\" }\n[[webhooks]]\nurl = \"http://a/\"\n");
        let text = merged("", &wanted);
        assert_eq!(settings(&text), wanted);
        assert!(!text.contains("[streams]\n") && text.contains("[[webhooks]]"), "{text}");
    }

    #[test]
    fn secrets_do_not_leave_and_come_back() {
        let file = "[access] # who\nadmin_password_hash = \"$argon2id$x\" # ours\n\
            [[webhooks]]\nurl = \"http://a/\"\nsecret = 'first'\n[[webhooks]]\nurl = \"http://b/\"\nsecret = \"second\"\n\
            [[streams.a.push]]\nurl = \"http://c/\"\ntoken = \"third\"\n";
        let hidden = Hidden::of(file);
        for secret in ["argon2id", "first", "second", "third"] {
            assert!(!hidden.text.contains(secret), "{}", hidden.text);
        }
        assert!(hidden.text.contains(") # ours") || hidden.text.contains(")\" # ours"), "{}", hidden.text);
        assert_eq!(hidden.restored(&hidden.text), file);
        // The first of two goes: the second keeps its own secret.
        let mut wanted = settings(&hidden.text);
        wanted["webhooks"].as_array_mut().expect("a list").remove(0);
        let text = hidden.restored(&merged(&hidden.text, &wanted));
        assert_eq!(settings(&text)["webhooks"][0]["secret"].as_str(), Some("second"));
        assert!(!text.contains("first"));
        assert_eq!(stray_mark(&text), None);
        assert!(stray_mark("x = \"(unchanged 0000000000000000)\"").is_some());
    }

    #[test]
    fn a_broken_file_hides_all_that_could_be_a_secret() {
        let file = "[access\nadmin_password_hash = \"$argon2id$x\n[[webhooks]]\n{ url = 1, secret = 'first' }\n";
        let hidden = Hidden::of(file);
        assert!(!hidden.text.contains("argon2id") && !hidden.text.contains("first"), "{}", hidden.text);
        let expected = "[access\nadmin_password_hash = \"$argon2id$x\n[[webhooks]]\n{ url = 1, secret = 'first' }\n";
        let compact = |text: &str| text.replace(' ', "");
        assert_eq!(compact(&hidden.restored(&hidden.text)), compact(expected));
    }

    proptest! {
        #[test]
        fn any_settings_can_be_put_over_any_text(
            old in "(# c\n|a = 1\n|b = [1, 2]\n|\\[t\\]\n|\\[\\[w\\]\\]\n|c = \\{ d = 'x' \\}\n|\\[u.v\\]\n){0,6}",
            new in "(a = 2\n|b = [3]\n|\\[t\\]\n|\\[\\[w\\]\\]\n|c = \\{ d = 'y' \\}\n|\\[u.v\\]\n){0,6}",
        ) {
            if let Ok(wanted) = new.parse::<toml::Table>() {
                let text = merged(&old, &wanted);
                prop_assert_eq!(text.parse::<toml::Table>().ok(), Some(wanted), "{}", text);
            }
            let hidden = Hidden::of(&old);
            prop_assert_eq!(hidden.restored(&hidden.text), old);
        }
    }
}
