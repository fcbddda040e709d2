//! The connection pool of a store.
//!
//! The connection that opened the database and proved its schema becomes the pool's
//! first. Closing it and opening another would take as long again; and if no other
//! process has the database open, SQLite would checkpoint and remove the WAL in
//! between. Every later connection proves the schema, too.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use r2d2::ManageConnection;
use rusqlite::Connection;

use super::memory::Memory;
use super::open::opened;
use super::options::StoreOptions;
use crate::error::{Error, Result};

#[derive(Debug)]
pub(crate) struct Manager {
    first: Mutex<Option<Connection>>,
    path: PathBuf,
    options: StoreOptions,
}

/// A connection and its memory.
#[derive(Debug)]
pub(crate) struct Pooled {
    pub(super) conn: Connection,
    pub(super) memory: Memory,
}

impl Pooled {
    fn new(conn: Connection) -> Self {
        Self { conn, memory: Memory::default() }
    }
}

impl Deref for Pooled {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.conn
    }
}

impl DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.conn
    }
}

pub(super) type Pool = r2d2::Pool<Manager>;

/// Makes a pool of connections to `path`, which contains the one that is open.
pub(super) fn pool(first: Connection, path: &Path, options: &StoreOptions) -> Result<Pool> {
    Ok(r2d2::Pool::builder()
        .max_size(options.pool_size)
        .min_idle(Some(0))
        // A local file does not disappear; the check would cost more than the rest
        // of a checkout.
        .test_on_check_out(false)
        .connection_timeout(options.busy_timeout)
        // A connection that stays open keeps the WAL from being removed and created
        // again.
        .idle_timeout(None)
        .max_lifetime(None)
        .build(Manager {
            first: Mutex::new(Some(first)),
            path: path.to_owned(),
            options: options.clone(),
        })?)
}

impl ManageConnection for Manager {
    type Connection = Pooled;
    type Error = Error;

    fn connect(&self) -> Result<Pooled> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        first.map_or_else(|| opened(&self.path, &self.options), Ok).map(Pooled::new)
    }

    fn is_valid(&self, conn: &mut Pooled) -> Result<()> {
        Ok(conn.execute_batch("")?)
    }

    fn has_broken(&self, conn: &mut Pooled) -> bool {
        // A connection whose transaction could not be ended is unusable.
        !conn.is_autocommit()
    }
}
