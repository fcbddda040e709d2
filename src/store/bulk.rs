//! Many transactions in a row: commits that do not wait for the disk, and
//! checkpoints on another thread.
//!
//! With `synchronous = FULL`, each commit waits until the WAL is on the disk, and
//! each checkpoint waits again: an import of many transactions would be idle for a
//! third of its time. So its commits do not wait, and a second thread checkpoints
//! what is committed while the next transaction is built. SQLite restarts the WAL
//! only after all of it was checkpointed, so the writer waits for that now and
//! then.
//!
//! After a power cut the last transactions may be missing, each as a whole: SQLite
//! keeps their order. [`Bulk::end`] returns when all of them are on the disk.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::open::{self, Access};
use super::{Store, replicator, transaction};
use crate::error::Result;

/// Commits between two waits for the checkpoint. They bound the length of the WAL.
const COMMITS: u32 = 3;

/// Many transactions on one connection. Dropping it restores the connection's
/// settings.
pub(crate) struct Bulk<'c> {
    conn: &'c Connection,
    /// The value of `PRAGMA synchronous` to restore.
    synchronous: i64,
    commits: u32,
    copier: Option<Copier>,
}

impl<'c> Bulk<'c> {
    /// Begins, outside any transaction. `None` if a replicator follows the database:
    /// then the WAL is left to the replicator.
    pub(crate) fn begin(store: &Store, conn: &'c Connection) -> Result<Option<Self>> {
        if replicator::follows(conn, store.replicated)? {
            return Ok(None);
        }
        let synchronous = conn.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
        let beside = open::connection(&store.path, Access::Write)?;
        let bulk = Self { conn, synchronous, commits: 0, copier: Some(Copier::start(beside)) };
        conn.execute_batch(
            "-- What is copied is synced before.
             PRAGMA synchronous = NORMAL;
             PRAGMA wal_autocheckpoint = 0;",
        )?;
        Ok(Some(bulk))
    }

    /// Asks for a checkpoint of what was committed.
    pub(crate) fn committed(&mut self) {
        self.commits += 1;
        if let Some(copier) = &self.copier {
            copier.copy(self.commits.is_multiple_of(COMMITS));
        }
    }

    /// Returns when everything that was committed is on the disk.
    pub(crate) fn end(mut self) -> Result<()> {
        self.restore()?;
        // Only a commit syncs the WAL.
        transaction::write_over(self.conn)?;
        Ok(())
    }

    fn restore(&mut self) -> Result<()> {
        if let Some(copier) = self.copier.take() {
            copier.end();
            self.conn.pragma_update(None, "wal_autocheckpoint", AUTOCHECKPOINT)?;
            self.conn.pragma_update(None, "synchronous", self.synchronous)?;
        }
        Ok(())
    }
}

impl Drop for Bulk<'_> {
    fn drop(&mut self) {
        // After an error nothing is promised, and neither setting can fail between
        // transactions.
        let _ = self.restore();
    }
}

/// WAL pages after which SQLite checkpoints by itself (its default).
const AUTOCHECKPOINT: u32 = 1_000;

/// A thread that checkpoints.
struct Copier {
    asks: SyncSender<Ask>,
    thread: JoinHandle<()>,
}

/// A request for a checkpoint, with a channel to report the end of it to, if the
/// sender waits.
type Ask = Option<SyncSender<()>>;

impl Copier {
    fn start(conn: Connection) -> Self {
        let (asks, asked) = mpsc::sync_channel(1);
        Self { asks, thread: std::thread::spawn(move || run(&conn, &asked)) }
    }

    fn copy(&self, waits: bool) {
        if waits {
            let (done, is_done) = mpsc::sync_channel(1);
            if self.asks.send(Some(done)).is_ok() {
                let _ = is_done.recv();
            }
        } else {
            // If a request is pending, it covers this commit, too.
            let _ = self.asks.try_send(None);
        }
    }

    fn end(self) {
        self.copy(true);
        drop(self.asks);
        let _ = self.thread.join();
    }
}

fn run(conn: &Connection, asked: &Receiver<Ask>) {
    while let Ok(ask) = asked.recv() {
        // What could not be copied stays in the WAL, and is copied later. SQLite
        // ignores this error in its own checkpoints, too.
        let _ = conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Some(done) = ask {
            let _ = done.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(conn: &Connection) -> [i64; 2] {
        ["synchronous", "wal_autocheckpoint"]
            .map(|name| conn.pragma_query_value(None, name, |row| row.get(0)).unwrap())
    }

    #[test]
    fn a_connection_is_afterwards_as_it_was_whichever_way_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("sessions.db")).unwrap();
        let conn = store.connection().unwrap();
        let before = settings(&conn);

        let mut bulk = Bulk::begin(&store, &conn).unwrap().unwrap();
        assert_eq!(settings(&conn), [1, 0]);
        for _ in 0..2 * COMMITS {
            transaction::write_over(&conn).unwrap();
            bulk.committed();
        }
        bulk.end().unwrap();
        assert_eq!(settings(&conn), before);

        drop(Bulk::begin(&store, &conn).unwrap());
        assert_eq!(settings(&conn), before);
    }
}
