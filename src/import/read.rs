//! The reading side of an import: compares, reads, hashes, splits and parses.

use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;

use rusqlite::Connection;

use super::budget::Budget;
use super::content::Chunk;
use super::file::{Ended, FileReader};
use super::plan::{KnownFile, Large, SingleTransaction};
use super::unchanged::Unchanged;
use super::walk::{FileStat, Found, FoundKind, Walk};
use super::{Job, root, space};
use crate::error::{Error, Result};
use crate::model::ProblemKind;
use crate::store::file_time::FileTime;
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::log::MAX_LINE;

/// A file modified less than this before the last import may have changed without a
/// visible change of its time.
pub(super) const RACY: i64 = 2_000_000_000;
/// How often a file that changes while it is read is read again.
const ATTEMPTS: usize = 3;

/// A message from the reader to the writer.
pub(super) enum Item {
    /// Files and folders that did not change.
    Unchanged(Vec<i64>),
    /// A known file with the same content; rows that differ only in mode or time come
    /// with their update.
    Same {
        file: Box<FileRow>,
        changed: bool,
    },
    /// A file, folder or link to write, with its content.
    Whole {
        file: Box<FileRow>,
        once: SingleTransaction,
        chunks: Vec<Chunk>,
        end: Box<FileEnd>,
    },
    /// A file with a long new tail. Chunks follow, then an end.
    Tail {
        file: Box<FileRow>,
        once: SingleTransaction,
    },
    /// A large file. Chunks follow, then an end.
    Large {
        file: Box<FileRow>,
        large: Large,
    },
    Chunk(Chunk),
    End(Box<FileEnd>),
    /// The file changed while it was read, so what was sent of it is void.
    Void,
    /// Something that cannot be read. A known row keeps its content.
    Problem {
        path: Vec<u8>,
        kind: ProblemKind,
        detail: String,
        file_id: Option<i64>,
    },
    /// A folder that could not be read: what is below it is not missing.
    Hidden {
        folder: Vec<u8>,
    },
    /// The whole root was seen.
    Seen,
}

/// What the reader knows of a file at its end.
pub(super) struct FileEnd {
    /// The final row; the writer knows its id.
    pub(super) file: FileRow,
    /// For a file that grew: the digest of the tail.
    pub(super) tail: Option<Vec<u8>>,
    /// Bytes and lines that were read.
    pub(super) bytes: u64,
    pub(super) lines: u64,
}

impl FileEnd {
    /// The end of something without content.
    fn bare(file: FileRow) -> Self {
        Self { file, tail: None, bytes: 0, lines: 0 }
    }
}

impl Item {
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Whole { chunks, .. } => 256 + chunks.iter().map(Chunk::cost).sum::<usize>(),
            Self::Chunk(chunk) => chunk.cost(),
            Self::Unchanged(files) => 256 + size_of_val(&files[..]),
            _ => 256,
        }
    }
}

/// Walks the root and sends what it finds, until everything is seen or the writer has
/// stopped.
pub(super) fn read(job: &Job<'_>, budget: &Budget, sender: &SyncSender<Item>) -> Result<()> {
    let conn = job.store.connection()?;
    let mut walk = Walk::new(&job.root.path, &job.root.covered)?;
    let own = root::own_files(&job.root, job.store.path());
    let mut unchanged = Unchanged::new(&conn, job)?;
    let knows_any = unchanged.knows_any();
    let mut reader =
        Reader { job, conn: &conn, budget, sender, knows_any, asks_space: job.asks_space };
    let mut passed = 0_u64;
    while let Some(found) = walk.next() {
        if own.contains(&found.path) {
            continue;
        }
        let size = if found.kind == FoundKind::File { found.stat.size } else { 0 };
        let holds = !job.rereads && unchanged.holds(&found)?;
        if let Some(item) = unchanged.take_if(!holds) {
            reader.send(item);
        }
        if !holds && !reader.take(&walk, found)? {
            return Ok(());
        }
        passed = passed.saturating_add(size);
        job.passed.store(passed, Ordering::Relaxed);
    }
    if let Some(item) = unchanged.take_if(true) {
        reader.send(item);
    }
    reader.send(Item::Seen);
    Ok(())
}

pub(super) struct Reader<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) conn: &'a Connection,
    budget: &'a Budget,
    sender: &'a SyncSender<Item>,
    /// Whether the store knows anything of this root.
    knows_any: bool,
    asks_space: bool,
}

impl Reader<'_> {
    /// Sends an item; returns whether the writer still listens.
    pub(super) fn send(&self, item: Item) -> bool {
        if let Item::Chunk(chunk) = &item {
            // The loop over the root counts the whole file when it ends.
            self.job.passed.fetch_add(chunk.raw.len() as u64, Ordering::Relaxed);
        }
        self.budget.take(item.cost());
        self.sender.send(item).is_ok()
    }

    pub(super) fn known(&self, path: &[u8], state: FileState) -> Result<Option<FileRow>> {
        match self.job.place_of(path).filter(|_| self.knows_any) {
            Some((source_id, path)) => files::file(self.conn, source_id, path, state),
            None => Ok(None),
        }
    }

    pub(super) fn row(&self, path: Vec<u8>, kind: FileKind, stat: FileStat) -> FileRow {
        FileRow {
            file_id: 0,
            source_id: self.job.source.as_ref().map_or(0, |source| source.source_id),
            path,
            generation: 0,
            kind,
            state: FileState::Current,
            mode: stat.mode,
            mtime: stat.mtime,
            inode: stat.inode,
            size: 0,
            line_count: 0,
            sha256: None,
            link_target: None,
            read_at: self.job.now,
            missing_at: None,
            base_id: None,
            base_count: 0,
            lost: 0,
        }
    }

    fn take(&mut self, walk: &Walk, found: Found) -> Result<bool> {
        let away = &self.job.away;
        if !away.is_empty()
            && away.holds(walk, &found, self.known(&found.path, FileState::Current)?.as_ref())
        {
            return Ok(true);
        }
        let Found { path, kind, stat } = found;
        match kind {
            FoundKind::File => self.take_file(walk, &path, &stat),
            FoundKind::Folder => {
                // Modification times of folders are not kept. The root folder
                // itself has no path.
                if path.is_empty() {
                    return Ok(true);
                }
                let stat = FileStat { mtime: FileTime::default(), size: 0, ..stat };
                self.take_bare(self.row(path, FileKind::Folder, stat))
            }
            FoundKind::Link(target) => {
                let stat = FileStat { mtime: FileTime::default(), size: 0, mode: 0o777, ..stat };
                let mut row = self.row(path.clone(), FileKind::Link, stat);
                let detail =
                    format!("a link to {}, not followed", String::from_utf8_lossy(&target));
                row.link_target = Some(target);
                Ok(self.take_bare(row)? && self.problem(path, ProblemKind::Link, detail)?)
            }
            FoundKind::Special => {
                let (kind, file_id) = (ProblemKind::SpecialFile, None);
                let detail = "a pipe, socket or device, not opened".to_owned();
                // Whatever was known of the path is no longer there.
                Ok(self.send(Item::Problem { path, kind, detail, file_id }))
            }
            FoundKind::Unreadable(reason) => {
                let hidden = self.send(Item::Hidden { folder: path.clone() });
                Ok(hidden && self.problem(path, ProblemKind::UnreadableFile, reason)?)
            }
        }
    }

    fn problem(&self, path: Vec<u8>, kind: ProblemKind, detail: String) -> Result<bool> {
        let file_id = self.known(&path, FileState::Current)?.map(|file| file.file_id);
        Ok(self.send(Item::Problem { path, kind, detail, file_id }))
    }

    /// Sends a folder or link, whose row is all there is.
    fn take_bare(&self, row: FileRow) -> Result<bool> {
        let once = match self.known(&row.path, FileState::Current)? {
            None => SingleTransaction::New,
            Some(base) if base.kind == row.kind && base.link_target == row.link_target => {
                let changed = base.mode != row.mode || base.missing_at.is_some();
                let file = FileRow { mode: row.mode, missing_at: None, ..base };
                return Ok(self.send(Item::Same { file: Box::new(file), changed }));
            }
            Some(base) => SingleTransaction::Rewritten(Box::new(base)),
        };
        let file = Box::new(row.clone());
        let end = Box::new(FileEnd::bare(row));
        Ok(self.send(Item::Whole { file, once, chunks: Vec::new(), end }))
    }

    fn take_file(&mut self, walk: &Walk, path: &[u8], stat: &FileStat) -> Result<bool> {
        let current = self.known(path, FileState::Current)?;
        if let Some(current) = &current
            && !self.job.rereads
            && is_surely_same(current, stat)
        {
            let changed = current.mode != stat.mode || current.missing_at.is_some();
            let file = FileRow { mode: stat.mode, missing_at: None, ..current.clone() };
            return Ok(self.send(Item::Same { file: Box::new(file), changed }));
        }
        if std::mem::take(&mut self.asks_space) {
            let job = self.job;
            space::require(self.conn, job.store.path(), &job.root, job.source.as_ref())?;
        }
        let is_log = self.job.root.format.layout().is_log(path);
        let kind = if is_log { FileKind::Log } else { FileKind::Document };
        let partial = self.known(path, FileState::Partial)?;
        self.read_file(walk, path, kind, KnownFile { current, partial })
    }

    /// Reads a file, repeatedly if it changes meanwhile.
    fn read_file(
        &self,
        walk: &Walk,
        path: &[u8],
        mut kind: FileKind,
        mut known: KnownFile,
    ) -> Result<bool> {
        let mut note = None;
        for attempt in 1.. {
            let is_last = ATTEMPTS < attempt;
            let mut file = FileReader::new(self, path, kind, is_last);
            let ended = file.run(walk, known.clone());
            if file.is_streaming() && !matches!(ended, Ok(Ended::Done)) {
                // What was sent of this file is void, and the writer removes it.
                known.partial = None;
                if !self.send(Item::Void) {
                    return Ok(false);
                }
            }
            match ended {
                Ok(Ended::Done) => break,
                Ok(Ended::NobodyListens) => return Ok(false),
                Ok(Ended::Changed) => {
                    let detail = "it changed each time it was read".to_owned();
                    note =
                        note.or((attempt == ATTEMPTS).then_some((ProblemKind::Changing, detail)));
                }
                Ok(Ended::TooLong) => {
                    kind = FileKind::Document;
                    note = Some((
                        ProblemKind::TooLong,
                        format!(
                            "a line is longer than {MAX_LINE} bytes; the file is kept as a document"
                        ),
                    ));
                }
                Err(Error::Io { source, .. }) => {
                    let (path, kind) = (path.to_vec(), ProblemKind::UnreadableFile);
                    return self.problem(path, kind, source.to_string());
                }
                Err(err) => return Err(err),
            }
        }
        match note {
            Some((kind, detail)) => self.problem(path.to_vec(), kind, detail),
            None => Ok(true),
        }
    }
}

/// Whether a file is unchanged by size and time, and old enough for its time to be
/// relied on. A file with another inode has replaced it, and is read.
fn is_surely_same(known: &FileRow, stat: &FileStat) -> bool {
    matches!(known.kind, FileKind::Log | FileKind::Document)
        && (known.size, known.mtime, known.inode) == (stat.size, stat.mtime, stat.inode)
        && known.mtime.nearest().0 < known.read_at.0.saturating_sub(RACY)
}
