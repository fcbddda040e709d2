//! Handles ^C during an import: reports what is complete and how to continue.
//!
//! Everything that was committed is complete, so the process simply ends, without
//! cleaning up.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use sessile::Store;
use signal_hook::consts::SIGINT;
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level;
use tempfile::TempDir;

use crate::amounts::counted;
use crate::output::note;

/// The exit status of a process that ^C ended, by the shell's convention.
const INTERRUPTED: i32 = 130;

/// Waits for ^C on a thread of its own, until the returned value is dropped.
pub(super) fn of_import(
    store: &Store,
    dry_run: bool,
    elsewhere: Option<&TempDir>,
) -> Result<Waiting> {
    let store = store.clone();
    let elsewhere = elsewhere.map(|folder| folder.path().to_owned());
    on_interrupt(move || {
        if dry_run {
            remove(elsewhere.as_ref());
            note!("sessile: interrupted; a dry run writes nothing");
        } else {
            note!("sessile: interrupted; {}", what_stands(&store));
        }
    })
}

/// A thread that waits for ^C while this value exists.
pub(crate) struct Waiting {
    signals: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.signals.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was already reported, and must not end the
            // process.
            let _ = thread.join();
        }
    }
}

/// Ends the process at ^C, after calling `say`.
pub(crate) fn on_interrupt(say: impl FnOnce() + Send + 'static) -> Result<Waiting> {
    let mut signals = Signals::new([SIGINT]).context("cannot wait for ^C")?;
    let handle = signals.handle();
    let thread = thread::spawn(move || {
        if signals.forever().next().is_some() {
            super::progress::clear();
            clear_line();
            say();
            // Not `exit`, which would wait for locks of other threads.
            low_level::exit(INTERRUPTED);
        }
    });
    Ok(Waiting { signals: handle, thread: Some(thread) })
}

/// Removes the temporary folder of a dry run's database.
fn remove(elsewhere: Option<&PathBuf>) {
    if let Some(folder) = elsewhere {
        let _ = std::fs::remove_dir_all(folder);
    }
}

fn what_stands(store: &Store) -> String {
    let roots = store.imported_roots().unwrap_or_default();
    let (files, sessions) = roots
        .iter()
        .fold((0, 0), |(files, sessions), root| (files + root.files, sessions + root.sessions));
    if files == 0 {
        let path = store.path().display();
        return format!("nothing is in {path} yet; run the same command to start again");
    }
    format!(
        "{} and {} are in {}, complete; run the same command to continue",
        counted(files, "file"),
        counted(sessions, "session"),
        store.path().display()
    )
}

/// A terminal echoes `^C` at the place of the next line.
fn clear_line() {
    let mut err = io::stderr().lock();
    if err.is_terminal() {
        let _ = err.write_all(b"\r\x1b[K");
    }
}
