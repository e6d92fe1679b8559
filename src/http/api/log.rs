//! The log's newest lines.
//!
//! For the administrator alone: nothing of ours says a secret there, but what a camera program writes to its
//! standard error stands in the log too, and programs like to repeat their arguments (an address with a
//! password, say), which only the administrator may see.

use super::{Call, Endpoint, Needs, Problem, Reply, Resource, Takes, json, now};
use crate::supervisor::logging::{self, MAX_LINES};
use hyper::{Method, StatusCode};
use log::LevelFilter;

pub static RESOURCE: Resource = Resource {
    endpoints: &[Endpoint {
        method: Method::GET,
        path: "log",
        needs: Needs::Administer,
        takes: Takes::Nothing,
        run: |call| log(&call),
    }],
    openapi: include_str!("log.json"),
};

/// A few screens.
const LINES: usize = 200;

/// What JavaScript counts to.
const MAX_AFTER: u64 = (1 << 53) - 1;

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    lines: usize,
    level: LevelFilter,
    after: Option<u64>,
}

fn log<'a>(call: &Call<'_>) -> Reply<'a> {
    now(match wanted(call.query) {
        Ok(Wanted { lines, level, after }) => json(&logging::tail(after, level, lines)),
        Err(problem) => problem.into(),
    })
}

/// Other parameters are ignored, as everywhere.
fn wanted(query: Option<&str>) -> Result<Wanted, Problem> {
    let mut wanted = Wanted { lines: LINES, level: LevelFilter::Info, after: None };
    let refuse = |detail: String| Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    for (name, value) in pairs {
        match name {
            "lines" => match value.parse() {
                Ok(lines @ 1..=MAX_LINES) => wanted.lines = lines,
                _ => return refuse(format!("lines is a number from 1 to {MAX_LINES}.")),
            },
            "after" => match value.parse() {
                Ok(after @ 0..=MAX_AFTER) => wanted.after = Some(after),
                _ => return refuse("after is the number that an answer before had.".to_owned()),
            },
            "level" => match value {
                "error" => wanted.level = LevelFilter::Error,
                "warn" => wanted.level = LevelFilter::Warn,
                "info" => wanted.level = LevelFilter::Info,
                "debug" => wanted.level = LevelFilter::Debug,
                "trace" => wanted.level = LevelFilter::Trace,
                _ => return refuse("level is error, warn, info, debug or trace.".to_owned()),
            },
            _ => {}
        }
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read_and_nonsense_refused() {
        let default = || Wanted { lines: LINES, level: LevelFilter::Info, after: None };
        assert_eq!(wanted(None), Ok(default()));
        assert_eq!(wanted(Some("x=1&token")), Ok(default()));
        let all = Wanted { lines: 5, level: LevelFilter::Warn, after: Some(7) };
        assert_eq!(wanted(Some("lines=5&level=warn&after=7")), Ok(all));
        for bad in [
            "lines=0",
            "lines=2001",
            "lines=-1",
            "lines=",
            "level=loud",
            "after=x",
            "after=-1",
            "after=9007199254740992",
        ] {
            assert_eq!(wanted(Some(bad)).expect_err(bad).status(), 400, "{bad}");
        }
    }
}
