//! How far the indexes of texts hold each session, for one search.

use rusqlite::Connection;

use super::texts::{self, Index, Stale};
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
        let mut marks = texts::marks(conn, *index)?.into_iter().peekable();
        for (standing, count) in &mut found {
            while marks.next_if(|(session, _)| *session < standing.session).is_some() {}
            let mark = marks.next_if(|(session, _)| *session == standing.session);
            let mark = mark.map(|(_, mark)| mark).unwrap_or_default();
            let is_whole = mark.head_count == Some(*count) && mark.stale == Stale::Nothing;
            standing.is_behind |= !is_whole;
            let held = if mark.stale == Stale::All { 0 } else { mark.entries };
            standing.held = standing.held.min(held);
            standing.latest = mark.newest_at.map_or(standing.latest, |at| at.max(standing.latest));
        }
    }
    Ok(found.into_iter().map(|(standing, _)| standing).collect())
}
