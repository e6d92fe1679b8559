//! Looks at the board now and then: tells what it suffers from, and sheds load while it is held back.

#![allow(clippy::disallowed_methods, reason = "shell: reads the clock")]

use super::shed::Shed;
use super::{Control, Load, Troubles, What};
use crate::stream::Stream;
use crate::time::MonoTime;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How often the board is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// Of the bitrate, while load is shed; parts of a hundred.
const LOW_BITRATE_PERCENT: u32 = 60;

impl Control {
    /// Watches the board until the box stops.
    pub async fn watch_board(self: Arc<Self>) {
        let mut shed = Shed::new(MonoTime::now());
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stop = self.supervisor().stop().clone();
        loop {
            tokio::select! {
                () = stop.requested() => return,
                _ = look.tick() => {}
            }
            // A sensor may make wait.
            let system = Arc::clone(self.system());
            let Ok(status) = tokio::task::spawn_blocking(move || system.status()).await else { return };
            let mut troubles = self.troubles();
            let told = troubles.look(&status.board);
            *self.troubles.lock().unwrap_or_else(PoisonError::into_inner) = troubles;
            for what in told {
                if let What::Board { trouble, on } = what {
                    log::warn!("the board: {}", said(trouble, on));
                }
                self.tell(what);
            }
            if let Some(load) = shed.look(troubles.throttled, MonoTime::now()) {
                self.carry(load);
            }
        }
    }

    /// Leaves undone what `load` says, from now on.
    fn carry(&self, load: Load) {
        let before = std::mem::replace(&mut *self.load.lock().unwrap_or_else(PoisonError::into_inner), load);
        for stream in self.streams().list() {
            self.apply_load(&stream);
        }
        let what = match load.max(before) {
            Load::Full => "nothing",
            Load::WithoutSnapshots => "snapshots",
            Load::LowBitrate => "bitrate",
            Load::HalfFrameRate => "frame rate",
        };
        if load > before {
            log::warn!("the board is held back: less {what} from now on");
        } else {
            log::info!("the board is well again: {what} as before");
        }
        self.tell(What::Load { load: load.name() });
    }

    /// A stream does as much as the board is to do.
    pub(super) fn apply_load(&self, stream: &Stream) {
        let load = self.load();
        stream.set_bitrate_percent(if load >= Load::LowBitrate { LOW_BITRATE_PERCENT } else { 100 });
        stream.set_half_rate(load >= Load::HalfFrameRate);
    }

    /// What the board suffers from.
    pub fn troubles(&self) -> Troubles {
        *self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is left undone while the board is held back.
    pub fn load(&self) -> Load {
        *self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn said(trouble: &str, on: bool) -> &'static str {
    match (trouble, on) {
        ("too_hot", true) => "it is too hot; give it air",
        ("too_hot", false) => "it has cooled down",
        ("throttled", true) => "it holds itself back, by heat or for want of power",
        ("throttled", false) => "it runs at full speed again",
        ("under_voltage", true) => "its supply's voltage is too low; use a stronger supply or a shorter cable",
        ("under_voltage", false) => "its supply's voltage is right again",
        ("memory_low", true) => "little memory is left",
        ("memory_low", false) => "there is enough memory again",
        ("storage_worn", true) => "its card is near the end of its life; copy it to a new one",
        _ => "its card is another one",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{TWO, box_with, end};
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn load_is_shed_on_every_stream_and_taken_up_again() {
        let control = box_with("").await;
        let mut heard = control.events().listen();
        control.carry(Load::HalfFrameRate);
        for (name, config) in super::super::tests::config(TWO) {
            control.add(name, config).await.expect("it starts");
        }
        let of = |name| {
            let stream = control.streams().get(name).expect("listed");
            (stream.bitrate_percent(), stream.has_half_rate())
        };
        assert_eq!([of("camera"), of("desk")], [(60, true); 2], "those that come later, too");
        control.carry(Load::LowBitrate);
        assert_eq!(of("camera"), (60, false));
        control.carry(Load::Full);
        assert_eq!(of("camera"), (100, false));
        assert_eq!(heard.recv().await.expect("told").what, What::Load { load: "half_frame_rate" });
        end(&control).await;
    }
}
