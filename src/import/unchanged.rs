//! Files that did not change: most of a root that is imported again.
//!
//! Each takes one lookup that reads only the columns it compares. Many share a
//! transaction and a message, because one per file would take longer than the
//! comparison.

use rusqlite::{CachedStatement, Connection, Transaction, TransactionBehavior};

use super::Job;
use super::read::{Item, RACY};
use super::walk::{FileStat, Found, FoundKind};
use crate::error::Result;
use crate::store::file_time::FileTime;
use crate::store::files;

/// Files per message.
const MANY: usize = 512;

pub(super) struct Unchanged<'a> {
    conn: &'a Connection,
    comparer: CachedStatement<'a>,
    job: &'a Job<'a>,
    knows_any: bool,
    found: Vec<i64>,
    snapshot: Option<Transaction<'a>>,
}

impl<'a> Unchanged<'a> {
    pub(super) fn new(conn: &'a Connection, job: &'a Job<'_>) -> Result<Self> {
        let mut knows_any = !job.parts.is_empty();
        if let Some(source) = &job.source {
            knows_any = files::has_any(conn, source.source_id)?;
        }
        let comparer = files::comparer(conn)?;
        Ok(Self { conn, comparer, job, knows_any, found: Vec::new(), snapshot: None })
    }

    /// Whether the store knows anything of the root.
    pub(super) fn knows_any(&self) -> bool {
        self.knows_any
    }

    /// Whether something did not change; if so, nothing else needs to be done for it.
    pub(super) fn holds(&mut self, found: &Found) -> Result<bool> {
        let stat = match found.kind {
            FoundKind::File => found.stat,
            // Modification times of folders are not kept.
            FoundKind::Folder => FileStat { mtime: FileTime::default(), size: 0, ..found.stat },
            _ => return Ok(false),
        };
        let place = self.job.place_of(&found.path).filter(|_| self.knows_any);
        let Some((source_id, path)) = place else { return Ok(false) };
        if self.snapshot.is_none() {
            let deferred = TransactionBehavior::Deferred;
            self.snapshot = Some(Transaction::new_unchecked(self.conn, deferred)?);
        }
        let same = files::ExpectedFile {
            path,
            is_folder: found.kind == FoundKind::Folder,
            mode: stat.mode,
            mtime: stat.mtime,
            size: stat.size,
            inode: stat.inode,
            racy: RACY,
        };
        let file_id = files::unchanged(&mut self.comparer, source_id, &same)?;
        self.found.extend(file_id);
        Ok(file_id.is_some())
    }

    /// Takes the files found so far, if there are many or `reason` is true.
    ///
    /// The next files may then be compared with a newer state.
    pub(super) fn take_if(&mut self, reason: bool) -> Option<Item> {
        if !reason && self.found.len() < MANY {
            return None;
        }
        self.snapshot = None;
        let found = std::mem::take(&mut self.found);
        (!found.is_empty()).then_some(Item::Unchanged(found))
    }
}
