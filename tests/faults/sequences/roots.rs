//! The roots on disk, and what the store must hold of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sessile::Format;

use super::union::{header_id_of, union};

/// Names of files of Kward; one may lend its session an id.
pub(crate) const KWARD: [&str; 4] = [
    "sessions/--w--/one.jsonl",
    "sessions/--w--/2026-01-02T03-04-05.678Z_0a1b2c3d-0000-4000-8000-00000000000c.jsonl",
    "sessions/--w--/three.jsonl",
    "sessions/two.jsonl",
];

pub(crate) const PI: [&str; 3] = [
    "sessions/--w--/2026-05-01T00-00-00-000Z_p.jsonl",
    "sessions/--w--/2026-05-02T00-00-00-000Z_q.jsonl",
    "sessions/r.jsonl",
];

pub(crate) const CLAUDE: [&str; 3] = [
    "projects/-w/0a000000-0000-4000-8000-000000000001.jsonl",
    "projects/-w/0A000000-0000-4000-8000-000000000002.jsonl",
    "projects/-v/0a000000-0000-4000-8000-000000000003.jsonl",
];

pub(crate) use crate::odd_codex::PATHS as CODEX;
pub(crate) use crate::odd_kimi::PATHS as KIMI;

/// Time of the first step; seconds since the epoch.
pub(crate) const THEN: u64 = 1_767_225_600;

/// Bytes by path.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// A path that holds something else since an import, and what the store had of it before.
#[derive(Debug)]
pub(crate) struct Displaced {
    pub(crate) path: String,
    /// The id of its session, as far as headers gave one.
    pub(crate) id: Option<String>,
    /// Whether another session has it now, as the headers say.
    pub(crate) is_another: bool,
    pub(crate) imported: Option<Vec<u8>>,
    pub(crate) local: Option<Vec<u8>>,
    pub(crate) base: Option<usize>,
}

/// A root, and what the store is to hold of it.
pub(crate) struct Root {
    /// The name of its folder.
    pub(crate) name: &'static str,
    pub(crate) format: Format,
    pub(crate) paths: &'static [&'static str],
    pub(crate) at: PathBuf,
    /// What stands there now.
    pub(crate) disk: Files,
    /// What imports took in, vanished files among it.
    pub(crate) imported: Files,
    /// What was written in the store.
    pub(crate) local: Files,
    /// Of what was written in the store, how many lines it began with.
    pub(crate) bases: BTreeMap<String, usize>,
    /// The ids that headers gave, by path.
    pub(crate) ids: BTreeMap<String, String>,
    /// What an import found with other bytes than before, and not only more of them.
    pub(crate) rewritten: BTreeSet<String>,
    /// Whether a file of it vanished or moved.
    pub(crate) lacks: bool,
}

impl Root {
    pub(crate) fn new(
        folder: &Path,
        name: &'static str,
        format: Format,
        paths: &'static [&'static str],
    ) -> Self {
        let at = folder.join(name);
        fs::create_dir_all(at.join("sessions")).unwrap();
        let (disk, imported, local) = (Files::new(), Files::new(), Files::new());
        let bases = BTreeMap::new();
        let (ids, rewritten) = (BTreeMap::new(), BTreeSet::new());
        Self { name, format, paths, at, disk, imported, local, bases, ids, rewritten, lacks: false }
    }

    /// Whether a session of it is several files.
    pub(crate) fn has_folders(&self) -> bool {
        matches!(self.format, Format::Kimi | Format::Codex)
    }

    /// Whether its files are known by their lines, wherever these are exported.
    pub(crate) fn is_of_lines(&self) -> bool {
        self.format == Format::Codex
    }

    /// Writes a file with the time of a step.
    pub(crate) fn write(&mut self, path: &str, bytes: Vec<u8>, step: u64) {
        let at = self.at.join(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(&at, &bytes).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(THEN + step);
        fs::File::open(&at).unwrap().set_modified(time).unwrap();
        self.disk.insert(path.to_owned(), bytes);
    }

    pub(crate) fn remove(&mut self, path: &str) -> Option<Vec<u8>> {
        let bytes = self.disk.remove(path)?;
        fs::remove_file(self.at.join(path)).unwrap();
        self.lacks = true;
        Some(bytes)
    }

    pub(crate) fn rename(&mut self, path: &str, to: &str) {
        if self.disk.contains_key(to) || !self.disk.contains_key(path) {
            return;
        }
        let target = self.at.join(to);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::rename(self.at.join(path), target).unwrap();
        let bytes = self.disk.remove(path).unwrap();
        self.disk.insert(to.to_owned(), bytes);
        self.lacks = true;
    }

    /// An import reads what stands there; returns what it changed of what was
    /// written here, and what stood elsewhere than before.
    pub(crate) fn import(&mut self) -> (Vec<String>, Vec<Displaced>) {
        let (mut changed, mut displaced) = (Vec::new(), Vec::new());
        for (path, theirs) in &self.disk {
            let before = self.imported.insert(path.clone(), theirs.clone());
            if before.as_ref().is_some_and(|before| !theirs.starts_with(before)) {
                self.rewritten.insert(path.clone());
            }
            let id = header_id_of(theirs);
            let known = self.ids.get(path).cloned();
            if let Some(id) = &id {
                self.ids.insert(path.clone(), id.clone());
            }
            if before.as_ref() != Some(theirs) && !self.has_folders() {
                displaced.push(Displaced {
                    path: path.clone(),
                    id: known.clone(),
                    is_another: known.is_some() && id.is_some() && known != id,
                    imported: before.clone(),
                    local: self.local.get(path).cloned(),
                    base: self.bases.get(path).copied(),
                });
            }
            let Some(ours) = self.local.get(path).filter(|_| before.as_ref() != Some(theirs))
            else {
                continue;
            };
            if self.has_folders() {
                continue;
            }
            changed.push(path.clone());
            let base = self.bases.get(path).copied().unwrap_or_default();
            match union(ours, base, before.as_deref(), theirs) {
                Some(union) => {
                    self.local.insert(path.clone(), union);
                }
                None => {
                    self.local.remove(path);
                    self.bases.remove(path);
                }
            }
        }
        (changed, displaced)
    }

    /// What an export has: what was written in the store stands for what was imported.
    pub(crate) fn current(&self) -> Files {
        let mut files = self.imported.clone();
        files.extend(self.local.clone());
        files
    }

    /// Whether an export may leave a path out: its content was merged into a state written here.
    pub(crate) fn may_be_merged(&self, path: &str) -> bool {
        let folder = path.strip_suffix("metadata.json").filter(|_| self.format == Format::Kimi);
        folder.is_some_and(|folder| self.local.contains_key(&format!("{folder}state.json")))
    }
}

/// What lies below a folder, by path.
pub(crate) fn read(folder: &Path) -> Files {
    let mut found = Files::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(at) = todo.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}
