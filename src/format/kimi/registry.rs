//! kimi.json: the work dirs, and the last session of each.
//!
//! Because of any defect in it, every call of Kimi's store fails. Here the valid
//! parts are used, and each defect is a problem.

use std::collections::HashMap;

use super::{layout, state, text};
use crate::format::json::{Kind, Raw, distinct_members};
use crate::model::{ProblemKind, Stored};

#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// By the folder of their sessions. If a path is repeated, the first one counts.
    work_dirs: HashMap<Vec<u8>, WorkDir>,
}

#[derive(Clone, Debug)]
pub(crate) struct WorkDir {
    pub(crate) path: Stored,
    /// The host of the directory; `local` is this machine.
    pub(crate) kaos: String,
    pub(crate) last_session_id: Option<String>,
}

impl Registry {
    /// The work dir whose sessions are in this folder.
    pub(crate) fn find(&self, folder: &[u8]) -> Option<&WorkDir> {
        self.work_dirs.get(folder)
    }

    /// The folder of a local work dir, and its entry.
    pub(crate) fn local(&self, path: &str) -> Option<(String, &WorkDir)> {
        let folder = layout::folder_of(path.as_bytes(), "local");
        let work_dir = self.work_dirs.get(folder.as_bytes())?;
        Some((folder, work_dir))
    }
}

/// Parses a registry; returns its defects, too.
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
        let detail = "work_dirs is not an array; Kimi cannot read the file".to_owned();
        problems.push((ProblemKind::Unreadable, detail));
    }
    for (n, work_dir) in work_dirs.into_iter().flat_map(Raw::items).enumerate() {
        let mut note = |reason| {
            let detail =
                format!("work dir {}: {reason}; because of it, Kimi cannot read the file", n + 1);
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

/// A registry with the work dirs of both, in the first one's spelling; `None` if Kimi
/// cannot read one of them.
pub(super) fn union(first: &[u8], second: &[u8]) -> Option<Vec<u8>> {
    let ((known, problems), (_, others)) = (parse(first), parse(second));
    let sound = problems.is_empty() && others.is_empty();
    let (first_object, second) = (state::object(first).ok()?, state::object(second).ok()?);
    let is_new = |work_dir: &Raw<'_>| {
        read(*work_dir, &mut |_| ())
            .is_ok_and(|(folder, _)| known.find(folder.as_bytes()).is_none())
    };
    let more: Vec<&[u8]> = items(second).filter(is_new).map(Raw::bytes).collect();
    if !sound || more.is_empty() {
        return sound.then(|| first.to_owned());
    }
    let work_dirs = items(first_object).map(Raw::bytes).chain(more).collect::<Vec<_>>();
    // Kimi's indentation: two spaces per level.
    let work_dirs = [b"[\n    ", &work_dirs.join(&b",\n    "[..])[..], b"\n  ]"].concat();
    let mut members = vec![[b"\"work_dirs\": ", &work_dirs[..]].concat()];
    for (key, value) in distinct_members(first_object) {
        if !key.is("work_dirs") {
            members.push([b"\"", key.plain()?, b"\": ", value.bytes()].concat());
        }
    }
    Some([b"{\n  ", &members.join(&b",\n  "[..])[..], b"\n}"].concat())
}

fn items(registry: Raw<'_>) -> impl Iterator<Item = Raw<'_>> {
    registry.get("work_dirs").into_iter().flat_map(Raw::items)
}

fn read(
    work_dir: Raw<'_>,
    note: &mut impl FnMut(&'static str),
) -> Result<(String, WorkDir), &'static str> {
    let path = work_dir.get("path").and_then(text::stored_string).ok_or("it has no path")?;
    let kaos = work_dir.get("kaos").map(|kaos| kaos.string().ok_or("its kaos is not a string"));
    let kaos = kaos.transpose().unwrap_or_else(|reason| {
        note(reason);
        None
    });
    let kaos = kaos.map_or("local".to_owned(), std::borrow::Cow::into_owned);
    let last = work_dir.get("last_session_id").filter(|id| id.kind() != Kind::Null);
    let last_session_id = last.and_then(Raw::string).map(std::borrow::Cow::into_owned);
    if last.is_some() && last_session_id.is_none() {
        note("its last session is not a string");
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

    #[test]
    fn a_union_has_the_work_dirs_of_both_once() {
        let one = r#"{
  "work_dirs": [
    {
      "path": "/a",
      "last_session_id": "1"
    }
  ],
  "z": 1.50
}"#;
        let two = r#"{"work_dirs":[{"path":"/b"},{"path":"/a","last_session_id":"2"}]}"#;

        let united = union(one.as_bytes(), two.as_bytes()).unwrap();

        let expected = one.replace("    }\n  ]", "    },\n    {\"path\":\"/b\"}\n  ]");
        assert_eq!(String::from_utf8(united.clone()).unwrap(), expected);
        assert_eq!(union(&united, two.as_bytes()).unwrap(), united);
        assert_eq!(union(two.as_bytes(), b"{}").unwrap(), two.as_bytes());
        assert_eq!(
            union(b"{}", two.as_bytes()).map(|united| parse(&united).0.work_dirs.len()),
            Some(2)
        );
        assert_eq!(union(two.as_bytes(), b"{"), None);
        assert_eq!(union(b"[]", two.as_bytes()), None);
    }
}
