//! What an import has seen so far, in temporary tables: a million paths would not
//! fit into memory.

use rusqlite::{Connection, named_params};

use crate::error::Result;
use crate::model::Timestamp;

pub(crate) fn begin(conn: &Connection) -> Result<()> {
    end(conn)?;
    Ok(conn.execute_batch(
        "CREATE TEMP TABLE seen_files (file_id INTEGER NOT NULL PRIMARY KEY) STRICT;
         CREATE TEMP TABLE seen_problems (path BLOB NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;",
    )?)
}

pub(crate) fn file(conn: &Connection, file_id: i64) -> Result<()> {
    files(conn, &[file_id])
}

pub(crate) fn files(conn: &Connection, file_ids: &[i64]) -> Result<()> {
    // A transaction per row would take longer than the row.
    let tx = if conn.is_autocommit() { Some(conn.unchecked_transaction()?) } else { None };
    let mut stmt = conn.prepare_cached("INSERT OR IGNORE INTO seen_files (file_id) VALUES (?1)")?;
    for file_id in file_ids {
        stmt.execute([file_id])?;
    }
    drop(stmt);
    Ok(tx.map_or(Ok(()), rusqlite::Transaction::commit)?)
}

pub(crate) fn problem(conn: &Connection, path: &[u8]) -> Result<()> {
    conn.prepare_cached("INSERT OR IGNORE INTO seen_problems (path) VALUES (?1)")?
        .execute([path])?;
    Ok(())
}

/// Keeps the partial chain of a file that cannot be read now: a later import may
/// continue it.
pub(crate) fn unreadable(conn: &Connection, source_id: i64, path: &[u8]) -> Result<()> {
    conn.prepare_cached(
        "INSERT OR IGNORE INTO seen_files (file_id)
         SELECT file_id
         FROM files
         WHERE source_id = ?1
           AND path = ?2
           AND state = 'partial'
           AND state <> 'superseded'",
    )?
    .execute((source_id, path))?;
    Ok(())
}

/// Marks everything known below an unreadable folder as seen, so that it is not
/// reported missing.
pub(crate) fn hidden(conn: &Connection, source_id: i64, folder: &[u8]) -> Result<()> {
    // '0' is the byte after '/'. A range, unlike LIKE, uses the index.
    let (above, behind) = ([folder, b"/"].concat(), [folder, b"0"].concat());
    let range = named_params! { ":source_id": source_id, ":above": above, ":behind": behind };
    conn.prepare_cached(
        "INSERT OR IGNORE INTO seen_files (file_id)
         SELECT file_id
         FROM files
         WHERE source_id = :source_id
           AND path > :above
           AND path < :behind
           AND state IN ('current', 'partial')",
    )?
    .execute(range)?;
    conn.prepare_cached(
        "INSERT OR IGNORE INTO seen_problems (path)
         SELECT path
         FROM problems
         WHERE source_id = :source_id
           AND path > :above
           AND path < :behind
           AND session_key IS NULL",
    )?
    .execute(range)?;
    Ok(())
}

/// Marks files that were not seen as missing, and removes problems that no longer
/// exist.
///
/// Returns whether anything changed. A file newer than `newest` was added by another
/// import, which saw it.
pub(crate) fn mark_missing(
    conn: &Connection,
    source_id: i64,
    newest: i64,
    now: Timestamp,
) -> Result<bool> {
    let gone = conn
        .prepare_cached(
            "UPDATE files
             SET missing_at = :now
             WHERE source_id = :source_id
               AND state = 'current'
               AND missing_at IS NULL
               AND file_id <= :newest
               AND file_id NOT IN (SELECT file_id FROM seen_files)",
        )?
        .execute(named_params! { ":source_id": source_id, ":newest": newest, ":now": now })?;
    // Problems with the content of a file hold as long as that content is kept.
    let healed = conn
        .prepare_cached(
            "DELETE FROM problems
             WHERE source_id = ?1
               AND session_key IS NULL
               AND kind IN ('link', 'unreadable-file', 'special-file', 'changing')
               AND path NOT IN (SELECT path FROM seen_problems)",
        )?
        .execute([source_id])?;
    Ok(0 < gone + healed)
}

/// Calls `each` for the current files that were not seen and are not known to be
/// missing, with their ids and paths.
pub(crate) fn each_unseen(
    conn: &Connection,
    source_id: i64,
    newest: i64,
    mut each: impl FnMut(i64, &[u8]),
) -> Result<()> {
    let mut stmt = conn.prepare_cached(
        "SELECT file_id, path
         FROM files
         WHERE source_id = :source_id
           AND state = 'current'
           AND missing_at IS NULL
           AND file_id <= :newest
           AND file_id NOT IN (SELECT file_id FROM seen_files)",
    )?;
    let range = named_params! { ":source_id": source_id, ":newest": newest };
    let mut rows = stmt.query(range)?;
    while let Some(row) = rows.next()? {
        each(row.get("file_id")?, row.get_ref("path")?.as_blob().unwrap_or_default());
    }
    Ok(())
}

/// Partial chains of interrupted imports, except of files that could not be read.
pub(crate) fn leftovers(conn: &Connection, source_id: i64, newest: i64) -> Result<Vec<i64>> {
    let mut stmt = conn.prepare_cached(
        "SELECT file_id
         FROM files
         WHERE source_id = :source_id
           AND state = 'partial'
           AND state <> 'superseded'
           AND file_id <= :newest
           AND file_id NOT IN (SELECT file_id FROM seen_files)",
    )?;
    let range = named_params! { ":source_id": source_id, ":newest": newest };
    let rows = stmt.query_map(range, |row| row.get("file_id"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Paths of a source's current files that were not seen. A file that is kept beside
/// another session's file never existed at the root.
pub(crate) fn unseen(conn: &Connection, source_id: i64) -> Result<Vec<Vec<u8>>> {
    let mut stmt = conn.prepare_cached(
        "SELECT path
         FROM files
         WHERE source_id = ?1
           AND state = 'current'
           AND lost = 0
           AND file_id NOT IN (SELECT file_id FROM seen_files)
         ORDER BY path",
    )?;
    let rows = stmt.query_map([source_id], |row| row.get("path"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The number of a source's files that are no longer at its root.
pub(crate) fn count_missing(conn: &Connection, source_id: i64) -> Result<u64> {
    Ok(conn
        .prepare_cached(
            "SELECT count(*) AS missing
             FROM files
             WHERE source_id = ?1 AND state = 'current' AND missing_at IS NOT NULL",
        )?
        .query_row([source_id], |row| row.get::<_, i64>("missing"))?
        .unsigned_abs())
}

pub(crate) fn end(conn: &Connection) -> Result<()> {
    Ok(conn.execute_batch(
        "DROP TABLE IF EXISTS temp.seen_files;
         DROP TABLE IF EXISTS temp.seen_problems;",
    )?)
}
