//! The store's own sessions by where their files lie.

use rusqlite::{Connection, Row};

use crate::error::Result;
use crate::model::{Format, SessionKey, Timestamp, as_object};

/// A session of the store's own, by its file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionFile {
    /// Names the session in calls to the store.
    pub key: SessionKey,
    /// Below the store's own root; what is no UTF-8 is U+FFFD.
    pub file: String,
    /// The session's id; `None` without a usable header.
    pub session_id: Option<String>,
    /// Its last activity.
    pub modified_at: Timestamp,
    /// Lines of the file.
    pub lines: u32,
}

as_object! { SessionFile { key, file, session_id, modified_at, lines, } }

/// The sessions of one format whose files lie below a folder, by path.
pub(crate) fn session_files(
    conn: &Connection,
    format: Format,
    folder: &str,
) -> Result<Vec<SessionFile>> {
    // Behind a slash comes a zero.
    let folder = folder.trim_end_matches('/');
    let (from, to) = (format!("{folder}/"), format!("{folder}0"));
    let mut stmt = conn.prepare_cached(SESSION_FILES)?;
    let rows = stmt.query_map((format, from.as_bytes(), to.as_bytes()), file_from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

const SESSION_FILES: &str = "
    SELECT session.session_key, session.path, session.session_id, session.modified_at,
           file.line_count
    FROM sources AS source
    CROSS JOIN sessions AS session ON session.source_id = source.source_id
                                  AND session.path >= ?2 AND session.path < ?3
    JOIN files AS file ON file.file_id = session.file_id
    WHERE source.root = x'' AND source.format = ?1 AND session.trashed_at IS NULL
    ORDER BY session.path";

fn file_from_row(row: &Row<'_>) -> rusqlite::Result<SessionFile> {
    let path: Vec<u8> = row.get("path")?;
    Ok(SessionFile {
        key: row.get("session_key")?,
        file: String::from_utf8_lossy(&path).into_owned(),
        session_id: row.get("session_id")?,
        modified_at: row.get("modified_at")?,
        lines: row.get("line_count")?,
    })
}
