//! How far the search indexes hold each session, in one state of the database.

use std::sync::OnceLock;

use rusqlite::Connection;

use super::entries;
use super::texts::{self, Index};
use crate::error::{Error, Result};
use crate::model::{SessionKey, Timestamp};

/// How far the indexes hold a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) session: SessionKey,
    /// Entries that all of the indexes hold.
    pub(crate) held: u32,
    /// Its last activity.
    pub(crate) modified_at: Timestamp,
    /// No indexed entry is later than this. Entries without a time count with the
    /// last activity.
    pub(crate) latest: Timestamp,
    /// The largest step back in time from an entry to a later one; `None` if it is
    /// unknown.
    pub(crate) step_back: Option<i64>,
    /// Whether any index has text of the session.
    has_texts: bool,
    /// Whether any index lacks or misrepresents part of it.
    pub(crate) is_behind: bool,
}

impl Standing {
    /// The last place that an entry of it can have in the order of times and keys.
    pub(crate) fn last(&self) -> (Timestamp, i64) {
        (self.latest, entries::key(self.session, u32::MAX))
    }
}

/// How far the indexes hold every session.
#[derive(Debug)]
pub(crate) struct Standings {
    by_key: Vec<Standing>,
    /// Positions of the sessions that are completely indexed and have text, the
    /// latest last.
    by_time: OnceLock<Vec<usize>>,
}

impl Standings {
    /// Scans two tables side by side, which is faster than looking up each session
    /// that contains a word.
    ///
    /// # Errors
    ///
    /// [`Damaged`](Error::Damaged) if an index does not hold what its marks say.
    pub(super) fn of(conn: &Connection, indexes: &[Index]) -> Result<Self> {
        for index in indexes {
            if !texts::is_whole(conn, *index)? {
                let detail = "it does not hold as many entries as it should".to_owned();
                return Err(Error::Damaged(detail));
            }
        }
        let mut found = sessions(conn)?;
        for index in indexes {
            let mut marks = marks(conn, *index)?.into_iter().peekable();
            for (standing, count) in &mut found {
                while marks.next_if(|mark| mark.session < standing.session).is_some() {}
                let mark = marks.next_if(|mark| mark.session == standing.session);
                standing.is_behind |=
                    mark.as_ref().is_none_or(|mark| mark.head_count != Some(*count));
                standing.held = standing.held.min(mark.as_ref().map_or(0, |mark| mark.held));
                standing.has_texts |= mark.as_ref().is_some_and(|mark| mark.has_texts);
                let step_back = mark.as_ref().and_then(|mark| mark.step_back);
                standing.step_back =
                    standing.step_back.zip(step_back).map(|(one, other)| one.max(other));
                standing.latest = match mark.and_then(|mark| mark.newest_at) {
                    None => standing.latest,
                    // All entries have a time. The last activity can be the time of
                    // a file, long after.
                    Some(at) if step_back.is_some() => at,
                    Some(at) => at.max(standing.latest),
                };
            }
        }
        let by_key = found.into_iter().map(|(standing, _)| standing).collect();
        Ok(Self { by_key, by_time: OnceLock::new() })
    }

    pub(crate) fn standing(&self, session: SessionKey) -> Option<&Standing> {
        let n = self.by_key.binary_search_by_key(&session, |standing| standing.session);
        n.ok().map(|n| &self.by_key[n])
    }

    /// Estimates a total, given the number found up to this session.
    pub(crate) fn estimate(&self, found: usize, last: SessionKey) -> usize {
        let place = self.by_key.partition_point(|standing| standing.session <= last);
        found.saturating_mul(self.by_key.len()) / place.max(1)
    }

    /// The sessions that are not completely indexed.
    pub(crate) fn behind(&self) -> impl Iterator<Item = &Standing> {
        self.by_key.iter().filter(|standing| standing.is_behind)
    }

    /// All other sessions that have text, the latest first.
    pub(crate) fn latest_first(&self) -> impl Iterator<Item = &Standing> {
        let order = self.by_time.get_or_init(|| {
            let is_whole = |n: &usize| !self.by_key[*n].is_behind && self.by_key[*n].has_texts;
            let mut order: Vec<usize> = (0..self.by_key.len()).filter(is_whole).collect();
            order.sort_by_key(|n| self.by_key[*n].last());
            order
        });
        order.iter().rev().map(|n| &self.by_key[*n])
    }
}

/// Every session, by key, with its own count of entries.
fn sessions(conn: &Connection) -> Result<Vec<(Standing, i64)>> {
    let mut stmt = conn.prepare_cached(
        "SELECT session_key, modified_at, entry_count FROM sessions ORDER BY session_key",
    )?;
    let rows = stmt.query_map([], |row| {
        let modified_at = row.get(1)?;
        let standing = Standing {
            session: row.get(0)?,
            held: u32::MAX,
            modified_at,
            latest: modified_at,
            step_back: Some(0),
            has_texts: false,
            is_behind: false,
        };
        Ok((standing, row.get(2)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What a session's marks say, over all indexes.
struct SessionMarks {
    session: SessionKey,
    held: u32,
    /// `None` if anything is stale.
    head_count: Option<i64>,
    newest_at: Option<Timestamp>,
    step_back: Option<i64>,
    has_texts: bool,
}

fn marks(conn: &Connection, index: Index) -> Result<Vec<SessionMarks>> {
    let mut stmt = conn.prepare_cached(
        "SELECT session_key,
                CASE is_stale WHEN 1 THEN 0 ELSE entry_count END,
                CASE is_stale WHEN 0 THEN head_count END,
                newest_at,
                step_back,
                0 < row_count
         FROM search_marks
         WHERE is_of_tools = ?1
         ORDER BY session_key",
    )?;
    // Read by position: there is a row for each session.
    let rows = stmt.query_map([index == Index::Tools], |row| {
        Ok(SessionMarks {
            session: row.get(0)?,
            held: row.get(1)?,
            head_count: row.get(2)?,
            newest_at: row.get(3)?,
            step_back: row.get(4)?,
            has_texts: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
