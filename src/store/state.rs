//! One state of the database, held for several reads.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use r2d2::PooledConnection;
use rusqlite::Connection;

use super::memory::Memory;
use super::pool;
use crate::error::{Error, Result};

/// A pooled connection in a read transaction.
#[derive(Debug)]
pub(super) struct State {
    conn: Mutex<PooledConnection<pool::Manager>>,
    /// The thread that is reading now.
    reader: Mutex<Option<ThreadId>>,
}

impl State {
    pub(super) fn begin(conn: PooledConnection<pool::Manager>) -> Result<Self> {
        // A read transaction sees the state of its first read, so this reads
        // something at once.
        conn.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;")?;
        Ok(Self { conn: Mutex::new(conn), reader: Mutex::new(None) })
    }

    /// Runs `body` on the held state; other threads wait their turn.
    pub(super) fn read<T>(
        &self,
        body: impl FnOnce(&Connection, &Memory) -> Result<T>,
    ) -> Result<T> {
        let me = thread::current().id();
        // A nested read of the same thread would wait for itself.
        if *lock(&self.reader) == Some(me) {
            return Err(Error::Busy);
        }
        let conn = lock(&self.conn);
        *lock(&self.reader) = Some(me);
        let _done = Done(&self.reader);
        body(&conn.conn, &conn.memory)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // If this fails, the pool closes the connection.
        let _ = lock(&self.conn).execute_batch("ROLLBACK");
    }
}

/// Clears the reading thread when dropped, even if the reader panicked.
struct Done<'a>(&'a Mutex<Option<ThreadId>>);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        *lock(self.0) = None;
    }
}

/// A panic of a reader cannot leave anything inconsistent, since nothing is written
/// here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
