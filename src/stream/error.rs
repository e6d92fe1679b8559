//! What can be refused.

use thiserror::Error;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("stream `{name}` is published already; one publisher at a time")]
pub struct AlreadyPublished {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is a stream `{name}` already")]
pub struct NameTaken {
    pub name: String,
}
