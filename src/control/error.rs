//! Why something could not be changed.

use crate::capture::contribution::Taken;
use crate::config::{NameError, Problem};
use crate::pipeline::PipelineError;
use crate::supervisor::SupervisorError;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum ControlError {
    #[error("there is no stream of that name")]
    NoStream,
    #[error("{name} is stopped; start it first")]
    Stopped { name: String },
    #[error("the pictures of {name} are encoded by their source, which the box can't tell anything")]
    NotEncodedHere { name: String },
    #[error("{name} has a source of its own; nobody can publish into it")]
    HasSource { name: String },
    #[error(transparent)]
    Taken(#[from] Taken),
    #[error("no stream can have that name: {0}")]
    Name(NameError),
    #[error("there are {most} streams already, which is as many as there can be")]
    TooMany { most: usize },
    #[error("a video bitrate is from {min} to {max} bits a second", min = range.start(), max = range.end())]
    Bitrate { range: std::ops::RangeInclusive<u32> },
    #[error("the box has no file to keep its configuration in")]
    NoFile,
    #[error("the configuration has no streams; while the box runs it needs one at least")]
    NoStreams,
    #[error("{} can't be read or written: {error}", file.display())]
    File { file: PathBuf, error: io::Error },
    #[error("somebody else has changed the configuration meanwhile; look at it again")]
    Changed,
    #[error("the configuration is not good")]
    Invalid(Vec<Problem>),
    #[error("the box is stopping")]
    Ending,
    #[error(transparent)]
    Start(#[from] PipelineError),
    #[error(transparent)]
    Stop(#[from] SupervisorError),
}
