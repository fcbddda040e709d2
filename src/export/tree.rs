//! Writes the tree of one root: which of its files are written, and what each is
//! compared with.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs::{FileTimes, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::landing::{LandedFile, Landing};
use super::place::{OtherPath, Places, Wanted};
use super::writer::Facts;
use super::{Aside, ExportOptions, Outcome};
use crate::error::{Error, Failure, Result};
use crate::format::projection;
use crate::format::rules::HeaderPlace;
use crate::model::path_of;
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::sources::Source;
use crate::store::{log, readable, sessions};

/// The suffix of a file of which only a part is left.
const DAMAGED: &str = ".damaged";

/// Writes the files of a root: all, or those that are wanted.
pub(super) fn export_source(
    conn: &Connection,
    source: &Source,
    target: &Path,
    wanted: Option<&BTreeSet<&[u8]>>,
    options: &ExportOptions,
    outcome: &mut Outcome,
) -> Result<()> {
    let wanted = Wanted(wanted);
    let mut tree = Tree {
        conn,
        source,
        target,
        places: Places::new(conn, source, wanted),
        source_only: options.source,
        landing: Landing::begin(target)?,
        links: Vec::new(),
        damaged: Vec::new(),
        outcome,
    };
    let left_out = tree.left_out(wanted.0.is_none())?;
    tree.each_file(|tree, file| {
        if left_out.contains(&file.path) || !wanted.has(&file) {
            return Ok(());
        }
        tree.take_to_its_place(file)
    })?;
    tree.settle()?;
    // Last, when every name is known: another file may have the name that a damaged
    // one would get.
    if options.damaged {
        std::mem::take(&mut tree.damaged).iter().try_for_each(|file| tree.write_damaged(file))?;
        tree.settle()?;
    }
    std::mem::take(&mut tree.links).into_iter().try_for_each(|file| tree.link(&file))?;
    tree.landing.finish()
}

struct Tree<'a> {
    conn: &'a Connection,
    source: &'a Source,
    target: &'a Path,
    places: Places<'a>,
    /// Whether what was written here is left out.
    source_only: bool,
    landing: Landing,
    links: Vec<FileRow>,
    /// Files that did not match their checksums.
    damaged: Vec<FileRow>,
    outcome: &'a mut Outcome,
}

impl Tree<'_> {
    /// Calls `each` for every file; if a page of the table cannot be read, for those
    /// that can.
    fn each_file(&mut self, mut each: impl FnMut(&mut Self, FileRow) -> Result<()>) -> Result<()> {
        let (conn, source_id) = (self.conn, self.source.source_id);
        let select: files::Select =
            if self.source_only { files::imported_after } else { files::newest_after };
        if self.outcome.is_damaged {
            return self.each_readable_file(&[], each);
        }
        let mut behind = Vec::new();
        let read = files::each_file(conn, source_id, select, |file| {
            behind.clone_from(&file.path);
            each(self, file)
        });
        match read {
            Err(err) if err.is_of_content() => {
                self.leave_out(&[], err);
                self.each_readable_file(&behind, each)
            }
            read => read,
        }
    }

    fn each_readable_file(
        &mut self,
        behind: &[u8],
        mut each: impl FnMut(&mut Self, FileRow) -> Result<()>,
    ) -> Result<()> {
        let mut found: Vec<FileRow> = readable::files(self.conn)?
            .into_iter()
            .filter_map(|file_id| files::file_by_id(self.conn, file_id).ok())
            .filter(|file| file.source_id == self.source.source_id && behind < &file.path[..])
            .filter(|file| match file.state {
                FileState::Current => true,
                FileState::Local => !self.source_only,
                FileState::Partial | FileState::Superseded => false,
            })
            .collect();
        // What was written here replaces what was imported.
        found.sort_by(|one, other| {
            let key = |file: &FileRow| file.state != FileState::Local;
            one.path.cmp(&other.path).then(key(one).cmp(&key(other)))
        });
        found.dedup_by(|imported, local| imported.path == local.path);
        found.into_iter().try_for_each(|file| each(self, file))
    }

    /// Paths that are not written: of sessions in the trash, unless sessions are
    /// named, and of files whose content was merged into another.
    fn left_out(&mut self, is_whole: bool) -> Result<HashSet<Vec<u8>>> {
        let mut paths = HashSet::new();
        if self.source_only {
            return Ok(paths);
        }
        match self.source.format.projection().merged(self.conn, self.source) {
            Ok(merged) => paths.extend(merged),
            Err(err) => self.leave_out_if_of_content(&[], err)?,
        }
        if is_whole {
            for session in sessions::trashed(self.conn, self.source.source_id)? {
                match projection::paths_of(self.conn, session) {
                    Ok(of_session) => paths.extend(of_session),
                    Err(err) => self.leave_out_if_of_content(&[], err)?,
                }
            }
        }
        Ok(paths)
    }

    fn take_to_its_place(&mut self, mut file: FileRow) -> Result<()> {
        if let Some(OtherPath { path, there }) = self.places.of(&file)? {
            if let Some(there) = there {
                self.take(there)?;
            }
            let aside = Aside {
                root: self.source.root_path(),
                file: path_of(file.path),
                written_as: path_of(path.clone()),
            };
            file.path = path;
            self.outcome.report.aside.push(aside);
        }
        self.take(file)
    }

    fn take(&mut self, file: FileRow) -> Result<()> {
        match file.kind {
            FileKind::Link => {
                self.links.push(file);
                return Ok(());
            }
            FileKind::Folder => {
                let made = self
                    .place(&file.path)
                    .and_then(|path| self.landing.folder(&path, file.mode & 0o777));
                return self.unless_left_out(&file.path, made);
            }
            // In a format whose logs do not identify their session, a log that was
            // begun here is written as soon as it has a line.
            FileKind::Log
                if self.source.format.rules().header == HeaderPlace::FileName
                    && file.state == FileState::Local
                    && file.line_count == 0 =>
            {
                return Ok(());
            }
            FileKind::Log | FileKind::Document => {}
        }
        match self.write(&file) {
            Err(err) if err.is_of_content() => {
                self.leave_out(&file.path, err);
                self.damaged.push(file);
            }
            written => self.unless_left_out(&file.path, written)?,
        }
        if self.landing.is_full() { self.settle() } else { Ok(()) }
    }

    /// Writes a file under a temporary name, if every byte of it is proven.
    fn write(&mut self, file: &FileRow) -> Result<()> {
        let path = self.place(&file.path)?;
        let mut out = self.landing.aside(path)?;
        log::each_piece_of_whole(self.conn, file, |raw| self.landing.write(&mut out, raw))?;
        self.landing.land(out, facts(file), file.path.clone())
    }

    /// Writes what is left of a file under a name that says so.
    fn write_damaged(&mut self, file: &FileRow) -> Result<()> {
        let mut name = [&file.path, DAMAGED.as_bytes()].concat();
        for n in 2.. {
            if !self.is_taken(&name)? {
                break;
            }
            name = [&file.path, format!("{DAMAGED}-{n}").as_bytes()].concat();
        }
        let written = self.write_what_is_left(file, &name);
        self.unless_left_out(&name, written)
    }

    /// Whether a file of the root has this name, written or not.
    fn is_taken(&self, name: &[u8]) -> Result<bool> {
        let path = self.place(name)?;
        Ok(path.symlink_metadata().is_ok()
            || files::newest(self.conn, self.source.source_id, name)
                .is_ok_and(|file| file.is_some()))
    }

    fn write_what_is_left(&mut self, file: &FileRow, name: &[u8]) -> Result<()> {
        let path = self.place(name)?;
        let mut out = self.landing.aside(path)?;
        log::each_piece_left(self.conn, file, |raw| self.landing.write(&mut out, raw))?;
        self.landing.land(out, facts(file), name.to_owned())
    }

    /// Renames the files that are complete.
    fn settle(&mut self) -> Result<()> {
        let (outcome, source) = (&mut *self.outcome, self.source);
        self.landing.settle(|LandedFile { file, bytes }, named| match named {
            Ok(()) => {
                outcome.report.files += 1;
                outcome.report.bytes += bytes;
                Ok(())
            }
            Err(err) if is_of_name(&err) => {
                let (root, file) = (source.root_path(), path_of(file));
                outcome.failed.push(Failure { root, file, error: err });
                Ok(())
            }
            Err(err) => Err(err),
        })
    }

    fn link(&mut self, file: &FileRow) -> Result<()> {
        let target = file.link_target.as_deref().unwrap_or_default();
        let target = Path::new(OsStr::from_bytes(target));
        let made = self.place(&file.path).and_then(|path| self.landing.link(&path, target));
        self.outcome.report.files += u64::from(made.is_ok());
        self.unless_left_out(&file.path, made)
    }

    /// The target path of a stored path, if it stays below the target.
    fn place(&self, path: &[u8]) -> Result<PathBuf> {
        Ok(self.target.join(safe_path(path)?))
    }

    /// Leaves out a file whose name the file system refuses; the others are written.
    fn unless_left_out(&mut self, file: &[u8], done: Result<()>) -> Result<()> {
        match done {
            Err(err) if is_of_name(&err) => self.leave_out(file, err),
            done => return done,
        }
        Ok(())
    }

    fn leave_out_if_of_content(&mut self, file: &[u8], err: Error) -> Result<()> {
        if !err.is_of_content() {
            return Err(err);
        }
        self.leave_out(file, err);
        Ok(())
    }

    fn leave_out(&mut self, file: &[u8], error: Error) {
        let root = self.source.root_path();
        self.outcome.failed.push(Failure { root, file: path_of(file.to_owned()), error });
    }
}

/// Whether the name is the reason: too long, invalid on this file system, or taken.
fn is_of_name(err: &Error) -> bool {
    let illegal = rustix::io::Errno::ILSEQ.raw_os_error();
    match err {
        Error::UnsafePath(_) => true,
        Error::Io { source, .. } => {
            matches!(
                source.kind(),
                io::ErrorKind::InvalidFilename
                    | io::ErrorKind::InvalidInput
                    | io::ErrorKind::AlreadyExists
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::IsADirectory
            ) || source.raw_os_error() == Some(illegal)
        }
        _ => false,
    }
}

/// A stored path, if it stays below the target.
fn safe_path(path: &[u8]) -> Result<&Path> {
    let is_safe = !path.is_empty()
        && !path.contains(&0)
        && path.split(|byte| *byte == b'/').all(|name| !matches!(name, b"" | b"." | b".."));
    let path = Path::new(OsStr::from_bytes(path));
    if is_safe { Ok(path) } else { Err(Error::UnsafePath(path.to_owned())) }
}

fn facts(file: &FileRow) -> Facts {
    Facts {
        // Masks setuid and similar bits: whatever the database contains, nothing it
        // wrote runs as another user.
        permissions: Permissions::from_mode(file.mode & 0o777),
        times: FileTimes::new().set_modified(file.mtime.system_time()),
    }
}

#[cfg(test)]
mod tests {
    use super::safe_path;

    #[test]
    fn names_that_lead_out_are_refused() {
        for path in ["", "/etc/x", "..", "a/../b", "a//b", "a/", "./a", "a\0b"] {
            assert!(safe_path(path.as_bytes()).is_err(), "{path:?}");
        }
        for path in ["a", "a/b", "a/...", "..a", "a b\n"] {
            assert!(safe_path(path.as_bytes()).is_ok(), "{path:?}");
        }
    }
}
