//! The connections of a store.
//!
//! The one that opened the database and looked at its schema is the pool's
//! first: to close it and open another would take as long again, and where no
//! other process has the database open, SQLite would empty and remove the WAL in between.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use r2d2::ManageConnection;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, OpenFlags};

use super::open::prepare;
use super::options::StoreOptions;
use crate::error::Result;

#[derive(Debug)]
pub(crate) struct Manager {
    first: Mutex<Option<Connection>>,
    others: SqliteConnectionManager,
}

pub(super) type Pool = r2d2::Pool<Manager>;

/// Makes a pool of connections to `path`, of which one is open.
pub(super) fn pool(
    first: Connection,
    path: &Path,
    flags: OpenFlags,
    options: &StoreOptions,
) -> Result<Pool> {
    let init = options.clone();
    let others = SqliteConnectionManager::file(path)
        .with_flags(flags)
        .with_init(move |conn| prepare(conn, &init));
    Ok(r2d2::Pool::builder()
        .max_size(options.pool_size)
        .min_idle(Some(0))
        // A local file does not go away; the check costs more than the rest of a checkout.
        .test_on_check_out(false)
        .connection_timeout(options.busy_timeout)
        // One that is open keeps the journal's files from being made anew.
        .idle_timeout(None)
        .max_lifetime(None)
        .build(Manager { first: Mutex::new(Some(first)), others })?)
}

impl ManageConnection for Manager {
    type Connection = Connection;
    type Error = rusqlite::Error;

    fn connect(&self) -> rusqlite::Result<Connection> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        first.map_or_else(|| self.others.connect(), Ok)
    }

    fn is_valid(&self, conn: &mut Connection) -> rusqlite::Result<()> {
        self.others.is_valid(conn)
    }

    fn has_broken(&self, conn: &mut Connection) -> bool {
        self.others.has_broken(conn)
    }
}
