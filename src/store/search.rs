//! Which sessions may hold a text: an index of three characters in a row.
//!
//! It only narrows; whether a session holds the whole query, its row says. So
//! the index needs no positions, and takes about 100 bytes a session.

use rusqlite::{Connection, OptionalExtension};

use crate::error::Result;
use crate::model::SessionKey;

/// Trigrams of a query that are looked up at most, from all over it: each takes
/// time by the sessions that hold it, and more of them hardly narrow any more.
const MANY: usize = 6;

/// Takes a session's text in, if it is not the one that its row has.
pub(crate) fn write(conn: &Connection, session: SessionKey, text: &str) -> Result<()> {
    let before: Option<String> = conn
        .prepare_cached("SELECT search_text FROM sessions WHERE session_key = ?1")?
        .query_row([session], |row| row.get("search_text"))
        .optional()?;
    if before.as_deref() != Some(text) {
        conn.prepare_cached("INSERT OR REPLACE INTO session_search (rowid, text) VALUES (?1, ?2)")?
            .execute((session, indexed(text)))?;
    }
    Ok(())
}

/// Makes the index anew from the sessions' rows.
pub(crate) fn rebuild(conn: &Connection) -> Result<()> {
    conn.execute_batch(
        "INSERT INTO session_search (session_search) VALUES ('delete-all');
         INSERT INTO session_search (rowid, text)
         SELECT session_key, replace(search_text, char(0), char(1)) FROM sessions;",
    )?;
    Ok(())
}

/// The sessions that may hold a query, as a JSON array of keys, if those serve a page of `limit` best.
///
/// A query of fewer than three characters is none of the index's. Where many
/// sessions hold a text, the first in order are found sooner than all: to look
/// at all that were found is as much as to read on in order until `limit` of
/// them were met, when they are to `limit` as all sessions are to them. Reading
/// in order comes by more pages, so those found may be a few more.
pub(crate) fn narrow(conn: &Connection, query: &str, limit: i64) -> Result<Option<String>> {
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
    let most = limit.saturating_mul(all.unwrap_or_default()).saturating_mul(2).isqrt().max(1);
    let mut stmt = conn.prepare_cached(
        "SELECT rowid FROM session_search WHERE session_search MATCH ?1 LIMIT ?2",
    )?;
    let keys = stmt.query_map((trigrams.join(" AND "), most), |row| row.get(0))?;
    let keys: Vec<i64> = keys.collect::<Result<_, _>>()?;
    Ok(((keys.len() as i64) < most).then(|| serde_json::Value::from(keys).to_string()))
}

/// A text as the index takes it: its tokenizer stops at a NUL.
fn indexed(text: &str) -> String {
    text.replace('\0', "\u{1}")
}
