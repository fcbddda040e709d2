//! The full-text indexes of entries and titles.

use std::ops::Range;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};

use super::ids::word_or_null;
use super::marks::{self, Stale};
use super::{entries, titles};
use crate::error::Result;
use crate::model::{Format, RecordPlace, SessionKey, Stored, Timestamp};

/// The columns of the indexes: parts of an entry's text, and the title of a session.
pub(crate) const COLUMNS: [&str; 4] = ["prose", "thinking", "tools", "title"];

/// The position of the title column among all columns.
pub(crate) const TITLE: usize = 3;

/// An index of some of the columns. Columns that are rarely asked for have an index
/// of their own, which is filled when it is first used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Index {
    Said,
    Tools,
}

impl Index {
    pub(crate) const ALL: [Self; 2] = [Self::Said, Self::Tools];

    /// The positions of its columns among all columns.
    pub(crate) fn columns(self) -> Range<usize> {
        match self {
            Self::Said => 0..2,
            Self::Tools => 2..3,
        }
    }

    /// The table's name in findings.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Said => "message_search",
            Self::Tools => "tool_search",
        }
    }

    pub(super) fn is_of_tools(self) -> bool {
        self == Self::Tools
    }
}

/// Adds an entry's prepared text: the columns of the index.
pub(crate) fn insert(
    conn: &Connection,
    index: Index,
    entry_key: i64,
    columns: &[String],
) -> Result<()> {
    let mut stmt = conn.prepare_cached(match index {
        Index::Said => "INSERT INTO message_search (rowid, prose, thinking) VALUES (?1, ?2, ?3)",
        Index::Tools => "INSERT INTO tool_search (rowid, tools) VALUES (?1, ?2)",
    })?;
    stmt.raw_bind_parameter(1, entry_key)?;
    for (place, column) in (2..).zip(columns) {
        stmt.raw_bind_parameter(place, column)?;
    }
    stmt.raw_execute()?;
    Ok(())
}

/// Removes a session from an index.
pub(crate) fn remove(conn: &Connection, index: Index, session: SessionKey) -> Result<()> {
    conn.prepare_cached(removal(index))?.execute(entries::keys(session))?;
    if index == Index::Said {
        titles::remove(conn, session)?;
    }
    conn.prepare_cached("DELETE FROM search_marks WHERE session_key = ?1 AND is_of_tools = ?2")?
        .execute((session, index.is_of_tools()))?;
    Ok(())
}

pub(crate) fn removal(index: Index) -> &'static str {
    match index {
        Index::Said => "DELETE FROM message_search WHERE rowid BETWEEN ?1 AND ?2",
        Index::Tools => "DELETE FROM tool_search WHERE rowid BETWEEN ?1 AND ?2",
    }
}

/// Empties the indexes; the next search fills them again.
pub(crate) fn clear(conn: &Connection) -> Result<()> {
    conn.execute_batch(
        "INSERT INTO message_search (message_search) VALUES ('delete-all');
         INSERT INTO title_search (title_search) VALUES ('delete-all');
         INSERT INTO tool_search (tool_search) VALUES ('delete-all');
         DELETE FROM search_marks;",
    )?;
    Ok(())
}

/// Removes the words of deleted entries from the indexes.
pub(crate) fn merge(conn: &Connection) -> Result<()> {
    for index in Index::ALL {
        let marks = marks::marks(conn, index)?.into_iter();
        let stale = marks.filter(|(_, mark)| mark.stale != Stale::Nothing);
        let stale = stale.map(|(session, _)| session);
        stale.into_iter().try_for_each(|session| remove(conn, index, session))?;
    }
    conn.execute_batch(
        "INSERT INTO message_search (message_search) VALUES ('optimize');
         INSERT INTO tool_search (tool_search) VALUES ('optimize');",
    )?;
    Ok(())
}

/// The entries that an index finds, by key, up to a limit; of one session, or of all.
pub(crate) fn matching(
    conn: &Connection,
    index: Index,
    query: &str,
    only: Option<SessionKey>,
    limit: Option<usize>,
) -> Result<Vec<i64>> {
    let [first, last] = only.map_or([0, i64::MAX], entries::keys);
    let mut stmt = conn.prepare_cached(matches(index))?;
    let rows = stmt.query_map((query, first, last), |row| row.get(0))?;
    // No `LIMIT ?`: for a virtual table, SQLite prepares the statement again
    // whenever the limit differs.
    Ok(rows.take(limit.unwrap_or(usize::MAX)).collect::<Result<_, _>>()?)
}

pub(crate) fn matches(index: Index) -> &'static str {
    match index {
        Index::Said => {
            "SELECT rowid
             FROM message_search
             WHERE message_search MATCH ?1
               AND rowid BETWEEN ?2 AND ?3"
        }
        Index::Tools => {
            "SELECT rowid
             FROM tool_search
             WHERE tool_search MATCH ?1
               AND rowid BETWEEN ?2 AND ?3"
        }
    }
}

/// The bm25 rank of each entry that an index finds; smaller is better.
pub(crate) fn ranks(conn: &Connection, index: Index, query: &str) -> Result<Vec<(i64, f64)>> {
    let mut stmt = conn.prepare_cached(ranking(index))?;
    let rows = stmt.query_map([query], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn ranking(index: Index) -> &'static str {
    match index {
        Index::Said => "SELECT rowid, rank FROM message_search WHERE message_search MATCH ?1",
        Index::Tools => "SELECT rowid, rank FROM tool_search WHERE tool_search MATCH ?1",
    }
}

/// Whether an index has as many rows as its marks say. If something else had deleted
/// rows, they would be missing from results without any other sign.
pub(crate) fn is_whole(conn: &Connection, index: Index) -> Result<bool> {
    Ok(conn
        .prepare_cached(match index {
            Index::Said => {
                "SELECT (SELECT ifnull(sum(row_count), 0) FROM main.search_marks WHERE is_of_tools = 0)
                      = (SELECT count(*) FROM message_search_docsize)
                      + (SELECT count(*) FROM title_search_docsize)"
            }
            Index::Tools => {
                "SELECT (SELECT ifnull(sum(row_count), 0) FROM main.search_marks WHERE is_of_tools = 1)
                      = (SELECT count(*) FROM tool_search_docsize)"
            }
        })?
        .query_row([], |row| row.get(0))?)
}

/// What a search needs to know of a session.
#[derive(Debug)]
pub(crate) struct SessionFacts {
    pub(crate) format: Format,
    pub(crate) session_id: Option<String>,
    /// Its file or folder below its root; invalid UTF-8 is replaced by U+FFFD.
    pub(crate) file: String,
    pub(crate) modified_at: Timestamp,
    pub(crate) is_archived: bool,
    pub(crate) is_trashed: bool,
    pub(crate) work_dir: Option<String>,
    pub(crate) title: Option<String>,
    /// Whether the title is the beginning of the first message, which is found
    /// itself.
    pub(crate) is_of_message: bool,
}

impl SessionFacts {
    /// The title, unless it is found as the first message.
    pub(crate) fn own_title(&self) -> Option<&str> {
        self.title.as_deref().filter(|_| !self.is_of_message)
    }
}

pub(crate) fn session(conn: &Connection, session: SessionKey) -> Result<Option<SessionFacts>> {
    Ok(conn
        .prepare_cached(
            "SELECT session.format, session.modified_at, session.archived_at IS NOT NULL,
                    session.trashed_at IS NOT NULL, dir.path, session.title,
                    session.first_message, session.session_id, session.path
             FROM sessions AS session
             LEFT JOIN work_dirs AS dir ON dir.work_dir_id = session.work_dir_id
             WHERE session.session_key = ?1",
        )?
        .query_row([session], |row| {
            let title: Option<Stored> = row.get(5)?;
            let title = title.as_ref().map(Stored::to_text);
            let first: Stored = row.get(6)?;
            Ok(SessionFacts {
                is_of_message: title.as_ref().is_some_and(|title| begins(&first.to_text(), title)),
                format: row.get(0)?,
                session_id: row.get(7)?,
                file: String::from_utf8_lossy(row.get_ref(8)?.as_bytes()?).into_owned(),
                modified_at: row.get(1)?,
                is_archived: row.get(2)?,
                is_trashed: row.get(3)?,
                work_dir: row.get(4)?,
                title,
            })
        })
        .optional()?)
}

/// Whether a text begins with a title, which may be cut and differ in white space.
fn begins(text: &str, title: &str) -> bool {
    let title = title.trim_end_matches(['.', '…', ' ']);
    if text.starts_with(title) {
        return true;
    }
    let mut words = text.split_whitespace();
    let mut title = title.split_whitespace().peekable();
    while let Some(word) = title.next() {
        let is_last = title.peek().is_none();
        let is_same = |own: &str| own == word || is_last && own.starts_with(word);
        if !words.next().is_some_and(is_same) {
            return false;
        }
    }
    true
}

/// Every session, in no particular order.
pub(crate) fn all_sessions(conn: &Connection) -> Result<Vec<SessionKey>> {
    let mut stmt = conn.prepare_cached("SELECT session_key FROM sessions")?;
    let rows = stmt.query_map([], |row| row.get("session_key"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What a search needs to know of an entry before it reads its line.
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

/// Calls `each` for the entries of a session from an ordinal on, until it returns a
/// stop.
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
        role: word_or_null(row.get_ref(1)?)?.map(str::to_owned),
        created_at: row.get(2)?,
        place: RecordPlace { line_key: row.get(3)?, span: row.get(4)? },
    })
}

/// The model of an entry: the one it names itself, else the session's last.
pub(crate) fn model(conn: &Connection, entry_key: i64) -> Result<Option<String>> {
    Ok(conn
        .prepare_cached(
            "SELECT coalesce(usage.model, session.model) AS model
             FROM sessions AS session
             LEFT JOIN usages AS usage ON usage.entry_key = ?1
             WHERE session.session_key = ?1 >> 32",
        )?
        .query_row([entry_key], |row| match row.get_ref("model")?.data_type() {
            // A model that is not a string cannot be asked for by name.
            Type::Text => row.get("model"),
            _ => Ok(None),
        })
        .optional()?
        .flatten())
}

/// A word in an index, and its place.
pub(crate) struct Word<'a> {
    pub(crate) session: i64,
    pub(crate) text: &'a [u8],
    /// The row: an entry, or a session if the word is in its title.
    pub(crate) key: i64,
    /// The position among [`COLUMNS`].
    pub(crate) column: usize,
    /// The position among the words of its column.
    pub(crate) offset: i64,
}

/// Calls `each` for every word of an index; for the prose index, including titles.
pub(crate) fn each_word(
    conn: &Connection,
    index: Index,
    mut each: impl FnMut(Word<'_>) -> Result<()>,
) -> Result<()> {
    let tables: &[&str] = match index {
        Index::Said => &[
            "CREATE VIRTUAL TABLE temp.words USING fts5vocab (main, message_search, instance)",
            "CREATE VIRTUAL TABLE temp.words USING fts5vocab (main, title_search, instance)",
        ],
        Index::Tools => {
            &["CREATE VIRTUAL TABLE temp.words USING fts5vocab (main, tool_search, instance)"]
        }
    };
    for table in tables {
        conn.execute_batch(table)?;
        {
            let mut stmt = conn.prepare("SELECT term, doc, col, offset FROM temp.words")?;
            let mut rows = stmt.query([])?;
            while let Some(row) = rows.next()? {
                let name = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
                let column = COLUMNS.iter().position(|column| *column == name).unwrap_or_default();
                let key: i64 = row.get(1)?;
                each(Word {
                    session: if column == TITLE { key } else { key >> 32 },
                    text: row.get_ref(0)?.as_bytes().map_err(rusqlite::Error::from)?,
                    key,
                    column,
                    offset: row.get(3)?,
                })?;
            }
        }
        conn.execute_batch("DROP TABLE temp.words")?;
    }
    Ok(())
}
