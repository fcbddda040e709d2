//! Connections that see the same state of a database.

use std::path::Path;

use rusqlite::Connection;

use crate::error::Result;
use crate::store::open::{self, Access};

/// Where others write all the time, one connection has to do.
const TRIES: usize = 20;

/// A connection in a transaction, and if possible another that sees the same.
///
/// SQLite hands no state over. So both begin, and where nothing was written
/// between, they see the same. The connections are nobody else's: the temporary
/// tables must not meet anyone.
pub(super) fn of_one_state(
    path: &Path,
    reading: Access,
) -> Result<(Connection, Option<Connection>)> {
    let (one, other, witness) =
        (reader(path, reading)?, reader(path, reading)?, reader(path, reading)?);
    for _ in 0..TRIES {
        let before = data_version(&witness)?;
        begin(&one)?;
        begin(&other)?;
        if data_version(&witness)? == before {
            return Ok((one, Some(other)));
        }
        one.execute_batch("ROLLBACK")?;
        other.execute_batch("ROLLBACK")?;
    }
    begin(&one)?;
    Ok((one, None))
}

fn reader(path: &Path, reading: Access) -> Result<Connection> {
    let conn = open::connection(path, reading)?;
    conn.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA cache_size = -8192;")?;
    Ok(conn)
}

/// Begins to read: a state is seen from the first page on.
fn begin(conn: &Connection) -> Result<()> {
    conn.execute_batch("BEGIN")?;
    data_version(conn)?;
    Ok(())
}

/// Changes whenever another connection has written.
fn data_version(conn: &Connection) -> Result<i64> {
    Ok(conn.pragma_query_value(None, "data_version", |row| row.get(0))?)
}
