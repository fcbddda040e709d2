//! The log: lines of session files, and the content of documents.

use std::borrow::Cow;

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::files::{FileKind, FileRow};
use super::packing::{self, Packer};
use crate::error::{Error, Result};

/// Bytes of a document in one row.
pub(crate) const CHUNK_SIZE: usize = 1 << 20;

/// Longest line or chunk that SQLite takes, less a row's own overhead.
pub(crate) const MAX_LINE: usize = 999_999_000;

/// The key of a line or chunk: a file's rows lie together, in order.
pub(crate) fn key(file_id: i64, position: u32) -> i64 {
    (file_id << 32) | i64::from(position)
}

/// The file that a line belongs to.
pub(crate) fn file_of(key: i64) -> i64 {
    key >> 32
}

/// The place of a line in its file, from 0; a chain goes on where its base ends.
pub(crate) fn position(key: i64) -> u32 {
    (key & 0xFFFF_FFFF) as u32
}

/// The place of a line in its file, from 1.
pub(crate) fn line_number(key: i64) -> u32 {
    position(key).saturating_add(1)
}

/// Inserts a line as it is.
pub(crate) fn insert_line(conn: &Connection, key: i64, raw: &[u8]) -> Result<()> {
    insert_packed(conn, key, raw, &mut Packer::default())
}

/// Inserts a line, packed if the packer does.
pub(crate) fn insert_packed(
    conn: &Connection,
    key: i64,
    raw: &[u8],
    packer: &mut Packer,
) -> Result<()> {
    let (enc, stored) = packer.pack(raw);
    conn.prepare_cached(
        // By place: to look up names took 8 % of the time of an import.
        "INSERT INTO lines (line_key, raw, enc, checksum) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute((key, stored, enc, crc32fast::hash(raw)))?;
    Ok(())
}

pub(crate) fn delete_line(conn: &Connection, key: i64) -> Result<()> {
    conn.prepare_cached("DELETE FROM lines WHERE line_key = ?1")?.execute([key])?;
    Ok(())
}

/// The exact bytes of a line, terminator included.
pub(crate) fn line(conn: &Connection, key: i64) -> Result<Vec<u8>> {
    let (enc, raw): (i64, Vec<u8>) = conn
        .prepare_cached("SELECT enc, raw FROM lines WHERE line_key = ?1")?
        .query_row([key], |row| Ok((row.get("enc")?, row.get("raw")?)))
        .optional()?
        .ok_or_else(|| missing(key))?;
    match enc {
        packing::AS_IS => Ok(raw),
        _ => Ok(packing::unpack(enc, &raw)?.into_owned()),
    }
}

/// The checksum of a file's line by its number, without its end; `None` where there is no such line.
pub(crate) fn checksum_without_end(
    conn: &Connection,
    file: &FileRow,
    number: u32,
) -> Result<Option<u32>> {
    let Some(position) = number.checked_sub(1) else { return Ok(None) };
    let file_id = match file.base_id {
        Some(base_id) if position < file.base_count => base_id,
        _ => file.file_id,
    };
    let key = key(file_id, position);
    if !conn.prepare_cached("SELECT 1 FROM lines WHERE line_key = ?1")?.exists([key])? {
        return Ok(None);
    }
    let raw = line(conn, key)?;
    Ok(Some(crc32fast::hash(raw.strip_suffix(b"\n").unwrap_or(&raw))))
}

/// Hands each line of a file to `each`, in order; those that it begins with first.
pub(crate) fn each_line(
    conn: &Connection,
    file: &FileRow,
    mut each: impl FnMut(i64, &[u8]) -> Result<()>,
) -> Result<()> {
    if let (Some(base_id), Some(last)) = (file.base_id, file.base_count.checked_sub(1)) {
        each_in_range(conn, key(base_id, 0), key(base_id, last), &mut each)?;
    }
    each_in_range(conn, key(file.file_id, 0), key(file.file_id, u32::MAX), &mut each)
}

fn each_in_range(
    conn: &Connection,
    first: i64,
    last: i64,
    each: &mut impl FnMut(i64, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut stmt = conn.prepare_cached(
        "SELECT line_key, raw, enc
         FROM lines
         WHERE line_key BETWEEN ?1 AND ?2
         ORDER BY line_key",
    )?;
    let mut rows = stmt.query([first, last])?;
    while let Some(row) = rows.next()? {
        each(row.get(0)?, &line_from_row(row)?)?;
    }
    Ok(())
}

/// Hands each of these lines to `each`, in their order, which is best that of the file.
///
/// Lines of a path mostly follow one another, so rows are read on; a line that
/// is not among the next few is sought.
pub(crate) fn each_of(
    conn: &Connection,
    keys: &[i64],
    mut each: impl FnMut(i64, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut stmt = conn.prepare_cached(LINES_FROM)?;
    let mut left = keys.iter().copied().peekable();
    while let Some(&sought) = left.peek() {
        let mut rows = stmt.query([sought])?;
        let mut passed = 0;
        while let (Some(&wanted), true) = (left.peek(), passed <= NEAR) {
            let key = match rows.next()? {
                Some(row) => {
                    let key: i64 = row.get(0)?;
                    if key == wanted {
                        each(key, &line_from_row(row)?)?;
                        left.next();
                        passed = 0;
                        continue;
                    }
                    key
                }
                None => i64::MAX,
            };
            if wanted == sought {
                return Err(missing(wanted));
            }
            // One that comes earlier in the file is sought at once.
            passed = if key < wanted { passed + 1 } else { usize::MAX };
        }
    }
    Ok(())
}

/// Rows to pass by before a line is sought instead.
const NEAR: usize = 16;

pub(crate) const LINES_FROM: &str = "
    SELECT line_key, raw, enc
    FROM lines
    WHERE line_key >= ?1
    ORDER BY line_key";

pub(crate) fn insert_chunk(conn: &Connection, key: i64, raw: &[u8]) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO chunks (chunk_key, raw, checksum)
         VALUES (:chunk_key, :raw, :checksum)",
    )?
    .execute(named_params! {
        ":chunk_key": key,
        ":raw": raw,
        ":checksum": crc32fast::hash(raw),
    })?;
    Ok(())
}

/// Hands each chunk of a document to `each`, in order.
pub(crate) fn each_chunk(
    conn: &Connection,
    file_id: i64,
    mut each: impl FnMut(i64, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut stmt = conn.prepare_cached(
        "SELECT chunk_key, raw
         FROM chunks
         WHERE chunk_key BETWEEN ?1 AND ?2
         ORDER BY chunk_key",
    )?;
    let mut rows = stmt.query([key(file_id, 0), key(file_id, u32::MAX)])?;
    while let Some(row) = rows.next()? {
        each(
            row.get("chunk_key")?,
            row.get_ref("raw")?.as_blob().map_err(|err| not_a_blob(&err))?,
        )?;
    }
    Ok(())
}

/// Hands each line or chunk of a file with its checksum to `each`, in order.
pub(crate) fn each_checked(
    conn: &Connection,
    file_id: i64,
    kind: FileKind,
    mut each: impl FnMut(i64, &[u8], u32) -> Result<()>,
) -> Result<()> {
    let mut stmt = conn.prepare_cached(match kind {
        FileKind::Log => {
            "SELECT line_key AS key, raw, enc, checksum
             FROM lines
             WHERE line_key BETWEEN ?1 AND ?2
             ORDER BY line_key"
        }
        _ => {
            "SELECT chunk_key AS key, raw, 0 AS enc, checksum
             FROM chunks
             WHERE chunk_key BETWEEN ?1 AND ?2
             ORDER BY chunk_key"
        }
    })?;
    let mut rows = stmt.query([key(file_id, 0), key(file_id, u32::MAX)])?;
    while let Some(row) = rows.next()? {
        // What cannot be unpacked will not match its checksum.
        let stored = row.get_ref("raw")?.as_blob().map_err(|err| not_a_blob(&err))?;
        let raw = packing::unpack(row.get("enc")?, stored).unwrap_or(Cow::Borrowed(stored));
        // A checksum beyond 32 bits is as wrong as any other.
        let checksum = u32::try_from(row.get::<_, i64>("checksum")?).unwrap_or_default();
        each(row.get("key")?, &raw, checksum)?;
    }
    Ok(())
}

/// Removes the content of a file, whichever kind it has.
pub(crate) fn delete_content(conn: &Connection, file_id: i64) -> Result<()> {
    let range = [key(file_id, 0), key(file_id, u32::MAX)];
    conn.prepare_cached("DELETE FROM lines WHERE line_key BETWEEN ?1 AND ?2")?.execute(range)?;
    conn.prepare_cached("DELETE FROM chunks WHERE chunk_key BETWEEN ?1 AND ?2")?.execute(range)?;
    Ok(())
}

/// The line of a row of its key, its bytes and how they are stored.
fn line_from_row<'r>(row: &'r Row<'_>) -> Result<Cow<'r, [u8]>> {
    let stored = row.get_ref(1)?.as_blob().map_err(|err| not_a_blob(&err))?;
    packing::unpack(row.get(2)?, stored)
}

fn missing(key: i64) -> Error {
    Error::Damaged(format!("line {} of file {} is missing", line_number(key), file_of(key)))
}

fn not_a_blob(err: &rusqlite::types::FromSqlError) -> Error {
    Error::Damaged(format!("a line is no blob: {err}"))
}
