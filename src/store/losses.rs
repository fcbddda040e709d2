//! Sessions whose root lost or changed something of them, in lists.

use std::collections::HashSet;

use rusqlite::Connection;

use super::listing::SessionRow;
use crate::error::Result;
use crate::model::SessionKey;

/// Marks the rows of a list; returns what of the database could not be read.
pub(super) fn mark(conn: &Connection, rows: &mut [SessionRow]) -> Result<Option<String>> {
    let keys: Vec<i64> = rows.iter().map(|row| row.key.0).collect();
    match with_losses(conn, &keys) {
        Err(err) if err.is_of_content() => return Ok(Some(err.to_string())),
        found => {
            let found = found?;
            rows.iter_mut().for_each(|row| row.has_losses = found.contains(&row.key));
        }
    }
    Ok(None)
}

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
