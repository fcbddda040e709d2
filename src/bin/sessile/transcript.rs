//! Messages as text for a terminal, used by `show` and `markdown --full`.

use std::io::Write;

use anyhow::Result;
use sessile::{Part, Timestamp};

use crate::amounts::counted;
use crate::conversation::MessageContent;
use crate::output::{self, Output, one_line};
use crate::render::Clock;
use crate::text::{terminal_width, wrapped_prose};

/// Lines of a tool's answer before it is truncated.
const TOOL_LINES: usize = 12;

/// What is known of a message besides its content.
pub(crate) struct Heading<'a> {
    pub(crate) id: &'a str,
    pub(crate) at: Option<Timestamp>,
    pub(crate) model: Option<&'a str>,
    pub(crate) label: Option<&'a str>,
}

/// Prints messages one after another.
pub(crate) struct Transcript {
    pub(crate) out: Output,
    /// Whether tool arguments and results are shown completely.
    pub(crate) is_full: bool,
    pub(crate) clock: Clock,
    /// The width of the terminal, if prose is wrapped.
    width: Option<usize>,
    is_begun: bool,
    /// The number of messages that were left out because they have no content.
    pub(crate) silent: usize,
}

impl Transcript {
    pub(crate) fn new(out: Output, is_full: bool, is_utc: bool) -> Self {
        // Output to programs does not depend on the terminal.
        let width = output::is_terminal().then(terminal_width);
        let clock = if is_utc || width.is_none() { Clock::Utc } else { Clock::Local };
        Self { out, is_full, clock, width, is_begun: false, silent: 0 }
    }

    /// Prints a message.
    pub(crate) fn message(&mut self, heading: &Heading<'_>, said: &MessageContent) -> Result<()> {
        let parts: Vec<String> = said.parts.iter().map(|part| self.said(part)).collect();
        if !self.is_full && parts.iter().all(String::is_empty) {
            self.silent += 1;
            return Ok(());
        }
        if std::mem::replace(&mut self.is_begun, true) {
            writeln!(self.out)?;
        }
        writeln!(self.out, "## {}", one_line(&self.title(&said.speaker, heading)))?;
        for said in parts.into_iter().filter(|said| !said.is_empty()) {
            writeln!(self.out, "\n{said}")?;
        }
        Ok(())
    }

    fn title(&self, role: &str, heading: &Heading<'_>) -> String {
        let label = heading.label.map(|label| format!("[{label}]"));
        let at = heading.at.map(|at| self.clock.show(at));
        let others = [Some(heading.id.to_owned()), at, heading.model.map(str::to_owned), label];
        let all = [Some(role.to_owned())].into_iter().chain(others).flatten();
        all.collect::<Vec<_>>().join("  ")
    }

    fn said(&self, part: &Part) -> String {
        match part {
            Part::ToolResult { text, .. } => self.answer(text),
            Part::Text(text) => self.prose(text, 0),
            Part::Thinking(text) => {
                let text = self.prose(text, "> ".len());
                let lines = text.lines().map(|line| format!("\n> {line}"));
                format!("(thinking){}", lines.collect::<String>())
            }
            Part::ToolCall(call) if self.is_full => {
                format!("[{}]\n{}", one_line(&call.name), call.arguments)
            }
            Part::ToolCall(call) => one_line(&call.label),
            Part::Image { mime, path, .. } => {
                let mime = if mime.is_empty() { "image" } else { mime };
                let colon = if path.is_empty() { "" } else { ": " };
                one_line(&format!("[{mime}{colon}{path}]"))
            }
            Part::Other(kind) => one_line(&format!("[{kind}]")),
            _ => String::new(),
        }
    }

    /// Wraps prose to the width of the terminal, less `used` columns.
    fn prose(&self, text: &str, used: usize) -> String {
        let text = text.trim_end();
        match self.width {
            Some(width) => wrapped_prose(text, width.saturating_sub(used)),
            None => text.to_owned(),
        }
    }

    /// A tool's answer, truncated if it is long.
    fn answer(&self, text: &str) -> String {
        let text = text.trim_end();
        let count = text.lines().count();
        if self.is_full || count <= TOOL_LINES {
            return text.to_owned();
        }
        let lines: Vec<&str> = text.lines().take(TOOL_LINES).collect();
        let more = counted((count - TOOL_LINES) as u64, "more line");
        format!("{}\n[{more}: --full]", lines.join("\n"))
    }
}
