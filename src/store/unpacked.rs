//! Documents that are read as logs.
//!
//! If a program compresses its logs, the bytes of the file are kept as a document.
//! If its format can decompress them, the decompressed lines are stored as well,
//! under the same file, so that entries have lines.

use rusqlite::Connection;

use super::files::{FileKind, FileRow};
use super::packing::Packer;
use super::{documents, log};
use crate::error::Result;

/// The zstd level for decompressed lines.
const LEVEL: i32 = 3;

/// A file as the log that readers see. For a document without decompressed lines, the
/// log is empty.
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

/// Stores the lines that a document decompresses to, unless they are there.
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
