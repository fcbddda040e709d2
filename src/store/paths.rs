//! What stands on the path to an entry, range by range of keys.

use rusqlite::{Connection, Row};

use super::ids::{IdText, word, word_or_null};
use super::runs::{self, Stretch};
use super::{entries, labels, log, records};
use crate::error::{Error, Result};
use crate::model::{Entry, RecordPlace, Runtime, SessionKey};

/// Entries to pass by before the next range is sought instead: a seek costs about as much.
const NEAR: i64 = 16;

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
    let mut stmt = conn.prepare_cached(STEPS_UP)?;
    runs::each_stretch(conn, leaf, |stretch| {
        let mut rows = stmt.query([stretch.first, stretch.last])?;
        while let Some(row) = rows.next()? {
            let step = Step {
                entry_key: row.get(0)?,
                entry_type: word(row.get_ref(1)?).map_err(rusqlite::Error::from)?,
                role: word_or_null(row.get_ref(2)?).map_err(rusqlite::Error::from)?,
            };
            if !each(step)? {
                return Ok(false);
            }
        }
        Ok(true)
    })
}

/// Columns by their place, here and below: by name, they would cost more than the step.
pub(crate) const STEPS_UP: &str = "
    SELECT entry_key, type, role
    FROM entries
    WHERE entry_key BETWEEN ?1 AND ?2
    ORDER BY entry_key DESC";

/// Hands the ids of the path to `leaf` to `each`, root first.
pub(crate) fn each_id(
    conn: &Connection,
    leaf: i64,
    mut each: impl FnMut(&str) -> Result<()>,
) -> Result<()> {
    let path = runs::stretches(conn, leaf, usize::MAX)?;
    each_row(conn, PLACED, &path, |row| each(&row.get::<_, IdText>(1)?.0))
}

/// The keys of the path to `leaf`, root first.
pub(crate) fn keys(conn: &Connection, leaf: i64) -> Result<Vec<i64>> {
    let path = runs::stretches(conn, leaf, usize::MAX)?;
    let mut keys = Vec::new();
    each_row(conn, LINES, &path, |row| {
        keys.push(row.get(0)?);
        Ok(())
    })?;
    Ok(keys)
}

/// An entry by its id, and where it stands.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) entry_key: i64,
    pub(crate) entry_id: String,
    pub(crate) place: RecordPlace,
}

/// Entries whose records are read together.
const BATCH: usize = 256;

/// Hands each of these entries and its record to `each`, in their order.
///
/// Entries and lines are read by ranges, a batch at a time: a statement a record
/// would cost more than the record, and all of them may not fit into memory.
pub(crate) fn each_record(
    conn: &Connection,
    keys: &[i64],
    mut each: impl FnMut(Placed, &[u8]) -> Result<()>,
) -> Result<()> {
    keys.chunks(BATCH)
        .try_for_each(|keys| each_at(conn, placed(conn, keys)?, |entry| entry.place, &mut each))
}

/// Hands each of these entries and its record to `each`, in their order.
pub(crate) fn each_record_of<'e>(
    conn: &Connection,
    entries: impl Iterator<Item = &'e Entry>,
    mut each: impl FnMut(&'e Entry, &[u8]) -> Result<()>,
) -> Result<()> {
    let entries: Vec<&Entry> = entries.collect();
    entries
        .chunks(BATCH)
        .try_for_each(|entries| each_at(conn, entries.to_vec(), |entry| entry.place, &mut each))
}

fn each_at<T>(
    conn: &Connection,
    entries: Vec<T>,
    place: impl Fn(&T) -> RecordPlace,
    mut each: impl FnMut(T, &[u8]) -> Result<()>,
) -> Result<()> {
    // Entries that share a line mostly follow one another; it is read once.
    let mut lines: Vec<i64> = entries.iter().map(|entry| place(entry).line_key).collect();
    lines.dedup();
    let mut entries = entries.into_iter().peekable();
    log::each_of(conn, &lines, |line_key, raw| {
        while let Some(entry) = entries.next_if(|entry| place(entry).line_key == line_key) {
            let place = place(&entry);
            each(entry, place.of(raw))?;
        }
        Ok(())
    })
}

fn placed(conn: &Connection, keys: &[i64]) -> Result<Vec<Placed>> {
    let runs = keys.chunk_by(|one, next| one + 1 == *next);
    let runs = runs.filter_map(|run| Some(Stretch { first: *run.first()?, last: *run.last()? }));
    let runs: Vec<Stretch> = runs.collect();
    let mut found = Vec::with_capacity(keys.len());
    each_row(conn, PLACED, &runs, |row| {
        found.push(Placed {
            entry_key: row.get(0)?,
            entry_id: row.get::<_, IdText>(1)?.0,
            place: RecordPlace { line_key: row.get(2)?, span: row.get(3)? },
        });
        Ok(())
    })?;
    let mut rows = found.iter().map(|entry| entry.entry_key);
    match keys.iter().find(|key| rows.next() != Some(**key)) {
        None => Ok(found),
        Some(key) => Err(Error::Damaged(format!("entry {key} is missing; rebuild the store"))),
    }
}

pub(crate) const PLACED: &str = "
    SELECT entry_key, entry_id, line_key, span
    FROM entries
    WHERE entry_key BETWEEN ?1 AND ?2
    ORDER BY entry_key";

/// Where the entries of the path to `leaf` stand, root first.
pub(crate) fn places(conn: &Connection, leaf: i64) -> Result<Vec<RecordPlace>> {
    let path = runs::stretches(conn, leaf, usize::MAX)?;
    let mut places = Vec::new();
    each_row(conn, LINES, &path, |row| {
        places.push(RecordPlace { line_key: row.get(1)?, span: row.get(2)? });
        Ok(())
    })?;
    Ok(places)
}

pub(crate) const LINES: &str = "
    SELECT entry_key, line_key, span
    FROM entries
    WHERE entry_key BETWEEN ?1 AND ?2
    ORDER BY entry_key";

/// The last `limit` entries of the path to `leaf`, root first.
pub(crate) fn path(
    conn: &Connection,
    session: SessionKey,
    leaf: i64,
    limit: usize,
) -> Result<Vec<Entry>> {
    let stretches = runs::stretches(conn, leaf, limit)?;
    let mut path: Vec<Entry> = Vec::new();
    // The first entry's parent is not on the path, or stands on it already.
    let mut above = match stretches.first() {
        Some(stretch) => runs::parent(conn, stretch.first)?,
        None => return Ok(path),
    }
    .map(|parent| entries::entry_id(conn, parent))
    .transpose()?;
    each_row(conn, ENTRIES, &stretches, |row| {
        let IdText(id) = row.get(2)?;
        let place = RecordPlace { line_key: row.get(1)?, span: row.get(6)? };
        path.push(Entry {
            parent_id: above.replace(id.clone()),
            id,
            entry_type: word(row.get_ref(3)?).map_err(rusqlite::Error::from)?.to_owned(),
            role: word_or_null(row.get_ref(4)?).map_err(rusqlite::Error::from)?.map(str::to_owned),
            created_at: row.get(5)?,
            label: None,
            line: log::line_number(place.line_key),
            place,
        });
        Ok(())
    })?;
    if labels::has_any(conn, session)? {
        for entry in &mut path {
            entry.label = labels::label(conn, session, &entry.id)?;
        }
    }
    Ok(path)
}

pub(crate) const ENTRIES: &str = "
    SELECT entry_key, line_key, entry_id, type, role, created_at, span
    FROM entries
    WHERE entry_key BETWEEN ?1 AND ?2
    ORDER BY entry_key";

/// The settings that hold at an entry: of each kind, the last on its path.
pub(crate) fn settings(conn: &Connection, leaf: i64) -> Result<Runtime> {
    let mut found = Runtime::default();
    runs::each_stretch(conn, leaf, |stretch| {
        records::each_settings(conn, stretch.first, stretch.last, |settings| {
            found.provider = found.provider.take().or(settings.provider);
            found.model = found.model.take().or(settings.model);
            found.reasoning_effort = found.reasoning_effort.take().or(settings.reasoning_effort);
            Ok(found.model.is_none() || found.reasoning_effort.is_none())
        })
    })?;
    Ok(found)
}

/// Hands the rows of a path to `each`, root first. The first column of `sql` is
/// the entry's key.
///
/// Ranges that lie close together, as between side branches of few entries, are
/// read as one, and what stands between them is passed by.
fn each_row(
    conn: &Connection,
    sql: &str,
    path: &[Stretch],
    mut each: impl FnMut(&Row<'_>) -> Result<()>,
) -> Result<()> {
    let mut stmt = conn.prepare_cached(sql)?;
    let is_near = |one: &Stretch, next: &Stretch| (1..=NEAR).contains(&(next.first - one.last));
    for near in path.chunk_by(is_near) {
        let (Some(first), Some(last)) = (near.first(), near.last()) else { continue };
        let mut wanted = near.iter();
        let mut stretch = *first;
        let mut rows = stmt.query([first.first, last.last])?;
        while let Some(row) = rows.next()? {
            let key: i64 = row.get(0)?;
            while stretch.last < key
                && let Some(next) = wanted.next()
            {
                stretch = *next;
            }
            if stretch.first <= key {
                each(row)?;
            }
        }
    }
    Ok(())
}
