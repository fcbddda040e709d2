//! A store as it was: the same database, in which temporary tables stand before some of its own.
//!
//! An unqualified name finds the temporary table first, so that everything that
//! reads a store reads a view. It has one connection, which keeps them.

use rusqlite::Connection;

use super::open::opened;
use super::options::StoreOptions;
use super::{Store, pool};
use crate::error::Result;

impl Store {
    /// A store that reads what `prepare` puts before the tables.
    pub(crate) fn view(&self, prepare: impl FnOnce(&Connection) -> Result<()>) -> Result<Self> {
        let options = StoreOptions::new()
            .read_only(true)
            .create(false)
            .busy_timeout(self.busy_timeout)
            .pool_size(1);
        let mut conn = opened(&self.path, &options)?;
        // A key of a temporary table leads to a temporary table.
        conn.execute_batch("PRAGMA foreign_keys = OFF;")?;
        let tx = conn.transaction()?;
        prepare(&tx)?;
        tx.commit()?;
        Ok(Self { pool: pool::pool(conn, &self.path, &options)?, state: None, ..self.clone() })
    }
}
