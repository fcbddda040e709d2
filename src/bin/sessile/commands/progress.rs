//! How far an import is, on a terminal.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use sessile::{ImportOptions, ImportReport, Store};

/// With the total, the rate and the time that is left. What matters least stands
/// at the end: a narrow terminal cuts it off.
const PROGRESS: &str = "{spinner} {binary_bytes} of {binary_total_bytes}, \
     {binary_bytes_per_sec}, {eta} left  {prefix}  {wide_msg}";

/// What is over sooner needs no word on how far it is.
const QUIET: Duration = Duration::from_millis(500);

const TICK: Duration = Duration::from_millis(120);

/// Imports a root; where a person looks on, they see how far it is.
pub(super) fn import(
    store: &Store,
    root: &Path,
    options: &ImportOptions,
) -> sessile::Result<ImportReport> {
    if !io::stderr().is_terminal() {
        return store.import(root, options);
    }
    let started = Instant::now();
    let mut shown: Option<ProgressBar> = None;
    let report = store.import_with(root, &options.clone().add_up(true), |progress| {
        if started.elapsed() < QUIET {
            return;
        }
        let bar = shown.get_or_insert_with(|| bar(progress.total, started));
        bar.set_position(progress.passed);
        bar.set_prefix(format!("{} files", HumanCount(progress.files)));
    });
    clear();
    report
}

/// What is shown now.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Takes away what is shown: what is said next begins a line.
pub(super) fn clear() {
    let bar = SHOWN.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}

fn bar(total: Option<u64>, started: Instant) -> ProgressBar {
    let style = ProgressStyle::with_template(PROGRESS);
    let bar = ProgressBar::no_length()
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
        .with_message("^C keeps what is in")
        .with_elapsed(started.elapsed());
    bar.set_length(total.unwrap_or_default());
    bar.enable_steady_tick(TICK);
    *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
    bar
}
