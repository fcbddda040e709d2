//! A root of any format that anything happens to, and what holds of the store all the
//! same.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use sessile::{
    Error, ExportOptions, ImportOptions, MergeOptions, SealOptions, Session, SessionFilter,
    SessionKey, Store, Timestamp,
};

use crate::root_steps::{Batch, How, Last, Roots, Step};
use crate::support::{THEN, TestStore, dump, make_pipe, set_mtime, snapshot, without_losses};

/// The time of what is decided.
const DECIDED: Timestamp = Timestamp(THEN * 1_000_000_000);

/// A store, and a root that things happen to.
pub(crate) struct World {
    pub(crate) test: TestStore,
    roots: Roots,
    steps: i64,
    /// Whether the root was ever imported; there may have been nothing to import.
    is_known: bool,
    /// Whether the store knows more than the root tells.
    knows_more: bool,
}

impl World {
    pub(crate) fn new(roots: Roots) -> Self {
        let test = TestStore::quick();
        fs::remove_dir(test.root.join("sessions")).unwrap();
        let world = Self { test, roots, steps: 0, is_known: false, knows_more: false };
        // Else there is no root to import.
        fs::create_dir_all(world.at(roots.paths[1]).parent().unwrap()).unwrap();
        world
    }

    fn at(&self, path: &str) -> PathBuf {
        self.test.root.join(path)
    }

    /// Makes the folder of a path, whatever stands in its way.
    fn make_folder_of(&mut self, path: &str) {
        let slashes: Vec<usize> = path.match_indices('/').map(|(slash, _)| slash).collect();
        for slash in slashes {
            let folder = self.at(&path[..slash]);
            if !is_folder(&folder) {
                self.knows_more |= remove(&folder);
                fs::create_dir(folder).unwrap();
            }
        }
    }

    /// Makes a path free, in an existing folder.
    fn make_free(&mut self, path: &str) -> PathBuf {
        self.make_folder_of(path);
        self.knows_more |= remove(&self.at(path));
        self.at(path)
    }

    fn write(&mut self, path: &str, bytes: &[u8]) {
        let at = self.at(path);
        if is_file(&at) {
            self.knows_more |= !self.roots.is_named;
        } else {
            self.make_free(path);
        }
        fs::write(&at, bytes).unwrap();
        set_mtime(&at, THEN + self.steps, 0);
    }

    /// Does a step.
    pub(crate) fn take(&mut self, path: &str, step: &Step) -> Result<(), TestCaseError> {
        self.steps += 1;
        let at = self.at(path);
        match step {
            Step::Write(bytes) => self.write(path, bytes),
            Step::Append(bytes) if is_file(&at) => {
                fs::write(&at, [&fs::read(&at).unwrap()[..], bytes].concat()).unwrap();
                set_mtime(&at, THEN + self.steps, 0);
            }
            Step::Append(bytes) => self.write(path, bytes),
            Step::Replace(bytes) => {
                self.make_free(path);
                self.write(path, bytes);
            }
            Step::Decide(what) => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                for name in [path, folder] {
                    if let Ok(session) = self.test.store.find(name) {
                        self.decide(session.key(), *what)?;
                    }
                }
            }
            Step::DecideOfAny(n, what) => {
                let (all, store) = (SessionFilter::new(), &self.test.store);
                let mut rows = store.sessions(&all).unwrap().rows;
                rows.extend(store.trash(&all).unwrap().rows);
                if !rows.is_empty() {
                    self.decide(n.get(&rows).key, *what)?;
                }
            }
            _ => self.change(path, step),
        }
        Ok(())
    }

    /// Does a step after which the store knows more than the root.
    fn change(&mut self, path: &str, step: &Step) {
        let at = self.at(path);
        let folder = at.parent().unwrap().to_owned();
        let exists = is_file(&at);
        self.knows_more = true;
        match step {
            Step::CarryBack(bytes) => {
                let out = self.test.folder().join(format!("carried {}", self.steps));
                self.test.store.export(&out, &ExportOptions::new()).unwrap();
                // Where the store has sessions of its own, too, each root has a folder.
                let found = [out.join(path), out.join("02-root").join(path)];
                if let Some(ours) = found.iter().find(|ours| is_file(ours)) {
                    self.write(path, &[&fs::read(ours).unwrap()[..], bytes].concat());
                }
            }
            Step::Cut(end) if exists => {
                let bytes = fs::read(&at).unwrap();
                self.write(path, &bytes[..end.index(bytes.len() + 1)]);
            }
            Step::RenameTo(to) if exists && !is_in(to, path) => {
                fs::rename(&at, self.make_free(to)).unwrap();
            }
            Step::Rotate(to, bytes) if exists && !is_in(to, path) => {
                fs::rename(&at, self.make_free(to)).unwrap();
                self.write(path, bytes);
            }
            Step::Swap(to) if exists && *to != path && is_file(&self.at(to)) => {
                let aside = self.test.folder().join("aside");
                fs::rename(self.at(to), &aside).unwrap();
                fs::rename(&at, self.at(to)).unwrap();
                fs::rename(aside, &at).unwrap();
            }
            Step::CopyTo(to) if exists && !is_in(to, path) => {
                let time = fs::metadata(&at).unwrap().modified().unwrap();
                let copy = self.make_free(to);
                fs::copy(&at, &copy).unwrap();
                fs::File::open(copy).unwrap().set_modified(time).unwrap();
            }
            Step::HardLinkTo(to) if exists && !is_in(to, path) => {
                fs::hard_link(&at, self.make_free(to)).unwrap();
            }
            Step::MoveFolderTo(to) if is_folder(&folder) && folder != self.test.root => {
                let to = Path::new(to).parent().unwrap().to_str().unwrap();
                let target = self.at(to);
                if !to.is_empty() && !target.starts_with(&folder) && !folder.starts_with(&target) {
                    fs::rename(&folder, self.make_free(to)).unwrap();
                }
            }
            Step::Remove => drop(remove(&at)),
            Step::RemoveFolder if folder != self.test.root => drop(remove(&folder)),
            Step::Link(to) => {
                let target = self.at(to);
                symlink(target, self.make_free(path)).unwrap();
            }
            Step::Folder => fs::create_dir(self.make_free(path)).unwrap(),
            Step::Pipe => make_pipe(&self.make_free(path)),
            _ => {}
        }
    }

    /// Decides something; where that is refused, nothing comes of it.
    pub(crate) fn decide(&mut self, session: SessionKey, what: u8) -> Result<(), TestCaseError> {
        self.knows_more = true;
        let before = self.test.dump();
        let live = self.test.store.session(session).unwrap().at(DECIDED);
        if let Err(err) = decide(&live, self.roots.record, what) {
            prop_assert_eq!(before, self.test.dump(), "{}: {}", what, err);
        }
        Ok(())
    }

    fn options(&self) -> ImportOptions {
        ImportOptions::new().format(self.roots.format)
    }

    /// Imports the root: the store is sound, and has what is there.
    pub(crate) fn import(&mut self, how: How) -> Result<(), TestCaseError> {
        let options = match how {
            How::Plainly => self.options(),
            How::Reading => self.options().reread(true),
            How::Again => self.options().again(true),
        };
        let store = &self.test.store;
        match store.import(&self.test.root, &options) {
            Err(Error::NoSessions { .. }) if !self.is_known => return Ok(()),
            imported => imported.unwrap(),
        };
        self.is_known = true;
        prop_assert_eq!(store.check().unwrap(), []);
        let mut differences = store.verify(&self.test.root).unwrap().differences;
        let is_left = |detail: &str| self.knows_more && detail == "is no longer at the root";
        differences.retain(|difference| !is_left(&difference.detail));
        prop_assert_eq!(differences, []);
        Ok(())
    }

    /// What holds at the end of every history.
    fn check_end(&self) -> Result<(), TestCaseError> {
        let store = &self.test.store;
        let known = said(&self.test.store);
        store.import(&self.test.root, &self.options()).unwrap();
        prop_assert_eq!(said(&self.test.store), &known[..], "another import");
        store.import(&self.test.root, &self.options().reread(true)).unwrap();
        prop_assert_eq!(said(&self.test.store), &known[..], "an import that reads all");
        store.rebuild().unwrap();
        prop_assert_eq!(said(&self.test.store), &known[..], "a rebuild");
        if self.knows_more {
            return Ok(());
        }
        let fresh = self.test.another("fresh.db");
        fresh.import(&self.test.root, &self.options()).unwrap();
        prop_assert_eq!(without_losses(&known), said(&fresh), "a fresh import");
        let out = self.test.folder().join("root again");
        store.export(&out, &ExportOptions::new()).unwrap();
        prop_assert_eq!(snapshot(&out), snapshot(&self.test.root), "an export");
        Ok(())
    }

    /// What holds of the store whatever is done with it.
    fn check_last(&self, last: Last) -> Result<(), TestCaseError> {
        let (store, known) = (&self.test.store, said(&self.test.store));
        match last {
            Last::Exported => self.check_exported(),
            Last::Merged => self.check_merged(&known),
            Last::Recovered => {
                let target = self.test.folder().join("recovered.db");
                let report = sessile::recover(store.path(), &target).unwrap();
                prop_assert!(report.is_whole(), "{:?}", report);
                let recovered = self.test.another("recovered.db");
                prop_assert_eq!(recovered.check().unwrap(), []);
                prop_assert_eq!(said(&recovered), known);
                Ok(())
            }
            Last::Sealed => {
                store.seal(&SealOptions::new()).unwrap();
                prop_assert_eq!(store.check().unwrap(), []);
                prop_assert_eq!(said(&self.test.store), known);
                Ok(())
            }
            Last::Pruned => {
                store.prune().unwrap();
                prop_assert_eq!(store.check().unwrap(), []);
                let pruned = said(&self.test.store);
                store.rebuild().unwrap();
                prop_assert_eq!(said(&self.test.store), pruned);
                Ok(())
            }
        }
    }

    /// Every session can be exported, in both ways.
    fn check_exported(&self) -> Result<(), TestCaseError> {
        for source_only in [false, true] {
            let out = self.test.folder().join(format!("out {source_only}"));
            let options = ExportOptions::new().source_only(source_only);
            self.test.store.export(&out, &options).unwrap();
            let fresh = self.test.another(&format!("fresh {source_only}.db"));
            match fresh.import(&out, &self.options()) {
                // Nothing, or two roots in two folders.
                Err(Error::NoSessions { .. } | Error::RootBelow { .. }) => continue,
                imported => imported.unwrap(),
            };
            prop_assert_eq!(fresh.check().unwrap(), []);
        }
        Ok(())
    }

    /// An empty store takes everything over, and so does one that knows the root.
    fn check_merged(&self, known: &str) -> Result<(), TestCaseError> {
        let (empty, other) = (self.test.another("empty.db"), self.test.another("other.db"));
        match other.import(&self.test.root, &self.options()) {
            Err(Error::NoSessions { .. }) => {}
            imported => drop(imported.unwrap()),
        }
        for target in [&empty, &other] {
            let report = target.merge(self.test.store.path(), &MergeOptions::new()).unwrap();
            // A file of a session that is a folder has no other place than its own.
            let mut refused = report.refused;
            refused.retain(|refused| !refused.reason.contains("a folder or link is at its path"));
            prop_assert_eq!(refused, []);
            prop_assert_eq!(target.check().unwrap(), []);
            let merged = said(target);
            target.rebuild().unwrap();
            prop_assert_eq!(said(target), &merged[..]);
            let again = target.merge(self.test.store.path(), &MergeOptions::new()).unwrap();
            prop_assert!(!again.is_change(), "{:?}", again);
        }
        self.test.store.merge(other.path(), &MergeOptions::new()).unwrap();
        prop_assert_eq!(self.test.store.check().unwrap(), []);
        if !self.knows_more {
            // What comes from another store has no root here.
            let root = format!("\"root\":\"{}\"", self.test.root.display());
            let known = without_losses(known).replace(&root, "\"root\":\"\"");
            prop_assert_eq!(without_losses(&said(&empty)), known);
        }
        Ok(())
    }
}

/// Makes a root live through a history; the store is sound all the time.
pub(crate) fn check_history(
    roots: Roots,
    (batches, last): &(Vec<Batch>, Last),
) -> Result<(), TestCaseError> {
    let mut world = World::new(roots);
    for (steps, how) in batches {
        for (path, step) in steps {
            world.take(path, step)?;
        }
        if steps.iter().any(|(_, step)| matches!(step, Step::Decide(_) | Step::DecideOfAny(..))) {
            prop_assert_eq!(world.test.store.check().unwrap(), [], "after decisions");
        }
        world.import(*how)?;
    }
    if !world.is_known {
        return Ok(());
    }
    world.check_end()?;
    world.check_last(*last)
}

/// Decides one thing of a session.
fn decide(live: &Session, record: &str, what: u8) -> sessile::Result<()> {
    let message = r#"{"role":"user","content":[{"type":"text","text":"here"}]}"#;
    let leaf = || Ok::<_, Error>(live.info()?.leaf.unwrap_or_default());
    match what % 20 {
        0 => live.rename(Some("t"))?,
        1 => live.rename(None)?,
        2 => drop(live.tag("x")?),
        3 => drop(live.clear_tags()?),
        4 => live.archive()?,
        5 => live.unarchive()?,
        6 => live.trash()?,
        7 => live.restore()?,
        8 => drop(live.purge()?),
        9 => drop(live.clone_session()?),
        10 => drop(live.fork(&leaf()?)?),
        11 => drop(live.fork_branch()?),
        12 => drop(live.fork_at_turn(0)?),
        13 | 14 => drop(live.append_message(message)?),
        15 => drop(live.append_record(record)?),
        16 => {
            let first = live.tree()?.first().map(|node| node.id.clone()).unwrap_or_default();
            live.branch(&first)?;
        }
        17 => drop(live.append_label_change(&leaf()?, Some("l"))?),
        18 => drop(live.set_metadata("k", "1")?),
        _ => drop(live.pop_message()?),
    }
    Ok(())
}

/// What a store says, line by line: the problems of one file come in the order in which
/// they were found.
fn said(store: &Store) -> String {
    let dump = dump(store);
    let mut lines: Vec<&str> = dump.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn is_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|stat| stat.is_file())
}

fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|stat| stat.is_dir())
}

/// Whether a path is another or below it.
fn is_in(path: &str, other: &str) -> bool {
    Path::new(path).starts_with(other)
}

/// Removes whatever is at a path; whether there was anything.
fn remove(path: &Path) -> bool {
    match path.symlink_metadata() {
        Ok(stat) if stat.is_dir() => fs::remove_dir_all(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(_) => return false,
    }
    true
}
