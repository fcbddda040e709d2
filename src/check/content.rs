//! Checks the log against its checksums, sizes and digests.

use std::collections::BTreeMap;

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::Findings;
use crate::error::Result;
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::projections::{self, Owner};
use crate::store::{documents, log, sources};

/// Checks each line's checksum, and each file's digest, size and number of lines.
pub(super) fn check_files(conn: &Connection, findings: &mut Findings) -> Result<()> {
    let mut stmt = conn.prepare("SELECT file_id FROM files ORDER BY file_id")?;
    let ids: Vec<i64> =
        stmt.query_map([], |row| row.get("file_id"))?.collect::<rusqlite::Result<_>>()?;
    for file_id in ids {
        let file = files::file_by_id(conn, file_id)?;
        if matches!(file.kind, FileKind::Log | FileKind::Document) {
            check_content(conn, &file, findings)?;
        }
    }
    // A document may have lines, too, if it was decompressed.
    find_loose(conn, ("lines", "line_key"), "'log', 'document'", findings)?;
    find_loose(conn, ("chunks", "chunk_key"), "'document'", findings)?;
    find_strays(conn, findings)
}

/// Finds lines or chunks of unknown files, with one lookup per file: reading every
/// key takes as long as reading the rows.
fn find_loose(
    conn: &Connection,
    (table, key): (&str, &str),
    kinds: &str,
    findings: &mut Findings,
) -> Result<()> {
    let mut owners =
        conn.prepare(&format!("SELECT 1 FROM files WHERE file_id = ?1 AND kind IN ({kinds})"))?;
    let mut next = conn.prepare(&format!("SELECT min({key}) FROM {table} WHERE {key} >= ?1"))?;
    let mut rows =
        conn.prepare(&format!("SELECT count(*) FROM {table} WHERE {key} BETWEEN ?1 AND ?2"))?;
    let (mut loose, mut from) = (0, i64::MIN);
    while let Some(first) = next.query_row([from], |row| row.get::<_, Option<i64>>(0))? {
        let [first, last] = log::keys(log::file_of(first));
        if !owners.exists([log::file_of(first)])? {
            loose += rows.query_row([first, last], |row| row.get::<_, i64>(0))?;
        }
        match last.checked_add(1) {
            Some(behind) => from = behind,
            None => break,
        }
    }
    if 0 < loose {
        findings.add(table, format!("{loose} rows belong to no file"));
    }
    Ok(())
}

/// Finds rows whose key belongs to another session than they name: no query by
/// session finds them.
fn find_strays(conn: &Connection, findings: &mut Findings) -> Result<()> {
    for table in projections::tables() {
        let Owner::Entry(key) = table.owner else { continue };
        let name = table.name;
        let strays: i64 = conn
            .prepare(&format!("SELECT count(*) FROM {name} WHERE {key} >> 32 <> session_key"))?
            .query_row([], |row| row.get(0))?;
        if 0 < strays {
            findings.add(name, format!("{strays} rows are in the key range of another session"));
        }
    }
    Ok(())
}

/// Compares the lines beside a document with what it decompresses to, if it is
/// complete.
fn check_unpacked(
    conn: &Connection,
    file: &FileRow,
    is_whole: bool,
    broken: &mut Vec<String>,
) -> Result<()> {
    let mut found = BTreeMap::new();
    log::each_unproven(conn, FileKind::Log, log::keys(file.file_id), |key, raw, is_proven| {
        let position = log::line_number(key);
        if !is_proven {
            broken.push(format!("unpacked line {position} does not match its checksum"));
        }
        found.insert(position, log::checksum(0, raw));
        Ok(())
    })?;
    if found.is_empty() || !is_whole {
        return Ok(());
    }
    let format = sources::by_id(conn, file.source_id)?.format;
    let Some(unpacker) = format.layout().unpacker(&file.path) else { return Ok(()) };
    let mut count = 0;
    let Some(content) = documents::readable(conn, file, u64::MAX)? else { return Ok(()) };
    unpacker(&content, &mut |line| {
        count += 1;
        if found.remove(&count) != Some(log::checksum(0, line)) {
            broken.push(format!("unpacked line {count} differs from the unpacked file"));
        }
        Ok(())
    })?;
    let more = found.into_keys();
    broken.extend(more.map(|n| format!("unpacked line {n} is after the end of the unpacked file")));
    Ok(())
}

fn check_content(conn: &Connection, file: &FileRow, findings: &mut Findings) -> Result<()> {
    let place = format!("file {}", String::from_utf8_lossy(&file.path));
    let mut hasher = Sha256::new();
    let mut size = 0;
    // A local chain continues the count of its base.
    let mut count = file.base_count;
    let mut broken = Vec::new();
    log::each_unproven(conn, file.kind, log::keys(file.file_id), |key, raw, is_proven| {
        let position = log::line_number(key);
        count += 1;
        if position != count {
            broken.push(format!("line {count} is missing"));
            count = position;
        }
        if !is_proven {
            broken.push(format!("line {position} does not match its checksum"));
        }
        hasher.update(raw);
        size += raw.len() as u64;
        Ok(())
    })?;
    if file.kind == FileKind::Document {
        check_unpacked(conn, file, broken.is_empty(), &mut broken)?;
    }
    if size != file.size {
        broken.push(format!("it has {size} bytes, but {} were imported", file.size));
    }
    if count != file.line_count {
        broken.push(format!("it has {count} lines, but {} were imported", file.line_count));
    }
    if file.state != FileState::Local && Some(&hasher.finalize()[..]) != file.sha256.as_deref() {
        broken.push("it does not match its digest".to_owned());
    }
    broken.into_iter().for_each(|detail| findings.add(place.as_str(), detail));
    Ok(())
}
