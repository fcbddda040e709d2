//! What a store leaves to a replicator such as Litestream.
//!
//! Litestream follows the WAL: it ships what is appended, and decides when the WAL
//! is checkpointed and restarted. If the WAL is restarted before Litestream has
//! seen all of it, Litestream has to ship the whole database again. By default
//! SQLite checkpoints each time the last connection closes, so a few appends while
//! Litestream is down would cost as much as the whole database.
//!
//! So nothing here checkpoints, truncates or removes the WAL of a replicated store.
//! If no replicator is running, the WAL would grow without bound. Past a size that
//! a running replicator never lets it reach, it is checkpointed (in SQLite's
//! passive mode, which waits for nobody), and the next write restarts it.
//!
//! Whether a database is replicated is what the caller says, else whether it has
//! the tables that Litestream keeps in it. They exist from Litestream's first
//! connection on, and also in restored databases.

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::schema::Object;
use crate::error::Result;

/// The length of the WAL at which it is checkpointed, in pages of 8 KiB: 128 MiB.
const GUARD: u32 = 16_384;

/// Whether a schema object is a table that Litestream keeps for itself.
pub(crate) fn is_table_of(object: &Object) -> bool {
    object.kind == "table" && matches!(object.name.as_str(), "_litestream_seq" | "_litestream_lock")
}

/// Whether a replicator follows the database: as the caller says, else by its tables.
pub(super) fn follows(conn: &Connection, said: Option<bool>) -> Result<bool> {
    if let Some(said) = said {
        return Ok(said);
    }
    let mut stmt = conn.prepare_cached(
        "SELECT EXISTS (
             SELECT 1 FROM sqlite_schema
             WHERE type = 'table' AND name IN ('_litestream_seq', '_litestream_lock')
         )",
    )?;
    Ok(stmt.query_row([], |row| row.get(0))?)
}

/// Leaves the WAL to the replicator, for the lifetime of the connection.
pub(super) fn leave_journal(conn: &Connection) -> Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(conn.pragma_update(None, "wal_autocheckpoint", GUARD)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, StoreOptions, schema};

    const TABLES: &str = "
        CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER);
        CREATE TABLE _litestream_lock (id INTEGER);";

    /// The WAL pages at which SQLite checkpoints, and whether the last connection
    /// checkpoints.
    fn settings(store: &Store) -> (u32, bool) {
        let conn = store.connection().unwrap();
        let pages = conn.pragma_query_value(None, "wal_autocheckpoint", |row| row.get(0)).unwrap();
        let leaves = conn.db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE).unwrap();
        (pages, !leaves)
    }

    #[test]
    fn the_journal_is_left_to_a_replicator_where_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let plain = Store::open(&path).unwrap();
        let said = StoreOptions::new().replicated(true).open(&path).unwrap();
        plain.connection().unwrap().execute_batch(TABLES).unwrap();
        let found = Store::open(&path).unwrap();
        let denied = StoreOptions::new().replicated(false).open(&path).unwrap();

        assert_eq!(settings(&plain), (1_000, true));
        assert_eq!(settings(&said), (GUARD, false));
        assert_eq!(settings(&found), (GUARD, false));
        assert_eq!(settings(&denied), (1_000, true));
    }

    #[test]
    fn a_database_with_the_tables_of_a_replicator_is_proved_as_quickly() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("s.db")).unwrap();
        let conn = store.connection().unwrap();
        conn.execute_batch(TABLES).unwrap();

        let objects = schema::objects(&conn).unwrap();

        let known: Vec<&Object> = objects.iter().filter(|object| is_table_of(object)).collect();
        assert_eq!(known.len(), 2);
        assert!(schema::is_digest_of_ours(&objects));
    }
}
