//! Detects that the files at a database's path are no longer those that were
//! opened.
//!
//! If a database is deleted, moved or replaced while it is open, the connection
//! does not notice: writes succeed, into a file without a name. If the WAL or its
//! index is replaced, it is worse: another process that opens the database then
//! writes beside us, and neither sees the other's locks. SQLite checks this only in
//! other journal modes, so it is checked here, with the lock held.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Identifies a file whatever its name: device and inode.
type Inode = (u64, u64);

/// The files of an open database.
#[derive(Debug)]
pub(super) struct Identity {
    database: Named,
    /// The WAL and its index; empty if the database is not in WAL mode.
    companions: Vec<Named>,
    /// For a database that is read without locks: the state that its files must keep.
    alone: Option<Vec<FileSnapshot>>,
}

/// The state of a file, or that it did not exist.
#[derive(Debug, PartialEq, Eq)]
struct FileSnapshot {
    path: PathBuf,
    /// Size, and seconds and nanoseconds of the last change.
    state: Option<(u64, i64, i64)>,
}

impl FileSnapshot {
    fn of(path: PathBuf) -> Self {
        let state = fs::metadata(&path).ok();
        let state = state.map(|of| (of.size(), of.mtime(), of.mtime_nsec()));
        Self { path, state }
    }
}

#[derive(Debug)]
struct Named {
    path: PathBuf,
    inode: Inode,
}

impl Identity {
    /// The identity of a database that is open, at an absolute path.
    pub(super) fn of(path: &Path) -> Result<Self> {
        let companion = |end: &str| {
            let mut name = OsString::from(path);
            name.push(end);
            Named::at(PathBuf::from(name))
        };
        let companions = ["-wal", "-shm"].map(companion).into_iter().flatten().collect();
        let database = Named::at(path.to_owned()).map_err(Error::io("open", path))?;
        Ok(Self { database, companions, alone: None })
    }

    /// The identity of a database that is read without locks, whose files must not
    /// change.
    pub(super) fn of_alone(path: &Path) -> Result<Self> {
        let of = Self::of(path)?;
        let files = ["", "-wal", "-shm"].map(|end| {
            let mut name = OsString::from(path);
            name.push(end);
            FileSnapshot::of(PathBuf::from(name))
        });
        Ok(Self { alone: Some(files.into()), ..of })
    }

    /// Fails if another file has taken the database's place.
    pub(super) fn check(&self) -> Result<()> {
        self.database.check()?;
        let is_still = |file: &FileSnapshot| FileSnapshot::of(file.path.clone()) == *file;
        if self.alone.iter().flatten().all(is_still) {
            Ok(())
        } else {
            // Another process can write and has the database open now.
            Err(Error::Busy)
        }
    }

    /// Fails if another file has taken the place of the database, its WAL or the
    /// WAL's index.
    pub(super) fn check_to_write(&self) -> Result<()> {
        self.database.check()?;
        self.companions.iter().try_for_each(Named::check)
    }
}

impl Named {
    fn at(path: PathBuf) -> io::Result<Self> {
        let inode = inode(&path)?;
        Ok(Self { path, inode })
    }

    fn check(&self) -> Result<()> {
        match inode(&self.path) {
            Ok(found) if found == self.inode => Ok(()),
            Ok(_) => Err(Error::DatabaseReplaced(self.path.clone())),
            Err(err) if err.kind() == io::ErrorKind::NotFound => {
                Err(Error::DatabaseReplaced(self.path.clone()))
            }
            Err(err) => Err(Error::io("look at", &self.path)(err)),
        }
    }
}

fn inode(path: &Path) -> io::Result<Inode> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}
