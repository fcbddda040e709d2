//! Whether the files at a database's path are still those that were opened.
//!
//! A database that is deleted, moved or replaced under an open connection goes
//! on for it: every write succeeds, into a file without a name. The same holds
//! for the journal and its index, and there it is worse: who opens the database
//! then writes beside us, and neither sees the other's locks. SQLite asks only
//! in other journal modes; so this asks, with the lock in hand.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// What the file system calls a file, whatever its name: device and inode.
type Inode = (u64, u64);

/// The files of an open database.
#[derive(Debug)]
pub(super) struct Identity {
    database: Named,
    /// The journal and its index; none where the database has no such journal.
    companions: Vec<Named>,
    /// Of a database that is read without locks: its files as they were.
    alone: Option<Vec<Still>>,
}

/// A file as it was, or that there was none.
#[derive(Debug, PartialEq, Eq)]
struct Still {
    path: PathBuf,
    /// Size, and seconds and nanoseconds of the last change.
    state: Option<(u64, i64, i64)>,
}

impl Still {
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
    /// Of a database at an absolute path that a connection has open.
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

    /// The same of one that is read without locks: it must stay as it is.
    pub(super) fn of_alone(path: &Path) -> Result<Self> {
        let of = Self::of(path)?;
        let files = ["", "-wal", "-shm"].map(|end| {
            let mut name = OsString::from(path);
            name.push(end);
            Still::of(PathBuf::from(name))
        });
        Ok(Self { alone: Some(files.into()), ..of })
    }

    /// Fails where the database is another one now.
    pub(super) fn check(&self) -> Result<()> {
        self.database.check()?;
        let is_still = |file: &Still| Still::of(file.path.clone()) == *file;
        match self.alone.iter().flatten().all(is_still) {
            true => Ok(()),
            // Somebody who may write there has it open now.
            false => Err(Error::Busy),
        }
    }

    /// Fails where the database, its journal or the journal's index is another one now.
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
