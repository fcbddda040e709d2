//! `sessile show`.

use std::io::Write;

use anyhow::Result;
use sessile::{Part, Store};

use crate::output::{self, one_line};

pub(crate) fn run(store: &Store, session: &str) -> Result<bool> {
    let session = store.find(session)?;
    let mut out = output::report();
    let turns = session.kimi().map_or(Ok(Vec::new()), sessile::Kimi::turns)?;
    for turn in &turns {
        let at = turn.created_at.map(|at| at.to_string()).unwrap_or_default();
        writeln!(out, "turn {:>3}  {at:24}  {}", turn.index, one_line(&turn.text))?;
    }
    if !turns.is_empty() {
        writeln!(out)?;
    }
    for (n, message) in session.context()?.iter().enumerate() {
        let (role, parts) = (message.role(), message.parts());
        if 0 < n {
            writeln!(out)?;
        }
        writeln!(out, "## {}", one_line(if role.is_empty() { "message" } else { &role }))?;
        for said in parts.iter().map(said).filter(|said| !said.is_empty()) {
            writeln!(out, "\n{said}")?;
        }
    }
    out.flush()?;
    Ok(true)
}

fn said(part: &Part) -> String {
    match part {
        Part::Text(text) | Part::ToolResult { text, .. } => text.trim_end().to_owned(),
        Part::Thinking(text) => {
            let lines: Vec<String> =
                text.trim_end().lines().map(|line| format!("> {line}")).collect();
            format!("(thinking)\n{}", lines.join("\n"))
        }
        Part::ToolCall(call) => one_line(&call.label),
        Part::Image { mime, path } => {
            let mime = if mime.is_empty() { "image" } else { mime };
            let colon = if path.is_empty() { "" } else { ": " };
            one_line(&format!("[{mime}{colon}{path}]"))
        }
        Part::Other(kind) => one_line(&format!("[{kind}]")),
        _ => String::new(),
    }
}
