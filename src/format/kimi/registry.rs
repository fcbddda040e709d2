//! kimi.json: the work dirs, and the last session of each.
//!
//! With any defect in it, every call of Kimi's store fails. Here the sound parts
//! are used, and each defect is a problem.

use std::collections::HashMap;

use super::{layout, state, text};
use crate::format::json::{Kind, Raw};
use crate::model::{ProblemKind, Stored};

#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// By the folder of its sessions; of a path that is there twice, the first.
    work_dirs: HashMap<Vec<u8>, WorkDir>,
}

#[derive(Clone, Debug)]
pub(crate) struct WorkDir {
    pub(crate) path: Stored,
    /// Where the directory is; `local` is this machine.
    pub(crate) kaos: String,
    pub(crate) last_session_id: Option<String>,
}

impl Registry {
    /// The work dir whose sessions lie in this folder.
    pub(crate) fn find(&self, folder: &[u8]) -> Option<&WorkDir> {
        self.work_dirs.get(folder)
    }

    /// The folder of a local work dir, and what is registered of it.
    pub(crate) fn local(&self, path: &str) -> Option<(String, &WorkDir)> {
        let folder = layout::folder_of(path.as_bytes(), "local");
        let work_dir = self.work_dirs.get(folder.as_bytes())?;
        Some((folder, work_dir))
    }
}

/// Reads a registry, and says what is wrong with it.
pub(crate) fn parse(content: &[u8]) -> (Registry, Vec<(ProblemKind, String)>) {
    let mut registry = Registry::default();
    let mut problems = Vec::new();
    // A byte order mark before the first brace, which Kimi cannot read.
    let bare = content.strip_prefix(b"\xef\xbb\xbf");
    if bare.is_some() {
        let detail = "a byte order mark; Kimi cannot read the file".to_owned();
        problems.push((ProblemKind::Unreadable, detail));
    }
    let value = match state::object(bare.unwrap_or(content)) {
        Ok(value) => value,
        Err((kind, detail)) => {
            problems.push((kind, format!("{detail}; no work dir is known")));
            return (registry, problems);
        }
    };
    let work_dirs = value.get("work_dirs");
    if work_dirs.is_some_and(|work_dirs| work_dirs.kind() != Kind::Array) {
        let detail = "work_dirs is no array; Kimi cannot read the file".to_owned();
        problems.push((ProblemKind::Unreadable, detail));
    }
    for (n, work_dir) in work_dirs.into_iter().flat_map(Raw::items).enumerate() {
        let mut note = |reason| {
            let detail = format!("work dir {}: {reason}; for it, Kimi cannot read the file", n + 1);
            problems.push((ProblemKind::Unreadable, detail));
        };
        match read(work_dir, &mut note) {
            Ok((folder, work_dir)) => {
                registry.work_dirs.entry(folder.into_bytes()).or_insert(work_dir);
            }
            Err(reason) => note(reason),
        }
    }
    (registry, problems)
}

fn read(
    work_dir: Raw<'_>,
    note: &mut impl FnMut(&'static str),
) -> Result<(String, WorkDir), &'static str> {
    let path = work_dir.get("path").and_then(text::stored_string).ok_or("it has no path")?;
    let kaos = work_dir.get("kaos").map(|kaos| kaos.string().ok_or("its kaos is no text"));
    let kaos = kaos.transpose().unwrap_or_else(|reason| {
        note(reason);
        None
    });
    let kaos = kaos.map_or("local".to_owned(), std::borrow::Cow::into_owned);
    let last = work_dir.get("last_session_id").filter(|id| id.kind() != Kind::Null);
    let last_session_id = last.and_then(Raw::string).map(std::borrow::Cow::into_owned);
    if last.is_some() && last_session_id.is_none() {
        note("its last session is no text");
    }
    let Stored::Text(bytes) = &path else { return Err("its path holds half a surrogate pair") };
    let folder = layout::folder_of(bytes.as_bytes(), &kaos);
    Ok((folder, WorkDir { path, kaos, last_session_id }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_work_dir_hides_no_other() {
        let content = br#"{"work_dirs":[{"kaos":"local"},{"path":"/w"},{"path":"/x/\ud800"},{"path":"/w","kaos":"ssh"}],"z":1}"#;
        let (registry, problems) = parse(content);

        let (folder, _) = registry.local("/w").unwrap();
        assert!(registry.find(format!("ssh_{folder}").as_bytes()).is_some());
        assert_eq!(problems.len(), 2);
    }

    #[test]
    fn a_work_dir_is_known_by_its_path_whatever_else_is_wrong_with_it() {
        let content = br#"{"work_dirs":[{"path":"/w","kaos":null,"last_session_id":5}]}"#;
        let (registry, problems) = parse(content);

        assert_eq!(registry.local("/w").unwrap().1.last_session_id, None);
        assert_eq!(problems.len(), 2);
    }

    #[test]
    fn a_broken_registry_knows_nothing_and_says_so() {
        for content in [&b""[..], b"[]", b"{", b"{\"work_dirs\":null}", b"\xff"] {
            let (registry, problems) = parse(content);
            assert!(registry.work_dirs.is_empty());
            assert_eq!(problems.len(), 1, "{content:?}");
        }
        assert!(parse(b"\xef\xbb\xbf{\"work_dirs\":[{\"path\":\"/w\"}]}").0.local("/w").is_some());
    }
}
