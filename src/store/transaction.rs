//! Transactions: how they begin, and what is known when one cannot be committed.
//!
//! A `COMMIT` that fails leaves nothing behind as far as SQLite is concerned: it
//! rolls back, and no connection sees the change. But in WAL mode the change may
//! stand in the journal all the same, complete and with its commit mark, where
//! only what comes after the last write has failed: the sync, or the entry in
//! the shared index. The next one to open the database after a crash reads the
//! journal from its beginning, believes the mark, and the change is there.
//!
//! So what failed is written over: the next transaction begins in the journal
//! where the failed one did. When one that changes nothing has been committed,
//! nothing happened, for sure, and the first error is the whole story. When that
//! fails, too, it cannot be known, and the error says so.

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
    /// Runs `body` on one connection and one snapshot.
    ///
    /// Never call it from inside another `read` or `write`: each holds a
    /// connection, and the pool is small.
    pub(crate) fn read<T>(&self, body: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.read_remembering(|conn, _| body(conn))
    }

    /// As [`read`](Self::read), with what the connection remembers of earlier ones.
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
            // No lock has kept others from writing meanwhile.
            self.identity.check()?;
        }
        Ok(value)
    }

    /// Runs `body` in a transaction, committed if it returns `Ok`.
    pub(crate) fn write<T>(&self, body: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.refuse_state()?;
        let conn = self.pool.get()?;
        let tx = self.begin(&conn)?;
        let value = body(&tx)?;
        tx.commit()?;
        Ok(value)
    }

    /// As [`write`](Self::write), for what can as well be left undone: `None`
    /// where others write, and do not end within a moment.
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

    /// Begins a transaction that holds the write lock from its start.
    ///
    /// A deferred one that reads first fails with `SQLITE_BUSY` at its first
    /// write if anyone has written since, and no busy timeout helps.
    pub(crate) fn begin<'c>(&self, conn: &'c Connection) -> Result<Transaction<'c>> {
        self.begin_within(conn, self.busy_timeout)
    }

    fn begin_within<'c>(&self, conn: &'c Connection, wait: Duration) -> Result<Transaction<'c>> {
        // SQLite's own wait grows to 100 ms between looks: where others write
        // all the time, it can miss every gap. So this waits a moment at a time.
        let end = Instant::now() + wait;
        conn.busy_timeout(Duration::ZERO)?;
        let begun = loop {
            // Nothing else uses this connection: the pool has handed it out.
            let begun = rusqlite::Transaction::new_unchecked(conn, TransactionBehavior::Immediate);
            match begun.map_err(Error::from) {
                Err(Error::Busy) if Instant::now() < end => std::thread::sleep(a_moment()),
                begun => break begun,
            }
        };
        conn.busy_timeout(self.busy_timeout)?;
        let begun = begun?;
        // With the lock in hand: nobody has written to another file since.
        self.identity.check_to_write()?;
        Ok(Transaction(begun))
    }

    /// A connection of its own, for work of many transactions.
    pub(crate) fn connection(&self) -> Result<r2d2::PooledConnection<pool::Manager>> {
        self.refuse_state()?;
        self.identity.check()?;
        Ok(self.pool.get()?)
    }

    /// A connection that only reads and is in no pool: what is added to it goes with it.
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

    /// The store as it is now, whatever is written from here on.
    pub(crate) fn at_this_state(&self) -> Result<Self> {
        let state = match &self.state {
            Some(state) => Arc::clone(state),
            None => Arc::new(State::begin(self.connection()?)?),
        };
        Ok(Self { state: Some(state), ..self.clone() })
    }
}

impl Transaction<'_> {
    /// Makes what was written last.
    ///
    /// # Errors
    ///
    /// [`CommitUnknown`](Error::CommitUnknown) when it may have happened; after
    /// any other error, nothing has.
    pub(crate) fn commit(self) -> Result<()> {
        if let Err(err) = self.0.execute_batch("COMMIT") {
            // What is still a transaction is rolled back when it is dropped.
            let hidden = self.0.is_autocommit() && may_be_complete(&err);
            return match hidden && write_over(&self.0).is_err() {
                true => Err(Error::CommitUnknown(err.into())),
                false => Err(err.into()),
            };
        }
        Ok(())
    }
}

/// Whether a commit that failed like this can have reached the journal whole.
///
/// Its last frame, which holds the mark, is the last that is written. Where a
/// write has failed or there was no room for it, that frame is not complete.
fn may_be_complete(err: &rusqlite::Error) -> bool {
    let Some(failure) = err.sqlite_error() else { return true };
    !matches!(failure.extended_code & 0xFF, ffi::SQLITE_FULL | ffi::SQLITE_BUSY)
        && failure.extended_code != ffi::SQLITE_IOERR_WRITE
}

/// Commits a transaction that writes one page as it is.
pub(super) fn write_over(conn: &Connection) -> rusqlite::Result<()> {
    let tx = rusqlite::Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    let version: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    tx.pragma_update(None, "user_version", version)?;
    tx.commit()
}

/// How long others may write before what could be written is left undone.
const A_MOMENT: Duration = Duration::from_millis(50);

/// A quarter of a millisecond to four; uneven, lest waiters look in step.
fn a_moment() -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Duration::from_micros(250 + u64::from(now.subsec_nanos()) / 7 % 3_750)
}
