//! What is wrong with a configuration, and how that is told: `FILE:LINE: what is wrong; what would be right`.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// One screenful; more of them don't help whoever reads it.
const MAX_PROBLEMS: usize = 50;
/// How much of a bad value or name is repeated in a message, characters.
const MAX_QUOTED: usize = 40;

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("{}: can't be read: {error}", file.display())]
    Read { file: PathBuf, error: io::Error },
    /// Everything that was found, in the order of the lines.
    #[error("{}", told(file, problems))]
    Invalid { file: String, problems: Vec<Problem> },
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// The key, as TOML writes it with dots: `streams.camera.video.size`; empty where it is about the text.
    pub path: String,
    /// What is wrong; what would be right.
    pub message: String,
}

impl Problem {
    /// One at a byte offset of a text.
    pub fn at(text: &str, at: usize, path: String, message: String) -> Self {
        let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        // Bytes that begin a character.
        let starts = |byte: &&u8| **byte & 0xC0 != 0x80;
        let column = 1 + before.get(start..).unwrap_or_default().iter().filter(starts).count();
        Self { line: 1 + before.iter().filter(|byte| **byte == b'\n').count(), column, path, message }
    }
}

/// The path of a key below another, as TOML writes it.
pub(super) fn below(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    let dot = if path.is_empty() { "" } else { "." };
    // Any bytes may stand in a key; a form knows only those that it has asked for.
    if bare { format!("{path}{dot}{}", Quoted(key)) } else { format!("{path}{dot}\"{}\"", Quoted(key)) }
}

fn told(file: &str, problems: &[Problem]) -> String {
    let lines = problems.iter().map(|problem| format!("{file}:{}: {}", problem.line, problem.message));
    lines.collect::<Vec<_>>().join("\n")
}

/// The text that is read, and what was found in it so far.
pub(super) struct Document<'a> {
    text: &'a str,
    problems: RefCell<Vec<Problem>>,
}

impl<'a> Document<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, problems: RefCell::default() }
    }

    /// What is wrong with the key `path`, which stands at the byte `at`.
    pub fn refuse(&self, at: usize, path: impl Into<String>, message: impl Into<String>) {
        let mut problems = self.problems.borrow_mut();
        // Far more than are shown, so that sorting shows the first ones.
        if problems.len() < 10 * MAX_PROBLEMS {
            problems.push(Problem::at(self.text, at, path.into(), message.into()));
        }
    }

    /// `value` when nothing was refused.
    pub fn finish<T>(self, file: &str, value: T) -> Result<T, ConfigError> {
        let mut problems = self.problems.into_inner();
        if problems.is_empty() {
            return Ok(value);
        }
        problems.sort();
        problems.dedup();
        problems.truncate(MAX_PROBLEMS);
        Err(ConfigError::Invalid { file: file.to_owned(), problems })
    }
}

/// Something from the file, fit to stand in a message: shortened, and without control characters.
pub(super) struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.chars();
        for c in rest.by_ref().take(MAX_QUOTED) {
            if c.is_control() { write!(f, "{}", c.escape_default())? } else { write!(f, "{c}")? }
        }
        if rest.next().is_some() { f.write_str("…") } else { Ok(()) }
    }
}

/// The one of `choices` that `word` was probably meant to be.
pub(super) fn closest<'a>(word: &str, choices: &[&'a str]) -> Option<&'a str> {
    // A very long word is no slip of the pen, and the distance costs time.
    if word.chars().count() > MAX_QUOTED {
        return None;
    }
    let distance = |choice: &str| strsim::damerau_levenshtein(&word.to_lowercase(), choice);
    let nearest = choices.iter().min_by_key(|choice| distance(choice))?;
    let slips = distance(nearest);
    (slips <= 2 && slips * 2 <= nearest.chars().count()).then_some(nearest)
}

/// `; did you mean …?`, else `; it can be a, b or c`.
pub(super) fn hint(word: &str, choices: &[&str]) -> String {
    match closest(word, choices) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("it can be {}", listed(choices)),
    }
}

/// `a, b or c`.
pub(super) fn listed(choices: &[&str]) -> String {
    match choices {
        [] => "nothing".to_owned(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
