//! Enough of Rust's syntax to see what a file imports: comments, strings and tests are blanked, and
//! paths are read out of what is left.

/// One file of the crate.
pub struct Source {
    /// Below `src`, with slashes.
    pub path: String,
    pub text: String,
    /// `text` without comments, strings and whatever stands under `#[cfg(test)]`.
    pub code: String,
    /// Names of the modules in files of their own that stand under `#[cfg(test)]`.
    test_modules: Vec<String>,
    /// The whole file is a test module.
    pub is_test: bool,
}

impl Source {
    pub fn new(path: String, text: String) -> Self {
        let (code, test_modules) = without_tests(&blanked(&text));
        Self { path, text, code, test_modules, is_test: false }
    }

    /// The first module of its path: `encode` for `encode/openh264/raw.rs`.
    pub fn room(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Its module path: `["encode", "openh264", "raw"]`.
    fn module(&self) -> Vec<&str> {
        let path = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        let mut module: Vec<_> = path.split('/').collect();
        if module.last() == Some(&"mod") {
            module.pop();
        }
        module
    }
}

/// Marks the files of modules that are declared under `#[cfg(test)]`.
pub fn mark_tests(sources: &mut [Source]) {
    let mut tests = Vec::new();
    for source in sources.iter() {
        for name in &source.test_modules {
            let mut module: Vec<_> = source.module().into_iter().map(str::to_owned).collect();
            if module == ["lib"] {
                module.clear();
            }
            module.push(name.clone());
            tests.push(module);
        }
    }
    for source in sources.iter_mut() {
        let module = source.module();
        source.is_test = tests.iter().any(|test| module.len() >= test.len() && module[..test.len()] == test[..]);
    }
}

/// The rooms that a file names: by `crate::`, from a program by `capturebox::`, or by `super::` up to
/// the root. In order, each once.
pub fn crate_imports(source: &Source) -> Vec<String> {
    let code = &source.code;
    let mut found: Vec<String> = Vec::new();
    for root in ["crate", "capturebox", "super"] {
        for (at, _) in code.match_indices(root) {
            if !is_word(code, at, root.len()) || code[..at].trim_end().ends_with("::") {
                continue;
            }
            let Some(mut rest) = code[at + root.len()..].trim_start().strip_prefix("::") else { continue };
            if root == "super" {
                let mut supers = 1;
                while let Some(more) = rest.trim_start().strip_prefix("super") {
                    let Some(more) = more.trim_start().strip_prefix("::") else { break };
                    supers += 1;
                    rest = more;
                }
                if supers < source.module().len() {
                    continue;
                }
            }
            for room in heads(rest) {
                if !found.contains(&room) && !["super", "self"].contains(&room.as_str()) {
                    found.push(room);
                }
            }
        }
    }
    found
}

/// Whether `code` names `path`, also as a part of a group: `std::fs` in `std::{fs, io}`.
pub fn mentions(code: &str, path: &str) -> bool {
    let (first, second) = path.split_once("::").unwrap_or((path, ""));
    let words = code.match_indices(first).filter(|(at, _)| is_word(code, *at, first.len()));
    words.map(|(at, _)| code[at + first.len()..].trim_start()).any(|rest| match rest.strip_prefix("::") {
        // A bare crate name counts where it starts a path: a local variable may be called so.
        Some(rest) => second.is_empty() || heads(rest).iter().any(|head| head == second),
        None => false,
    })
}

/// The identifiers that can follow `::`: one, or the heads of a group.
fn heads(rest: &str) -> Vec<String> {
    let rest = rest.trim_start();
    let identifier = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = rest.strip_prefix('{') else { return vec![identifier(rest)] };
    let mut heads = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                heads.push(identifier(group[start..at].trim()));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}

fn is_word(code: &str, at: usize, len: usize) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    !code[..at].ends_with(part) && !code[at + len..].starts_with(part)
}

/// The same text, byte for byte, with spaces where comments and literals were.
fn blanked(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let starts = |at: usize, what: &str| bytes[at..].starts_with(what.as_bytes());
    let mut at = 0;
    while at < bytes.len() {
        let end = if starts(at, "//") {
            text[at..].find('\n').map_or(text.len(), |len| at + len)
        } else if starts(at, "/*") {
            end_of_block_comment(text, at)
        } else if starts(at, "\"") {
            end_of_string(bytes, at)
        } else if bytes[at] == b'r' && !(at > 0 && (bytes[at - 1].is_ascii_alphanumeric() && bytes[at - 1] != b'b')) {
            end_of_raw_string(text, at)
        } else if starts(at, "'") {
            end_of_char(bytes, at)
        } else {
            at
        };
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(out).expect("only whole literals and comments are blanked")
}

fn end_of_block_comment(text: &str, start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at < text.len() {
        match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (at, depth) = (at + 2, depth + 1),
            [b'*', b'/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// `start` itself where `r` is no raw string.
fn end_of_raw_string(text: &str, start: usize) -> usize {
    let hashes = text[start + 1..].bytes().take_while(|byte| *byte == b'#').count();
    let body = start + 1 + hashes;
    if text.as_bytes().get(body) != Some(&b'"') {
        return start;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    text[body + 1..].find(&close).map_or(text.len(), |len| body + 1 + len + close.len())
}

/// `start` itself where `'` begins a lifetime.
fn end_of_char(bytes: &[u8], start: usize) -> usize {
    match &bytes[start..] {
        [_, b'\\', _, rest @ ..] => rest.iter().position(|byte| *byte == b'\'').map_or(start, |len| start + 4 + len),
        // One character has at most four bytes.
        [_, rest @ ..] => match rest.iter().take(5).position(|byte| *byte == b'\'') {
            Some(len) if len == 1 || (len > 1 && !rest[0].is_ascii()) => start + len + 2,
            _ => start,
        },
        [] => start,
    }
}

/// Blanked code without the items under `#[cfg(test)]`, and the names of those that are modules in
/// files of their own.
fn without_tests(code: &str) -> (String, Vec<String>) {
    const TEST: &str = "#[cfg(test)]";
    let (mut out, mut modules) = (String::new(), Vec::new());
    let mut rest = code;
    while let Some(at) = rest.find(TEST) {
        out.push_str(&rest[..at]);
        let item = &rest[at + TEST.len()..];
        let end = item.find([';', '{']).unwrap_or(item.len());
        if item[end..].starts_with('{') {
            let mut depth = 0;
            let close = item[end..].char_indices().find(|(_, c)| {
                depth += i32::from(*c == '{') - i32::from(*c == '}');
                depth == 0
            });
            // A group of imports (`use a::{b};`) leaves a lone semicolon, which does no harm.
            rest = &item[close.map_or(item.len(), |(len, _)| end + len + 1)..];
        } else {
            let mut words = item[..end].split_whitespace().rev();
            if let (Some(name), Some("mod")) = (words.next(), words.next()) {
                modules.push(name.to_owned());
            }
            rest = item.get(end + 1..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    (out, modules)
}
