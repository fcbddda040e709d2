//! Chains of a path other than the current one: earlier generations, and files that
//! vanished or were moved.

use rusqlite::{Connection, OptionalExtension, named_params};

use super::file_time::FileTime;
use super::files::{self, FileKind, FileRow, FileState, file_from_row};
use super::log;
use crate::error::Result;
use crate::model::Timestamp;

/// The superseded chain of a file that has this digest.
pub(crate) fn superseded_by_digest(
    conn: &Connection,
    source_id: i64,
    path: &[u8],
    sha256: &[u8],
) -> Result<Option<FileRow>> {
    Ok(conn
        .prepare_cached(
            "SELECT file_id, source_id, path, generation, kind, state, mode, mtime, inode, size,
                    line_count, sha256, link_target, read_at, missing_at, base_id, base_count,
                    mtime_beyond, lost
             FROM files
             WHERE source_id = ?1 AND path = ?2 AND state = 'superseded' AND sha256 = ?3
             ORDER BY generation DESC
             LIMIT 1",
        )?
        .query_row((source_id, path, sha256), file_from_row)
        .optional()?)
}

/// Gives a chain another path, as the next generation of that path.
pub(crate) fn move_file(conn: &Connection, file_id: i64, path: &[u8]) -> Result<()> {
    conn.prepare_cached(
        "UPDATE files
         SET path = :path,
             generation = 1 + (SELECT ifnull(max(other.generation), 0)
                               FROM files AS other
                               WHERE other.source_id = files.source_id AND other.path = :path)
         WHERE file_id = :file_id",
    )?
    .execute(named_params! { ":file_id": file_id, ":path": path })?;
    Ok(())
}

/// The `n`th name for a file that is kept beside the file that has its path now.
pub(crate) fn kept_path(path: &[u8], n: u32) -> Vec<u8> {
    let name = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let dot = path[name..].iter().rposition(|byte| *byte == b'.').filter(|dot| 0 < *dot);
    let (stem, end) = path.split_at(dot.map_or(path.len(), |dot| name + dot));
    let mark = if n < 2 { ".kept".to_owned() } else { format!(".kept-{n}") };
    [stem, mark.as_bytes(), end].concat()
}

/// The original name of a file that was kept under such a name, else its own name.
pub(crate) fn without_kept(path: &[u8]) -> Vec<u8> {
    let name = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let dots: Vec<usize> = (name..path.len()).filter(|at| path[*at] == b'.').collect();
    let [.., mark, end] = dots[..] else { return path.to_vec() };
    let number = match path[mark..end].strip_prefix(b".kept") {
        Some(b"") => return [&path[..mark], &path[end..]].concat(),
        Some(number) => number.strip_prefix(b"-"),
        None => None,
    };
    match number.filter(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit)) {
        Some(_) => [&path[..mark], &path[end..]].concat(),
        None => path.to_vec(),
    }
}

/// Every chain of a path, the earliest first.
pub(crate) fn rows(conn: &Connection, source_id: i64, path: &[u8]) -> Result<Vec<FileRow>> {
    let mut stmt = conn.prepare_cached(
        "SELECT file_id, source_id, path, generation, kind, state, mode, mtime, inode, size,
                line_count, sha256, link_target, read_at, missing_at, base_id, base_count,
                mtime_beyond, lost
         FROM files
         WHERE source_id = ?1 AND path = ?2
         ORDER BY generation",
    )?;
    let rows = stmt.query_map((source_id, path), file_from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A page of the chains of a source that are not shown: earlier generations, and root
/// files of sessions that continued here.
pub(crate) fn unshown_after(
    conn: &Connection,
    source_id: i64,
    after: i64,
    limit: usize,
) -> Result<Vec<FileRow>> {
    let mut stmt = conn.prepare_cached(
        "SELECT file_id, source_id, path, generation, kind, state, mode, mtime, inode, size,
                line_count, sha256, link_target, read_at, missing_at, base_id, base_count,
                mtime_beyond, lost
         FROM files
         WHERE file_id > :after
           AND source_id = :source_id
           AND (state = 'superseded'
                OR state = 'current'
                   AND EXISTS (SELECT 1
                               FROM files AS local
                               WHERE local.source_id = files.source_id
                                 AND local.path = files.path
                                 AND local.state = 'local'
                                 AND local.state <> 'superseded'))
         ORDER BY file_id
         LIMIT :limit",
    )?;
    let page = named_params! { ":source_id": source_id, ":after": after, ":limit": limit as i64 };
    let rows = stmt.query_map(page, file_from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Every chain below a folder, whose path ends with `/`: by path, the earliest first.
pub(crate) fn rows_below(conn: &Connection, source_id: i64, folder: &[u8]) -> Result<Vec<FileRow>> {
    let mut stmt = conn.prepare_cached(
        "SELECT file_id, source_id, path, generation, kind, state, mode, mtime, inode, size,
                line_count, sha256, link_target, read_at, missing_at, base_id, base_count,
                mtime_beyond, lost
         FROM files
         WHERE source_id = :source_id AND path > :folder AND path < :behind
         ORDER BY path, generation",
    )?;
    // '0' is the byte after '/'.
    let behind = [folder.strip_suffix(b"/").unwrap_or(folder), b"0"].concat();
    let range = named_params! { ":source_id": source_id, ":folder": folder, ":behind": behind };
    let rows = stmt.query_map(range, file_from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Earlier generations of a path that lost lines: row, generation and number of
/// lines.
pub(crate) fn with_losses(
    conn: &Connection,
    source_id: i64,
    path: &[u8],
) -> Result<Vec<(i64, i64, u32)>> {
    let mut stmt = conn.prepare_cached(
        "SELECT file_id, generation, lost
         FROM files
         WHERE source_id = ?1 AND path = ?2 AND state = 'superseded' AND lost > 0
         ORDER BY generation",
    )?;
    let rows = stmt.query_map((source_id, path), |row| {
        Ok((row.get("file_id")?, row.get("generation")?, row.get("lost")?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Files that are no longer at their root, by path.
pub(crate) fn missing(conn: &Connection, source_id: i64) -> Result<Vec<FileRow>> {
    let mut stmt = conn.prepare_cached(
        "SELECT file_id, source_id, path, generation, kind, state, mode, mtime, inode, size,
                line_count, sha256, link_target, read_at, missing_at, base_id, base_count,
                mtime_beyond, lost
         FROM files
         WHERE source_id = ?1 AND state = 'current' AND missing_at IS NOT NULL
         ORDER BY path",
    )?;
    let rows = stmt.query_map([source_id], file_from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Paths of a source's documents that were written here.
pub(crate) fn local_documents(conn: &Connection, source_id: i64) -> Result<Vec<Vec<u8>>> {
    let mut stmt = conn.prepare_cached(
        "SELECT path
         FROM files
         WHERE source_id = ?1 AND state = 'local' AND kind = 'document'
         ORDER BY path",
    )?;
    let rows = stmt.query_map([source_id], |row| row.get("path"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The newest file of a source at the end of its last complete import.
pub(crate) fn settled(conn: &Connection, source_id: i64) -> Result<i64> {
    Ok(conn
        .prepare_cached("SELECT settled_file FROM sources WHERE source_id = ?1")?
        .query_row([source_id], |row| row.get("settled_file"))?)
}

/// Calls `each` for the logs of a source that are newer than a file.
pub(crate) fn each_log_after(
    conn: &Connection,
    source_id: i64,
    newest: i64,
    mut each: impl FnMut(FileRow) -> Result<()>,
) -> Result<()> {
    let mut stmt = conn.prepare_cached(
        "SELECT file_id, source_id, path, generation, kind, state, mode, mtime, inode, size,
                line_count, sha256, link_target, read_at, missing_at, base_id, base_count,
                mtime_beyond, lost
         FROM files
         WHERE file_id > ?2
           AND +source_id = ?1
           AND state = 'current'
           AND kind = 'log'
         ORDER BY file_id",
    )?;
    let mut rows = stmt.query((source_id, newest))?;
    while let Some(row) = rows.next()? {
        each(file_from_row(row)?)?;
    }
    Ok(())
}

/// Whether a source has files that are newer than the end of its last complete
/// import.
pub(crate) fn has_unsettled(conn: &Connection, source_id: i64) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "SELECT 1
             FROM files
             WHERE file_id > (SELECT settled_file FROM sources WHERE source_id = ?1)
               AND +source_id = ?1
               AND state = 'current'
             LIMIT 1",
        )?
        .exists([source_id])?)
}

/// Records that an import of a source completed; writes nothing if no file is newer.
pub(crate) fn settle(conn: &Connection, source_id: i64) -> Result<()> {
    conn.prepare_cached(
        "UPDATE sources
         SET settled_file = (SELECT ifnull(max(file_id), 0) FROM files)
         WHERE source_id = ?1
           AND settled_file <> (SELECT ifnull(max(file_id), 0) FROM files)",
    )?
    .execute([source_id])?;
    Ok(())
}

/// Files that the import at this time no longer found.
pub(crate) fn missing_since(
    conn: &Connection,
    source_id: i64,
    at: Timestamp,
) -> Result<Vec<FileRow>> {
    let mut stmt = conn.prepare_cached(
        "SELECT file_id, source_id, path, generation, kind, state, mode, mtime, inode, size,
                line_count, sha256, link_target, read_at, missing_at, base_id, base_count,
                mtime_beyond, lost
         FROM files
         WHERE source_id = ?1 AND state = 'current' AND missing_at = ?2",
    )?;
    let rows = stmt.query_map((source_id, at), file_from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Records how many lines of an earlier generation the next one lacks, or how many
/// lines of the root's file the local chain lacks.
pub(crate) fn update_lost(conn: &Connection, file_id: i64, lost: u32) -> Result<()> {
    conn.prepare_cached("UPDATE files SET lost = ?2 WHERE file_id = ?1")?
        .execute((file_id, lost))?;
    Ok(())
}

/// Turns a local chain into an earlier generation, which needs its digest.
pub(crate) fn supersede_local(conn: &Connection, file_id: i64, sha256: &[u8]) -> Result<()> {
    conn.prepare_cached(
        "UPDATE files SET state = 'superseded', sha256 = ?2, lost = 0 WHERE file_id = ?1",
    )?
    .execute((file_id, sha256))?;
    Ok(())
}

/// Every chain of a path; chains that begin with another chain's lines come first.
pub(crate) fn generations(conn: &Connection, source_id: i64, path: &[u8]) -> Result<Vec<i64>> {
    let mut stmt = conn.prepare_cached(
        "SELECT file_id
         FROM files
         WHERE source_id = ?1 AND path = ?2
         ORDER BY base_id IS NULL, file_id",
    )?;
    let rows = stmt.query_map((source_id, path), |row| row.get("file_id"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A page of earlier generations that no visible chain begins with, and their sizes.
pub(crate) fn superseded(conn: &Connection, limit: usize) -> Result<Vec<(i64, u64)>> {
    let mut stmt = conn.prepare_cached(
        "SELECT file_id, size
         FROM files
         WHERE state = 'superseded'
           AND file_id NOT IN (SELECT base_id
                               FROM files
                               WHERE base_id IS NOT NULL AND state <> 'superseded')
         -- What begins with another goes first.
         ORDER BY base_id IS NULL, file_id
         LIMIT ?1",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = stmt.query_map([limit], |row| {
        Ok((row.get("file_id")?, row.get::<_, i64>("size")?.unsigned_abs()))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Rebases a chain from one chain to another that has the same lines.
pub(crate) fn update_base(conn: &Connection, file_id: i64, base_id: i64) -> Result<()> {
    conn.prepare_cached("UPDATE files SET base_id = ?2 WHERE file_id = ?1")?
        .execute((file_id, base_id))?;
    Ok(())
}

/// Lets a chain without lines of its own begin with more lines of its base.
pub(crate) fn update_base_count(conn: &Connection, file_id: i64, count: u32) -> Result<()> {
    conn.prepare_cached("UPDATE files SET base_count = ?2, line_count = ?2 WHERE file_id = ?1")?
        .execute((file_id, count))?;
    Ok(())
}

/// Changes the state of a generation.
pub(crate) fn update_state(conn: &Connection, file_id: i64, state: FileState) -> Result<()> {
    conn.prepare_cached("UPDATE files SET state = ?2 WHERE file_id = ?1")?
        .execute((file_id, state))?;
    Ok(())
}

/// Moves a file. The imported file stays where it was; a local chain at the new path
/// begins with all of its lines.
pub(crate) fn relocate(
    conn: &Connection,
    file: &FileRow,
    to: &[u8],
    mtime: FileTime,
) -> Result<FileRow> {
    let mut moved = FileRow { path: to.to_vec(), mtime, ..file.clone() };
    if file.state == FileState::Local {
        move_file(conn, file.file_id, to)?;
        files::update_file(conn, &moved)?;
        return Ok(moved);
    }
    moved = FileRow {
        state: FileState::Local,
        size: 0,
        line_count: 0,
        sha256: None,
        missing_at: None,
        base_id: Some(file.file_id),
        base_count: 0,
        ..moved
    };
    if file.kind == FileKind::Log {
        (moved.line_count, moved.base_count) = (file.line_count, file.line_count);
    }
    moved.file_id = files::insert_file(conn, &moved)?;
    if file.kind == FileKind::Document {
        log::each_chunk(conn, file, |_, raw| {
            log::insert_chunk(conn, log::key(moved.file_id, moved.line_count), raw)?;
            moved.line_count += 1;
            moved.size += raw.len() as u64;
            Ok(())
        })?;
    }
    files::update_file(conn, &moved)?;
    Ok(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_name_leads_back_to_the_name_that_it_was() {
        for path in ["a/b.jsonl", "a.b/c", "a/.hidden", "x", "a/b.c.jsonl", "a/2_id.jsonl"] {
            for n in 1..4 {
                let kept = kept_path(path.as_bytes(), n);
                assert_ne!(kept, path.as_bytes());
                let has_end = path.rsplit('/').next().unwrap()[1..].contains('.');
                if has_end {
                    assert_eq!(without_kept(&kept), path.as_bytes(), "{path} {n}");
                }
            }
            assert_eq!(without_kept(path.as_bytes()), path.as_bytes());
        }
        assert_eq!(without_kept(b"a/b.kept-x.jsonl"), b"a/b.kept-x.jsonl");
        assert_eq!(without_kept(b"a/b.kept-.jsonl"), b"a/b.kept-.jsonl");
    }
}
