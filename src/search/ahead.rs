//! Prepares texts on a second thread, while the thread that holds the transaction
//! reads lines and fills the index. Preparing usually takes longer, so when the
//! second thread has enough to do, the first prepares a piece itself.

use std::collections::VecDeque;
use std::mem;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use super::entry_text::EntryText;
use crate::format::Meaning;
use crate::model::Timestamp;
use crate::store::texts::Index;

/// Bytes of records that are handed over at a time. Less is not worth a thread, and
/// is prepared where it was read.
const PIECE: usize = 256 << 10;

/// The most pieces that the second thread has: enough to be busy while a piece is
/// prepared here and others are indexed.
const AHEAD: usize = 3;

/// The most pieces in progress; each is a fraction of a megabyte.
const PIECES: usize = 8;

/// An entry whose text is to be indexed.
pub(super) struct Job {
    pub(super) entry_key: i64,
    pub(super) created_at: Option<Timestamp>,
    pub(super) meaning: &'static dyn Meaning,
    pub(super) record: Vec<u8>,
}

/// An entry with its prepared text for each column of the index.
pub(super) struct Ready {
    pub(super) entry_key: i64,
    pub(super) created_at: Option<Timestamp>,
    pub(super) columns: Vec<String>,
}

impl Job {
    fn done(self, index: Index) -> Ready {
        let said = EntryText::of(self.meaning, &self.record, index.columns());
        let columns = index.columns().map(|column| said.prepared(column).text).collect();
        Ready { entry_key: self.entry_key, created_at: self.created_at, columns }
    }
}

/// Jobs go in, and come out prepared in the same order.
pub(super) struct Ahead<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    index: Index,
    jobs: Vec<Job>,
    bytes: usize,
    worker: Option<Worker>,
    /// Pieces that were not returned yet, in order; `None` for those that the worker
    /// has.
    pieces: VecDeque<Option<Vec<Ready>>>,
    handed_over: usize,
}

struct Worker {
    to: SyncSender<Vec<Job>>,
    from: Receiver<Vec<Ready>>,
}

impl<'scope, 'env> Ahead<'scope, 'env> {
    pub(super) fn new(scope: &'scope Scope<'scope, 'env>, index: Index) -> Self {
        let (jobs, pieces) = (Vec::new(), VecDeque::new());
        Self { scope, index, jobs, bytes: 0, worker: None, pieces, handed_over: 0 }
    }

    /// Takes a job; returns prepared entries that are to be indexed first.
    pub(super) fn push(&mut self, job: Job) -> Vec<Ready> {
        self.bytes += job.record.len();
        self.jobs.push(job);
        if self.bytes < PIECE {
            return Vec::new();
        }
        self.bytes = 0;
        let piece = mem::take(&mut self.jobs);
        if self.handed_over < AHEAD {
            self.hand_over(piece);
        } else {
            self.pieces.push_back(Some(done(piece, self.index)));
        }
        let mut ready = Vec::new();
        while let Some(piece) = self.first(PIECES < self.pieces.len()) {
            ready.extend(piece);
        }
        ready
    }

    /// Returns what is left, piece by piece.
    pub(super) fn rest(&mut self) -> Option<Vec<Ready>> {
        if let Some(piece) = self.first(true) {
            return Some(piece);
        }
        let jobs = mem::take(&mut self.jobs);
        (!jobs.is_empty()).then(|| done(jobs, self.index))
    }

    /// The first piece if it is ready; if `waits`, waits for it.
    fn first(&mut self, waits: bool) -> Option<Vec<Ready>> {
        if self.pieces.front()?.is_some() {
            return self.pieces.pop_front().flatten();
        }
        let worker = self.worker.as_ref()?;
        // The worker ends early only by a panic, which the scope propagates.
        let piece = if waits {
            worker.from.recv().unwrap_or_default()
        } else {
            worker.from.try_recv().ok()?
        };
        self.pieces.pop_front();
        self.handed_over -= 1;
        Some(piece)
    }

    fn hand_over(&mut self, piece: Vec<Job>) {
        let (scope, index) = (self.scope, self.index);
        let worker = self.worker.get_or_insert_with(|| {
            let (to, jobs) = sync_channel::<Vec<Job>>(AHEAD);
            let (given, from) = sync_channel(AHEAD);
            scope.spawn(move || {
                for piece in jobs {
                    // If the transaction failed, nobody receives it.
                    if given.send(done(piece, index)).is_err() {
                        break;
                    }
                }
            });
            Worker { to, from }
        });
        if worker.to.send(piece).is_ok() {
            self.pieces.push_back(None);
            self.handed_over += 1;
        }
    }
}

fn done(jobs: Vec<Job>, index: Index) -> Vec<Ready> {
    jobs.into_iter().map(|job| job.done(index)).collect()
}
