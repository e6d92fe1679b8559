//! What keeps the box running and ends it in order: named threads, stop requests, back-off, signals,
//! the service manager, the log.
//!
//! Here: [`Supervisor`] (the core threads and their hearts' beat), [`Stop`], [`Backoff`], [`signals`],
//! [`notify`], [`logging`]. Not here: what the threads do.
//!
//! Rules: a core thread that panics ends the process with an exit code other than 0, and the service
//! manager starts it again; a peer's task panics alone. A core thread that no longer beats costs the
//! process its watchdog pings, with the same end.

mod backoff;
mod heartbeat;
pub mod logging;
pub mod notify;
pub mod signals;
mod stop;
mod threads;

pub use backoff::Backoff;
pub use heartbeat::{Heartbeats, Pulse};
pub use stop::Stop;
pub use threads::{Supervisor, SupervisorError};
