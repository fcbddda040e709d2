//! Walks the covered part of a root, without following links, and opening only
//! folders and regular files.
//!
//! Folders are read as they come, not sorted, so that a folder of a million files
//! is never in memory. Each path is resolved below the root without following
//! links, so that a link that is swapped in during the walk leads nowhere.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::store::file_time::FileTime;

/// The most nested folders that are held open while they are read.
const MAX_OPEN: usize = 64;

/// Something found below a root.
#[derive(Debug)]
pub(crate) struct Found {
    /// The path below the root, separated by `/`.
    pub(crate) path: Vec<u8>,
    pub(crate) kind: FoundKind,
    pub(crate) stat: FileStat,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FoundKind {
    File,
    Folder,
    Link(Vec<u8>),
    /// A pipe, socket or device.
    Special,
    /// It could not be examined, and why.
    Unreadable(String),
}

/// What the file system says about a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileStat {
    pub(crate) mode: u32,
    pub(crate) mtime: FileTime,
    pub(crate) size: u64,
    pub(crate) inode: i64,
}

impl FileStat {
    #[expect(clippy::unnecessary_cast, reason = "the fields have other types on other systems")]
    fn new(stat: &Stat) -> Self {
        Self {
            mode: stat.st_mode as u32 & 0o7777,
            mtime: FileTime::new(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            inode: stat.st_ino as i64,
        }
    }
}

pub(crate) struct Walk {
    root: OwnedFd,
    open: Vec<(Vec<u8>, Names)>,
    tops: std::vec::IntoIter<Vec<u8>>,
}

enum Names {
    Streaming(Dir),
    Collected(std::vec::IntoIter<Vec<u8>>),
}

impl Walk {
    pub(crate) fn new(root: &Path, covered: &[std::path::PathBuf]) -> Result<Self> {
        let open = rustix::fs::openat(
            CWD,
            root,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        );
        let root = open.map_err(|err| Error::io("read", root)(err.into()))?;
        let tops: Vec<Vec<u8>> =
            covered.iter().map(|top| top.as_os_str().as_bytes().to_vec()).collect();
        Ok(Self { root, open: Vec::new(), tops: tops.into_iter() })
    }

    /// The next thing below the root. A folder comes before its content.
    pub(crate) fn next(&mut self) -> Option<Found> {
        loop {
            let Some((folder, names)) = self.open.last_mut() else {
                let top = self.tops.next()?;
                if top.is_empty() {
                    if let Some(found) = self.enter(Vec::new()) {
                        return Some(found);
                    }
                    continue;
                }
                let stat = self.stat_below(&top);
                return Some(self.examine(top, stat));
            };
            let next = match names {
                Names::Collected(names) => names.next().map(|name| Ok((join(folder, &name), None))),
                Names::Streaming(dir) => match dir.next() {
                    Some(Ok(entry)) if matches!(entry.file_name().to_bytes(), b"." | b"..") => {
                        continue;
                    }
                    Some(entry) => Some(entry.map(|entry| {
                        // Relative to the open folder, so that no folder above can be
                        // replaced by a link.
                        let flags = AtFlags::SYMLINK_NOFOLLOW;
                        let stat = dir
                            .fd()
                            .and_then(|fd| rustix::fs::statat(fd, entry.file_name(), flags));
                        (join(folder, entry.file_name().to_bytes()), Some(stat))
                    })),
                    None => None,
                },
            };
            match next {
                None => {
                    self.open.pop();
                }
                Some(Ok((path, stat))) => {
                    let stat = stat.unwrap_or_else(|| self.stat_below(&path));
                    // It vanished after it was listed, as if it had never been.
                    if stat.as_ref().is_err_and(|err| is_gone(*err)) {
                        continue;
                    }
                    return Some(self.examine(path, stat));
                }
                Some(Err(err)) => {
                    let (folder, _) = self.open.pop()?;
                    return Some(unreadable(folder, err));
                }
            }
        }
    }

    /// Opens a file below the root for reading, if it is still a regular file.
    pub(crate) fn open_file(&self, path: &[u8]) -> std::io::Result<(std::fs::File, FileStat)> {
        // NONBLOCK: if a pipe was swapped in, opening it must not wait for a
        // writer.
        let fd = self.open_below(path, OFlags::RDONLY | OFlags::NONBLOCK)?;
        let stat = rustix::fs::fstat(&fd)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(std::io::Error::other("it is not a regular file any more"));
        }
        Ok((std::fs::File::from(fd), FileStat::new(&stat)))
    }

    /// Looks at a path again that was not listed; `None` if there is nothing.
    ///
    /// Some file systems do not list a file that is replaced by another while its folder
    /// is read: tmpfs and btrfs list what the folder held when it was opened, and the
    /// other file counts as new.
    pub(crate) fn look_again(&self, path: &[u8]) -> Option<Found> {
        let (kind, stat) = match self.stat_below(path) {
            Ok(stat) => (self.kind_of(path, &stat), FileStat::new(&stat)),
            Err(err) if is_gone(err) => return None,
            Err(err) => (Err(err), FileStat::default()),
        };
        Some(match kind {
            Ok(kind) => Found { path: path.to_vec(), kind, stat },
            Err(err) => unreadable(path.to_vec(), err),
        })
    }

    /// The inode at a path below the root; `None` if there is nothing.
    pub(crate) fn inode_of(&self, path: &[u8]) -> Option<i64> {
        let stat = self.stat_below(path).ok()?;
        Some(FileStat::new(&stat).inode)
    }

    fn examine(&mut self, path: Vec<u8>, stat: rustix::io::Result<Stat>) -> Found {
        let stat = match stat {
            Ok(stat) => stat,
            Err(err) => return unreadable(path, err),
        };
        let kind = match self.kind_of(&path, &stat) {
            Ok(kind) => kind,
            Err(err) => return unreadable(path, err),
        };
        if kind == FoundKind::Folder
            && let Some(unreadable) = self.enter(path.clone())
        {
            return unreadable;
        }
        Found { path, kind, stat: FileStat::new(&stat) }
    }

    fn kind_of(&self, path: &[u8], stat: &Stat) -> rustix::io::Result<FoundKind> {
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => FoundKind::File,
            FileType::Directory => FoundKind::Folder,
            FileType::Symlink => FoundKind::Link(self.link_target(path)?),
            _ => FoundKind::Special,
        })
    }

    /// Enters a folder; returns why it cannot.
    fn enter(&mut self, path: Vec<u8>) -> Option<Found> {
        let opened = self.open_below(&path, OFlags::RDONLY | OFlags::DIRECTORY).and_then(Dir::new);
        let dir = match opened {
            Ok(dir) => dir,
            Err(err) => return Some(unreadable(path, err)),
        };
        let names = if self.open.len() < MAX_OPEN {
            Names::Streaming(dir)
        } else {
            let names: rustix::io::Result<Vec<Vec<u8>>> = dir
                .map(|entry| entry.map(|entry| entry.file_name().to_bytes().to_vec()))
                .filter(|name| !matches!(name.as_deref(), Ok(b"." | b"..")))
                .collect();
            match names {
                Ok(names) => Names::Collected(names.into_iter()),
                Err(err) => return Some(unreadable(path, err)),
            }
        };
        self.open.push((path, names));
        None
    }

    fn link_target(&self, path: &[u8]) -> rustix::io::Result<Vec<u8>> {
        let (folder, name) = self.folder_of(path)?;
        Ok(rustix::fs::readlinkat(&folder, name, Vec::new())?.into_bytes())
    }

    fn stat_below(&self, path: &[u8]) -> rustix::io::Result<Stat> {
        let (folder, name) = self.folder_of(path)?;
        rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// The folder that contains a path, opened without following links, and the name
    /// in it.
    fn folder_of<'p>(&self, path: &'p [u8]) -> rustix::io::Result<(OwnedFd, &'p OsStr)> {
        let (folder, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&path[..0], path),
        };
        let fd = self.open_below(folder, OFlags::RDONLY | OFlags::DIRECTORY)?;
        Ok((fd, OsStr::from_bytes(name)))
    }

    fn open_below(&self, path: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let path = if path.is_empty() { OsStr::new(".") } else { OsStr::from_bytes(path) };
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::ResolveFlags;
            let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
            match rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve) {
                // Kernels before 5.6 and some sandboxes lack it.
                Err(Errno::NOSYS | Errno::PERM) => {}
                opened => return opened,
            }
        }
        self.open_step_by_step(path, flags)
    }

    /// Opens a path one name at a time, so that none of them can be a link.
    fn open_step_by_step(&self, path: &OsStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let step = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut names = path.as_bytes().split(|byte| *byte == b'/').peekable();
        let mut folder = None;
        while let Some(name) = names.next() {
            let at = folder.as_ref().map_or(self.root.as_fd(), OwnedFd::as_fd);
            let flags = if names.peek().is_some() { step } else { flags };
            folder = Some(rustix::fs::openat(at, OsStr::from_bytes(name), flags, Mode::empty())?);
        }
        folder.ok_or(Errno::NOENT)
    }
}

/// Whether nothing has the path: a link on the way to it leads out of the root.
fn is_gone(err: Errno) -> bool {
    matches!(err, Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
}

fn unreadable(path: Vec<u8>, err: Errno) -> Found {
    let reason = std::io::Error::from(err).to_string();
    Found { path, kind: FoundKind::Unreadable(reason), stat: FileStat::default() }
}

fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() {
        return name.to_vec();
    }
    [folder, b"/", name].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_opened_step_by_step_passes_through_no_link() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("root/a/b")).unwrap();
        std::fs::write(dir.path().join("root/a/b/x"), "x").unwrap();
        std::os::unix::fs::symlink("a", dir.path().join("root/link")).unwrap();
        std::os::unix::fs::symlink("x", dir.path().join("root/a/b/y")).unwrap();
        let walk = Walk::new(&dir.path().join("root"), &[]).unwrap();
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opens = |path: &str| walk.open_step_by_step(OsStr::new(path), flags).is_ok();

        assert!(opens(".") && opens("a") && opens("a/b/x"));
        assert!(!opens("link/b/x") && !opens("a/b/y"));
    }
}
