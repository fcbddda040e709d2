//! Files that have different paths in the two stores: programs may move a session's
//! file, for example to archive it.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use rusqlite::Connection;

use super::place::{self, is_same_log};
use super::{Merge, Pair, Writing};
use crate::error::Result;
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::sources::Source;
use crate::store::{generations, sessions};

/// Paths of a source whose lines are all in a file that was moved there.
pub(super) fn held_elsewhere(theirs: &Connection, source: &Source) -> Result<BTreeSet<Vec<u8>>> {
    match source.format.projection().merged(theirs, source) {
        // Each of its files is then refused by itself.
        Err(err) if err.is_of_content() => Ok(BTreeSet::new()),
        merged => merged,
    }
}

impl Merge<'_> {
    /// Merges a file that has another path here into the file at that path. Then one
    /// of the two paths counts.
    pub(super) fn moved(
        &mut self,
        tx: &Connection,
        pair: &Pair<'_>,
        (ours, theirs): (&FileRow, &FileRow),
        writing: &mut Writing,
    ) -> Result<()> {
        let in_place = FileRow { path: ours.path.clone(), ..theirs.clone() };
        self.content(tx, pair, &in_place, writing)?;
        let is_theirs = place_of(ours) < place_of(theirs);
        let path = if is_theirs { &theirs.path } else { &ours.path };
        if is_theirs && let Some(now) = files::newest(tx, ours.source_id, &ours.path)? {
            place::folders(tx, pair.format, now.source_id, path, self.now, writing)?;
            let mtime = now.mtime.max(theirs.mtime);
            let moved = generations::relocate(tx, &now, path, mtime)?;
            if let Some(session) = sessions::session_at(tx, now.source_id, &now.path)? {
                sessions::update_path(tx, session, path)?;
            }
            writing.add(pair.format, &now);
            writing.add(pair.format, &moved);
            self.report.events += 1;
        }
        self.place_session(pair, theirs, ours.source_id, path);
        Ok(())
    }
}

/// The order that decides which path counts: a decision over what a root has, then
/// the later file, then the archive, whose path sorts lower.
fn place_of(file: &FileRow) -> impl Ord + '_ {
    (file.state == FileState::Local, file.mtime, Reverse(&file.path))
}

impl place::Partner {
    /// The file here that is the same as one of the other store, at another path.
    pub(super) fn moved(
        &self,
        tx: &Connection,
        pair: &Pair<'_>,
        theirs: (&Connection, &FileRow),
    ) -> Result<Option<FileRow>> {
        let path = &theirs.1.path[..];
        for other in pair.format.layout().other_places(path) {
            for source in self.all() {
                let here = files::newest(tx, source.source_id, path)?;
                let Some(there) = files::newest(tx, source.source_id, &other)? else { continue };
                // A file at a root in one store may have been moved in the other.
                let is_moved = here.is_none_or(|here| there.base_id == Some(here.file_id));
                let is_same = match there.kind {
                    FileKind::Document => theirs.1.kind == FileKind::Document,
                    _ => is_same_log((tx, &there), theirs)?,
                };
                if is_moved && is_same {
                    return Ok(Some(there));
                }
            }
        }
        Ok(None)
    }

    /// A free path for a file below what is a log or document here, because its
    /// folder has been replaced by one. `None` if its own path is free.
    pub(super) fn beside_log(
        &self,
        tx: &Connection,
        pair: &Pair<'_>,
        (conn, theirs): (&Connection, &FileRow),
    ) -> Result<Option<(i64, Vec<u8>)>> {
        let source_id = self.owner(tx, pair.format, &theirs.path)?;
        let is_folder = |path: &[u8]| -> Result<Option<bool>> {
            let there = files::newest(tx, source_id, path)?;
            Ok(there.map(|there| there.kind == FileKind::Folder))
        };
        let Some(slash) = theirs.path.iter().rposition(|byte| *byte == b'/') else {
            return Ok(None);
        };
        let (parent, name) = theirs.path.split_at(slash);
        if is_folder(parent)? == Some(true) {
            return Ok(None);
        }
        let mut path = Vec::new();
        for part in parent.split(|byte| *byte == b'/') {
            let there =
                if path.is_empty() { part.to_vec() } else { [&path, &b"/"[..], part].concat() };
            let (mut n, mut at) = (0, there.clone());
            while is_folder(&at)? == Some(false) {
                // If a root has a file there, no import can have found another
                // below it.
                let at_root = files::file(conn, theirs.source_id, &there, FileState::Current)?;
                if theirs.missing_at.is_none()
                    && at_root.is_none_or(|at_root| at_root.kind != FileKind::Folder)
                {
                    return Ok(None);
                }
                n += 1;
                at = generations::kept_path(&there, n);
            }
            path = at;
        }
        path.extend_from_slice(name);
        Ok((path != theirs.path).then_some((source_id, path)))
    }
}
