//! Imported roots as a whole: what each holds, and how it is renamed or removed.
//!
//! Paths below a root are stored in `files`, `sessions` and `problems`. A format
//! whose sessions are folders stores them in `contexts`, too; its roots are never
//! nested.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, named_params};

use super::files;
use super::sources::Source;
use super::{log, purged};
use crate::error::Result;
use crate::model::Timestamp;

/// What the store holds of a root.
#[derive(Debug)]
pub(crate) struct Holdings {
    pub(crate) files: u64,
    pub(crate) sessions: u64,
    /// Sessions that hold something only the store has.
    pub(crate) changed: u64,
    pub(crate) imported_at: Option<Timestamp>,
}

/// What a source holds. Each EXISTS is an index lookup of its own: joined by OR into
/// one, it would read all files of the source for each session.
pub(crate) const HOLDINGS: &str = "
    SELECT (SELECT count(DISTINCT path)
            FROM files
            WHERE source_id = ?1
              AND state IN ('current', 'local')
              AND kind <> 'folder') AS files,
           (SELECT count(*) FROM sessions WHERE source_id = ?1) AS sessions,
           (SELECT count(*)
            FROM sessions AS session
            WHERE session.source_id = ?1
              AND (EXISTS (SELECT 1
                           FROM files
                           WHERE source_id = session.source_id
                             AND path = session.path
                             AND state = 'local'
                             AND state <> 'superseded')
                   OR EXISTS (SELECT 1
                              FROM files
                              WHERE source_id = session.source_id
                                -- '0' follows '/'.
                                AND path > CAST(session.path || x'2F' AS BLOB)
                                AND path < CAST(session.path || x'30' AS BLOB)
                                AND state = 'local'
                                AND state <> 'superseded')
                   OR EXISTS (SELECT 1
                              FROM events
                              WHERE session_key = session.session_key)
                   OR EXISTS (SELECT 1
                              FROM problems
                              WHERE session_key = session.session_key
                                AND kind IN ('overwritten', 'vanished', 'diverged'))))
               AS changed,
           (SELECT max(read_at)
            FROM files
            WHERE source_id = ?1 AND state <> 'local') AS imported_at";

/// Counts what a source holds.
pub(crate) fn holdings(conn: &Connection, source_id: i64) -> Result<Holdings> {
    let count = |found: i64| found.unsigned_abs();
    Ok(conn.prepare_cached(HOLDINGS)?.query_row([source_id], |row| {
        Ok(Holdings {
            files: count(row.get("files")?),
            sessions: count(row.get("sessions")?),
            changed: count(row.get("changed")?),
            imported_at: row.get("imported_at")?,
        })
    })?)
}

/// Work dirs of all sessions, in byte order.
pub(crate) fn work_dirs(conn: &Connection) -> Result<Vec<String>> {
    let mut stmt = conn.prepare_cached(
        // One pass over the sessions: no index contains those in the trash.
        "SELECT DISTINCT dir.path
         FROM work_dirs AS dir
         WHERE dir.work_dir_id IN (SELECT work_dir_id FROM sessions)
         ORDER BY dir.path",
    )?;
    let rows = stmt.query_map([], |row| row.get("path"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether anything is known at or below a folder of a source.
pub(crate) fn knows_below(conn: &Connection, source_id: i64, folder: &[u8]) -> Result<bool> {
    // '0' is the byte after '/'.
    let (above, below) = ([folder, b"/"].concat(), [folder, b"0"].concat());
    Ok(conn
        .prepare_cached(
            "SELECT 1
             FROM files
             WHERE source_id = :source_id
               AND (path = :folder OR path > :above AND path < :below)
             LIMIT 1",
        )?
        .query_row(
            named_params! {
                ":source_id": source_id,
                ":folder": folder,
                ":above": above,
                ":below": below,
            },
            |_| Ok(()),
        )
        .optional()?
        .is_some())
}

/// The path of a root as it is stored, even if nothing exists there any more:
/// absolute, with links resolved as far as possible.
pub(crate) fn kept_path(root: &Path) -> PathBuf {
    if let Ok(real) = fs::canonicalize(root) {
        return real;
    }
    let absolute: PathBuf = match std::path::absolute(root) {
        Ok(absolute) => absolute.components().collect(),
        Err(_) => return root.to_owned(),
    };
    match (absolute.parent(), absolute.file_name()) {
        (Some(parent), Some(name)) => kept_path(parent).join(name),
        _ => absolute,
    }
}

/// Changes the path of a root; the paths below it stay the same.
pub(crate) fn update_root(conn: &Connection, source_id: i64, root: &[u8]) -> Result<()> {
    conn.prepare_cached("UPDATE sources SET root = ?2 WHERE source_id = ?1")?
        .execute((source_id, root))?;
    Ok(())
}

/// Moves everything of `source_id` below `folder` of another source, or of the same.
pub(crate) fn move_below(
    conn: &Connection,
    source_id: i64,
    target_id: i64,
    folder: &[u8],
) -> Result<()> {
    // No path contains a NUL byte. With one before each moved path, a path that was
    // moved never collides with one that is still to be moved.
    for sql in [
        "UPDATE files SET path = CAST(x'00' || path AS BLOB) WHERE source_id = :source_id",
        "UPDATE sessions SET path = CAST(x'00' || path AS BLOB) WHERE source_id = :source_id",
    ] {
        conn.prepare_cached(sql)?.execute(named_params! { ":source_id": source_id })?;
    }
    for sql in [
        "UPDATE files
         SET source_id = :target_id, path = CAST(:folder || x'2F' || substr(path, 2) AS BLOB)
         WHERE source_id = :source_id AND substr(path, 1, 1) = x'00'",
        "UPDATE sessions
         SET source_id = :target_id, path = CAST(:folder || x'2F' || substr(path, 2) AS BLOB)
         WHERE source_id = :source_id AND substr(path, 1, 1) = x'00'",
        "UPDATE problems
         SET source_id = :target_id, path = CAST(:folder || x'2F' || path AS BLOB)
         WHERE source_id = :source_id",
    ] {
        conn.prepare_cached(sql)?.execute(named_params! {
            ":source_id": source_id,
            ":target_id": target_id,
            ":folder": folder,
        })?;
    }
    conn.prepare_cached(
        "UPDATE sources
         SET settled_file = max(settled_file, (SELECT moved.settled_file
                                               FROM sources AS moved
                                               WHERE moved.source_id = ?1))
         WHERE source_id = ?2",
    )?
    .execute((source_id, target_id))?;
    purged::move_to(conn, source_id, target_id)
}

/// Removes a source and everything that is known of it.
pub(crate) fn delete(conn: &Connection, source: &Source) -> Result<()> {
    let source_id = source.source_id;
    conn.prepare_cached("DELETE FROM sessions WHERE source_id = ?1")?.execute([source_id])?;
    conn.prepare_cached("DELETE FROM problems WHERE source_id = ?1")?.execute([source_id])?;
    for file_id in file_ids(conn, source_id)? {
        log::delete_content(conn, file_id)?;
        files::delete_file(conn, file_id)?;
    }
    conn.prepare_cached("DELETE FROM sources WHERE source_id = ?1")?.execute([source_id])?;
    Ok(())
}

/// Every chain of a source; chains that begin with another chain's lines come first.
fn file_ids(conn: &Connection, source_id: i64) -> Result<Vec<i64>> {
    let mut stmt = conn.prepare_cached(
        "SELECT file_id
         FROM files
         WHERE source_id = ?1
         ORDER BY base_id IS NULL, file_id",
    )?;
    let rows = stmt.query_map([source_id], |row| row.get("file_id"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
