//! Import: a root of session files into the store.
//!
//! One thread walks, reads, hashes and parses; the caller's thread writes, in
//! transactions of 16 MB or 2,000 files, whichever comes first: a transaction a
//! file would cost more than twice as much, one for everything two to four
//! times. What waits between the two is bounded in bytes. Where there are several,
//! they wait for the disk together, at the end.
//!
//! A file larger than a batch goes into the log batch by batch, in a state that
//! nothing shows; the last batch folds it and makes it visible. An import that
//! is interrupted, however hard, leaves complete files and perhaps one such
//! half-read one, and the next import goes on where it stood.
//!
//! Files are compared with what the store knows of them: same size and time,
//! and not so young that a change could hide in the clock's grain, is
//! unchanged and not opened; larger with the known bytes at its head is grown,
//! and its tail is read; anything else is a new generation, beside the old.

mod budget;
mod chain;
mod content;
mod displaced;
mod file;
pub(crate) mod known;
mod large;
mod losses;
mod moved;
mod once;
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
use crate::model::{Format, ProblemKind, Timestamp, bytes_of};
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

/// How much is handled at once.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// Bytes of a transaction.
    batch: u64,
    /// Up to so many bytes of a file are handed over whole; more, chunk by chunk.
    whole: u64,
    /// Bytes of a chunk.
    chunk: usize,
    /// Bytes from one word on the progress to the next.
    step: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { batch: 16 << 20, whole: 4 << 20, chunk: CHUNK_SIZE, step: 1 << 20 }
    }
}

/// Looks at a root before an import gives way to others that change the same files.
const PASSES: usize = 8;

impl ImportOptions {
    /// The defaults named at each setter.
    pub fn new() -> Self {
        Self::default()
    }

    /// The program that wrote the root. Default: told from its files.
    pub fn format(mut self, format: Format) -> Self {
        self.format = Some(format);
        self
    }

    /// The machine or person that the sessions of the root are of, from now on.
    /// Default: what an earlier import said.
    pub fn origin(mut self, origin: &str) -> Self {
        self.origin = Some(origin.to_owned());
        self
    }

    /// Reads everything and reports, but writes nothing. Default: `false`.
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Reads every file, also one whose size and time are as they were: a change
    /// can keep both, as a restored backup does. Default: `false`.
    pub fn reread(mut self, rereads: bool) -> Self {
        self.rereads = rereads;
        self
    }

    /// Takes in again what was purged here and is still at the root, and forgets
    /// that it was purged. Default: `false`.
    pub fn again(mut self, again: bool) -> Self {
        self.again = again;
        self
    }

    /// Starts even if the disk space seems too small. Default: `false`.
    pub fn ignore_space(mut self, ignore_space: bool) -> Self {
        self.ignore_space = ignore_space;
        self
    }

    /// Adds up the sizes of all files before it reads the first, for a
    /// [total](Progress::total). Default: `false`.
    pub fn add_up(mut self, adds_up: bool) -> Self {
        self.adds_up = adds_up;
        self
    }

    /// The time of the import. Default: the system's clock.
    ///
    /// It decides which files are too young to be trusted by their time alone.
    pub fn now(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    fn origin_name(&self) -> Result<Option<&str>> {
        self.origin.as_deref().map(sources::origin_name).transpose()
    }
}

/// What an import found, in files unless it says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// What was imported: the root that was asked for, absolute and without
    /// links, or the known one that covers it.
    pub root: PathBuf,
    /// Seen for the first time.
    pub new: u64,
    /// Longer than before, with the same bytes at the head; their tail was read.
    pub grown: u64,
    /// Different from before; the earlier content is kept.
    pub rewritten: u64,
    /// At another path than before; what was known of them stays.
    pub moved: u64,
    /// As before.
    pub unchanged: u64,
    /// No longer at the root, and kept here.
    pub missing: u64,
    /// Logs of which lines are no longer at the root since the last import, and are kept here.
    pub lost: Vec<LostLines>,
    /// Of sessions that were purged here, and passed by.
    pub purged: u64,
    /// Sessions that were added or changed.
    pub sessions: u64,
    /// Lines read.
    pub lines: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Problems of the whole root, by kind, the most frequent first.
    pub problems: Vec<(ProblemKind, u64)>,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Files seen so far, unchanged ones included.
    pub files: u64,
    /// Bytes read so far.
    pub bytes: u64,
    /// Bytes of the files that were looked at so far, unchanged ones included.
    pub passed: u64,
    /// Bytes of all files of the root, where they were
    /// [added up](ImportOptions::add_up).
    pub total: Option<u64>,
}

impl Store {
    /// Reads a root of session files; never writes to it.
    ///
    /// Import it again at any time: what did not change is not read. A root
    /// inside a known one is imported as that one; known roots inside a new one
    /// become part of it, and their sessions keep their keys and events. When this
    /// fails or is interrupted, complete files are in and the next import
    /// finishes the rest. Files that cannot be understood or read are no
    /// failure; they are problems in the report and in the store.
    ///
    /// # Errors
    ///
    /// [`RootNotFound`](crate::Error::RootNotFound),
    /// [`UnknownFormat`](crate::Error::UnknownFormat),
    /// [`NoSessions`](crate::Error::NoSessions) and
    /// [`RootKnownAs`](crate::Error::RootKnownAs), when the root is known as
    /// another format's, before anything is read;
    /// [`Io`](crate::Error::Io) when the root cannot be listed;
    /// [`DiskFull`](crate::Error::DiskFull) before any content is written, when
    /// half as much again as the new bytes would not fit beside the database;
    /// [`Busy`](crate::Error::Busy) when another process writes for too long, or
    /// imports the same files at the same time.
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

    /// Imports as [`import`](Self::import), telling `progress` now and then how far it is.
    ///
    /// # Errors
    ///
    /// As [`import`](Self::import).
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
            // Those that an import takes in; a dry run looks at them where they are.
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
        let mut outcome = job.run(&mut progress)?;
        // Another import of the same root at the same time took some files
        // first; a second look finds them unchanged, or goes on with them.
        for _ in 1..PASSES {
            if outcome.conflicts == 0 {
                break;
            }
            outcome = job.run(&mut progress)?;
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

    /// Lets the root be of the origin that is asked for.
    fn say_origin(&self, options: &ImportOptions, source: Option<&Source>) -> Result<()> {
        let (Some(origin), Some(source)) = (options.origin_name()?, source) else { return Ok(()) };
        if options.dry_run || source.origin == origin {
            return Ok(());
        }
        self.write(|tx| sources::update_origin(tx, source.source_id, origin))
    }

    /// The root to import, and its source if one covers it.
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

    /// What of a source, or of its parts, stays away; nothing, where it is asked for again.
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
    /// Bytes of the files that the reader is done with.
    passed: AtomicU64,
    total: Option<u64>,
    root: root::Root,
    /// `None` for a dry run over a root that was never imported.
    source: Option<Source>,
    /// Known roots inside such a one, and where they lie below it.
    parts: Vec<(Source, PathBuf)>,
    away: Away,
    now: Timestamp,
    dry_run: bool,
    rereads: bool,
    /// Whether to look for disk space at the first file that is not as it was.
    asks_space: bool,
    sizes: Sizes,
    #[cfg(test)]
    fuse: &'a tests::Fuse,
}

#[derive(Default)]
struct Outcome {
    report: ImportReport,
    /// Files that another import changed since they were compared.
    conflicts: u64,
}

impl Job<'_> {
    /// The source that knows what lies at a path below the root, and the path below that.
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

    fn run(&self, progress: &mut impl FnMut(Progress)) -> Result<Outcome> {
        // Of several looks at the root, the last counts.
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
                    write::write(self, &inbox, progress)
                }
            };
            // A panic of the reader is one of ours; it goes on here.
            let read = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let outcome = outcome?;
            read?;
            Ok(outcome)
        })
    }
}

/// What the reader hands to the writer, which returns its bytes to the budget.
struct Inbox<'a> {
    receiver: mpsc::Receiver<Item>,
    budget: &'a Budget,
}

impl Inbox<'_> {
    /// The next item; `None` when the reader has ended.
    fn next(&self) -> Option<Item> {
        let item = self.receiver.recv().ok()?;
        self.budget.give(item.cost());
        Some(item)
    }

    /// Passes over what is left of a file that came chunk by chunk.
    fn skip(&self) {
        while let Some(Item::Chunk(_)) = self.next() {}
    }

    /// The next item, unless the reader keeps the writer waiting.
    fn next_soon(&self) -> Option<Item> {
        let item = self.receiver.recv_timeout(Duration::from_millis(20)).ok()?;
        self.budget.give(item.cost());
        Some(item)
    }
}
