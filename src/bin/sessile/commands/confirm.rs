//! Asks before something is deleted for good.

use std::io::{self, IsTerminal, Write};

use crate::output;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
}

/// Asks on a terminal, where anything but yes means no. Without a terminal nobody
/// could answer, and the answer is yes: a script has said what it wants.
pub(super) fn confirm(question: &str) -> io::Result<Answer> {
    if !is_asked() {
        return Ok(Answer::Yes);
    }
    let mut shown = Vec::new();
    output::visible(question.as_bytes(), &mut shown);
    let mut err = io::stderr().lock();
    err.write_all(&shown)?;
    err.write_all(b" [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Answer::Yes,
        _ => Answer::No,
    })
}

/// Whether both standard input and standard error are terminals.
pub(super) fn is_asked() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}
