//! Events: decisions made here that no session file holds.

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::heads::Head;
use super::{metadata, sessions};
use crate::error::Result;
use crate::model::{SessionKey, Timestamp, named_enum};

named_enum! {
    pub(crate) enum EventKind {
        Archive = "archive",
        Unarchive = "unarchive",
        Trash = "trash",
        Restore = "restore",
        Relink = "relink",
        Remember = "remember",
        /// A label, in a format whose files have no record for labels.
        Label = "label",
        /// A moved leaf, in a format that has no record for that.
        Branch = "branch",
        /// Metadata that an application set.
        Metadata = "metadata",
        Tag = "tag",
        Untag = "untag",
    }
}

pub(crate) fn insert_event(
    conn: &Connection,
    session: SessionKey,
    kind: EventKind,
    at: Timestamp,
    value: Option<&str>,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO events (session_key, kind, at, value)
         VALUES (:session_key, :kind, :at, :value)",
    )?
    .execute(named_params! {
        ":session_key": session,
        ":kind": kind,
        ":at": at,
        ":value": value,
    })?;
    Ok(())
}

/// A decision about a session.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) kind: EventKind,
    pub(crate) at: Timestamp,
    pub(crate) value: Option<String>,
}

/// Applies a session's events to its row, in order.
pub(crate) fn apply_all(conn: &Connection, session: SessionKey, head: &mut Head) -> Result<()> {
    let mut stmt = conn.prepare_cached(ALL)?;
    let mut rows = stmt.query([session])?;
    while let Some(row) = rows.next()? {
        apply(conn, session, head, &event_from_row(row)?)?;
    }
    Ok(())
}

/// Applies an event to a session's row, after those before it.
pub(crate) fn apply(
    conn: &Connection,
    session: SessionKey,
    head: &mut Head,
    event: &Event,
) -> Result<()> {
    match event.kind {
        EventKind::Archive => (head.archived_at, head.archive_exempt) = (Some(event.at), false),
        EventKind::Unarchive => (head.archived_at, head.archive_exempt) = (None, true),
        EventKind::Trash => head.trashed_at = Some(event.at),
        EventKind::Restore => head.trashed_at = None,
        EventKind::Relink => {
            if let Some(work_dir) = &event.value {
                head.work_dir_id = Some(sessions::work_dir_id(conn, work_dir, sessions::LOCAL)?);
            }
        }
        EventKind::Metadata | EventKind::Tag | EventKind::Untag => {
            metadata::apply(conn, session, event.kind, event.value.as_deref())?;
        }
        EventKind::Remember | EventKind::Label | EventKind::Branch => {}
    }
    Ok(())
}

/// All events of a session, in order.
pub(crate) fn all(conn: &Connection, session: SessionKey) -> Result<Vec<Event>> {
    let mut stmt = conn.prepare_cached(ALL)?;
    let rows = stmt.query_map([session], event_from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The events of a session, in order.
const ALL: &str = "SELECT kind, at, value
     FROM events
     WHERE session_key = ?1
     ORDER BY event_id";

fn event_from_row(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event { kind: row.get("kind")?, at: row.get("at")?, value: row.get("value")? })
}

/// Replaces all events of a session.
pub(crate) fn replace(conn: &Connection, session: SessionKey, events: &[Event]) -> Result<()> {
    conn.prepare_cached("DELETE FROM events WHERE session_key = ?1")?.execute([session])?;
    events.iter().try_for_each(|event| {
        insert_event(conn, session, event.kind, event.at, event.value.as_deref())
    })
}

/// Source and path of every session that has events.
pub(crate) fn decided(conn: &Connection) -> Result<Vec<(i64, Vec<u8>)>> {
    let mut stmt = conn.prepare_cached(
        "SELECT session.source_id, session.path
         FROM sessions AS session
         WHERE EXISTS (SELECT 1 FROM events WHERE events.session_key = session.session_key)
         ORDER BY session.session_key",
    )?;
    let rows = stmt.query_map([], |row| Ok((row.get("source_id")?, row.get("path")?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The label events of a session, in order: event id, time and value.
pub(crate) fn labels(
    conn: &Connection,
    session: SessionKey,
) -> Result<Vec<(i64, Timestamp, String)>> {
    let mut stmt = conn.prepare_cached(LABELS)?;
    let rows = stmt.query_map([session], |row| {
        Ok((row.get("event_id")?, row.get("at")?, row.get("value")?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) const LABELS: &str = "SELECT event_id, at, ifnull(value, '') AS value
     FROM events
     WHERE session_key = ?1 AND kind = 'label'
     ORDER BY event_id";

/// A leaf that was moved by an event.
#[derive(Debug)]
pub(crate) struct MovedLeaf {
    pub(crate) leaf_id: Option<String>,
    /// How many lines the file had at that time.
    pub(crate) lines: u32,
    /// The checksum of the last of those lines without its terminator; `None` if
    /// there was none.
    pub(crate) checksum: Option<u32>,
}

/// The last event that moved the leaf.
pub(crate) fn moved_leaf(conn: &Connection, session: SessionKey) -> Result<Option<MovedLeaf>> {
    Ok(conn
        .prepare_cached(MOVED_LEAF)?
        .query_row([session], |row| {
            Ok(MovedLeaf {
                leaf_id: row.get("leaf_id")?,
                lines: row.get("lines")?,
                checksum: row.get("checksum")?,
            })
        })
        .optional()?)
}

/// A search by kind: other events may be many.
pub(super) const MOVED_LEAF: &str =
    "SELECT value ->> 0 AS leaf_id, value ->> 1 AS lines, value ->> 2 AS checksum
     FROM events
     WHERE session_key = ?1 AND kind = 'branch'
     ORDER BY event_id DESC
     LIMIT 1";

/// Whether a session has events.
pub(crate) fn has_any(conn: &Connection, session: SessionKey) -> Result<bool> {
    Ok(conn.prepare_cached("SELECT 1 FROM events WHERE session_key = ?1")?.exists([session])?)
}

pub(crate) fn is_relinked(conn: &Connection, session: SessionKey) -> Result<bool> {
    Ok(conn.prepare_cached(RELINKED)?.exists([session])?)
}

pub(super) const RELINKED: &str = "SELECT 1 FROM events WHERE session_key = ?1 AND kind = 'relink'";

/// Sessions to archive: not active since this time, not archived, not exempt, and not in
/// the trash.
pub(crate) fn sessions_to_archive(
    conn: &Connection,
    modified_before: Timestamp,
) -> Result<Vec<SessionKey>> {
    let mut stmt = conn.prepare_cached(
        "SELECT session_key
         FROM sessions
         WHERE trashed_at IS NULL
           AND archived_at IS NULL
           AND archive_exempt = 0
           AND modified_at <= ?1",
    )?;
    let rows = stmt.query_map([modified_before], |row| row.get("session_key"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The session remembered last in a work dir, with or without a trailing slash,
/// unless it is in the trash.
pub(crate) fn remembered(conn: &Connection, work_dir: &str) -> Result<Option<SessionKey>> {
    Ok(conn
        .prepare_cached(
            "SELECT event.session_key
             FROM events AS event
             CROSS JOIN sessions AS session ON session.session_key = event.session_key
             CROSS JOIN work_dirs AS dir ON dir.work_dir_id = session.work_dir_id
             WHERE event.kind = 'remember'
               AND rtrim(dir.path, '/') = rtrim(?1, '/')
               AND session.trashed_at IS NULL
             ORDER BY event.at DESC, event.event_id DESC
             LIMIT 1",
        )?
        .query_row([work_dir], |row| row.get("session_key"))
        .optional()?)
}

/// Sessions of a work dir, including the trash.
pub(crate) fn sessions_of_work_dir(conn: &Connection, work_dir: &str) -> Result<Vec<SessionKey>> {
    let mut stmt = conn.prepare_cached(
        "SELECT session.session_key
         FROM work_dirs AS dir
         JOIN sessions AS session ON session.work_dir_id = dir.work_dir_id
         WHERE dir.path = ?1 AND dir.host = 'local'
         ORDER BY session.session_key",
    )?;
    let rows = stmt.query_map([work_dir], |row| row.get("session_key"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
