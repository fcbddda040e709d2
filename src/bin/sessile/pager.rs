//! The pager for output that is longer than the terminal: $PAGER, or else `less`.
//!
//! Long output is usually read from its beginning, and short output stays where it
//! was printed. One pager serves the whole run, so notes appear among the results.

use std::io::{self, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signal_hook::consts::SIGINT;

use crate::text::columns;

/// Whether the command may use a pager: it ends by itself and asks nothing.
static IS_ALLOWED: AtomicBool = AtomicBool::new(false);

static RUNNING: Mutex<Option<Pager>> = Mutex::new(None);

struct Pager {
    child: Child,
    /// `None` once everything was written.
    input: Option<ChildStdin>,
}

/// Allows a pager for what follows.
pub(crate) fn allow() {
    IS_ALLOWED.store(true, Ordering::Relaxed);
}

pub(crate) fn is_allowed() -> bool {
    IS_ALLOWED.load(Ordering::Relaxed)
}

fn running() -> MutexGuard<'static, Option<Pager>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the pager; returns whether there is one.
pub(crate) fn start() -> bool {
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let chosen = match std::env::var("PAGER") {
        _ if is_dumb => return false,
        Ok(chosen) => chosen,
        Err(_) => "less".to_owned(),
    };
    let mut words = chosen.split_whitespace();
    let Some(program) = words.next().filter(|program| *program != "cat") else { return false };
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::piped());
    // Quit if everything fits, keep styles, and leave the text on the screen.
    if std::env::var_os("LESS").is_none() {
        command.env("LESS", "FRX");
    }
    let Ok(mut child) = command.spawn() else { return false };
    // ^C is left to the pager; this process ends after it.
    let _ = signal_hook::flag::register(SIGINT, Arc::new(AtomicBool::new(false)));
    let input = child.stdin.take();
    *running() = Some(Pager { child, input });
    true
}

pub(crate) fn is_running() -> bool {
    running().is_some()
}

/// Writes to the pager. If the user has quit it, this is not an error.
pub(crate) fn write(bytes: &[u8]) -> io::Result<()> {
    match running().as_mut().and_then(|pager| pager.input.as_mut()) {
        Some(input) => input.write_all(bytes),
        None => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

/// Ends the output, and waits until the user quits the pager.
pub(crate) fn finish() {
    if let Some(mut pager) = running().take() {
        drop(pager.input.take());
        let _ = pager.child.wait();
    }
}

/// Whether a text fills a terminal with this many rows and columns.
pub(crate) fn fills(text: &[u8], height: usize, width: usize) -> bool {
    let rows = text.split(|byte| *byte == b'\n').map(|line| {
        // A short line needs no look at the width of its characters.
        let length = if line.len() <= width { 1 } else { columns(&String::from_utf8_lossy(line)) };
        length.div_ceil(width).max(1)
    });
    let mut count = 0;
    rows.into_iter().any(|row| {
        count += row;
        height < count
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_the_terminal_is_not_paged() {
        assert!(!fills(b"", 3, 10));
        assert!(!fills(b"one\ntwo\n", 3, 10));
        assert!(fills(b"one\ntwo\nthree\n", 3, 10));
        assert!(!fills(b"0123456789\n0123456789\n", 3, 10));
        assert!(fills("0123456789012345678901234567890".as_bytes(), 3, 10));
        assert!(fills("漢字漢字漢漢字漢字漢\n\n".as_bytes(), 3, 10));
    }
}
