//! `[rooms]`: whether people can meet, who, and how many.

use super::section::{Field, Section};
use super::webhooks::Secret;
use super::{VIDEO_BITRATE_BPS, WHO, value};
use crate::access::Policy;
use std::ops::RangeInclusive;
use toml::de::DeValue;

/// Each has people; a small board carries a few dozen of those in all.
pub const MAX_ROOMS: RangeInclusive<u32> = 1..=64;
/// What a page can show, and a box send each of them.
pub const MAX_PEOPLE: RangeInclusive<u32> = 2..=32;
const MAX_PASSWORD_LEN: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomsConfig {
    pub enabled: bool,
    /// Who may come, before any password.
    pub join: Policy,
    pub max_rooms: usize,
    /// In a room.
    pub max_people: usize,
    /// Of one person's picture, bits a second.
    pub video_bitrate_bps: u32,
    pub mode: RoomMode,
    /// Two people alone in a room are led to each other, where nothing else needs what they send.
    pub peer_to_peer: bool,
    /// Every room is a stream, `room-NAME`, from its beginning; else a host may make it one.
    pub broadcast: bool,
    /// Of the mixed picture.
    pub layout: RoomLayout,
    /// Of all rooms.
    pub password: Option<Secret>,
    /// Who knows it is host; without one, whoever is first.
    pub host_password: Option<Secret>,
}

/// How people in a room get each other's pictures and sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RoomMode {
    /// As they are sent.
    #[default]
    Forward,
    /// As one picture and one sound.
    Mix,
}

/// How people share a mixed picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RoomLayout {
    #[default]
    Grid,
    /// Who speaks is large.
    Speaker,
}

impl Default for RoomsConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            join: Policy::Lan,
            max_rooms: 8,
            max_people: 12,
            video_bitrate_bps: 1_500_000,
            mode: RoomMode::Forward,
            peer_to_peer: false,
            broadcast: false,
            layout: RoomLayout::Grid,
            password: None,
            host_password: None,
        }
    }
}

pub(super) fn read(section: &Section<'_>) -> RoomsConfig {
    let default = RoomsConfig::default();
    let count = |key, range: RangeInclusive<u32>, unit, default| {
        let count = section.field(key).and_then(|field: Field<'_>| field.integer(range, unit));
        count.and_then(|count| usize::try_from(count).ok()).unwrap_or(default)
    };
    let password = |key| {
        section.field(key).and_then(|field: Field<'_>| {
            field.read(|value| match value {
                DeValue::String(text) if (1..=MAX_PASSWORD_LEN).contains(&text.len()) => Ok(Secret::new(text.clone())),
                // It isn't repeated.
                _ => {
                    Err(format!("must be a string of 1 to {MAX_PASSWORD_LEN} bytes; without a password, leave it out"))
                }
            })
        })
    };
    let config = RoomsConfig {
        enabled: section.field("enabled").and_then(|field| field.boolean()).unwrap_or(default.enabled),
        join: section.field("join").and_then(|field| field.one_of(&WHO)).unwrap_or(default.join),
        max_rooms: count("max_rooms", MAX_ROOMS, " rooms", default.max_rooms),
        max_people: count("max_people", MAX_PEOPLE, " people", default.max_people),
        video_bitrate_bps: section
            .field("video_bitrate")
            .and_then(|field| field.read(|value| value::bitrate(value, &VIDEO_BITRATE_BPS)))
            .unwrap_or(default.video_bitrate_bps),
        mode: section
            .field("mode")
            .and_then(|field| field.one_of(&[("forward", RoomMode::Forward), ("mix", RoomMode::Mix)]))
            .unwrap_or(default.mode),
        peer_to_peer: section.field("peer_to_peer").and_then(|field| field.boolean()).unwrap_or(default.peer_to_peer),
        broadcast: section.field("broadcast").and_then(|field| field.boolean()).unwrap_or(default.broadcast),
        layout: section
            .field("layout")
            .and_then(|field| field.one_of(&[("grid", RoomLayout::Grid), ("speaker", RoomLayout::Speaker)]))
            .unwrap_or(default.layout),
        password: password("password"),
        host_password: password("host_password"),
    };
    section.finish();
    config
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn read(text: &str) -> Result<RoomsConfig, String> {
        Config::parse(text, "box.toml").map(|config| config.rooms).map_err(|error| error.to_string())
    }

    #[test]
    fn rooms_are_open_to_the_lan_if_nothing_is_said() {
        assert_eq!(read(""), Ok(RoomsConfig::default()));
        assert_eq!(read("[rooms]\n"), read(""));
    }

    #[test]
    fn everything_is_read_and_passwords_are_not_shown() {
        let text = "[rooms]\nenabled = false\njoin = \"token\"\nmax_rooms = 1\nmax_people = 4\nvideo_bitrate = \"700k\"\n\
                    password = \"blue door\"\nhost_password = \"verger\"\nmode = \"mix\"\nbroadcast = true\n\
                    peer_to_peer = true\n\
                    layout = \"speaker\"\n";
        let rooms = read(text).expect("good");
        assert_eq!((rooms.enabled, rooms.join, rooms.max_rooms, rooms.max_people), (false, Policy::Token, 1, 4));
        assert_eq!(rooms.video_bitrate_bps, 700_000);
        assert_eq!((rooms.mode, rooms.broadcast, rooms.layout), (RoomMode::Mix, true, RoomLayout::Speaker));
        assert!(rooms.peer_to_peer);
        assert_eq!(rooms.password.as_ref().map(Secret::as_bytes), Some(&b"blue door"[..]));
        let shown = format!("{rooms:?}");
        assert!(!shown.contains("blue") && !shown.contains("verger"), "{shown}");
    }

    #[test]
    fn bad_ones_are_refused_with_their_line() {
        for (text, message) in [
            ("[rooms]\nmode = \"mcu\"\n", "box.toml:2: `mode` can't be \"mcu\""),
            ("[rooms]\njoin = \"all\"\n", "box.toml:2: `join` can't be \"all\""),
            (
                "[rooms]\nmax_people = 1\n",
                "box.toml:2: `max_people` is 1; it must be a whole number from 2 to 32 people",
            ),
            ("[rooms]\npassword = \"\"\n", "box.toml:2: `password` must be a string of 1 to 256 bytes"),
            (
                "[rooms]\nmax_poeple = 3\n",
                "box.toml:2: unknown key `max_poeple` in [rooms]; did you mean `max_people`?",
            ),
        ] {
            let told = read(text).expect_err(text);
            assert!(told.starts_with(message), "{told}");
        }
    }
}
