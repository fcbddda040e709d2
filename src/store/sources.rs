//! Sources: imported roots and the store's own, each with its format and origin.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row};

use super::listing::SessionRow;
use crate::error::{Error, Result};
use crate::model::Format;

/// A source: an imported root, or a part of the store's own.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) source_id: i64,
    pub(crate) root: Vec<u8>,
    pub(crate) format: Format,
    /// The machine or person that its sessions come from; empty if none was named.
    pub(crate) origin: String,
}

impl Source {
    pub(crate) fn root_path(&self) -> PathBuf {
        PathBuf::from(OsStr::from_bytes(&self.root))
    }
}

/// The source of an imported root.
pub(crate) fn of_root(conn: &Connection, root: &Path) -> Result<Option<Source>> {
    Ok(conn
        .prepare_cached(
            "SELECT source_id, root, format, origin
             FROM sources
             WHERE root = ?1 AND root <> x''",
        )?
        .query_row([root.as_os_str().as_bytes()], source_from_row)
        .optional()?)
}

pub(crate) fn by_id(conn: &Connection, source_id: i64) -> Result<Source> {
    conn.prepare_cached("SELECT source_id, root, format, origin FROM sources WHERE source_id = ?1")?
        .query_row([source_id], source_from_row)
        .optional()?
        .ok_or_else(|| Error::Damaged(format!("source {source_id} is missing")))
}

/// All sources, by path; the store's own first.
pub(crate) fn all(conn: &Connection) -> Result<Vec<Source>> {
    let mut stmt = conn.prepare_cached(
        "SELECT source_id, root, format, origin
         FROM sources
         ORDER BY root, format, origin",
    )?;
    let rows = stmt.query_map([], source_from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn insert(conn: &Connection, root: &Path, format: Format) -> Result<Source> {
    conn.prepare_cached(INSERT_SOURCE)?.execute((root.as_os_str().as_bytes(), format, ""))?;
    of_root(conn, root)?.ok_or_else(|| Error::SourceNotFound(root.to_owned()))
}

/// The source of sessions that are made here in a format.
pub(crate) fn own(conn: &Connection, format: Format) -> Result<i64> {
    of_origin(conn, format, "")
}

/// The source of sessions of a format that were merged from an origin and are in no
/// root here.
pub(crate) fn of_origin(conn: &Connection, format: Format, origin: &str) -> Result<i64> {
    conn.prepare_cached(INSERT_SOURCE)?.execute((b"", format, origin))?;
    Ok(conn
        .prepare_cached(
            "SELECT source_id
             FROM sources
             WHERE root = x'' AND format = ?1 AND origin = ?2",
        )?
        .query_row((format, origin), |row| row.get("source_id"))?)
}

const INSERT_SOURCE: &str = "
    INSERT INTO sources (root, format, origin)
    VALUES (?1, ?2, ?3)
    ON CONFLICT DO NOTHING";

fn source_from_row(row: &Row<'_>) -> rusqlite::Result<Source> {
    Ok(Source {
        source_id: row.get(0)?,
        root: row.get(1)?,
        format: row.get(2)?,
        origin: row.get(3)?,
    })
}

/// The longest name of an origin, in bytes.
const MAX_NAME: usize = 200;

/// The name of an origin without surrounding white space.
pub(crate) fn origin_name(given: &str) -> Result<&str> {
    let name = given.trim();
    let refused = |reason: &str| Err(Error::InvalidRecord(format!("an origin {reason}")));
    match name {
        "" => refused("needs a name"),
        _ if MAX_NAME < name.len() => refused("has a name of at most 200 bytes"),
        _ if name.contains(char::is_control) => refused("has a name without control characters"),
        _ => Ok(name),
    }
}

/// Changes the origin of a source.
pub(crate) fn update_origin(conn: &Connection, source_id: i64, origin: &str) -> Result<()> {
    conn.prepare_cached("UPDATE sources SET origin = ?2 WHERE source_id = ?1")?
        .execute((source_id, origin))?;
    Ok(())
}

/// The sessions of an origin.
pub(super) fn sessions_of_origin(conn: &Connection, origin: &str) -> Result<BTreeSet<i64>> {
    let mut stmt = conn.prepare_cached(BY_ORIGIN)?;
    let keys = stmt.query_map([origin], |row| row.get("session_key"))?;
    Ok(keys.collect::<Result<_, _>>()?)
}

/// There are few sources.
pub(crate) const BY_ORIGIN: &str = "
    SELECT session.session_key
    FROM sources AS source
    CROSS JOIN sessions AS session ON session.source_id = source.source_id
    WHERE source.origin = ?1";

/// Fills in the origins of a list's rows; returns which parts of the database could
/// not be read.
pub(super) fn add_origins(conn: &Connection, rows: &mut [SessionRow]) -> Result<Option<String>> {
    let keys: Vec<i64> = rows.iter().map(|row| row.key.0).collect();
    let mut origins = match of_sessions(conn, &keys) {
        Err(err) if err.is_of_content() => return Ok(Some(err.to_string())),
        origins => origins?,
    };
    for row in rows {
        row.origin = origins.remove(&row.key.0);
    }
    Ok(None)
}

fn of_sessions(conn: &Connection, keys: &[i64]) -> Result<HashMap<i64, String>> {
    let is_any = conn
        .prepare_cached("SELECT 1 FROM sources WHERE origin <> '' LIMIT 1")?
        .query_row([], |_| Ok(()))
        .optional()?;
    if is_any.is_none() {
        return Ok(HashMap::new());
    }
    let mut stmt = conn.prepare_cached(ORIGINS)?;
    let rows = stmt.query_map([serde_json::Value::from(keys).to_string()], |row| {
        Ok((row.get("session_key")?, row.get("origin")?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) const ORIGINS: &str = "
    SELECT session.session_key, source.origin
    FROM json_each(?1) AS asked
    CROSS JOIN sessions AS session ON session.session_key = asked.value
    CROSS JOIN sources AS source ON source.source_id = session.source_id
    WHERE source.origin <> ''";
