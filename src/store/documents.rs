//! Documents: files that are read as a whole.

use rusqlite::Connection;

use super::files::FileRow;
use super::log;
use crate::error::Result;

/// The whole content of a document. What is missing of it, or damaged, is an error.
pub(crate) fn content(conn: &Connection, file: &FileRow) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    log::each_chunk(conn, file, |_, raw| {
        content.extend_from_slice(raw);
        Ok(())
    })?;
    Ok(content)
}

/// The same of one that may be read: `None` where it is longer than `longest`
/// bytes, or a recovered database lacks a part of it.
pub(crate) fn readable(conn: &Connection, file: &FileRow, longest: u64) -> Result<Option<Vec<u8>>> {
    match longest < file.size || log::has_gaps(conn, file.file_id)? {
        true => Ok(None),
        false => content(conn, file).map(Some),
    }
}
