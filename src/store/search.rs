//! Which sessions may hold a text: an index of three characters in a row.
//!
//! It only narrows; whether a session holds the whole query, its row says. So
//! the index needs no positions, and takes about 100 bytes a session.

use rusqlite::{Connection, OptionalExtension};

use crate::error::Result;
use crate::model::SessionKey;

/// Trigrams of a query that are looked up: more of them hardly narrow any more.
const MANY: usize = 16;

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

/// What to look up in the index for a query, if that serves a page of `limit` best.
///
/// A query of fewer than three characters is none of its. Where many sessions
/// hold a text, the first in order are found sooner than all: to read all of
/// `found` is as much as to read on in order until `limit` are among them, when
/// `found` is to `limit` as all are to `found`.
pub(crate) fn narrow(conn: &Connection, query: &str, limit: i64) -> Result<Option<String>> {
    let characters: Vec<char> = indexed(query).chars().collect();
    if characters.len() < 3 {
        return Ok(None);
    }
    let trigrams: Vec<String> = characters
        .windows(3)
        .take(MANY)
        .map(|trigram| format!("\"{}\"", String::from_iter(trigram).replace('"', "\"\"")))
        .collect();
    let trigrams = trigrams.join(" AND ");
    let all: Option<i64> = conn
        .prepare_cached("SELECT max(session_key) FROM sessions")?
        .query_row([], |row| row.get(0))?;
    let most = limit.saturating_mul(all.unwrap_or_default()).isqrt();
    let found: i64 = conn
        .prepare_cached(
            "SELECT count(*)
             FROM (SELECT 1 FROM session_search WHERE session_search MATCH ?1 LIMIT ?2)",
        )?
        .query_row((&trigrams, most), |row| row.get(0))?;
    Ok((found < most.max(1)).then_some(trigrams))
}

/// A text as the index takes it: its tokenizer stops at a NUL.
fn indexed(text: &str) -> String {
    text.replace('\0', "\u{1}")
}
