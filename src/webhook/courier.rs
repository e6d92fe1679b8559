//! One webhook's deliveries, in their order.

use super::queue::{Delivery, Queue, delay};
use super::send::Sender;
use crate::config::WebhookConfig;
use crate::control::Event;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What waits for the receiver.
#[derive(Default)]
struct Mailbox {
    queue: Mutex<Queue>,
    come: Notify,
}

impl Mailbox {
    /// Whether the oldest had to go for it.
    fn put(&self, delivery: Delivery) -> bool {
        let dropped = self.queue.lock().unwrap_or_else(PoisonError::into_inner).push(delivery);
        self.come.notify_one();
        dropped
    }

    /// The oldest, as soon as there is one. For one who takes.
    async fn next(&self) -> Delivery {
        loop {
            let delivery = self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match delivery {
                Some(delivery) => return delivery,
                None => self.come.notified().await,
            }
        }
    }
}

/// A webhook, what waits for it, and the task that delivers it. Dropping it ends the task.
pub(super) struct Courier {
    hook: WebhookConfig,
    mailbox: Arc<Mailbox>,
    task: JoinHandle<()>,
}

impl Courier {
    pub fn start(hook: WebhookConfig, sender: Sender) -> Self {
        let mailbox = Arc::new(Mailbox::default());
        let task = tokio::spawn(run(hook.clone(), sender, Arc::clone(&mailbox)));
        Self { hook, mailbox, task }
    }

    pub fn serves(&self, hook: &WebhookConfig) -> bool {
        self.hook == *hook
    }

    /// Keeps the event for the receiver, if it is one that it wants. Never waits.
    pub fn take(&self, event: &Event) {
        let name = event.what.name();
        if !self.hook.events.contains(&name) {
            return;
        }
        match serde_json::to_string(event) {
            Ok(body) => {
                if self.mailbox.put(Delivery { event: name, body }) {
                    log::warn!("webhook {} is far behind: its oldest event was dropped", receiver(&self.hook));
                }
            }
            Err(error) => log::error!("an event can't be written as JSON: {error}"),
        }
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a receiver is called in the log.
fn receiver(hook: &WebhookConfig) -> &str {
    hook.url.host().unwrap_or_default()
}

async fn run(hook: WebhookConfig, sender: Sender, mailbox: Arc<Mailbox>) {
    let mut well = true;
    loop {
        let delivery = mailbox.next().await;
        well = deliver(&hook, &sender, &delivery, well).await;
    }
}

/// Tries until it is taken, or long enough; whether it was. That a receiver fails is said once, and when it no
/// longer does.
async fn deliver(hook: &WebhookConfig, sender: &Sender, delivery: &Delivery, was_well: bool) -> bool {
    let (receiver, event) = (receiver(hook), delivery.event);
    for failures in 0.. {
        let Err(error) = sender.post(hook, delivery).await else {
            if failures > 0 || !was_well {
                log::info!("webhook {receiver}: takes events again");
            }
            return true;
        };
        let Some(delay) = delay(failures) else {
            log::warn!("webhook {receiver}: {event} was not delivered: {error}");
            break;
        };
        let level = if failures == 0 && was_well { log::Level::Warn } else { log::Level::Debug };
        log::log!(level, "webhook {receiver}: {error}; {event} is tried again in {} s", delay.as_secs());
        tokio::time::sleep(delay).await;
    }
    false
}
