//! The streams of the box, by name.

use super::error::NameTaken;
use super::shell::Stream;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Every stream of the box. Cheap to share; names are checked by whoever makes a stream.
#[derive(Default)]
pub struct Streams {
    by_name: RwLock<BTreeMap<String, Arc<Stream>>>,
}

impl Streams {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn get(&self, name: &str) -> Option<Arc<Stream>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// In the order of their names.
    pub fn list(&self) -> Vec<Arc<Stream>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Takes a stream off the list; who reads it goes on until it ends.
    pub fn remove(&self, name: &str) -> Option<Arc<Stream>> {
        self.by_name.write().unwrap_or_else(PoisonError::into_inner).remove(name)
    }

    pub fn insert(&self, stream: Arc<Stream>) -> Result<(), NameTaken> {
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        let name = stream.name().to_owned();
        if by_name.contains_key(&name) {
            return Err(NameTaken { name });
        }
        by_name.insert(name, stream);
        Ok(())
    }
}
