//! Prefetches files of a bucket.
//!
//! An object store takes tens of milliseconds to answer, and a lake of many exports has
//! thousands of small files. The reader announces the order in which it will open them, and
//! several are downloaded at once.

use std::collections::VecDeque;
use std::fs::File;

use tokio::task::JoinHandle;

use crate::error::Result;

/// How many files are downloaded at once, in addition to the one that the reader waits for.
const AT_ONCE: usize = 16;

/// The maximum size of these files in bytes, because they take disk space here. A larger
/// file is downloaded alone.
const ROOM: u64 = 64 << 20;

/// A download; returns `None` if there is no such file.
pub(crate) type Download = JoinHandle<Result<Option<File>>>;

/// The downloads, in the order in which their files will be opened.
#[derive(Default)]
pub(crate) struct Ahead {
    /// The paths and sizes of files whose download has not started.
    next: VecDeque<(String, u64)>,
    running: VecDeque<Running>,
}

struct Running {
    path: String,
    bytes: u64,
    download: Download,
}

impl Ahead {
    /// Announces which files are opened next; replaces an earlier announcement.
    pub(crate) fn expect(&mut self, files: Vec<(String, u64)>) {
        for running in self.running.drain(..) {
            running.download.abort();
        }
        self.next = files.into();
    }

    /// The download of a file; `None` if another file was announced. `start` starts a
    /// download.
    pub(crate) fn take(
        &mut self,
        path: &str,
        start: impl Fn(String, u64) -> Download,
    ) -> Option<Download> {
        self.start_more(&start);
        self.running.front().filter(|running| running.path == path)?;
        let taken = self.running.pop_front()?;
        self.start_more(&start);
        Some(taken.download)
    }

    fn start_more(&mut self, start: &impl Fn(String, u64) -> Download) {
        while self.running.len() < AT_ONCE
            && let Some((_, bytes)) = self.next.front()
            && (self.running.is_empty() || self.bytes() + bytes <= ROOM)
            && let Some((path, bytes)) = self.next.pop_front()
        {
            let download = start(path.clone(), bytes);
            self.running.push_back(Running { path, bytes, download });
        }
    }

    fn bytes(&self) -> u64 {
        self.running.iter().map(|running| running.bytes).sum()
    }
}
