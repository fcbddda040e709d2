//! Session rows.

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::files::{self, FileRow, FileState};
use super::ids::IdText;
use super::sources::{self, Source};
use crate::error::{Error, Result};
use crate::model::{Format, SessionInfo, SessionKey, Stored, Timestamp, path_of};

/// The error for a session that was purged.
pub(crate) fn not_found(session: SessionKey) -> Error {
    Error::SessionNotFound(session.0.to_string())
}

/// The session whose log is this file.
pub(crate) fn session_of_file(conn: &Connection, file_id: i64) -> Result<Option<SessionKey>> {
    Ok(conn
        .prepare_cached("SELECT session_key FROM sessions WHERE file_id = ?1")?
        .query_row([file_id], |row| row.get("session_key"))
        .optional()?)
}

/// Whether the session of a path has continued here, so that its tables follow the
/// local chain.
pub(crate) fn went_on_here(conn: &Connection, source_id: i64, path: &[u8]) -> Result<bool> {
    Ok(files::file(conn, source_id, path, FileState::Local)?.is_some())
}

/// Inserts an empty session. It starts in the trash, so that no list index has to
/// contain it before its head says where.
pub(crate) fn insert_session(
    conn: &Connection,
    file: &FileRow,
    format: Format,
) -> Result<SessionKey> {
    conn.prepare_cached(
        "INSERT INTO sessions (source_id, path, file_id, format, header, modified_at,
                               first_message, message_count, search_text, trashed_at, entry_count)
         VALUES (?1, ?2, ?3, ?4, 'missing', ?5, '', 0, '', 0, 0)",
    )?
    .execute((file.source_id, &file.path, file.file_id, format, file.mtime.nearest()))?;
    Ok(SessionKey(conn.last_insert_rowid()))
}

/// Inserts an empty session that is a folder of files.
pub(crate) fn insert_folder(
    conn: &Connection,
    source_id: i64,
    path: &[u8],
    format: Format,
) -> Result<SessionKey> {
    conn.prepare_cached(
        "INSERT INTO sessions (source_id, path, format, header, modified_at, first_message,
                               message_count, search_text, trashed_at, entry_count)
         VALUES (:source_id, :path, :format, 'missing', 0, '', 0, '', 0, 0)",
    )?
    .execute(named_params! { ":source_id": source_id, ":path": path, ":format": format })?;
    Ok(SessionKey(conn.last_insert_rowid()))
}

/// The session with this path below a root.
pub(crate) fn session_at(
    conn: &Connection,
    source_id: i64,
    path: &[u8],
) -> Result<Option<SessionKey>> {
    Ok(conn
        .prepare_cached("SELECT session_key FROM sessions WHERE source_id = ?1 AND path = ?2")?
        .query_row((source_id, path), |row| row.get("session_key"))
        .optional()?)
}

/// The source and the path of a session.
pub(crate) fn place(conn: &Connection, session: SessionKey) -> Result<Option<(Source, Vec<u8>)>> {
    let found: Option<(i64, Vec<u8>)> = conn
        .prepare_cached("SELECT source_id, path FROM sessions WHERE session_key = ?1")?
        .query_row([session], |row| Ok((row.get("source_id")?, row.get("path")?)))
        .optional()?;
    let Some((source_id, path)) = found else { return Ok(None) };
    Ok(Some((sources::by_id(conn, source_id)?, path)))
}

pub(crate) fn is_there(conn: &Connection, session: SessionKey) -> Result<bool> {
    Ok(conn.prepare_cached("SELECT 1 FROM sessions WHERE session_key = ?1")?.exists([session])?)
}

/// The sessions of a root and their paths.
pub(crate) fn sessions_of_source(
    conn: &Connection,
    source_id: i64,
) -> Result<Vec<(SessionKey, Vec<u8>)>> {
    let mut stmt =
        conn.prepare_cached("SELECT session_key, path FROM sessions WHERE source_id = ?1")?;
    let rows =
        stmt.query_map([source_id], |row| Ok((row.get("session_key")?, row.get("path")?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A session, its place, and the session that it comes from.
#[derive(Debug)]
pub(crate) struct SessionPlace {
    pub(crate) session: SessionKey,
    pub(crate) path: Vec<u8>,
    pub(crate) parent_id: Option<String>,
}

/// The sessions of a root between two paths, by path.
pub(crate) fn sessions_between(
    conn: &Connection,
    source_id: i64,
    from: &[u8],
    to: &[u8],
) -> Result<Vec<SessionPlace>> {
    let mut stmt = conn.prepare_cached(
        "SELECT session_key, path, parent_session_id
         FROM sessions
         WHERE source_id = ?1 AND path >= ?2 AND path < ?3
         ORDER BY path",
    )?;
    let rows = stmt.query_map((source_id, from, to), |row| {
        Ok(SessionPlace {
            session: row.get("session_key")?,
            path: row.get("path")?,
            parent_id: row.get("parent_session_id")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Makes lists show only the newest session of an id below a root, among those that
/// they show at all and that are not in the trash.
pub(crate) fn list_newest(conn: &Connection, source_id: i64, id: &str) -> Result<()> {
    let mut stmt = conn.prepare_cached(
        "SELECT session_key, is_listed, trashed_at IS NOT NULL AS is_trashed
         FROM sessions
         WHERE session_id = ?2 AND source_id = ?1 AND is_listed <> 0
         ORDER BY modified_at DESC, session_key DESC",
    )?;
    let rows = stmt.query_map((source_id, id), |row| {
        Ok((row.get("session_key")?, row.get("is_listed")?, row.get("is_trashed")?))
    })?;
    let rows: Vec<(SessionKey, i64, bool)> = rows.collect::<Result<_, _>>()?;
    let mut newest = None;
    for (session, is_listed, is_trashed) in rows {
        if newest.is_none() && !is_trashed {
            newest = Some(session);
        }
        let shows = is_trashed || newest == Some(session);
        let wanted = if shows { LISTED } else { BEHIND_NEWER };
        if is_listed != wanted {
            conn.prepare_cached("UPDATE sessions SET is_listed = ?2 WHERE session_key = ?1")?
                .execute((session, wanted))?;
        }
    }
    Ok(())
}

const LISTED: i64 = 1;
/// The `listed` value of a session that is hidden behind a newer one of the same id.
const BEHIND_NEWER: i64 = 2;

/// Changes the path of a session below its root.
pub(crate) fn update_path(conn: &Connection, session: SessionKey, path: &[u8]) -> Result<()> {
    conn.prepare_cached("UPDATE sessions SET path = ?2 WHERE session_key = ?1")?
        .execute((session, path))?;
    Ok(())
}

/// Points a session, and the problems of its lines, to another chain of its file.
pub(crate) fn update_session_file(
    conn: &Connection,
    session: SessionKey,
    file_id: i64,
) -> Result<()> {
    conn.prepare_cached("UPDATE sessions SET file_id = ?2 WHERE session_key = ?1")?
        .execute((session, file_id))?;
    // Losses are recorded for the chain that still has the lines.
    conn.prepare_cached(
        "UPDATE problems
         SET file_id = ?2
         WHERE session_key = ?1 AND kind NOT IN ('overwritten', 'vanished', 'diverged')",
    )?
    .execute((session, file_id))?;
    Ok(())
}

/// The file of a session's log, and its source; `None` if the session consists of
/// several files.
pub(crate) fn file_of(conn: &Connection, session: SessionKey) -> Result<Option<(FileRow, Source)>> {
    if let Some(found) = log_of(conn, session)? {
        return Ok(Some(found));
    }
    let file_id: Option<Option<i64>> = conn
        .prepare_cached("SELECT file_id FROM sessions WHERE session_key = ?1")?
        .query_row([session], |row| row.get(0))
        .optional()?;
    let Some(file_id) = file_id.flatten() else { return Ok(None) };
    // This returns the error that says what is missing.
    let file = files::file_by_id(conn, file_id)?;
    let source = sources::by_id(conn, file.source_id)?;
    Ok(Some((file, source)))
}

/// As [`file_of`], in one query.
fn log_of(conn: &Connection, session: SessionKey) -> Result<Option<(FileRow, Source)>> {
    Ok(conn
        .prepare_cached(
            "SELECT file.file_id, file.source_id, file.path, file.generation, file.kind, file.state,
                    file.mode, file.mtime, file.inode, file.size, file.line_count, file.sha256,
                    file.link_target, file.read_at, file.missing_at, file.base_id, file.base_count,
                    file.mtime_beyond, file.lost, source.root, source.format,
                    source.origin
             FROM sessions AS session
             CROSS JOIN files AS file ON file.file_id = session.file_id
             CROSS JOIN sources AS source ON source.source_id = file.source_id
             WHERE session.session_key = ?1",
        )?
        .query_row([session], |row| {
            let file = files::file_from_row(row)?;
            let (root, format, origin) = (row.get(19)?, row.get(20)?, row.get(21)?);
            Ok((Source { source_id: file.source_id, root, format, origin }, file))
        })
        .optional()?
        .map(|(source, file)| (file, source)))
}

/// The host of a session's work dir; `None` if it has none.
pub(crate) fn host(conn: &Connection, session: SessionKey) -> Result<Option<String>> {
    Ok(conn
        .prepare_cached(
            "SELECT dir.host
             FROM sessions AS session
             JOIN work_dirs AS dir ON dir.work_dir_id = session.work_dir_id
             WHERE session.session_key = ?1",
        )?
        .query_row([session], |row| row.get("host"))
        .optional()?)
}

pub(crate) fn delete_session(conn: &Connection, session: SessionKey) -> Result<()> {
    conn.prepare_cached("DELETE FROM sessions WHERE session_key = ?1")?.execute([session])?;
    Ok(())
}

pub(crate) fn update_mtime(conn: &Connection, session: SessionKey, mtime: Timestamp) -> Result<()> {
    conn.prepare_cached(
        "UPDATE sessions
         SET modified_at = ?2
         WHERE session_key = ?1",
    )?
    .execute((session, mtime))?;
    Ok(())
}

/// The sessions of a source that are in the trash.
pub(crate) fn trashed(conn: &Connection, source_id: i64) -> Result<Vec<SessionKey>> {
    let mut stmt = conn.prepare_cached(
        "SELECT session_key FROM sessions WHERE source_id = ?1 AND trashed_at IS NOT NULL",
    )?;
    let rows = stmt.query_map([source_id], |row| row.get("session_key"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Sessions of a source whose header was recovered from the file's name, with their
/// paths.
pub(crate) fn recovered_sessions(
    conn: &Connection,
    source_id: i64,
) -> Result<Vec<(SessionKey, Vec<u8>)>> {
    let mut stmt = conn.prepare_cached(
        "SELECT session.session_key, session.path
         FROM sessions AS session
         WHERE session.header = 'recovered' AND session.source_id = ?1",
    )?;
    let rows =
        stmt.query_map([source_id], |row| Ok((row.get("session_key")?, row.get("path")?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The work dirs that the headers of files directly in a folder name; at most two.
pub(crate) fn work_dirs_of_folder(
    conn: &Connection,
    source_id: i64,
    folder: &[u8],
) -> Result<Vec<i64>> {
    let mut stmt = conn.prepare_cached(
        "SELECT DISTINCT session.work_dir_id
         FROM sessions AS session
         WHERE session.source_id = :source_id
           AND session.path > :folder
           AND session.path < :behind
           AND instr(substr(session.path, length(:folder) + 1), x'2F') = 0
           AND session.header = 'stored'
           AND session.work_dir_id IS NOT NULL
         LIMIT 2",
    )?;
    // '0' is the byte after '/'.
    let behind = [folder.strip_suffix(b"/").unwrap_or(folder), b"0"].concat();
    let rows = stmt.query_map(
        named_params! { ":source_id": source_id, ":folder": folder, ":behind": behind },
        |row| row.get("work_dir_id"),
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The host name that stands for this machine.
pub(crate) const LOCAL: &str = "local";

/// The id of a work dir; adds a row if it is new.
pub(crate) fn work_dir_id(conn: &Connection, path: &str, host: &str) -> Result<i64> {
    let known = conn
        .prepare_cached("SELECT work_dir_id FROM work_dirs WHERE path = ?1 AND host = ?2")?
        .query_row([path, host], |row| row.get(0))
        .optional()?;
    if let Some(known) = known {
        return Ok(known);
    }
    conn.prepare_cached("INSERT INTO work_dirs (path, host) VALUES (?1, ?2)")?
        .execute([path, host])?;
    Ok(conn.last_insert_rowid())
}

/// Removes work dirs that no session refers to.
pub(crate) fn delete_unused_work_dirs(conn: &Connection) -> Result<()> {
    conn.prepare_cached(
        "DELETE FROM work_dirs
         WHERE work_dir_id NOT IN (SELECT work_dir_id
                                   FROM sessions
                                   WHERE work_dir_id IS NOT NULL)",
    )?
    .execute([])?;
    Ok(())
}

/// The id of a session, if its header has one.
pub(crate) fn session_id(conn: &Connection, session: SessionKey) -> Result<Option<String>> {
    Ok(conn
        .prepare_cached("SELECT session_id FROM sessions WHERE session_key = ?1")?
        .query_row([session], |row| row.get("session_id"))?)
}

/// A session with exactly this id.
pub(crate) fn session_of_id(conn: &Connection, id: &str) -> Result<Option<SessionKey>> {
    Ok(conn
        .prepare_cached("SELECT session_key FROM sessions WHERE session_id = ?1 LIMIT 1")?
        .query_row([id], |row| row.get("session_key"))
        .optional()?)
}

pub(crate) fn work_dir_path(conn: &Connection, work_dir_id: i64) -> Result<String> {
    Ok(conn
        .prepare_cached("SELECT path FROM work_dirs WHERE work_dir_id = ?1")?
        .query_row([work_dir_id], |row| row.get("path"))?)
}

pub(crate) fn insert_metadata(
    conn: &Connection,
    session: SessionKey,
    key: &str,
    value: &str,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO metadata (session_key, is_own, key, value)
         VALUES (:session_key, 0, :key, :value)",
    )?
    .execute(named_params! { ":session_key": session, ":key": key, ":value": value })?;
    Ok(())
}

pub(crate) fn info(conn: &Connection, session: SessionKey) -> Result<Option<SessionInfo>> {
    Ok(conn
        .prepare_cached(
            "SELECT session.session_key, session.format, source.root,
                    nullif(source.origin, '') AS origin, session.path, file.mtime,
                    session.session_id, session.header, session.version,
                    dir.path AS work_dir, session.title, session.name, session.provider,
                    session.model, session.reasoning_effort, session.parent_session_id,
                    session.parent_session_path, session.leaf_id, session.created_at,
                    session.modified_at, session.first_message, session.message_count,
                    session.entry_count, session.archived_at, session.trashed_at
             FROM sessions AS session
             LEFT JOIN files AS file ON file.file_id = session.file_id
             JOIN sources AS source ON source.source_id = session.source_id
             LEFT JOIN work_dirs AS dir ON dir.work_dir_id = session.work_dir_id
             WHERE session.session_key = ?1",
        )?
        .query_row([session], info_from_row)
        .optional()?)
}

/// The id of the session that a session was cloned or forked from.
pub(crate) fn parent_session_id(conn: &Connection, session: SessionKey) -> Result<Option<String>> {
    Ok(conn
        .prepare_cached("SELECT parent_session_id FROM sessions WHERE session_key = ?1")?
        .query_row([session], |row| row.get("parent_session_id"))?)
}

/// Every session, by root and file.
pub(crate) fn sessions_by_file(conn: &Connection) -> Result<Vec<SessionKey>> {
    let mut stmt = conn.prepare_cached(
        "SELECT session.session_key
         FROM sessions AS session
         JOIN sources AS source ON source.source_id = session.source_id
         ORDER BY source.root, source.origin, session.path",
    )?;
    let rows = stmt.query_map([], |row| row.get("session_key"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The sessions with this id, else those whose id begins with it.
pub(crate) fn sessions_by_id(conn: &Connection, id: &str) -> Result<Vec<SessionKey>> {
    let mut exact = conn.prepare_cached(
        // If lists show one of several sessions with the same id, only that one is
        // returned.
        "SELECT session_key
         FROM sessions
         WHERE session_id = ?1
           AND (is_listed <> 0
                OR NOT EXISTS (SELECT 1
                               FROM sessions AS listed
                               WHERE listed.session_id = ?1 AND listed.is_listed <> 0))
         ORDER BY session_key
         LIMIT 20",
    )?;
    let found: Vec<SessionKey> =
        exact.query_map([id], |row| row.get("session_key"))?.collect::<Result<_, _>>()?;
    if !found.is_empty() || id.is_empty() {
        return Ok(found);
    }
    // A range rather than LIKE, which would not use the index.
    let mut prefix = conn.prepare_cached(BY_PREFIX)?;
    let rows = prefix.query_map([id], |row| row.get("session_key"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) const BY_PREFIX: &str = "
    SELECT session_key
    FROM sessions
    WHERE session_id >= ?1
      AND session_id < ?1 || char(0x10FFFF)
      AND (is_listed <> 0
           OR NOT EXISTS (SELECT 1
                          FROM sessions AS listed
                          WHERE listed.session_id = sessions.session_id
                            AND listed.is_listed <> 0))
    ORDER BY session_id
    LIMIT 20";

/// Sessions whose file has this path below any root.
pub(crate) fn sessions_by_path(conn: &Connection, path: &[u8]) -> Result<Vec<SessionKey>> {
    let mut stmt = conn.prepare_cached(BY_PATH)?;
    let rows = stmt.query_map([path], |row| row.get("session_key"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// There are few sources; one path is looked up in each.
pub(crate) const BY_PATH: &str = "
    SELECT session.session_key
    FROM sources AS source
    CROSS JOIN sessions AS session ON session.source_id = source.source_id
                                  AND session.path = ?1";

fn info_from_row(row: &Row<'_>) -> rusqlite::Result<SessionInfo> {
    let created_at: Option<Timestamp> = row.get("created_at")?;
    let mtime: Option<Timestamp> = row.get("mtime")?;
    let modified_at: Timestamp = row.get("modified_at")?;
    let title: Option<Stored> = row.get("title")?;
    let first_message: Stored = row.get("first_message")?;
    Ok(SessionInfo {
        key: row.get("session_key")?,
        format: row.get("format")?,
        root: path_of(row.get("root")?),
        origin: row.get("origin")?,
        file: path_of(row.get("path")?),
        session_id: row.get("session_id")?,
        header: row.get("header")?,
        version: row.get("version")?,
        work_dir: row.get("work_dir")?,
        title: title.as_ref().map(Stored::to_text),
        exact_title: title,
        name: row.get("name")?,
        provider: row.get("provider")?,
        model: row.get("model")?,
        reasoning_effort: row.get("reasoning_effort")?,
        parent_session_id: row.get("parent_session_id")?,
        parent_session_path: row.get("parent_session_path")?,
        leaf: row.get::<_, Option<IdText>>("leaf_id")?.map(|id| id.0),
        created_at: created_at.or(mtime).unwrap_or(modified_at),
        modified_at,
        first_message: first_message.to_text(),
        exact_first_message: first_message,
        message_count: row.get::<_, i64>("message_count")?.unsigned_abs(),
        entry_count: row.get::<_, i64>("entry_count")?.unsigned_abs(),
        archived_at: row.get("archived_at")?,
        trashed_at: row.get("trashed_at")?,
    })
}
