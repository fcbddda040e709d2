//! Documents that are read as logs.
//!
//! Where a program compresses its logs, the bytes of the file are a document,
//! and stay one. The lines that it unpacks to stand beside its chunks, under the
//! same file, where its format says how: so that an entry stands in a line.

use rusqlite::Connection;

use super::files::{FileKind, FileRow};
use super::packing::Packer;
use super::{documents, log};
use crate::error::Result;

/// Level at which unpacked lines are kept.
const LEVEL: i32 = 3;

/// A file as the log that is read of it. A document without such lines is an empty one.
pub(crate) fn as_log(conn: &Connection, file: FileRow) -> Result<FileRow> {
    if file.kind == FileKind::Log {
        return Ok(file);
    }
    let last: Option<i64> = conn
        .prepare_cached(
            "SELECT max(line_key) AS last_key FROM lines WHERE line_key BETWEEN ?1 AND ?2",
        )?
        .query_row(log::keys(file.file_id), |row| row.get("last_key"))?;
    let line_count = last.map_or(0, log::line_number);
    Ok(FileRow { kind: FileKind::Log, line_count, base_id: None, base_count: 0, ..file })
}

/// Lets the lines stand beside a document that it unpacks to; does nothing where they do.
pub(crate) fn unpack(
    conn: &Connection,
    file: &FileRow,
    unpacker: impl FnOnce(&[u8], &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>,
) -> Result<()> {
    if file.kind != FileKind::Document || as_log(conn, file.clone())?.line_count != 0 {
        return Ok(());
    }
    let mut packer = Packer::new(Some(LEVEL))?;
    let mut position = 0;
    let Some(content) = documents::readable(conn, file, u64::MAX)? else { return Ok(()) };
    unpacker(&content, &mut |line| {
        log::insert_packed(conn, log::key(file.file_id, position), line, &mut packer)?;
        position += 1;
        Ok(())
    })
}
