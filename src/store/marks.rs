//! How far the indexes of texts hold each session.
//!
//! They are filled when somebody searches. Whatever changes an entry that is there
//! already marks its session stale, which is one look at a small table; what is
//! appended shows in the session's own count of entries. So to find the sessions
//! that an index lacks, the rows of sessions are read from end to end: about
//! half a microsecond a session, and an append stays as quick as it was.

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::texts::Index;
use crate::error::Result;
use crate::model::{SessionKey, Timestamp};

/// How far an index holds a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Entries that were looked at, from the first.
    pub(crate) entries: u32,
    /// Of them those with text.
    pub(crate) rows: u32,
    /// The session's count of entries when all were looked at.
    pub(crate) head_count: Option<i64>,
    /// The latest time among them.
    pub(crate) newest_at: Option<Timestamp>,
    /// By how much an entry is older, at most, than one before it; `None` where
    /// some have no time and others do.
    pub(crate) step_back: Option<i64>,
    /// What of it no longer holds.
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
    /// Takes in that an entry was looked at, the next in the order of the log.
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

/// What an index says of a session that no longer holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stale {
    #[default]
    Nothing,
    /// The session was folded anew since.
    All,
    /// It has another title.
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

/// Writes a mark; `is_new` where the session has none.
///
/// By statements that write one row, come what may: before any other, SQLite
/// lets FTS5 write out what it holds, which is then a segment a session.
pub(crate) fn write_mark(
    conn: &Connection,
    index: Index,
    session: SessionKey,
    mark: &Mark,
    is_new: bool,
) -> Result<()> {
    let sql = match is_new {
        true => {
            "INSERT INTO search_marks (session_key, is_of_tools, entry_count, row_count, head_count,
                                       newest_at, step_back, is_stale)
             VALUES (:session_key, :is_of_tools, :entry_count, :row_count, :head_count, :newest_at,
                     :step_back, :is_stale)"
        }
        false => {
            "UPDATE search_marks
             SET entry_count = :entry_count, row_count = :row_count, head_count = :head_count,
                 newest_at = :newest_at, step_back = :step_back, is_stale = :is_stale
             WHERE session_key = :session_key AND is_of_tools = :is_of_tools"
        }
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

/// Lets the next search take in a session anew: entries that were there changed.
pub(crate) fn mark_stale(conn: &Connection, session: SessionKey) -> Result<()> {
    conn.prepare_cached(
        "UPDATE search_marks SET is_stale = 1 WHERE session_key = ?1 AND is_stale <> 1",
    )?
    .execute([session])?;
    Ok(())
}

/// Lets the next search take in a session's title anew.
pub(super) fn mark_retitled(conn: &Connection, session: SessionKey) -> Result<()> {
    conn.prepare_cached(
        "UPDATE search_marks SET is_stale = 2
         WHERE session_key = ?1 AND is_of_tools = 0 AND is_stale = 0",
    )?
    .execute([session])?;
    Ok(())
}

/// The sessions that an index does not hold as they are, by key: rows that come
/// out of turn cost FTS5 a segment each.
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

/// Entries of a session by its own count, which is what an append moves.
pub(crate) fn head_count(conn: &Connection, session: SessionKey) -> Result<Option<i64>> {
    Ok(conn
        .prepare_cached("SELECT entry_count FROM sessions WHERE session_key = ?1")?
        .query_row([session], |row| row.get("entry_count"))
        .optional()?)
}
