//! Heads: what the fold computes of a session, and continues from when its log
//! grows.

use std::borrow::Cow;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::ids::{Id, IdText};
use super::{marks, recent, search, sessions};
use crate::error::Result;
use crate::model::{Header, SessionKey, Stored, Timestamp};

/// The most bytes of a title or first message in a session row.
///
/// Lists show their beginning, and a prompt can be as long as a line. Three copies of a
/// long one would be longer than a row can be.
pub(crate) const MAX_PREVIEW: usize = 1 << 20;

/// The columns of a session row that the fold computes, and those by which lists find
/// it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Head {
    pub(crate) header: Header,
    pub(crate) session_id: Option<String>,
    pub(crate) version: Option<Stored>,
    pub(crate) work_dir_id: Option<i64>,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) activity_at: Option<Timestamp>,
    pub(crate) modified_at: Timestamp,
    pub(crate) parent_session_id: Option<String>,
    pub(crate) parent_session_path: Option<Stored>,
    pub(crate) name: Option<Stored>,
    pub(crate) provider: Option<Stored>,
    pub(crate) model: Option<Stored>,
    pub(crate) reasoning_effort: Option<Stored>,
    pub(crate) title: Option<Stored>,
    pub(crate) first_message: Stored,
    pub(crate) message_count: i64,
    pub(crate) search_text: String,
    pub(crate) archived_at: Option<Timestamp>,
    pub(crate) archive_exempt: bool,
    pub(crate) trashed_at: Option<Timestamp>,
    pub(crate) is_listed: bool,
    /// Whether lists show it only if all sources are asked for.
    pub(crate) is_aside: bool,
    pub(crate) leaf_id: Option<String>,
    pub(crate) entry_count: i64,
    pub(crate) last_entry_key: Option<i64>,
    pub(crate) preview_line_key: Option<i64>,
    /// Whether the age indexes leave it out; see `recent`.
    pub(crate) is_recent: bool,
}

impl Head {
    pub(crate) fn empty() -> Self {
        Self {
            header: Header::Missing,
            session_id: None,
            version: None,
            work_dir_id: None,
            created_at: None,
            activity_at: None,
            modified_at: Timestamp(0),
            parent_session_id: None,
            parent_session_path: None,
            name: None,
            provider: None,
            model: None,
            reasoning_effort: None,
            title: None,
            first_message: Stored::Text(String::new()),
            message_count: 0,
            search_text: String::new(),
            archived_at: None,
            archive_exempt: false,
            trashed_at: None,
            is_listed: true,
            is_aside: false,
            leaf_id: None,
            entry_count: 0,
            last_entry_key: None,
            preview_line_key: None,
            is_recent: false,
        }
    }
}

impl Head {
    /// Whether it differs from an earlier head only in what an append changes.
    fn is_append_to(&self, before: &Self) -> bool {
        let moved = Self {
            activity_at: self.activity_at,
            modified_at: self.modified_at,
            message_count: self.message_count,
            leaf_id: self.leaf_id.clone(),
            entry_count: self.entry_count,
            last_entry_key: self.last_entry_key,
            ..before.clone()
        };
        moved == *self
    }

    /// The head with a title and a first message of at most [`MAX_PREVIEW`] bytes.
    fn bounded(&self) -> Cow<'_, Self> {
        let is_long = |text: &Stored| MAX_PREVIEW < text.len();
        if !self.title.as_ref().is_some_and(is_long) && !is_long(&self.first_message) {
            return Cow::Borrowed(self);
        }
        let mut head = self.clone();
        head.title = head.title.map(|title| title.beginning(MAX_PREVIEW));
        head.first_message = head.first_message.beginning(MAX_PREVIEW);
        Cow::Owned(head)
    }

    fn texts(&self) -> Texts<'_> {
        (&self.search_text, self.title.as_ref(), &self.first_message)
    }
}

pub(crate) fn head(conn: &Connection, session: SessionKey) -> Result<Head> {
    conn.prepare_cached(
        "SELECT header, session_id, version, work_dir_id, created_at, activity_at, modified_at,
                parent_session_id, parent_session_path, name, provider, model, reasoning_effort,
                title, first_message, message_count, search_text, archived_at, archive_exempt,
                trashed_at, is_listed, leaf_id, entry_count, last_entry_key, preview_line_key,
                is_aside, is_recent
         FROM sessions
         WHERE session_key = ?1",
    )?
    .query_row([session], head_from_row)
    .optional()?
    .ok_or_else(|| sessions::not_found(session))
}

/// Writes the head after an append: the columns that an append changes, none of which
/// is indexed.
fn update_progress(conn: &Connection, session: SessionKey, head: &Head) -> Result<()> {
    if !head.is_recent {
        recent::add(conn, session)?;
    }
    conn.prepare_cached(
        // Bound by position: looking up names takes time.
        "UPDATE sessions
         SET activity_at = ?1, modified_at = ?2, message_count = ?3, leaf_id = ?4,
             entry_count = ?5, last_entry_key = ?6
         WHERE session_key = ?7",
    )?
    .execute((
        head.activity_at,
        head.modified_at,
        head.message_count,
        head.leaf_id.as_deref().map(Id::of),
        head.entry_count,
        head.last_entry_key,
        session,
    ))?;
    Ok(())
}

/// Writes a head; `before` is the stored one, if it is known.
pub(crate) fn update_head(
    conn: &Connection,
    session: SessionKey,
    head: &Head,
    before: Option<&Head>,
) -> Result<()> {
    let head = &*head.bounded();
    if before.is_some_and(|before| head.is_append_to(before)) {
        return update_progress(conn, session, head);
    }
    match before {
        Some(before) => take_in(conn, session, head, &before.texts())?,
        None => {
            let read = texts_in_row(conn, session)?;
            if let Some((text, title, first)) = &read {
                take_in(conn, session, head, &(text, title.as_ref(), first))?;
            }
        }
    }
    write(conn, session, head)
}

/// What searches find a session by: its search text, its title, and the first
/// message, of which the title may be the beginning.
type Texts<'a> = (&'a str, Option<&'a Stored>, &'a Stored);

/// Updates the search indexes if the texts differ from those of `before`.
fn take_in(conn: &Connection, session: SessionKey, head: &Head, before: &Texts<'_>) -> Result<()> {
    if head.texts() != *before {
        marks::mark_retitled(conn, session)?;
    }
    if head.search_text != before.0 {
        search::insert(conn, session, &head.search_text)?;
    }
    Ok(())
}

type OwnTexts = (String, Option<Stored>, Stored);

fn texts_in_row(conn: &Connection, session: SessionKey) -> Result<Option<OwnTexts>> {
    Ok(conn
        .prepare_cached(
            "SELECT search_text, title, first_message FROM sessions WHERE session_key = ?1",
        )?
        .query_row([session], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?)
}

/// Writes the head of a session that had none.
pub(crate) fn write_first(conn: &Connection, session: SessionKey, head: &Head) -> Result<()> {
    let head = &*head.bounded();
    search::insert(conn, session, &head.search_text)?;
    write(conn, session, head)
}

fn write(conn: &Connection, session: SessionKey, head: &Head) -> Result<()> {
    conn.prepare_cached(
        // Bound by position: looking up names takes time.
        "UPDATE sessions
         SET header = ?1, session_id = ?2, version = ?3,
             work_dir_id = ?4, created_at = ?5, activity_at = ?6,
             modified_at = ?7, parent_session_id = ?8,
             parent_session_path = ?9, name = ?10, provider = ?11,
             model = ?12, reasoning_effort = ?13, title = ?14,
             first_message = ?15, message_count = ?16,
             search_text = ?17, archived_at = ?18,
             archive_exempt = ?19, trashed_at = ?20, is_listed = ?21,
             leaf_id = ?22, entry_count = ?23,
             last_entry_key = ?24, preview_line_key = ?25,
             is_aside = ?26, is_recent = ?27
         WHERE session_key = ?28",
    )?
    .execute(params![
        head.header,
        head.session_id,
        head.version,
        head.work_dir_id,
        head.created_at,
        head.activity_at,
        head.modified_at,
        head.parent_session_id,
        head.parent_session_path,
        head.name,
        head.provider,
        head.model,
        head.reasoning_effort,
        head.title,
        head.first_message,
        head.message_count,
        head.search_text,
        head.archived_at,
        head.archive_exempt,
        head.trashed_at,
        head.is_listed,
        head.leaf_id.as_deref().map(Id::of),
        head.entry_count,
        head.last_entry_key,
        head.preview_line_key,
        head.is_aside,
        head.is_recent,
        session,
    ])?;
    Ok(())
}

/// Reads columns by their position in [`head`]: by name, they took a twelfth of an
/// append.
fn head_from_row(row: &Row<'_>) -> rusqlite::Result<Head> {
    Ok(Head {
        header: row.get(0)?,
        session_id: row.get(1)?,
        version: row.get(2)?,
        work_dir_id: row.get(3)?,
        created_at: row.get(4)?,
        activity_at: row.get(5)?,
        modified_at: row.get(6)?,
        parent_session_id: row.get(7)?,
        parent_session_path: row.get(8)?,
        name: row.get(9)?,
        provider: row.get(10)?,
        model: row.get(11)?,
        reasoning_effort: row.get(12)?,
        title: row.get(13)?,
        first_message: row.get(14)?,
        message_count: row.get(15)?,
        search_text: row.get(16)?,
        archived_at: row.get(17)?,
        archive_exempt: row.get(18)?,
        trashed_at: row.get(19)?,
        is_listed: row.get(20)?,
        leaf_id: row.get::<_, Option<IdText>>(21)?.map(|id| id.0),
        entry_count: row.get(22)?,
        last_entry_key: row.get(23)?,
        preview_line_key: row.get(24)?,
        is_aside: row.get(25)?,
        is_recent: row.get(26)?,
    })
}
