//! Which sessions may hold a text: an index of three characters in a row.
//!
//! It only narrows; whether a session holds the whole query, its row says. So
//! the index needs no positions, and takes about 100 bytes a session.

use rusqlite::Connection;

use crate::error::Result;
use crate::model::SessionKey;

/// Trigrams of a query that are looked up at most, from all over it: each takes
/// time by the sessions that hold it, and more of them hardly narrow any more.
const MANY: usize = 6;

/// Makes the index anew from the sessions' rows.
pub(crate) fn rebuild(conn: &Connection) -> Result<()> {
    conn.execute_batch("INSERT INTO session_search (session_search) VALUES ('delete-all')")?;
    let mut stmt = conn.prepare("SELECT session_key, search_text FROM sessions")?;
    let mut rows = stmt.query([])?;
    while let Some(row) = rows.next()? {
        // Not in SQL: its `replace` does nothing for a NUL.
        let text = row.get_ref("search_text")?.as_str().map_err(rusqlite::Error::from)?;
        insert(conn, row.get("session_key")?, text)?;
    }
    Ok(())
}

/// Takes a session's text in, whatever it was before.
pub(super) fn insert(conn: &Connection, session: SessionKey, text: &str) -> Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO session_search (rowid, text) VALUES (?1, ?2)")?
        .execute((session, indexed(text)))?;
    Ok(())
}

/// Leaves the index without terms of rows that are gone: it keeps them, beside a
/// mark that the row is deleted, until its parts are merged.
pub(crate) fn merge(conn: &Connection) -> Result<()> {
    conn.execute("INSERT INTO session_search (session_search) VALUES ('optimize')", [])?;
    Ok(())
}

/// What the index says of a query.
pub(crate) struct Found {
    /// Sessions that may hold it, by key.
    pub(crate) keys: Vec<i64>,
    /// There may be more behind the last of them.
    is_cut: bool,
    /// To look at each of them is less work than to come by as many in the order of a list.
    pub(crate) is_few: bool,
}

impl Found {
    /// Whether all that may hold the query are known.
    pub(crate) fn is_complete(&self) -> bool {
        !self.is_cut
    }

    pub(crate) fn may_hold(&self, session: i64) -> bool {
        self.is_cut && self.keys.last().is_none_or(|last| *last < session)
            || self.keys.binary_search(&session).is_ok()
    }
}

/// Looks up which sessions may hold a query, of which a list wants so many.
///
/// `None` for a query of fewer than three characters, which is none of the
/// index's. A session takes a sixth of a microsecond to be found, half of one
/// to be looked at, and a tenth to be come by in the order of a list; one
/// whose text must be read there, two and a half. From these follow how many are
/// looked up at most, and how many are few.
pub(crate) fn find(conn: &Connection, query: &str, wanted: i64) -> Result<Option<Found>> {
    let characters: Vec<char> = indexed(query).chars().collect();
    let trigrams: Vec<String> = characters
        .windows(3)
        .step_by(characters.len().div_ceil(MANY).max(1))
        .map(|trigram| format!("\"{}\"", String::from_iter(trigram).replace('"', "\"\"")))
        .collect();
    if trigrams.is_empty() {
        return Ok(None);
    }
    let all: Option<i64> = conn
        .prepare_cached("SELECT max(session_key) FROM sessions")?
        .query_row([], |row| row.get(0))?;
    let come_by = wanted.saturating_mul(all.unwrap_or_default());
    let most = come_by.saturating_mul(4).isqrt().max(1);
    let mut stmt = conn.prepare_cached(
        "SELECT rowid FROM session_search WHERE session_search MATCH ?1 ORDER BY rowid",
    )?;
    let keys = stmt.query_map([trigrams.join(" AND ")], |row| row.get(0))?;
    // No LIMIT ?: SQLite prepares a statement anew for each that a virtual table is asked for.
    let keys: Vec<i64> = keys.take(most as usize).collect::<Result<_, _>>()?;
    let found = keys.len() as i64;
    let is_cut = most <= found;
    let is_few = found.saturating_mul(found).saturating_mul(5) <= come_by;
    Ok(Some(Found { keys, is_cut, is_few: is_few && !is_cut }))
}

/// A text as the index takes it: its tokenizer stops at a NUL.
fn indexed(text: &str) -> String {
    text.replace('\0', "\u{1}")
}
