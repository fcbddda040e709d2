//! Writes whole files below an imported root, for sessions that consist of several.

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::append::{begin_behind, push};
use super::create::blank;
use crate::error::{Error, Result};
use crate::format::projection::Touched;
use crate::model::Timestamp;
use crate::store::file_time::FileTime;
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::generations;
use crate::store::log::{self, CHUNK_SIZE};
use crate::store::sources::Source;

/// Writes files of one root; `finish` folds the sessions that they belong to.
pub(crate) struct FileWriter<'a> {
    tx: &'a Connection,
    source: &'a Source,
    at: Timestamp,
    touched: Touched,
}

impl<'a> FileWriter<'a> {
    pub(crate) fn new(tx: &'a Connection, source: &'a Source, at: Timestamp) -> Self {
        Self { tx, source, at, touched: Touched::default() }
    }

    /// Writes a document, replacing an existing one.
    pub(crate) fn document(&mut self, path: Vec<u8>, content: &[u8]) -> Result<()> {
        self.begin_document(path, |each| content.chunks(CHUNK_SIZE).try_for_each(each))
    }

    /// Copies a document, chunk by chunk.
    pub(crate) fn copy(&mut self, path: Vec<u8>, file: &FileRow) -> Result<()> {
        let tx = self.tx;
        self.begin_document(path, |each| log::each_chunk(tx, file, |_, raw| each(raw)))
    }

    fn begin_document(
        &mut self,
        path: Vec<u8>,
        pieces: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>,
    ) -> Result<()> {
        let mut file = self.begin(path, FileKind::Document)?;
        let tx = self.tx;
        pieces(&mut |raw| {
            log::insert_chunk(tx, log::key(file.file_id, file.line_count), raw)?;
            file.line_count += 1;
            file.size += raw.len() as u64;
            Ok(())
        })?;
        self.end(&file)
    }

    /// Starts a log, which [`end`](Self::end) completes.
    pub(crate) fn log(&mut self, path: Vec<u8>) -> Result<FileRow> {
        self.begin(path, FileKind::Log)
    }

    pub(crate) fn line(&self, file: &mut FileRow, line: &[u8]) -> Result<()> {
        push(self.tx, file, line).map(drop)
    }

    /// Appends lines to the log of a path: to `known`, which is that log or one that it
    /// continues, or else to a new log. Returns the number of the last line.
    pub(crate) fn append(
        &mut self,
        path: Vec<u8>,
        known: Option<&FileRow>,
        lines: &[impl AsRef<[u8]>],
    ) -> Result<u32> {
        let mut file = match known {
            Some(known) if known.state == FileState::Local && known.path == path => known.clone(),
            Some(known) => {
                self.folders(&path)?;
                begin_behind(self.tx, known.clone(), path, self.at)?.0
            }
            None => self.log(path)?,
        };
        for line in lines {
            push(self.tx, &mut file, line.as_ref())?;
        }
        file.mtime = self.at.into();
        files::update_progress(self.tx, &file)?;
        self.touched.add(self.source.format, &file);
        Ok(file.line_count)
    }

    /// Moves a file. The imported file stays where it was; the local chain at the new
    /// path begins with all of its lines.
    pub(crate) fn relocate(&mut self, file: &FileRow, to: &[u8], mtime: FileTime) -> Result<()> {
        let (tx, source_id) = (self.tx, self.source.source_id);
        let is_taken = files::newest(tx, source_id, to)?
            .is_some_and(|there| Some(there.file_id) != file.base_id);
        if is_taken {
            return Err(Error::TargetExists(String::from_utf8_lossy(to).into_owned().into()));
        }
        self.folders(to)?;
        self.touched.add(self.source.format, file);
        let moved = generations::relocate(tx, file, to, mtime)?;
        self.touched.add(self.source.format, &moved);
        Ok(())
    }

    pub(crate) fn end(&mut self, file: &FileRow) -> Result<()> {
        self.touched.add(self.source.format, file);
        files::update_file(self.tx, file)
    }

    fn begin(&mut self, path: Vec<u8>, kind: FileKind) -> Result<FileRow> {
        self.folders(&path)?;
        let source_id = self.source.source_id;
        if let Some(earlier) = files::file(self.tx, source_id, &path, FileState::Local)? {
            supersede(self.tx, &earlier)?;
        }
        let imported = files::file(self.tx, source_id, &path, FileState::Current)?;
        if imported.as_ref().is_some_and(|imported| imported.kind != kind) {
            return Err(Error::TargetExists(String::from_utf8_lossy(&path).into_owned().into()));
        }
        let file = FileRow {
            mode: 0o600,
            base_id: imported.map(|imported| imported.file_id),
            ..blank(source_id, path, kind, FileState::Local, self.at)
        };
        let file_id = files::insert_file(self.tx, &file)?;
        files::file_by_id(self.tx, file_id)
    }

    /// Creates the folders that lead to a path.
    fn folders(&mut self, path: &[u8]) -> Result<()> {
        let source_id = self.source.source_id;
        for (slash, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            let folder = &path[..slash];
            if files::newest(self.tx, source_id, folder)?.is_none() {
                let row = FileRow {
                    mode: 0o700,
                    mtime: Timestamp(0).into(),
                    ..blank(source_id, folder.to_vec(), FileKind::Folder, FileState::Local, self.at)
                };
                files::insert_file(self.tx, &row)?;
                self.touched.add(self.source.format, &row);
            }
        }
        Ok(())
    }

    /// Folds the sessions that changed.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.touched.settle(self.tx, self.source.source_id).map(drop)
    }
}

/// Turns a local chain into an earlier generation, which `prune` removes.
fn supersede(tx: &Connection, file: &FileRow) -> Result<()> {
    let mut digest = Sha256::new();
    match file.kind {
        FileKind::Log => log::each_line(tx, file, |_, raw| {
            digest.update(raw);
            Ok(())
        })?,
        _ => log::each_chunk(tx, file, |_, raw| {
            digest.update(raw);
            Ok(())
        })?,
    }
    generations::supersede_local(tx, file.file_id, &digest.finalize())
}
