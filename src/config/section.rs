//! A TOML table read key by key: whatever nobody asked for is refused at the end.

use super::problem::{Document, Quoted, below, closest, hint, listed};
use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use toml::de::{DeTable, DeValue};

/// One table of the file.
pub(super) struct Section<'a> {
    document: &'a Document<'a>,
    /// As it is called in messages: `[streams.camera.hls]`, `video of stream camera`.
    name: String,
    /// Its keys as they stand in a file: `streams.camera.hls`; empty for the whole.
    path: String,
    /// Where it starts, bytes.
    at: usize,
    table: &'a DeTable<'a>,
    /// The keys that it can have, as far as somebody asked.
    known: RefCell<Vec<&'static str>>,
}

/// A key that is there, and its value.
pub(super) struct Field<'a> {
    document: &'a Document<'a>,
    /// The section's.
    path: String,
    pub key: &'a str,
    /// Where the key stands, bytes.
    pub at: usize,
    value: &'a DeValue<'a>,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub fn root(document: &'a Document<'a>, table: &'a DeTable<'a>) -> Self {
        Self { document, name: "the file".to_owned(), path: String::new(), at: 0, table, known: RefCell::default() }
    }

    /// The table at `index` of the list at `key`.
    pub fn listed(&self, key: &str, index: usize, at: usize, table: &'a DeTable<'a>) -> Self {
        let path = below(&below(&self.path, key), &index.to_string());
        let name = format!("[[{}]]", below(&self.path, key));
        Self { document: self.document, name, path, at, table, known: RefCell::default() }
    }

    pub fn refuse(&self, message: impl Into<String>) {
        self.document.refuse(self.at, &self.path, message);
    }

    /// About a key that isn't there; `keys` lead to it from here.
    pub fn refuse_missing(&self, keys: &[&str], message: impl Into<String>) {
        let path = keys.iter().fold(self.path.clone(), |path, key| below(&path, key));
        self.document.refuse(self.at, path, message);
    }

    /// All there is, whatever it is called.
    pub fn fields(&self) -> impl Iterator<Item = Field<'a>> {
        let document = self.document;
        self.table.iter().map(move |(key, value)| Field {
            document,
            path: self.path.clone(),
            key: key.get_ref(),
            at: key.span().start,
            value: value.get_ref(),
        })
    }

    /// The value of `key`, where given. Asking makes the key known.
    pub fn field(&self, key: &'static str) -> Option<Field<'a>> {
        self.known.borrow_mut().push(key);
        self.fields().find(|field| field.key == key)
    }

    /// The value of a key that must be there.
    pub fn required(&self, key: &'static str, example: &str) -> Option<Field<'a>> {
        let field = self.field(key);
        if field.is_none() {
            self.refuse_missing(&[key], format!("{} has no `{key}`; add, for example, {example}", self.name));
        }
        field
    }

    pub fn section(&self, key: &'static str) -> Option<Section<'a>> {
        self.field(key)?.section(format!("[{key}]"))
    }

    /// Refuses a key that has a meaning elsewhere, saying why it has none here.
    pub fn refuse_key(&self, key: &'static str, why: impl Display) {
        if let Some(field) = self.field(key) {
            field.refuse(why);
        }
    }

    /// Refuses every key that nobody asked for.
    pub fn finish(&self) {
        let known = self.known.borrow();
        for field in self.fields().filter(|field| !known.contains(&field.key)) {
            let right = match closest(field.key, &known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("it can have {}", listed(&known)),
            };
            let message = format!("unknown key `{}` in {}; {right}", Quoted(field.key), self.name);
            self.document.refuse(field.at, field.path(), message);
        }
    }
}

impl<'a> Field<'a> {
    /// "`key` why".
    pub fn refuse(&self, why: impl Display) {
        self.say(format!("`{}` {why}", Quoted(self.key)));
    }

    /// A message of its own about this key.
    pub fn say(&self, message: impl Into<String>) {
        self.document.refuse(self.at, self.path(), message);
    }

    fn path(&self) -> String {
        below(&self.path, self.key)
    }

    pub fn section(&self, name: impl Into<String>) -> Option<Section<'a>> {
        match self.value {
            DeValue::Table(table) => Some(Section {
                document: self.document,
                name: name.into(),
                path: self.path(),
                at: self.at,
                table,
                known: RefCell::default(),
            }),
            other => {
                self.refuse(format!("is {}; it must be a table: [section] or {{ key = value }}", described(other)));
                None
            }
        }
    }

    /// What `read` makes of the value; its error follows the key's name in the message.
    pub fn read<T>(&self, read: impl FnOnce(&'a DeValue<'a>) -> Result<T, String>) -> Option<T> {
        read(self.value).map_err(|why| self.refuse(why)).ok()
    }

    /// A string that is not empty.
    pub fn string(&self, example: &str) -> Option<&'a str> {
        self.read(|value| match value {
            DeValue::String(text) if text.contains('\0') => Err("holds a NUL character; leave it out".to_owned()),
            DeValue::String(text) if !text.is_empty() => Ok(text.as_ref()),
            other => Err(format!("is {}; it must be a string like {example}", described(other))),
        })
    }

    /// One of a few words.
    pub fn one_of<T: Copy>(&self, choices: &[(&'static str, T)]) -> Option<T> {
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        self.read(|value| {
            let DeValue::String(word) = value else {
                return Err(format!("is {}; it must be a string, one of {}", described(value), listed(&words)));
            };
            let choice = choices.iter().find(|(choice, _)| choice == word).map(|(_, meaning)| *meaning);
            choice.ok_or_else(|| format!("can't be \"{}\"; {}", Quoted(word), hint(word, &words)))
        })
    }

    pub fn integer(&self, range: RangeInclusive<u32>, unit: &str) -> Option<u32> {
        self.read(|value| {
            let right = format!("it must be a whole number from {} to {}{unit}", range.start(), range.end());
            let DeValue::Integer(number) = value else {
                return Err(format!("is {}; {right}", described(value)));
            };
            let value = u32::from_str_radix(number.as_str(), number.radix()).ok();
            value
                .filter(|value| range.contains(value))
                .ok_or_else(|| format!("is {}; {right}", Quoted(number.as_str())))
        })
    }

    pub fn boolean(&self) -> Option<bool> {
        self.read(|value| match value {
            DeValue::Boolean(value) => Ok(*value),
            other => Err(format!("is {}; it must be true or false, without quotes", described(other))),
        })
    }

    /// A list of strings that are not empty, `most` at most.
    pub fn strings(&self, example: &str, most: usize) -> Option<Vec<String>> {
        self.read(|value| {
            let DeValue::Array(words) = value else {
                return Err(format!("is {}; it must be a list of strings, like {example}", described(value)));
            };
            if words.len() > most {
                return Err(format!("has {} entries; at most {most} are possible", words.len()));
            }
            let words = words.iter().map(|word| match word.get_ref() {
                DeValue::String(word) if !word.is_empty() && !word.contains('\0') => Ok(word.clone().into_owned()),
                other => Err(format!("has {} in it; each must be a string, like {example}", described(other))),
            });
            words.collect()
        })
    }

    /// A program and its arguments.
    pub fn command(&self) -> Option<Vec<String>> {
        const EXAMPLE: &str = "[\"rpicam-vid\", \"--nopreview\", \"-o\", \"-\"]";
        /// Far beyond any sensible command line.
        const MAX_WORDS: usize = 256;
        self.read(|value| {
            let DeValue::Array(words) = value else {
                return Err(format!(
                    "is {}; it must be the list of a program and its arguments, like {EXAMPLE}",
                    described(value)
                ));
            };
            if words.len() > MAX_WORDS {
                return Err(format!("has {} words; at most {MAX_WORDS} are possible", words.len()));
            }
            let words = words.iter().map(|word| match word.get_ref() {
                DeValue::String(word) if !word.contains('\0') => Ok(word.clone().into_owned()),
                other => {
                    Err(format!("has {} among its words; each must be a string, like {EXAMPLE}", described(other)))
                }
            });
            let words = words.collect::<Result<Vec<_>, _>>()?;
            if words.first().is_none_or(String::is_empty) {
                return Err(format!("names no program; it must be like {EXAMPLE}"));
            }
            Ok(words)
        })
    }
}

/// A value as messages call it.
pub(super) fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) if text.is_empty() => "empty".to_owned(),
        DeValue::String(text) => format!("\"{}\"", Quoted(text)),
        DeValue::Integer(number) => format!("the number {}", Quoted(number.as_str())),
        DeValue::Float(number) => format!("the number {}", Quoted(number.as_str())),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
