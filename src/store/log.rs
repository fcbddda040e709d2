//! The log: lines of session files, and the content of documents.
//!
//! Every read of a line or chunk goes through [`proven`]: its bytes are those
//! that were written at its place, or it is an error that names both.

use std::borrow::Cow;

use rusqlite::types::FromSqlError;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row};
use sha2::{Digest, Sha256};

use super::files::{FileKind, FileRow, FileState};
use super::packing::{self, Packer};
use super::{readable, sharing};
use crate::error::{Error, Result};
use crate::model::RecordPlace;

/// Bytes of a document in one row.
pub(crate) const CHUNK_SIZE: usize = 1 << 20;

/// Longest line or chunk that SQLite takes, less a row's own overhead.
pub(crate) const MAX_LINE: usize = 999_999_000;

/// The key of a line or chunk: a file's rows lie together, in order.
pub(crate) fn key(file_id: i64, position: u32) -> i64 {
    (file_id << 32) | i64::from(position)
}

/// The key of a line of a file, which may begin with lines of another.
pub(crate) fn key_of(file: &FileRow, position: u32) -> i64 {
    match file.base_id {
        Some(base_id) if position < file.base_count => key(base_id, position),
        _ => key(file.file_id, position),
    }
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

/// What proves the bytes of a line or chunk, and that they stand where they
/// belong: a row in another's place does not match.
pub(crate) fn checksum(key: i64, raw: &[u8]) -> u32 {
    crc32fast::hash(raw) ^ crc32fast::hash(&key.to_be_bytes())
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
    insert_by(&mut inserter(conn)?, key, raw, packer)
}

/// What inserts many lines: to look the statement up takes a tenth of its time.
pub(super) fn inserter(conn: &Connection) -> Result<CachedStatement<'_>> {
    Ok(conn.prepare_cached(
        // By place: to look up names took 8 % of the time of an import.
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

/// The exact bytes of a line, terminator included.
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

/// The bytes of a record: its line, or what of the line is its own.
pub(crate) fn record(conn: &Connection, place: RecordPlace) -> Result<Vec<u8>> {
    let line = line(conn, place.line_key)?;
    match place.span {
        None => Ok(line),
        Some(span) => Ok(span.of(&line).to_vec()),
    }
}

/// The checksum of a file's line by its number, without its end; `None` where there is no such line.
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

/// Hands each line of a file to `each`, in order; those that it begins with first.
pub(crate) fn each_line(
    conn: &Connection,
    file: &FileRow,
    mut each: impl FnMut(i64, &[u8]) -> Result<()>,
) -> Result<()> {
    each_line_by(conn, file, Gaps::Refused, &mut each)
}

/// As [`each_line`], but passes over what is known to be missing: for those who
/// ask what the lines mean, not for those who give them away.
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

/// What is done where a recovered database is known to lack lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gaps {
    Passed,
    Refused,
}

/// Behind the gap that begins at a key, if one is known there.
fn behind_gap(conn: &Connection, key: i64) -> Result<Option<i64>> {
    Ok(conn
        .prepare_cached("SELECT last_key FROM gaps WHERE first_key = ?1")?
        .query_row([key], |row| row.get::<_, i64>("last_key"))
        .optional()?
        .map(|last| last.saturating_add(1)))
}

/// Whether a recovered database is known to lack some of a file.
pub(crate) fn has_gaps(conn: &Connection, file_id: i64) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT 1 FROM gaps WHERE first_key BETWEEN ?1 AND ?2 LIMIT 1")?
        .exists(keys(file_id))?)
}

/// Notes that a recovered database lacks the lines or chunks from one key to another.
pub(crate) fn insert_gap(conn: &Connection, first: i64, last: i64) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO gaps (first_key, last_key)
         VALUES (?1, ?2)
         ON CONFLICT (first_key) DO UPDATE SET last_key = max(last_key, excluded.last_key)",
    )?
    .execute([first, last])?;
    Ok(())
}

/// Hands each chunk of a document to `each`, in order.
pub(crate) fn each_chunk(
    conn: &Connection,
    file: &FileRow,
    mut each: impl FnMut(i64, &[u8]) -> Result<()>,
) -> Result<()> {
    let piece = (Piece::Chunk, Gaps::Refused);
    each_in(conn, piece, keys(file.file_id), key(file.file_id, file.line_count), &mut each)
}

/// Hands the content of a log or document to `each`, piece by piece.
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

/// As [`each_piece`], and proves at the end that it was the whole file: its
/// size and its digest. A chain that is still written has no digest; each of
/// its lines is proven at its place, and so is their number.
pub(crate) fn each_piece_of_whole(
    conn: &Connection,
    file: &FileRow,
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let has_digest = file.state != FileState::Local;
    let mut hasher = Sha256::new();
    let mut size = 0;
    each_piece(conn, file, |key, raw| {
        // Of a local chain, the lines that it begins with do not count.
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

/// Hands each row in a range of keys to `each`; none between its first and `end` may be missing.
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
        // In a damaged tree, rows that lie elsewhere can stand within the range.
        if !(expected..end).contains(&key) {
            return Err(piece.damaged(conn, key, "stands where another belongs"));
        }
        each(key, &raw)?;
        expected = expected.saturating_add(1);
    }
    while expected < end {
        expected = pass_gap(conn, piece, gaps, expected)?;
    }
    Ok(())
}

/// Where a file goes on behind what is missing; an error unless that may be passed over.
fn pass_gap(conn: &Connection, piece: Piece, gaps: Gaps, missing: i64) -> Result<i64> {
    let behind = match gaps {
        Gaps::Passed => behind_gap(conn, missing)?,
        Gaps::Refused => None,
    };
    behind.ok_or_else(|| piece.missing(conn, missing))
}

/// Hands each of these lines to `each`, in their order, which is best that of the file.
///
/// Rows are read on; a line that is not among the next few is sought.
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
            // One that comes earlier in the file is sought at once.
            passed = if key < wanted { passed + 1 } else { usize::MAX };
        }
    }
    Ok(())
}

/// Rows to pass by before a line is sought instead.
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

/// Hands what there is of a file to `each`, piece by piece: whatever is not
/// proven as it is, and without what is missing or cannot be read.
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

/// The keys of a file's own lines or chunks.
pub(crate) fn keys(file_id: i64) -> [i64; 2] {
    [key(file_id, 0), key(file_id, u32::MAX)]
}

/// Hands each line or chunk in a range of keys to `each`, in order, and whether
/// it is proven: for those who look for damage, or take what there is.
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

/// Removes the content of a file, whichever kind it has.
pub(crate) fn delete_content(conn: &Connection, file_id: i64) -> Result<()> {
    let range = keys(file_id);
    sharing::hand_over(conn, range)?;
    conn.prepare_cached("DELETE FROM lines WHERE line_key BETWEEN ?1 AND ?2")?.execute(range)?;
    conn.prepare_cached("DELETE FROM chunks WHERE chunk_key BETWEEN ?1 AND ?2")?.execute(range)?;
    conn.prepare_cached("DELETE FROM gaps WHERE first_key BETWEEN ?1 AND ?2")?.execute(range)?;
    Ok(())
}

/// What a file's content is kept in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Piece {
    Line,
    Chunk,
}

impl Piece {
    fn missing(self, conn: &Connection, key: i64) -> Error {
        self.damaged(conn, key, "is missing")
    }

    /// Names the piece that was sought, where it is the database that fails.
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

/// The bytes of a row with them, their encoding and checksum in its second column and on.
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
    match stored == Some(i64::from(checksum(key, &raw))) {
        true => Ok(raw),
        false => Err("does not match its checksum".to_owned()),
    }
}

fn unproven<'r>(conn: &Connection, row: &'r Row<'_>) -> Result<Cow<'r, [u8]>, String> {
    let not_ours = |err: FromSqlError| format!("is not stored as it should be: {err}");
    let column = |n| row.get_ref(n).map_err(|err| format!("cannot be read: {err}"));
    let stored = column(1)?.as_blob().map_err(not_ours)?;
    let enc = column(2)?.as_i64().map_err(not_ours)?;
    match sharing::holder(enc, stored) {
        Some(holder) => sharing::held(conn, holder).map(Cow::Owned),
        None => packing::unpack(enc, stored),
    }
}

/// Names the file by its path, where that can still be read.
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
