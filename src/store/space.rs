//! The space that tables, rows and files take.

use rusqlite::{Connection, OptionalExtension};

use super::files::{FileKind, FileState};
use crate::error::Result;

/// The pages of the database.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pages {
    pub(crate) size: u64,
    pub(crate) all: u64,
    pub(crate) free: u64,
}

pub(crate) fn pages(conn: &Connection) -> Result<Pages> {
    let pragma = |name| -> Result<u64> {
        Ok(conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0))?.unsigned_abs())
    };
    Ok(Pages {
        size: pragma("page_size")?,
        all: pragma("page_count")?,
        free: pragma("freelist_count")?,
    })
}

/// Tables and indexes with the bytes of their pages, the largest first.
///
/// Empty if SQLite was built without the virtual table `dbstat`.
pub(crate) fn objects(conn: &Connection) -> Result<Vec<(String, u64)>> {
    let is_there = conn
        .query_row("SELECT 1 FROM pragma_module_list WHERE name = 'dbstat'", [], |_| Ok(()))
        .optional()?
        .is_some();
    if !is_there {
        return Ok(Vec::new());
    }
    let mut stmt = conn.prepare(
        "SELECT name, sum(pgsize) AS bytes
         FROM dbstat
         WHERE aggregate = TRUE
         GROUP BY name
         ORDER BY bytes DESC, name",
    )?;
    let rows = stmt
        .query_map([], |row| Ok((row.get("name")?, row.get::<_, i64>("bytes")?.unsigned_abs())))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Content {
    Lines,
    Chunks,
}

/// The number of rows of lines or chunks, and their bytes without overhead.
pub(crate) fn rows_and_bytes(conn: &Connection, content: Content) -> Result<(u64, u64)> {
    let sql = match content {
        Content::Lines => {
            "SELECT count(*) AS rows, ifnull(sum(length(raw)), 0) AS bytes
             FROM lines"
        }
        Content::Chunks => {
            "SELECT count(*) AS rows, ifnull(sum(length(raw)), 0) AS bytes
             FROM chunks"
        }
    };
    Ok(conn.query_row(sql, [], |row| {
        Ok((row.get::<_, i64>("rows")?.unsigned_abs(), row.get::<_, i64>("bytes")?.unsigned_abs()))
    })?)
}

/// Kind, state, number and bytes of files.
pub(crate) fn files(conn: &Connection) -> Result<Vec<(FileKind, FileState, u64, u64)>> {
    let mut stmt = conn.prepare(
        "SELECT kind, state, count(*) AS files, sum(size) AS bytes
         FROM files
         GROUP BY kind, state
         ORDER BY kind, state",
    )?;
    let rows = stmt.query_map([], |row| {
        Ok((
            row.get("kind")?,
            row.get("state")?,
            row.get::<_, i64>("files")?.unsigned_abs(),
            row.get::<_, i64>("bytes")?.unsigned_abs(),
        ))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The numbers of roots, sessions and entries.
pub(crate) fn counts(conn: &Connection) -> Result<[u64; 3]> {
    Ok(conn.query_row(
        "SELECT (SELECT count(*) FROM sources WHERE root <> x'') AS sources,
                (SELECT count(*) FROM sessions) AS sessions,
                (SELECT count(*) FROM entries) AS entries",
        [],
        |row| {
            Ok(["sources", "sessions", "entries"]
                .map(|name| row.get::<_, i64>(name).unwrap_or_default().unsigned_abs()))
        },
    )?)
}
