//! Kimi's share directory, as its command line wrote it from the first release to 1.52.
//!
//! A session is a folder of files: the context that the model sees, the wire
//! that the user saw, a state, sub-agents. Text is what Python reads: lines end
//! at LF, CRLF and CR, JSON may hold NaN, integers of any length and half
//! surrogate pairs.

pub(crate) mod context;
mod display;
pub(crate) mod fork;
mod lax;
pub(crate) mod layout;
mod payload;
pub(crate) mod registry;
pub(crate) mod state;
pub(crate) mod subagents;
pub(crate) mod text;
pub(crate) mod wire;

pub(in crate::format) use display::{full_text, parts, preview, shown};

use layout::Part;

use crate::model::{ProblemKind, Role, Step, StepKind};

/// What is wrong with a line of a log.
pub(in crate::format) fn line_problems(path: &[u8], line: &[u8]) -> Vec<(ProblemKind, String)> {
    match layout::part(path) {
        Part::Wire | Part::SubagentWire(_) => wire::parse(line).problems,
        _ => context::parse(line).problems,
    }
}

pub(in crate::format) fn role(role: Option<&str>) -> Role {
    match role {
        Some("user") => Role::Prompt,
        Some("assistant" | "tool") => Role::Counted,
        Some("system") => Role::System,
        _ => Role::Other,
    }
}

/// A compaction begins a context of its own, so that a path needs no rules.
pub(in crate::format) fn restore(path: &[Step]) -> Vec<Step> {
    path.iter().filter(|step| step.kind == StepKind::Message).copied().collect()
}
