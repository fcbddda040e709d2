//! Walks from an entry up to its root.
//!
//! An entry's key is that of its line, and nearly every entry stands right
//! behind its parent. So a walk reads the table backwards and passes by the
//! few entries of other branches; where a parent is farther off, or comes later
//! in the file, it begins again there. A recursive query seeks each parent by
//! itself and keeps a table of all that it met, since a path may lead back to
//! where it was, which is legal input: it took four to five times as long. Here only a
//! parent that comes later can close a circle, and only then is looked back.

use std::collections::HashSet;

use rusqlite::{Connection, Row};

use super::{entries, labels};
use crate::error::Result;
use crate::model::{Entry, SessionKey};

/// Rows to pass by before a parent is sought instead: a seek costs about as much.
const NEAR: usize = 16;

/// What the rules of restoring ask of an entry.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    pub(crate) entry_key: i64,
    pub(crate) entry_type: &'a str,
    pub(crate) role: Option<&'a str>,
}

/// Hands the entries from `leaf` up to its root to `each`, leaf first, until it says to stop.
pub(crate) fn walk_up(
    conn: &Connection,
    leaf: i64,
    mut each: impl FnMut(Step<'_>) -> Result<bool>,
) -> Result<()> {
    walk(conn, STEPS_UP, leaf, |entry_key, row| {
        each(Step {
            entry_key,
            entry_type: row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?,
            role: row.get_ref(3)?.as_str_or_null().map_err(rusqlite::Error::from)?,
        })
    })
}

/// Columns by their place, here and below: by name, they would cost more than the step.
pub(crate) const STEPS_UP: &str = "
    SELECT entry_key, parent_key, type, role
    FROM entries
    WHERE entry_key <= ?1
    ORDER BY entry_key DESC";

/// The lines of the path to `leaf`, root first.
pub(crate) fn lines(conn: &Connection, leaf: i64) -> Result<Vec<i64>> {
    let mut lines = Vec::new();
    walk(conn, LINES_UP, leaf, |entry_key, row| {
        lines.push(row.get::<_, Option<i64>>(2)?.unwrap_or(entry_key));
        Ok(true)
    })?;
    lines.reverse();
    Ok(lines)
}

pub(crate) const LINES_UP: &str = "
    SELECT entry_key, parent_key, line_key
    FROM entries
    WHERE entry_key <= ?1
    ORDER BY entry_key DESC";

/// The last `limit` entries of the path to `leaf`, root first.
pub(crate) fn path(
    conn: &Connection,
    session: SessionKey,
    leaf: i64,
    limit: usize,
) -> Result<Vec<Entry>> {
    let mut path: Vec<Entry> = Vec::new();
    if limit == 0 {
        return Ok(path);
    }
    let mut above = None;
    walk(conn, ENTRIES_UP, leaf, |entry_key, row| {
        let id: String = row.get(3)?;
        if let Some(child) = path.last_mut() {
            child.parent_id = Some(id.clone());
        }
        above = row.get(1)?;
        let key = row.get::<_, Option<i64>>(2)?.unwrap_or(entry_key);
        path.push(Entry {
            id,
            parent_id: None,
            entry_type: row.get(4)?,
            role: row.get(5)?,
            created_at: row.get(6)?,
            label: None,
            line: super::log::line_number(key),
            key,
        });
        Ok(path.len() < limit)
    })?;
    // A parent that is not on the path, or stands on it already.
    if let (Some(first), Some(above)) = (path.last_mut(), above) {
        first.parent_id = entries::entry(conn, above)?.map(|entry| entry.id);
    }
    if labels::has_any(conn, session)? {
        for entry in &mut path {
            entry.label = labels::label(conn, session, &entry.id)?;
        }
    }
    path.reverse();
    Ok(path)
}

pub(crate) const ENTRIES_UP: &str = "
    SELECT entry_key, parent_key, line_key, entry_id, type, role, created_at
    FROM entries
    WHERE entry_key <= ?1
    ORDER BY entry_key DESC";

/// Hands the rows from `leaf` up to its root to `each`; the first two columns
/// of `sql` are the key of the entry and of its parent.
fn walk(
    conn: &Connection,
    sql: &str,
    leaf: i64,
    mut each: impl FnMut(i64, &Row<'_>) -> Result<bool>,
) -> Result<()> {
    let mut stmt = conn.prepare_cached(sql)?;
    let nameless = entries::nameless(conn, leaf)?;
    let mut walked = Walked::default();
    let mut wanted = leaf;
    'seek: loop {
        let mut rows = stmt.query([wanted])?;
        let mut passed = 0;
        while let Some(row) = rows.next()? {
            let key: i64 = row.get(0)?;
            if key < wanted {
                // No entry has this key.
                return Ok(());
            }
            if wanted < key {
                passed += 1;
                if NEAR < passed {
                    continue 'seek;
                }
                continue;
            }
            passed = 0;
            if !each(key, row)? {
                return Ok(());
            }
            let Some(parent) = row.get(1)? else { return Ok(()) };
            // An empty parent ends a path, though the tree hangs the entry under that id.
            if nameless == Some(parent) || !walked.steps_on(key, parent) {
                return Ok(());
            }
            wanted = parent;
            if key < parent {
                continue 'seek;
            }
        }
        return Ok(());
    }
}

/// Where a walk has been.
#[derive(Default)]
struct Walked {
    /// While every parent came earlier in the file.
    backwards: Vec<i64>,
    /// From the first that did not.
    all: HashSet<i64>,
}

impl Walked {
    /// Notes an entry, and says whether its parent is new to the walk.
    fn steps_on(&mut self, key: i64, parent: i64) -> bool {
        if self.all.is_empty() {
            self.backwards.push(key);
            if parent < key {
                return true;
            }
            self.all = self.backwards.drain(..).collect();
        }
        self.all.insert(key);
        !self.all.contains(&parent)
    }
}
