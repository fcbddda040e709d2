//! Documents: files that are stored and read as a whole.

use rusqlite::Connection;

use super::files::FileRow;
use super::log;
use crate::error::Result;

/// The complete content of a document, or an error if any of it is missing or
/// damaged.
pub(crate) fn content(conn: &Connection, file: &FileRow) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    log::each_chunk(conn, file, |_, raw| {
        content.extend_from_slice(raw);
        Ok(())
    })?;
    Ok(content)
}

/// As [`content`], but `None` if the document is longer than `longest` bytes, or if a
/// recovered database lacks part of it.
pub(crate) fn readable(conn: &Connection, file: &FileRow, longest: u64) -> Result<Option<Vec<u8>>> {
    if longest < file.size || log::has_gaps(conn, file.file_id)? {
        Ok(None)
    } else {
        content(conn, file).map(Some)
    }
}
