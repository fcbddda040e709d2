//! `sessile watch`: imports what programs write, as they write it.
//!
//! The system reports changes below a root. Changes come in bursts, so an import
//! waits a moment for more, and longer if imports take long: at most a fifth of the
//! time is spent importing. For a root that disappears, or does not exist yet, the
//! folder that would contain it is watched. Now and then everything is imported, in
//! case the system lost a change.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use sessile::{ImportOptions, ImportReport, Store, Timestamp};

use super::import::{self, Root};
use super::{interrupt, place};
use crate::amounts::counted;
use crate::args::WatchArgs;
use crate::output::{self, note};

/// The time to wait for further changes after the first.
const PAUSE: Duration = Duration::from_millis(250);
/// The share of the time that imports may take, as its reciprocal.
const SHARE: u32 = 5;
/// The time between two full imports.
const SCAN: Duration = Duration::from_secs(600);

pub(super) fn run(db: &Path, args: &WatchArgs) -> Result<bool> {
    let named: Vec<Root> = args.roots.iter().map(|root| (None, root.clone())).collect();
    let roots = || if named.is_empty() { place::all_homes() } else { Ok(named.clone()) };
    if named.is_empty() && import::homes()?.is_empty() {
        note!("sessile: {}", import::NO_HOMES);
        return Ok(false);
    }
    let store = place::options()?.open(db)?;
    super::warn_of_network(&store);
    let _waiting = interrupt::on_interrupt(|| {
        note!("sessile: watching ended; every change that was read is stored");
    })?;
    let (changes, changed) = mpsc::channel();
    let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if let Some(change) = Change::of(event) {
            let _ = changes.send(change);
        }
    })
    .context("this system cannot report when files change")?;
    let mut watched = Watched { watcher, roots: Vec::new(), folders: Vec::new() };
    let mut due = Due { all: true, paths: Vec::new() };
    let mut missing: Vec<PathBuf> = Vec::new();
    loop {
        let roots = roots()?;
        let came = watched.bring_up_to_date(&roots);
        let started = Instant::now();
        for (format, root) in roots.iter().filter(|(_, root)| due.has(root) || came.contains(root))
        {
            // One that cannot be looked at is there, and its import says why.
            let is_there = root.try_exists().unwrap_or(true);
            // A program's folder that does not exist is not mentioned; a named root
            // is, once.
            if !is_there && (named.is_empty() || missing.contains(root)) {
                continue;
            }
            missing.retain(|other| other != root);
            if !is_there {
                missing.push(root.clone());
            }
            bring_up_to_date(&store, &(*format, root.clone()))?;
        }
        due = next_changes(&changed, started.elapsed(), &roots);
        watched.forget(&due);
    }
}

/// A change that the system reported.
struct Change {
    /// Empty: anything may have changed.
    paths: Vec<PathBuf>,
    /// Whether something may have been moved or deleted.
    may_be_gone: bool,
}

impl Change {
    /// Opening a file for reading, as an import does, is no change. What cannot be
    /// interpreted counts as a change of everything.
    fn of(event: notify::Result<Event>) -> Option<Self> {
        let Ok(event) = event else { return Some(Self { paths: Vec::new(), may_be_gone: true }) };
        let (is_change, may_be_gone) = match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => (true, false),
            EventKind::Access(_) => (false, false),
            EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => (true, true),
            _ => (true, false),
        };
        is_change.then_some(Self { paths: event.paths, may_be_gone })
    }
}

/// What has to be imported.
#[derive(Default)]
struct Due {
    all: bool,
    paths: Vec<(PathBuf, bool)>,
}

impl Due {
    fn add(&mut self, change: Change) {
        self.all |= change.paths.is_empty();
        self.paths.extend(change.paths.into_iter().map(|path| (path, change.may_be_gone)));
    }

    fn has(&self, root: &Path) -> bool {
        if self.all {
            return true;
        }
        // The system reports paths without links.
        let root = real(root);
        self.paths.iter().any(|(path, _)| path.starts_with(&root) || root.starts_with(path))
    }
}

/// A path with links resolved as far as it exists.
fn real(path: &Path) -> PathBuf {
    std::fs::canonicalize(path)
        .or_else(|_| {
            let absolute = std::path::absolute(path)?;
            let (Some(folder), Some(name)) = (absolute.parent(), absolute.file_name()) else {
                return Ok(absolute);
            };
            Ok::<_, std::io::Error>(real(folder).join(name))
        })
        .unwrap_or_else(|_| path.to_owned())
}

/// What the system was asked to watch.
struct Watched {
    watcher: RecommendedWatcher,
    /// Roots, recursively.
    roots: Vec<PathBuf>,
    /// Folders in which a root may appear, not recursively.
    folders: Vec<PathBuf>,
}

impl Watched {
    /// Watches what is not watched yet; returns the roots among it.
    fn bring_up_to_date(&mut self, roots: &[Root]) -> Vec<PathBuf> {
        let mut came = Vec::new();
        for (_, root) in roots {
            let real = real(root);
            self.watch_folder_of(&real);
            if !real.is_dir() || self.roots.contains(&real) {
                continue;
            }
            match self.watcher.watch(&real, RecursiveMode::Recursive) {
                Ok(()) => note!("watching {}", real.display()),
                Err(err) => note!(
                    "sessile: {} is only checked every {} minutes, because the system cannot \
                     watch it: {err}",
                    real.display(),
                    SCAN.as_secs() / 60
                ),
            }
            self.roots.push(real);
            came.push(root.clone());
        }
        came
    }

    /// Watches the nearest existing folder above a root.
    fn watch_folder_of(&mut self, root: &Path) {
        let Some(folder) = root.ancestors().skip(1).find(|folder| folder.is_dir()) else { return };
        let is_watched = self.roots.iter().any(|root| folder.starts_with(root));
        if is_watched || self.folders.iter().any(|other| other == folder) {
            return;
        }
        // If this fails, the full import now and then still covers it.
        let _ = self.watcher.watch(folder, RecursiveMode::NonRecursive);
        self.folders.push(folder.to_owned());
    }

    /// Forgets watches on what is gone: something new with the same name is another
    /// file.
    fn forget(&mut self, due: &Due) {
        for (path, _) in due.paths.iter().filter(|(_, may_be_gone)| *may_be_gone) {
            for all in [&mut self.roots, &mut self.folders] {
                all.retain(|watched| {
                    let is_gone = watched.starts_with(path);
                    if is_gone {
                        let _ = self.watcher.unwatch(watched);
                    }
                    !is_gone
                });
            }
        }
    }
}

/// An unreadable root may become readable later; a store that cannot be written ends
/// the command.
fn bring_up_to_date(store: &Store, (format, root): &Root) -> Result<()> {
    let mut options = ImportOptions::new();
    if let Some(format) = format {
        options = options.format(*format);
    }
    match store.import(root, &options) {
        Ok(report) => tell(root, &report),
        Err(err) if err.is_busy() || err.is_not_found() => {
            note!("sessile: {}: {err}", root.display());
            Ok(())
        }
        Err(err) => Err(err).with_context(|| format!("cannot import {}", root.display())),
    }
}

/// Prints one line, if anything was added.
fn tell(root: &Path, report: &ImportReport) -> Result<()> {
    if report.lines == 0 {
        return Ok(());
    }
    let (lines, sessions) = (counted(report.lines, "line"), counted(report.sessions, "session"));
    let mut out = output::report();
    writeln!(out, "{} {}: {lines} of {sessions}", Timestamp::now(), root.display())?;
    Ok(out.flush()?)
}

/// Waits for a change of a root and for what follows it, or until a full import is
/// due.
fn next_changes(changed: &Receiver<Change>, import_took: Duration, roots: &[Root]) -> Due {
    let scan = Instant::now() + SCAN;
    let mut due = Due::default();
    while roots.iter().all(|(_, root)| !due.has(root)) {
        // In a folder above a root, changes of other files are reported, too.
        due.paths.clear();
        match changed.recv_timeout(scan.saturating_duration_since(Instant::now())) {
            Ok(change) => due.add(change),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => due.all = true,
        }
    }
    let until = Instant::now() + PAUSE.max(import_took * (SHARE - 1));
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        match changed.recv_timeout(left) {
            Ok(change) => due.add(change),
            Err(_) => break,
        }
    }
    due
}
