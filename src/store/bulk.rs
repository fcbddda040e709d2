//! Writing much: commits that do not wait for the disk, and checkpoints beside them.
//!
//! A commit waits until the journal is on the disk, and SQLite then copies the
//! journal into the database, which waits for it again: an import of many
//! transactions would do nothing for a third of its time. So its commits do not
//! wait, and a thread copies what is committed while the next transaction is
//! made. The journal begins anew when all of it was copied, so now and then the
//! writer waits for that.
//!
//! A power cut takes back the last transactions, each as a whole: SQLite keeps
//! their order. [`Bulk::end`] returns when all are on the disk.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::open::{self, Access};
use super::{Store, replicator, transaction};
use crate::error::Result;

/// Commits from one wait to the next: they bound the length of the journal.
const COMMITS: u32 = 3;

/// Many transactions on one connection. Dropped, it leaves the connection as it was.
pub(crate) struct Bulk<'c> {
    conn: &'c Connection,
    /// As SQLite numbers it: how commits waited before.
    synchronous: i64,
    commits: u32,
    copier: Option<Copier>,
}

impl<'c> Bulk<'c> {
    /// Begins between two transactions; `None` where a replicator follows the
    /// database, to which the journal is left.
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

    /// Has what was committed copied.
    pub(crate) fn committed(&mut self) {
        self.commits += 1;
        if let Some(copier) = &self.copier {
            copier.copy(self.commits.is_multiple_of(COMMITS));
        }
    }

    /// Returns when all that was committed is on the disk.
    pub(crate) fn end(mut self) -> Result<()> {
        self.restore()?;
        // To sync the journal takes a commit.
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
        // Nothing is promised of what is given up; neither setting can fail between transactions.
        let _ = self.restore();
    }
}

/// Pages of the journal at which SQLite copies it by itself.
const AUTOCHECKPOINT: u32 = 1_000;

/// A thread that copies the journal into the database.
struct Copier {
    asks: SyncSender<Ask>,
    thread: JoinHandle<()>,
}

/// To copy what is committed, and perhaps to say when that is done.
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
            // Where it has been asked already, it copies this, too.
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
        // What could not be copied is in the journal, from which it is read and
        // copied later; SQLite does not fail for that either.
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
