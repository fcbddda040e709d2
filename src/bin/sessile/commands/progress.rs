//! The progress of an import, on a terminal.

use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};
use sessile::{ImportOptions, ImportReport, Progress, Store};

use crate::amounts::counted;
use crate::text::{columns, note_width};

/// Shorter imports show no progress.
const QUIET: Duration = Duration::from_millis(500);

const TICK: Duration = Duration::from_millis(120);

/// The rate is computed over this time.
const WINDOW: Duration = Duration::from_secs(4);

/// Imports a root, showing progress if a person watches.
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
    let mut rate = Rate::default();
    let report = store.import_with(root, &options.clone().add_up(true), |progress| {
        let now = started.elapsed();
        rate.add(now, progress.bytes);
        if now < QUIET {
            return;
        }
        let width = note_width().unwrap_or(80).saturating_sub("⠋ ".len());
        let bar = shown.get_or_insert_with(bar);
        bar.set_message(fitted(&told(&progress, rate.a_second()), width));
    });
    clear();
    report
}

/// The recent rate.
#[derive(Default)]
struct Rate(VecDeque<(Duration, u64)>);

impl Rate {
    fn add(&mut self, now: Duration, bytes: u64) {
        // One sample per tick is enough.
        if self.0.back().is_none_or(|(last, _)| *last + TICK <= now) {
            self.0.push_back((now, bytes));
        }
        while 2 < self.0.len() && self.0[1].0 + WINDOW < now {
            self.0.pop_front();
        }
    }

    fn a_second(&self) -> Option<u64> {
        let ((from, before), (to, bytes)) = (self.0.front()?, self.0.back()?);
        let milliseconds = u64::try_from((*to - *from).as_millis()).ok()?;
        bytes.checked_sub(*before)?.checked_mul(1_000)?.checked_div(milliseconds)
    }
}

/// The progress in parts, the most important first.
fn told(progress: &Progress, rate: Option<u64>) -> Vec<String> {
    let mut told = vec![match progress.total {
        Some(total) => format!("{} of {}", BinaryBytes(progress.passed), BinaryBytes(total)),
        None => BinaryBytes(progress.passed).to_string(),
    }];
    if let Some(rate) = rate.filter(|rate| 0 < *rate) {
        told.push(format!("{}/s", BinaryBytes(rate)));
        let left = progress.total.map(|total| total.saturating_sub(progress.passed) / rate);
        told.extend(left.map(|seconds: u64| match seconds {
            0..120 => format!("{} s left", seconds.max(1)),
            _ => format!("{} min left", seconds.div_ceil(60)),
        }));
    }
    told.push(counted(progress.files, "file"));
    told.push("^C keeps them".to_owned());
    told
}

/// As many parts as fit, none of them truncated.
fn fitted(told: &[String], width: usize) -> String {
    let mut line = String::new();
    for told in told {
        let comma = if line.is_empty() { "" } else { ", " };
        if width < columns(&line) + comma.len() + columns(told) {
            break;
        }
        line = line + comma + told;
    }
    line
}

/// The progress bar that is shown now.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Removes the progress bar, so that what is printed next begins a line.
pub(super) fn clear() {
    let bar = SHOWN.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg}");
    let bar = ProgressBar::no_length()
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(TICK);
    *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_terminal_is_told_what_matters_most_and_nothing_by_halves() {
        let told = ["1 of 9".to_owned(), "2/s".to_owned(), "4 s left".to_owned()];

        assert_eq!(fitted(&told, 80), "1 of 9, 2/s, 4 s left");
        assert_eq!(fitted(&told, 20), "1 of 9, 2/s");
        assert_eq!(fitted(&told, 11), "1 of 9, 2/s");
        assert_eq!(fitted(&told, 10), "1 of 9");
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let mut rate = Rate::default();
        let at = Duration::from_secs;
        assert_eq!(rate.a_second(), None);
        rate.add(at(0), 0);
        rate.add(at(1), 1_000);
        assert_eq!(rate.a_second(), Some(1_000));
        for second in 2..10 {
            rate.add(at(second), 1_000 + (second - 1) * 10);
        }
        assert_eq!(rate.a_second(), Some(10));
    }
}
