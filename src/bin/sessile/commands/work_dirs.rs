//! Work dirs, however they are spelt.
//!
//! A session names its work dir as its program did: perhaps through a link, or
//! with a slash at the end. Whoever asks may spell it otherwise: `.`, another
//! link, a relative path. Both are compared as paths, and as where they lead.

use std::path::{Component, Path, PathBuf};

use sessile::{Result, Store};

/// The work dirs of sessions that this names, as they spell them; as it is
/// where there is none.
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

/// A path as absolute and without a slash at its end; as it is where it is none.
pub(super) fn absolute(name: &str) -> String {
    let absolute = lexical(Path::new(name)).into_os_string();
    absolute.into_string().unwrap_or_else(|_| name.to_owned())
}

/// Where an absolute path leads. What is gone by now is where it would be.
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
