//! Detecting that something was written, without reading what.

use std::path::Path;

use rusqlite::Connection;

use super::Store;
use super::open::{self, Access};
use crate::error::Result;

/// Detects that something was written since the last call.
///
/// It has a connection of its own, because SQLite counts other connections' commits
/// per connection. A call costs one small read of shared memory, not a query. To find
/// out what changed, use [`entries_after`](crate::Session::entries_after) and the
/// lists.
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
    /// Begins to watch the database for writes by this store, and by every other
    /// store and process.
    ///
    /// # Errors
    ///
    /// [`Sqlite`](crate::Error::Sqlite) if no further connection can be opened.
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

    /// Returns whether anything was committed since the last call, or since the watch
    /// began.
    ///
    /// A commit to any session counts, even if nothing that the caller can see is
    /// different, or if it undid another one.
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
