//! The trigram index: which sessions may contain a text.
//!
//! The index only narrows the candidates; each session's row decides whether it
//! matches. So the index needs no positions, and takes about 100 bytes a session.

use rusqlite::Connection;

use crate::error::Result;
use crate::model::SessionKey;

/// The most trigrams of a query that are looked up, spread over the query. Each costs
/// time in proportion to the sessions that contain it, and further ones hardly narrow
/// the candidates.
const MANY: usize = 6;

/// Builds the index again from the sessions' rows.
pub(crate) fn rebuild(conn: &Connection) -> Result<()> {
    conn.execute_batch("INSERT INTO session_search (session_search) VALUES ('delete-all')")?;
    let mut stmt = conn.prepare("SELECT session_key, search_text FROM sessions")?;
    let mut rows = stmt.query([])?;
    while let Some(row) = rows.next()? {
        // Done here because SQL's `replace` does nothing for a NUL.
        let text = row.get_ref("search_text")?.as_str().map_err(rusqlite::Error::from)?;
        insert(conn, row.get("session_key")?, text)?;
    }
    Ok(())
}

/// Adds or replaces a session's text.
pub(super) fn insert(conn: &Connection, session: SessionKey, text: &str) -> Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO session_search (rowid, text) VALUES (?1, ?2)")?
        .execute((session, indexed(text)))?;
    Ok(())
}

/// Removes the terms of deleted rows: FTS5 keeps them, with a mark that the row is
/// deleted, until its segments are merged.
pub(crate) fn merge(conn: &Connection) -> Result<()> {
    conn.execute("INSERT INTO session_search (session_search) VALUES ('optimize')", [])?;
    Ok(())
}

/// The candidates that the index found for a query.
pub(crate) struct Candidates {
    /// Sessions that may match, by key.
    pub(crate) keys: Vec<i64>,
    /// Whether there may be more after the last of them.
    is_cut: bool,
    /// Whether there are so few that sorting them is faster than scanning the list in
    /// order.
    pub(crate) is_few: bool,
}

impl Candidates {
    /// Whether `keys` has all candidates.
    pub(crate) fn is_complete(&self) -> bool {
        !self.is_cut
    }

    pub(crate) fn may_hold(&self, session: i64) -> bool {
        self.is_cut && self.keys.last().is_none_or(|last| *last < session)
            || self.keys.binary_search(&session).is_ok()
    }
}

/// Looks up which sessions may match a query, for a list that wants so many rows.
///
/// Returns `None` for a query of fewer than three characters, which a trigram index
/// cannot answer. Measured per session: 0.17 µs to find it in the index, 0.5 µs to
/// read its row, 0.1 µs to pass it in list order, and 2.5 µs if its text must be read
/// there. These figures determine how many candidates are looked up at most, and how
/// many count as few.
pub(crate) fn find(conn: &Connection, query: &str, wanted: i64) -> Result<Option<Candidates>> {
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
    // No `LIMIT ?`: for a virtual table, SQLite prepares the statement again
    // whenever the limit differs.
    let keys: Vec<i64> = keys.take(most as usize).collect::<Result<_, _>>()?;
    let found = keys.len() as i64;
    let is_cut = most <= found;
    let is_few = found.saturating_mul(found).saturating_mul(5) <= come_by;
    Ok(Some(Candidates { keys, is_cut, is_few: is_few && !is_cut }))
}

/// A text as it is given to the index, whose tokenizer stops at a NUL.
fn indexed(text: &str) -> String {
    text.replace('\0', "\u{1}")
}
