//! End-to-end tests: the real program, real clients. They run in real time, so cargo runs them only
//! when asked: `cargo test --test clients` (scripts/test does). A missing tool fails its test.
//!
//! `appliance` starts and stops the program; `network` makes a LAN; `http`, `playlist`, `fragment` and `ffmpeg`
//! look at what it serves; the other files are the scenarios.
#![allow(clippy::disallowed_methods, reason = "real programs are waited for in real time")]

mod appliance;
mod ffmpeg;
mod fragment;
mod http;
mod https;
mod network;
mod playlist;

mod access;
mod browser;
mod check;
mod commands;
mod events;
mod files;
mod lan;
mod observe;
mod operation;
mod players;
mod plays;
mod protocol;
mod settings;
mod setup;
mod webhooks;
