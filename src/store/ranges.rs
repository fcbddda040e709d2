//! The active branch where it is not the path to the leaf, as ranges of entries.

use rusqlite::{Connection, named_params};

use super::{entries, log};
use crate::error::Result;
use crate::model::{Entry, RecordPlace, SessionKey};

/// Entries that follow one another on the active branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// Of a single entry: the line that counts, where it is not the entry's own.
    pub(crate) line_key: Option<i64>,
}

/// Writes the active branch of a session that has none yet, root first.
pub(crate) fn insert(conn: &Connection, session: SessionKey, ranges: &[Range]) -> Result<()> {
    let mut stmt = conn.prepare_cached(
        "INSERT INTO active_ranges (session_key, position, first_key, last_key, line_key)
         VALUES (:session_key, :position, :first_key, :last_key, :line_key)",
    )?;
    for (position, range) in ranges.iter().enumerate() {
        stmt.execute(named_params! {
            ":session_key": session,
            ":position": position as i64,
            ":first_key": range.first,
            ":last_key": range.last,
            ":line_key": range.line_key,
        })?;
    }
    Ok(())
}

/// Lets an active branch go on with these entries, where it is none that follows from the leaf.
pub(crate) fn extend(conn: &Connection, session: SessionKey, keys: &[i64]) -> Result<()> {
    let mut ranges = of(conn, session)?;
    if ranges.is_empty() {
        return Ok(());
    }
    for &key in keys {
        match ranges.last_mut() {
            Some(Range { last, line_key: None, .. }) if *last + 1 == key => *last = key,
            _ => ranges.push(Range { first: key, last: key, line_key: None }),
        }
    }
    conn.prepare_cached("DELETE FROM active_ranges WHERE session_key = ?1")?.execute([session])?;
    insert(conn, session, &ranges)
}

/// The active branch of a session, root first; nothing where it is the path to the leaf.
pub(crate) fn of(conn: &Connection, session: SessionKey) -> Result<Vec<Range>> {
    let mut stmt = conn.prepare_cached(RANGES)?;
    let rows = stmt.query_map([session], |row| {
        Ok(Range {
            first: row.get("first_key")?,
            last: row.get("last_key")?,
            line_key: row.get("line_key")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) const RANGES: &str = "
    SELECT first_key, last_key, line_key
    FROM active_ranges
    WHERE session_key = ?1
    ORDER BY position";

/// The keys of their entries, in order.
pub(crate) fn keys(ranges: &[Range]) -> impl Iterator<Item = i64> {
    ranges.iter().flat_map(|range| range.first..=range.last)
}

/// Their entries, in order, each at the line that counts.
pub(crate) fn entries(conn: &Connection, ranges: &[Range]) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    for range in ranges {
        let keys: Vec<i64> = (range.first..=range.last).collect();
        let entries = entries::entries(conn, &keys)?;
        found.extend(entries.into_iter().map(|entry| match range.line_key {
            None => entry,
            Some(line_key) => {
                let place = RecordPlace { line_key, span: None };
                Entry { line: log::line_number(line_key), place, ..entry }
            }
        }));
    }
    Ok(found)
}
