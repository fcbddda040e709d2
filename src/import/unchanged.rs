//! What is as the store knows it: most of a root that is imported again.
//!
//! One lookup that reads no more than it compares; a transaction and a message
//! for many, since one a file would take longer than the comparison.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::Job;
use super::read::{Item, RACY};
use super::walk::{FileStat, Found, FoundKind};
use crate::error::Result;
use crate::store::file_time::FileTime;
use crate::store::files;

/// Files in a message.
const MANY: usize = 512;

pub(super) struct Unchanged<'a> {
    conn: &'a Connection,
    /// `None` when nothing of the root is known.
    source_id: Option<i64>,
    found: Vec<i64>,
    snapshot: Option<Transaction<'a>>,
}

impl<'a> Unchanged<'a> {
    pub(super) fn new(conn: &'a Connection, job: &Job<'_>) -> Result<Self> {
        let mut source_id = job.source.as_ref().map(|source| source.source_id);
        if let Some(id) = source_id
            && !files::has_any(conn, id)?
        {
            source_id = None;
        }
        Ok(Self { conn, source_id, found: Vec::new(), snapshot: None })
    }

    pub(super) fn knows_any(&self) -> bool {
        self.source_id.is_some()
    }

    /// Whether something is as it was; if so, that is all there is to say of it.
    pub(super) fn holds(&mut self, found: &Found) -> Result<bool> {
        let stat = match found.kind {
            FoundKind::File => found.stat,
            // Times of folders are not kept.
            FoundKind::Folder => FileStat { mtime: FileTime::default(), size: 0, ..found.stat },
            _ => return Ok(false),
        };
        let Some(source_id) = self.source_id else { return Ok(false) };
        if self.snapshot.is_none() {
            let deferred = TransactionBehavior::Deferred;
            self.snapshot = Some(Transaction::new_unchecked(self.conn, deferred)?);
        }
        let same = files::Same {
            path: &found.path,
            is_folder: found.kind == FoundKind::Folder,
            mode: stat.mode,
            mtime: stat.mtime,
            size: stat.size,
            racy: RACY,
        };
        let file_id = files::same(self.conn, source_id, &same)?;
        self.found.extend(file_id);
        Ok(file_id.is_some())
    }

    /// What was found so far, if it is much or there is a reason.
    ///
    /// What comes next may then be compared with something newer.
    pub(super) fn take_if(&mut self, reason: bool) -> Option<Item> {
        if !reason && self.found.len() < MANY {
            return None;
        }
        self.snapshot = None;
        let found = std::mem::take(&mut self.found);
        (!found.is_empty()).then_some(Item::Unchanged(found))
    }
}
