//! How sessions differ from their roots, for lists: what a root lost or changed,
//! and what continued here.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;

use super::listing::SessionRow;
use crate::error::Result;
use crate::model::SessionKey;

/// Marks the rows of a list; returns which parts of the database could not be read.
pub(super) fn mark(conn: &Connection, rows: &mut [SessionRow]) -> Result<Option<String>> {
    let keys: Vec<i64> = rows.iter().map(|row| row.key.0).collect();
    let found = with_losses(conn, &keys).and_then(|losses| Ok((losses, standings(conn, &keys)?)));
    match found {
        Err(err) if err.is_of_content() => return Ok(Some(err.to_string())),
        found => {
            let (losses, standings) = found?;
            for row in rows {
                row.has_losses = losses.contains(&row.key);
                if let Some(standing) = standings.get(&row.key) {
                    row.is_continued_here = standing.is_continued_here;
                    row.is_absent = standing.is_absent;
                    row.is_shadowed = standing.is_shadowed;
                }
            }
        }
    }
    Ok(None)
}

/// How a session differs from its file at the root.
struct RootDifference {
    is_continued_here: bool,
    is_absent: bool,
    is_shadowed: bool,
}

/// How these sessions differ from their root, if their log is one file. Sessions that
/// do not differ are left out.
fn standings(conn: &Connection, keys: &[i64]) -> Result<HashMap<SessionKey, RootDifference>> {
    let mut stmt = conn.prepare_cached(STANDINGS)?;
    let keys = serde_json::Value::from(keys).to_string();
    let rows = stmt.query_map([keys], |row| {
        let standing = RootDifference {
            is_continued_here: row.get("is_continued_here")?,
            is_absent: row.get("is_absent")?,
            is_shadowed: row.get("is_shadowed")?,
        };
        Ok((row.get("session_key")?, standing))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) const STANDINGS: &str = "
    SELECT session.session_key,
           file.state = 'local' AS is_continued_here,
           imported.missing_at IS NOT NULL AS is_absent,
           imported.state = 'current' AND imported.lost <> 0 AS is_shadowed
    FROM json_each(?1) AS asked
    CROSS JOIN sessions AS session ON session.session_key = asked.value
    CROSS JOIN files AS file ON file.file_id = session.file_id
    CROSS JOIN files AS imported ON imported.file_id = ifnull(file.base_id, file.file_id)
    WHERE file.base_id IS NOT NULL
       OR file.missing_at IS NOT NULL
       OR file.lost <> 0";

fn with_losses(conn: &Connection, keys: &[i64]) -> Result<HashSet<SessionKey>> {
    let mut stmt = conn.prepare_cached(WITH_LOSSES)?;
    let rows =
        stmt.query_map([serde_json::Value::from(keys).to_string()], |row| row.get("session_key"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) const WITH_LOSSES: &str = "
    SELECT problem.session_key
    FROM json_each(?1) AS asked
    CROSS JOIN problems AS problem ON problem.session_key = asked.value
    WHERE problem.kind IN ('overwritten', 'vanished', 'diverged')";
