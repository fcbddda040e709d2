//! Documents that are read as logs.
//!
//! Where a program compresses its logs, the bytes of the file are a document,
//! and stay one. The lines that it unpacks to stand beside its chunks, under the
//! same file, where its format has put them: so that an entry stands in a line.

use rusqlite::Connection;

use super::files::{FileKind, FileRow};
use super::log;
use crate::error::Result;

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
