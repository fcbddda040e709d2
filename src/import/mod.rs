//! Import: reads a root of session files into the store.
//!
//! One thread walks, reads, hashes and parses. The caller's thread writes, in
//! transactions of 16 MB or 2,000 files, whichever comes first: one transaction per
//! file would cost more than twice as much, a single one for everything two to four
//! times. The bytes that wait between the threads are bounded. If there are several
//! transactions, they wait for the disk together, at the end.
//!
//! A file larger than a batch goes into the log batch by batch, in a state that is
//! not visible. The last batch folds it and makes it visible. An import that is
//! interrupted in any way leaves complete files and perhaps one such partial file,
//! which the next import continues.
//!
//! Files are compared with what the store knows of them. A file with the same size
//! and time that is not too recent for its clock to show a change is unchanged, and
//! is not opened. A larger file that begins with the known bytes has grown, and its
//! tail is read. Anything else is a new generation, kept beside the old one.

mod budget;
mod chain;
mod content;
mod displaced;
mod file;
mod finish;
pub(crate) mod known;
mod large;
mod losses;
mod moved;
mod once;
mod overlooked;
mod plan;
pub(crate) mod purged;
mod read;
mod renamed;
pub(crate) mod root;
mod space;
mod tally;
#[cfg(test)]
mod tests;
mod unchanged;
mod union;
pub(crate) mod walk;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use budget::Budget;
pub use losses::{LossCause, LostLines};
use purged::Away;
use read::Item;
use rusqlite::Connection;

use crate::error::{Error, Result};
use crate::model::{Format, ProblemKind, Timestamp, as_object, bytes_of, shown_path};
use crate::store::log::CHUNK_SIZE;
use crate::store::sources::Source;
use crate::store::transaction::Transaction;
use crate::store::{Store, problems, sources};

/// How to import.
#[derive(Clone, Debug, Default)]
#[must_use = "options do nothing until `import`"]
pub struct ImportOptions {
    format: Option<Format>,
    origin: Option<String>,
    dry_run: bool,
    rereads: bool,
    again: bool,
    ignore_space: bool,
    adds_up: bool,
    now: Option<Timestamp>,
    sizes: Sizes,
    #[cfg(test)]
    fuse: tests::Fuse,
}

/// Sizes of the units of work.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// Bytes per transaction.
    batch: u64,
    /// The largest file that is passed on whole; larger ones come in chunks.
    whole: u64,
    /// Bytes per chunk.
    chunk: usize,
    /// Bytes between two reports of progress.
    step: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { batch: 16 << 20, whole: 4 << 20, chunk: CHUNK_SIZE, step: 1 << 20 }
    }
}

/// Passes over a root before an import gives up because others change the same files.
const PASSES: usize = 8;

impl ImportOptions {
    /// The defaults, which each setter documents.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the format. Default: detected from the files.
    pub fn format(mut self, format: Format) -> Self {
        self.format = Some(format);
        self
    }

    /// Sets the machine or person that the sessions of the root come from, from now
    /// on. Default: as an earlier import set it.
    pub fn origin(mut self, origin: &str) -> Self {
        self.origin = Some(origin.to_owned());
        self
    }

    /// Reads and reports everything, but writes nothing. Default: `false`.
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Reads every file, even if its size and time are unchanged: a change can keep
    /// both, for example when a backup is restored. Default: `false`.
    pub fn reread(mut self, rereads: bool) -> Self {
        self.rereads = rereads;
        self
    }

    /// Imports sessions again that were purged here and are still at the root, and
    /// forgets that they were purged. Default: `false`.
    pub fn again(mut self, again: bool) -> Self {
        self.again = again;
        self
    }

    /// Starts even if the disk space seems too small. Default: `false`.
    pub fn ignore_space(mut self, ignore_space: bool) -> Self {
        self.ignore_space = ignore_space;
        self
    }

    /// Adds up the sizes of all files before reading the first, so that
    /// [`total`](Progress::total) is known. Default: `false`.
    pub fn add_up(mut self, adds_up: bool) -> Self {
        self.adds_up = adds_up;
        self
    }

    /// Sets the time of the import. Default: the system's clock.
    ///
    /// It decides which files are too recent for their modification time to be relied
    /// on.
    pub fn now(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    fn origin_name(&self) -> Result<Option<&str>> {
        self.origin.as_deref().map(sources::origin_name).transpose()
    }
}

/// What an import found: numbers of files, unless noted otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// The imported root: the one that was given, absolute and without links, or the
    /// known one that covers it.
    pub root: PathBuf,
    /// Files seen for the first time.
    pub new: u64,
    /// Files that got longer and begin with the known bytes. Only the tail was read.
    pub grown: u64,
    /// Files that changed otherwise. The earlier content is kept.
    pub rewritten: u64,
    /// Files that are at another path than before. What is known of them stays with
    /// them.
    pub moved: u64,
    /// Files that did not change.
    pub unchanged: u64,
    /// Files that are no longer at the root, and are kept here.
    pub missing: u64,
    /// Logs that lost lines at the root since the last import. The lines are kept
    /// here.
    pub lost: Vec<LostLines>,
    /// Files of sessions that were purged here, which were skipped.
    pub purged: u64,
    /// Sessions that were added or changed.
    pub sessions: u64,
    /// Lines read.
    pub lines: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Problems of the whole root by kind, the most frequent first. A dry run, which
    /// folds no session, has only those of single lines in the files that it read.
    pub problems: Vec<(ProblemKind, u64)>,
}

/// Numbers by the name of their kind.
fn by_kind(problems: &[(ProblemKind, u64)]) -> BTreeMap<&'static str, u64> {
    problems.iter().map(|(kind, count)| (kind.name(), *count)).collect()
}

as_object! { ImportReport {
    root by shown_path, new, grown, rewritten, moved, unchanged, missing, lost, purged, sessions, lines,
    bytes, problems by by_kind,
} }

/// The progress of an import.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Files seen so far, including unchanged ones.
    pub files: u64,
    /// Bytes read so far.
    pub bytes: u64,
    /// Bytes of the files examined so far, including unchanged ones.
    pub passed: u64,
    /// Bytes of all files of the root, if they were [added
    /// up](ImportOptions::add_up).
    pub total: Option<u64>,
}

impl Store {
    /// Imports the session files of a root. Never writes to the root.
    ///
    /// It can be repeated at any time: unchanged files are not read. A root inside a
    /// known one is imported as part of that; known roots inside a new one become
    /// part of it, and their sessions keep their keys and events. If it fails or is
    /// interrupted, the files completed so far are in the store, and the next import
    /// does the rest. Files that cannot be understood or read are not an error; they
    /// are problems in the report and in the store.
    ///
    /// # Errors
    ///
    /// [`RootNotFound`](crate::Error::RootNotFound),
    /// [`UnknownFormat`](crate::Error::UnknownFormat),
    /// [`NoSessions`](crate::Error::NoSessions), and
    /// [`RootKnownAs`](crate::Error::RootKnownAs) if the root is known with another
    /// format, all before anything is read; [`Io`](crate::Error::Io) if the root
    /// cannot be listed; [`DiskFull`](crate::Error::DiskFull), before any content is
    /// written, if one and a half times the new bytes would not fit beside the
    /// database; [`Busy`](crate::Error::Busy) if another process writes for longer
    /// than the busy timeout, or keeps importing the same files.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use sessile::{ImportOptions, Store};
    ///
    /// let store = Store::open(dir.path().join("sessions.db"))?;
    /// let report = store.import("fixtures/kward/small", &ImportOptions::new())?;
    ///
    /// assert_eq!(report.sessions, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn import(&self, root: impl AsRef<Path>, options: &ImportOptions) -> Result<ImportReport> {
        self.import_with(root, options, |_| {})
    }

    /// As [`import`](Self::import); calls `progress` now and then.
    ///
    /// # Errors
    ///
    /// Those of [`import`](Self::import).
    pub fn import_with(
        &self,
        root: impl AsRef<Path>,
        options: &ImportOptions,
        mut progress: impl FnMut(Progress),
    ) -> Result<ImportReport> {
        let now = options.now.unwrap_or_else(Timestamp::now);
        options.origin_name()?;
        let (root, mut source) = self.recognise(root.as_ref(), options.format)?;
        let mut asks_space = !options.dry_run && !options.ignore_space;
        if !options.dry_run && source.is_none() {
            if std::mem::take(&mut asks_space) {
                self.read(|conn| space::require(conn, self.path(), &root, None))?;
            }
            source = Some(self.write(|tx| known::claim(tx, &root))?);
        }
        self.say_origin(options, source.as_ref())?;
        let parts = match source {
            Some(_) => Vec::new(),
            // An import absorbs these; a dry run examines them where they are.
            None => self.read(|conn| known::inside(conn, &root))?,
        };
        let away = self.purged_of(source.as_ref(), &parts, root.format, options)?;
        let total = options.adds_up.then(|| space::total(self.path(), &root)).transpose()?;
        let job = Job {
            store: self,
            passed: AtomicU64::new(0),
            total,
            root,
            source,
            parts,
            away,
            now,
            dry_run: options.dry_run,
            rereads: options.rereads,
            asks_space,
            sizes: options.sizes,
            #[cfg(test)]
            fuse: &options.fuse,
        };
        let mut outcome = job.run(finish::Found::default(), &mut progress)?;
        // Another import of the same root took some files first. Another pass finds
        // them unchanged, or continues them.
        for _ in 1..PASSES {
            if outcome.conflicts == 0 {
                break;
            }
            outcome = job.run(outcome.found, &mut progress)?;
        }
        if outcome.conflicts != 0 {
            return Err(Error::Busy);
        }
        if let Some(source) = job.source.filter(|_| !options.dry_run) {
            outcome.report.problems =
                self.read(|conn| problems::count_by_kind(conn, source.source_id))?;
        }
        outcome.report.root.clone_from(&job.root.path);
        outcome.report.purged = job.away.take_passed();
        Ok(outcome.report)
    }

    /// Sets the root's origin, if the options name one.
    fn say_origin(&self, options: &ImportOptions, source: Option<&Source>) -> Result<()> {
        let (Some(origin), Some(source)) = (options.origin_name()?, source) else { return Ok(()) };
        if options.dry_run || source.origin == origin {
            return Ok(());
        }
        self.write(|tx| sources::update_origin(tx, source.source_id, origin))
    }

    /// The root to import, and the source that covers it, if there is one.
    fn recognise(
        &self,
        root: &Path,
        format: Option<Format>,
    ) -> Result<(root::Root, Option<Source>)> {
        let path = root::real_path(root)?;
        let known = self.read(|conn| match known::covering(conn, &path)? {
            Some(source) => Ok(Some((known::examine(conn, &source, format)?, source))),
            None => Ok(None),
        })?;
        match known {
            Some((root, source)) => Ok((root, Some(source))),
            None => Ok((root::examine(&path, format)?, None)),
        }
    }

    /// The purged sessions of a source, or of its parts, to skip; none if they are to
    /// be imported again.
    fn purged_of(
        &self,
        source: Option<&Source>,
        parts: &[(Source, PathBuf)],
        format: Format,
        options: &ImportOptions,
    ) -> Result<Away> {
        let away = self.read(|conn| {
            let mut away = Away::nothing(format);
            if let Some(source) = source {
                away.add(conn, source.source_id, Path::new(""))?;
            }
            parts.iter().try_for_each(|(source, below)| away.add(conn, source.source_id, below))?;
            Ok(away)
        })?;
        if away.is_empty() || !options.again {
            return Ok(away);
        }
        if let Some(source) = source.filter(|_| !options.dry_run) {
            self.write(|tx| crate::store::purged::delete_of_source(tx, source.source_id))?;
        }
        Ok(Away::nothing(format))
    }
}

/// One pass over a root.
struct Job<'a> {
    store: &'a Store,
    /// Bytes of the files that the reader has finished.
    passed: AtomicU64,
    total: Option<u64>,
    root: root::Root,
    /// `None` for a dry run over a root that was never imported.
    source: Option<Source>,
    /// The known roots inside such a root, with their paths below it.
    parts: Vec<(Source, PathBuf)>,
    away: Away,
    now: Timestamp,
    dry_run: bool,
    rereads: bool,
    /// Whether to check the disk space at the first file that changed.
    asks_space: bool,
    sizes: Sizes,
    #[cfg(test)]
    fuse: &'a tests::Fuse,
}

#[derive(Default)]
struct Outcome {
    report: ImportReport,
    /// Files that another import changed after they were compared.
    conflicts: u64,
    /// What another pass needs to know of this one.
    found: finish::Found,
}

impl Job<'_> {
    /// The source that a path below the root belongs to, and the path below that
    /// source.
    fn place_of<'p>(&self, path: &'p [u8]) -> Option<(i64, &'p [u8])> {
        if let Some(source) = &self.source {
            return Some((source.source_id, path));
        }
        self.parts.iter().find_map(|(source, below)| {
            let inside = path.strip_prefix(bytes_of(below))?.strip_prefix(b"/")?;
            Some((source.source_id, inside))
        })
    }

    fn begin<'c>(&self, conn: &'c Connection) -> Result<Transaction<'c>> {
        #[cfg(test)]
        self.fuse.burn()?;
        self.store.begin(conn)
    }

    fn run(&self, found: finish::Found, progress: &mut impl FnMut(Progress)) -> Result<Outcome> {
        self.passed.store(0, Ordering::Relaxed);
        self.away.take_passed();
        let budget = Budget::new();
        std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::sync_channel(1_024);
            let budget = &budget;
            let reader = scope.spawn(move || {
                let _close = budget.close_on_drop();
                read::read(self, budget, &sender)
            });
            let outcome = {
                let _close = budget.close_on_drop();
                let inbox = Inbox { receiver, budget };
                if self.dry_run {
                    Ok(tally::count(self, &inbox, progress))
                } else {
                    write::write(self, found, &inbox, progress)
                }
            };
            // A panic of the reader thread continues here.
            let read = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let outcome = outcome?;
            read?;
            Ok(outcome)
        })
    }
}

/// Receives what the reader passes to the writer, and returns the bytes to the
/// budget.
struct Inbox<'a> {
    receiver: mpsc::Receiver<Item>,
    budget: &'a Budget,
}

impl Inbox<'_> {
    /// The next item; `None` when the reader has ended.
    fn next(&self) -> Option<Item> {
        let item = self.receiver.recv().ok()?;
        self.budget.release(item.cost());
        Some(item)
    }

    /// Skips the rest of a file that comes in chunks.
    fn skip(&self) {
        while let Some(Item::Chunk(_)) = self.next() {}
    }

    /// The next item, unless the reader keeps the writer waiting.
    fn next_soon(&self) -> Option<Item> {
        let item = self.receiver.recv_timeout(Duration::from_millis(20)).ok()?;
        self.budget.release(item.cost());
        Some(item)
    }
}
