//! Bytes on their way from a file into rows: lines of a log, or pieces of a document.

use std::fs::File;
use std::io::Read;

use crate::model::{Format, Record};
use crate::store::files::FileKind;

const BLOCK: usize = 256 << 10;
/// Lines shorter than this on average are parsed where they are written.
const SHORT_LINE: usize = 64;

/// Some lines, or a piece of a document.
#[derive(Default)]
pub(super) struct Chunk {
    pub(super) raw: Vec<u8>,
    /// Rows that it makes: its lines; for a document, one.
    pub(super) rows: u32,
    /// One a line, where the writer folds as it writes; none where lines are so
    /// short that their records would be many times as large.
    pub(super) records: Vec<Record>,
}

impl Chunk {
    pub(super) fn cost(&self) -> usize {
        self.raw.capacity() + self.records.len() * size_of::<Record>()
    }
}

/// Bytes read and not yet handed over.
pub(super) struct Content {
    pub(super) pending: Vec<u8>,
    /// Bytes that the file said it has.
    pub(super) expected: usize,
    pub(super) kind: FileKind,
    pub(super) format: Format,
    /// Bytes of a full chunk.
    pub(super) chunk: usize,
    /// Whether records are wanted beside the lines.
    pub(super) parses: bool,
    /// So much of `pending` holds no line end.
    pub(super) scanned: usize,
}

impl Content {
    pub(super) fn fill(&mut self, file: &mut File) -> std::io::Result<usize> {
        let before = self.pending.len();
        // Room for all that a small file has, so that one read takes it and one finds its end.
        let block = BLOCK.min(self.chunk);
        self.pending.reserve(block.min(self.expected) + 1);
        file.take(block as u64).read_to_end(&mut self.pending)?;
        Ok(self.pending.len() - before)
    }

    pub(super) fn has_no_end(&self) -> bool {
        self.format.layout().last_line_end(&self.pending).is_none()
    }

    /// Takes what makes a full chunk; at the end of the file, whatever is left.
    pub(super) fn take(&mut self, at_end: bool) -> Option<Chunk> {
        if self.pending.is_empty() || !at_end && self.pending.len() < self.chunk {
            return None;
        }
        let cut = match self.kind {
            FileKind::Log if at_end => self.pending.len(),
            FileKind::Log => {
                match self.format.layout().last_line_end(&self.pending[self.scanned..]) {
                    Some(end) => self.scanned + end,
                    None => {
                        // The last byte may be half a terminator.
                        self.scanned = self.pending.len() - 1;
                        return None;
                    }
                }
            }
            _ => self.pending.len().min(self.chunk),
        };
        let rest = self.pending.split_off(cut);
        let raw = std::mem::replace(&mut self.pending, rest);
        self.scanned = 0;
        let mut chunk = Chunk { raw, rows: 1, ..Chunk::default() };
        if self.kind == FileKind::Log {
            let lines = chunk.lines(self.format).count();
            chunk.rows = u32::try_from(lines).unwrap_or(u32::MAX);
            if self.parses && lines <= chunk.raw.len() / SHORT_LINE + 1 {
                chunk.records = chunk
                    .lines(self.format)
                    .map(|line| self.format.meaning().parse(line))
                    .collect();
            }
        }
        Some(chunk)
    }
}

impl Chunk {
    pub(super) fn lines(&self, format: Format) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.raw[..];
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let end = format.layout().line_end(rest).unwrap_or(rest.len());
            let (line, behind) = rest.split_at(end);
            rest = behind;
            Some(line)
        })
    }
}
