//! Exports the content of files: lines of logs, chunks of documents.
//!
//! Each row is compared with its checksum, and the whole content with its size and digest,
//! as the store does before it returns anything.

use std::borrow::Cow;

use rusqlite::{Connection, OptionalExtension, Row};
use sha2::{Digest, Sha256};

use super::Run;
use crate::columns::Value;
use crate::error::Error;
use crate::manifest::Partition;
use crate::rows::{FileRow, Sha, either, of_key};
use crate::table::Table;

/// Why a content was not exported.
pub(super) enum Failed {
    /// The store's copy of it is damaged.
    Damaged(String),
    Other(Error),
}

impl<E: Into<Error>> From<E> for Failed {
    fn from(err: E) -> Self {
        Self::Other(err.into())
    }
}

/// Exports the rows of a content that the lake does not have, and sets the file's chain and
/// digest.
///
/// The whole content is verified before any of it is written, so that damaged content leaves
/// no rows in the lake.
pub(super) fn add(
    run: &mut Run<'_>,
    file: &mut FileRow,
    known: Option<&FileRow>,
    partition: &Partition,
) -> Result<(), Failed> {
    file.last_crc = last_crc(run.conn, file)?;
    if let Some(known) = known.filter(|known| is_unchanged(known, file)) {
        (file.chain, file.rows_sha256) = (known.chain, known.rows_sha256);
        return Ok(());
    }
    let known = known.filter(|known| may_go_on(known, file));
    let proven = prove(run.conn, file, known)?;
    let mut from = file.first();
    match known.filter(|_| proven.goes_on) {
        Some(known) => (file.chain, from) = (known.chain, known.line_count),
        None => {
            file.chain = run.next_chain;
            run.next_chain += 1;
        }
    }
    file.rows_sha256 = Some(proven.digest);
    let is_log = &*file.kind == "log";
    match proven.rows {
        Some(rows) => rows
            .behind((from - file.first()) as usize)
            .try_for_each(|(n, raw)| push(run, file, partition, file.first() + n, raw)),
        None => each(run.conn, is_log, file.file_id, (from, file.line_count), |place, raw| {
            push(run, file, partition, place, raw)
        }),
    }
}

/// The CRC-32 of the last row of a content's own, from the checksum in the store.
fn last_crc(conn: &Connection, file: &FileRow) -> Result<Option<i64>, Error> {
    let key = file.file_id << 32 | (file.line_count - 1);
    let mut stmt = conn.prepare_cached(if &*file.kind == "log" {
        "SELECT checksum FROM lines WHERE line_key = ?1"
    } else {
        "SELECT checksum FROM chunks WHERE chunk_key = ?1"
    })?;
    if file.line_count <= file.first() {
        return Ok(None);
    }
    let checksum: Option<i64> = stmt.query_row([key], |row| row.get(0)).optional()?;
    Ok(checksum.map(|checksum| checksum ^ i64::from(of_key(key))))
}

/// Whether the lake has a content already, as far as can be told without reading it.
fn is_unchanged(known: &FileRow, file: &FileRow) -> bool {
    let shape = |row: &FileRow| (row.base_id, row.base_count, row.line_count, row.size);
    is_same_place(known, file)
        && shape(known) == shape(file)
        && match (&known.sha256, &file.sha256) {
            (Some(known), Some(now)) => known == now,
            // A local chain has no digest. It changes at its end only, so its last row tells.
            (None, None) => {
                (known.mtime, known.mtime_beyond, known.last_crc)
                    == (file.mtime, file.mtime_beyond, file.last_crc)
            }
            _ => false,
        }
}

fn is_same_place(known: &FileRow, file: &FileRow) -> bool {
    (known.source_id, known.generation, &known.kind, &known.root, &known.path)
        == (file.source_id, file.generation, &file.kind, &file.root, &file.path)
}

fn may_go_on(known: &FileRow, file: &FileRow) -> bool {
    known.kind == file.kind
        && (known.base_id, known.base_count) == (file.base_id, file.base_count)
        && known.line_count <= file.line_count
        && known.rows_sha256.is_some()
}

/// The maximum size of a content that stays in memory between verification and writing. A
/// larger one is read twice.
const KEPT: i64 = 8 << 20;

/// A verified content.
struct Proven {
    /// The digest of its rows.
    digest: Sha,
    /// Whether it starts with the rows that the lake has.
    goes_on: bool,
    /// The rows, if they are at most [`KEPT`] bytes.
    rows: Option<Kept>,
}

/// Concatenated rows.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    /// The end of each row.
    ends: Vec<usize>,
}

impl Kept {
    fn push(&mut self, raw: &[u8]) {
        self.bytes.extend_from_slice(raw);
        self.ends.push(self.bytes.len());
    }

    /// The rows from number `from` on, with their numbers.
    fn behind(&self, from: usize) -> impl Iterator<Item = (i64, &[u8])> {
        let start = |n: usize| n.checked_sub(1).map_or(0, |before| self.ends[before]);
        (from..self.ends.len()).map(move |n| (n as i64, &self.bytes[start(n)..self.ends[n]]))
    }
}

fn prove(conn: &Connection, file: &FileRow, known: Option<&FileRow>) -> Result<Proven, Failed> {
    let is_log = &*file.kind == "log";
    let mut digest = Sha256::new();
    // The digest of the whole log, if it starts with lines of another chain.
    let mut whole =
        file.sha256.as_ref().filter(|_| is_log && 0 < file.base_count).map(|_| Sha256::new());
    if let (Some(digest), Some(base)) = (&mut whole, file.base_id) {
        each(conn, is_log, base, (0, file.base_count), |_, raw| {
            digest.update(raw);
            Ok(())
        })?;
    }
    let (mut size, mut goes_on) = (0, false);
    let mut rows = (file.size <= KEPT).then(Kept::default);
    let is_known = |digest: &Sha256, place: i64| {
        known.is_some_and(|known| {
            known.line_count == place && known.rows_sha256 == Some(digest.clone().finalize().into())
        })
    };
    each(conn, is_log, file.file_id, (file.first(), file.line_count), |place, raw| {
        goes_on |= is_known(&digest, place);
        size += raw.len() as i64;
        if file.size < size {
            return Err(Failed::Damaged(format!("it holds more than {} bytes", file.size)));
        }
        digest.update(raw);
        if let Some(whole) = &mut whole {
            whole.update(raw);
        }
        if let Some(rows) = &mut rows {
            rows.push(raw);
        }
        Ok(())
    })?;
    goes_on |= is_known(&digest, file.line_count);
    if size != file.size {
        return Err(Failed::Damaged(format!("it holds {size} bytes, not {}", file.size)));
    }
    let digest: Sha = digest.finalize().into();
    let whole: Option<Sha> = whole.map(|whole| whole.finalize().into());
    if file.sha256.as_ref().is_none_or(|sha256| sha256 == whole.as_ref().unwrap_or(&digest)) {
        Ok(Proven { digest, goes_on, rows })
    } else {
        Err(Failed::Damaged("it does not match its digest".to_owned()))
    }
}

/// Writes a row of a content.
fn push(
    run: &mut Run<'_>,
    file: &FileRow,
    partition: &Partition,
    place: i64,
    raw: &[u8],
) -> Result<(), Failed> {
    run.report.lines += 1;
    run.report.raw_bytes += raw.len() as u64;
    if &*file.kind != "log" {
        let row = [file.chain.into(), place.into(), raw.into()];
        return Ok(run.writer.push(Table::Chunks, partition, &row)?);
    }
    let [text, bytes]: [Value<'_>; 2] = either(raw);
    let row = [file.chain.into(), place.into(), text, bytes];
    Ok(run.writer.push(Table::Lines, partition, &row)?)
}

/// Verifies the rows of a content from one position up to another, and calls `each` with
/// them. A missing row is an error.
fn each(
    conn: &Connection,
    is_log: bool,
    file_id: i64,
    (from, end): (i64, i64),
    mut each: impl FnMut(i64, &[u8]) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let mut stmt = conn.prepare_cached(if is_log {
        "SELECT line_key, raw, enc, checksum
         FROM lines
         WHERE line_key BETWEEN ?1 AND ?2
         ORDER BY line_key"
    } else {
        "SELECT chunk_key, raw, 0 AS enc, checksum
         FROM chunks
         WHERE chunk_key BETWEEN ?1 AND ?2
         ORDER BY chunk_key"
    })?;
    let noun = if is_log { "line" } else { "chunk" };
    let key = |place: i64| file_id << 32 | place;
    let mut place = from;
    let mut rows = stmt.query([key(from), key(end) - 1])?;
    while let Some(row) = rows.next()? {
        let damaged = |reason: &str| Failed::Damaged(format!("{noun} {} {reason}", place + 1));
        if row.get::<_, i64>(0)? != key(place) {
            return Err(damaged("is missing"));
        }
        let raw = raw(conn, row).map_err(|reason| damaged(&reason))?;
        if row.get::<_, i64>(3)? != i64::from(crc32fast::hash(&raw) ^ of_key(key(place))) {
            return Err(damaged("does not match its checksum"));
        }
        each(place, &raw)?;
        place += 1;
    }
    if place == end {
        Ok(())
    } else {
        Err(Failed::Damaged(format!("{noun} {} is missing", place + 1)))
    }
}

/// Decodes a row of key, stored bytes and encoding.
fn raw<'r>(conn: &Connection, row: &'r Row<'_>) -> Result<Cow<'r, [u8]>, String> {
    let cannot =
        |err: rusqlite::types::FromSqlError| format!("has a column of the wrong type: {err}");
    let stored = row.get_ref(1).map_err(|err| err.to_string())?.as_blob().map_err(cannot)?;
    let enc: i64 = row.get(2).map_err(|err| err.to_string())?;
    match enc {
        2 => held(conn, stored).map(Cow::Owned),
        _ => unpacked(enc, stored),
    }
}

/// The bytes of a line that are in another row. `key` is that row's key.
fn held(conn: &Connection, key: &[u8]) -> Result<Vec<u8>, String> {
    let failed = |err: rusqlite::Error| format!("refers to a line that cannot be read: {err}");
    let key: [u8; 8] = key.try_into().map_err(|_| "refers to no line".to_owned())?;
    let mut stmt =
        conn.prepare_cached("SELECT raw, enc FROM lines WHERE line_key = ?1").map_err(failed)?;
    let (stored, enc): (Vec<u8>, i64) = stmt
        .query_row([i64::from_be_bytes(key)], |row| Ok((row.get(0)?, row.get(1)?)))
        .map_err(failed)?;
    unpacked(enc, &stored).map(Cow::into_owned)
}

fn unpacked(enc: i64, stored: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    sessile::unpack_line(enc, stored).map_err(|err| format!("cannot be read: {err}"))
}
