//! Learning that something changed, without reading what.

use std::path::Path;

use rusqlite::Connection;

use super::Store;
use super::open::{self, Access};
use crate::error::Result;

/// Says whether anything was written since it was last asked.
///
/// It has a connection of its own, since SQLite counts for each connection what
/// others commit: asking costs one small read of shared memory, not a query.
/// What changed, [`entries_after`](crate::Session::entries_after) and the listing tell.
///
/// # Examples
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
/// let mut watch = store.watch()?;
/// assert!(!watch.changed()?);
///
/// store.create(&sessile::NewSession::new("/home/me/project"))?;
///
/// assert!(watch.changed()?);
/// assert!(!watch.changed()?); // not since
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Watch {
    conn: Connection,
    seen: i64,
}

impl Store {
    /// Begins to watch the database: for what this store writes, and every
    /// other store and process.
    ///
    /// # Errors
    ///
    /// [`Sqlite`](crate::Error::Sqlite) when the database cannot be opened again.
    pub fn watch(&self) -> Result<Watch> {
        Watch::begin(self.path(), self.reading)
    }
}

impl Watch {
    fn begin(path: &Path, reading: Access) -> Result<Self> {
        let conn = open::connection(path, reading)?;
        let seen = data_version(&conn)?;
        Ok(Self { conn, seen })
    }

    /// Whether anything was committed since the last call, or since the watch began.
    ///
    /// It may be so though nothing that the caller knows of is different: any
    /// session counts, and a write that undid another, too.
    ///
    /// # Errors
    ///
    /// [`Busy`](crate::Error::Busy), [`Sqlite`](crate::Error::Sqlite).
    pub fn changed(&mut self) -> Result<bool> {
        let now = data_version(&self.conn)?;
        Ok(std::mem::replace(&mut self.seen, now) != now)
    }
}

fn data_version(conn: &Connection) -> Result<i64> {
    Ok(conn.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?)
}
