//! How far the indexes of texts hold each session, for one search.

use rusqlite::Connection;

use super::texts::Index;
use crate::error::Result;
use crate::model::{SessionKey, Timestamp};

/// How far indexes hold a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) session: SessionKey,
    /// Entries that all of them hold.
    pub(crate) held: u32,
    /// None of these is later; nor is what has no time of its own.
    pub(crate) latest: Timestamp,
    /// Whether one of them does not hold all of it as it is.
    pub(crate) is_behind: bool,
}

/// How far these indexes hold each session, by key: two tables from end to end,
/// side by side, which is less than to look up each session that holds a word.
pub(crate) fn of(conn: &Connection, indexes: &[Index]) -> Result<Vec<Standing>> {
    let mut stmt = conn.prepare_cached(
        "SELECT session_key, modified_at, entry_count FROM sessions ORDER BY session_key",
    )?;
    let rows = stmt.query_map([], |row| {
        let standing = Standing {
            session: row.get(0)?,
            latest: row.get(1)?,
            held: u32::MAX,
            is_behind: false,
        };
        Ok((standing, row.get(2)?))
    })?;
    let mut found: Vec<(Standing, i64)> = rows.collect::<Result<_, _>>()?;
    for index in indexes {
        let mut marks = marks(conn, *index)?.into_iter().peekable();
        for (standing, count) in &mut found {
            while marks.next_if(|mark| mark.session < standing.session).is_some() {}
            let mark = marks.next_if(|mark| mark.session == standing.session);
            standing.is_behind |= mark.as_ref().is_none_or(|mark| mark.head_count != Some(*count));
            standing.held = standing.held.min(mark.as_ref().map_or(0, |mark| mark.held));
            let newest_at = mark.and_then(|mark| mark.newest_at);
            standing.latest = newest_at.map_or(standing.latest, |at| at.max(standing.latest));
        }
    }
    Ok(found.into_iter().map(|(standing, _)| standing).collect())
}

/// What a mark tells of a session.
struct Told {
    session: SessionKey,
    held: u32,
    /// None where all or some of it is stale.
    head_count: Option<i64>,
    newest_at: Option<Timestamp>,
}

fn marks(conn: &Connection, index: Index) -> Result<Vec<Told>> {
    let mut stmt = conn.prepare_cached(
        "SELECT session_key,
                CASE is_stale WHEN 1 THEN 0 ELSE entry_count END,
                CASE is_stale WHEN 0 THEN head_count END,
                newest_at
         FROM search_marks
         WHERE is_of_tools = ?1
         ORDER BY session_key",
    )?;
    // By place: each session has a row here.
    let rows = stmt.query_map([index == Index::Tools], |row| {
        Ok(Told {
            session: row.get(0)?,
            held: row.get(1)?,
            head_count: row.get(2)?,
            newest_at: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
