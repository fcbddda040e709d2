//! What a session carries beside its conversation: what else its header says,
//! and what applications say of it, metadata and tags.
//!
//! No format has a place for the latter, so each change is an event; the tables
//! are the fold of them.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, named_params};

use super::events::EventKind;
use crate::error::Result;
use crate::model::{Metadata, SessionKey};

/// Containers inside one another that a value may have.
pub(crate) const MAX_DEPTH: usize = 100;

/// The value of an event that sets metadata, JSON, or removes it.
pub(crate) fn event_value(key: &str, value: Option<&str>) -> String {
    serde_json::json!([key, value]).to_string()
}

/// Lets an event have its effect.
pub(crate) fn apply(
    conn: &Connection,
    session: SessionKey,
    kind: EventKind,
    value: Option<&str>,
) -> Result<()> {
    match (kind, value) {
        (EventKind::Metadata, Some(value)) => apply_metadata(conn, session, value),
        (EventKind::Tag, Some(tag)) => insert_tag(conn, session, tag),
        (EventKind::Untag, Some(tag)) => {
            conn.prepare_cached("DELETE FROM session_tags WHERE session_key = ?1 AND tag = ?2")?
                .execute((session, tag))?;
            Ok(())
        }
        (EventKind::Untag, None) => {
            conn.prepare_cached("DELETE FROM session_tags WHERE session_key = ?1")?
                .execute([session])?;
            Ok(())
        }
        _ => Ok(()),
    }
}

fn apply_metadata(conn: &Connection, session: SessionKey, value: &str) -> Result<()> {
    // What this program never wrote has no effect.
    let Ok((key, value)) = serde_json::from_str::<(String, Option<String>)>(value) else {
        return Ok(());
    };
    match value {
        Some(value) => conn
            .prepare_cached(
                "INSERT OR REPLACE INTO metadata (session_key, is_own, key, value)
                 VALUES (:session_key, 1, :key, :value)",
            )?
            .execute(named_params! { ":session_key": session, ":key": key, ":value": value })?,
        None => conn
            .prepare_cached(
                "DELETE FROM metadata WHERE session_key = ?1 AND is_own = 1 AND key = ?2",
            )?
            .execute((session, &key))?,
    };
    Ok(())
}

fn insert_tag(conn: &Connection, session: SessionKey, tag: &str) -> Result<()> {
    conn.prepare_cached("INSERT OR IGNORE INTO session_tags (session_key, tag) VALUES (?1, ?2)")?
        .execute((session, tag))?;
    Ok(())
}

/// What applications say of a session, by key.
pub(crate) fn own(conn: &Connection, session: SessionKey) -> Result<Vec<Metadata>> {
    let mut stmt = conn.prepare_cached(
        "SELECT key, value
         FROM metadata
         WHERE session_key = ?1 AND is_own = 1
         ORDER BY key",
    )?;
    let rows = stmt.query_map([session], |row| {
        Ok(Metadata { key: row.get("key")?, json: row.get("value")? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What applications say of a session under a key.
pub(crate) fn own_value(
    conn: &Connection,
    session: SessionKey,
    key: &str,
) -> Result<Option<String>> {
    Ok(conn
        .prepare_cached(
            "SELECT value FROM metadata WHERE session_key = ?1 AND is_own = 1 AND key = ?2",
        )?
        .query_row((session, key), |row| row.get("value"))
        .optional()?)
}

/// Tags of a session, in order of their bytes.
pub(crate) fn tags(conn: &Connection, session: SessionKey) -> Result<Vec<String>> {
    let mut stmt =
        conn.prepare_cached("SELECT tag FROM session_tags WHERE session_key = ?1 ORDER BY tag")?;
    let rows = stmt.query_map([session], |row| row.get("tag"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) const BY_TAG: &str = "SELECT session_key FROM session_tags WHERE tag = ?1";

pub(crate) const BY_VALUE: &str = "SELECT session_key
     FROM metadata
     WHERE is_own = 1 AND key = ?1 AND value = ?2";

/// Sessions that carry every one of these tags and values; not a single condition is all of them.
pub(crate) fn sessions_with(
    conn: &Connection,
    tags: &[String],
    values: &[(String, String)],
) -> Result<BTreeSet<i64>> {
    let mut found: Option<BTreeSet<i64>> = None;
    let mut narrow = |keys: BTreeSet<i64>| {
        found = Some(match found.take() {
            Some(found) => found.intersection(&keys).copied().collect(),
            None => keys,
        });
    };
    for tag in tags {
        let mut stmt = conn.prepare_cached(BY_TAG)?;
        let keys = stmt.query_map([tag], |row| row.get("session_key"))?;
        narrow(keys.collect::<Result<_, _>>()?);
    }
    for (key, value) in values {
        let mut stmt = conn.prepare_cached(BY_VALUE)?;
        let keys = stmt.query_map((key, value), |row| row.get("session_key"))?;
        narrow(keys.collect::<Result<_, _>>()?);
    }
    Ok(found.unwrap_or_default())
}
