//! A chain that is being written. What goes into the log is counted and hashed, and
//! the file is complete only when that matches what was read.

use std::io;
use std::path::PathBuf;

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::content::Chunk;
use super::read::FileEnd;
use crate::error::{Error, Result};
use crate::fold::Fold;
use crate::model::Format;
use crate::store::files::{FileKind, FileRow};
use crate::store::inserter::{LineInserter, SEVERAL};
use crate::store::log;
use crate::store::packing::Packer;

pub(super) struct Chain {
    file_id: i64,
    kind: FileKind,
    /// Bytes so far.
    size: u64,
    /// Lines so far; for a document, chunks.
    rows: u32,
    /// Digest so far; for a tail, of the tail alone.
    hasher: Sha256,
}

/// A file that was written completely. Only [`Chain::complete`] makes one.
pub(super) struct Complete(FileRow);

impl Complete {
    pub(super) fn file(&self) -> &FileRow {
        &self.0
    }
}

impl Chain {
    /// An empty chain.
    pub(super) fn new(file: &FileRow) -> Self {
        Self { file_id: file.file_id, kind: file.kind, size: 0, rows: 0, hasher: Sha256::new() }
    }

    /// Continues a complete file. Returns its last line if it has no terminator: it
    /// will come again, because it may have been continued.
    pub(super) fn behind(conn: &Connection, base: &FileRow) -> Result<(Self, Vec<u8>)> {
        let mut chain = Self { size: base.size, rows: base.line_count, ..Self::new(base) };
        let torn = torn_line(conn, base)?;
        if !torn.is_empty() {
            chain.rows -= 1;
            chain.size -= torn.len() as u64;
            log::delete_line(conn, log::key(base.file_id, chain.rows))?;
        }
        Ok((chain, torn))
    }

    /// Continues a partial chain of an interrupted import; `None` if the chain is not
    /// what its row says.
    pub(super) fn resume(conn: &Connection, partial: &FileRow) -> Result<Option<Self>> {
        let mut chain = Self::new(partial);
        let each = |_, raw: &[u8]| {
            chain.count(raw);
            Ok(())
        };
        let read = match partial.kind {
            FileKind::Log => log::each_line(conn, partial, each),
            _ => log::each_chunk(conn, partial, each),
        };
        match read {
            Err(Error::Damaged(_)) => return Ok(None),
            read => read?,
        }
        let holds = (chain.size, chain.rows, Some(chain.digest()));
        let says = (partial.size, partial.line_count, partial.sha256.clone());
        Ok((holds == says).then_some(chain))
    }

    fn count(&mut self, raw: &[u8]) {
        self.size += raw.len() as u64;
        self.rows += 1;
        self.hasher.update(raw);
    }

    /// Writes lines of a log, or a chunk of a document.
    pub(super) fn append(
        &mut self,
        tx: &Connection,
        chunk: &mut Chunk,
        format: Format,
        packer: &mut Packer,
        mut fold: Option<&mut Fold<'_>>,
    ) -> Result<()> {
        if self.kind != FileKind::Log {
            log::insert_chunk(tx, log::key(self.file_id, self.rows), &chunk.raw)?;
            self.count(&chunk.raw);
            return Ok(());
        }
        let mut records = std::mem::take(&mut chunk.records).into_iter();
        let mut inserter = LineInserter::new(tx)?;
        let mut lines = chunk.lines(format);
        loop {
            let some: Vec<&[u8]> = lines.by_ref().take(SEVERAL).collect();
            if some.is_empty() {
                return Ok(());
            }
            inserter.insert(log::key(self.file_id, self.rows), &some, packer)?;
            for line in some {
                let key = log::key(self.file_id, self.rows);
                self.count(line);
                if let Some(fold) = &mut fold {
                    let record = records.next().unwrap_or_else(|| format.meaning().parse(line));
                    fold.apply_line(key, line, record)?;
                }
            }
        }
    }

    /// The row of a file that is not complete yet.
    pub(super) fn so_far(&self, file: &FileRow) -> FileRow {
        FileRow {
            size: self.size,
            line_count: self.rows,
            sha256: Some(self.digest()),
            ..file.clone()
        }
    }

    fn digest(&self) -> Vec<u8> {
        self.hasher.clone().finalize().to_vec()
    }

    /// Compares what was written with what was read.
    ///
    /// # Errors
    ///
    /// They differ. That is a fault of this program or of the machine, and the
    /// transaction must not be committed.
    pub(super) fn complete(self, row: &FileRow, end: &FileEnd) -> Result<Complete> {
        let written = (self.size, self.rows, self.digest());
        let digest = match end.tail.as_ref().or(end.file.sha256.as_ref()) {
            Some(digest) => digest.clone(),
            // Folders and links have no content.
            None => Sha256::digest([]).to_vec(),
        };
        if written == (end.file.size, end.file.line_count, digest) {
            return Ok(Complete(FileRow {
                file_id: row.file_id,
                generation: row.generation,
                ..end.file.clone()
            }));
        }
        let detail = format!(
            "{} bytes in {} rows were written, but {} bytes in {} lines were read; nothing was \
             stored, import it again",
            self.size, self.rows, end.file.size, end.file.line_count
        );
        let path = PathBuf::from(String::from_utf8_lossy(&end.file.path).into_owned());
        Err(Error::io("import", &path)(io::Error::other(detail)))
    }
}

/// The last line of a log if it has no terminator, else nothing.
pub(super) fn torn_line(conn: &Connection, file: &FileRow) -> Result<Vec<u8>> {
    let last = file.line_count.checked_sub(1).filter(|_| file.kind == FileKind::Log);
    let Some(last) = last else { return Ok(Vec::new()) };
    let line = log::line(conn, log::key(file.file_id, last))?;
    Ok(if line.ends_with(b"\n") { Vec::new() } else { line })
}
