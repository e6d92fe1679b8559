//! Tells others over HTTP what happens on the box: each event is a signed POST, tried again until it is taken.
//!
//! ```text
//! events ─▶ keep ─▶ mailbox of each webhook ─▶ its courier ─▶ receiver
//! ```
//!
//! Here: what waits and when it is tried again (`queue`), the signature (`signature`), the request (`send`),
//! one receiver's deliveries (`courier`), and who gets what ([`keep`]). Not here: what events there are, which
//! is `control`'s.
//!
//! Invariants: a receiver that hangs holds up nobody but itself; what waits for it is bounded; no URL and no
//! secret stands in the log (a URL may hold a key): a receiver is called by its host.

#![allow(clippy::disallowed_methods, reason = "shell: waits between attempts")]

mod courier;
mod queue;
mod send;
mod signature;
#[cfg(test)]
mod tests;

use crate::config::WebhookConfig;
use crate::control::Event;
use courier::Courier;
use send::Sender;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

/// Delivers the events to the webhooks, as these are and as they become, until the box ends. What still waits
/// then, or for a webhook that is taken away or changed, is lost.
pub async fn keep(mut hooks: watch::Receiver<Vec<WebhookConfig>>, mut events: broadcast::Receiver<Event>) {
    let sender = Sender::default();
    let mut couriers = Vec::new();
    hooks.mark_changed();
    loop {
        tokio::select! {
            // First the webhooks: the event that tells of their change is for those who are there then.
            biased;
            changed = hooks.changed() => {
                if changed.is_err() {
                    return;
                }
                couriers = reconciled(couriers, &hooks.borrow_and_update(), &sender);
            }
            heard = events.recv() => match heard {
                Ok(event) => couriers.iter().for_each(|courier| courier.take(&event)),
                Err(RecvError::Lagged(missed)) => log::warn!("webhooks missed {missed} events"),
                Err(RecvError::Closed) => return,
            },
        }
    }
}

/// A courier for each webhook; those of webhooks that stay go on with what they have.
fn reconciled(mut old: Vec<Courier>, hooks: &[WebhookConfig], sender: &Sender) -> Vec<Courier> {
    let courier = |hook: &WebhookConfig| match old.iter().position(|courier| courier.serves(hook)) {
        Some(at) => old.swap_remove(at),
        None => Courier::start(hook.clone(), sender.clone()),
    };
    hooks.iter().map(courier).collect()
}
