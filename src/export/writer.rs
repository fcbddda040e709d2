//! The writer thread of an export: while it writes one piece, the next is read and
//! proven.
//!
//! Orders are executed in sequence, so a file gets its mode and time after all of
//! it was written. An error is kept with its file until files are renamed.

use std::fs::{File, FileTimes, Permissions};
use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::landing::SYNCS_AT_ONCE;

/// The size of one write.
const PIECE: usize = 256 << 10;

/// The most orders that wait; with the pieces in progress, they hold 2 MB.
const WAITING: usize = 6;

/// A file that is being written.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) file: Arc<File>,
    pub(super) failure: Failure,
}

/// The first error of a file, if there was one.
#[derive(Clone, Default)]
pub(super) struct Failure(Arc<Mutex<Option<io::Error>>>);

impl Failure {
    pub(super) fn take(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn is_noted(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn note(&self, err: io::Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(err);
    }
}

/// What a file has besides its bytes.
pub(super) struct Facts {
    pub(super) permissions: Permissions,
    pub(super) times: FileTimes,
}

enum Order {
    Write(Target, Vec<u8>),
    /// The file is complete.
    Finish(Target, Facts),
    /// A request to answer when all orders before it are done.
    Answer(SyncSender<()>),
}

pub(super) struct Writer {
    /// `None` tells the thread to end.
    orders: Option<SyncSender<Order>>,
    /// Buffers to reuse.
    used: Receiver<Vec<u8>>,
    has_failed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start() -> io::Result<Self> {
        let (orders, received) = sync_channel(WAITING);
        let (recycle, used) = channel();
        let has_failed = Arc::new(AtomicBool::new(false));
        let failed = Arc::clone(&has_failed);
        let thread = thread::Builder::new()
            .name("sessile-export".to_owned())
            .spawn(move || carry_out(&received, &recycle, &failed))?;
        Ok(Self { orders: Some(orders), used, has_failed, thread: Some(thread) })
    }

    /// Whether anything failed since the last call to `settle`.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    /// Appends to a piece, which is written when it is full.
    pub(super) fn write(
        &self,
        target: &Target,
        piece: &mut Vec<u8>,
        mut raw: &[u8],
    ) -> io::Result<()> {
        while !raw.is_empty() {
            if piece.capacity() == 0 {
                *piece = self.used.try_recv().unwrap_or_else(|_| Vec::with_capacity(PIECE));
            }
            let (now, later) = raw.split_at(raw.len().min(PIECE - piece.len()));
            piece.extend_from_slice(now);
            raw = later;
            if piece.len() == PIECE {
                self.send(Order::Write(target.clone(), mem::take(piece)))?;
            }
        }
        Ok(())
    }

    /// Writes the rest of a file, and sets its mode and time.
    pub(super) fn finish(&self, target: &Target, piece: Vec<u8>, facts: Facts) -> io::Result<()> {
        if !piece.is_empty() {
            self.send(Order::Write(target.clone(), piece))?;
        }
        self.send(Order::Finish(target.clone(), facts))
    }

    /// Waits until everything is written.
    pub(super) fn settle(&self) -> io::Result<()> {
        let (answer, answered) = sync_channel(1);
        self.send(Order::Answer(answer))?;
        answered.recv().map_err(|_| gone())?;
        self.has_failed.store(false, Ordering::Release);
        Ok(())
    }

    fn send(&self, order: Order) -> io::Result<()> {
        self.orders.as_ref().ok_or_else(gone)?.send(order).map_err(|_| gone())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // Nothing that the thread held is needed any more.
            let _ = thread.join();
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that writes has ended")
}

fn carry_out(orders: &Receiver<Order>, recycle: &Sender<Vec<u8>>, has_failed: &AtomicBool) {
    for order in orders {
        let (target, done) = match order {
            Order::Answer(answer) => {
                // The receiver may have gone.
                let _ = answer.send(());
                continue;
            }
            Order::Write(target, mut piece) => {
                let written = if target.failure.is_noted() {
                    Ok(())
                } else {
                    (&*target.file).write_all(&piece)
                };
                piece.clear();
                // The receiver may have gone.
                let _ = recycle.send(piece);
                (target, written)
            }
            Order::Finish(target, facts) => {
                let finished =
                    if target.failure.is_noted() { Ok(()) } else { finish(&target.file, facts) };
                (target, finished)
            }
        };
        if let Err(err) = done {
            target.failure.note(err);
            has_failed.store(true, Ordering::Release);
        }
    }
}

fn finish(file: &File, facts: Facts) -> io::Result<()> {
    file.set_permissions(facts.permissions)?;
    file.set_times(facts.times)?;
    if SYNCS_AT_ONCE { Ok(()) } else { file.sync_all() }
}
