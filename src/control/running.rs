//! One stream while it runs: its threads, its packager, and how both come to their end.

use super::settings;
use crate::capture::contribution::Desk;
use crate::config::StreamConfig;
use crate::package::live::LiveHls;
use crate::pipeline::{self, PipelineError, Report};
use crate::stream::Stream;
use crate::supervisor::{Supervisor, SupervisorError};
use crate::time::Epoch;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Devices close and the last parts are written in well under this.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How long the end of the last playlist may take to be packaged.
const END_WITHIN: Duration = Duration::from_secs(1);

/// What the web server needs of a stream.
#[derive(Clone)]
pub struct Served {
    pub live: Arc<LiveHls>,
    /// What its pipeline counts; `None` when nobody publishes it from here.
    pub report: Option<Arc<Report>>,
}

pub(super) struct Running {
    pub served: Served,
    threads: Supervisor,
    packaging: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts publishing into `stream`, and packaging it. What had already begun when something fails is
    /// ended.
    pub fn start(
        stream: &Arc<Stream>,
        config: &StreamConfig,
        desk: &Desk,
        supervisor: &Supervisor,
        runtime: &Handle,
        epoch: Epoch,
    ) -> Result<Self, PipelineError> {
        let threads = supervisor.scope();
        let report = match pipeline::start(stream.name(), config, stream, desk, &threads) {
            Ok(report) => report,
            Err(error) => {
                threads.stop().request();
                if let Err(stuck) = threads.join(STOP_WITHIN) {
                    log::error!("{}: {stuck}", stream.name());
                }
                return Err(error);
            }
        };
        // After the publisher has its place: a reader of the one before would come to its end at once.
        let live = LiveHls::new(Arc::clone(stream), settings::packaging(config), epoch);
        let packaging = Some(runtime.spawn(Arc::clone(&live).run()));
        Ok(Self { served: Served { live, report: Some(report) }, threads, packaging })
    }

    /// Its source has come to its end by itself, or it was stopped.
    pub fn is_over(&self) -> bool {
        self.threads.is_idle()
    }

    /// Ends the threads and then the playlist; blocks for 6 s at most. When threads don't end, their device
    /// hangs, and it can be tried again.
    pub fn stop(&mut self, runtime: &Handle) -> Result<(), SupervisorError> {
        self.threads.stop().request();
        self.threads.join(STOP_WITHIN)?;
        runtime.block_on(self.packaged());
        Ok(())
    }

    /// Waits, not for long, until what was published is packaged and the playlists say that it is over.
    pub async fn packaged(&mut self) {
        if let Some(packaging) = self.packaging.take()
            && timeout(END_WITHIN, packaging).await.is_err()
        {
            log::warn!("{}: the end of its playlist was not written in time", self.served.live.stream().name());
        }
    }
}
