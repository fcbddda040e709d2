//! Recognises known roots, by whatever path they are given.
//!
//! A folder of sessions can be given as its program's folder, as the folder of
//! sessions in it, or as the folder of one work dir. The files belong to one source
//! in each case: a root inside a known one is part of that, and a root around known
//! ones absorbs them, with their sessions, keys and events.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::root::{self, Root};
use crate::error::{Error, Result};
use crate::format::rules::Sessions;
use crate::model::Format;
use crate::store::files;
use crate::store::roots;
use crate::store::sources::{self, Source};

/// The source that covers a folder, given by its absolute path without links.
pub(crate) fn covering(conn: &Connection, path: &Path) -> Result<Option<Source>> {
    for source in sources::all(conn)? {
        if source.root.is_empty() {
            continue;
        }
        let known = source.root_path();
        let Ok(below) = path.strip_prefix(&known) else { continue };
        if below.as_os_str().is_empty() || covers(&covered_of(conn, &source)?, below) {
            return Ok(Some(source));
        }
    }
    Ok(None)
}

/// Examines a known root. What it covers does not change, even if nothing is left
/// there.
///
/// # Errors
///
/// [`Error::RootKnownAs`] if another format is asked for.
pub(crate) fn examine(conn: &Connection, source: &Source, format: Option<Format>) -> Result<Root> {
    let path = source.root_path();
    require_format(source, format, None)?;
    root::refuse_links(&path, source.format)?;
    let covered = root::those_there(&path, covered_of(conn, source)?)?;
    Ok(Root { path, format: source.format, covered })
}

/// The source of a root that is to be imported. Known roots inside it are absorbed.
pub(super) fn claim(conn: &Connection, root: &Root) -> Result<Source> {
    let inner = inside(conn, root)?;
    let Some((first, _)) = inner.first() else {
        return sources::insert(conn, &root.path, root.format);
    };
    let target = first.source_id;
    for (source, below) in &inner {
        roots::move_below(conn, source.source_id, target, below.as_os_str().as_bytes())?;
        if source.source_id != target {
            roots::delete(conn, source)?;
        }
    }
    roots::update_root(conn, target, root.path.as_os_str().as_bytes())?;
    sources::by_id(conn, target)
}

/// Known roots inside an unknown one, with their paths below it.
pub(super) fn inside(conn: &Connection, root: &Root) -> Result<Vec<(Source, PathBuf)>> {
    let mut inner = Vec::new();
    for source in sources::all(conn)? {
        let known = source.root_path();
        let Ok(below) = known.strip_prefix(&root.path) else { continue };
        if below.as_os_str().is_empty() || !covers(&root.covered, below) {
            continue;
        }
        require_format(&source, Some(root.format), Some(&root.path))?;
        let below = below.to_owned();
        inner.push((source, below));
    }
    Ok(inner)
}

/// The paths that a source covers below its root; the empty path means all of it.
fn covered_of(conn: &Connection, source: &Source) -> Result<Vec<PathBuf>> {
    let tops: Vec<PathBuf> = source.format.layout().covered().iter().map(PathBuf::from).collect();
    let layout = source.format.layout();
    if source.format.rules().sessions == Sessions::Folder && !layout.has_inner_roots() {
        return Ok(tops);
    }
    if !files::has_any(conn, source.source_id)? {
        // An import ended before its first file, so the folder itself is examined.
        let found = root::examine(&source.root_path(), Some(source.format));
        return Ok(found.map_or(tops, |found| found.covered));
    }
    for top in source.format.layout().covered() {
        if roots::knows_below(conn, source.source_id, top.as_bytes())? {
            return Ok(tops);
        }
    }
    Ok(vec![PathBuf::new()])
}

fn covers(covered: &[PathBuf], below: &Path) -> bool {
    covered.iter().any(|top| below.starts_with(top))
}

fn require_format(source: &Source, format: Option<Format>, outer: Option<&Path>) -> Result<()> {
    match format {
        Some(asked) if asked != source.format => Err(Error::RootKnownAs {
            root: PathBuf::from(OsStr::from_bytes(&source.root)),
            known: source.format.name(),
            asked: asked.name(),
            outer: outer.map(Path::to_owned),
        }),
        _ => Ok(()),
    }
}
