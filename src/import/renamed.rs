//! Files that their program renamed: they keep their chains.
//!
//! Kimi rotates a context by renaming it and starting a new one under the old name.
//! An import then finds one file rewritten and another new. When both are in the
//! store, the digest shows that the new one is the former content of the rewritten
//! one.

use rusqlite::Connection;

use crate::error::Result;
use crate::model::Format;
use crate::store::files::{self, FileRow, FileState};
use crate::store::generations;
use crate::store::log;

/// Gives a new file the chain of the file that it was, instead of a copy.
///
/// Returns the row then; `None` if it was no other file before.
pub(super) fn adopt(tx: &Connection, format: Format, new: &FileRow) -> Result<Option<FileRow>> {
    let (Some(earlier_path), Some(sha256)) = (format.layout().renamed_from(&new.path), &new.sha256)
    else {
        return Ok(None);
    };
    let earlier = generations::superseded_by_digest(tx, new.source_id, &earlier_path, sha256)?;
    let Some(earlier) = earlier.filter(|earlier| earlier.kind == new.kind) else { return Ok(None) };
    // The session is folded again, which finds its problems again.
    log::delete_content(tx, new.file_id)?;
    files::delete_file(tx, new.file_id)?;
    generations::move_file(tx, earlier.file_id, &new.path)?;
    let adopted = FileRow {
        file_id: earlier.file_id,
        state: FileState::Current,
        line_count: earlier.line_count,
        ..new.clone()
    };
    files::update_file(tx, &adopted)?;
    generations::update_state(tx, adopted.file_id, FileState::Current)?;
    generations::update_lost(tx, adopted.file_id, 0)?;
    Ok(Some(adopted))
}
