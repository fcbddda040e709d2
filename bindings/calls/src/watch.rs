//! Whether anything was written, by whomever.

use std::sync::{Mutex, PoisonError};

use sessile::{Store, Watch};

use crate::{Failure, require_process};

/// A watch over a database, which tells what was committed since it was last asked.
#[derive(Debug)]
pub struct Watcher {
    watch: Mutex<Watch>,
    process: u32,
}

impl Watcher {
    pub(crate) fn begin(store: &Store) -> Result<Self, Failure> {
        Ok(Self { watch: Mutex::new(store.watch()?), process: std::process::id() })
    }

    /// Whether anything was committed since the last call, or since the watch began.
    ///
    /// # Errors
    ///
    /// The library's.
    pub fn changed(&self) -> Result<bool, Failure> {
        require_process(self.process)?;
        Ok(self.watch.lock().unwrap_or_else(PoisonError::into_inner).changed()?)
    }
}
