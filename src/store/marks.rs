//! Marks: how far the search indexes hold each session.
//!
//! The indexes are filled by searches. A change to an existing entry marks its
//! session stale, which is one lookup in a small table. Appends show in the
//! session's own count of entries. So finding the sessions that an index lacks
//! reads all session rows, about half a microsecond each, and appends cost nothing
//! more.

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::texts::Index;
use crate::error::Result;
use crate::model::{SessionKey, Timestamp};

/// How far an index holds a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Entries that were looked at, counted from the first.
    pub(crate) entries: u32,
    /// How many of them have text.
    pub(crate) rows: u32,
    /// The session's count of entries at the time when all were looked at.
    pub(crate) head_count: Option<i64>,
    /// The latest time among them.
    pub(crate) newest_at: Option<Timestamp>,
    /// The largest step back in time from an entry to a later one; `None` if some
    /// entries have a time and others do not.
    pub(crate) step_back: Option<i64>,
    /// Which part of the indexed content is out of date.
    pub(crate) stale: Stale,
}

impl Default for Mark {
    fn default() -> Self {
        Self {
            entries: 0,
            rows: 0,
            head_count: None,
            newest_at: None,
            step_back: Some(0),
            stale: Stale::Nothing,
        }
    }
}

impl Mark {
    /// Takes the next entry of the log into account.
    pub(crate) fn look_at(&mut self, ordinal: u32, created_at: Option<Timestamp>) {
        let is_first = self.entries == 0;
        self.entries = ordinal.saturating_add(1);
        self.step_back = match (self.newest_at, created_at) {
            (Some(newest), Some(at)) => {
                self.step_back.map(|step| step.max(newest.0.saturating_sub(at.0)))
            }
            (None, None) => self.step_back,
            (None, Some(_)) if is_first => self.step_back,
            _ => None,
        };
        self.newest_at = self.newest_at.max(created_at);
    }
}

/// Which part of what an index holds of a session is out of date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stale {
    #[default]
    Nothing,
    /// Everything: the session was refolded.
    All,
    /// The title.
    Title,
}

pub(crate) fn mark(conn: &Connection, index: Index, session: SessionKey) -> Result<Option<Mark>> {
    Ok(conn
        .prepare_cached(
            "SELECT entry_count, row_count, head_count, newest_at, step_back, is_stale
             FROM search_marks
             WHERE session_key = ?1 AND is_of_tools = ?2",
        )?
        .query_row((session, index.is_of_tools()), mark_from_row)
        .optional()?)
}

/// Every mark of an index, by session.
pub(crate) fn marks(conn: &Connection, index: Index) -> Result<Vec<(SessionKey, Mark)>> {
    let mut stmt = conn.prepare_cached(
        "SELECT session_key, entry_count, row_count, head_count, newest_at, step_back, is_stale
         FROM main.search_marks
         WHERE is_of_tools = ?1
         ORDER BY session_key",
    )?;
    let rows = stmt.query_map([index.is_of_tools()], |row| {
        Ok((row.get("session_key")?, mark_from_row(row)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn mark_from_row(row: &Row<'_>) -> rusqlite::Result<Mark> {
    Ok(Mark {
        entries: row.get("entry_count")?,
        rows: row.get("row_count")?,
        head_count: row.get("head_count")?,
        newest_at: row.get("newest_at")?,
        step_back: row.get("step_back")?,
        stale: match row.get("is_stale")? {
            0 => Stale::Nothing,
            2 => Stale::Title,
            _ => Stale::All,
        },
    })
}

/// Writes a mark; `is_new` says that the session has none yet.
///
/// Uses statements that write exactly one row: before any other kind of statement,
/// SQLite lets FTS5 flush, which would create a segment for each session.
pub(crate) fn write_mark(
    conn: &Connection,
    index: Index,
    session: SessionKey,
    mark: &Mark,
    is_new: bool,
) -> Result<()> {
    let sql = if is_new {
        "INSERT INTO search_marks (session_key, is_of_tools, entry_count, row_count, head_count,
                                       newest_at, step_back, is_stale)
             VALUES (:session_key, :is_of_tools, :entry_count, :row_count, :head_count, :newest_at,
                     :step_back, :is_stale)"
    } else {
        "UPDATE search_marks
             SET entry_count = :entry_count, row_count = :row_count, head_count = :head_count,
                 newest_at = :newest_at, step_back = :step_back, is_stale = :is_stale
             WHERE session_key = :session_key AND is_of_tools = :is_of_tools"
    };
    conn.prepare_cached(sql)?.execute(named_params! {
        ":session_key": session,
        ":is_of_tools": index.is_of_tools(),
        ":entry_count": mark.entries,
        ":row_count": mark.rows,
        ":head_count": mark.head_count,
        ":newest_at": mark.newest_at,
        ":step_back": mark.step_back,
        ":is_stale": match mark.stale {
            Stale::Nothing => 0,
            Stale::All => 1,
            Stale::Title => 2,
        },
    })?;
    Ok(())
}

/// Makes the next search index a session again: existing entries changed.
pub(crate) fn mark_stale(conn: &Connection, session: SessionKey) -> Result<()> {
    conn.prepare_cached(
        "UPDATE search_marks SET is_stale = 1 WHERE session_key = ?1 AND is_stale <> 1",
    )?
    .execute([session])?;
    Ok(())
}

/// Makes the next search index a session's title again.
pub(super) fn mark_retitled(conn: &Connection, session: SessionKey) -> Result<()> {
    conn.prepare_cached(
        "UPDATE search_marks SET is_stale = 2
         WHERE session_key = ?1 AND is_of_tools = 0 AND is_stale = 0",
    )?
    .execute([session])?;
    Ok(())
}

/// The sessions that an index does not hold completely, by key: inserting rows out of
/// key order costs FTS5 a segment each.
pub(crate) fn behind(conn: &Connection, index: Index) -> Result<Vec<SessionKey>> {
    let mut stmt = conn.prepare_cached(BEHIND)?;
    let rows = stmt.query_map([index.is_of_tools()], |row| row.get("session_key"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) const BEHIND: &str = "
    SELECT session.session_key
    FROM sessions AS session
    LEFT JOIN search_marks AS mark ON mark.session_key = session.session_key
                                  AND mark.is_of_tools = ?1
    WHERE mark.head_count IS NOT session.entry_count
       OR mark.is_stale <> 0
    ORDER BY session.session_key";

/// The session's own count of entries, which an append increases.
pub(crate) fn head_count(conn: &Connection, session: SessionKey) -> Result<Option<i64>> {
    Ok(conn
        .prepare_cached("SELECT entry_count FROM sessions WHERE session_key = ?1")?
        .query_row([session], |row| row.get("entry_count"))
        .optional()?)
}
