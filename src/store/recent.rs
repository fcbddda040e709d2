//! Recent sessions: those that were appended to lately.
//!
//! Lists use age indexes, and an append that moved its session in them would write
//! a page of each. So a session that is appended to leaves them and enters an index
//! of recent sessions, which lists merge in by time. When it holds too many, all of
//! them return to the age indexes at once.

use rusqlite::Connection;

use crate::error::Result;
use crate::model::SessionKey;

/// A list reads all recent sessions beside its page, 2 µs each.
const MOST: i64 = 32;

/// The keys of the recent sessions, in no particular order.
pub(super) fn keys(conn: &Connection) -> Result<Vec<i64>> {
    let mut stmt = conn.prepare_cached(KEYS)?;
    let rows = stmt.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) const KEYS: &str = "
    SELECT session_key
    FROM sessions INDEXED BY sessions_recent
    WHERE is_recent = 1";

/// Moves a session from the age indexes to the recent ones.
pub(super) fn add(conn: &Connection, session: SessionKey) -> Result<()> {
    conn.prepare_cached(
        "UPDATE sessions INDEXED BY sessions_recent
         SET is_recent = 0
         WHERE is_recent = 1
           AND (SELECT count(*) FROM sessions INDEXED BY sessions_recent WHERE is_recent = 1) >= ?1",
    )?
    .execute([MOST])?;
    conn.prepare_cached("UPDATE sessions SET is_recent = 1 WHERE session_key = ?1")?
        .execute([session])?;
    Ok(())
}
