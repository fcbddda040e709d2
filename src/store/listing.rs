//! Lists of sessions: an index read that touches no line and is never stale.

use std::collections::BTreeSet;

use rusqlite::{Connection, Row, named_params};

use super::filter::{Cursor, SessionFilter};
use super::search::{self, Candidates};
use super::statements::{found_statement, keys_statement, page_statement, work_dir_statement};
use super::{Store, losses, metadata, readable, recent, sources};
use crate::error::Result;
use crate::model::{Format, SessionKey, Stored, Timestamp, as_object};

/// A session in a list.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionRow {
    /// Identifies the session in calls to the store.
    pub key: SessionKey,
    /// The format of the session's program.
    pub format: Format,
    /// The machine or person that it comes from; `None` if none was named.
    pub origin: Option<String>,
    /// The id in its header; `None` without a usable header.
    pub session_id: Option<String>,
    /// The name unless it is blank, else the beginning of the first message, else
    /// `None`.
    ///
    /// Lone surrogates are replaced by U+FFFD; see [`title_json`](Self::title_json).
    pub title: Option<String>,
    exact_title: Option<Stored>,
    /// The directory that the session worked in.
    pub work_dir: Option<String>,
    /// Its tags, in byte order.
    pub tags: Vec<String>,
    /// When it was archived; `None` if it is not archived.
    pub archived_at: Option<Timestamp>,
    /// When it was last active.
    pub modified_at: Timestamp,
    /// The number of messages, counted as its program's own lists count: those of the
    /// active branch, or of every branch.
    pub message_count: u64,
    /// Whether its root lost or changed something that is kept here;
    /// [`Session::problems`](crate::Session::problems) tells what.
    pub has_losses: bool,
    /// Whether it was imported and has continued here since.
    pub is_continued_here: bool,
    /// Whether its file is no longer at its root.
    pub is_absent: bool,
    /// Whether its path at the root now belongs to another session.
    pub is_shadowed: bool,
}

as_object! { SessionRow {
    key, format, origin, session_id, title, work_dir, tags, archived_at, modified_at, message_count,
    has_losses, is_continued_here, is_absent, is_shadowed,
} }

impl SessionRow {
    /// The title as a JSON string, in which lone surrogates are escapes, or `null`.
    pub fn title_json(&self) -> String {
        self.exact_title.as_ref().map_or("null".to_owned(), Stored::to_json)
    }

    /// The position after this session in [`sessions`](Store::sessions) and
    /// [`trash`](Store::trash).
    pub fn cursor(&self) -> Cursor {
        Cursor { modified_at: self.modified_at, session_id: self.session_id.clone(), key: self.key }
    }

    /// The sort key of lists, which are in descending order.
    fn place(&self) -> (Timestamp, Option<&str>, i64) {
        (self.modified_at, self.session_id.as_deref(), self.key.0)
    }
}

/// A page of a list.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Page {
    /// Newest first; for equal times, the larger id first.
    pub rows: Vec<SessionRow>,
    /// Where the next page begins; `None` on the last page.
    pub next: Option<Cursor>,
    /// Which parts of the database cannot be read, so that sessions may be missing.
    /// Usually empty.
    pub damaged: Vec<String>,
}

as_object! { Page { rows, next, damaged, } }

impl Store {
    /// Lists sessions, newest first: by last activity, then by id, both descending.
    ///
    /// Sessions in the trash are left out. All others are included: empty ones,
    /// unnamed ones, and those without a usable header, which come last among equal
    /// times. In a damaged database, the list has the sessions that can be read; see
    /// [`Page::damaged`].
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](crate::Error::InvalidRecord) if a metadata value of the filter is not JSON.
    pub fn sessions(&self, filter: &SessionFilter) -> Result<Page> {
        self.read(|conn| select_page(conn, filter))
    }
}

pub(crate) fn select_page(conn: &Connection, filter: &SessionFilter) -> Result<Page> {
    let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX - 1);
    let work_dirs = match &filter.work_dir {
        None => Vec::new(),
        Some(path) => work_dir_ids(conn, path)?,
    };
    if filter.work_dir.is_some() && work_dirs.is_empty() {
        return Ok(Page { rows: Vec::new(), next: None, damaged: Vec::new() });
    }
    let among = filter.narrowing.sessions(conn)?;
    let list = List {
        conn,
        filter,
        among,
        // A path on several hosts is rare; then the list of all sessions is
        // scanned.
        work_dir_id: Some(work_dirs).filter(|found| found.len() == 1).map(|found| found[0]),
        // One row more than asked for tells whether there is a next page.
        wanted: limit.saturating_add(1),
        offset: i64::try_from(filter.offset).unwrap_or(i64::MAX),
    };
    let mut damaged = Vec::new();
    let mut rows = match list.rows() {
        Err(err) if err.is_of_content() => {
            damaged.push(err.to_string());
            list.readable_rows()?
        }
        rows => rows?,
    };
    damaged.extend(complete(conn, &mut rows)?);
    let next = cut(&mut rows, limit);
    Ok(Page { rows, next, damaged })
}

/// Adds what other tables say of these sessions; returns which parts of the database
/// could not be read.
pub(super) fn complete(conn: &Connection, rows: &mut [SessionRow]) -> Result<Vec<String>> {
    let damaged = [
        losses::mark(conn, rows)?,
        metadata::add_tags(conn, rows)?,
        sources::add_origins(conn, rows)?,
    ];
    Ok(damaged.into_iter().flatten().collect())
}

/// Removes the row that only tells whether there is a next page; returns where that
/// begins.
pub(super) fn cut(rows: &mut Vec<SessionRow>, limit: i64) -> Option<Cursor> {
    let more = limit < rows.len() as i64;
    if more {
        rows.pop();
    }
    rows.last().filter(|_| more).map(SessionRow::cursor)
}

/// A list to be read: the filter, resolved to keys.
struct List<'a> {
    conn: &'a Connection,
    filter: &'a SessionFilter,
    /// The sessions that match the tags, metadata and origin, if any are asked for.
    among: Option<BTreeSet<i64>>,
    work_dir_id: Option<i64>,
    wanted: i64,
    offset: i64,
}

/// Candidates beyond those wanted, since the trigram index also returns sessions that
/// do not match.
const SPARE: i64 = 16;

impl List<'_> {
    fn rows(&self) -> Result<Vec<SessionRow>> {
        let archived = self.filter.archived;
        if let Some(among) = &self.among {
            let keys: Vec<i64> = among.iter().copied().collect();
            return self.select(found_statement(archived), Some(&keys), self.wanted, self.offset);
        }
        let end = self.wanted.saturating_add(self.offset);
        let found = match &self.filter.query {
            Some(query) => search::find(self.conn, query, end)?,
            None => None,
        };
        let is_of_work_dir = self.filter.work_dir.is_some();
        match found {
            Some(found) if !is_of_work_dir || found.is_complete() => {
                if !is_of_work_dir
                    && !found.is_few
                    && let Some(rows) = self.first_of(&found, end)?
                {
                    return Ok(self.part(rows, self.recent()?, self.offset));
                }
                let sql = found_statement(archived);
                self.select(sql, Some(&found.keys), self.wanted, self.offset)
            }
            _ => {
                let sql = match self.work_dir_id {
                    Some(_) => work_dir_statement(archived),
                    None => page_statement(archived),
                };
                self.by_age(sql)
            }
        }
    }

    /// Reads rows by an age index, and merges in the recent sessions, which it leaves
    /// out.
    fn by_age(&self, sql: &str) -> Result<Vec<SessionRow>> {
        let recent = self.recent()?;
        // All recent sessions may come before the first row that is wanted.
        let offset = self.offset.saturating_sub(recent.len() as i64).max(0);
        let before = self.offset - offset;
        let rows = self.select(sql, None, self.wanted.saturating_add(before), offset)?;
        Ok(self.part(rows, recent, before))
    }

    /// The matching sessions that the age indexes leave out.
    fn recent(&self) -> Result<Vec<SessionRow>> {
        let keys = recent::keys(self.conn)?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.select(found_statement(self.filter.archived), Some(&keys), i64::MAX, 0)
    }

    /// Sorts the rows and takes the wanted part, after `before` other rows.
    fn part(
        &self,
        mut rows: Vec<SessionRow>,
        beside: Vec<SessionRow>,
        before: i64,
    ) -> Vec<SessionRow> {
        rows.extend(beside);
        rows.sort_by(|one, other| other.place().cmp(&one.place()));
        let before = usize::try_from(before).unwrap_or(usize::MAX);
        let wanted = usize::try_from(self.wanted).unwrap_or(usize::MAX);
        rows.into_iter().skip(before).take(wanted).collect()
    }

    /// Reads session by session, where a page of an index or table is damaged.
    fn readable_rows(&self) -> Result<Vec<SessionRow>> {
        let mut rows = Vec::new();
        let is_asked_for = |key: &i64| self.among.as_ref().is_none_or(|among| among.contains(key));
        for key in readable::sessions(self.conn)?.into_iter().filter(is_asked_for) {
            match self.select(found_statement(self.filter.archived), Some(&[key]), 1, 0) {
                Err(err) if err.is_of_content() => {}
                found => rows.extend(found?),
            }
        }
        Ok(self.part(rows, Vec::new(), self.offset))
    }

    /// At least the first `end` rows of the candidates, read in age order; `None` if
    /// they are so sparse that sorting all candidates is faster.
    fn first_of(&self, found: &Candidates, end: i64) -> Result<Option<Vec<SessionRow>>> {
        let most = if found.is_complete() { 4 * found.keys.len() } else { usize::MAX };
        let (modified_at, session_id, session_key) = self.filter.start();
        let mut stmt = self.conn.prepare_cached(keys_statement(self.filter.archived))?;
        let mut keys = stmt.query(named_params! {
            ":since": self.filter.since,
            ":modified_at": modified_at,
            ":session_id": session_id,
            ":session_key": session_key,
        })?;
        let mut rows = Vec::new();
        let mut passed = 0;
        let mut batch: Vec<i64> = Vec::new();
        loop {
            let key: Option<i64> = keys.next()?.map(|row| row.get(0)).transpose()?;
            batch.extend(key.filter(|key| found.may_hold(*key)));
            passed += 1;
            let left = end - rows.len() as i64;
            if key.is_none() || left.saturating_add(SPARE) <= batch.len() as i64 {
                let sql = found_statement(self.filter.archived);
                rows.append(&mut self.select(sql, Some(&batch), left, 0)?);
                batch.clear();
            }
            if key.is_none() || end <= rows.len() as i64 {
                return Ok(Some(rows));
            }
            if most < passed {
                return Ok(None);
            }
        }
    }

    fn select(
        &self,
        sql: &str,
        among: Option<&[i64]>,
        limit: i64,
        offset: i64,
    ) -> Result<Vec<SessionRow>> {
        let (modified_at, session_id, session_key) = self.filter.start();
        let mut stmt = self.conn.prepare_cached(sql)?;
        let rows = stmt.query_map(
            named_params! {
                ":work_dir_id": self.work_dir_id,
                ":work_dir": self.filter.work_dir,
                ":query": self.filter.query,
                ":all_sources": self.filter.all_sources,
                ":narrowed": among.map(|keys| serde_json::Value::from(keys).to_string()),
                ":format": self.filter.format,
                ":since": self.filter.since,
                ":modified_at": modified_at,
                ":session_id": session_id,
                ":session_key": session_key,
                ":limit": limit,
                ":offset": offset,
            },
            row_from_row,
        )?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// A work dir with a trailing slash is the same work dir.
pub(crate) const WORK_DIRS: &str = "SELECT work_dir_id
     FROM work_dirs
     WHERE path IN (?1, ?1 || '/')";

fn work_dir_ids(conn: &Connection, path: &str) -> Result<Vec<i64>> {
    let mut stmt = conn.prepare_cached(WORK_DIRS)?;
    let rows = stmt.query_map([path], |row| row.get("work_dir_id"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Reads columns by their position in the statements of lists: looking up names took
/// a measurable part of each page.
pub(super) fn row_from_row(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    let title: Option<Stored> = row.get(3)?;
    Ok(SessionRow {
        key: row.get(0)?,
        format: row.get(1)?,
        session_id: row.get(2)?,
        title: title.as_ref().map(Stored::to_text),
        exact_title: title,
        work_dir: row.get(4)?,
        archived_at: row.get(5)?,
        modified_at: row.get(6)?,
        message_count: row.get::<_, i64>(7)?.unsigned_abs(),
        // These are filled in for all rows of a page at once.
        origin: None,
        tags: Vec::new(),
        has_losses: false,
        is_continued_here: false,
        is_absent: false,
        is_shadowed: false,
    })
}
