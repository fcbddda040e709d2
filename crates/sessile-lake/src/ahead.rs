//! Files of a bucket that are downloaded before they are opened.
//!
//! An object store takes tens of milliseconds to answer, and a lake of many exports has
//! thousands of small files. Whoever reads them says in which order, and several are on their
//! way at once.

use std::collections::VecDeque;
use std::fs::File;

use tokio::task::JoinHandle;

use crate::error::Result;

/// Files that are downloaded at once, beside the one that is waited for.
const AT_ONCE: usize = 16;

/// Bytes of these files: they take room on this machine. A longer
/// file is downloaded alone.
const ROOM: u64 = 64 << 20;

/// A download, which gives `None` where there is no such file.
pub(crate) type Download = JoinHandle<Result<Option<File>>>;

/// The downloads, in the order in which their files are opened.
#[derive(Default)]
pub(crate) struct Ahead {
    /// Paths and bytes of files that are not asked for yet.
    next: VecDeque<(String, u64)>,
    running: VecDeque<Running>,
}

struct Running {
    path: String,
    bytes: u64,
    download: Download,
}

impl Ahead {
    /// Forgets what was said before, and says which files are opened next.
    pub(crate) fn expect(&mut self, files: Vec<(String, u64)>) {
        for running in self.running.drain(..) {
            running.download.abort();
        }
        self.next = files.into();
    }

    /// The download of a file; `None` where another is expected. `start` begins one.
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
