//! Work dirs, however they are spelt.
//!
//! A session names its work dir as its program did: perhaps through a link, or
//! with a slash at the end. Whoever asks may spell it otherwise: `.`, another
//! link, a relative path. Both are compared as paths, and as where they lead.

use std::path::{Path, PathBuf};

use sessile::{Result, Store};

/// The work dirs of sessions that this names, as they spell them; as it is
/// where there is none.
pub(super) fn named(store: &Store, name: &str) -> Result<Vec<String>> {
    let asked = lexical(Path::new(name));
    let real = std::fs::canonicalize(name).ok();
    let is_asked = |dir: &String| {
        let path = Path::new(dir);
        // Where the one leads nowhere, the other does not lead there either.
        let leads_there = |real: &PathBuf| {
            path == real || std::fs::canonicalize(path).is_ok_and(|path| path == *real)
        };
        lexical(path) == asked || real.as_ref().is_some_and(leads_there)
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

fn lexical(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.components().collect()
}
