//! Bounds the bytes that wait between two threads.

use std::sync::{Condvar, Mutex, PoisonError};

/// Enough to keep the writer busy; more would only cost memory.
const LIMIT: usize = 12 << 20;

pub(super) struct Budget {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    used: usize,
    closed: bool,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { state: Mutex::new(State { used: 0, closed: false }), changed: Condvar::new() }
    }

    /// Waits until these bytes fit; more than the limit passes when nothing else
    /// waits.
    pub(super) fn take(&self, bytes: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.closed && 0 < state.used && LIMIT < state.used + bytes {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.used += bytes;
    }

    pub(super) fn release(&self, bytes: usize) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).used -= bytes;
        self.changed.notify_one();
    }

    /// Returns a guard that unblocks the other side when this one ends, also by a
    /// panic.
    pub(super) fn close_on_drop(&self) -> impl Drop {
        Close(self)
    }
}

struct Close<'a>(&'a Budget);

impl Drop for Close<'_> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.0.changed.notify_one();
    }
}
