//! Standard output and standard error, and what may be sent to a terminal.
//!
//! The content of a store was written by others: a title or a path can contain
//! escape sequences that a terminal executes. No control character of it reaches a
//! terminal. Reports for people are filtered wherever they go; content, such as the
//! lines of a log, is filtered on a terminal only, so that a pipe gets the exact
//! bytes.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use clap::builder::StyledStr;

use crate::pager;
use crate::text::{note_width, terminal_height, terminal_width, wrapped_note};

/// Prints a note on standard error.
macro_rules! note {
    ($($arg:tt)*) => { $crate::output::print_note(&format!($($arg)*)) };
}
pub(crate) use note;

/// Writes a line to standard error, ignoring failures. If a pager has the terminal,
/// the line goes to the pager.
pub(crate) fn print_note(text: &str) {
    let text = match note_width() {
        Some(width) => {
            let lines = text.split('\n').flat_map(|line| wrapped_note(line, width));
            lines.collect::<Vec<_>>().join("\n")
        }
        None => text.to_owned(),
    };
    let mut line = Vec::new();
    visible(text.trim_end().as_bytes(), &mut line);
    line.push(b'\n');
    let _ = if pager::is_running() && io::stderr().is_terminal() {
        pager::write(&line)
    } else {
        io::stderr().lock().write_all(&line)
    };
}

/// Prints help, through the pager if it is long, with the library's styles.
pub(crate) fn print_help(help: &StyledStr) -> io::Result<()> {
    let text =
        if is_plain() || !is_terminal() { help.to_string() } else { help.ansi().to_string() };
    let mut sink = Sink::new();
    sink.write_all(text.as_bytes())?;
    sink.flush()
}

/// Output for a report for people.
pub(crate) fn report() -> Output {
    Output::new(true)
}

/// Output for content of the store, for people and programs.
pub(crate) fn content() -> Output {
    Output::new(io::stdout().is_terminal())
}

/// Whether results go to a terminal.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether styles are off: `NO_COLOR` is not empty, `CLICOLOR` is 0, or the terminal
/// has no styles.
fn is_plain() -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    set("NO_COLOR").is_some()
        || set("CLICOLOR").is_some_and(|value| value == "0")
        || set("TERM").is_some_and(|value| value == "dumb")
}

/// Standard output, buffered. Whoever writes to it must flush it at the end.
pub(crate) struct Output {
    inner: BufWriter<Sink>,
    is_filtered: bool,
    /// Whether styles are off.
    is_plain: bool,
    /// The beginning of a character whose other bytes are still to come.
    pending: Vec<u8>,
}

impl Output {
    fn new(is_filtered: bool) -> Self {
        let inner = BufWriter::with_capacity(256 << 10, Sink::new());
        Self { inner, is_filtered, is_plain: is_plain(), pending: Vec::new() }
    }
}

impl Output {
    /// Writes emphasised text on a terminal with styles, else plain text.
    pub(crate) fn emphasise(&mut self, text: &str) -> io::Result<()> {
        if self.is_plain {
            return self.write_all(text.as_bytes());
        }
        let mut shown = Vec::new();
        visible(text.as_bytes(), &mut shown);
        let mut pending = Vec::new();
        visible(&std::mem::take(&mut self.pending), &mut pending);
        self.inner.write_all(&pending)?;
        self.inner.write_all(b"\x1b[1m")?;
        self.inner.write_all(&shown)?;
        self.inner.write_all(b"\x1b[0m")
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_filtered {
            return self.inner.write(bytes);
        }
        self.pending.extend_from_slice(bytes);
        let rest = begun_character(&self.pending);
        let end = self.pending.len() - rest;
        let mut shown = Vec::with_capacity(end);
        visible(&self.pending[..end], &mut shown);
        self.pending.drain(..end);
        self.inner.write_all(&shown)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut shown = Vec::new();
        visible(&std::mem::take(&mut self.pending), &mut shown);
        self.inner.write_all(&shown)?;
        self.inner.flush()
    }
}

/// The final destination of results.
struct Sink {
    stdout: StdoutLock<'static>,
    way: Way,
}

enum Way {
    Direct,
    /// Held back until it is known whether it fits on a terminal with this many rows.
    Held {
        text: Vec<u8>,
        height: usize,
    },
    Paged,
}

impl Sink {
    fn new() -> Self {
        let is_paged = is_terminal() && pager::is_allowed();
        let way = match terminal_height().filter(|_| is_paged) {
            Some(_) if pager::is_running() => Way::Paged,
            Some(height) => Way::Held { text: Vec::new(), height },
            None => Way::Direct,
        };
        Self { stdout: io::stdout().lock(), way }
    }

    /// Prints what was held back. After this it is too late to start a pager.
    fn release(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.way, Way::Direct) {
            Way::Held { text, .. } => self.stdout.write_all(&text),
            way => {
                self.way = way;
                Ok(())
            }
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.way {
            Way::Direct => self.stdout.write_all(bytes)?,
            Way::Paged => pager::write(bytes)?,
            Way::Held { text, height } => {
                text.extend_from_slice(bytes);
                if pager::fills(text, *height, terminal_width()) {
                    let text = std::mem::take(text);
                    self.way = if pager::start() { Way::Paged } else { Way::Direct };
                    self.write_all(&text)?;
                }
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.release()?;
        self.stdout.flush()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.release();
    }
}

/// The number of bytes at the end that are the beginning of a character.
fn begun_character(bytes: &[u8]) -> usize {
    let is_begun = |from: &usize| {
        let tail = &bytes[bytes.len() - from..];
        std::str::from_utf8(tail)
            .is_err_and(|err| err.valid_up_to() == 0 && err.error_len().is_none())
    };
    (1..=bytes.len().min(3)).find(is_begun).unwrap_or(0)
}

/// The text, with each character that a terminal would execute replaced by an escape.
pub(crate) fn visible(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(at) = rest.find(is_obeyed) {
            let (harmless, from) = rest.split_at(at);
            out.extend_from_slice(harmless.as_bytes());
            let mut chars = from.chars();
            if let Some(c) = chars.next() {
                // This spelling is a JSON escape, too.
                out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes());
            }
            rest = chars.as_str();
        }
        out.extend_from_slice(rest.as_bytes());
        for byte in chunk.invalid() {
            out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
        }
    }
}

/// Whether a terminal executes a character instead of drawing it: control characters
/// except line feed and tab, and characters that change the direction of text.
fn is_obeyed(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
    turns || c.is_control() && !matches!(c, '\n' | '\t')
}

/// Text as one line.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        let mut out = Vec::new();
        visible(bytes, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_terminal_obeys_nothing_of_what_is_shown() {
        check("plain, ünïcode, 漢字\n\tmore".as_bytes(), "plain, ünïcode, 漢字\n\tmore");
        check(b"\x1b[31mred\x1b[0m\x07\r", "\\u001b[31mred\\u001b[0m\\u0007\\u000d");
        check("a\u{9b}31m\u{7f}b".as_bytes(), "a\\u009b31m\\u007fb");
        check("abc\u{202e}fed".as_bytes(), "abc\\u202efed");
        check(b"raw \x9b31m \xff", "raw \\x9b31m \\xff");
    }

    #[test]
    fn a_character_may_come_in_pieces() {
        for text in ["é", "漢", "𝄞"] {
            let bytes = text.as_bytes();
            for cut in 1..bytes.len() {
                assert_eq!(begun_character(&bytes[..cut]), cut);
            }
            assert_eq!(begun_character(bytes), 0);
        }
        assert_eq!(begun_character(b"a\x9b"), 0);
        assert_eq!(begun_character(b""), 0);
    }
}
