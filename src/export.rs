//! Export: the files of a root again, byte for byte.
//!
//! Each file is written under a temporary name, with its mode and time, and
//! then gets its own: what has its name is complete. Links are made last, when
//! nothing is written any more that could pass through them, and names that
//! would lead out of the target are refused, whatever the database holds.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Permissions};
use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::error::{Error, Result};
use crate::fold;
use crate::model::SessionKey;
use crate::store::files::{self, FileKind, FileRow, Source};
use crate::store::{Store, log, sessions};

/// What to export.
#[derive(Clone, Debug, Default)]
#[must_use = "options do nothing until `export`"]
pub struct ExportOptions {
    sessions: Vec<SessionKey>,
    root: Option<PathBuf>,
    source: bool,
}

impl ExportOptions {
    /// Everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only the files of this session, and of those named before it.
    pub fn session(mut self, session: SessionKey) -> Self {
        self.sessions.push(session);
        self
    }

    /// Leaves out what was written here: files as they were imported. Default: `false`.
    pub fn source_only(mut self, source_only: bool) -> Self {
        self.source = source_only;
        self
    }

    /// Only what was imported from this root.
    pub fn root(mut self, root: &Path) -> Self {
        self.root = Some(root.to_owned());
        self
    }
}

/// What an export wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportReport {
    /// Files and links.
    pub files: u64,
    /// Bytes of files.
    pub bytes: u64,
}

impl Store {
    /// Writes imported files into a folder that is empty or does not exist:
    /// bytes, permissions, modification times to the nanosecond, links and
    /// empty folders as they were imported. Times of folders are not kept.
    ///
    /// A store of several roots writes each into a folder `NN-<name>` of its
    /// own, numbered from 01 by path. A session that went on here is written as
    /// it is now, with mode 0600 and its last record's time. A Kimi session
    /// whose state was written here comes without its `metadata.json`: it is
    /// merged, and Kimi would merge it once more over what was decided since.
    /// Files that vanished from their root since are written, too; sessions in
    /// the trash are not, unless they are named.
    ///
    /// A file has its name when it is complete. Where an export fails or is
    /// interrupted, the folder holds what was written until then.
    ///
    /// # Errors
    ///
    /// [`TargetNotEmpty`](Error::TargetNotEmpty),
    /// [`SourceNotFound`](Error::SourceNotFound) and
    /// [`SessionNotFound`](Error::SessionNotFound) before anything is written;
    /// [`UnsafePath`](Error::UnsafePath) when the database was made to hold a
    /// name that leads out of the folder; [`Io`](Error::Io).
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use sessile::{ExportOptions, ImportOptions, Store};
    ///
    /// let store = Store::open(&dir.path().join("sessions.db"))?;
    /// store.import("fixtures/kward/small".as_ref(), &ImportOptions::new())?;
    /// store.export(&dir.path().join("out"), &ExportOptions::new())?;
    ///
    /// let file = "sessions/--edge--/97-branch-summary.jsonl";
    /// let before = std::fs::read(format!("fixtures/kward/small/{file}"))?;
    /// assert_eq!(std::fs::read(dir.path().join("out").join(file))?, before);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn export(&self, target: &Path, options: &ExportOptions) -> Result<ExportReport> {
        self.read(|conn| export(conn, target, options))
    }
}

fn export(conn: &Connection, target: &Path, options: &ExportOptions) -> Result<ExportReport> {
    let mut sources = files::sources(conn)?;
    if let Some(root) = &options.root {
        let root = fs::canonicalize(root).unwrap_or_else(|_| root.clone());
        sources.retain(|source| source.root == root.as_os_str().as_bytes());
        if sources.is_empty() {
            return Err(Error::SourceNotFound(root));
        }
    }
    let mut chosen = Vec::new();
    for session in &options.sessions {
        let (source, _) = sessions::place(conn, *session)?
            .ok_or_else(|| Error::SessionNotFound(session.0.to_string()))?;
        let paths = fold::paths_of(conn, *session)?;
        chosen.extend(paths.into_iter().map(|path| (source.root.clone(), path)));
    }
    let several = 1 < sources.len();
    make_empty(target)?;
    let mut report = ExportReport::default();
    for (n, source) in sources.iter().enumerate() {
        let folder = match several {
            true => target.join(numbered_name(n + 1, source)),
            false => target.to_owned(),
        };
        let wanted: Option<BTreeSet<&[u8]>> = (!chosen.is_empty()).then(|| {
            let of_source = chosen.iter().filter(|(root, _)| *root == source.root);
            of_source.map(|(_, file)| file.as_slice()).collect()
        });
        if wanted.as_ref().is_none_or(|wanted| !wanted.is_empty()) {
            export_source(conn, source, &folder, wanted.as_ref(), options, &mut report)?;
        }
    }
    Ok(report)
}

fn numbered_name(number: usize, source: &Source) -> PathBuf {
    let root = source.root_path();
    let mut name = std::ffi::OsString::from(format!("{number:02}-"));
    // Sessions that were made here have no root.
    name.push(root.file_name().unwrap_or_else(|| OsStr::new("sessile")));
    PathBuf::from(name)
}

fn make_empty(target: &Path) -> Result<()> {
    match fs::read_dir(target) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Error::TargetNotEmpty(target.to_owned())),
        },
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => {
            fs::create_dir_all(target).map_err(Error::io("make the folder", target))
        }
        Err(err) if err.kind() == std::io::ErrorKind::NotADirectory => {
            Err(Error::TargetNotEmpty(target.to_owned()))
        }
        Err(err) => Err(Error::io("read", target)(err)),
    }
}

fn export_source(
    conn: &Connection,
    source: &Source,
    target: &Path,
    wanted: Option<&BTreeSet<&[u8]>>,
    options: &ExportOptions,
    report: &mut ExportReport,
) -> Result<()> {
    fs::create_dir_all(target).map_err(Error::io("make the folder", target))?;
    let is_wanted = |path: &[u8]| match wanted {
        None => true,
        // A file comes with the folders that lead to it.
        Some(wanted) => {
            let below = [path, b"/"].concat();
            wanted.contains(path)
                || wanted.range(&below[..]..).next().is_some_and(|file| file.starts_with(&below))
        }
    };
    // Folders get their modes last: one may forbid writing into it.
    let mut folders: Vec<(PathBuf, u32)> = Vec::new();
    let mut links = Vec::new();
    let select: files::Select =
        if options.source { files::imported_after } else { files::newest_after };
    // The trash stays here, unless a session in it is named.
    let trash = match wanted {
        None if !options.source => trash(conn, source.source_id)?,
        _ => HashSet::new(),
    };
    let merged = match options.source {
        true => BTreeSet::new(),
        false => fold::merged(conn, source)?,
    };
    files::each_file(conn, source.source_id, select, |file| {
        if !is_wanted(&file.path) || trash.contains(&file.path) || merged.contains(&file.path) {
            return Ok(());
        }
        let path = target.join(safe_path(&file.path)?);
        match file.kind {
            FileKind::Folder => {
                fs::create_dir_all(&path).map_err(Error::io("make the folder", &path))?;
                folders.push((path, file.mode));
            }
            FileKind::Link => links.push((path, file)),
            FileKind::Log | FileKind::Document => {
                report.bytes += write_file(conn, &file, &path)?;
                report.files += 1;
            }
        }
        Ok(())
    })?;
    for (path, file) in links {
        let link_target = file.link_target.unwrap_or_default();
        make_parent(&path)?;
        std::os::unix::fs::symlink(OsStr::from_bytes(&link_target), &path)
            .map_err(Error::io("make the link", &path))?;
        report.files += 1;
    }
    for (path, mode) in folders.iter().rev() {
        fs::set_permissions(path, Permissions::from_mode(*mode))
            .map_err(Error::io("set the mode of", path))?;
    }
    Ok(())
}

/// Paths of the sessions of a source that are in the trash.
fn trash(conn: &Connection, source_id: i64) -> Result<HashSet<Vec<u8>>> {
    let mut paths = HashSet::new();
    for session in sessions::trashed(conn, source_id)? {
        paths.extend(fold::paths_of(conn, session)?);
    }
    Ok(paths)
}

/// A stored path, if it stays below the target.
fn safe_path(path: &[u8]) -> Result<&Path> {
    let is_safe = !path.is_empty()
        && !path.contains(&0)
        && path.split(|byte| *byte == b'/').all(|name| !matches!(name, b"" | b"." | b".."));
    let path = Path::new(OsStr::from_bytes(path));
    if is_safe { Ok(path) } else { Err(Error::UnsafePath(path.to_owned())) }
}

fn make_parent(path: &Path) -> Result<PathBuf> {
    let folder = path.parent().unwrap_or(path).to_owned();
    fs::create_dir_all(&folder).map_err(Error::io("make the folder", &folder))?;
    Ok(folder)
}

fn write_file(conn: &Connection, file: &FileRow, path: &Path) -> Result<u64> {
    let folder = make_parent(path)?;
    let aside = tempfile::Builder::new()
        .prefix(".sessile-")
        .tempfile_in(&folder)
        .map_err(Error::io("write into", &folder))?;
    let mut out = BufWriter::with_capacity(256 << 10, aside.as_file());
    let mut bytes = 0;
    let mut write = |_, raw: &[u8]| {
        bytes += raw.len() as u64;
        out.write_all(raw).map_err(Error::io("write", path))
    };
    match file.kind {
        FileKind::Log => log::each_line(conn, file, &mut write)?,
        _ => log::each_chunk(conn, file.file_id, &mut write)?,
    }
    out.flush().map_err(Error::io("write", path))?;
    drop(out);
    set_facts(aside.as_file(), file).map_err(Error::io("write", path))?;
    aside.persist_noclobber(path).map_err(|err| Error::io("write", path)(err.error))?;
    Ok(bytes)
}

fn set_facts(out: &File, file: &FileRow) -> std::io::Result<()> {
    out.set_permissions(Permissions::from_mode(file.mode))?;
    out.set_times(FileTimes::new().set_modified(file.mtime.system_time()))
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
