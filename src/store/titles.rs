//! The index of titles, with a row per session.

use rusqlite::Connection;

use crate::error::Result;
use crate::model::SessionKey;

/// Adds a prepared title.
pub(crate) fn insert(conn: &Connection, session: SessionKey, title: &str) -> Result<()> {
    conn.prepare_cached("INSERT INTO title_search (rowid, title) VALUES (?1, ?2)")?
        .execute((session, title))?;
    Ok(())
}

/// Removes the title of a session; returns whether there was one.
pub(crate) fn remove(conn: &Connection, session: SessionKey) -> Result<bool> {
    let mut stmt = conn.prepare_cached("DELETE FROM title_search WHERE rowid = ?1")?;
    Ok(0 < stmt.execute([session])?)
}

/// The sessions whose title the index finds; of one session, or of all.
pub(crate) fn matching(
    conn: &Connection,
    query: &str,
    only: Option<SessionKey>,
) -> Result<Vec<SessionKey>> {
    let [first, last] = only.map_or([0, i64::MAX], |only| [only.0, only.0]);
    let mut stmt = conn.prepare_cached(MATCHES)?;
    let rows = stmt.query_map((query, first, last), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) const MATCHES: &str = "
    SELECT rowid
    FROM title_search
    WHERE title_search MATCH ?1
      AND rowid BETWEEN ?2 AND ?3";
