//! Files below roots, and their generations.

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, named_params};

use super::file_time::FileTime;
use crate::error::{Error, Result};
use crate::model::Timestamp;
pub(crate) use crate::model::{FileKind, FileState};

/// One generation of a path below a root.
#[derive(Clone, Debug)]
pub(crate) struct FileRow {
    pub(crate) file_id: i64,
    pub(crate) source_id: i64,
    /// Its path below the root, separated by `/`.
    pub(crate) path: Vec<u8>,
    pub(crate) generation: i64,
    pub(crate) kind: FileKind,
    pub(crate) state: FileState,
    /// Permission bits.
    pub(crate) mode: u32,
    pub(crate) mtime: FileTime,
    pub(crate) inode: i64,
    /// Bytes that were imported.
    pub(crate) size: u64,
    pub(crate) line_count: u32,
    pub(crate) sha256: Option<Vec<u8>>,
    pub(crate) link_target: Option<Vec<u8>>,
    /// When an import last compared it with the disk.
    pub(crate) read_at: Timestamp,
    pub(crate) missing_at: Option<Timestamp>,
    /// For a local chain: the chain whose lines it begins with.
    pub(crate) base_id: Option<i64>,
    /// How many lines of that chain it begins with.
    pub(crate) base_count: u32,
    /// For an earlier generation: lines that the next one no longer has. For a local
    /// chain: lines of the root's file that it does not hold. For a current file: 1
    /// if another session has its path at the root.
    pub(crate) lost: u32,
}

/// The row of a path in this state.
pub(crate) fn file(
    conn: &Connection,
    source_id: i64,
    path: &[u8],
    state: FileState,
) -> Result<Option<FileRow>> {
    Ok(conn
        .prepare_cached(FILE)?
        .query_row(
            named_params! { ":source_id": source_id, ":path": path, ":state": state },
            file_from_row,
        )
        .optional()?)
}

pub(crate) const FILE: &str = "
    SELECT file_id, source_id, path, generation, kind, state, mode, mtime, inode, size,
           line_count, sha256, link_target, read_at, missing_at, base_id, base_count,
           mtime_beyond, lost
    FROM files
    WHERE source_id = :source_id
      AND path = :path
      AND state = :state
      AND state <> 'superseded'";

/// Whether the store has any file of a source.
pub(crate) fn has_any(conn: &Connection, source_id: i64) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT 1 FROM files WHERE source_id = ?1 LIMIT 1")?
        .exists([source_id])?)
}

/// The id of the row that was inserted last; 0 if there is none.
pub(crate) fn newest_id(conn: &Connection) -> Result<i64> {
    Ok(conn
        .prepare_cached("SELECT ifnull(max(file_id), 0) AS newest FROM files")?
        .query_row([], |row| row.get("newest"))?)
}

/// What the file system says about a file or folder.
#[derive(Debug)]
pub(crate) struct ExpectedFile<'a> {
    pub(crate) path: &'a [u8],
    pub(crate) is_folder: bool,
    pub(crate) mode: u32,
    pub(crate) mtime: FileTime,
    pub(crate) size: u64,
    pub(crate) inode: i64,
    /// The nanoseconds within which a change may have left the time as it was: a file
    /// that was modified so shortly before its import is read again.
    pub(crate) racy: i64,
}

/// The prepared statement that compares many files.
pub(crate) fn comparer(conn: &Connection) -> Result<CachedStatement<'_>> {
    Ok(conn.prepare_cached(SAME)?)
}

/// The current file of a path, if everything in `same` still matches. Reads only the
/// columns that this takes.
pub(crate) fn unchanged(
    comparer: &mut CachedStatement<'_>,
    source_id: i64,
    same: &ExpectedFile<'_>,
) -> Result<Option<i64>> {
    let row = (
        source_id,
        same.path,
        same.is_folder,
        same.mode,
        same.mtime.nearest(),
        same.mtime.beyond(),
        same.size as i64,
        same.racy,
        same.inode,
    );
    Ok(comparer.query_row(row, |row| row.get(0)).optional()?)
}

/// Bound by position: looking up names took a tenth of the time of a repeated import.
pub(crate) const SAME: &str = "
    SELECT file_id
    FROM files
    WHERE source_id = ?1
      AND path = ?2
      AND state = 'current'
      AND state <> 'superseded'
      AND kind <> 'link'
      AND (kind = 'folder') = ?3
      AND mode = ?4
      AND mtime = ?5
      AND mtime_beyond = ?6
      AND size = ?7
      AND (kind = 'folder' OR inode = ?9)
      AND missing_at IS NULL
      AND mtime < read_at - ?8";

pub(crate) fn file_by_id(conn: &Connection, file_id: i64) -> Result<FileRow> {
    conn.prepare_cached(
        "SELECT file_id, source_id, path, generation, kind, state, mode, mtime, inode, size,
                line_count, sha256, link_target, read_at, missing_at, base_id, base_count,
                mtime_beyond, lost
         FROM files
         WHERE file_id = ?1",
    )?
    .query_row([file_id], file_from_row)
    .optional()?
    .ok_or_else(|| Error::Damaged(format!("file {file_id} is missing")))
}

/// Whether there is a file below a path, at the root or kept here.
pub(crate) fn has_below(conn: &Connection, source_id: i64, path: &[u8]) -> Result<bool> {
    // '0' is the byte after '/'.
    let (above, behind) = ([path, b"/"].concat(), [path, b"0"].concat());
    Ok(conn
        .prepare_cached(
            "SELECT EXISTS (SELECT 1
                            FROM files
                            WHERE source_id = :source_id
                              AND path > :above
                              AND path < :behind
                              AND state IN ('current', 'local')) AS has_below",
        )?
        .query_row(
            named_params! { ":source_id": source_id, ":above": above, ":behind": behind },
            |row| row.get("has_below"),
        )?)
}

/// A page of a source's files as they were imported: by path, those after `after`.
pub(crate) fn imported_after(
    conn: &Connection,
    source_id: i64,
    after: &[u8],
    limit: usize,
) -> Result<Vec<FileRow>> {
    let mut stmt = conn.prepare_cached(FILES_AFTER)?;
    let rows = stmt.query_map(
        named_params! { ":source_id": source_id, ":after": after, ":limit": limit as i64 },
        file_from_row,
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) const FILES_AFTER: &str = "
    SELECT file_id, source_id, path, generation, kind, state, mode, mtime, inode, size,
           line_count, sha256, link_target, read_at, missing_at, base_id, base_count,
           mtime_beyond, lost
    FROM files
    WHERE source_id = :source_id
      AND path > :after
      AND state = 'current'
    ORDER BY path
    LIMIT :limit";

/// A page of a source's files as they are now: by path, those after `after`.
///
/// A file that was written here takes the place of the imported one.
pub(crate) fn newest_after(
    conn: &Connection,
    source_id: i64,
    after: &[u8],
    limit: usize,
) -> Result<Vec<FileRow>> {
    let mut stmt = conn.prepare_cached(
        "SELECT file_id, source_id, path, generation, kind, state, mode, mtime, inode, size,
                line_count, sha256, link_target, read_at, missing_at, base_id, base_count,
                mtime_beyond, lost
         FROM files
         WHERE source_id = :source_id
           AND path > :after
           AND (state = 'local'
                OR state = 'current'
                   AND NOT EXISTS (SELECT 1
                                   FROM files AS local
                                   WHERE local.source_id = files.source_id
                                     AND local.path = files.path
                                     AND local.state = 'local'
                                     AND local.state <> 'superseded'))
           AND state <> 'superseded'
         ORDER BY path
         LIMIT :limit",
    )?;
    let rows = stmt.query_map(
        named_params! { ":source_id": source_id, ":after": after, ":limit": limit as i64 },
        file_from_row,
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A source's files as they are now whose path is between two others, exclusively; by
/// path.
pub(crate) fn newest_between(
    conn: &Connection,
    source_id: i64,
    above: &[u8],
    below: &[u8],
) -> Result<Vec<FileRow>> {
    let mut stmt = conn.prepare_cached(NEWEST_BETWEEN)?;
    let rows = stmt.query_map(
        named_params! { ":source_id": source_id, ":above": above, ":below": below },
        file_from_row,
    )?;
    let mut found: Vec<FileRow> = rows.collect::<Result<_, _>>()?;
    // For a path that was also written here, the local chain comes first.
    found.dedup_by(|imported, local| imported.path == local.path);
    Ok(found)
}

pub(crate) const NEWEST_BETWEEN: &str = "
    SELECT file_id, source_id, path, generation, kind, state, mode, mtime, inode, size,
           line_count, sha256, link_target, read_at, missing_at, base_id, base_count,
           mtime_beyond, lost
    FROM files
    WHERE source_id = :source_id
      AND path > :above
      AND path < :below
      AND state IN ('current', 'local')
      AND state <> 'superseded'
    ORDER BY path, state = 'local' DESC";

/// A file of a source as it is now: the local chain if there is one, else the
/// imported file.
pub(crate) fn newest(conn: &Connection, source_id: i64, path: &[u8]) -> Result<Option<FileRow>> {
    match file(conn, source_id, path, FileState::Local)? {
        Some(local) => Ok(Some(local)),
        None => file(conn, source_id, path, FileState::Current),
    }
}

/// A function that reads a page of a source's files after a path.
pub(crate) type Select = fn(&Connection, i64, &[u8], usize) -> Result<Vec<FileRow>>;

/// Calls `each` for every file that `select` returns, page by page.
pub(crate) fn each_file(
    conn: &Connection,
    source_id: i64,
    select: Select,
    mut each: impl FnMut(FileRow) -> Result<()>,
) -> Result<()> {
    let mut after = Vec::new();
    loop {
        let page = select(conn, source_id, &after, 500)?;
        let Some(last) = page.last() else { return Ok(()) };
        if last.path <= after {
            return Err(Error::Damaged("the index of files is not sorted".to_owned()));
        }
        after.clone_from(&last.path);
        page.into_iter().try_for_each(&mut each)?;
    }
}

/// Inserts a file as the next generation of its path, ignoring the id and generation
/// in `file`.
pub(crate) fn insert_file(conn: &Connection, file: &FileRow) -> Result<i64> {
    Ok(insert_next(conn, file.clone())?.file_id)
}

/// As [`insert_file`]; returns the row as it was inserted.
pub(crate) fn insert_next(conn: &Connection, mut file: FileRow) -> Result<FileRow> {
    file.generation = conn
        .prepare_cached(
            "SELECT 1 + ifnull(max(generation), 0) FROM files WHERE source_id = ?1 AND path = ?2",
        )?
        .query_row((file.source_id, &file.path), |row| row.get(0))?;
    let mut stmt = conn.prepare_cached(
        "INSERT INTO files (source_id, path, generation, kind, state, mode, mtime, mtime_beyond,
                            inode, size, line_count, sha256, link_target, read_at, base_id,
                            base_count)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?;
    insert_by(&mut stmt, &file)?;
    Ok(inserted(conn, file))
}

/// Inserts a file unless its path is known; `None` if it is.
pub(crate) fn insert_first(conn: &Connection, mut file: FileRow) -> Result<Option<FileRow>> {
    file.generation = 1;
    let mut stmt = conn.prepare_cached(
        "INSERT INTO files (source_id, path, generation, kind, state, mode, mtime, mtime_beyond,
                            inode, size, line_count, sha256, link_target, read_at, base_id,
                            base_count)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
         ON CONFLICT DO NOTHING",
    )?;
    let rows = insert_by(&mut stmt, &file)?;
    Ok((0 < rows).then(|| inserted(conn, file)))
}

fn insert_by(stmt: &mut CachedStatement<'_>, file: &FileRow) -> Result<usize> {
    Ok(stmt.execute((
        file.source_id,
        &file.path,
        file.generation,
        file.kind,
        file.state,
        file.mode,
        file.mtime.nearest(),
        file.mtime.beyond(),
        file.inode,
        file.size as i64,
        file.line_count,
        &file.sha256,
        &file.link_target,
        file.read_at,
        file.base_id,
        file.base_count,
    ))?)
}

/// The row that was inserted last; columns that were not given have the table's
/// defaults.
fn inserted(conn: &Connection, file: FileRow) -> FileRow {
    FileRow { file_id: conn.last_insert_rowid(), missing_at: None, lost: 0, ..file }
}

/// Inserts a file as it was in another database, with its id.
pub(crate) fn restore_file(conn: &Connection, file: &FileRow) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO files (file_id, source_id, path, generation, kind, state, mode, mtime,
                            mtime_beyond, inode, size, line_count, sha256, link_target, read_at,
                            missing_at, base_id, base_count, lost)
         VALUES (:file_id, :source_id, :path, :generation, :kind, :state, :mode, :mtime,
                 :mtime_beyond, :inode, :size, :line_count, :sha256, :link_target, :read_at,
                 :missing_at, :base_id, :base_count, :lost)",
    )?
    .execute(named_params! {
        ":lost": file.lost,
        ":file_id": file.file_id,
        ":source_id": file.source_id,
        ":path": file.path,
        ":generation": file.generation,
        ":kind": file.kind,
        ":state": file.state,
        ":mode": file.mode,
        ":mtime": file.mtime.nearest(),
        ":mtime_beyond": file.mtime.beyond(),
        ":inode": file.inode,
        ":size": file.size as i64,
        ":line_count": file.line_count,
        ":sha256": file.sha256,
        ":link_target": file.link_target,
        ":read_at": file.read_at,
        ":missing_at": file.missing_at,
        ":base_id": file.base_id,
        ":base_count": file.base_count,
    })?;
    Ok(())
}

/// Writes the progress of a chain that got more lines.
pub(crate) fn update_progress(conn: &Connection, file: &FileRow) -> Result<()> {
    conn.prepare_cached(
        // Bound by position, like every statement of an append: looking up names
        // took a thirtieth of it.
        "UPDATE files
         SET mtime = ?1, mtime_beyond = ?2, size = ?3, line_count = ?4
         WHERE file_id = ?5",
    )?
    .execute((
        file.mtime.nearest(),
        file.mtime.beyond(),
        file.size as i64,
        file.line_count,
        file.file_id,
    ))?;
    Ok(())
}

/// Writes what an import found out about a known file. `state` is indexed, and
/// written only if it changes.
pub(crate) fn update_file(conn: &Connection, file: &FileRow) -> Result<()> {
    conn.prepare_cached(
        "UPDATE files
         SET mode = :mode, mtime = :mtime, mtime_beyond = :mtime_beyond, inode = :inode,
             size = :size, line_count = :line_count, sha256 = :sha256, read_at = :read_at,
             missing_at = :missing_at
         WHERE file_id = :file_id",
    )?
    .execute(named_params! {
        ":file_id": file.file_id,
        ":mode": file.mode,
        ":mtime": file.mtime.nearest(),
        ":mtime_beyond": file.mtime.beyond(),
        ":inode": file.inode,
        ":size": file.size as i64,
        ":line_count": file.line_count,
        ":sha256": file.sha256,
        ":read_at": file.read_at,
        ":missing_at": file.missing_at,
    })?;
    Ok(())
}

/// Removes a chain, and its problems.
pub(crate) fn delete_file(conn: &Connection, file_id: i64) -> Result<()> {
    conn.prepare_cached("DELETE FROM problems WHERE file_id = ?1")?.execute([file_id])?;
    conn.prepare_cached("DELETE FROM files WHERE file_id = ?1")?.execute([file_id])?;
    Ok(())
}

/// Reads columns by position; every statement here selects them in this order. By
/// name, they took a twelfth of an append.
pub(crate) fn file_from_row(row: &Row<'_>) -> rusqlite::Result<FileRow> {
    Ok(FileRow {
        file_id: row.get(0)?,
        source_id: row.get(1)?,
        path: row.get(2)?,
        generation: row.get(3)?,
        kind: row.get(4)?,
        state: row.get(5)?,
        mode: row.get(6)?,
        mtime: FileTime::from_columns(row.get(7)?, row.get(17)?),
        inode: row.get(8)?,
        size: row.get::<_, i64>(9)?.unsigned_abs(),
        line_count: row.get(10)?,
        sha256: row.get(11)?,
        link_target: row.get(12)?,
        read_at: row.get(13)?,
        missing_at: row.get(14)?,
        base_id: row.get(15)?,
        base_count: row.get(16)?,
        lost: row.get(18)?,
    })
}
