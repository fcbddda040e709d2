//! Texts are made ready in a thread of their own, while the one that holds the
//! transaction reads lines and fills the index: the two take about as long.

use std::mem;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use super::said::Said;
use crate::format::Meaning;
use crate::model::Timestamp;
use crate::store::texts::Index;

/// Bytes of records that are handed over at once. Less is not worth a thread:
/// it is made ready where it was read.
const PIECE: usize = 256 << 10;

/// Pieces that are handed over before one is taken back.
const AHEAD: usize = 2;

/// An entry whose text the index is to take in.
pub(super) struct Job {
    pub(super) entry_key: i64,
    pub(super) created_at: Option<Timestamp>,
    pub(super) meaning: &'static dyn Meaning,
    pub(super) record: Vec<u8>,
}

/// The same, with its text for each column of the index.
pub(super) struct Ready {
    pub(super) entry_key: i64,
    pub(super) created_at: Option<Timestamp>,
    pub(super) columns: Vec<String>,
}

impl Job {
    fn done(self, index: Index) -> Ready {
        let said = Said::of(self.meaning, &self.record, index.columns());
        let columns = index.columns().map(|column| said.prepared(column).text).collect();
        Ready { entry_key: self.entry_key, created_at: self.created_at, columns }
    }
}

/// Jobs go in, and come out ready in the same order.
pub(super) struct Ahead<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    index: Index,
    jobs: Vec<Job>,
    bytes: usize,
    worker: Option<Worker>,
    /// Pieces that the worker has.
    handed_over: usize,
}

struct Worker {
    to: SyncSender<Vec<Job>>,
    from: Receiver<Vec<Ready>>,
}

impl<'scope, 'env> Ahead<'scope, 'env> {
    pub(super) fn new(scope: &'scope Scope<'scope, 'env>, index: Index) -> Self {
        Self { scope, index, jobs: Vec::new(), bytes: 0, worker: None, handed_over: 0 }
    }

    /// Takes a job; gives those that are to go into the index first.
    pub(super) fn push(&mut self, job: Job) -> Vec<Ready> {
        self.bytes += job.record.len();
        self.jobs.push(job);
        if self.bytes < PIECE {
            return Vec::new();
        }
        let ready = if self.handed_over == AHEAD { self.take_back() } else { Vec::new() };
        self.hand_over();
        ready
    }

    /// Gives what is left, piece by piece.
    pub(super) fn rest(&mut self) -> Option<Vec<Ready>> {
        if 0 < self.handed_over {
            return Some(self.take_back());
        }
        let jobs = mem::take(&mut self.jobs);
        let index = self.index;
        (!jobs.is_empty()).then(|| jobs.into_iter().map(|job| job.done(index)).collect())
    }

    fn hand_over(&mut self) {
        let (scope, index) = (self.scope, self.index);
        let worker = self.worker.get_or_insert_with(|| {
            let (to, jobs) = sync_channel::<Vec<Job>>(AHEAD);
            let (done, from) = sync_channel(AHEAD);
            scope.spawn(move || {
                for piece in jobs {
                    // Nobody takes it any more where the transaction has failed.
                    if done.send(piece.into_iter().map(|job| job.done(index)).collect()).is_err() {
                        break;
                    }
                }
            });
            Worker { to, from }
        });
        self.bytes = 0;
        // The worker ends before us only if it panics, and the scope passes that on.
        if worker.to.send(mem::take(&mut self.jobs)).is_ok() {
            self.handed_over += 1;
        }
    }

    fn take_back(&mut self) -> Vec<Ready> {
        self.handed_over -= 1;
        self.worker.as_ref().and_then(|worker| worker.from.recv().ok()).unwrap_or_default()
    }
}
