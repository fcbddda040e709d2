//! Two connections that see the same state of a database.

use std::path::Path;

use rusqlite::Connection;

use crate::error::Result;
use crate::store::open::{self, Access};

/// Attempts. If others write all the time, one connection has to do.
const TRIES: usize = 20;

/// A connection in a read transaction, and if possible a second one that sees the
/// same state.
///
/// SQLite cannot share a snapshot between connections. So both begin, and if nothing
/// was written in between, they see the same. The connections are private, because
/// temporary tables must not be visible to anyone else.
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

/// Begins a read transaction; the first read fixes its state.
fn begin(conn: &Connection) -> Result<()> {
    conn.execute_batch("BEGIN")?;
    data_version(conn)?;
    Ok(())
}

/// SQLite's counter of other connections' commits.
fn data_version(conn: &Connection) -> Result<i64> {
    Ok(conn.pragma_query_value(None, "data_version", |row| row.get(0))?)
}
