//! `sessile watch`: imports what programs write, as they write it.
//!
//! The system reports changes below a root. Changes come in bursts, so an import
//! waits a moment for more, and longer if imports take long: at most a fifth of the
//! time is spent importing. So that a root is noticed that disappears, comes back, or
//! does not exist yet, the folders that lead to it are watched, too. Now and then
//! everything is watched anew and imported, in case the system lost a change. An import
//! that fails for a reason that may pass is tried again, because nothing reports when
//! it has passed.

mod watched;
mod way;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sessile::{Error, ImportOptions, ImportReport, Store, Timestamp};
use watched::{Due, Watched};

use super::import::{self, Root};
use super::{interrupt, place};
use crate::amounts::counted;
use crate::args::WatchArgs;
use crate::output::{self, note, one_line};

/// The time to wait for further changes after the first.
const PAUSE: Duration = Duration::from_millis(250);
/// The share of the time that imports may take, as its reciprocal.
const SHARE: u32 = 5;
/// The time between two full imports.
const SCAN: Duration = Duration::from_secs(600);
/// The time until a failed import is tried again.
const RETRY: Duration = Duration::from_secs(5);

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
    let mut watched = Watched::nothing()?;
    let mut imports = Imports { store, expects_all: !named.is_empty(), told: BTreeMap::new() };
    let mut due = Due { anew: true, ..Due::default() };
    loop {
        let roots = roots()?;
        due.anew |= watched.bring_up_to_date(roots.iter().map(|(_, root)| &**root), &due)?;
        let started = Instant::now();
        let mut failed = Due::default();
        for (n, root) in roots.iter().enumerate().filter(|(n, _)| due.has(*n)) {
            if !imports.bring_up_to_date(root)? {
                failed.roots.insert(n);
            }
        }
        let retry = (!failed.roots.is_empty()).then(|| Instant::now() + RETRY);
        due = watched.next_changes(PAUSE.max(started.elapsed() * (SHARE - 1)), retry);
        due.roots.extend(failed.roots);
    }
}

/// Imports roots into a store.
struct Imports {
    store: Store,
    /// Whether roots were named, so that each is expected to be there. A program's
    /// folder that does not exist, or has no sessions yet, is not mentioned.
    expects_all: bool,
    /// Why each root could not be imported, as it was said.
    told: BTreeMap<PathBuf, String>,
}

impl Imports {
    /// Imports a root; returns whether nothing is left to be tried again.
    ///
    /// What may become possible later does not end the command; anything else does.
    fn bring_up_to_date(&mut self, (format, root): &Root) -> Result<bool> {
        let mut options = ImportOptions::new();
        if let Some(format) = format {
            options = options.format(*format);
        }
        let err = match self.store.import(root, &options) {
            Ok(report) => {
                self.told.remove(root);
                return tell(root, &report).map(|()| true);
            }
            Err(err) => err,
        };
        // What makes it a root is reported as a change.
        let is_no_root_yet = matches!(
            err,
            Error::RootNotFound(_)
                | Error::UnknownFormat(_)
                | Error::NoSessions { .. }
                | Error::RootBelow { .. }
                | Error::RootIsLink { .. }
        );
        let may_pass = err.is_busy() || err.is_disk_full() || matches!(err, Error::Io { .. });
        if !is_no_root_yet && !may_pass {
            return Err(err).with_context(|| format!("cannot import {}", root.display()));
        }
        if self.expects_all || !is_no_root_yet {
            self.say(root, format!("{:#}", anyhow::Error::from(err)));
        }
        Ok(is_no_root_yet)
    }

    /// Says why a root cannot be imported, once.
    fn say(&mut self, root: &Path, reason: String) {
        if self.told.get(root) != Some(&reason) {
            note!("sessile: {}: {reason}", root.display());
            self.told.insert(root.to_owned(), reason);
        }
    }
}

/// Prints one line, if anything was added, and one for each file that lost lines.
fn tell(root: &Path, report: &ImportReport) -> Result<()> {
    for lost in &report.lost {
        note!(
            "sessile: {}: lost at the root, kept as generation {}: {} of {} {}",
            root.display(),
            lost.generation,
            counted(lost.lines.into(), "line"),
            one_line(&lost.file.to_string_lossy()),
            lost.cause.name()
        );
    }
    if report.lines == 0 {
        return Ok(());
    }
    let (lines, sessions) = (counted(report.lines, "line"), counted(report.sessions, "session"));
    let mut out = output::report();
    writeln!(out, "{} {}: {lines} of {sessions}", Timestamp::now(), root.display())?;
    Ok(out.flush()?)
}
