//! What a power cut leaves of a folder, computed from the log of system calls
//! before it.
//!
//! Written data is lost, kept or torn in blocks until its file was synced;
//! names are lost from some moment on until their folder was. Folders forget
//! in order, each for itself, as journalling file systems do.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::shim::{Call, Op};
use crate::support::Chance;

/// A folder before the traced run.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    files: Vec<Content>,
    /// Which file an inode number stands for, at this moment.
    inodes: HashMap<u64, usize>,
    names: BTreeMap<PathBuf, Node>,
    changes: Vec<NameChange>,
}

#[derive(Clone, Default)]
struct Content {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Size(usize),
}

#[derive(Clone)]
enum Node {
    File(usize),
    Folder,
    Link(PathBuf),
}

#[derive(Clone)]
struct NameChange {
    what: What,
    folders: Vec<PathBuf>,
    durable: bool,
}

#[derive(Clone)]
enum What {
    Add(PathBuf, Node),
    Remove(PathBuf),
    Move(PathBuf, PathBuf),
}

/// How much of what was not synced is left.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    Nothing,
    Everything,
    /// Whole writes, in order up to some moment.
    UpTo,
    /// Blocks of so many bytes, each by chance.
    Torn(usize),
}

impl Disk {
    pub(crate) fn of(folder: &Path) -> Self {
        let mut disk = Self::default();
        disk.names.insert(folder.to_owned(), Node::Folder);
        let mut todo = vec![folder.to_owned()];
        while let Some(at) = todo.pop() {
            for entry in fs::read_dir(at).unwrap() {
                let path = entry.unwrap().path();
                let stat = path.symlink_metadata().unwrap();
                let node = if stat.is_dir() {
                    todo.push(path.clone());
                    Node::Folder
                } else if stat.is_symlink() {
                    Node::Link(fs::read_link(&path).unwrap())
                } else {
                    let content = Content { durable: fs::read(&path).unwrap(), pending: vec![] };
                    Node::File(disk.add_file(stat.ino(), content))
                };
                disk.names.insert(path, node);
            }
        }
        disk
    }

    fn add_file(&mut self, ino: u64, content: Content) -> usize {
        self.files.push(content);
        self.inodes.insert(ino, self.files.len() - 1);
        self.files.len() - 1
    }

    /// Does what a call did; `forgets` says of which file a sync is to be ignored.
    pub(crate) fn apply(&mut self, call: &Call, forgets: Option<&str>) {
        if call.result < 0 {
            return;
        }
        let path = &call.path;
        match call.op {
            Op::Create => {
                let file = self.add_file(call.ino, Content::default());
                if path != Path::new("") {
                    self.change(What::Add(path.clone(), Node::File(file)));
                }
            }
            Op::Write => {
                self.pend(call.ino, Change::Write(call.offset as usize, call.data.clone()));
            }
            Op::Truncate => self.pend(call.ino, Change::Size(call.offset as usize)),
            Op::Sync if forgets.is_some_and(|end| path.to_string_lossy().ends_with(end)) => {}
            Op::Sync => self.sync(call),
            Op::SyncAll => {
                self.files.iter_mut().for_each(Content::sync);
                self.changes.iter_mut().for_each(|change| change.durable = true);
            }
            Op::Rename => self.change(What::Move(path.clone(), call.other.clone())),
            Op::Link => {
                if let Some(file) = self.inodes.get(&call.ino) {
                    self.change(What::Add(path.clone(), Node::File(*file)));
                }
            }
            Op::Symlink => self.change(What::Add(path.clone(), Node::Link(call.other.clone()))),
            Op::Mkdir => self.change(What::Add(path.clone(), Node::Folder)),
            Op::Unlink | Op::Rmdir => self.change(What::Remove(path.clone())),
            Op::Ready | Op::Open | Op::Look | Op::Out => {}
        }
    }

    fn pend(&mut self, ino: u64, change: Change) {
        if let Some(file) = self.inodes.get(&ino) {
            self.files[*file].pending.push(change);
        }
    }

    fn change(&mut self, what: What) {
        let parent = |path: &PathBuf| path.parent().unwrap_or(path).to_owned();
        let folders = match &what {
            What::Add(path, _) | What::Remove(path) => vec![parent(path)],
            What::Move(from, to) => vec![parent(from), parent(to)],
        };
        self.changes.push(NameChange { what, folders, durable: false });
    }

    /// Of a file: its data, not its name. Of a folder: the names in it.
    fn sync(&mut self, call: &Call) {
        match self.inodes.get(&call.ino) {
            Some(file) => self.files[*file].sync(),
            None => {
                for change in &mut self.changes {
                    change.durable |= change.folders.contains(&call.path);
                }
            }
        }
    }

    /// Writes what a power cut leaves into the folder, which is to be empty.
    pub(crate) fn crash(&self, folder: &Path, data: Fate, names: Fate, chance: &mut Chance) {
        let mut left = self.names.clone();
        for change in self.surviving(names, chance) {
            rename(&mut left, &change.what);
        }
        let is_dead = |path: &Path| {
            // The index of the WAL is shared memory: after a start of the machine nobody has it.
            !path.starts_with(folder) || path.to_string_lossy().ends_with("-shm")
        };
        let mut written: HashMap<usize, Vec<u8>> = HashMap::new();
        for (path, node) in left.iter().filter(|(path, _)| !is_dead(path)) {
            // A folder that was lost took with it what was in it.
            let has_folder = path.parent().is_some_and(Path::is_dir);
            match node {
                _ if path == folder => {}
                _ if !has_folder => {}
                Node::Folder => fs::create_dir(path).unwrap(),
                Node::Link(target) => std::os::unix::fs::symlink(target, path).unwrap(),
                Node::File(file) => {
                    let bytes = written
                        .entry(*file)
                        .or_insert_with(|| self.files[*file].left(data, chance));
                    fs::write(path, bytes).unwrap();
                }
            }
        }
    }

    fn surviving(&self, fate: Fate, chance: &mut Chance) -> Vec<&NameChange> {
        let folders: BTreeSet<&PathBuf> =
            self.changes.iter().flat_map(|change| &change.folders).collect();
        let mut ends: HashMap<&PathBuf, usize> = HashMap::new();
        let together = chance.below(self.changes.len() + 1);
        for folder in folders {
            let end = match fate {
                Fate::Nothing => 0,
                Fate::Everything => self.changes.len(),
                Fate::UpTo => together,
                Fate::Torn(_) => chance.below(self.changes.len() + 1),
            };
            ends.insert(folder, end);
        }
        let is_in = |(n, change): &(usize, &NameChange)| {
            change.durable || change.folders.iter().all(|folder| *n < ends[folder])
        };
        self.changes.iter().enumerate().filter(is_in).map(|(_, change)| change).collect()
    }
}

fn rename(names: &mut BTreeMap<PathBuf, Node>, what: &What) {
    match what {
        What::Add(path, node) => {
            names.insert(path.clone(), node.clone());
        }
        What::Remove(path) => {
            names.remove(path);
        }
        What::Move(from, to) => {
            let Some(node) = names.remove(from) else { return };
            let below: Vec<PathBuf> = names
                .range(from.clone()..)
                .take_while(|(path, _)| path.starts_with(from))
                .map(|(path, _)| path.clone())
                .collect();
            for path in below {
                let node = names.remove(&path).unwrap();
                names.insert(to.join(path.strip_prefix(from).unwrap()), node);
            }
            names.insert(to.clone(), node);
        }
    }
}

impl Content {
    fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            apply(&mut self.durable, &change);
        }
    }

    fn left(&self, fate: Fate, chance: &mut Chance) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        let end = match fate {
            Fate::Nothing => 0,
            Fate::UpTo => chance.below(self.pending.len() + 1),
            Fate::Everything | Fate::Torn(_) => self.pending.len(),
        };
        for change in &self.pending[..end] {
            match (fate, change) {
                (Fate::Torn(block), Change::Write(offset, data)) => {
                    tear(&mut bytes, *offset, data, block, chance);
                }
                (Fate::Torn(_), Change::Size(_)) if chance.one_in(2) => {}
                _ => apply(&mut bytes, change),
            }
        }
        bytes
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Size(size) => bytes.resize(*size, 0),
        Change::Write(offset, data) => {
            let end = offset + data.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*offset..end].copy_from_slice(data);
        }
    }
}

/// Keeps some blocks of a write; blocks are those of the file.
fn tear(bytes: &mut Vec<u8>, offset: usize, data: &[u8], block: usize, chance: &mut Chance) {
    let kept = 1 + chance.below(4);
    let mut at = 0;
    while at < data.len() {
        let len = (block - (offset + at) % block).min(data.len() - at);
        if chance.below(5) < kept {
            apply(bytes, &Change::Write(offset + at, data[at..at + len].to_vec()));
        }
        at += len;
    }
}
