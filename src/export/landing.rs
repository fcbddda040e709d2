//! Writes files so that each appears under its name only when it is complete and on
//! the disk: written beside its place by another thread, then synced, then renamed.
//!
//! So a file that has its name is complete even after a power cut. A few files are
//! synced one by one; for more, the whole file system is synced if the platform can
//! do that, because syncing each took many times as long.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempPath;

use super::writer::{Facts, Failure, Target, Writer};
use crate::error::{Error, Result};

/// Up to this number, files and folders are synced one by one.
const FEW: usize = 32;

/// The most files that wait for a sync; each is a path in memory.
const MANY: usize = 4_096;

/// Whether the platform can sync a whole file system.
pub(super) const SYNCS_AT_ONCE: bool = cfg!(target_os = "linux");

/// Writes the files below a target folder.
pub(super) struct Landing {
    root: File,
    target: PathBuf,
    writer: Writer,
    waiting: Vec<Waiting>,
    /// Folders with entries that are not on the disk yet.
    changed: BTreeSet<PathBuf>,
    modes: BTreeMap<PathBuf, u32>,
    /// Files that have their names.
    landed: usize,
}

/// A file that is being written beside its place.
pub(super) struct TempFile {
    aside: TempPath,
    target: Target,
    /// Bytes that were not handed to the writer thread yet.
    piece: Vec<u8>,
    bytes: u64,
    path: PathBuf,
}

/// A file that is complete except for its name.
struct Waiting {
    aside: TempPath,
    /// Kept open if it may have to be synced by itself.
    file: Option<Arc<File>>,
    failure: Failure,
    path: PathBuf,
    then: LandedFile,
}

/// What identifies a waiting file to the caller, and its length.
pub(super) struct LandedFile {
    pub(super) file: Vec<u8>,
    pub(super) bytes: u64,
}

impl Landing {
    /// Creates the folder, if there is none.
    pub(super) fn begin(target: &Path) -> Result<Self> {
        let mut changed = BTreeSet::new();
        make_folder(target, &mut changed)?;
        let root = File::open(target).map_err(Error::io("read", target))?;
        let writer = Writer::start().map_err(Error::io("write into", target))?;
        Ok(Self {
            root,
            target: target.to_owned(),
            writer,
            waiting: Vec::new(),
            changed,
            modes: BTreeMap::new(),
            landed: 0,
        })
    }

    /// Creates a folder. It gets its mode at the end, since it must be writable until
    /// then.
    pub(super) fn folder(&mut self, path: &Path, mode: u32) -> Result<()> {
        self.make_folder(path)?;
        self.modes.insert(path.to_owned(), mode);
        Ok(())
    }

    fn make_folder(&mut self, path: &Path) -> Result<()> {
        // Usually the previous file was in the same folder.
        if !self.changed.contains(path) {
            make_folder(path, &mut self.changed)?;
            self.changed.insert(path.to_owned());
        }
        Ok(())
    }

    /// Creates an empty file beside its place.
    pub(super) fn aside(&mut self, path: PathBuf) -> Result<TempFile> {
        let folder = path.parent().unwrap_or(&path);
        self.make_folder(folder)?;
        let aside = tempfile::Builder::new()
            .prefix(".sessile-")
            .tempfile_in(folder)
            .map_err(Error::io("write into", folder))?;
        let (file, aside) = aside.into_parts();
        let target = Target { file: Arc::new(file), failure: Failure::default() };
        Ok(TempFile { aside, target, piece: Vec::new(), bytes: 0, path })
    }

    /// Appends to a file. The bytes may be written later.
    pub(super) fn write(&self, unnamed: &mut TempFile, raw: &[u8]) -> Result<()> {
        unnamed.bytes += raw.len() as u64;
        self.writer
            .write(&unnamed.target, &mut unnamed.piece, raw)
            .map_err(Error::io("write", &unnamed.path))
    }

    /// Accepts a complete file, which is renamed once it is on the disk; `name` is
    /// what identifies it to the caller then.
    pub(super) fn land(&mut self, unnamed: TempFile, facts: Facts, name: Vec<u8>) -> Result<()> {
        let TempFile { aside, target, piece, bytes, path } = unnamed;
        self.writer.finish(&target, piece, facts).map_err(Error::io("write", &path))?;
        let Target { file, failure } = target;
        let file = (!self.are_many()).then_some(file);
        let then = LandedFile { file: name, bytes };
        self.waiting.push(Waiting { aside, file, failure, path, then });
        if self.are_many() {
            self.waiting.iter_mut().for_each(|waiting| waiting.file = None);
        }
        Ok(())
    }

    /// Whether the waiting files should be settled: there are many, or writing
    /// failed.
    pub(super) fn is_full(&self) -> bool {
        MANY <= self.waiting.len() || self.writer.has_failed()
    }

    fn are_many(&self) -> bool {
        FEW < self.landed + self.waiting.len() + self.changed.len()
    }

    fn syncs_at_once(&self) -> bool {
        SYNCS_AT_ONCE && self.are_many()
    }

    /// Renames the waiting files, and calls `named` for each with the result.
    pub(super) fn settle(
        &mut self,
        mut named: impl FnMut(LandedFile, Result<()>) -> Result<()>,
    ) -> Result<()> {
        self.writer.settle().map_err(Error::io("write into", &self.target))?;
        let mut written = Vec::with_capacity(self.waiting.len());
        for waiting in std::mem::take(&mut self.waiting) {
            match waiting.failure.take() {
                Some(err) => named(waiting.then, Err(Error::io("write", &waiting.path)(err)))?,
                None => written.push(waiting),
            }
        }
        if self.syncs_at_once() {
            self.sync_file_system()?;
        } else {
            for Waiting { file, path, .. } in &written {
                file.as_ref()
                    .map_or(Ok(()), |file| file.sync_all())
                    .map_err(Error::io("write", path))?;
            }
        }
        for Waiting { aside, path, then, .. } in written {
            self.landed += 1;
            let done = aside.persist_noclobber(&path);
            named(then, done.map_err(|err| Error::io("write", &path)(err.error)))?;
        }
        Ok(())
    }

    /// Creates a link. The last files must have their names by now, so that nothing
    /// is written through it.
    pub(super) fn link(&mut self, path: &Path, target: &Path) -> Result<()> {
        self.make_folder(path.parent().unwrap_or(path))?;
        std::os::unix::fs::symlink(target, path).map_err(Error::io("create the link", path))
    }

    /// Sets the modes of the folders, and waits until everything is on the disk.
    pub(super) fn finish(self) -> Result<()> {
        let at_once = self.syncs_at_once();
        let set_mode = |path: &Path| match self.modes.get(path) {
            Some(mode) => fs::set_permissions(path, Permissions::from_mode(*mode))
                .map_err(Error::io("set the mode of", path)),
            None => Ok(()),
        };
        let mut is_shut = false;
        // Deepest first: a mode may make a folder and its content inaccessible.
        for path in self.changed.iter().rev() {
            let folder = if at_once {
                None
            } else {
                match File::open(path) {
                    Ok(folder) => Some(folder),
                    // A folder above the target may be writable but not readable.
                    Err(err) if SYNCS_AT_ONCE && err.kind() == io::ErrorKind::PermissionDenied => {
                        is_shut = true;
                        None
                    }
                    Err(err) => return Err(Error::io("read", path)(err)),
                }
            };
            set_mode(path)?;
            let folder = folder.as_ref();
            folder.map_or(Ok(()), File::sync_all).map_err(Error::io("write into", path))?;
        }
        if at_once || is_shut { self.sync_file_system() } else { Ok(()) }
    }

    /// The folder was empty, so everything below it is on the same file system.
    fn sync_file_system(&self) -> Result<()> {
        sync_file_system(&self.root).map_err(Error::io("write into", &self.target))
    }
}

#[cfg(target_os = "linux")]
fn sync_file_system(folder: &File) -> io::Result<()> {
    Ok(rustix::fs::syncfs(folder)?)
}

#[cfg(not(target_os = "linux"))]
fn sync_file_system(folder: &File) -> io::Result<()> {
    folder.sync_all()
}

/// Creates a folder and its missing parents, and notes each, and the parent of the
/// first.
fn make_folder(path: &Path, changed: &mut BTreeSet<PathBuf>) -> Result<()> {
    let mut missing = Vec::new();
    let mut at = path;
    while at.symlink_metadata().is_err() {
        missing.push(at.to_owned());
        at = match at.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
    }
    fs::create_dir_all(path).map_err(Error::io("create the folder", path))?;
    if !missing.is_empty() {
        changed.insert(at.to_owned());
        changed.extend(missing);
    }
    Ok(())
}
