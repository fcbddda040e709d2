//! Decides where a file is written if something else has its path now.
//!
//! What is at the root now keeps its path. What was there before and is kept (a log
//! where there is a folder now, or a file in a folder that is a file now) is
//! written beside it, and reported. If a file and a folder are both gone from the same
//! path, the folder keeps it.

use std::collections::{BTreeSet, HashMap};

use rusqlite::Connection;

use crate::error::Result;
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::generations;
use crate::store::sources::Source;

/// The files to write: all, or those that are wanted.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a>(pub(super) Option<&'a BTreeSet<&'a [u8]>>);

impl Wanted<'_> {
    /// A file is written together with the folders that lead to it.
    pub(super) fn has(self, file: &FileRow) -> bool {
        let Some(wanted) = self.0 else { return true };
        wanted.contains(&file.path[..])
            || file.kind == FileKind::Folder && self.is_above(&file.path)
    }

    /// Whether anything below a folder is written.
    fn is_above(self, folder: &[u8]) -> bool {
        let Some(wanted) = self.0 else { return true };
        let below = [folder, b"/"].concat();
        wanted.range(&below[..]..).next().is_some_and(|file| file.starts_with(&below))
    }
}

/// Assigns paths.
pub(super) struct Places<'a> {
    pub(super) conn: &'a Connection,
    pub(super) source: &'a Source,
    pub(super) wanted: Wanted<'a>,
    /// The paths of what is written beside something else, by that path.
    beside: HashMap<Vec<u8>, Vec<u8>>,
}

/// Where a file goes whose path something else has.
pub(super) struct OtherPath {
    pub(super) path: Vec<u8>,
    /// What has the path, if it would not be written otherwise.
    pub(super) there: Option<FileRow>,
}

impl<'a> Places<'a> {
    pub(super) fn new(conn: &'a Connection, source: &'a Source, wanted: Wanted<'a>) -> Self {
        Self { conn, source, wanted, beside: HashMap::new() }
    }

    /// Where a file is written; `None` for its own path.
    pub(super) fn of(&mut self, file: &FileRow) -> Result<Option<OtherPath>> {
        if file.state == FileState::Current && file.missing_at.is_none() {
            return Ok(None);
        }
        let slashes = file.path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        for (slash, _) in slashes {
            let above = &file.path[..slash];
            let there = self.at_root(above)?.filter(|there| there.kind != FileKind::Folder);
            if there.is_some_and(|there| self.wanted.has(&there)) {
                let path = [&self.beside(above)?, &file.path[slash..]].concat();
                return Ok(Some(OtherPath { path, there: None }));
            }
        }
        let there = self.at_root(&file.path)?.filter(|there| match there.kind {
            FileKind::Folder => self.wanted.is_above(&file.path),
            FileKind::Document => file.kind == FileKind::Log && self.wanted.0.is_none(),
            FileKind::Log | FileKind::Link => false,
        });
        if there.is_none() && (file.kind == FileKind::Folder || !self.is_above_any(&file.path)?) {
            return Ok(None);
        }
        Ok(Some(OtherPath { path: self.beside(&file.path)?, there }))
    }

    /// Whether anything is written below a path, so that a folder is there, be it gone
    /// from the root as well.
    fn is_above_any(&self, path: &[u8]) -> Result<bool> {
        match self.wanted.0 {
            Some(_) => Ok(self.wanted.is_above(path)),
            None => files::has_below(self.conn, self.source.source_id, path),
        }
    }

    /// What the root has at a path.
    fn at_root(&self, path: &[u8]) -> Result<Option<FileRow>> {
        let file = files::file(self.conn, self.source.source_id, path, FileState::Current)?;
        Ok(file.filter(|file| file.missing_at.is_none()))
    }

    /// A free path beside another.
    fn beside(&mut self, path: &[u8]) -> Result<Vec<u8>> {
        if let Some(beside) = self.beside.get(path) {
            return Ok(beside.clone());
        }
        let mut n = 1;
        let mut beside = generations::kept_path(path, n);
        while files::newest(self.conn, self.source.source_id, &beside)?.is_some() {
            n += 1;
            beside = generations::kept_path(path, n);
        }
        self.beside.insert(path.to_vec(), beside.clone());
        Ok(beside)
    }
}
