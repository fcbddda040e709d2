//! Sessions that went on lately.
//!
//! The lists by age are indexes: an append that moved its session there would
//! write a page of each. So a session that goes on leaves them, and stands in an
//! index of the few that do; whoever lists puts those in by their time. When they
//! are no longer few, all go back into the lists at once.

use rusqlite::Connection;

use crate::error::Result;
use crate::model::SessionKey;

/// A list reads these sessions beside its page, 2 µs each.
const MOST: i64 = 32;

/// Their keys, in no order that means anything.
pub(super) fn keys(conn: &Connection) -> Result<Vec<i64>> {
    let mut stmt = conn.prepare_cached(KEYS)?;
    let rows = stmt.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) const KEYS: &str = "
    SELECT session_key
    FROM sessions INDEXED BY sessions_recent
    WHERE is_recent = 1";

/// Takes a session out of the lists by age.
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
