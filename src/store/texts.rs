//! The index of what entries say, and how far it holds each session.
//!
//! It is filled when somebody searches. Whatever changes an entry that is there
//! already marks its session stale, which is one look at a small table; what is
//! appended shows in the session's own count of entries. So to find the sessions
//! that the index lacks, the rows of sessions are read from end to end: about
//! half a microsecond a session, and an append stays as quick as it was.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::entries;
use crate::error::Result;
use crate::model::{Format, RecordPlace, SessionKey, Timestamp};

/// How far the index holds a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Entries that were looked at, from the first.
    pub(crate) entries: u32,
    /// Of them those with text.
    pub(crate) rows: u32,
    /// The session's count of entries when all were looked at.
    pub(crate) head_count: Option<i64>,
    /// The latest time among them.
    pub(crate) newest_at: Option<Timestamp>,
    /// Whether the session was folded anew since: nothing that the index says of it holds.
    pub(crate) is_stale: bool,
}

/// Columns of the index: parts of what an entry says.
pub(crate) const COLUMNS: [&str; 3] = ["prose", "thinking", "tools"];

pub(crate) fn mark(conn: &Connection, session: SessionKey) -> Result<Option<Mark>> {
    Ok(conn
        .prepare_cached(
            "SELECT entry_count, row_count, head_count, newest_at, is_stale
             FROM search_marks
             WHERE session_key = ?1",
        )?
        .query_row([session], mark_from_row)
        .optional()?)
}

/// Every mark, by session.
pub(crate) fn marks(conn: &Connection) -> Result<Vec<(SessionKey, Mark)>> {
    let mut stmt = conn.prepare_cached(
        "SELECT session_key, entry_count, row_count, head_count, newest_at, is_stale
         FROM main.search_marks
         ORDER BY session_key",
    )?;
    let rows = stmt.query_map([], |row| Ok((row.get("session_key")?, mark_from_row(row)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn mark_from_row(row: &Row<'_>) -> rusqlite::Result<Mark> {
    Ok(Mark {
        entries: row.get("entry_count")?,
        rows: row.get("row_count")?,
        head_count: row.get("head_count")?,
        newest_at: row.get("newest_at")?,
        is_stale: row.get("is_stale")?,
    })
}

pub(crate) fn write_mark(conn: &Connection, session: SessionKey, mark: &Mark) -> Result<()> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO search_marks (session_key, entry_count, row_count, head_count,
                                              newest_at, is_stale)
         VALUES (:session_key, :entry_count, :row_count, :head_count, :newest_at, :is_stale)",
    )?
    .execute(named_params! {
        ":session_key": session,
        ":entry_count": mark.entries,
        ":row_count": mark.rows,
        ":head_count": mark.head_count,
        ":newest_at": mark.newest_at,
        ":is_stale": mark.is_stale,
    })?;
    Ok(())
}

/// Lets the next search take in a session anew: entries that were there changed.
pub(crate) fn mark_stale(conn: &Connection, session: SessionKey) -> Result<()> {
    conn.prepare_cached(
        "UPDATE search_marks SET is_stale = 1 WHERE session_key = ?1 AND is_stale = 0",
    )?
    .execute([session])?;
    Ok(())
}

/// The sessions that the index does not hold as they are.
pub(crate) fn behind(conn: &Connection) -> Result<Vec<SessionKey>> {
    let mut stmt = conn.prepare_cached(BEHIND)?;
    let rows = stmt.query_map([], |row| row.get("session_key"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) const BEHIND: &str = "
    SELECT session.session_key
    FROM sessions AS session
    LEFT JOIN search_marks AS mark ON mark.session_key = session.session_key
    WHERE mark.head_count IS NOT session.entry_count
       OR mark.is_stale <> 0";

/// Entries of a session by its own count, which is what an append moves.
pub(crate) fn head_count(conn: &Connection, session: SessionKey) -> Result<Option<i64>> {
    Ok(conn
        .prepare_cached("SELECT entry_count FROM sessions WHERE session_key = ?1")?
        .query_row([session], |row| row.get("entry_count"))
        .optional()?)
}

/// Takes in what an entry says, prepared, column by column.
pub(crate) fn insert(conn: &Connection, entry_key: i64, columns: &[String; 3]) -> Result<()> {
    let [prose, thinking, tools] = columns;
    conn.prepare_cached(
        "INSERT INTO message_search (rowid, prose, thinking, tools)
         VALUES (:entry_key, :prose, :thinking, :tools)",
    )?
    .execute(named_params! {
        ":entry_key": entry_key,
        ":prose": prose,
        ":thinking": thinking,
        ":tools": tools,
    })?;
    Ok(())
}

/// Takes a session out of the index.
pub(crate) fn remove(conn: &Connection, session: SessionKey) -> Result<()> {
    conn.prepare_cached(REMOVE)?.execute(entries::keys(session))?;
    conn.prepare_cached("DELETE FROM search_marks WHERE session_key = ?1")?.execute([session])?;
    Ok(())
}

pub(crate) const REMOVE: &str = "DELETE FROM message_search WHERE rowid BETWEEN ?1 AND ?2";

/// Empties the index; the next search fills it again.
pub(crate) fn clear(conn: &Connection) -> Result<()> {
    conn.execute_batch(
        "INSERT INTO message_search (message_search) VALUES ('delete-all');
         DELETE FROM search_marks;",
    )?;
    Ok(())
}

/// Leaves the index without words of entries that are gone.
pub(crate) fn merge(conn: &Connection) -> Result<()> {
    let mut stmt = conn.prepare("SELECT session_key FROM search_marks WHERE is_stale <> 0")?;
    let stale: Vec<SessionKey> =
        stmt.query_map([], |row| row.get("session_key"))?.collect::<Result<_, _>>()?;
    stale.into_iter().try_for_each(|session| remove(conn, session))?;
    conn.execute("INSERT INTO message_search (message_search) VALUES ('optimize')", [])?;
    Ok(())
}

/// The entries that the index finds, by key; of one session, or of all.
pub(crate) fn matching(
    conn: &Connection,
    query: &str,
    only: Option<SessionKey>,
) -> Result<Vec<i64>> {
    let [first, last] = only.map_or([0, i64::MAX], entries::keys);
    let mut stmt = conn.prepare_cached(MATCHING)?;
    let rows = stmt.query_map((query, first, last), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) const MATCHING: &str = "
    SELECT rowid
    FROM message_search
    WHERE message_search MATCH ?1
      AND rowid BETWEEN ?2 AND ?3";

/// Hands the entries that the index finds to `each`, the most telling first,
/// until it says to stop.
pub(crate) fn each_ranked(
    conn: &Connection,
    query: &str,
    mut each: impl FnMut(i64) -> Result<bool>,
) -> Result<()> {
    let mut stmt = conn.prepare_cached(RANKED)?;
    let mut rows = stmt.query([query])?;
    while let Some(row) = rows.next()? {
        if !each(row.get(0)?)? {
            break;
        }
    }
    Ok(())
}

pub(crate) const RANKED: &str =
    "SELECT rowid FROM message_search WHERE message_search MATCH ?1 ORDER BY rank";

/// Whether the index has as many rows as its marks say. Rows that were taken
/// out behind our back would be missing from answers, and nothing else would tell.
pub(crate) fn is_whole(conn: &Connection) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "SELECT (SELECT ifnull(sum(row_count), 0) FROM main.search_marks)
                  = (SELECT count(*) FROM message_search_docsize)",
        )?
        .query_row([], |row| row.get(0))?)
}

/// What a search asks of a session.
#[derive(Debug)]
pub(crate) struct SessionFacts {
    pub(crate) format: Format,
    pub(crate) modified_at: Timestamp,
    pub(crate) is_archived: bool,
    pub(crate) is_trashed: bool,
    pub(crate) work_dir: Option<String>,
}

pub(crate) fn session(conn: &Connection, session: SessionKey) -> Result<Option<SessionFacts>> {
    Ok(conn
        .prepare_cached(
            "SELECT session.format, session.modified_at, session.archived_at IS NOT NULL,
                    session.trashed_at IS NOT NULL, work_dir.path
             FROM sessions AS session
             LEFT JOIN work_dirs AS work_dir ON work_dir.work_dir_id = session.work_dir_id
             WHERE session.session_key = ?1",
        )?
        .query_row([session], |row| {
            Ok(SessionFacts {
                format: row.get(0)?,
                modified_at: row.get(1)?,
                is_archived: row.get(2)?,
                is_trashed: row.get(3)?,
                work_dir: row.get(4)?,
            })
        })
        .optional()?)
}

/// Every session, in no order that means anything.
pub(crate) fn all_sessions(conn: &Connection) -> Result<Vec<SessionKey>> {
    let mut stmt = conn.prepare_cached("SELECT session_key FROM sessions")?;
    let rows = stmt.query_map([], |row| row.get("session_key"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What a search asks of an entry before it reads its line.
#[derive(Debug)]
pub(crate) struct EntryFacts {
    pub(crate) key: i64,
    pub(crate) role: Option<String>,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) place: RecordPlace,
}

pub(crate) fn entry(conn: &Connection, entry_key: i64) -> Result<Option<EntryFacts>> {
    Ok(conn.prepare_cached(ENTRY)?.query_row([entry_key], facts_from_row).optional()?)
}

pub(crate) const ENTRY: &str = "
    SELECT entry_key, role, created_at, line_key, span
    FROM entries
    WHERE entry_key = ?1";

/// Hands the entries of a session from an ordinal on to `each`, until it says to stop.
pub(crate) fn each_entry_from(
    conn: &Connection,
    session: SessionKey,
    from: u32,
    mut each: impl FnMut(EntryFacts) -> Result<bool>,
) -> Result<()> {
    let mut stmt = conn.prepare_cached(ENTRIES)?;
    let mut rows = stmt.query([entries::key(session, from), entries::key(session, u32::MAX)])?;
    while let Some(row) = rows.next()? {
        if !each(facts_from_row(row)?)? {
            break;
        }
    }
    Ok(())
}

pub(crate) const ENTRIES: &str = "
    SELECT entry_key, role, created_at, line_key, span
    FROM entries
    WHERE entry_key BETWEEN ?1 AND ?2
    ORDER BY entry_key";

fn facts_from_row(row: &Row<'_>) -> rusqlite::Result<EntryFacts> {
    Ok(EntryFacts {
        key: row.get(0)?,
        role: row.get(1)?,
        created_at: row.get(2)?,
        place: RecordPlace { line_key: row.get(3)?, span: row.get(4)? },
    })
}

/// The model that an entry was made by: what it says itself, else the session's last.
pub(crate) fn model(conn: &Connection, entry_key: i64) -> Result<Option<String>> {
    Ok(conn
        .prepare_cached(
            "SELECT coalesce(usage.model, session.model) AS model
             FROM sessions AS session
             LEFT JOIN usages AS usage ON usage.entry_key = ?1
             WHERE session.session_key = ?1 >> 32",
        )?
        .query_row([entry_key], |row| match row.get_ref("model")?.data_type() {
            // A model that is no text is none that could be named.
            Type::Text => row.get("model"),
            _ => Ok(None),
        })
        .optional()?
        .flatten())
}

/// Hands every word of the index to `each`: the entry, the column, and the
/// place among its words.
pub(crate) fn each_word(
    conn: &Connection,
    mut each: impl FnMut(&[u8], i64, &str, i64) -> Result<()>,
) -> Result<()> {
    conn.execute_batch(
        "CREATE VIRTUAL TABLE temp.message_words USING fts5vocab (main, message_search, instance)",
    )?;
    let mut stmt = conn.prepare("SELECT term, doc, col, offset FROM temp.message_words")?;
    let mut rows = stmt.query([])?;
    while let Some(row) = rows.next()? {
        let column = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
        let word = row.get_ref(0)?.as_bytes().map_err(rusqlite::Error::from)?;
        each(word, row.get(1)?, column, row.get(3)?)?;
    }
    Ok(())
}
