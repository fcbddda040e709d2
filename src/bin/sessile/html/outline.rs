//! The tree of a page: prompts, labels and branches, each a link.

use sessile::{CapturedEntry, Part};

use super::escape::{anchor, text};
use crate::conversation::{Conversation, Said, is_summary};
use crate::text::cut;

/// Levels that are indented; what branches more often stays at the last one.
const DEEPEST: usize = 8;

/// Columns of what an entry says.
const WIDTH: usize = 100;

/// The rows of a conversation's tree. At a fork, what other branches have stands
/// below it, one level in; then the branch goes on.
pub(super) fn write(out: &mut String, conversation: &Conversation, said: &[Vec<Said>]) {
    let mut todo: Vec<(usize, usize)> = in_order(&conversation.roots, 0).collect();
    while let Some((run, depth)) = todo.pop() {
        rows(out, conversation, said, (run, depth));
        todo.extend(in_order(&conversation.runs[run].children, depth));
    }
}

/// Branches of a fork with their depths, those that are shown first last. The
/// first of them goes on at its own level, below the others.
fn in_order(branches: &[usize], depth: usize) -> impl Iterator<Item = (usize, usize)> {
    let (trunk, others) = branches.split_at(branches.len().min(1));
    let trunk = trunk.iter().map(move |run| (*run, depth));
    trunk.chain(others.iter().rev().map(move |run| (*run, depth + 1)))
}

fn rows(
    out: &mut String,
    conversation: &Conversation,
    said: &[Vec<Said>],
    (run, depth): (usize, usize),
) {
    let is_branch = 1 < conversation.siblings(run).0.len();
    for (n, place) in conversation.runs[run].entries.iter().enumerate() {
        let entry = &conversation.entries[*place];
        let is_leaf = conversation.info.leaf.as_deref() == Some(entry.entry.id.as_str());
        let row = Row {
            run,
            depth,
            is_on: conversation.runs[run].is_active,
            is_begun: n == 0 && is_branch,
            is_leaf,
        };
        write_row(out, (entry, &said[*place]), &row);
    }
}

/// Where an entry stands.
#[derive(Default)]
pub(super) struct Row {
    run: usize,
    depth: usize,
    is_on: bool,
    /// Whether a branch begins with it.
    is_begun: bool,
    is_leaf: bool,
}

/// The row of an entry, if there is to be one.
pub(super) fn write_row(out: &mut String, (entry, said): (&CapturedEntry, &[Said]), row: &Row) {
    let speaker = said.first().map(|said| said.speaker.as_str());
    let label = entry.entry.label.as_deref();
    let tells = speaker == Some("user") || label.is_some() || is_summary(entry);
    if !(tells || row.is_begun || row.is_leaf) {
        return;
    }
    let (depth, run) = (row.depth.min(DEEPEST), row.run);
    let on = if row.is_on { " on" } else { "" };
    let label = label.map(|label| format!("<mark>{}</mark> ", text(label)));
    let who = if speaker == Some("user") { " user" } else { "" };
    let leaf = if row.is_leaf { "• " } else { "" };
    out.push_str(&format!(
        "<li class=\"d{depth}{who}{on}\" data-run=\"{run}\"><a href=\"#{}\">{leaf}{}{}</a></li>\n",
        anchor(&entry.entry.id),
        label.unwrap_or_default(),
        text(&preview(said).unwrap_or_else(|| entry.entry.entry_type.clone())),
    ));
}

/// What an entry says first, on one line.
fn preview(said: &[Said]) -> Option<String> {
    let part = said.iter().flat_map(|said| &said.parts).find_map(|part| match part {
        Part::Text(said) if !said.trim().is_empty() => Some(said.as_str()),
        Part::ToolCall(call) => Some(&call.label),
        _ => None,
    })?;
    // Only so much of a long text is looked at.
    let start: String = part.trim_start().chars().take(4 * WIDTH).collect();
    Some(cut(&start.split_whitespace().collect::<Vec<_>>().join(" "), WIDTH))
}
