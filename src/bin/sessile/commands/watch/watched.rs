//! What the system was asked to watch, and what it reported.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{Config, Event, RecommendedWatcher, RecursiveMode, Watcher};

use super::SCAN;
use super::way::Way;
use crate::output::note;

/// How often a root is watched again of which a folder vanished meanwhile.
const ATTEMPTS: usize = 3;

/// A change that the system reported.
enum Change {
    Of {
        paths: Vec<PathBuf>,
        /// Whether something may have been moved or deleted.
        may_be_gone: bool,
    },
    /// The system lost changes, or reported what cannot be interpreted.
    Any,
    /// What is below a new folder cannot be watched, and why.
    Unwatched(PathBuf, String),
}

impl Change {
    /// Opening a file for reading, as an import does, is no change.
    fn of(event: notify::Result<Event>) -> Option<Self> {
        let event = match event {
            Ok(event) => event,
            Err(err) => {
                let Some(path) = err.paths.first().cloned() else { return Some(Self::Any) };
                return Some(Self::Unwatched(path, err.to_string()));
            }
        };
        if event.paths.is_empty() {
            return Some(Self::Any);
        }
        let may_be_gone = match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
            EventKind::Access(_) => return None,
            EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => true,
            _ => false,
        };
        Some(Self::Of { paths: event.paths, may_be_gone })
    }
}

/// What has to be imported.
#[derive(Default)]
pub(super) struct Due {
    /// Everything has to be watched anew and imported.
    pub(super) anew: bool,
    /// The roots, by their place in the list.
    pub(super) roots: BTreeSet<usize>,
}

impl Due {
    pub(super) fn has(&self, root: usize) -> bool {
        self.anew || self.roots.contains(&root)
    }

    fn is_empty(&self) -> bool {
        !self.anew && self.roots.is_empty()
    }
}

/// What the system was asked to watch.
pub(super) struct Watched {
    changes: Sender<Change>,
    changed: Receiver<Change>,
    /// Dropping it ends its watches.
    watcher: RecommendedWatcher,
    ways: Vec<Way>,
    /// What was said of each root: nothing, or why it cannot be watched.
    told: BTreeMap<PathBuf, Option<String>>,
    /// When everything is imported, whatever was reported.
    scan: Instant,
}

impl Watched {
    pub(super) fn nothing() -> Result<Self> {
        let (changes, changed) = mpsc::channel();
        let watcher = watcher(&changes)?;
        let (ways, told, scan) = (Vec::new(), BTreeMap::new(), Instant::now() + SCAN);
        Ok(Self { changes, changed, watcher, ways, told, scan })
    }

    /// Watches what is at these roots now; returns whether that was done anew, so that
    /// every root may have changed unnoticed.
    ///
    /// All or nothing, because the same folder can be watched for several roots, and
    /// as another folder than the one that has its name now.
    pub(super) fn bring_up_to_date<'a>(
        &mut self,
        roots: impl Iterator<Item = &'a Path>,
        due: &Due,
    ) -> Result<bool> {
        let ways: Vec<Way> = roots.map(Way::to).collect();
        if !due.anew && self.ways == ways {
            return Ok(false);
        }
        let mut watcher = watcher(&self.changes)?;
        for folder in ways.iter().flat_map(Way::folders).collect::<BTreeSet<_>>() {
            // If this fails, the full import now and then still covers it.
            let _ = watcher.watch(folder, RecursiveMode::NonRecursive);
        }
        let mut told = BTreeMap::new();
        for way in ways.iter().filter(|way| way.folder.is_some()) {
            let failed = watch_all_below(&mut watcher, &way.real).err().map(|err| err.to_string());
            if self.told.get(&way.real) != Some(&failed) {
                tell(&way.real, failed.as_deref());
            }
            told.insert(way.real.clone(), failed);
        }
        (self.watcher, self.ways, self.told) = (watcher, ways, told);
        self.scan = Instant::now() + SCAN;
        Ok(true)
    }

    /// Waits for a change of a root, until everything is due, or until `retry`; then
    /// for `pause`, since changes come in bursts.
    pub(super) fn next_changes(&mut self, pause: Duration, retry: Option<Instant>) -> Due {
        let mut due = Due::default();
        let until = retry.map_or(self.scan, |retry| retry.min(self.scan));
        // In a folder above a root, changes of other files are reported, too.
        while due.is_empty() {
            match self.changed.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(change) => self.add(change, &mut due),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        let until = Instant::now() + pause;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            match self.changed.recv_timeout(left) {
                Ok(change) => self.add(change, &mut due),
                Err(_) => break,
            }
        }
        // Even where one root changes all the time, another may not be watched.
        due.anew |= self.scan <= Instant::now();
        due
    }

    fn add(&mut self, change: Change, due: &mut Due) {
        let (paths, may_be_gone) = match change {
            Change::Of { paths, may_be_gone } => (paths, may_be_gone),
            Change::Any => {
                due.anew = true;
                return;
            }
            Change::Unwatched(path, reason) => {
                self.unwatched(&path, &reason);
                (vec![path], false)
            }
        };
        for (root, way) in self.ways.iter().enumerate() {
            let is_step = |path: &PathBuf| way.steps.contains(path);
            // Something new with the same name is another file, even with its inode.
            due.anew |= may_be_gone && paths.iter().any(is_step);
            if paths.iter().any(|path| path.starts_with(&way.real) || is_step(path)) {
                due.roots.insert(root);
            }
        }
    }

    /// Says of a root that a part of it cannot be watched.
    fn unwatched(&mut self, path: &Path, reason: &str) {
        for way in self.ways.iter().filter(|way| path.starts_with(&way.real)) {
            if let Some(told @ None) = self.told.get_mut(&way.real) {
                tell(&way.real, Some(reason));
                *told = Some(reason.to_owned());
            }
        }
    }
}

fn watcher(changes: &Sender<Change>) -> Result<RecommendedWatcher> {
    let changes = changes.clone();
    let report = move |event: notify::Result<Event>| {
        if let Some(change) = Change::of(event) {
            // The receiver goes when the command ends.
            let _ = changes.send(change);
        }
    };
    // What links in a root lead to is not imported, and can be the whole disk.
    RecommendedWatcher::new(report, Config::default().with_follow_symlinks(false))
        .context("this system cannot report when files change")
}

/// Watches a folder and all below it. A folder in it that vanishes meanwhile would keep
/// others from being watched.
fn watch_all_below(watcher: &mut RecommendedWatcher, root: &Path) -> notify::Result<()> {
    let mut attempts = 1..ATTEMPTS;
    loop {
        match watcher.watch(root, RecursiveMode::Recursive) {
            Err(err) if matches!(err.kind, notify::ErrorKind::PathNotFound) => {
                if attempts.next().is_none() {
                    return Err(err);
                }
            }
            watched => return watched,
        }
    }
}

fn tell(root: &Path, failed: Option<&str>) {
    match failed {
        None => note!("watching {}", root.display()),
        Some(reason) => note!(
            "sessile: {} is only checked every {} minutes, because the system cannot watch all \
             of it: {reason}",
            root.display(),
            SCAN.as_secs() / 60
        ),
    }
}
