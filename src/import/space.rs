//! Checks whether the disk has the space that an import will take.

use std::path::Path;

use rusqlite::Connection;

use super::root::{self, Root};
use super::walk::{FoundKind, Walk};
use crate::error::{Error, Result};
use crate::store::files::{self, FileState};
use crate::store::free;
use crate::store::sources::Source;

/// Fails if the new files below the root will not fit beside the database.
///
/// Only folders are opened. Which files are known is only determined if all files
/// together would not fit.
pub(super) fn require(
    conn: &Connection,
    database: &Path,
    root: &Root,
    source: Option<&Source>,
) -> Result<()> {
    let Some(available) = free::available(database) else { return Ok(()) };
    if needed(total(database, root)?) <= available {
        return Ok(());
    }
    let new = each_size(database, root, |path, size| {
        let mut known = 0;
        for state in [FileState::Current, FileState::Partial] {
            if let Some(source) = source {
                let row = files::file(conn, source.source_id, path, state)?;
                known = known.max(row.map_or(0, |row| row.size));
            }
        }
        Ok(unknown(size, known))
    })?;
    let needed = needed(new);
    if needed <= available {
        return Ok(());
    }
    Err(Error::DiskFull { needed, available, path: database.to_owned() })
}

/// Bytes of all files below the root.
pub(super) fn total(database: &Path, root: &Root) -> Result<u64> {
    each_size(database, root, |_, size| Ok(size))
}

/// Bytes on disk for so many bytes of files, including indexes and the WAL.
fn needed(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / 2)
}

/// How many bytes of a file have to be read: the tail of a grown one, all of one that
/// shrank.
fn unknown(size: u64, known: u64) -> u64 {
    size.checked_sub(known).unwrap_or(size)
}

fn each_size(
    database: &Path,
    root: &Root,
    mut count: impl FnMut(&[u8], u64) -> Result<u64>,
) -> Result<u64> {
    let mut walk = Walk::new(&root.path, &root.covered)?;
    let own = root::own_files(root, database);
    let mut sum = 0_u64;
    while let Some(found) = walk.next() {
        if found.kind == FoundKind::File && !own.contains(&found.path) {
            sum = sum.saturating_add(count(&found.path, found.stat.size)?);
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_takes_space() {
        assert_eq!(unknown(10, 0), 10);
        assert_eq!(unknown(10, 10), 0);
        assert_eq!(unknown(10, 7), 3);
        assert_eq!(unknown(10, 11), 10);
        assert_eq!(needed(10), 15);
        assert_eq!(needed(u64::MAX), u64::MAX);
    }
}
