//! A view of a store as it was: the same database, with temporary tables that hide
//! some of its own.
//!
//! An unqualified name finds the temporary table first, so everything that reads a
//! store can read a view. A view has one connection, which owns the temporary
//! tables.

use rusqlite::Connection;

use super::open::opened;
use super::options::StoreOptions;
use super::{Store, pool};
use crate::error::Result;

impl Store {
    /// A read-only store in which `prepare` has made temporary tables that hide the
    /// database's.
    pub(crate) fn view(&self, prepare: impl FnOnce(&Connection) -> Result<()>) -> Result<Self> {
        let options = StoreOptions::new()
            .read_only(true)
            .create(false)
            .busy_timeout(self.busy_timeout)
            .pool_size(1);
        let mut conn = opened(&self.path, &options)?;
        // A foreign key of a temporary table would refer to a temporary table.
        conn.execute_batch("PRAGMA foreign_keys = OFF;")?;
        let tx = conn.transaction()?;
        prepare(&tx)?;
        tx.commit()?;
        Ok(Self { pool: pool::pool(conn, &self.path, &options)?, state: None, ..self.clone() })
    }
}
