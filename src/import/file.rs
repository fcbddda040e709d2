//! Reads one file once: compares it with what is known of it, and passes on what is
//! new.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::chain::torn_line;
use super::content::{Chunk, Content};
use super::plan::{self, Continuation, Heads, KnownFile, SingleTransaction};
use super::read::{FileEnd, Item, Reader};
use super::walk::{FileStat, Walk};
use crate::error::{Error, Result};
use crate::format::rules::Sessions;
use crate::store::file_time::FileTime;
use crate::store::files::{FileKind, FileRow};
use crate::store::log::MAX_LINE;

const BLOCK: usize = 256 << 10;

/// How reading a file ended.
pub(super) enum Ended {
    Done,
    /// It changed while it was read.
    Changed,
    /// A line is too long for the database.
    TooLong,
    NobodyListens,
}

/// One attempt at one file.
pub(super) struct FileReader<'a> {
    reader: &'a Reader<'a>,
    path: &'a [u8],
    kind: FileKind,
    /// Whether this is the last attempt, which takes the file as it is, even if it
    /// changes.
    is_last: bool,
    /// Whether the writer was told that chunks of this file follow.
    streaming: bool,
}

impl<'a> FileReader<'a> {
    pub(super) fn new(
        reader: &'a Reader<'a>,
        path: &'a [u8],
        kind: FileKind,
        is_last: bool,
    ) -> Self {
        Self { reader, path, kind, is_last, streaming: false }
    }

    pub(super) fn is_streaming(&self) -> bool {
        self.streaming
    }

    pub(super) fn run(&mut self, walk: &Walk, known: KnownFile) -> Result<Ended> {
        let (mut file, stat) = walk.open_file(self.path).map_err(|err| self.failed(err))?;
        let mut heads = HashedHeads::read(&mut file, self.kind, stat.size, &known)
            .map_err(|err| self.failed(err))?;
        let torn = self.torn(&known, &mut heads)?;
        let whole = self.reader.job.sizes.whole;
        let way = plan::decide(self.kind, stat.size, known, heads.found, whole);
        let reading = match &way {
            Continuation::Same(known) => return Ok(self.same(known, stat)),
            way => self.begin(file, stat, way, &heads, torn)?,
        };
        let file = Box::new(reading.row.clone());
        match way {
            Continuation::SingleTransaction(once)
                if stat.size.saturating_sub(file.size) <= whole =>
            {
                self.hand_over_whole(reading, file, once)
            }
            Continuation::SingleTransaction(once) => {
                self.stream(reading, Item::Tail { file, once })
            }
            Continuation::Large(large) => self.stream(reading, Item::Large { file, large }),
            Continuation::Same(_) => Ok(Ended::Done),
        }
    }

    fn failed(&self, err: io::Error) -> Error {
        let shown = PathBuf::from(String::from_utf8_lossy(self.path).into_owned());
        Error::io("read", &shown)(err)
    }

    /// The last line of a log that the file begins with, if that line may have been
    /// continued.
    fn torn(&self, known: &KnownFile, heads: &mut HashedHeads) -> Result<Vec<u8>> {
        let Some(current) = known.current.as_ref().filter(|_| heads.found.current) else {
            return Ok(Vec::new());
        };
        match torn_line(self.reader.conn, current) {
            // A damaged chain cannot be continued. The root has all of the file.
            Err(Error::Damaged(_)) => {
                heads.found.current = false;
                Ok(Vec::new())
            }
            torn => torn,
        }
    }

    /// Seeks the first byte to pass on.
    fn begin(
        &self,
        mut file: File,
        stat: FileStat,
        way: &Continuation,
        heads: &HashedHeads,
        torn: Vec<u8>,
    ) -> Result<Reading> {
        let reader = self.reader;
        let mut row = reader.row(self.path.to_vec(), self.kind, stat);
        let (mut all, mut tail, mut pending) = (Sha256::new(), None, Vec::new());
        if let Some(known) = way.continues() {
            row.size = known.size;
            row.line_count = known.line_count;
            all = heads.hasher_at(known);
        }
        if let Continuation::SingleTransaction(SingleTransaction::Grown(_)) = way {
            tail = Some(Sha256::new());
            row.line_count -= u32::from(!torn.is_empty());
            pending = torn;
        }
        file.seek(SeekFrom::Start(row.size)).map_err(|err| self.failed(err))?;
        let rest = stat.size.saturating_sub(row.size);
        let format = reader.job.root.format;
        Ok(Reading {
            file,
            stat,
            is_last: self.is_last,
            slack: reader.job.sizes.whole,
            at_end: false,
            begun_at: (row.size, row.line_count),
            row,
            all,
            tail,
            // The beginning of a line that was continued is already in the digest
            // of the whole file.
            hashed: pending.len(),
            content: Content {
                pending,
                expected: usize::try_from(rest).unwrap_or(usize::MAX),
                kind: self.kind,
                format,
                chunk: reader.job.sizes.chunk,
                // Only if the writer folds as it writes. A large file is folded
                // from the log.
                parses: self.kind == FileKind::Log
                    && format.rules().sessions == Sessions::File
                    && matches!(way, Continuation::SingleTransaction(_)),
                scanned: 0,
            },
        })
    }

    fn hand_over_whole(
        &self,
        mut reading: Reading,
        file: Box<FileRow>,
        once: SingleTransaction,
    ) -> Result<Ended> {
        let mut chunks = Vec::new();
        loop {
            match reading.next().map_err(|err| self.failed(err))? {
                Step::Chunk(chunk) => chunks.push(chunk),
                Step::End(end) => {
                    return Ok(self.last(Item::Whole { file, once, chunks, end }));
                }
                Step::GivenUp(ended) => return Ok(ended),
            }
        }
    }

    fn stream(&mut self, mut reading: Reading, start: Item) -> Result<Ended> {
        self.streaming = true;
        let mut item = start;
        loop {
            if !self.reader.send(item) {
                return Ok(Ended::NobodyListens);
            }
            item = match reading.next().map_err(|err| self.failed(err))? {
                Step::Chunk(chunk) => Item::Chunk(chunk),
                Step::End(end) => return Ok(self.last(Item::End(end))),
                Step::GivenUp(ended) => return Ok(ended),
            };
        }
    }

    fn same(&self, known: &FileRow, stat: FileStat) -> Ended {
        let file = FileRow {
            mode: stat.mode,
            mtime: stat.mtime,
            inode: stat.inode,
            read_at: self.reader.job.now,
            missing_at: None,
            ..known.clone()
        };
        self.last(Item::Same { file: Box::new(file), changed: true })
    }

    fn last(&self, item: Item) -> Ended {
        if self.reader.send(item) { Ended::Done } else { Ended::NobodyListens }
    }
}

/// A file that is being read.
struct Reading {
    file: File,
    /// Its state when it was opened.
    stat: FileStat,
    is_last: bool,
    /// Bytes by which it may grow meanwhile. Without a bound, a file that grows
    /// faster than it is read would never end.
    slack: u64,
    at_end: bool,
    /// Bytes and lines that are not read again.
    begun_at: (u64, u32),
    /// The row so far.
    row: FileRow,
    /// Digest of the whole file.
    all: Sha256,
    /// Digest of what is passed on, if that is a tail.
    tail: Option<Sha256>,
    /// Bytes at the start of the next chunk that are in `all` already.
    hashed: usize,
    content: Content,
}

enum Step {
    Chunk(Chunk),
    End(Box<FileEnd>),
    GivenUp(Ended),
}

impl Reading {
    fn next(&mut self) -> io::Result<Step> {
        loop {
            if let Some(chunk) = self.content.take(self.at_end) {
                return Ok(self.count(chunk));
            }
            if self.at_end {
                return self.end();
            }
            let read = self.content.fill(&mut self.file)?;
            self.row.size += read as u64;
            if self.content.kind == FileKind::Log
                && MAX_LINE < self.content.pending.len()
                && self.content.has_no_end()
            {
                return Ok(Step::GivenUp(Ended::TooLong));
            }
            self.at_end = read == 0 || self.stat.size.saturating_add(self.slack) < self.row.size;
        }
    }

    fn count(&mut self, chunk: Chunk) -> Step {
        self.all.update(&chunk.raw[std::mem::take(&mut self.hashed)..]);
        if let Some(tail) = &mut self.tail {
            tail.update(&chunk.raw);
        }
        // Positions in a file have 32 bits.
        match self.row.line_count.checked_add(chunk.rows) {
            Some(count) if count < u32::MAX => self.row.line_count = count,
            _ => return Step::GivenUp(Ended::TooLong),
        }
        Step::Chunk(chunk)
    }

    fn end(&mut self) -> io::Result<Step> {
        let now = self.file.metadata()?;
        let modified_at = FileTime::new(now.mtime(), now.mtime_nsec());
        // A longer file was appended to, and the next import reads the rest; or it was
        // rewritten, and what was read are parts of two files.
        let changed = now.len() < self.row.size
            || modified_at != self.stat.mtime
                && (now.len() == self.stat.size || !self.begins_as_read()?);
        if changed && !self.is_last {
            return Ok(Step::GivenUp(Ended::Changed));
        }
        let digest = |hasher: &Sha256| hasher.clone().finalize().to_vec();
        let (bytes, lines) = self.begun_at;
        Ok(Step::End(Box::new(FileEnd {
            tail: self.tail.as_ref().map(digest),
            bytes: self.row.size - bytes,
            lines: u64::from(self.row.line_count - lines),
            file: FileRow { sha256: Some(digest(&self.all)), ..self.row.clone() },
        })))
    }

    /// Whether the file begins with all that was read.
    fn begins_as_read(&mut self) -> io::Result<bool> {
        let mut hasher = Sha256::new();
        self.file.seek(SeekFrom::Start(0))?;
        hash(&mut self.file, self.row.size, &mut hasher)?;
        Ok(hasher.finalize() == self.all.clone().finalize())
    }
}

/// Which known chains the file begins with, and digests to continue from there.
struct HashedHeads {
    found: Heads,
    at: Vec<(i64, Sha256)>,
}

impl HashedHeads {
    /// Reads the longest of these beginnings once, and no more.
    fn read(file: &mut File, kind: FileKind, size: u64, known: &KnownFile) -> io::Result<Self> {
        let mut heads = Self { found: Heads::default(), at: Vec::new() };
        let both = [(&known.current, false), (&known.partial, true)];
        let mut both: Vec<(&FileRow, bool)> = both
            .into_iter()
            .filter_map(|(row, is_partial)| Some((row.as_ref()?, is_partial)))
            .filter(|(row, _)| row.kind == kind && row.size <= size)
            .collect();
        both.sort_by_key(|(row, _)| row.size);
        let (mut hasher, mut read) = (Sha256::new(), 0);
        for (row, is_partial) in both {
            hash(file, row.size - read, &mut hasher)?;
            read = row.size;
            if row.sha256.as_deref() != Some(&hasher.clone().finalize()[..]) {
                continue;
            }
            let found =
                if is_partial { &mut heads.found.partial } else { &mut heads.found.current };
            *found = true;
            heads.at.push((row.file_id, hasher.clone()));
        }
        Ok(heads)
    }

    fn hasher_at(&self, row: &FileRow) -> Sha256 {
        let found = self.at.iter().find(|(file_id, _)| *file_id == row.file_id);
        found.map_or_else(Sha256::new, |(_, hasher)| hasher.clone())
    }
}

fn hash(file: &mut File, size: u64, hasher: &mut Sha256) -> io::Result<()> {
    let mut head = file.take(size);
    let mut block = vec![0; BLOCK];
    loop {
        match head.read(&mut block)? {
            0 => return Ok(()),
            read => hasher.update(&block[..read]),
        }
    }
}
