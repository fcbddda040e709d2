//! `sessile watch`: what programs write is imported as they write it.
//!
//! The system says when something below a root changes. Changes come in
//! bursts, so the import waits a moment for what follows, and longer where
//! imports take long: it is never at work for more than a fifth of the time. Now
//! and then everything is looked at, in case that the system lost something, a
//! root came back, or a program was installed.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use sessile::{ImportOptions, ImportReport, Store, Timestamp};

use super::import::{self, Root};
use crate::args::WatchArgs;
use crate::output::{self, note};

/// What is waited for what follows a change.
const PAUSE: Duration = Duration::from_millis(250);
/// A share of the time that imports take at most, as its reciprocal.
const SHARE: u32 = 5;
/// When everything is looked at again.
const SCAN: Duration = Duration::from_secs(600);

pub(super) fn run(db: &Path, args: &WatchArgs) -> Result<bool> {
    let named: Vec<Root> = args.roots.iter().map(|root| (None, root.clone())).collect();
    let roots = || if named.is_empty() { import::homes() } else { Ok(named.clone()) };
    if roots()?.is_empty() {
        note!("sessile: {}", import::NO_HOMES);
        return Ok(false);
    }
    let store = Store::open(db)?;
    super::warn_of_network(&store);
    let (changes, changed) = mpsc::channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // What cannot be told counts as a change of everything.
        let paths = match event {
            Ok(event) if is_of_content(event.kind) => event.paths,
            Ok(_) => return,
            Err(_) => Vec::new(),
        };
        let _ = changes.send(paths);
    })
    .context("this system cannot say when files change")?;
    let mut watched = Vec::new();
    let mut due = Due::All;
    loop {
        let roots = roots()?;
        watch_new(&mut watcher, &mut watched, &roots);
        let started = Instant::now();
        for root in roots.iter().filter(|(_, root)| due.has(root)) {
            bring_up_to_date(&store, root)?;
        }
        due = next_changes(&changed, started.elapsed());
    }
}

/// Opening a file to read it, as an import does, is no change.
fn is_of_content(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

/// What is to be looked at.
enum Due {
    All,
    Changed(Vec<PathBuf>),
}

impl Due {
    fn has(&self, root: &Path) -> bool {
        let Self::Changed(paths) = self else { return true };
        // The system names paths without links.
        let root = std::fs::canonicalize(root);
        root.is_ok_and(|root| paths.iter().any(|path| path.starts_with(&root)))
    }
}

fn watch_new(watcher: &mut RecommendedWatcher, watched: &mut Vec<PathBuf>, roots: &[Root]) {
    for (_, root) in roots {
        let Ok(real) = std::fs::canonicalize(root) else { continue };
        if watched.contains(&real) {
            continue;
        }
        match watcher.watch(&real, RecursiveMode::Recursive) {
            Ok(()) => note!("watching {}", real.display()),
            Err(err) => note!(
                "sessile: {} is only looked at every {} minutes, since the system does not watch it: {err}",
                real.display(),
                SCAN.as_secs() / 60
            ),
        }
        watched.push(real);
    }
}

/// A root that cannot be read now may be read later; a store that cannot be
/// written ends it.
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

/// One line, where anything was added.
fn tell(root: &Path, report: &ImportReport) -> Result<()> {
    if report.lines == 0 {
        return Ok(());
    }
    let count =
        |number: u64, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let (lines, sessions) = (count(report.lines, "line"), count(report.sessions, "session"));
    let mut out = output::report();
    writeln!(out, "{} {}: {lines} of {sessions}", Timestamp::now(), root.display())?;
    Ok(out.flush()?)
}

/// Waits for a change and for what follows it, or until everything is due.
fn next_changes(changed: &Receiver<Vec<PathBuf>>, import_took: Duration) -> Due {
    let mut paths = match changed.recv_timeout(SCAN) {
        Ok(paths) if paths.is_empty() => return Due::All,
        Ok(paths) => paths,
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Due::All,
    };
    let until = Instant::now() + PAUSE.max(import_took * (SHARE - 1));
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        match changed.recv_timeout(left) {
            Ok(more) if more.is_empty() => return Due::All,
            Ok(more) => paths.extend(more),
            Err(_) => break,
        }
    }
    Due::Changed(paths)
}
