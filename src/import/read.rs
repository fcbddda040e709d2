//! The reading side of an import: compares, reads, hashes, splits and parses.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::mpsc::SyncSender;

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::budget::Budget;
use super::content::{Chunk, Content};
use super::unchanged::Unchanged;
use super::walk::{FileStat, Found, FoundKind, Walk};
use super::{Job, root, space};
use crate::error::{Error, Result};
use crate::model::{ProblemKind, Timestamp};
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::log::{self, MAX_LINE};

/// Files up to this size are handed over whole; larger ones chunk by chunk.
const WHOLE: u64 = 4 << 20;
const BLOCK: usize = 256 << 10;
/// A file whose time is this close to the last import may have changed without showing it.
pub(super) const RACY: i64 = 2_000_000_000;
/// Times a file that changes while it is read is read again.
const ATTEMPTS: usize = 3;

/// What the reader tells the writer.
pub(super) enum Item {
    /// Files and folders that are as they were.
    Unchanged(Vec<i64>),
    /// Known, and as it was; rows that differ in nothing but mode or time come with their update.
    Same {
        file: Box<FileRow>,
        changed: bool,
    },
    /// A file, folder or link to write; its content follows in the same message.
    Whole {
        start: Start,
        chunks: Vec<Chunk>,
        end: FileRow,
    },
    /// A large file, of which chunks follow, then an end.
    Start(Start),
    Chunk(Chunk),
    End(FileRow),
    /// The large file changed while it was read; what came is void.
    Void,
    /// Something that is no content. A row that is known keeps what it has.
    Problem {
        path: Vec<u8>,
        kind: ProblemKind,
        detail: String,
        file_id: Option<i64>,
    },
    /// A folder that could not be read: what lies below it is not missing.
    Hidden {
        folder: Vec<u8>,
    },
    /// All of the root was seen.
    Seen,
}

/// How a file relates to what the store knows.
pub(super) struct Start {
    pub(super) file: FileRow,
    pub(super) plan: Plan,
}

impl Start {
    /// Whether what follows belongs behind what the store has.
    pub(super) fn is_tail(&self) -> bool {
        matches!(self.plan, Plan::Grown { .. })
    }
}

#[derive(Clone, Debug)]
pub(super) enum Plan {
    New,
    /// The tail follows; where the last line had no terminator, that line first.
    Grown {
        base: Box<FileRow>,
        replaces_last_line: bool,
    },
    /// All of it follows.
    Rewritten {
        base: Box<FileRow>,
    },
    /// A large file's rest follows.
    Resumed {
        partial: Box<FileRow>,
        base: Option<Box<FileRow>>,
    },
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

/// Walks the root and sends what it finds until all is seen or nobody listens.
pub(super) fn read(job: &Job<'_>, budget: &Budget, sender: &SyncSender<Item>) -> Result<()> {
    let conn = job.store.connection()?;
    let mut walk = Walk::new(&job.root.path, &job.root.covered)?;
    let own = root::own_files(&job.root, job.store.path());
    let mut unchanged = Unchanged::new(&conn, job)?;
    let knows_any = unchanged.knows_any();
    let mut reader =
        Reader { job, conn: &conn, budget, sender, knows_any, asks_space: job.asks_space };
    while let Some(found) = walk.next() {
        if own.contains(&found.path) {
            continue;
        }
        let holds = unchanged.holds(&found)?;
        if let Some(item) = unchanged.take_if(!holds) {
            reader.send(item);
        }
        if !holds && !reader.take(&walk, found)? {
            return Ok(());
        }
    }
    if let Some(item) = unchanged.take_if(true) {
        reader.send(item);
    }
    reader.send(Item::Seen);
    Ok(())
}

struct Reader<'a> {
    job: &'a Job<'a>,
    conn: &'a Connection,
    budget: &'a Budget,
    sender: &'a SyncSender<Item>,
    /// Whether the store knows anything of this root.
    knows_any: bool,
    asks_space: bool,
}

/// How reading a file ended.
enum Ended {
    Done,
    /// It changed under the reader.
    Changed,
    /// A line is too long for the database.
    TooLong,
    NobodyListens,
}

impl Reader<'_> {
    /// Returns whether the writer still listens.
    fn send(&self, item: Item) -> bool {
        self.budget.take(item.cost());
        self.sender.send(item).is_ok()
    }

    fn known(&self, path: &[u8], state: FileState) -> Result<Option<FileRow>> {
        match self.job.source.as_ref().filter(|_| self.knows_any) {
            Some(source) => files::file(self.conn, source.source_id, path, state),
            None => Ok(None),
        }
    }

    fn row(&self, path: Vec<u8>, kind: FileKind, stat: FileStat) -> FileRow {
        FileRow {
            file_id: 0,
            source_id: self.job.source.as_ref().map_or(0, |source| source.source_id),
            path,
            generation: 0,
            kind,
            state: FileState::Current,
            mode: stat.mode,
            mtime: stat.modified_at(),
            inode: stat.inode,
            size: 0,
            line_count: 0,
            sha256: None,
            link_target: None,
            read_at: self.job.now,
            missing_at: None,
            base_id: None,
            base_count: 0,
        }
    }

    fn take(&mut self, walk: &Walk, found: Found) -> Result<bool> {
        let Found { path, kind, stat } = found;
        match kind {
            FoundKind::File => self.take_file(walk, path, stat),
            FoundKind::Folder => {
                // Times of folders are not kept; one that is covered whole has no name of its own.
                if path.is_empty() {
                    return Ok(true);
                }
                let stat = FileStat { mtime: 0, size: 0, ..stat };
                self.take_bare(self.row(path, FileKind::Folder, stat))
            }
            FoundKind::Link(target) => {
                let stat = FileStat { mtime: 0, size: 0, mode: 0o777, ..stat };
                let mut row = self.row(path.clone(), FileKind::Link, stat);
                let detail =
                    format!("a link to {}, not followed", String::from_utf8_lossy(&target));
                row.link_target = Some(target);
                Ok(self.take_bare(row)? && self.problem(path, ProblemKind::Link, detail)?)
            }
            FoundKind::Special => {
                let detail = "a pipe, socket or device, not opened".to_owned();
                self.problem(path, ProblemKind::SpecialFile, detail)
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

    /// A folder or link: all there is of it stands in its row.
    fn take_bare(&self, row: FileRow) -> Result<bool> {
        let plan = match self.known(&row.path, FileState::Current)? {
            None => Plan::New,
            Some(base) if base.kind == row.kind && base.link_target == row.link_target => {
                let changed = base.mode != row.mode || base.missing_at.is_some();
                let file = FileRow { mode: row.mode, missing_at: None, ..base };
                return Ok(self.send(Item::Same { file: Box::new(file), changed }));
            }
            Some(base) => Plan::Rewritten { base: Box::new(base) },
        };
        let start = Start { file: row.clone(), plan };
        Ok(self.send(Item::Whole { start, chunks: Vec::new(), end: row }))
    }

    fn take_file(&mut self, walk: &Walk, path: Vec<u8>, stat: FileStat) -> Result<bool> {
        let base = self.known(&path, FileState::Current)?;
        if let Some(base) = &base {
            let is_content = matches!(base.kind, FileKind::Log | FileKind::Document);
            let is_same = base.size == stat.size && base.mtime == stat.modified_at();
            let is_sure = base.mtime.0 < base.read_at.0.saturating_sub(RACY);
            if is_content && is_same && is_sure {
                let changed = base.mode != stat.mode || base.missing_at.is_some();
                let file = FileRow { mode: stat.mode, missing_at: None, ..base.clone() };
                return Ok(self.send(Item::Same { file: Box::new(file), changed }));
            }
        }
        if std::mem::take(&mut self.asks_space) {
            let job = self.job;
            space::require(self.conn, job.store.path(), &job.root, job.source.as_ref())?;
        }
        let mut kind =
            if self.job.root.format.is_log(&path) { FileKind::Log } else { FileKind::Document };
        let mut note = None;
        for attempt in 1.. {
            let mut file = FileReader {
                reader: self,
                path: &path,
                kind,
                streaming: false,
                base: base
                    .as_ref()
                    .filter(|base| matches!(base.kind, FileKind::Log | FileKind::Document)),
                replaced: base.as_ref(),
                attempt,
            };
            match file.run(walk) {
                Ok(Ended::Done) => break,
                Ok(Ended::NobodyListens) => return Ok(false),
                Ok(Ended::Changed) if attempt == ATTEMPTS => {
                    note = Some((
                        ProblemKind::Changing,
                        "it changed each time it was read".to_owned(),
                    ));
                }
                Ok(Ended::Changed) => {}
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
                    // What has gone to the writer of this file is void.
                    if file.streaming && !self.send(Item::Void) {
                        return Ok(false);
                    }
                    return self.problem(path, ProblemKind::UnreadableFile, source.to_string());
                }
                Err(err) => return Err(err),
            }
        }
        match note {
            Some((kind, detail)) => self.problem(path, kind, detail),
            None => Ok(true),
        }
    }
}

/// One attempt at one file.
struct FileReader<'a> {
    reader: &'a Reader<'a>,
    /// Whether the writer has been told of a large file.
    streaming: bool,
    path: &'a [u8],
    kind: FileKind,
    /// What the content is compared with.
    base: Option<&'a FileRow>,
    /// What a new generation takes the place of.
    replaced: Option<&'a FileRow>,
    /// From 1; behind the last, the file is taken as it is, even if it changes.
    attempt: usize,
}

impl FileReader<'_> {
    fn run(&mut self, walk: &Walk) -> Result<Ended> {
        let reader = self.reader;
        let shown = || std::path::PathBuf::from(String::from_utf8_lossy(self.path).into_owned());
        let (mut file, stat) = walk.open_file(self.path).map_err(Error::io("read", &shown()))?;
        let mut row = reader.row(self.path.to_vec(), self.kind, stat);
        let mut hasher = Sha256::new();
        // What an attempt just left may still be on its way into the database.
        let partial = match self.attempt {
            1 => reader.known(self.path, FileState::Partial)?,
            _ => None,
        };
        let known = partial.as_ref().or(self.base);
        let mut plan = match self.replaced {
            None => Plan::New,
            Some(base) => Plan::Rewritten { base: Box::new(base.clone()) },
        };
        let mut head = Vec::new();
        if let Some(known) =
            known.filter(|known| known.size <= stat.size && known.kind == self.kind)
        {
            let read = hash_head(&mut file, known.size, &mut hasher);
            read.map_err(Error::io("read", &shown()))?;
            if known.sha256.as_deref() == Some(&hasher.clone().finalize()[..]) {
                if partial.is_some() {
                    let base = self.replaced.map(|base| Box::new(base.clone()));
                    plan = Plan::Resumed { partial: Box::new(known.clone()), base };
                } else if known.size == stat.size {
                    return Ok(self.same(known, stat));
                } else if self.kind == FileKind::Log {
                    head = last_line_without_end(reader.conn, known)?;
                    plan = Plan::Grown {
                        base: Box::new(known.clone()),
                        replaces_last_line: !head.is_empty(),
                    };
                }
            }
            if matches!(plan, Plan::New | Plan::Rewritten { .. }) {
                hasher = Sha256::new();
                file.seek(SeekFrom::Start(0)).map_err(Error::io("read", &shown()))?;
            }
        }
        let from = match &plan {
            Plan::Grown { base, .. } => base.size,
            Plan::Resumed { partial, .. } => partial.size,
            Plan::New | Plan::Rewritten { .. } => 0,
        };
        row.size = from;
        let whole = stat.size - from.min(stat.size) <= WHOLE;
        // What the writer folds as it writes; a large file is folded from the log.
        let parses = self.kind == FileKind::Log
            && !reader.job.root.format.has_folders()
            && (whole || matches!(plan, Plan::Grown { .. }));
        // The head of a joined last line is in the digest already.
        let mut hashed = head.len();
        let mut content = Content {
            pending: head,
            expected: usize::try_from(stat.size - from.min(stat.size)).unwrap_or(usize::MAX),
            kind: self.kind,
            format: reader.job.root.format,
            parses,
            scanned: 0,
        };
        let start = Start { file: row.clone(), plan };
        let mut chunks = Vec::new();
        if !whole {
            let start = Start { file: row.clone(), plan: start.plan.clone() };
            if !reader.send(Item::Start(start)) {
                return Ok(Ended::NobodyListens);
            }
            self.streaming = true;
        }
        loop {
            let read = content.fill(&mut file).map_err(Error::io("read", &shown()))?;
            row.size += read as u64;
            if self.kind == FileKind::Log
                && MAX_LINE < content.pending.len()
                && content.has_no_end()
            {
                return Ok(self.give_up(whole, Ended::TooLong));
            }
            // A file that grows faster than it is read would never end.
            let at_end = read == 0 || stat.size + WHOLE < row.size;
            while let Some(mut chunk) = content.take(at_end) {
                hasher.update(&chunk.raw[std::mem::take(&mut hashed)..]);
                // Positions in a file have 32 bits.
                row.line_count = match row.line_count.checked_add(chunk.rows) {
                    Some(count) if count < u32::MAX => count,
                    _ => return Ok(self.give_up(whole, Ended::TooLong)),
                };
                if whole {
                    chunks.push(chunk);
                    continue;
                }
                chunk.digest = Some(hasher.clone().finalize().to_vec());
                if !reader.send(Item::Chunk(chunk)) {
                    return Ok(Ended::NobodyListens);
                }
            }
            if at_end {
                break;
            }
        }
        let now = file.metadata().map_err(Error::io("read", &shown()))?;
        // Longer is an append, of which the next import takes the rest.
        let changed =
            now.len() < row.size || now.len() == stat.size && mtime_of(&now) != stat.modified_at();
        if changed && self.attempt <= ATTEMPTS {
            return Ok(self.give_up(whole, Ended::Changed));
        }
        row.sha256 = Some(hasher.finalize().to_vec());
        let sent = if whole {
            reader.send(Item::Whole { start, chunks, end: row })
        } else {
            reader.send(Item::End(row))
        };
        Ok(if sent { Ended::Done } else { Ended::NobodyListens })
    }

    fn same(&self, base: &FileRow, stat: FileStat) -> Ended {
        let file = FileRow {
            mode: stat.mode,
            mtime: stat.modified_at(),
            inode: stat.inode,
            read_at: self.reader.job.now,
            missing_at: None,
            ..base.clone()
        };
        let sent = self.reader.send(Item::Same { file: Box::new(file), changed: true });
        if sent { Ended::Done } else { Ended::NobodyListens }
    }

    fn give_up(&self, whole: bool, ended: Ended) -> Ended {
        if whole || self.reader.send(Item::Void) { ended } else { Ended::NobodyListens }
    }
}

fn mtime_of(metadata: &std::fs::Metadata) -> Timestamp {
    use std::os::unix::fs::MetadataExt;
    Timestamp(metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec()))
}

fn hash_head(file: &mut File, size: u64, hasher: &mut Sha256) -> std::io::Result<()> {
    let mut head = file.take(size);
    let mut block = vec![0; BLOCK];
    loop {
        match head.read(&mut block)? {
            0 => return Ok(()),
            read => hasher.update(&block[..read]),
        }
    }
}

fn last_line_without_end(conn: &Connection, file: &FileRow) -> Result<Vec<u8>> {
    let Some(last) = file.line_count.checked_sub(1) else { return Ok(Vec::new()) };
    let line = log::line(conn, log::key(file.file_id, last))?;
    Ok(if line.ends_with(b"\n") { Vec::new() } else { line })
}
