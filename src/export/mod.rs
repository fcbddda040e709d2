//! Export: writes the files of a root again, byte for byte.
//!
//! While a file is written under a temporary name, it is compared with its
//! checksums, size and digest. It gets its name when it is complete and on the
//! disk. Links are created last, when nothing more is written that could pass
//! through them, and names that would lead out of the target are rejected, whatever
//! the database contains.

mod landing;
mod place;
mod tree;
mod writer;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::error::{Error, Failure, Result};
use crate::format::projection;
use crate::model::{SessionKey, as_object, shown_path};
use crate::store::sources::{self, Source};
use crate::store::{Store, readable, roots, sessions};

/// What to export.
#[derive(Clone, Debug, Default)]
#[must_use = "options do nothing until `export`"]
pub struct ExportOptions {
    sessions: Vec<SessionKey>,
    root: Option<PathBuf>,
    source: bool,
    damaged: bool,
}

impl ExportOptions {
    /// Exports everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Restricts the export to the files of this session. If called several times, to
    /// those of all named sessions.
    pub fn session(mut self, session: SessionKey) -> Self {
        self.sessions.push(session);
        self
    }

    /// Writes files as they were imported, without what was written here. Default:
    /// `false`.
    pub fn source_only(mut self, source_only: bool) -> Self {
        self.source = source_only;
        self
    }

    /// Restricts the export to what was imported from this root.
    pub fn root(mut self, root: impl AsRef<Path>) -> Self {
        self.root = Some(root.as_ref().to_owned());
        self
    }

    /// Also writes what is left of a damaged file, under its name with `.damaged`
    /// appended, which no program takes for a session. Default: `false`.
    pub fn damaged(mut self, damaged: bool) -> Self {
        self.damaged = damaged;
        self
    }
}

/// What an export wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportReport {
    /// Files and links.
    pub files: u64,
    /// Bytes of files.
    pub bytes: u64,
    /// What was written under another name, because something else has its path at
    /// the root now.
    pub aside: Vec<Aside>,
}

as_object! { ExportReport { files, bytes, aside, } }

/// A file or folder that was written under another name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Aside {
    /// The root that it was imported from; empty for the store's own root.
    pub root: PathBuf,
    /// Its path below the root.
    pub file: PathBuf,
    /// The path below the root under which it was written.
    pub written_as: PathBuf,
}

as_object! { Aside { root by shown_path, file by shown_path, written_as by shown_path, } }

impl Store {
    /// Writes imported files into a folder that is empty or does not exist: bytes,
    /// permissions, modification times to the nanosecond, links and empty folders as
    /// they were imported. Modification times of folders are not kept, nor are the
    /// mode bits above the permissions (setuid, setgid, sticky).
    ///
    /// If the store has several roots, each is written into a folder of its own,
    /// `NN-<name>`, numbered from 01 by path. A session that continued here is
    /// written as it is now, with mode 0600 and the time of its last record. A Kimi
    /// session whose state was written here comes without its `metadata.json`, which
    /// is merged into the state; Kimi would otherwise merge it again over what was
    /// decided since. Files that vanished from their root are written, too, under
    /// another name if something else has their path now. Sessions in the trash are
    /// left out unless they are named.
    ///
    /// `Ok` means that every file is there, has the bytes that were imported or
    /// written here, and is on the disk, including names and folders. A file has its
    /// name only when that is so. If an export fails, the folder holds the files that
    /// were completed. If its process is ended, it may also hold parts of files, whose
    /// names begin with `.sessile-`.
    ///
    /// # Errors
    ///
    /// [`TargetNotEmpty`](Error::TargetNotEmpty),
    /// [`SourceNotFound`](Error::SourceNotFound) and
    /// [`SessionNotFound`](Error::SessionNotFound) before anything is written;
    /// [`Io`](Error::Io) if the target cannot be written.
    /// [`Incomplete`](Error::Incomplete) names each file that was left out, with
    /// [`Damaged`](Error::Damaged) if the database no longer holds its bytes,
    /// [`UnsafePath`](Error::UnsafePath) if the database was manipulated to hold a
    /// name that leads out of the folder, or [`Io`](Error::Io) if the file system
    /// refuses the name. All other files are there, as with `Ok`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use sessile::{ExportOptions, ImportOptions, Store};
    ///
    /// let store = Store::open(dir.path().join("sessions.db"))?;
    /// store.import("fixtures/kward/small", &ImportOptions::new())?;
    /// store.export(&dir.path().join("out"), &ExportOptions::new())?;
    ///
    /// let file = "sessions/--edge--/97-branch-summary.jsonl";
    /// let before = std::fs::read(format!("fixtures/kward/small/{file}"))?;
    /// assert_eq!(std::fs::read(dir.path().join("out").join(file))?, before);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn export(
        &self,
        target: impl AsRef<Path>,
        options: &ExportOptions,
    ) -> Result<ExportReport> {
        let outcome = self.read(|conn| export(conn, target.as_ref(), options))?;
        if outcome.failed.is_empty() {
            Ok(outcome.report)
        } else {
            Err(Error::Incomplete { done: outcome.report.files, failed: outcome.failed })
        }
    }
}

/// The result so far.
#[derive(Default)]
struct Outcome {
    report: ExportReport,
    failed: Vec<Failure>,
    /// Whether the table of files has to be read row by row, because a page is
    /// damaged.
    is_damaged: bool,
}

fn export(conn: &Connection, target: &Path, options: &ExportOptions) -> Result<Outcome> {
    let sources = chosen_sources(conn, options)?;
    let chosen = chosen_files(conn, options)?;
    require_empty(target)?;
    let mut outcome = Outcome::default();
    if let Some(damage) = readable::damage_of_files(conn)? {
        let error = Error::Damaged(format!("the table of files: {damage}"));
        outcome.failed.push(Failure { root: PathBuf::new(), file: PathBuf::new(), error });
        outcome.is_damaged = true;
    }
    for (n, source) in sources.iter().enumerate() {
        let folder = match sources.len() {
            1 => target.to_owned(),
            _ => target.join(numbered_name(n + 1, source)),
        };
        let wanted: Option<BTreeSet<&[u8]>> = chosen.as_ref().map(|chosen| {
            let of_source = chosen.iter().filter(|(id, _)| *id == source.source_id);
            of_source.map(|(_, file)| file.as_slice()).collect()
        });
        if wanted.as_ref().is_none_or(|wanted| !wanted.is_empty()) {
            tree::export_source(conn, source, &folder, wanted.as_ref(), options, &mut outcome)?;
        }
    }
    if sources.is_empty() {
        landing::Landing::begin(target)?.finish()?;
    }
    Ok(outcome)
}

fn chosen_sources(conn: &Connection, options: &ExportOptions) -> Result<Vec<Source>> {
    let mut sources = sources::all(conn)?;
    if let Some(root) = &options.root {
        let root = roots::kept_path(root);
        sources.retain(|source| source.root == root.as_os_str().as_bytes());
        if sources.is_empty() {
            return Err(Error::SourceNotFound(root));
        }
    }
    Ok(sources)
}

type SourceAndPath = (i64, Vec<u8>);

/// Sources and paths of the named sessions' files; `None` if no session is named.
fn chosen_files(conn: &Connection, options: &ExportOptions) -> Result<Option<Vec<SourceAndPath>>> {
    let mut chosen = Vec::new();
    for session in &options.sessions {
        let (source, _) =
            sessions::place(conn, *session)?.ok_or_else(|| sessions::not_found(*session))?;
        let paths = projection::paths_of(conn, *session)?;
        chosen.extend(paths.into_iter().map(|path| (source.source_id, path)));
    }
    Ok(Some(chosen).filter(|chosen| !chosen.is_empty()))
}

fn numbered_name(number: usize, source: &Source) -> PathBuf {
    let root = source.root_path();
    let mut name = OsString::from(format!("{number:02}-"));
    // Sessions that were created here, or merged from another origin, have no root.
    let of = match source.origin.as_str() {
        "" => "sessile".to_owned(),
        origin => origin.replace('/', "-"),
    };
    name.push(root.file_name().unwrap_or_else(|| OsStr::new(&of)));
    PathBuf::from(name)
}

fn require_empty(target: &Path) -> Result<()> {
    match fs::read_dir(target) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Error::TargetNotEmpty(target.to_owned())),
        },
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(err) if err.kind() == io::ErrorKind::NotADirectory => {
            Err(Error::TargetNotEmpty(target.to_owned()))
        }
        Err(err) => Err(Error::io("read", target)(err)),
    }
}
