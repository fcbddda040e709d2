//! Reading the entries on a path, as ranges of keys.

use rusqlite::{Connection, OptionalExtension, Row};

use super::ids::{IdText, word, word_or_null};
use super::log::{self, Piece};
use super::runs::{self, Stretch};
use super::{entries, labels, records};
use crate::error::{Error, Result};
use crate::model::{Entry, RecordPlace, Runtime, SessionKey, Span};

/// Entries to skip before seeking the next range instead, which costs about as much.
const NEAR: i64 = 16;

/// What the rules of restoring a conversation need to know of an entry.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    pub(crate) entry_key: i64,
    pub(crate) entry_type: &'a str,
    pub(crate) role: Option<&'a str>,
}

/// Calls `each` for the entries from `leaf` up to its root, leaf first, until it
/// returns a stop.
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

/// Read by position, here and below: looking up names would cost more than the step.
pub(crate) const STEPS_UP: &str = "
    SELECT entry_key, type, role
    FROM entries
    WHERE entry_key BETWEEN ?1 AND ?2
    ORDER BY entry_key DESC";

/// Calls `each` for the ids on the path to `leaf`, root first.
pub(crate) fn each_id(
    conn: &Connection,
    leaf: i64,
    mut each: impl FnMut(&str) -> Result<()>,
) -> Result<()> {
    let path = runs::stretches(conn, leaf, usize::MAX)?;
    each_row(conn, IDS, &path, |_, row| each(&row.get::<_, IdText>(1)?.0))
}

pub(crate) const IDS: &str = "
    SELECT entry_key, entry_id
    FROM entries
    WHERE entry_key BETWEEN ?1 AND ?2
    ORDER BY entry_key";

/// The keys on the path to `leaf`, root first.
pub(crate) fn keys(conn: &Connection, leaf: i64) -> Result<Vec<i64>> {
    let path = runs::stretches(conn, leaf, usize::MAX)?;
    let mut keys = Vec::new();
    each_row(conn, KEYS, &path, |key, _| {
        keys.push(key);
        Ok(())
    })?;
    Ok(keys)
}

pub(crate) const KEYS: &str = "
    SELECT entry_key
    FROM entries
    WHERE entry_key BETWEEN ?1 AND ?2
    ORDER BY entry_key";

/// An entry, its place in the log and its id.
pub(crate) struct PlacedEntry<'a> {
    pub(crate) entry_key: i64,
    pub(crate) line_key: i64,
    id: PlacedId<'a>,
}

/// Most readers of records do not ask for the id, so it is converted on demand.
enum PlacedId<'a> {
    In(&'a Row<'a>),
    Text(String),
}

impl PlacedEntry<'_> {
    pub(crate) fn entry_id(&self) -> Result<String> {
        Ok(match &self.id {
            PlacedId::In(row) => row.get::<_, IdText>(5)?.0,
            PlacedId::Text(id) => id.clone(),
        })
    }
}

/// Calls `each` for each of these entries and its record, in their order.
pub(crate) fn each_record(
    conn: &Connection,
    keys: &[i64],
    each: impl FnMut(&PlacedEntry<'_>, &[u8]) -> Result<()>,
) -> Result<()> {
    let runs = keys.chunk_by(|one, next| one + 1 == *next);
    let runs = runs.filter_map(|run| Some(Stretch { first: *run.first()?, last: *run.last()? }));
    each_record_in(conn, &runs.collect::<Vec<_>>(), each)
}

/// Calls `each` for every entry on the path to `leaf` and its record, root first.
pub(crate) fn each_record_to(
    conn: &Connection,
    leaf: i64,
    each: impl FnMut(&PlacedEntry<'_>, &[u8]) -> Result<()>,
) -> Result<()> {
    each_record_in(conn, &runs::stretches(conn, leaf, usize::MAX)?, each)
}

/// Reads entries and lines in one pass over both tables, because consecutive entries
/// are usually in consecutive lines.
fn each_record_in(
    conn: &Connection,
    path: &[Stretch],
    mut each: impl FnMut(&PlacedEntry<'_>, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut keys = path.iter().flat_map(|stretch| stretch.first..=stretch.last);
    let mut apart = SingleReader::default();
    let unreadable = |key, err| match entries::line_key(conn, key) {
        Ok(line_key) => Piece::Line.unreadable(conn, line_key, err),
        Err(_) => err.into(),
    };
    each_row_or(conn, RECORDS, path, unreadable, |entry_key, row| {
        while let Some(passed) = keys.next().filter(|key| *key != entry_key) {
            apart.hand(conn, passed, &mut each)?;
        }
        let line_key = row.get(4)?;
        let raw = log::proven(conn, Piece::Line, line_key, row)?;
        each(&PlacedEntry { entry_key, line_key, id: PlacedId::In(row) }, &raw)
    })?;
    keys.try_for_each(|passed| apart.hand(conn, passed, &mut each))
}

/// Without entries that are part of a line, whose line would be read and proven for
/// each part.
pub(crate) const RECORDS: &str = "
    SELECT entry.entry_key, line.raw, line.enc, line.checksum, entry.line_key, entry.entry_id
    FROM entries AS entry
    CROSS JOIN lines AS line ON line.line_key = entry.line_key
    WHERE entry.entry_key BETWEEN ?1 AND ?2
      AND entry.span IS NULL
    ORDER BY entry.entry_key";

/// Reads records one by one, and keeps the line of the last.
#[derive(Default)]
struct SingleReader {
    line: Option<(i64, Vec<u8>)>,
}

impl SingleReader {
    fn hand(
        &mut self,
        conn: &Connection,
        entry_key: i64,
        each: &mut impl FnMut(&PlacedEntry<'_>, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let found: Option<(IdText, i64, Option<Span>)> = conn
            .prepare_cached("SELECT entry_id, line_key, span FROM entries WHERE entry_key = ?1")?
            .query_row([entry_key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let missing = || Error::Damaged(format!("entry {entry_key} is missing; rebuild the store"));
        let (IdText(id), line_key, span) = found.ok_or_else(missing)?;
        let line = match self.line.take().filter(|line| line.0 == line_key) {
            Some(line) => line,
            None => (line_key, log::line(conn, line_key)?),
        };
        let (_, line) = self.line.insert(line);
        each(
            &PlacedEntry { entry_key, line_key, id: PlacedId::Text(id) },
            RecordPlace { line_key, span }.of(line),
        )
    }
}

/// Entries whose lines are read together, since all of them may not fit into memory.
const BATCH: usize = 256;

/// Calls `each` for each of these entries and its record, in their order.
pub(crate) fn each_record_of<'e>(
    conn: &Connection,
    entries: impl Iterator<Item = &'e Entry>,
    mut each: impl FnMut(&'e Entry, &[u8]) -> Result<()>,
) -> Result<()> {
    let entries: Vec<&Entry> = entries.collect();
    for entries in entries.chunks(BATCH) {
        // Entries that share a line usually follow one another, and the line is
        // read once.
        let mut lines: Vec<i64> = entries.iter().map(|entry| entry.place.line_key).collect();
        lines.dedup();
        let mut entries = entries.iter().copied().peekable();
        log::each_of(conn, &lines, |line_key, raw| {
            while let Some(entry) = entries.next_if(|entry| entry.place.line_key == line_key) {
                each(entry, entry.place.of(raw))?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// The last `limit` entries on the path to `leaf`, root first.
pub(crate) fn path(
    conn: &Connection,
    session: SessionKey,
    leaf: i64,
    limit: usize,
) -> Result<Vec<Entry>> {
    let stretches = runs::stretches(conn, leaf, limit)?;
    let mut path: Vec<Entry> = Vec::new();
    // The first entry's parent is not on the path, or is on it already.
    let mut above = match stretches.first() {
        Some(stretch) => runs::parent(conn, stretch.first)?,
        None => return Ok(path),
    }
    .map(|parent| entries::entry_id(conn, parent))
    .transpose()?;
    each_row(conn, ENTRIES, &stretches, |_, row| {
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

/// The settings in effect at an entry: of each kind, the last on its path.
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

/// Calls `each` for the rows of a path, root first. The first column of `sql` is the
/// entry's key.
///
/// Ranges close to each other, as between short side branches, are read as one, and
/// the rows between them are skipped.
fn each_row(
    conn: &Connection,
    sql: &str,
    path: &[Stretch],
    each: impl FnMut(i64, &Row<'_>) -> Result<()>,
) -> Result<()> {
    each_row_or(conn, sql, path, |_, err| err.into(), each)
}

/// As [`each_row`]; if a row cannot be read, `unreadable` adds its name to the error,
/// given the next key.
fn each_row_or(
    conn: &Connection,
    sql: &str,
    path: &[Stretch],
    unreadable: impl Fn(i64, rusqlite::Error) -> Error,
    mut each: impl FnMut(i64, &Row<'_>) -> Result<()>,
) -> Result<()> {
    let mut stmt = conn.prepare_cached(sql)?;
    let is_near = |one: &Stretch, next: &Stretch| (1..=NEAR).contains(&(next.first - one.last));
    for near in path.chunk_by(is_near) {
        let (Some(first), Some(last)) = (near.first(), near.last()) else { continue };
        let mut wanted = near.iter();
        let mut stretch = *first;
        let mut rows = stmt.query([first.first, last.last])?;
        let mut next = first.first;
        while let Some(row) = rows.next().map_err(|err| unreadable(next, err))? {
            let key: i64 = row.get(0)?;
            next = key + 1;
            while stretch.last < key
                && let Some(further) = wanted.next()
            {
                stretch = *further;
            }
            if stretch.first <= key {
                each(key, row)?;
            }
        }
    }
    Ok(())
}
