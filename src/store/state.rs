//! One state of the database, held open for several reads.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use r2d2::PooledConnection;
use rusqlite::Connection;

use super::memory::Memory;
use super::pool;
use crate::error::{Error, Result};

/// A connection of the pool in a transaction that only reads.
#[derive(Debug)]
pub(super) struct State {
    conn: Mutex<PooledConnection<pool::Manager>>,
    /// The thread that reads now.
    reader: Mutex<Option<ThreadId>>,
}

impl State {
    pub(super) fn begin(conn: PooledConnection<pool::Manager>) -> Result<Self> {
        // The state is that of the first read, so one is done at once.
        conn.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;")?;
        Ok(Self { conn: Mutex::new(conn), reader: Mutex::new(None) })
    }

    /// Runs `body` on the state that is held; another thread waits its turn.
    pub(super) fn read<T>(
        &self,
        body: impl FnOnce(&Connection, &Memory) -> Result<T>,
    ) -> Result<T> {
        let me = thread::current().id();
        // From inside a read of its own, a thread would wait for itself.
        if *held(&self.reader) == Some(me) {
            return Err(Error::Busy);
        }
        let conn = held(&self.conn);
        *held(&self.reader) = Some(me);
        let _done = Done(&self.reader);
        body(&conn.conn, &conn.memory)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // Where this fails, the pool closes the connection.
        let _ = held(&self.conn).execute_batch("ROLLBACK");
    }
}

/// Says that nobody reads any more, also when a reader panicked.
struct Done<'a>(&'a Mutex<Option<ThreadId>>);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        *held(self.0) = None;
    }
}

/// What a reader that panicked left is as good as ever: nothing is written here.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
