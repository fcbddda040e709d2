//! The roots that sessions were imported from: what each holds, forgetting one, one that moved.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::import::root::real_path;
use crate::model::{Format, Timestamp, as_object, shown_path};
use crate::store::sources::{self, Source};
use crate::store::{Store, Traces, roots};

/// A root that sessions were imported from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RootInfo {
    /// Its path, absolute and without links; empty for what is in no root: it was
    /// made here, or taken over from another store.
    pub root: PathBuf,
    /// The program that wrote it.
    pub format: Format,
    /// The machine or person that its sessions are of; `None` when nothing said so.
    pub origin: Option<String>,
    /// Files and links below it, those included that are no longer there.
    pub files: u64,
    /// Sessions, archived ones and the trash included.
    pub sessions: u64,
    /// Sessions among them of which the store alone has something: they went on
    /// here, something was decided of them here, or the root lost what they held.
    pub changed: u64,
    /// When an import last read something of it; `None` for what was made here.
    pub imported_at: Option<Timestamp>,
}

as_object! { RootInfo {
    root by shown_path, format, origin, files, sessions, changed, imported_at,
} }

/// A root that is no longer in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForgottenRoot {
    /// What was known of it.
    pub info: RootInfo,
    /// Whether its content is gone from the database's files, too.
    pub traces: Traces,
}

/// A root that is at another path now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MovedRoot {
    /// Where it was.
    pub from: PathBuf,
    /// Where it is.
    pub to: PathBuf,
}

impl Store {
    /// Returns every root, by path; sessions that were made here come first, then
    /// those that were taken over from other stores and are in no root here, by origin.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// store.import("fixtures/kward/small", &sessile::ImportOptions::new())?;
    ///
    /// let roots = store.imported_roots()?;
    /// assert!(roots[0].root.ends_with("fixtures/kward/small"));
    /// assert_eq!(roots[0].sessions, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn imported_roots(&self) -> Result<Vec<RootInfo>> {
        self.read(|conn| sources::all(conn)?.iter().map(|source| root_info(conn, source)).collect())
    }

    /// Returns what is known of a root, however its path is spelt; `None` when
    /// nothing was imported from it.
    pub fn imported_root(&self, root: impl AsRef<Path>) -> Result<Option<RootInfo>> {
        let path = roots::kept_path(root.as_ref());
        self.read(|conn| match sources::of_root(conn, &path)? {
            Some(source) => root_info(conn, &source).map(Some),
            None => Ok(None),
        })
    }

    /// Returns the directories that sessions worked in, as they spell them, by name.
    pub fn work_dirs(&self) -> Result<Vec<String>> {
        self.read(roots::work_dirs)
    }

    /// Removes a root from the store, with every session of it, whatever was
    /// written or decided here of them included. Nothing at the root is touched.
    /// Returns what went, and whether it is gone from the database's files, too:
    /// as [`purge`](crate::Session::purge) does, this writes the database anew.
    ///
    /// # Errors
    ///
    /// [`SourceNotFound`](Error::SourceNotFound).
    pub fn forget_root(&self, root: impl AsRef<Path>) -> Result<ForgottenRoot> {
        let path = roots::kept_path(root.as_ref());
        let info = self.write(|tx| {
            let source =
                sources::of_root(tx, &path)?.ok_or_else(|| Error::SourceNotFound(path.clone()))?;
            let info = root_info(tx, &source)?;
            roots::delete(tx, &source)?;
            Ok(info)
        })?;
        Ok(ForgottenRoot { info, traces: self.remove_traces() })
    }

    /// Lets a root, or every root below a folder, be the one at another path:
    /// a home that moved. Sessions keep their keys and what was written here.
    /// Returns each that moved.
    ///
    /// # Errors
    ///
    /// [`SourceNotFound`](Error::SourceNotFound) when no root is at or below
    /// `old`, [`RootNotFound`](Error::RootNotFound) when there is no folder
    /// `new`; [`RootKnown`](Error::RootKnown) when a new path is that of another
    /// root, or lies inside or around one.
    pub fn move_root(
        &self,
        old: impl AsRef<Path>,
        new: impl AsRef<Path>,
    ) -> Result<Vec<MovedRoot>> {
        let old = roots::kept_path(old.as_ref());
        let new = real_path(new.as_ref())?;
        if !new.is_dir() {
            return Err(Error::RootNotFound(new));
        }
        self.write(|tx| {
            let (moving, staying): (Vec<Source>, Vec<Source>) = sources::all(tx)?
                .into_iter()
                .filter(|source| !source.root.is_empty())
                .partition(|source| source.root_path().starts_with(&old));
            let mut moved = Vec::with_capacity(moving.len());
            for source in moving {
                let from = source.root_path();
                let to: PathBuf = match from.strip_prefix(&old) {
                    Ok(below) if !below.as_os_str().is_empty() => new.join(below),
                    _ => new.clone(),
                };
                let meets = |other: &&Source| {
                    let other = other.root_path();
                    other.starts_with(&to) || to.starts_with(&other)
                };
                if let Some(other) = staying.iter().find(meets) {
                    return Err(Error::RootKnown { root: to, known: other.root_path() });
                }
                roots::update_root(tx, source.source_id, to.as_os_str().as_bytes())?;
                moved.push(MovedRoot { from, to });
            }
            if moved.is_empty() { Err(Error::SourceNotFound(old.clone())) } else { Ok(moved) }
        })
    }
}

fn root_info(conn: &rusqlite::Connection, source: &Source) -> Result<RootInfo> {
    let holdings = roots::holdings(conn, source.source_id)?;
    Ok(RootInfo {
        root: PathBuf::from(OsStr::from_bytes(&source.root)),
        format: source.format,
        origin: Some(source.origin.clone()).filter(|origin| !origin.is_empty()),
        files: holdings.files,
        sessions: holdings.sessions,
        changed: holdings.changed,
        imported_at: holdings.imported_at.filter(|_| !source.root.is_empty()),
    })
}
