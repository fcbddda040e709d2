//! Runs: which entry follows which, and the path from an entry up to its root.
//!
//! Nearly every entry is the child of the entry before it. The table `runs` holds
//! the entries that are not. Each of them begins a run of entries that follow one
//! another, so a linear session is one run, and an append to the leaf writes
//! nothing here. A path is a recursive query with one step per run. It returns
//! ranges of entry keys without gaps, so entries are counted and compared without
//! reading them.
//!
//! A walk that reads the entries one by one is faster only if runs are very short:
//! a step of the query costs as much as five rows. With a fork every two entries
//! the walk took 0.6 of the time for a whole path; with one every fifty the two are
//! even, and leaves, common ancestors and membership take a tenth by runs. Runs
//! close to each other could share a step if ranges contained side branches, but
//! such ranges could not be counted.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension, named_params};

use super::entries::{self, ordinal};
use super::ids::Id;
use crate::error::{Error, Result};
use crate::model::SessionKey;

/// What an entry follows. If all fields are empty, it is a root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ParentLink<'a> {
    /// Its parent.
    pub(crate) key: Option<i64>,
    /// The id of its parent, as long as no entry has it.
    pub(crate) missing_id: Option<&'a str>,
    /// Whether the parent's id is empty: then the entry has a parent in the tree, but
    /// paths end at it.
    pub(crate) ends_path: bool,
}

impl ParentLink<'_> {
    /// Whether the entry `key` continues the run of the entry before it.
    fn continues(self, key: i64) -> bool {
        ordinal(key) != 0 && self.key == Some(key - 1) && !self.ends_path
    }
}

/// Records what a new entry follows.
pub(crate) fn insert_parent(
    conn: &Connection,
    session: SessionKey,
    entry_key: i64,
    above: ParentLink<'_>,
) -> Result<()> {
    if above.continues(entry_key) {
        return Ok(());
    }
    conn.prepare_cached(
        // Bound by position, like entries.
        "INSERT INTO runs (first_key, session_key, parent_key, parent_id, ends_path)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((
        entry_key,
        session,
        above.key,
        above.missing_id.map(Id::of),
        above.ends_path,
    ))?;
    Ok(())
}

/// Changes what an entry follows.
pub(crate) fn replace_parent(
    conn: &Connection,
    session: SessionKey,
    entry_key: i64,
    above: ParentLink<'_>,
) -> Result<()> {
    conn.prepare_cached("DELETE FROM runs WHERE first_key = ?1")?.execute([entry_key])?;
    insert_parent(conn, session, entry_key, above)
}

/// Makes the orphans that name this entry as their parent its children; returns how
/// many there were.
///
/// None of them directly follows this entry: they came before it.
pub(crate) fn adopt_orphans(
    conn: &Connection,
    session: SessionKey,
    entry_key: i64,
    entry_id: &str,
) -> Result<usize> {
    Ok(conn
        .prepare_cached(
            // An entry that names itself stays an orphan.
            "UPDATE runs
             SET parent_key = :entry_key, parent_id = NULL
             WHERE session_key = :session_key
               AND parent_id = :entry_id
               AND first_key <> :entry_key",
        )?
        .execute(named_params! {
            ":entry_key": entry_key,
            ":session_key": session,
            ":entry_id": Id::of(entry_id),
        })?)
}

/// Whether an entry of the session names this id as its parent, and no entry has it.
pub(crate) fn is_awaited(conn: &Connection, session: SessionKey, id: &str) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT 1 FROM runs WHERE session_key = ?1 AND parent_id = ?2 LIMIT 1")?
        .exists((session, Id::of(id)))?)
}

/// A range of keys of entries that follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) first: i64,
    pub(crate) last: i64,
}

impl Stretch {
    pub(crate) fn len(self) -> usize {
        usize::try_from(self.last - self.first + 1).unwrap_or_default()
    }

    fn holds(self, key: i64) -> bool {
        (self.first..=self.last).contains(&key)
    }
}

/// Calls `each` for the stretches of the path to `leaf`, the leaf's first, until it
/// returns a stop.
///
/// The query returns one run at a time, and would not end if a path leads back into
/// itself. The reader stops where a run is repeated, and takes from that run only the
/// part after the point where the path was before.
///
/// Only a run whose key is larger than that of the run before can be a repetition, so
/// earlier runs are looked up only from the first such run on. Most paths have none.
pub(crate) fn each_stretch(
    conn: &Connection,
    leaf: i64,
    mut each: impl FnMut(Stretch) -> Result<bool>,
) -> Result<()> {
    let mut stmt = conn.prepare_cached(STRETCHES)?;
    let mut rows = stmt.query([leaf])?;
    let mut taken = VisitedRuns::default();
    while let Some(row) = rows.next()? {
        let (first, last): (Option<i64>, i64) = (row.get(0)?, row.get(1)?);
        let Some(first) = first.filter(|first| first >> 32 == last >> 32) else {
            return Err(Error::Damaged(format!("entry {last} is in no run; rebuild the store")));
        };
        let before = taken.take(Stretch { first, last });
        let stretch = Stretch { first: before.map_or(first, |before| before + 1), last };
        if stretch.first <= last && !each(stretch)? || before.is_some() {
            return Ok(());
        }
    }
    Ok(())
}

/// The runs that a path has visited.
#[derive(Default)]
struct VisitedRuns {
    /// The runs so far, as long as each is before the previous one.
    down: Vec<Stretch>,
    /// From the first exception on: by a run's first key, the last key that was
    /// taken.
    all: HashMap<i64, i64>,
}

impl VisitedRuns {
    /// Adds a run; returns the last key that was taken of it before, if it was
    /// visited.
    fn take(&mut self, run: Stretch) -> Option<i64> {
        if self.all.is_empty() {
            if self.down.last().is_none_or(|last| run.first < last.first) {
                self.down.push(run);
                return None;
            }
            self.all = self.down.drain(..).map(|run| (run.first, run.last)).collect();
        }
        self.all.insert(run.first, run.last)
    }
}

/// CROSS JOIN fixes the join order: with a plain join, SQLite was seen to scan all
/// runs at each step.
pub(crate) const STRETCHES: &str = "
    WITH RECURSIVE path (first_key, last_key) AS (
        SELECT (SELECT max(first_key) FROM runs WHERE first_key <= ?1), ?1

        UNION ALL

        SELECT (SELECT max(first_key) FROM runs WHERE first_key <= run.parent_key), run.parent_key
        FROM path
        CROSS JOIN runs AS run ON run.first_key = path.first_key
        WHERE run.parent_key IS NOT NULL
          AND run.ends_path = 0
    )
    SELECT first_key, last_key
    FROM path";

/// The stretches of the last `limit` entries on the path to `leaf`, root first.
pub(crate) fn stretches(conn: &Connection, leaf: i64, limit: usize) -> Result<Vec<Stretch>> {
    let mut found = Vec::new();
    let mut left = limit;
    if left == 0 {
        return Ok(found);
    }
    each_stretch(conn, leaf, |mut stretch| {
        if left < stretch.len() {
            stretch.first = stretch.last + 1 - left as i64;
        }
        left -= stretch.len();
        found.push(stretch);
        Ok(0 < left)
    })?;
    found.reverse();
    Ok(found)
}

/// Whether an entry is on the path to `leaf`.
pub(crate) fn is_on_path(conn: &Connection, leaf: i64, entry_key: i64) -> Result<bool> {
    let mut found = false;
    each_stretch(conn, leaf, |stretch| {
        found = stretch.holds(entry_key);
        Ok(!found)
    })?;
    Ok(found)
}

/// The last entry that two paths have in common.
pub(crate) fn common_ancestor(conn: &Connection, one: i64, other: i64) -> Result<Option<i64>> {
    let mut stretches = BTreeMap::new();
    each_stretch(conn, one, |stretch| {
        stretches.insert(stretch.first, stretch.last);
        Ok(true)
    })?;
    let mut shared = None;
    each_stretch(conn, other, |stretch| {
        let below = stretches.range(..=stretch.last).next_back();
        shared = below
            .map(|(_, last)| stretch.last.min(*last))
            .filter(|shared| stretch.first <= *shared);
        Ok(shared.is_none())
    })?;
    Ok(shared)
}

/// The children of an entry, ordered by key, as in the functions below.
pub(crate) fn children(conn: &Connection, entry_key: i64) -> Result<Vec<i64>> {
    keys(conn, CHILDREN, entry_key)
}

pub(crate) const CHILDREN: &str = "
    SELECT entry_key
    FROM entries
    WHERE entry_key = ?1 + 1
      AND NOT EXISTS (SELECT 1 FROM runs WHERE first_key = ?1 + 1)

    UNION ALL

    SELECT first_key
    FROM runs
    WHERE session_key = ?1 >> 32
      AND parent_key = ?1

    ORDER BY 1";

/// Entries without a parent, including orphans.
pub(crate) fn roots(conn: &Connection, session: SessionKey) -> Result<Vec<i64>> {
    keys(conn, ROOTS, session.0)
}

pub(crate) const ROOTS: &str = "
    SELECT first_key
    FROM runs
    WHERE session_key = ?1
      AND parent_key IS NULL
    ORDER BY first_key";

/// Entries without children: the last entry of each run, unless another run begins at
/// it.
pub(crate) fn leaves(conn: &Connection, session: SessionKey) -> Result<Vec<i64>> {
    let [first, last] = entries::keys(session);
    let mut stmt = conn.prepare_cached(LEAVES)?;
    let rows = stmt.query_map((session, first, last), |row| row.get("last_key"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) const LEAVES: &str = "
    SELECT ended.last_key
    FROM (SELECT lead(first_key, 1, 1 + (SELECT max(entry_key)
                                         FROM entries
                                         WHERE entry_key BETWEEN ?2 AND ?3))
                     OVER (ORDER BY first_key) - 1 AS last_key
          FROM runs
          WHERE first_key BETWEEN ?2 AND ?3) AS ended
    WHERE NOT EXISTS (SELECT 1
                      FROM runs
                      WHERE session_key = ?1
                        AND parent_key = ended.last_key)
    ORDER BY ended.last_key";

fn keys(conn: &Connection, sql: &str, of: i64) -> Result<Vec<i64>> {
    let mut stmt = conn.prepare_cached(sql)?;
    let rows = stmt.query_map([of], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Represents the parent of an entry that has none.
pub(crate) const NO_PARENT: u32 = u32::MAX;

/// The parent of each entry of a session, both as ordinals.
pub(crate) fn parents(conn: &Connection, session: SessionKey) -> Result<Vec<u32>> {
    let count = entries::count_all(conn, session)?;
    let mut parents: Vec<u32> = (0..count).map(|n| n.wrapping_sub(1)).collect();
    let mut stmt = conn.prepare_cached(
        "SELECT first_key, parent_key
         FROM runs
         WHERE first_key BETWEEN ?1 AND ?2",
    )?;
    let mut rows = stmt.query(entries::keys(session))?;
    while let Some(row) = rows.next()? {
        let parent: Option<i64> = row.get("parent_key")?;
        // A parent in another session does not count in this one's tree.
        let parent = parent.filter(|parent| parent >> 32 == session.0).map_or(NO_PARENT, ordinal);
        if let Some(above) = parents.get_mut(ordinal(row.get("first_key")?) as usize) {
            *above = parent;
        }
    }
    Ok(parents)
}

/// The parent of an entry.
pub(crate) fn parent(conn: &Connection, entry_key: i64) -> Result<Option<i64>> {
    let found = conn
        .prepare_cached(PARENT)?
        .query_row([entry_key], |row| row.get("parent_key"))
        .optional()?;
    Ok(found.unwrap_or(Some(entry_key - 1)))
}

pub(crate) const PARENT: &str = "
    SELECT parent_key
    FROM runs
    WHERE first_key = ?1";
