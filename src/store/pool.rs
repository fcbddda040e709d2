//! The connections of a store.
//!
//! The one that opened the database and looked at its schema is the pool's
//! first: to close it and open another would take as long again, and where no
//! other process has the database open, SQLite would empty and remove the WAL in
//! between. Each later one looks at the schema, too.

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

/// A connection, and what it remembers.
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

/// Makes a pool of connections to `path`, of which one is open.
pub(super) fn pool(first: Connection, path: &Path, options: &StoreOptions) -> Result<Pool> {
    Ok(r2d2::Pool::builder()
        .max_size(options.pool_size)
        .min_idle(Some(0))
        // A local file does not go away; the check costs more than the rest of a checkout.
        .test_on_check_out(false)
        .connection_timeout(options.busy_timeout)
        // One that is open keeps the journal's files from being made anew.
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
        // In a transaction that could not be ended, it is of use to nobody.
        !conn.is_autocommit()
    }
}
