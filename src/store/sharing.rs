//! Lines that several chains share, with one row that holds the bytes.
//!
//! A copy of a session has nearly all of its lines unchanged. Its rows in the log
//! name the row that holds the bytes, and have checksums of their own. A row that
//! is named holds its bytes itself, so there are no chains of references. Before it
//! is deleted, the first row that names it takes the bytes over.

use rusqlite::Connection;

use super::{log, packing};
use crate::error::Result;

/// The `enc` of a line whose bytes are in another row.
const SHARED: i64 = 2;

/// Shorter lines are copied: a reference takes about as many bytes.
const SHORTEST: usize = 64;

/// The key of the row that holds a line's bytes, if that is another row.
pub(crate) fn holder(enc: i64, stored: &[u8]) -> Option<i64> {
    (enc == SHARED).then(|| stored.try_into().ok().map(i64::from_be_bytes)).flatten()
}

/// Inserts a line that has the bytes of another row. A line without a terminator may
/// still be replaced in place, so it is copied.
pub(crate) fn insert(conn: &Connection, key: i64, of: i64, raw: &[u8]) -> Result<()> {
    if raw.len() < SHORTEST || !raw.ends_with(b"\n") {
        return log::insert_line(conn, key, raw);
    }
    // Not INSERT … SELECT, which would make a temporary table for each line when it
    // reads the table that it writes.
    let inserted = conn
        .prepare_cached(
            "INSERT OR IGNORE INTO lines (line_key, raw, enc, checksum)
             VALUES (?1, (SELECT iif(enc = 2, raw, ?3) FROM lines WHERE line_key = ?2), 2, ?4)",
        )?
        .execute((key, of, of.to_be_bytes(), log::checksum(key, raw)))?;
    // Without a row that holds the bytes, they are copied.
    if inserted == 0 { log::insert_line(conn, key, raw) } else { Ok(()) }
}

/// The bytes that a row holds for another, or why there are none.
pub(super) fn shared_bytes(conn: &Connection, holder: i64) -> Result<Vec<u8>, String> {
    let failed = |err: rusqlite::Error| format!("refers to a line that cannot be read: {err}");
    let mut stmt =
        conn.prepare_cached("SELECT raw, enc FROM lines WHERE line_key = ?1").map_err(failed)?;
    let mut rows = stmt.query([holder]).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else {
        return Err("refers to a line that is missing".to_owned());
    };
    let stored = row.get_ref(0).map_err(failed)?.as_blob().map_err(|err| failed(err.into()))?;
    packing::unpack(row.get(1).map_err(failed)?, stored).map(std::borrow::Cow::into_owned)
}

/// To be called before lines are deleted: gives the bytes that they hold for other
/// rows to the first of those.
pub(super) fn hand_over(conn: &Connection, range: [i64; 2]) -> Result<()> {
    let mut stmt = conn.prepare_cached(HEIRS)?;
    let range = range.map(i64::to_be_bytes);
    let heirs = stmt.query_map(range, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let heirs: Vec<([u8; 8], i64)> = heirs.collect::<Result<_, _>>()?;
    for (holder, heir) in heirs {
        conn.prepare_cached(
            "UPDATE lines
             SET (raw, enc) = (SELECT raw, enc FROM lines WHERE line_key = ?2)
             WHERE line_key = ?1",
        )?
        .execute((heir, i64::from_be_bytes(holder)))?;
        conn.prepare_cached("UPDATE lines SET raw = ?2 WHERE enc = 2 AND raw = ?1")?
            .execute((holder, heir.to_be_bytes()))?;
    }
    Ok(())
}

/// Keys are positive, so their big-endian bytes sort in the same order.
pub(super) const HEIRS: &str = "
    SELECT raw, min(line_key)
    FROM lines
    WHERE enc = 2
      AND raw BETWEEN ?1 AND ?2
    GROUP BY raw";
