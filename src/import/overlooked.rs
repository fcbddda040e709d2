//! Files that are at the root, although the walk did not find them.
//!
//! A file that a program replaces while its folder is read may not be listed, which
//! depends on the file system. Such a file is not missing, and has lost nothing. It is
//! kept as it is known; the next import finds that it has changed. A second walk instead
//! would be no surer where files are replaced all the time.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rusqlite::Connection;

use super::purged::Away;
use super::root::Root;
use super::walk::{FoundKind, Walk};
use crate::error::Result;
use crate::store::seen;

/// Marks those of the files that were not seen as seen which are at the root all the
/// same.
pub(super) fn see(
    conn: &Connection,
    (root, away): (&Root, &Away),
    source_id: i64,
    newest: i64,
) -> Result<()> {
    let walk = Walk::new(&root.path, &[])?;
    let mut there = Vec::new();
    seen::each_unseen(conn, source_id, newest, |file_id, path| {
        let is_covered =
            root.covered.iter().any(|top| Path::new(OsStr::from_bytes(path)).starts_with(top));
        let is_there = || {
            // Of a pipe, socket or device, nothing is known; and what belongs to a purged
            // session is not the file that had its path.
            walk.look_again(path).is_some_and(|found| {
                found.kind != FoundKind::Special && !away.has(&walk, &found, true)
            })
        };
        if is_covered && is_there() {
            there.push(file_id);
        }
    })?;
    seen::files(conn, &there)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::root;
    use super::*;
    use crate::import::ImportOptions;
    use crate::model::Timestamp;
    use crate::store::{Store, sources};

    #[test]
    fn only_what_is_not_at_the_root_is_missing_whatever_a_walk_found() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("root/sessions/--w--");
        fs::create_dir_all(&folder).unwrap();
        for name in ["there.jsonl", "gone.jsonl", "link.jsonl"] {
            fs::write(folder.join(name), "{\"type\":\"session\",\"version\":2}\n").unwrap();
        }
        let store = Store::open(dir.path().join("sessions.db")).unwrap();
        let format = crate::model::Format::Kward;
        store.import(dir.path().join("root"), &ImportOptions::new().format(format)).unwrap();
        let conn = store.connection().unwrap();
        let source_id = sources::all(&conn).unwrap()[0].source_id;
        fs::remove_file(folder.join("gone.jsonl")).unwrap();
        fs::remove_file(folder.join("link.jsonl")).unwrap();
        std::os::unix::fs::symlink("there.jsonl", folder.join("link.jsonl")).unwrap();

        seen::begin(&conn).unwrap();
        let root = root::examine(&dir.path().join("root"), Some(format)).unwrap();
        let away = Away::of_source(&conn, source_id, format).unwrap();
        see(&conn, (&root, &away), source_id, i64::MAX).unwrap();
        seen::mark_missing(&conn, source_id, i64::MAX, Timestamp(1)).unwrap();

        assert_eq!(seen::count_missing(&conn, source_id).unwrap(), 1);
    }
}
