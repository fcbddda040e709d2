//! The facet of rows: which sessions the files of a root make up, and how each is
//! folded.
//!
//! The default is for programs in which each log is a session by itself: the common
//! fold turns its records into rows. A program whose sessions consist of several
//! files says so in its rules, and implements this itself.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::Format;
use crate::error::Result;
use crate::fold;
use crate::model::{Record, SessionKey};
use crate::store::files::{self, FileKind, FileRow};
use crate::store::heads::Head;
use crate::store::sources::{self, Source};
use crate::store::{sessions, unpacked};

/// Folds sessions of one source, one after another, given the key and path of each,
/// and replaces their rows. Returns whether the session's files exist.
pub(crate) type Refolder<'a> = Box<dyn FnMut(SessionKey, &[u8]) -> Result<bool> + 'a>;

/// How a program's records become rows.
pub(crate) trait Projection: Sync {
    /// Returns a function that refolds sessions of a source.
    fn refolder<'a>(&self, conn: &'a Connection, source: &'a Source) -> Result<Refolder<'a>> {
        Ok(Box::new(|session, _| match sessions::file_of(conn, session)? {
            Some((file, _)) => {
                fold::refold(conn, &file, source.format, session)?;
                Ok(true)
            }
            None => Ok(false),
        }))
    }

    /// The format's own fold of the session whose log has this path, for what the
    /// common fold cannot tell record by record.
    fn session_fold(&self, _path: &[u8]) -> Option<Box<dyn SessionFold>> {
        None
    }

    /// As [`session_fold`](Self::session_fold), continuing after the last record of a session, if
    /// the rows tell what a further record changes; `None` if only all records do.
    fn session_fold_after<'a>(
        &self,
        _conn: &'a Connection,
        _session: SessionKey,
        _file: &FileRow,
        _head: &Head,
    ) -> Result<Option<Box<dyn SessionFold + 'a>>> {
        Ok(None)
    }

    /// Decides which of the sessions with the same id as this one lists show.
    fn settle_listed(&self, _conn: &Connection, _session: SessionKey) -> Result<()> {
        Ok(())
    }

    /// Paths of the files, folders and links that make up a session, besides its own.
    fn parts(
        &self,
        _conn: &Connection,
        _source: &Source,
        _path: &[u8],
    ) -> Result<BTreeSet<Vec<u8>>> {
        Ok(BTreeSet::new())
    }

    /// Paths of a source whose content was merged into a file that was written here.
    fn merged(&self, _conn: &Connection, _source: &Source) -> Result<BTreeSet<Vec<u8>>> {
        Ok(BTreeSet::new())
    }

    /// Paths of the sessions that several files of a source make up.
    fn sessions(&self, _conn: &Connection, _source: &Source) -> Result<BTreeSet<Vec<u8>>> {
        Ok(BTreeSet::new())
    }

    /// Everything of a source, in portions that can be settled one after another.
    fn everything(&self, _conn: &Connection, _source: &Source) -> Result<Vec<Touched>> {
        Ok(Vec::new())
    }

    /// Marks what has to be refolded when a session is gone.
    fn note_dependents(
        &self,
        _conn: &Connection,
        _session: SessionKey,
        _touched: &mut Touched,
    ) -> Result<()> {
        Ok(())
    }

    /// Updates the sessions that are affected by a change, and returns them.
    fn settle(
        &self,
        _conn: &Connection,
        _source: &Source,
        _touched: Touched,
    ) -> Result<Vec<SessionKey>> {
        Ok(Vec::new())
    }
}

/// A fold of a session as a whole, given its records one after another.
pub(crate) trait SessionFold {
    /// Takes a record before it becomes rows.
    fn take(&mut self, line_key: i64, record: &mut Record) -> Result<()>;

    /// Completes the head, and the active branch if that is not the path to the leaf.
    /// Returns whether it could; if not, the session has to be refolded from its
    /// first record.
    fn conclude(self: Box<Self>, folded: &Folded<'_>, head: &mut Head) -> Result<bool>;
}

/// A session all of whose records are folded.
pub(crate) struct Folded<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) session: SessionKey,
    pub(crate) file: &'a FileRow,
    /// Where the leaf was moved by an event after the last record.
    pub(crate) decided: Option<Option<i64>>,
}

/// The sessions of several files that a transaction has changed. They are folded
/// before it ends.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    /// Units as in [`Layout::units`](super::Layout::units), usually one per session.
    pub(crate) units: BTreeSet<Vec<u8>>,
    /// Whether a file that all sessions of the root depend on has changed.
    pub(crate) shared: bool,
}

impl Touched {
    /// Marks a file, link or folder that was added or changed.
    pub(crate) fn add(&mut self, format: Format, file: &FileRow) {
        let layout = format.layout();
        self.shared |= layout.is_shared(&file.path);
        self.units.extend(layout.units(&file.path, file.kind == FileKind::Folder));
    }

    /// Folds the affected sessions, and returns them.
    pub(crate) fn settle(&mut self, conn: &Connection, source_id: i64) -> Result<Vec<SessionKey>> {
        let touched = std::mem::take(self);
        if touched.units.is_empty() && !touched.shared {
            return Ok(Vec::new());
        }
        let source = sources::by_id(conn, source_id)?;
        source.format.projection().settle(conn, &source, touched)
    }
}

/// Paths of the files, folders and links that make up a session.
pub(crate) fn paths_of(conn: &Connection, session: SessionKey) -> Result<BTreeSet<Vec<u8>>> {
    let Some((source, path)) = sessions::place(conn, session)? else { return Ok(BTreeSet::new()) };
    let mut paths = source.format.projection().parts(conn, &source, &path)?;
    paths.insert(path);
    Ok(paths)
}

/// The log with the lines of a session; the main one of several files.
pub(crate) fn log_of(conn: &Connection, session: SessionKey) -> Result<Option<FileRow>> {
    if let Some((file, _)) = sessions::file_of(conn, session)? {
        return Ok(Some(file));
    }
    let Some((source, _)) = sessions::place(conn, session)? else { return Ok(None) };
    match source.format.extras().main_log(conn, session)? {
        Some(file_id) => Ok(Some(unpacked::as_log(conn, files::file_by_id(conn, file_id)?)?)),
        None => Ok(None),
    }
}
