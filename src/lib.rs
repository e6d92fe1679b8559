//! `capturebox` turns a Raspberry Pi-class box into a live-streaming appliance.
//!
//! Modules stand in the order in which data flows; a module imports only from its left
//! (`tests/architecture.rs` holds that):
//!
//! ```text
//! time < media < codec < container < stream < {access capture decode encode package} < {mix pipeline snapshot} < control < {discovery tls webhook webrtc} < {meet push} < {http panel} < app < main
//! ```
//!
//! `config`, `state`, `supervisor` and `system` stand beside the line: shells use them, cores don't.

pub mod time;

pub mod media;

pub mod codec;

pub mod container;

pub mod stream;

pub mod access;
pub mod capture;
pub mod decode;
pub mod encode;
pub mod package;

pub mod mix;
pub mod pipeline;
pub mod snapshot;

pub mod control;
pub mod tls;

pub mod discovery;
pub mod webhook;
pub mod webrtc;

pub mod meet;
pub mod push;

pub mod http;
pub mod panel;

pub mod app;

pub mod config;
pub mod state;
pub mod supervisor;
pub mod system;
