//! Splits bytes that were read from a file into lines of a log, or chunks of a
//! document.

use std::fs::File;
use std::io::Read;

use crate::model::{Format, Record};
use crate::store::files::FileKind;

const BLOCK: usize = 256 << 10;
/// Chunks whose lines are shorter than this on average are parsed by the writer.
const SHORT_LINE: usize = 64;

/// Consecutive lines, or a chunk of a document.
#[derive(Default)]
pub(super) struct Chunk {
    pub(super) raw: Vec<u8>,
    /// The number of rows: one per line; one for a document.
    pub(super) rows: u32,
    /// One record per line if the writer folds as it writes. Empty if lines are so
    /// short that their records would be many times as large.
    pub(super) records: Vec<Record>,
}

impl Chunk {
    pub(super) fn cost(&self) -> usize {
        self.raw.capacity() + self.records.len() * size_of::<Record>()
    }
}

/// Bytes that were read and not yet passed on.
pub(super) struct Content {
    pub(super) pending: Vec<u8>,
    /// The size that the file had at the start.
    pub(super) expected: usize,
    pub(super) kind: FileKind,
    pub(super) format: Format,
    /// The size of a full chunk.
    pub(super) chunk: usize,
    /// Whether lines are to be parsed.
    pub(super) parses: bool,
    /// The length of the beginning of `pending` that contains no line end.
    pub(super) scanned: usize,
}

impl Content {
    pub(super) fn fill(&mut self, file: &mut File) -> std::io::Result<usize> {
        let before = self.pending.len();
        // Large enough that a small file takes one read, and one more to find its
        // end.
        let block = BLOCK.min(self.chunk);
        self.pending.reserve(block.min(self.expected) + 1);
        file.take(block as u64).read_to_end(&mut self.pending)?;
        Ok(self.pending.len() - before)
    }

    pub(super) fn has_no_end(&self) -> bool {
        self.format.layout().last_line_end(&self.pending).is_none()
    }

    /// Takes a full chunk; at the end of the file, whatever is left.
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
                        // The last byte may be the first half of a terminator.
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
