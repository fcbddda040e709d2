//! Removes what files about all sessions say of a purged one.

use rusqlite::Connection;

use crate::error::Result;
use crate::format::projection::Touched;
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::log;
use crate::store::sources::Source;

/// Removes the lines about a session that were written here. Those in files at its
/// root stay, like other files there.
pub(super) fn forget(
    tx: &Connection,
    source: &Source,
    session_id: &str,
    touched: &mut Touched,
) -> Result<()> {
    let layout = source.format.layout();
    let covered = layout.covered().iter().map(|path| path.as_bytes());
    for path in covered.filter(|path| layout.is_shared(path)) {
        let local = files::file(tx, source.source_id, path, FileState::Local)?;
        let Some(file) = local.filter(|file| file.kind == FileKind::Log) else { continue };
        let mut kept = Vec::new();
        for position in file.base_count..file.line_count {
            let line = log::line(tx, log::key_of(&file, position))?;
            if !layout.speaks_of(&line, session_id) {
                kept.push(line);
            }
        }
        if kept.len() < (file.line_count - file.base_count) as usize {
            touched.add(source.format, &file);
            replace(tx, file, &kept)?;
        }
    }
    Ok(())
}

/// Replaces a local chain's lines after those of its base; removes the chain if there
/// are none.
fn replace(tx: &Connection, file: FileRow, lines: &[Vec<u8>]) -> Result<()> {
    log::delete_content(tx, file.file_id)?;
    files::delete_file(tx, file.file_id)?;
    if lines.is_empty() {
        return Ok(());
    }
    let empty = FileRow { size: 0, line_count: file.base_count, sha256: None, ..file };
    let mut file = files::insert_next(tx, empty)?;
    for line in lines {
        log::insert_line(tx, log::key_of(&file, file.line_count), line)?;
        file.size += line.len() as u64;
        file.line_count += 1;
    }
    files::update_progress(tx, &file)
}
