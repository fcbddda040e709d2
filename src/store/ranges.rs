//! The active branch as ranges of entries, for sessions in which it is not the path
//! to the leaf.

use rusqlite::{Connection, OptionalExtension, named_params};

use super::{entries, log};
use crate::error::{Error, Result};
use crate::model::{Entry, RecordPlace, SessionKey};

/// Consecutive entries of the active branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// For a single entry: the line that it was taken from, if that is not the
    /// entry's own.
    pub(crate) line_key: Option<i64>,
}

/// Joins consecutive keys into ranges.
pub(crate) fn joined(keys: impl IntoIterator<Item = i64>) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for key in keys {
        match ranges.last_mut() {
            Some(Range { last, line_key: None, .. }) if *last + 1 == key => *last = key,
            _ => ranges.push(Range { first: key, last: key, line_key: None }),
        }
    }
    ranges
}

/// Writes the active branch of a session that has none yet, root first.
pub(crate) fn insert(conn: &Connection, session: SessionKey, ranges: &[Range]) -> Result<()> {
    insert_from(conn, session, 0, ranges)
}

fn insert_from(
    conn: &Connection,
    session: SessionKey,
    position: i64,
    ranges: &[Range],
) -> Result<()> {
    let mut stmt = conn.prepare_cached(
        "INSERT INTO active_ranges (session_key, position, first_key, last_key, line_key)
         VALUES (:session_key, :position, :first_key, :last_key, :line_key)",
    )?;
    for (range, position) in ranges.iter().zip(position..) {
        stmt.execute(named_params! {
            ":session_key": session,
            ":position": position,
            ":first_key": range.first,
            ":last_key": range.last,
            ":line_key": range.line_key,
        })?;
    }
    Ok(())
}

/// Extends the stored active branch by these entries; does nothing if the branch is
/// the path to the leaf.
pub(crate) fn extend(conn: &Connection, session: SessionKey, keys: &[i64]) -> Result<()> {
    let Some((position, last)) = before(conn, session, i64::MAX)? else { return Ok(()) };
    let mut ranges = joined(keys.iter().copied());
    let goes_on = ranges.first().is_some_and(|range| last.last + 1 == range.first);
    if goes_on && last.line_key.is_none() {
        let range = ranges.remove(0);
        conn.prepare_cached(
            "UPDATE active_ranges SET last_key = ?3 WHERE session_key = ?1 AND position = ?2",
        )?
        .execute((session, position, range.last))?;
    }
    insert_from(conn, session, position + 1, &ranges)
}

/// Cuts the active branch before an entry; returns the entries that were cut off.
pub(crate) fn cut(conn: &Connection, session: SessionKey, from: i64) -> Result<Vec<Range>> {
    let mut cut = Vec::new();
    let mut position = i64::MAX;
    while let Some((at, range)) = before(conn, session, position)? {
        position = at;
        if (range.first..=range.last).contains(&from) {
            conn.prepare_cached(
                "DELETE FROM active_ranges WHERE session_key = ?1 AND position >= ?2",
            )?
            .execute((session, position))?;
            cut.push(Range { first: from, ..range });
            if range.first < from {
                let left = Range { last: from - 1, ..range };
                insert_from(conn, session, position, &[left])?;
            }
            return Ok(cut);
        }
        cut.push(range);
    }
    Err(Error::Damaged(format!("entry {from} is not on the active branch; rebuild the store")))
}

/// Removes the ranges, so that the path to the leaf is the active branch.
pub(crate) fn clear(conn: &Connection, session: SessionKey) -> Result<()> {
    conn.prepare_cached("DELETE FROM active_ranges WHERE session_key = ?1")?.execute([session])?;
    Ok(())
}

/// The last range before a position, and its position.
pub(crate) fn before(
    conn: &Connection,
    session: SessionKey,
    position: i64,
) -> Result<Option<(i64, Range)>> {
    Ok(conn
        .prepare_cached(
            "SELECT position, first_key, last_key, line_key
             FROM active_ranges
             WHERE session_key = ?1 AND position < ?2
             ORDER BY position DESC
             LIMIT 1",
        )?
        .query_row((session, position), |row| {
            let range = Range {
                first: row.get("first_key")?,
                last: row.get("last_key")?,
                line_key: row.get("line_key")?,
            };
            Ok((row.get("position")?, range))
        })
        .optional()?)
}

/// Whether an entry is on an active branch that is stored as ranges.
pub(crate) fn holds(conn: &Connection, session: SessionKey, key: i64) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "SELECT 1
             FROM active_ranges
             WHERE session_key = ?1 AND ?2 BETWEEN first_key AND last_key
             LIMIT 1",
        )?
        .exists((session, key))?)
}

/// The ranges of a session's active branch, root first; empty if it is the path to
/// the leaf.
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

/// The keys of the entries in these ranges, in order.
pub(crate) fn keys(ranges: &[Range]) -> impl Iterator<Item = i64> {
    ranges.iter().flat_map(|range| range.first..=range.last)
}

/// The last ranges, with at most `limit` entries.
pub(crate) fn last(ranges: &[Range], limit: usize) -> Vec<Range> {
    let mut left = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut kept = Vec::new();
    for range in ranges.iter().rev().copied() {
        if left == 0 {
            break;
        }
        let first = range.first.max(range.last.saturating_sub(left - 1));
        left -= range.last - first + 1;
        kept.push(Range { first, ..range });
    }
    kept.reverse();
    kept
}

/// The entries in these ranges, in order, each at the line that it was taken from.
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
