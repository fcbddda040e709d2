//! Sessions by where their files are in their program's folder.

use rusqlite::{Connection, Row, named_params};

use crate::error::Result;
use crate::model::{Format, SessionKey, Timestamp, as_object};

/// A session and its file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionFile {
    /// Names the session in calls to the store.
    pub key: SessionKey,
    /// The root that it was imported from; empty for the store's own. Invalid UTF-8
    /// is replaced by U+FFFD, here and in `file`.
    pub root: String,
    /// Its path below the program's folder, even if the root is a folder inside that.
    pub file: String,
    /// The session's id; `None` without a usable header.
    pub session_id: Option<String>,
    /// Its last activity.
    pub modified_at: Timestamp,
    /// When it was put into the trash.
    pub trashed_at: Option<Timestamp>,
    /// Counts the generations of the file. Lines that were read stay valid as long as
    /// this is the same.
    pub generation: i64,
    /// Lines of the file.
    pub lines: u32,
}

as_object! { SessionFile {
    key, root, file, session_id, modified_at, trashed_at, generation, lines,
} }

/// The sessions of one format whose file has this path in the program's folder, or is
/// below it: by root, the store's own first, then by path.
pub(crate) fn session_files(
    conn: &Connection,
    format: Format,
    path: &str,
) -> Result<Vec<SessionFile>> {
    let path = path.trim_end_matches('/');
    let mut sources = conn.prepare_cached(
        "SELECT source_id, root
         FROM sources
         WHERE format = ?1
         ORDER BY root, origin",
    )?;
    let sources = sources.query_map([format], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut found = Vec::new();
    for source in sources.collect::<Result<Vec<(i64, Vec<u8>)>, _>>()? {
        let (source_id, root) = source;
        for (above, below) in places(&root, path) {
            below_source(conn, source_id, below, |row| {
                found.push(file_from_row(row, &root, above)?);
                Ok(())
            })?;
        }
    }
    Ok(found)
}

/// The ways to split a path of the program's folder into a part that the root ends
/// with, and a rest below the root. A root is the program's folder, or a folder
/// inside it.
fn places<'p>(root: &[u8], path: &'p str) -> Vec<(&'p str, &'p str)> {
    let ends = path.match_indices('/').map(|(slash, _)| slash).chain([path.len()]);
    let within = ends.filter(|&end| {
        let root = root.strip_suffix(&path.as_bytes()[..end]);
        0 < end && root.is_some_and(|root| root.ends_with(b"/"))
    });
    let within = within.map(|end| (&path[..end], path[end..].trim_start_matches('/')));
    [("", path)].into_iter().chain(within).collect()
}

fn below_source(
    conn: &Connection,
    source_id: i64,
    path: &str,
    mut each: impl FnMut(&Row<'_>) -> Result<()>,
) -> Result<()> {
    // The byte after '/' is '0'; and no file name is as long as this run of 0xFF
    // bytes, so it sorts last.
    let (from, to) = match path {
        "" => (Vec::new(), vec![0xff; 256]),
        path => (format!("{path}/").into_bytes(), format!("{path}0").into_bytes()),
    };
    let mut stmt = conn.prepare_cached(BELOW_SOURCE)?;
    let mut rows = stmt.query(named_params! {
        ":source_id": source_id, ":path": path.as_bytes(), ":from": from, ":to": to,
    })?;
    while let Some(row) = rows.next()? {
        each(row)?;
    }
    Ok(())
}

pub(crate) const BELOW_SOURCE: &str = "
    SELECT session.session_key, session.path AS path, session.session_id, session.modified_at,
           session.trashed_at, file.generation, file.line_count
    FROM sessions AS session
    JOIN files AS file ON file.file_id = session.file_id
    WHERE session.source_id = :source_id AND session.path = :path
    UNION ALL
    SELECT session.session_key, session.path AS path, session.session_id, session.modified_at,
           session.trashed_at, file.generation, file.line_count
    FROM sessions AS session
    JOIN files AS file ON file.file_id = session.file_id
    WHERE session.source_id = :source_id AND session.path >= :from AND session.path < :to
    ORDER BY path";

fn file_from_row(row: &Row<'_>, root: &[u8], above: &str) -> Result<SessionFile> {
    let path: Vec<u8> = row.get("path")?;
    let path = String::from_utf8_lossy(&path);
    Ok(SessionFile {
        key: row.get("session_key")?,
        root: String::from_utf8_lossy(root).into_owned(),
        file: if above.is_empty() { path.into_owned() } else { format!("{above}/{path}") },
        session_id: row.get("session_id")?,
        modified_at: row.get("modified_at")?,
        trashed_at: row.get("trashed_at")?,
        generation: row.get("generation")?,
        lines: row.get("line_count")?,
    })
}
