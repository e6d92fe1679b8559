//! End-to-end tests: the real program, real clients. They run in real time, so cargo runs them only
//! when asked: `cargo test --test clients` (scripts/test does). A missing tool fails its test.
//!
//! `appliance` starts and stops the program; `network` makes a LAN; `http`, `tls`, `frames`, `playlist`, `fragment`
//! and `ffmpeg` look at what it serves; `admin` signs in to it and `steady` plays it; the other files are the scenarios.
#![allow(clippy::disallowed_methods, reason = "real programs are waited for in real time")]

mod admin;
mod appliance;
mod ffmpeg;
mod fragment;
#[path = "../../src/http/tests/frames.rs"]
#[allow(dead_code, reason = "shared with the unit tests, which need other parts of it")]
mod frames;
mod http;
mod https;
mod network;
mod playlist;
mod steady;
mod tls;

mod access;
mod browser;
mod check;
mod commands;
mod contract;
mod crowd;
mod edid;
mod events;
mod files;
mod hostile;
mod lan;
mod observe;
mod operation;
mod players;
mod plays;
mod protocol;
mod push;
mod relay;
mod reload;
mod rooms;
mod settings;
mod setup;
mod webhooks;
mod whep;
mod whip;
