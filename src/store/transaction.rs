//! Transactions: how they begin, and what is known after a failed commit.
//!
//! After a `COMMIT` that fails, SQLite rolls back, and no connection sees the
//! change. But in WAL mode the change may still be complete in the WAL, with its
//! commit mark, if only a step after the last write failed: the sync, or the update
//! of the shared index. After a crash, the next process to open the database reads
//! the WAL from its beginning, finds the mark, and the change is there.
//!
//! So the failed change is overwritten: the next transaction begins in the WAL
//! where the failed one did. If a transaction that changes nothing commits there,
//! the change certainly did not happen, and the first error is returned. If that
//! fails, too, it cannot be known, and the error is `CommitUnknown`.

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rusqlite::{Connection, TransactionBehavior, ffi};

use super::memory::Memory;
use super::pool::Pooled;
use super::state::State;
use super::{Store, open, pool};
use crate::error::{Error, Result};

/// A transaction that holds the write lock from its start.
///
/// It is rolled back unless it is committed.
#[derive(Debug)]
pub(crate) struct Transaction<'c>(rusqlite::Transaction<'c>);

impl Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl Store {
    /// Runs `body` on one connection, in one read transaction.
    ///
    /// Never call it from inside another `read` or `write`: each holds a connection,
    /// and the pool is small.
    pub(crate) fn read<T>(&self, body: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.read_remembering(|conn, _| body(conn))
    }

    /// As [`read`](Self::read), with the connection's memory of earlier reads.
    pub(crate) fn read_remembering<T>(
        &self,
        body: impl FnOnce(&Connection, &Memory) -> Result<T>,
    ) -> Result<T> {
        let value = match &self.state {
            Some(state) => state.read(body)?,
            None => {
                let mut pooled = self.connection()?;
                let Pooled { conn, memory } = &mut *pooled;
                let tx = conn.transaction()?;
                body(&tx, memory)?
            }
        };
        if self.is_read_alone() {
            // The read held no lock that would have kept others from replacing the
            // file.
            self.identity.check()?;
        }
        Ok(value)
    }

    /// Runs `body` in a write transaction, which is committed if it returns `Ok`.
    pub(crate) fn write<T>(&self, body: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.refuse_state()?;
        let conn = self.pool.get()?;
        let tx = self.begin(&conn)?;
        let value = body(&tx)?;
        tx.commit()?;
        Ok(value)
    }

    /// As [`write`](Self::write), for optional work: returns `None` if others hold
    /// the write lock for longer than a moment.
    pub(crate) fn write_unless_busy<T>(
        &self,
        body: impl FnOnce(&Connection) -> Result<T>,
    ) -> Result<Option<T>> {
        self.refuse_state()?;
        let conn = self.pool.get()?;
        let tx = match self.begin_within(&conn, A_MOMENT) {
            Err(Error::Busy) => return Ok(None),
            begun => begun?,
        };
        let value = body(&tx)?;
        tx.commit()?;
        Ok(Some(value))
    }

    /// Begins a transaction that takes the write lock at once.
    ///
    /// A deferred transaction that reads first fails with `SQLITE_BUSY` at its first
    /// write if anyone has written since, and no busy timeout helps.
    pub(crate) fn begin<'c>(&self, conn: &'c Connection) -> Result<Transaction<'c>> {
        self.begin_within(conn, self.busy_timeout)
    }

    fn begin_within<'c>(&self, conn: &'c Connection, wait: Duration) -> Result<Transaction<'c>> {
        // SQLite's own busy handler backs off to 100 ms between attempts, and can
        // miss every gap if others write all the time. So this retries more often.
        let end = Instant::now() + wait;
        conn.busy_timeout(Duration::ZERO)?;
        let begun = loop {
            // The pool has handed this connection out, so nothing else uses it.
            let begun = rusqlite::Transaction::new_unchecked(conn, TransactionBehavior::Immediate);
            match begun.map_err(Error::from) {
                Err(Error::Busy) if Instant::now() < end => std::thread::sleep(a_moment()),
                begun => break begun,
            }
        };
        conn.busy_timeout(self.busy_timeout)?;
        let begun = begun?;
        // With the lock held, nobody can have replaced the file after this check.
        self.identity.check_to_write()?;
        Ok(Transaction(begun))
    }

    /// A pooled connection, for work of many transactions.
    pub(crate) fn connection(&self) -> Result<r2d2::PooledConnection<pool::Manager>> {
        self.refuse_state()?;
        self.identity.check()?;
        Ok(self.pool.get()?)
    }

    /// A new read-only connection outside the pool: temporary tables on it disappear
    /// with it.
    pub(crate) fn connection_of_its_own(&self) -> Result<Connection> {
        self.refuse_state()?;
        self.identity.check()?;
        let conn = open::connection(&self.path, self.reading)?;
        conn.busy_timeout(self.busy_timeout)?;
        Ok(conn)
    }

    fn refuse_state(&self) -> Result<()> {
        match self.state {
            Some(_) => Err(Error::Unsupported("a snapshot is read, not written")),
            None => Ok(()),
        }
    }

    /// A store that keeps reading the present state, whatever is written afterwards.
    pub(crate) fn at_this_state(&self) -> Result<Self> {
        let state = match &self.state {
            Some(state) => Arc::clone(state),
            None => Arc::new(State::begin(self.connection()?)?),
        };
        Ok(Self { state: Some(state), ..self.clone() })
    }
}

impl Transaction<'_> {
    /// Commits the transaction.
    ///
    /// # Errors
    ///
    /// [`CommitUnknown`](Error::CommitUnknown) if the change may have happened; after
    /// any other error, it has not.
    pub(crate) fn commit(self) -> Result<()> {
        if let Err(err) = self.0.execute_batch("COMMIT") {
            // If the transaction is still open, it is rolled back when dropped.
            let hidden = self.0.is_autocommit() && may_be_complete(&err);
            return if hidden && write_over(&self.0).is_err() {
                Err(Error::CommitUnknown(err.into()))
            } else {
                Err(err.into())
            };
        }
        Ok(())
    }
}

/// Whether a commit that failed with this error can be complete in the WAL.
///
/// Its last frame, which has the commit mark, is written last. If a write failed or
/// there was no space for it, that frame is incomplete.
fn may_be_complete(err: &rusqlite::Error) -> bool {
    let Some(failure) = err.sqlite_error() else { return true };
    !matches!(failure.extended_code & 0xFF, ffi::SQLITE_FULL | ffi::SQLITE_BUSY)
        && failure.extended_code != ffi::SQLITE_IOERR_WRITE
}

/// Commits a transaction that writes one page unchanged.
pub(super) fn write_over(conn: &Connection) -> rusqlite::Result<()> {
    let tx = rusqlite::Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    let version: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    tx.pragma_update(None, "user_version", version)?;
    tx.commit()
}

/// How long optional work waits for the write lock.
const A_MOMENT: Duration = Duration::from_millis(50);

/// Between a quarter of a millisecond and four, unevenly, so that waiting processes
/// do not retry in step.
fn a_moment() -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Duration::from_micros(250 + u64::from(now.subsec_nanos()) / 7 % 3_750)
}
