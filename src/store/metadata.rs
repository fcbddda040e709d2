//! What a session carries beside its conversation: what else its header says,
//! and what applications say of it, metadata and tags.
//!
//! No format has a place for the latter, so each change is an event; the tables
//! are the fold of them.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{Connection, OptionalExtension, named_params};

use super::events::EventKind;
use super::listing::SessionRow;
use crate::error::Result;
use crate::model::{Metadata, SessionKey, canonical};

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

pub(crate) fn insert_tag(conn: &Connection, session: SessionKey, tag: &str) -> Result<()> {
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

/// What a session's own files say under a key.
pub(crate) fn said(conn: &Connection, session: SessionKey, key: &str) -> Result<Option<String>> {
    Ok(conn
        .prepare_cached(
            "SELECT value FROM metadata WHERE session_key = ?1 AND is_own = 0 AND key = ?2",
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

/// Whether a session carries a tag.
pub(crate) fn has_tag(conn: &Connection, session: SessionKey, tag: &str) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT 1 FROM session_tags WHERE session_key = ?1 AND tag = ?2")?
        .exists((session, tag))?)
}

/// Whether a session carries any tag.
pub(crate) fn has_any_tag(conn: &Connection, session: SessionKey) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT 1 FROM session_tags WHERE session_key = ?1")?
        .exists([session])?)
}

/// Adds to the rows of a list their tags; returns what of the database could not be read.
pub(super) fn add_tags(conn: &Connection, rows: &mut [SessionRow]) -> Result<Option<String>> {
    let keys: Vec<i64> = rows.iter().map(|row| row.key.0).collect();
    let mut tags = match tags_of(conn, &keys) {
        Err(err) if err.is_of_content() => return Ok(Some(err.to_string())),
        tags => tags?,
    };
    for row in rows {
        row.tags = tags.remove(&row.key.0).unwrap_or_default();
    }
    Ok(None)
}

fn tags_of(conn: &Connection, keys: &[i64]) -> Result<HashMap<i64, Vec<String>>> {
    let mut tags: HashMap<i64, Vec<String>> = HashMap::new();
    let mut stmt = conn.prepare_cached(TAGS_OF)?;
    let mut rows = stmt.query([serde_json::Value::from(keys).to_string()])?;
    while let Some(row) = rows.next()? {
        tags.entry(row.get("session_key")?).or_default().push(row.get("tag")?);
    }
    Ok(tags)
}

pub(super) const TAGS_OF: &str = "
    SELECT tag.session_key, tag.tag
    FROM json_each(?1) AS asked
    CROSS JOIN session_tags AS tag ON tag.session_key = asked.value
    ORDER BY tag.tag";

pub(crate) const BY_TAG: &str = "SELECT session_key FROM session_tags WHERE tag = ?1";

pub(crate) const BY_VALUE: &str = "SELECT session_key
     FROM metadata
     WHERE is_own = 1 AND key = ?1 AND value = ?2";

/// The values under a key that are objects or arrays, which may be spelt in several ways.
pub(crate) const CONTAINERS: &str = "SELECT session_key, value
     FROM metadata
     WHERE is_own = 1 AND key = ?1 AND (value GLOB '{*' OR value GLOB '[[]*')";

/// The sessions that have this value under a key, in whatever order the keys of
/// an object stand.
fn sessions_with_value(conn: &Connection, key: &str, value: &str) -> Result<BTreeSet<i64>> {
    if !value.starts_with(['{', '[']) {
        let mut stmt = conn.prepare_cached(BY_VALUE)?;
        let keys = stmt.query_map((key, value), |row| row.get("session_key"))?;
        return Ok(keys.collect::<Result<_, _>>()?);
    }
    let asked = canonical(value);
    let mut found = BTreeSet::new();
    let mut stmt = conn.prepare_cached(CONTAINERS)?;
    let mut rows = stmt.query([key])?;
    while let Some(row) = rows.next()? {
        if canonical(&row.get::<_, String>("value")?) == asked {
            found.insert(row.get("session_key")?);
        }
    }
    Ok(found)
}

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
        narrow(sessions_with_value(conn, key, value)?);
    }
    Ok(found.unwrap_or_default())
}
