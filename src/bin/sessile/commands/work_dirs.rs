//! Resolves work dirs in any spelling.
//!
//! A session names its work dir as its program did, perhaps through a link or with
//! a trailing slash. The user may spell it otherwise: `.`, another link, a relative
//! path. Both are compared as paths, and by their link targets.

use std::path::{Component, Path, PathBuf};

use sessile::{Result, Store};

/// The work dirs of sessions that a name refers to, in their spelling; the name
/// itself if there are none.
pub(super) fn named(store: &Store, name: &str) -> Result<Vec<String>> {
    let asked = lexical(Path::new(name));
    let real = leads_to(&asked);
    let is_asked = |dir: &String| {
        let path = lexical(Path::new(dir));
        path == asked || path == real || leads_to(&path) == real
    };
    let mut found = store.work_dirs()?;
    found.retain(is_asked);
    if found.is_empty() {
        found.push(name.to_owned());
    }
    Ok(found)
}

/// An absolute path without a trailing slash; the name itself if that is not
/// possible.
pub(super) fn absolute(name: &str) -> String {
    let absolute = lexical(Path::new(name)).into_os_string();
    absolute.into_string().unwrap_or_else(|_| name.to_owned())
}

/// The target of an absolute path, with links resolved as far as it exists.
fn leads_to(path: &Path) -> PathBuf {
    let there = |at: &Path| Some((std::fs::canonicalize(at).ok()?, path.strip_prefix(at).ok()?));
    let Some((mut real, rest)) = path.ancestors().find_map(there) else { return path.to_owned() };
    for part in rest.components() {
        if part == Component::ParentDir {
            real.pop();
        } else {
            real.push(part);
        }
    }
    real
}

fn lexical(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.components().collect()
}
