//! `[panel]`: buttons and lights on GPIO lines.

use super::actions::ACTIONS;
use super::problem::{hint, listed};
use super::section::{Field, Section, described};
use std::fmt;
use toml::de::DeValue;

/// More than any front panel has.
const MAX_EACH: usize = 16;
/// How many things one light shows.
const MAX_SHOWN: usize = 8;
/// What lights can show, as the API has it.
pub const STATES: [&str; 10] =
    ["power", "ready", "signal", "live", "mute", "slate", "disk_low", "too_hot", "throttled", "under_voltage"];

/// The default has neither.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PanelConfig {
    pub buttons: Vec<ButtonConfig>,
    pub lights: Vec<LightConfig>,
}

/// Where a button or a light hangs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineConfig {
    /// A path, a name (`gpiochip0`) or a label; `None`: the board's header.
    pub chip: Option<String>,
    pub line: Line,
    /// At which level it is pressed, or lit.
    pub active: Active,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// From 0; on a Raspberry Pi's header GPIO17 is 17.
    Number(u32),
    /// As the kernel names it.
    Name(String),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Active {
    Low,
    High,
}

/// The resistor inside of the chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    Up,
    Down,
    None,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ButtonConfig {
    pub line: LineConfig,
    /// `None`: so that it isn't pressed by itself.
    pub pull: Option<Pull>,
    pub debounce_ms: u32,
    pub long_ms: u32,
    pub double_ms: u32,
    /// What a press does, of [`ACTIONS`]; one of them at least does something.
    pub short: Option<&'static str>,
    pub long: Option<&'static str>,
    pub double: Option<&'static str>,
    /// To which stream; `None`: to all.
    pub stream: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LightConfig {
    pub line: LineConfig,
    /// Of [`STATES`]: the first that is so.
    pub shows: Vec<&'static str>,
    /// `None`: each state's own.
    pub pattern: Option<LightPattern>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LightPattern {
    On,
    Slow,
    Fast,
    Flash,
}

/// `streams` are those of the file, `off` the actions that are switched off there.
pub(super) fn read(section: &Section<'_>, streams: &[&str], off: &[&str]) -> PanelConfig {
    let mut taken = Vec::new();
    let buttons = tables(section, "buttons");
    let buttons = buttons.iter().filter_map(|section| button(section, &mut taken, streams, off)).collect();
    let lights = tables(section, "lights").iter().filter_map(|section| light(section, &mut taken)).collect();
    section.finish();
    PanelConfig { buttons, lights }
}

fn tables<'a>(section: &Section<'a>, key: &'static str) -> Vec<Section<'a>> {
    let Some(field) = section.field(key) else { return Vec::new() };
    let tables = field.read(|value| match value {
        DeValue::Array(tables) if tables.len() > MAX_EACH => {
            Err(format!("has {} entries; at most {MAX_EACH} are possible", tables.len()))
        }
        DeValue::Array(tables) if tables.iter().all(|table| matches!(table.get_ref(), DeValue::Table(_))) => Ok(tables),
        other => Err(format!("is {}; each of them is a [[panel.{key}]] of its own", described(other))),
    });
    let tables = tables.into_iter().flatten().enumerate();
    let section = |(index, table): (usize, &'a toml::Spanned<DeValue<'a>>)| match table.get_ref() {
        DeValue::Table(inner) => Some(section.listed(key, index, table.span().start, inner)),
        _ => None,
    };
    tables.filter_map(section).collect()
}

fn button(section: &Section<'_>, taken: &mut Vec<LineConfig>, streams: &[&str], off: &[&str]) -> Option<ButtonConfig> {
    const PULLS: [(&str, Pull); 3] = [("up", Pull::Up), ("down", Pull::Down), ("none", Pull::None)];
    let line = line(section, taken, Active::Low);
    let pull = section.field("pull").and_then(|field| field.one_of(&PULLS));
    let ms = |key, range, default| section.field(key).and_then(|field| field.integer(range, " ms")).unwrap_or(default);
    let debounce_ms = ms("debounce_ms", 1..=200, 20);
    let long_ms = ms("long_ms", 300..=10_000, 800);
    let double_ms = ms("double_ms", 100..=2_000, 400);
    let given: Vec<_> = ["short", "long", "double"].map(|key| section.field(key)).into();
    let none = given.iter().all(Option::is_none);
    let actions: Vec<_> = given.iter().map(|field| field.as_ref().and_then(|field| action(field, off))).collect();
    if none {
        section.refuse("[[panel.buttons]] does nothing; add, for example, short = \"mark\"");
    }
    let stream = section.field("stream").and_then(|field| {
        let name = field.string("\"camera\"")?;
        if !streams.is_empty() && !streams.contains(&name) {
            field.refuse(format!("is no stream of this file; {}", hint(name, streams)));
        }
        Some(name.to_owned())
    });
    section.finish();
    let [short, long, double] = actions[..] else { return None };
    Some(ButtonConfig { line: line?, pull, debounce_ms, long_ms, double_ms, short, long, double, stream })
}

fn action(field: &Field<'_>, off: &[&str]) -> Option<&'static str> {
    let choices = ACTIONS.map(|action| (action, action));
    let action = field.one_of(&choices)?;
    if off.contains(&action) {
        field.refuse(format!("is \"{action}\", which [actions] has off; take it out of one of them"));
    }
    Some(action)
}

fn light(section: &Section<'_>, taken: &mut Vec<LineConfig>) -> Option<LightConfig> {
    const PATTERNS: [(&str, LightPattern); 4] = [
        ("on", LightPattern::On),
        ("slow", LightPattern::Slow),
        ("fast", LightPattern::Fast),
        ("flash", LightPattern::Flash),
    ];
    let line = line(section, taken, Active::High);
    let shows = section.required("shows", "shows = [\"signal\"]").and_then(|field| states(&field));
    let pattern = section.field("pattern").and_then(|field| field.one_of(&PATTERNS));
    section.finish();
    Some(LightConfig { line: line?, shows: shows?, pattern })
}

fn states(field: &Field<'_>) -> Option<Vec<&'static str>> {
    field.read(|value| {
        let right = format!("it must be a list of {}", listed(&STATES));
        let DeValue::Array(words) = value else { return Err(format!("is {}; {right}", described(value))) };
        if words.is_empty() || words.len() > MAX_SHOWN {
            return Err(format!("has {} entries; one is needed, and {MAX_SHOWN} are possible", words.len()));
        }
        let state = |word: &DeValue<'_>| match word {
            DeValue::String(word) => STATES.iter().find(|state| *state == word).copied().ok_or_else(|| {
                format!("has \"{}\", which nothing here tells; {}", super::problem::Quoted(word), hint(word, &STATES))
            }),
            other => Err(format!("has {} in it; {right}", described(other))),
        };
        words.iter().map(|word| state(word.get_ref())).collect()
    })
}

/// `taken` are those that others of the file have.
fn line(section: &Section<'_>, taken: &mut Vec<LineConfig>, active: Active) -> Option<LineConfig> {
    const ACTIVE: [(&str, Active); 2] = [("low", Active::Low), ("high", Active::High)];
    /// As `line` is shown where it is missing or wrong.
    const EXAMPLE: &str = "17 or \"GPIO17\"";
    /// More lines than any chip has.
    const LAST: u32 = 1_023;
    let line = section.required("line", "line = 17").and_then(|field| {
        field.read(|value| match value {
            DeValue::String(name) if !name.is_empty() && !name.contains('\0') => {
                Ok(Line::Name(name.clone().into_owned()))
            }
            DeValue::Integer(number) => {
                let number = u32::from_str_radix(number.as_str(), number.radix()).ok();
                let number = number.filter(|number| *number <= LAST);
                number
                    .map(Line::Number)
                    .ok_or_else(|| format!("must be a number from 0 to {LAST}, or a name: {EXAMPLE}"))
            }
            other => Err(format!("is {}; it must be a line's number or its name, like {EXAMPLE}", described(other))),
        })
    });
    let chip = section.field("chip").and_then(|field| field.string("\"gpiochip0\"")).map(str::to_owned);
    let active = section.field("active").and_then(|field| field.one_of(&ACTIVE)).unwrap_or(active);
    let line = LineConfig { chip, line: line?, active };
    if taken.iter().any(|other| (&other.chip, &other.line) == (&line.chip, &line.line)) {
        section.refuse(format!("line {} has a button or a light already; each has one of its own", line.line));
    }
    taken.push(line.clone());
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn read(text: &str) -> Result<PanelConfig, String> {
        Config::parse(text, "box.toml").map(|config| config.panel).map_err(|error| error.to_string())
    }

    #[test]
    fn a_panel_is_read() {
        let text = "[streams.camera]\ninput.source = \"test\"\n\
            [[panel.buttons]]\nline = 17\nshort = \"mark\"\nlong = \"slate\"\nstream = \"camera\"\n\
            [[panel.buttons]]\nline = \"GPIO4\"\nchip = \"gpiochip0\"\nactive = \"high\"\npull = \"none\"\ndebounce_ms = 5\n\
            long_ms = 2000\ndouble_ms = 300\ndouble = \"mute\"\n\
            [[panel.lights]]\nline = 22\nshows = [\"too_hot\", \"signal\"]\n\
            [[panel.lights]]\nline = 23\nactive = \"low\"\nshows = [\"live\"]\npattern = \"flash\"\n";
        let line = |line, active| LineConfig { chip: None, line, active };
        let first = ButtonConfig {
            line: line(Line::Number(17), Active::Low),
            pull: None,
            debounce_ms: 20,
            long_ms: 800,
            double_ms: 400,
            short: Some("mark"),
            long: Some("slate"),
            double: None,
            stream: Some("camera".to_owned()),
        };
        let second = ButtonConfig {
            line: LineConfig { chip: Some("gpiochip0".into()), ..line(Line::Name("GPIO4".into()), Active::High) },
            pull: Some(Pull::None),
            debounce_ms: 5,
            long_ms: 2_000,
            double_ms: 300,
            short: None,
            long: None,
            double: Some("mute"),
            stream: None,
        };
        let lights = vec![
            LightConfig { line: line(Line::Number(22), Active::High), shows: vec!["too_hot", "signal"], pattern: None },
            LightConfig {
                line: line(Line::Number(23), Active::Low),
                shows: vec!["live"],
                pattern: Some(LightPattern::Flash),
            },
        ];
        assert_eq!(read(text), Ok(PanelConfig { buttons: vec![first, second], lights }));
        assert_eq!(read("[panel]\n"), Ok(PanelConfig::default()));
    }

    #[test]
    fn bad_ones_are_refused_with_their_line_and_what_would_be_right() {
        let button = |rest: &str| format!("[[panel.buttons]]\nline = 17\n{rest}\n");
        let table = [
            (button("short = \"record\""), "box.toml:3: `short` can't be \"record\"; it can be mark, mute, slate"),
            (button("long = \"shut-down\""), "box.toml:3: `long` can't be \"shut-down\"; did you mean `shut_down`?"),
            (button(""), "box.toml:1: [[panel.buttons]] does nothing; add, for example, short = \"mark\""),
            (
                button("short = \"mute\"\n[actions]\noff = [\"mute\"]"),
                "box.toml:3: `short` is \"mute\", which [actions] has off",
            ),
            (
                button("short = \"mute\"\nstream = \"camra\"\n[streams.camera]\ninput.source = \"test\""),
                "box.toml:4: `stream` is no stream of this file; did you mean `camera`?",
            ),
            (
                button("short = \"mute\"\ndebounce_ms = 500"),
                "box.toml:4: `debounce_ms` is 500; it must be a whole number",
            ),
            (
                button("short = \"mute\"\npull = \"left\""),
                "box.toml:4: `pull` can't be \"left\"; it can be up, down or none",
            ),
            (button("press = \"mute\""), "box.toml:1: [[panel.buttons]] does nothing"),
            (
                "[[panel.buttons]]\nshort = \"mark\"\n".to_owned(),
                "box.toml:1: [[panel.buttons]] has no `line`; add, for example, line = 17",
            ),
            (
                "[[panel.lights]]\nline = 1.5\nshows = [\"live\"]\n".to_owned(),
                "box.toml:2: `line` is the number 1.5; it must be",
            ),
            (
                "[[panel.lights]]\nline = 2000\nshows = [\"live\"]\n".to_owned(),
                "box.toml:2: `line` must be a number from 0 to 1023",
            ),
            (
                "[[panel.lights]]\nline = 1\nshows = [\"recording\"]\n".to_owned(),
                "box.toml:3: `shows` has \"recording\", which nothing here tells; it can be power, ready, signal",
            ),
            (
                "[[panel.lights]]\nline = 1\nshows = \"live\"\n".to_owned(),
                "box.toml:3: `shows` is \"live\"; it must be a list",
            ),
            (
                "[panel]\nbuttons = 3\n".to_owned(),
                "box.toml:2: `buttons` is the number 3; each of them is a [[panel.buttons]]",
            ),
            (
                button("short = \"mark\"\n[[panel.lights]]\nline = 17\nshows = [\"live\"]"),
                "box.toml:4: line 17 has a button or a light already",
            ),
        ];
        for (text, message) in table {
            let told = read(&text).expect_err(&text);
            assert!(told.starts_with(message), "{told}");
        }
    }
}
