//! Moments that somebody marked, by the media time of the streams, so that what is recorded can be cut there.
//! Sans-IO.

use serde::Serialize;
use std::collections::VecDeque;

/// A service of some hours has far fewer; the oldest goes.
const MAX_MARKS: usize = 1_024;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// Counts from 1 since the start of the box.
    pub number: u64,
    /// Media time: what the time stamps of the tracks count, µs.
    pub media_us: i64,
    /// ms since 1970.
    pub unix_ms: i64,
}

/// Those of all streams, oldest first.
#[derive(Debug, Default)]
pub(super) struct Marks {
    list: VecDeque<(String, Mark)>,
    last: u64,
}

impl Marks {
    /// One moment of several streams.
    pub fn add(&mut self, streams: &[&str], media_us: i64, unix_ms: i64) -> Mark {
        self.last += 1;
        let mark = Mark { number: self.last, media_us, unix_ms };
        for stream in streams {
            if self.list.len() == MAX_MARKS {
                self.list.pop_front();
            }
            self.list.push_back(((*stream).to_owned(), mark.clone()));
        }
        mark
    }

    pub fn of(&self, stream: &str) -> Vec<Mark> {
        self.list.iter().filter(|(of, _)| of == stream).map(|(_, mark)| mark.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stream_has_its_own_and_the_newest_stay() {
        let mut marks = Marks::default();
        assert_eq!(marks.add(&["a", "b"], 10, 0).number, 1);
        assert_eq!(marks.add(&["b"], 20, 0).number, 2);
        let times = |marks: &Marks, stream: &str| marks.of(stream).iter().map(|mark| mark.media_us).collect::<Vec<_>>();
        assert_eq!((times(&marks, "a"), times(&marks, "b")), (vec![10], vec![10, 20]));
        for _ in 0..MAX_MARKS {
            marks.add(&["a"], 30, 0);
        }
        assert_eq!((marks.of("a").len(), marks.of("b").len()), (MAX_MARKS, 0));
    }
}
