//! Why something could not be changed.

use crate::pipeline::PipelineError;
use crate::supervisor::SupervisorError;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum ControlError {
    #[error("there is no stream of that name")]
    NoStream,
    #[error("{name} is stopped; start it first")]
    Stopped { name: String },
    #[error("the pictures of {name} are encoded by their source, which the box can't tell anything")]
    NotEncodedHere { name: String },
    #[error("a video bitrate is from {min} to {max} bits a second", min = range.start(), max = range.end())]
    Bitrate { range: std::ops::RangeInclusive<u32> },
    #[error("the box is stopping")]
    Ending,
    #[error(transparent)]
    Start(#[from] PipelineError),
    #[error(transparent)]
    Stop(#[from] SupervisorError),
}
