//! Entries: the nodes of session trees.
//!
//! An entry is stored in a line, and is usually all of it. If two writers wrote into the same
//! line, several entries have the same `line_key`, and `span` says which bytes of the line belong
//! to which; [`log::record`] reads them.

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, Rows, named_params};

use super::files::FileRow;
use super::ids::{self, Id, IdText, Word, word, word_or_null};
use super::log::{self, line_number};
use super::marks;
use super::runs::{self, ParentLink};
use crate::error::{Error, Result};
use crate::model::{Entry, RecordPlace, SessionKey, Stored, Timestamp};

/// The key of an entry. The entries of a session have consecutive keys, in order of arrival.
pub(crate) fn key(session: SessionKey, ordinal: u32) -> i64 {
    (session.0 << 32) | i64::from(ordinal)
}

/// The smallest and the largest key that an entry of a session can have.
pub(crate) fn keys(session: SessionKey) -> [i64; 2] {
    [key(session, 0), key(session, u32::MAX)]
}

/// The position of an entry among those of its session, from 0.
pub(crate) fn ordinal(key: i64) -> u32 {
    (key & 0xFFFF_FFFF) as u32
}

/// The number of entries of a session, which is the ordinal of the next one.
pub(crate) fn count(conn: &Connection, session: SessionKey) -> Result<u32> {
    Ok(conn
        .prepare_cached(
            "SELECT max(entry_key) AS last_key FROM entries WHERE entry_key BETWEEN ?1 AND ?2",
        )?
        .query_row(keys(session), |row| row.get::<_, Option<i64>>("last_key"))?
        .map_or(0, |last| ordinal(last).saturating_add(1)))
}

/// As [`count`], but counted row by row. Whoever reserves memory for each entry must not trust a
/// forged key that lies far off.
pub(crate) fn count_all(conn: &Connection, session: SessionKey) -> Result<u32> {
    let found: i64 = conn
        .prepare_cached(
            "SELECT count(*) AS entries FROM entries WHERE entry_key BETWEEN ?1 AND ?2",
        )?
        .query_row(keys(session), |row| row.get("entries"))?;
    if found == i64::from(count(conn, session)?) {
        Ok(u32::try_from(found).unwrap_or(u32::MAX))
    } else {
        let session = session.0;
        Err(Error::Damaged(format!(
            "the entries of session {session} have gaps; rebuild the store"
        )))
    }
}

/// An entry as the fold writes it.
#[derive(Debug)]
pub(crate) struct EntryRow<'a> {
    pub(crate) entry_key: i64,
    pub(crate) place: RecordPlace,
    pub(crate) session: SessionKey,
    pub(crate) entry_id: &'a str,
    pub(crate) id_made: bool,
    pub(crate) above: ParentLink<'a>,
    pub(crate) entry_type: &'a str,
    pub(crate) role: Option<&'a str>,
    pub(crate) message_id: Option<&'a Stored>,
    pub(crate) created_at: Option<Timestamp>,
}

/// Inserts an entry unless the session has one of its id; returns whether it did.
pub(crate) fn insert_entry(conn: &Connection, entry: &EntryRow<'_>) -> Result<bool> {
    insert_by(conn, &mut inserter(conn)?, entry)
}

/// The prepared statement that inserts entries.
pub(crate) fn inserter(conn: &Connection) -> Result<CachedStatement<'_>> {
    Ok(conn.prepare_cached(
        // Bound by position: looking up parameter names took 8 % of an import's time.
        "INSERT INTO entries (entry_key, line_key, session_key, entry_id, id_made, type, role,
                              message_id, created_at, span)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (session_key, entry_id) DO NOTHING",
    )?)
}

pub(crate) fn insert_by(
    conn: &Connection,
    inserter: &mut CachedStatement<'_>,
    entry: &EntryRow<'_>,
) -> Result<bool> {
    let inserted = inserter.execute((
        entry.entry_key,
        entry.place.line_key,
        entry.session,
        Id::of(entry.entry_id),
        entry.id_made,
        Word(entry.entry_type),
        entry.role.map(Word),
        entry.message_id,
        entry.created_at,
        entry.place.span,
    ))?;
    if 0 < inserted {
        runs::insert_parent(conn, entry.session, entry.entry_key, entry.above)?;
    }
    Ok(0 < inserted)
}

/// Overwrites the entry `key` with a later line of the same id.
pub(crate) fn replace_entry(conn: &Connection, key: i64, entry: &EntryRow<'_>) -> Result<()> {
    conn.prepare_cached(
        "UPDATE entries
         SET line_key = :line_key, span = :span, id_made = :id_made, type = :type, role = :role,
             message_id = :message_id, created_at = :created_at
         WHERE entry_key = :entry_key",
    )?
    .execute(named_params! {
        ":entry_key": key,
        ":line_key": entry.place.line_key,
        ":span": entry.place.span,
        ":id_made": entry.id_made,
        ":type": Word(entry.entry_type),
        ":role": entry.role.map(Word),
        ":message_id": entry.message_id,
        ":created_at": entry.created_at,
    })?;
    runs::replace_parent(conn, entry.session, key, entry.above)?;
    marks::mark_stale(conn, entry.session)?;
    // What the earlier line said goes with it.
    conn.prepare_cached("DELETE FROM compactions WHERE entry_key = ?1")?.execute([key])?;
    conn.prepare_cached("DELETE FROM settings WHERE entry_key = ?1")?.execute([key])?;
    conn.prepare_cached("DELETE FROM usages WHERE entry_key = ?1")?.execute([key])?;
    Ok(())
}

/// The line of an entry, and its bytes in that line.
pub(crate) fn place(conn: &Connection, entry_key: i64) -> Result<RecordPlace> {
    Ok(conn
        .prepare_cached("SELECT line_key, span FROM entries WHERE entry_key = ?1")?
        .query_row([entry_key], place_from_row)?)
}

fn place_from_row(row: &Row<'_>) -> rusqlite::Result<RecordPlace> {
    Ok(RecordPlace { line_key: row.get("line_key")?, span: row.get("span")? })
}

/// The role of an entry; `None` if it adds nothing to the conversation.
pub(crate) fn role(conn: &Connection, entry_key: i64) -> Result<Option<String>> {
    Ok(conn
        .prepare_cached("SELECT role FROM entries WHERE entry_key = ?1")?
        .query_row([entry_key], |row| Ok(word_or_null(row.get_ref(0)?)?.map(str::to_owned)))?)
}

/// The key of an entry's line.
pub(crate) fn line_key(conn: &Connection, entry_key: i64) -> Result<i64> {
    Ok(conn
        .prepare_cached("SELECT line_key FROM entries WHERE entry_key = ?1")?
        .query_row([entry_key], |row| row.get("line_key"))?)
}

/// The key of the entry with this id.
pub(crate) fn entry_key(conn: &Connection, session: SessionKey, id: &str) -> Result<Option<i64>> {
    Ok(conn
        .prepare_cached(ENTRY_KEY)?
        .query_row((session, Id::of(id)), |row| row.get("entry_key"))
        .optional()?)
}

pub(crate) const ENTRY_KEY: &str = "
    SELECT entry_key
    FROM entries
    WHERE session_key = ?1 AND entry_id = ?2";

/// Ids of a session's entries that begin with this prefix; none for an empty prefix.
pub(crate) fn ids_from(conn: &Connection, session: SessionKey, id: &str) -> Result<Vec<String>> {
    const MOST: usize = 20;
    let mut found = Vec::new();
    if id.is_empty() {
        return Ok(found);
    }
    let mut stmt = conn.prepare_cached(
        "SELECT entry_id
         FROM entries
         WHERE session_key = ?1
           AND entry_id BETWEEN ?2 AND ?3
         ORDER BY entry_id",
    )?;
    let mut take = |rows: &mut Rows<'_>| -> Result<()> {
        while let Some(row) = rows.next()?
            && found.len() < MOST
        {
            found.push(row.get::<_, IdText>("entry_id")?.0);
            found.pop_if(|found| !found.starts_with(id));
        }
        Ok(())
    };
    take(&mut stmt.query((session, id, format!("{id}\u{10FFFF}")))?)?;
    if let Some([low, high]) = ids::range(id) {
        take(&mut stmt.query((session, low, high))?)?;
    }
    found.sort_unstable();
    Ok(found)
}

/// Ids of a session's entries that end with this suffix, after a prefix that is too long to type.
/// This scans all ids.
pub(crate) fn ids_to(conn: &Connection, session: SessionKey, end: &str) -> Result<Vec<String>> {
    let mut stmt = conn.prepare_cached(
        "SELECT entry_id
         FROM entries
         WHERE session_key = ?1
           AND typeof(entry_id) = 'text'
           AND substr(entry_id, -length(?2)) = ?2
           AND 16 < length(entry_id) - length(?2)
         ORDER BY entry_id
         LIMIT 20",
    )?;
    let rows = stmt.query_map((session, end), |row| Ok(row.get::<_, IdText>("entry_id")?.0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn insert_compaction(
    conn: &Connection,
    session: SessionKey,
    entry_key: i64,
    first_kept: Option<&Stored>,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO compactions (entry_key, session_key, first_kept)
         VALUES (:entry_key, :session_key, :first_kept)",
    )?
    .execute(named_params! {
        ":entry_key": entry_key,
        ":session_key": session,
        ":first_kept": first_kept,
    })?;
    Ok(())
}

/// Whether any branch has a message of a user, assistant or tool.
pub(crate) fn has_conversation(conn: &Connection, session: SessionKey) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "SELECT 1
             FROM entries
             WHERE entry_key BETWEEN ?1 AND ?2
               AND type = 0
               AND role BETWEEN 1 AND 3
             LIMIT 1",
        )?
        .exists(keys(session))?)
}

/// The id that a compaction names as the first message it keeps.
pub(crate) fn first_kept(conn: &Connection, entry_key: i64) -> Result<Option<Stored>> {
    Ok(conn
        .prepare_cached("SELECT first_kept FROM compactions WHERE entry_key = ?1")?
        .query_row([entry_key], |row| row.get("first_kept"))
        .optional()?
        .flatten())
}

/// The id that the compaction with this id names as the first entry it keeps.
pub(crate) fn first_kept_of(
    conn: &Connection,
    session: SessionKey,
    id: &str,
) -> Result<Option<Stored>> {
    match entry_key(conn, session, id)? {
        Some(key) => first_kept(conn, key),
        None => Ok(None),
    }
}

/// Entries whose message has this id; values of different JSON types are different.
pub(crate) fn entries_by_message_id(
    conn: &Connection,
    session: SessionKey,
    message_id: &Stored,
) -> Result<Vec<i64>> {
    let mut stmt = conn.prepare_cached(
        "SELECT entry_key
         FROM entries
         WHERE session_key = :session_key
           AND entry_id = :entry_id
           AND message_id IS NULL
           AND id_made = 0

         UNION ALL

         SELECT entry_key
         FROM entries
         WHERE session_key = :session_key
           AND message_id = :message_id",
    )?;
    let entry_id = match message_id {
        Stored::Text(text) => Some(Id::of(text)),
        Stored::Json(_) => None,
    };
    let rows = stmt.query_map(
        named_params! {
            ":session_key": session,
            ":entry_id": entry_id,
            ":message_id": message_id,
        },
        |row| row.get("entry_key"),
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How many of the entries in this range of keys have a role.
pub(crate) fn count_with_role(conn: &Connection, first: i64, last: i64) -> Result<i64> {
    Ok(conn
        .prepare_cached(
            "SELECT count(role) AS entry_count FROM entries WHERE entry_key BETWEEN ?1 AND ?2",
        )?
        .query_row((first, last), |row| row.get("entry_count"))?)
}

/// The entry with this key.
pub(crate) fn entry(conn: &Connection, entry_key: i64) -> Result<Option<Entry>> {
    Ok(conn.prepare_cached(ENTRY)?.query_row([entry_key], entry_from_row).optional()?)
}

/// The entries with these keys, in the order given.
pub(crate) fn entries(conn: &Connection, keys: &[i64]) -> Result<Vec<Entry>> {
    let mut stmt = conn.prepare_cached(ENTRY)?;
    let mut entries = Vec::with_capacity(keys.len());
    for key in keys {
        entries.extend(stmt.query_row([key], entry_from_row).optional()?);
    }
    Ok(entries)
}

pub(crate) const ENTRY: &str = "
    SELECT entry.line_key, entry.span, entry.entry_id, parent.entry_id AS parent_id, entry.type, entry.role,
           entry.created_at, label.label
    FROM entries AS entry
    LEFT JOIN runs AS run ON run.first_key = entry.entry_key
    LEFT JOIN entries AS parent
           ON parent.entry_key = iif(run.first_key IS NULL, entry.entry_key - 1, run.parent_key)
    LEFT JOIN labels AS label ON label.session_key = entry.session_key
                             AND label.target_id = entry.entry_id
    WHERE entry.entry_key = ?1";

/// Entries after the first `line` lines of a chain, in file order, each at its last line. Either
/// all entries of a line are returned or none, so there can be more than the limit.
pub(crate) fn after(
    conn: &Connection,
    session: SessionKey,
    chain: &FileRow,
    line: u32,
    limit: usize,
) -> Result<Vec<Entry>> {
    if !ascends(conn, session)? {
        return after_by_line(conn, session, chain, line, limit);
    }
    // Lines and entries ascend together, so the first one is found by binary search.
    let count = count(conn, session)?;
    let (mut start, mut end) = (0, count);
    while start < end {
        let middle = start + (end - start) / 2;
        if log::position(line_key(conn, key(session, middle))?) < line {
            start = middle + 1;
        } else {
            end = middle;
        }
    }
    let mut keys: Vec<i64> = (start..count).take(limit).map(|n| key(session, n)).collect();
    while let Some(&last) = keys.last()
        && ordinal(last) + 1 < count
        && line_key(conn, last + 1)? == line_key(conn, last)?
    {
        keys.push(last + 1);
    }
    entries(conn, &keys)
}

/// As [`after`], for sessions whose entries must be sorted by line.
fn after_by_line(
    conn: &Connection,
    session: SessionKey,
    chain: &FileRow,
    line: u32,
    limit: usize,
) -> Result<Vec<Entry>> {
    let [first, last] = keys(session);
    let mut stmt = conn.prepare_cached(
        "SELECT stood.entry_key, stood.line_key
         FROM (SELECT entry_key, line_key
               FROM entries
               WHERE entry_key BETWEEN :first AND :last
               UNION ALL
               SELECT entry_key, line_key
               FROM entry_lines
               WHERE session_key = :session_key) AS stood
         WHERE stood.line_key >> 32 IN (:file_id, :base_id)
           AND stood.line_key & 0xFFFFFFFF >= :line
         ORDER BY stood.line_key & 0xFFFFFFFF, stood.entry_key",
    )?;
    let rows = stmt.query_map(
        named_params! {
            ":first": first,
            ":last": last,
            ":session_key": session,
            ":file_id": chain.file_id,
            ":base_id": chain.base_id,
            ":line": line,
        },
        |row| Ok((row.get("entry_key")?, row.get("line_key")?)),
    )?;
    let mut found: Vec<Entry> = Vec::new();
    for row in rows {
        let (entry_key, line_key) = row?;
        if limit <= found.len() && found.last().is_none_or(|last| last.place.line_key != line_key) {
            break;
        }
        let Some(entry) = entry(conn, entry_key)? else { continue };
        // Of an entry that is repeated in several lines, the line that was asked for.
        found.push(if entry.place.line_key == line_key {
            entry
        } else {
            let place = RecordPlace { line_key, span: None };
            Entry { line: line_number(line_key), place, ..entry }
        });
    }
    Ok(found)
}

/// Records a further line of an entry.
pub(crate) fn insert_entry_line(
    conn: &Connection,
    session: SessionKey,
    line_key: i64,
    entry_key: i64,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO entry_lines (line_key, session_key, entry_key) VALUES (?1, ?2, ?3)",
    )?
    .execute((line_key, session, entry_key))?;
    Ok(())
}

/// Whether line keys and entry keys ascend together: the session has one log, and none of its
/// lines repeats the id of another.
fn ascends(conn: &Connection, session: SessionKey) -> Result<bool> {
    let is_mixed = conn
        .prepare_cached(
            "SELECT 1 FROM problems WHERE session_key = ?1 AND kind = 'duplicate-id'
             UNION ALL
             SELECT 1 FROM sessions WHERE session_key = ?1 AND file_id IS NULL",
        )?
        .exists([session])?;
    Ok(!is_mixed)
}

/// Whether any entry of the session has an explicit id.
pub(crate) fn has_given_ids(conn: &Connection, session: SessionKey) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "SELECT 1 FROM entries WHERE entry_key BETWEEN ?1 AND ?2 AND id_made = 0 LIMIT 1",
        )?
        .exists(keys(session))?)
}

/// The id of an entry, its line, and its bytes in that line.
pub(crate) fn id_and_place(conn: &Connection, entry_key: i64) -> Result<(String, RecordPlace)> {
    Ok(conn
        .prepare_cached("SELECT entry_id, line_key, span FROM entries WHERE entry_key = ?1")?
        .query_row([entry_key], |row| {
            Ok((row.get::<_, IdText>("entry_id")?.0, place_from_row(row)?))
        })?)
}

pub(crate) fn entry_id(conn: &Connection, entry_key: i64) -> Result<String> {
    Ok(conn
        .prepare_cached("SELECT entry_id FROM entries WHERE entry_key = ?1")?
        .query_row([entry_key], |row| row.get::<_, IdText>("entry_id"))?
        .0)
}

fn entry_from_row(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let place = place_from_row(row)?;
    Ok(Entry {
        id: row.get::<_, IdText>("entry_id")?.0,
        parent_id: row.get::<_, Option<IdText>>("parent_id")?.map(|id| id.0),
        entry_type: word(row.get_ref("type")?)?.to_owned(),
        role: word_or_null(row.get_ref("role")?)?.map(str::to_owned),
        created_at: row.get("created_at")?,
        label: row.get::<_, Option<Stored>>("label")?.map(|label| label.to_text()),
        line: line_number(place.line_key),
        place,
    })
}
