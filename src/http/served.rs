//! What the server knows of one stream.

use crate::package::live::LiveHls;
use crate::pipeline::Report;
use std::sync::Arc;

/// One stream as the server sees it.
#[derive(Clone)]
pub struct Served {
    pub live: Arc<LiveHls>,
    /// What its pipeline counts; `None` when nobody publishes it from here.
    pub report: Option<Arc<Report>>,
}
