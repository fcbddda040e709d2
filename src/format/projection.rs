//! The facet of rows: which sessions a root's files make up, and how each is folded.
//!
//! The default is a program of which each log is a session by itself: the
//! common fold turns its records into rows. A program whose session is several
//! files, folded together, says so in its rules and answers for itself.

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

/// Folds sessions of one source, one after the other: each by its key and its
/// path, replacing what was there. It returns whether the session's files are there.
pub(crate) type Refolder<'a> = Box<dyn FnMut(SessionKey, &[u8]) -> Result<bool> + 'a>;

/// How a program's records become rows.
pub(crate) trait Projection: Sync {
    /// What folds the sessions of a source anew.
    fn refolder<'a>(&self, conn: &'a Connection, source: &'a Source) -> Result<Refolder<'a>> {
        Ok(Box::new(|session, _| match sessions::file_of(conn, session)? {
            Some((file, _)) => {
                fold::refold(conn, &file, source.format, session)?;
                Ok(true)
            }
            None => Ok(false),
        }))
    }

    /// What a session with the log of this path says as a whole, where the
    /// common fold cannot tell it record by record.
    fn whole(&self, _path: &[u8]) -> Option<Box<dyn Whole>> {
        None
    }

    /// The same behind the last record of a session, where its rows tell what a
    /// further one changes; `None` where only all of its records do.
    fn whole_behind<'a>(
        &self,
        _conn: &'a Connection,
        _session: SessionKey,
        _file: &FileRow,
        _head: &Head,
    ) -> Result<Option<Box<dyn Whole + 'a>>> {
        Ok(None)
    }

    /// Decides which of the sessions that share the id of this one lists show.
    fn settle_listed(&self, _conn: &Connection, _session: SessionKey) -> Result<()> {
        Ok(())
    }

    /// Paths of the files, folders and links that a session is made of, beside its own.
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

    /// Paths of the sessions that several files of a source make up together.
    fn sessions(&self, _conn: &Connection, _source: &Source) -> Result<BTreeSet<Vec<u8>>> {
        Ok(BTreeSet::new())
    }

    /// Everything of a source, in portions that can be settled one after the other.
    fn everything(&self, _conn: &Connection, _source: &Source) -> Result<Vec<Touched>> {
        Ok(Vec::new())
    }

    /// Notes what says something else once a session is gone.
    fn note_dependents(
        &self,
        _conn: &Connection,
        _session: SessionKey,
        _touched: &mut Touched,
    ) -> Result<()> {
        Ok(())
    }

    /// Brings the sessions that a change concerns up to date, and says which they are.
    fn settle(
        &self,
        _conn: &Connection,
        _source: &Source,
        _touched: Touched,
    ) -> Result<Vec<SessionKey>> {
        Ok(Vec::new())
    }
}

/// What a session says as a whole, taken from its records one after the other.
pub(crate) trait Whole {
    /// Takes in a record before it becomes rows.
    fn take(&mut self, line_key: i64, record: &mut Record) -> Result<()>;

    /// Settles the head, and the active branch where that is not the path to
    /// the leaf. Returns whether it could: else the session is to be folded from
    /// its first record on.
    fn conclude(self: Box<Self>, folded: &Folded<'_>, head: &mut Head) -> Result<bool>;
}

/// A session whose records are all folded.
pub(crate) struct Folded<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) session: SessionKey,
    pub(crate) file: &'a FileRow,
    /// Where the leaf was moved without a record since the last of them.
    pub(crate) decided: Option<Option<i64>>,
}

/// The sessions of several files that a transaction changed. They are folded before it ends.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    /// By [`Layout::units`](super::Layout::units), each of a session as a rule.
    pub(crate) units: BTreeSet<Vec<u8>>,
    /// Whether a file that all sessions of the root depend on changed.
    pub(crate) shared: bool,
}

impl Touched {
    /// Notes a file, link or folder that was added or changed.
    pub(crate) fn add(&mut self, format: Format, file: &FileRow) {
        let layout = format.layout();
        self.shared |= layout.is_shared(&file.path);
        self.units.extend(layout.units(&file.path, file.kind == FileKind::Folder));
    }

    /// Brings the sessions that are concerned up to date, and says which they are.
    pub(crate) fn settle(&mut self, conn: &Connection, source_id: i64) -> Result<Vec<SessionKey>> {
        let touched = std::mem::take(self);
        if touched.units.is_empty() && !touched.shared {
            return Ok(Vec::new());
        }
        let source = sources::by_id(conn, source_id)?;
        source.format.projection().settle(conn, &source, touched)
    }
}

/// Paths of the files, folders and links that a session is made of.
pub(crate) fn paths_of(conn: &Connection, session: SessionKey) -> Result<BTreeSet<Vec<u8>>> {
    let Some((source, path)) = sessions::place(conn, session)? else { return Ok(BTreeSet::new()) };
    let mut paths = source.format.projection().parts(conn, &source, &path)?;
    paths.insert(path);
    Ok(paths)
}

/// The log that the lines of a session stand in; of several files, the main one.
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
