//! The log: the lines of session files, and the content of documents.
//!
//! Every read of a line or chunk goes through [`proven`]: it returns the bytes that were written
//! at that key, or an error that names the file and the position.

use std::borrow::Cow;

use rusqlite::types::FromSqlError;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row};
use sha2::{Digest, Sha256};

use super::files::{FileKind, FileRow, FileState};
use super::packing::{self, Packer};
use super::{readable, sharing};
use crate::error::{Error, Result};
use crate::model::RecordPlace;

/// Bytes of a document that one row holds.
pub(crate) const CHUNK_SIZE: usize = 1 << 20;

/// The longest line or chunk: SQLite's limit, less a row's overhead.
pub(crate) const MAX_LINE: usize = 999_999_000;

/// The key of a line or chunk. The rows of a file have consecutive keys.
pub(crate) fn key(file_id: i64, position: u32) -> i64 {
    (file_id << 32) | i64::from(position)
}

/// The key of a line of a file, which may be a line of its base.
pub(crate) fn key_of(file: &FileRow, position: u32) -> i64 {
    match file.base_id {
        Some(base_id) if position < file.base_count => key(base_id, position),
        _ => key(file.file_id, position),
    }
}

/// The id of the file that a line belongs to.
pub(crate) fn file_of(key: i64) -> i64 {
    key >> 32
}

/// The position of a line in its file, from 0. A local chain continues the numbers of its base.
pub(crate) fn position(key: i64) -> u32 {
    (key & 0xFFFF_FFFF) as u32
}

/// The number of a line in its file, from 1.
pub(crate) fn line_number(key: i64) -> u32 {
    position(key).saturating_add(1)
}

/// The checksum of a line or chunk. It covers the key, so a row at another key does not match.
pub(crate) fn checksum(key: i64, raw: &[u8]) -> u32 {
    crc32fast::hash(raw) ^ crc32fast::hash(&key.to_be_bytes())
}

/// Inserts a line unpacked.
pub(crate) fn insert_line(conn: &Connection, key: i64, raw: &[u8]) -> Result<()> {
    insert_packed(conn, key, raw, &mut Packer::default())
}

/// Inserts a line, packed if the packer packs it.
pub(crate) fn insert_packed(
    conn: &Connection,
    key: i64,
    raw: &[u8],
    packer: &mut Packer,
) -> Result<()> {
    insert_by(&mut inserter(conn)?, key, raw, packer)
}

/// The prepared statement that inserts lines: looking it up takes a tenth of its time.
pub(super) fn inserter(conn: &Connection) -> Result<CachedStatement<'_>> {
    Ok(conn.prepare_cached(
        // Bound by position: looking up parameter names took 8 % of an import's time.
        "INSERT INTO lines (line_key, raw, enc, checksum) VALUES (?1, ?2, ?3, ?4)",
    )?)
}

pub(super) fn insert_by(
    inserter: &mut CachedStatement<'_>,
    key: i64,
    raw: &[u8],
    packer: &mut Packer,
) -> Result<()> {
    let (enc, stored) = packer.pack(raw);
    inserter.execute((key, stored, enc, checksum(key, raw)))?;
    Ok(())
}

pub(crate) fn delete_line(conn: &Connection, key: i64) -> Result<()> {
    conn.prepare_cached("DELETE FROM lines WHERE line_key = ?1")?.execute([key])?;
    Ok(())
}

/// The exact bytes of a line, including its terminator.
pub(crate) fn line(conn: &Connection, key: i64) -> Result<Vec<u8>> {
    let mut stmt = conn.prepare_cached(
        "SELECT line_key, raw, enc, checksum
         FROM lines
         WHERE line_key = ?1",
    )?;
    let mut rows = stmt.query([key])?;
    match rows.next().map_err(|err| Piece::Line.unreadable(conn, key, err))? {
        Some(row) => Ok(proven(conn, Piece::Line, key, row)?.into_owned()),
        None => Err(Piece::Line.missing(conn, key)),
    }
}

/// The bytes of a record: its line, or its part of the line.
pub(crate) fn record(conn: &Connection, place: RecordPlace) -> Result<Vec<u8>> {
    let line = line(conn, place.line_key)?;
    match place.span {
        None => Ok(line),
        Some(span) => Ok(span.of(&line).to_vec()),
    }
}

/// The checksum of a line by its number, without its terminator; `None` if there is no such line.
pub(crate) fn checksum_without_end(
    conn: &Connection,
    file: &FileRow,
    number: u32,
) -> Result<Option<u32>> {
    let Some(position) = number.checked_sub(1) else { return Ok(None) };
    let key = key_of(file, position);
    if !conn.prepare_cached("SELECT 1 FROM lines WHERE line_key = ?1")?.exists([key])? {
        return Ok(None);
    }
    let raw = line(conn, key)?;
    Ok(Some(crc32fast::hash(raw.strip_suffix(b"\n").unwrap_or(&raw))))
}

/// Calls `each` for every line of a file in order, including the lines of its base.
pub(crate) fn each_line(
    conn: &Connection,
    file: &FileRow,
    mut each: impl FnMut(i64, &[u8]) -> Result<()>,
) -> Result<()> {
    each_line_by(conn, file, Gaps::Refused, &mut each)
}

/// As [`each_line`], but skips lines that are known to be missing: for readers of what lines mean,
/// not for exports.
pub(crate) fn each_line_left(
    conn: &Connection,
    file: &FileRow,
    mut each: impl FnMut(i64, &[u8]) -> Result<()>,
) -> Result<()> {
    each_line_by(conn, file, Gaps::Passed, &mut each)
}

fn each_line_by(
    conn: &Connection,
    file: &FileRow,
    gaps: Gaps,
    each: &mut impl FnMut(i64, &[u8]) -> Result<()>,
) -> Result<()> {
    if let (Some(base_id), Some(last)) = (file.base_id, file.base_count.checked_sub(1)) {
        let range = [key(base_id, 0), key(base_id, last)];
        each_in(conn, (Piece::Line, gaps), range, key(base_id, file.base_count), each)?;
    }
    let range = [key(file.file_id, file.base_count), key(file.file_id, u32::MAX)];
    each_in(conn, (Piece::Line, gaps), range, key(file.file_id, file.line_count), each)
}

/// What to do about lines that a recovered database is known to lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gaps {
    Passed,
    Refused,
}

/// The end of the known gap that begins at a key, if there is one.
fn behind_gap(conn: &Connection, key: i64) -> Result<Option<i64>> {
    Ok(conn
        .prepare_cached("SELECT last_key FROM gaps WHERE first_key = ?1")?
        .query_row([key], |row| row.get::<_, i64>("last_key"))
        .optional()?
        .map(|last| last.saturating_add(1)))
}

/// Whether a recovered database is known to lack part of a file.
pub(crate) fn has_gaps(conn: &Connection, file_id: i64) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT 1 FROM gaps WHERE first_key BETWEEN ?1 AND ?2 LIMIT 1")?
        .exists(keys(file_id))?)
}

/// Records that a recovered database lacks the lines or chunks of a range of keys.
pub(crate) fn insert_gap(conn: &Connection, first: i64, last: i64) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO gaps (first_key, last_key)
         VALUES (?1, ?2)
         ON CONFLICT (first_key) DO UPDATE SET last_key = max(last_key, excluded.last_key)",
    )?
    .execute([first, last])?;
    Ok(())
}

/// Calls `each` for every chunk of a document, in order.
pub(crate) fn each_chunk(
    conn: &Connection,
    file: &FileRow,
    mut each: impl FnMut(i64, &[u8]) -> Result<()>,
) -> Result<()> {
    let piece = (Piece::Chunk, Gaps::Refused);
    each_in(conn, piece, keys(file.file_id), key(file.file_id, file.line_count), &mut each)
}

/// Calls `each` for every line of a log or every chunk of a document.
pub(crate) fn each_piece(
    conn: &Connection,
    file: &FileRow,
    each: impl FnMut(i64, &[u8]) -> Result<()>,
) -> Result<()> {
    match file.kind {
        FileKind::Log => each_line(conn, file, each),
        _ => each_chunk(conn, file, each),
    }
}

/// As [`each_piece`], and then proves the file as a whole by size and digest. A local chain has no
/// digest: each of its lines is proven at its key, and their number is compared.
pub(crate) fn each_piece_of_whole(
    conn: &Connection,
    file: &FileRow,
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let has_digest = file.state != FileState::Local;
    let mut hasher = Sha256::new();
    let mut size = 0;
    each_piece(conn, file, |key, raw| {
        // The lines of its base do not count for a local chain.
        size += if file_of(key) == file.file_id { raw.len() as u64 } else { 0 };
        if has_digest {
            hasher.update(raw);
        }
        each(raw)
    })?;
    if size != file.size {
        let detail = format!("holds {size} bytes, of {}", file.size);
        return Err(damaged(conn, file.file_id, None, &detail));
    }
    if has_digest && file.sha256.as_deref() != Some(&hasher.finalize()[..]) {
        return Err(damaged(conn, file.file_id, None, "does not match its digest"));
    }
    Ok(())
}

/// Calls `each` for every row in a range of keys. A missing key before `end` is an error.
fn each_in(
    conn: &Connection,
    (piece, gaps): (Piece, Gaps),
    range: [i64; 2],
    end: i64,
    each: &mut impl FnMut(i64, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut stmt = conn.prepare_cached(match piece {
        Piece::Line => {
            "SELECT line_key, raw, enc, checksum
             FROM lines
             WHERE line_key BETWEEN ?1 AND ?2
             ORDER BY line_key"
        }
        Piece::Chunk => {
            "SELECT chunk_key, raw, 0 AS enc, checksum
             FROM chunks
             WHERE chunk_key BETWEEN ?1 AND ?2
             ORDER BY chunk_key"
        }
    })?;
    let mut expected = range[0];
    let mut rows = stmt.query(range)?;
    while let Some(row) = rows.next().map_err(|err| piece.unreadable(conn, expected, err))? {
        let key = row.get(0)?;
        let raw = proven(conn, piece, key, row)?;
        while expected < key {
            expected = pass_gap(conn, piece, gaps, expected)?;
        }
        // In a damaged b-tree, rows of other keys can be inside the range.
        if !(expected..end).contains(&key) {
            return Err(piece.damaged(conn, key, "is out of order"));
        }
        each(key, &raw)?;
        expected = expected.saturating_add(1);
    }
    while expected < end {
        expected = pass_gap(conn, piece, gaps, expected)?;
    }
    Ok(())
}

/// The end of a gap; an error if gaps are not to be skipped.
fn pass_gap(conn: &Connection, piece: Piece, gaps: Gaps, missing: i64) -> Result<i64> {
    let behind = match gaps {
        Gaps::Passed => behind_gap(conn, missing)?,
        Gaps::Refused => None,
    };
    behind.ok_or_else(|| piece.missing(conn, missing))
}

/// Calls `each` for these lines, in the order given, which should be file order.
///
/// Reads on row by row, and seeks only lines that are not among the next few.
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
            let row = rows.next().map_err(|err| Piece::Line.unreadable(conn, wanted, err))?;
            let key = match row {
                Some(row) => {
                    let key: i64 = row.get(0)?;
                    if key == wanted {
                        each(key, &proven(conn, Piece::Line, key, row)?)?;
                        left.next();
                        passed = 0;
                        continue;
                    }
                    key
                }
                None => i64::MAX,
            };
            if wanted == sought {
                return Err(Piece::Line.missing(conn, wanted));
            }
            // A line that comes earlier in the file is sought at once.
            passed = if key < wanted { passed + 1 } else { usize::MAX };
        }
    }
    Ok(())
}

/// Rows to skip before seeking a line instead.
const NEAR: usize = 16;

pub(crate) const LINES_FROM: &str = "
    SELECT line_key, raw, enc, checksum
    FROM lines
    WHERE line_key >= ?1
    ORDER BY line_key";

pub(crate) fn insert_chunk(conn: &Connection, key: i64, raw: &[u8]) -> Result<()> {
    conn.prepare_cached("INSERT INTO chunks (chunk_key, raw, checksum) VALUES (?1, ?2, ?3)")?
        .execute((key, raw, checksum(key, raw)))?;
    Ok(())
}

/// Calls `each` for what is left of a file, including rows that fail their checksum, and without
/// those that are missing or unreadable.
pub(crate) fn each_piece_left(
    conn: &Connection,
    file: &FileRow,
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut base = None;
    if let (Some(base_id), Some(last)) = (file.base_id, file.base_count.checked_sub(1)) {
        base = Some([key(base_id, 0), key(base_id, last)]);
    }
    let own = [key(file.file_id, file.base_count), key(file.file_id, u32::MAX)];
    for range in base.into_iter().chain([own]) {
        readable::each_readable(range, |range, next| {
            each_unproven(conn, file.kind, range, |key, raw, _| {
                *next = key.saturating_add(1);
                each(raw)
            })
        })?;
    }
    Ok(())
}

/// The range of keys of a file's own lines or chunks.
pub(crate) fn keys(file_id: i64) -> [i64; 2] {
    [key(file_id, 0), key(file_id, u32::MAX)]
}

/// Calls `each` for the lines or chunks in a range of keys, in order, with whether each matches
/// its checksum: for readers that look for damage, or recover what is left.
pub(crate) fn each_unproven(
    conn: &Connection,
    kind: FileKind,
    range: [i64; 2],
    mut each: impl FnMut(i64, &[u8], bool) -> Result<()>,
) -> Result<()> {
    let mut stmt = conn.prepare_cached(match kind {
        FileKind::Log => {
            "SELECT line_key, raw, enc, checksum
             FROM lines
             WHERE line_key BETWEEN ?1 AND ?2
             ORDER BY line_key"
        }
        _ => {
            "SELECT chunk_key, raw, 0 AS enc, checksum
             FROM chunks
             WHERE chunk_key BETWEEN ?1 AND ?2
             ORDER BY chunk_key"
        }
    })?;
    let mut rows = stmt.query(range)?;
    while let Some(row) = rows.next()? {
        let key = row.get(0)?;
        match content(conn, key, row) {
            Ok(raw) => each(key, &raw, true)?,
            Err(_) => each(key, unproven(conn, row).as_deref().unwrap_or_default(), false)?,
        }
    }
    Ok(())
}

/// Removes the content of a file, whether lines or chunks.
pub(crate) fn delete_content(conn: &Connection, file_id: i64) -> Result<()> {
    let range = keys(file_id);
    sharing::hand_over(conn, range)?;
    conn.prepare_cached("DELETE FROM lines WHERE line_key BETWEEN ?1 AND ?2")?.execute(range)?;
    conn.prepare_cached("DELETE FROM chunks WHERE chunk_key BETWEEN ?1 AND ?2")?.execute(range)?;
    conn.prepare_cached("DELETE FROM gaps WHERE first_key BETWEEN ?1 AND ?2")?.execute(range)?;
    Ok(())
}

/// The kind of row that a file's content is stored in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Piece {
    Line,
    Chunk,
}

impl Piece {
    fn missing(self, conn: &Connection, key: i64) -> Error {
        self.damaged(conn, key, "is missing")
    }

    /// Adds the row's name to an error of the database.
    pub(super) fn unreadable(self, conn: &Connection, key: i64, err: rusqlite::Error) -> Error {
        match Error::from(err) {
            Error::Damaged(detail) => self.damaged(conn, key, &format!("cannot be read: {detail}")),
            err => err,
        }
    }

    fn damaged(self, conn: &Connection, key: i64, detail: &str) -> Error {
        let noun = match self {
            Self::Line => "line",
            Self::Chunk => "chunk",
        };
        damaged(conn, file_of(key), Some((noun, line_number(key))), detail)
    }
}

/// The bytes of a row that selects them first and their encoding and checksum from the second
/// column on.
pub(super) fn proven<'r>(
    conn: &Connection,
    piece: Piece,
    key: i64,
    row: &'r Row<'_>,
) -> Result<Cow<'r, [u8]>> {
    content(conn, key, row).map_err(|detail| piece.damaged(conn, key, &detail))
}

/// The bytes of such a row, or what is wrong with them.
fn content<'r>(conn: &Connection, key: i64, row: &'r Row<'_>) -> Result<Cow<'r, [u8]>, String> {
    let raw = unproven(conn, row)?;
    let stored = row.get_ref(3).ok().and_then(|value| value.as_i64().ok());
    if stored == Some(i64::from(checksum(key, &raw))) {
        Ok(raw)
    } else {
        Err("does not match its checksum".to_owned())
    }
}

fn unproven<'r>(conn: &Connection, row: &'r Row<'_>) -> Result<Cow<'r, [u8]>, String> {
    let not_ours = |err: FromSqlError| format!("is not stored as it should be: {err}");
    let column = |n| row.get_ref(n).map_err(|err| format!("cannot be read: {err}"));
    let stored = column(1)?.as_blob().map_err(not_ours)?;
    let enc = column(2)?.as_i64().map_err(not_ours)?;
    match sharing::holder(enc, stored) {
        Some(holder) => sharing::shared_bytes(conn, holder).map(Cow::Owned),
        None => packing::unpack(enc, stored),
    }
}

/// Names the file by its path, if that can still be read.
fn damaged(conn: &Connection, file_id: i64, piece: Option<(&str, u32)>, detail: &str) -> Error {
    let path = conn
        .prepare_cached("SELECT path FROM files WHERE file_id = ?1")
        .and_then(|mut stmt| stmt.query_row([file_id], |row| row.get::<_, Vec<u8>>("path")));
    let file = match path {
        Ok(path) => String::from_utf8_lossy(&path).escape_debug().to_string(),
        Err(_) => format!("file {file_id}"),
    };
    let place = piece.map(|(noun, number)| format!("{noun} {number} of ")).unwrap_or_default();
    Error::Damaged(format!("{place}{file} {detail}"))
}
