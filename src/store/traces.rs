//! What deleted content leaves behind in the database's files, and its removal.
//!
//! A deleted row is overwritten with zeros, because `secure_delete` is on for every
//! connection. That is not enough. When SQLite moves rows between pages to balance
//! a b-tree, a copy may be left in the unused part of a page; the full-text indexes
//! keep the terms of deleted rows; and the WAL holds old versions of pages. So
//! after a purge or prune, the indexes are merged, the database is rewritten from
//! its content (VACUUM), and the WAL is truncated.
//!
//! All of this is cleanup after the commit: it never turns a success into an error.
//! What could not be done is returned.

use std::fmt;
use std::time::Duration;

use rusqlite::{Connection, Row};

use super::{Store, replicator, search, sessions, texts};
use crate::error::{Error, Result};

/// Whether removed content is gone from the database's files, too.
///
/// This says nothing about backups and replicas, nor about blocks that a file system
/// or disk keeps after a file has freed them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Traces {
    /// No byte of it is left in the files.
    #[default]
    Gone,
    /// A reader still uses an earlier state, which is kept in the WAL. The content
    /// goes when the reader is done and the WAL is truncated: by the next purge or
    /// [`prune`](Store::prune), or when the last program closes the database.
    KeptForReader,
    /// A replicator follows the database, and the WAL is left to it. The content goes
    /// when the replicator checkpoints the WAL; the replica keeps it as long as it
    /// keeps earlier states.
    KeptForReplica,
    /// The rows were overwritten, but copies may be left in unused parts of the file;
    /// a [`prune`](Store::prune) tries again.
    Left {
        /// Why the database could not be rewritten.
        reason: String,
    },
}

impl serde::ser::Serialize for Traces {
    /// Null if nothing is left, else what is, for a person.
    fn serialize<S: serde::ser::Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Gone => serializer.serialize_unit(),
            left => serializer.collect_str(left),
        }
    }
}

impl fmt::Display for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("nothing of it is left in the database's files"),
            Self::KeptForReader => f.write_str(
                "it is still in the database's files, because another program reads them; \
                 prune when that is done, or close every program that uses the database",
            ),
            Self::KeptForReplica => f.write_str(
                "the database is replicated: it is still in the WAL until the replicator resets \
                 that, and in the replica as long as that keeps earlier states",
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
    /// Removes everything from the files that is not in the tables. Never fails: the
    /// change before it is committed.
    pub(crate) fn remove_traces(&self) -> Traces {
        let removed = self.connection().and_then(|conn| {
            let tx = self.begin(&conn)?;
            search::merge(&tx)?;
            texts::merge(&tx)?;
            sessions::delete_unused_work_dirs(&tx)?;
            tx.commit()?;
            conn.execute_batch("VACUUM")?;
            // Does not wait for readers or writers.
            conn.busy_timeout(Duration::ZERO)?;
            let removed = self.empty_journal(&conn);
            conn.busy_timeout(self.busy_timeout)?;
            removed
        });
        removed.unwrap_or_else(|err| Traces::Left { reason: with_causes(&err) })
    }

    /// Checkpoints the WAL and truncates it, unless another connection uses it.
    fn empty_journal(&self, conn: &Connection) -> Result<Traces> {
        let blocked = |row: &Row<'_>| row.get::<_, i64>("busy");
        if replicator::follows(conn, self.replicated)? {
            // Truncating it is left to the replicator.
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
