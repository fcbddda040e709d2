//! The way to a root: the names that lead to it from the root of the file system,
//! through links.
//!
//! Whatever changes one of these names can put another folder at the root's path: a
//! folder far above it that is renamed, or a link that leads elsewhere now.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Links that are followed at most, as in the system.
const MOST_LINKS: usize = 40;

/// The names that lead to a root, as they are now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Way {
    /// The path without links, as far as it exists.
    pub(super) real: PathBuf,
    /// The folder at its end, by device and inode; `None` if there is none.
    pub(super) folder: Option<(u64, u64)>,
    /// Each path that leads to it, in order: folders, links, and what does not exist
    /// yet.
    pub(super) steps: Vec<PathBuf>,
}

impl Way {
    pub(super) fn to(root: &Path) -> Self {
        let mut ahead = names_of(&std::path::absolute(root).unwrap_or_else(|_| root.to_owned()));
        let (mut at, mut steps, mut links) = (PathBuf::from("/"), Vec::new(), 0);
        while let Some(name) = ahead.pop_front() {
            if name == ".." {
                at.pop();
                continue;
            }
            let step = at.join(name);
            steps.push(step.clone());
            match std::fs::read_link(&step) {
                Ok(target) if links < MOST_LINKS => {
                    links += 1;
                    if target.is_absolute() {
                        at = PathBuf::from("/");
                    }
                    for name in names_of(&target).into_iter().rev() {
                        ahead.push_front(name);
                    }
                }
                _ => at = step,
            }
        }
        let there = std::fs::symlink_metadata(&at).ok().filter(std::fs::Metadata::is_dir);
        let folder = there.map(|there| (there.dev(), there.ino()));
        Self { real: at, folder, steps }
    }

    /// The folders that report a change of a step.
    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.steps.iter().filter_map(|step| step.parent()).filter(|folder| folder.is_dir())
    }
}

/// The names of a path, with `..`, since it leads out of what a link leads to.
fn names_of(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| part.as_os_str().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_way_leads_through_links_and_names_each_of_them() {
        let dir = tempfile::tempdir().unwrap();
        let top = std::fs::canonicalize(dir.path()).unwrap();
        std::fs::create_dir_all(top.join("data/deep/root")).unwrap();
        std::fs::create_dir(top.join("home")).unwrap();
        symlink("../data/deep", top.join("home/link")).unwrap();

        let way = Way::to(&top.join("home/link/root"));
        let missing = Way::to(&top.join("home/link/none/root"));

        assert_eq!(way.real, top.join("data/deep/root"));
        assert!(way.folder.is_some());
        for step in ["home", "home/link", "data", "data/deep", "data/deep/root"] {
            assert!(way.steps.contains(&top.join(step)), "{step}");
        }
        assert_eq!(missing.real, top.join("data/deep/none/root"));
        assert_eq!(missing.folder, None);
        assert!(missing.folders().any(|folder| folder == top.join("data/deep")));
    }

    #[test]
    fn a_link_to_itself_leads_nowhere_and_has_an_end() {
        let dir = tempfile::tempdir().unwrap();
        symlink("ring", dir.path().join("ring")).unwrap();

        assert_eq!(Way::to(&dir.path().join("ring/root")).folder, None);
    }
}
