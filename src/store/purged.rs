//! What is remembered of purged sessions: enough to recognise them, none of their
//! text.

use rusqlite::{Connection, named_params};

use crate::error::Result;

/// A session that was purged.
#[derive(Debug)]
pub(crate) struct Purged {
    pub(crate) session_id: Option<String>,
    /// Size and digest of its log, as imported.
    pub(crate) content: Option<(u64, Vec<u8>)>,
    /// The inode of its log or folder.
    pub(crate) inode: Option<i64>,
}

pub(crate) fn insert(conn: &Connection, source_id: i64, purged: &Purged) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO purged (source_id, session_id, size, sha256, inode)
         VALUES (:source_id, :session_id, :size, :sha256, :inode)",
    )?
    .execute(named_params! {
        ":source_id": source_id,
        ":session_id": purged.session_id,
        ":size": purged.content.as_ref().map(|(size, _)| *size as i64),
        ":sha256": purged.content.as_ref().map(|(_, sha256)| sha256),
        ":inode": purged.inode,
    })?;
    Ok(())
}

pub(crate) fn of_source(conn: &Connection, source_id: i64) -> Result<Vec<Purged>> {
    let mut stmt = conn.prepare_cached(
        "SELECT session_id, size, sha256, inode
         FROM purged
         WHERE source_id = ?1
         ORDER BY purged_id",
    )?;
    let rows = stmt.query_map([source_id], |row| {
        let size: Option<i64> = row.get("size")?;
        let sha256: Option<Vec<u8>> = row.get("sha256")?;
        Ok(Purged {
            session_id: row.get("session_id")?,
            content: size.map(i64::unsigned_abs).zip(sha256),
            inode: row.get("inode")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Inodes of the purged logs of a source that have no id.
pub(crate) fn inodes_without_id(conn: &Connection, source_id: i64) -> Result<Vec<i64>> {
    let mut stmt = conn.prepare_cached(
        "SELECT file.inode
         FROM sessions AS session
         JOIN files AS file ON file.source_id = session.source_id
                           AND file.path = session.path
                           AND file.state = 'current'
                           AND file.state <> 'superseded'
         WHERE session.source_id = ?1
           AND session.session_id IS NULL
           AND file.inode <> 0",
    )?;
    let rows = stmt.query_map([source_id], |row| row.get("inode"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Forgets the purged sessions of a source, so that an import adds them again.
pub(crate) fn delete_of_source(conn: &Connection, source_id: i64) -> Result<()> {
    conn.prepare_cached("DELETE FROM purged WHERE source_id = ?1")?.execute([source_id])?;
    Ok(())
}

/// Moves the purged sessions of one source to another.
pub(crate) fn move_to(conn: &Connection, source_id: i64, target_id: i64) -> Result<()> {
    conn.prepare_cached("UPDATE purged SET source_id = ?2 WHERE source_id = ?1")?
        .execute((source_id, target_id))?;
    Ok(())
}
