//! Determines the format of a root, and which part of it is covered.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::walk::{FoundKind, Walk};
use crate::error::{Error, Result};
use crate::format::rules::Sessions;
use crate::model::Format;

/// Session files of one folder that are examined before the format counts as unknown;
/// at most the square of this in total.
const SAMPLE: usize = 200;

/// A root to import.
#[derive(Debug)]
pub(crate) struct Root {
    /// Absolute and without links.
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    /// The covered paths below `path`; the empty path means all of it.
    pub(crate) covered: Vec<PathBuf>,
}

/// Examines a root.
///
/// It may be a program's configuration folder, of which `sessions` is covered, or
/// that folder itself, or the folder of one work dir in it; the last two are covered
/// whole.
pub(crate) fn examine(root: &Path, format: Option<Format>) -> Result<Root> {
    let path = real_path(root)?;
    if !path.is_dir() {
        return Err(Error::RootNotFound(root.to_owned()));
    }
    // An unreadable folder is an I/O error, not an unknown format.
    fs::read_dir(&path).map_err(Error::io("read", &path))?;
    let formats = match format {
        Some(format) => vec![format],
        None => Format::ALL.to_vec(),
    };
    for &candidate in &formats {
        refuse_links(&path, candidate)?;
        let tops = candidate.layout().covered().iter().map(PathBuf::from);
        let covered = those_there(&path, tops)?;
        if !covered.is_empty() {
            if format.is_some() || holds(&path, &covered, candidate) {
                return Ok(Root { path, format: candidate, covered });
            }
        } else if (candidate.rules().sessions == Sessions::File
            || candidate.layout().has_inner_roots())
            && (is_sessions_folder(&path, candidate)
                || format.is_some() && (holds_logs(&path) || holds_work_dirs(&path)))
            && (format.is_some() || holds(&path, &[PathBuf::new()], candidate))
        {
            return Ok(Root { path, format: candidate, covered: vec![PathBuf::new()] });
        }
    }
    let below = roots_below(&path, &formats);
    Err(match format {
        _ if !below.is_empty() => Error::RootBelow { root: path, below },
        Some(format) => Error::NoSessions { root: path, format: format.name() },
        None => Error::UnknownFormat(path),
    })
}

/// Folders directly below a folder that is not a root, which are roots: `agent` in
/// `~/.pi`.
fn roots_below(path: &Path, formats: &[Format]) -> Vec<PathBuf> {
    let folders = fs::read_dir(path).into_iter().flatten().flatten().take(SAMPLE);
    let is_root = |folder: &PathBuf| {
        formats.iter().any(|format| {
            let tops = format.layout().covered().iter().map(PathBuf::from);
            let covered: Vec<PathBuf> = tops.filter(|top| folder.join(top).is_dir()).collect();
            !covered.is_empty() && holds(folder, &covered, *format)
        })
    };
    let mut below: Vec<PathBuf> =
        folders.map(|entry| entry.path()).filter(|path| path.is_dir()).filter(is_root).collect();
    below.sort();
    below
}

/// Rejects a root whose covered folder is a link, because links are not followed and
/// nothing would be imported or compared.
pub(super) fn refuse_links(root: &Path, format: Format) -> Result<()> {
    for top in format.layout().covered() {
        let link = root.join(top);
        // For a link without a target, the name tells whether it was to a file.
        let leads_to_folder = || link.is_dir() || !link.exists() && link.extension().is_none();
        if let Ok(target) = fs::read_link(&link)
            && leads_to_folder()
        {
            return Err(Error::RootIsLink { link, target });
        }
    }
    Ok(())
}

/// Whether a folder has folders with session files in them, as `sessions` does.
fn holds_work_dirs(path: &Path) -> bool {
    let folders = fs::read_dir(path).into_iter().flatten().flatten();
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    folders.filter(is_folder).any(|folder| holds_logs(&folder.path()))
}

fn holds_logs(path: &Path) -> bool {
    let is_log = |path: PathBuf| path.extension().is_some_and(|extension| extension == "jsonl");
    fs::read_dir(path).into_iter().flatten().flatten().any(|entry| is_log(entry.path()))
}

/// Those of the covered paths at which there is something, be it a link to nothing.
///
/// # Errors
///
/// [`Error::Io`] if that cannot be told, as where the root may be listed but not
/// entered: what cannot be seen has not vanished.
pub(super) fn those_there(
    root: &Path,
    tops: impl IntoIterator<Item = PathBuf>,
) -> Result<Vec<PathBuf>> {
    let mut there = Vec::new();
    for top in tops {
        let full = root.join(&top);
        match full.symlink_metadata() {
            Ok(_) => there.push(top),
            Err(err) if matches!(err.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(err) => return Err(Error::io("read", &full)(err)),
        }
    }
    // A root that went away meanwhile has not lost its files, either.
    fs::read_dir(root).map_err(Error::io("read", root))?;
    Ok(there)
}

/// The path of a root, absolute and without links.
pub(crate) fn real_path(root: &Path) -> Result<PathBuf> {
    fs::canonicalize(root).map_err(|err| match err.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Error::RootNotFound(root.to_owned()),
        _ => Error::io("read", root)(err),
    })
}

/// The database's own files, if it is below the root. They are not covered.
pub(crate) fn own_files(root: &Root, database: &Path) -> Vec<Vec<u8>> {
    let Ok(database) = fs::canonicalize(database) else { return Vec::new() };
    let Ok(below) = database.strip_prefix(&root.path) else { return Vec::new() };
    let below = below.as_os_str().as_bytes();
    ["", "-wal", "-shm", "-journal"].iter().map(|end| [below, end.as_bytes()].concat()).collect()
}

/// Whether this is the folder of all sessions, one in it, or one with session files
/// of its own. Any other log does not make it one: it is covered whole, so a folder that
/// has sessions somewhere below would be imported with all that stands beside them.
fn is_sessions_folder(path: &Path, format: Format) -> bool {
    let is_sessions = |path: &Path| {
        let mut tops = format.layout().covered().iter();
        path.file_name().is_some_and(|name| tops.any(|top| name == *top))
    };
    is_sessions(path) || path.parent().is_some_and(is_sessions) || holds_own_sessions(path, format)
}

fn holds_own_sessions(root: &Path, format: Format) -> bool {
    let Ok(walk) = Walk::new(root, &[PathBuf::new()]) else { return false };
    let layout = format.layout();
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    files.take(SAMPLE * SAMPLE).any(|file| {
        let name = file.file_name();
        let name = name.as_bytes();
        layout.recognises(name, b"")
            || layout.is_log(name) && layout.recognises(name, &first_line(&walk, name))
    })
}

/// Whether one of the first files below the covered folders is of the format.
///
/// As in an import, links are not followed and pipes are not opened.
fn holds(root: &Path, covered: &[PathBuf], format: Format) -> bool {
    let Ok(mut walk) = Walk::new(root, covered) else { return false };
    let mut logs = 0;
    for _ in 0..SAMPLE * SAMPLE {
        let Some(found) = walk.next() else { return false };
        if found.kind == FoundKind::File && format.layout().recognises(&found.path, b"") {
            return true;
        }
        // Parts of sessions can be many more than sessions, and say less.
        if found.kind != FoundKind::File
            || !format.layout().is_log(&found.path)
            || format.layout().is_part(&found.path)
        {
            continue;
        }
        if format.layout().recognises(&found.path, &first_line(&walk, &found.path)) {
            return true;
        }
        logs += 1;
        if SAMPLE < logs {
            return false;
        }
    }
    false
}

fn first_line(walk: &Walk, path: &[u8]) -> Vec<u8> {
    let mut line = Vec::new();
    if let Ok((file, _)) = walk.open_file(path) {
        // Headers are short, so a long first line is not examined further.
        let _ = BufReader::new(file.take(64 << 10)).read_until(b'\n', &mut line);
    }
    line
}
