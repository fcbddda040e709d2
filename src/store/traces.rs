//! What removed content leaves behind in the file, and how it goes.
//!
//! A row that is deleted is overwritten with zeros: `secure_delete` is on for
//! every connection. That is not all. When SQLite moves rows between pages to
//! balance a tree, it may leave a copy in the unused middle of a page; the indexes
//! of titles and texts keep the terms of rows that are gone; and the journal holds
//! pages as they were. So after a purge and a prune the indexes are merged, the
//! database written anew from what is in it, and the journal emptied.
//!
//! All of that is housekeeping, after the commit: it never makes an error of
//! what has happened. What could not be done is said.

use std::fmt;
use std::time::Duration;

use rusqlite::{Connection, Row};

use super::{Store, replicator, search, sessions, texts};
use crate::error::{Error, Result};

/// Whether what was removed is gone from the database's files, too.
///
/// This does not reach backups and replicas, nor what a file system or a disk
/// keeps of blocks that a file no longer uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Traces {
    /// Not a byte of it is left in them.
    #[default]
    Gone,
    /// Somebody reads the database as it was before, and it is kept for them.
    /// It goes when they are done and the journal is emptied: by the next purge
    /// or [`prune`](Store::prune), or when the last program closes the database.
    KeptForReader,
    /// A replicator follows the database, and its journal is left to it. It goes when the
    /// replicator empties the journal, and with the last earlier state that it keeps.
    KeptForReplica,
    /// Its rows were overwritten, but copies may stand in unused parts of the
    /// file; a [`prune`](Store::prune) tries again.
    Left {
        /// Why the database could not be written anew.
        reason: String,
    },
}

impl fmt::Display for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("nothing of it is left in the database's files"),
            Self::KeptForReader => f.write_str(
                "it still stands in the database's files, since another program reads them; \
                 prune when that is done, or close every program that uses the database",
            ),
            Self::KeptForReplica => f.write_str(
                "the database is replicated: it still stands in the journal until the replicator \
                 empties that, and in the replica as long as that keeps earlier states",
            ),
            Self::Left { reason } => write!(
                f,
                "copies of it may stand in unused parts of the database's files, \
                 which could not be written anew: {reason}; prune to try again"
            ),
        }
    }
}

impl Store {
    /// Leaves nothing in the files that is not in the tables. Never fails: what
    /// came before it has happened.
    pub(crate) fn remove_traces(&self) -> Traces {
        let removed = self.connection().and_then(|conn| {
            let tx = self.begin(&conn)?;
            search::merge(&tx)?;
            texts::merge(&tx)?;
            sessions::delete_unused_work_dirs(&tx)?;
            tx.commit()?;
            conn.execute_batch("VACUUM")?;
            // A reader, or a writer, is not waited for.
            conn.busy_timeout(Duration::ZERO)?;
            let removed = self.empty_journal(&conn);
            conn.busy_timeout(self.busy_timeout)?;
            removed
        });
        removed.unwrap_or_else(|err| Traces::Left { reason: with_causes(&err) })
    }

    /// Copies the journal into the database and cuts it off, unless somebody else uses it.
    fn empty_journal(&self, conn: &Connection) -> Result<Traces> {
        let blocked = |row: &Row<'_>| row.get::<_, i64>("busy");
        if replicator::follows(conn, self.replicated)? {
            // To cut it off is the replicator's.
            conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], blocked)?;
            return Ok(Traces::KeptForReplica);
        }
        Ok(match conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], blocked)? {
            0 => Traces::Gone,
            _ => Traces::KeptForReader,
        })
    }
}

fn with_causes(err: &Error) -> String {
    let mut text = err.to_string();
    let mut cause = std::error::Error::source(err);
    while let Some(err) = cause {
        text += &format!(": {err}");
        cause = err.source();
    }
    text
}
