//! The outline of a page: prompts, labels and branches, each a link.

use sessile::{CapturedEntry, Part};

use super::escape::{anchor, text};
use crate::conversation::{Conversation, MessageContent, is_summary};
use crate::text::cut;

/// The most levels of indentation; deeper branches stay at the last one.
const DEEPEST: usize = 8;

/// The width of an entry's text, in columns.
const WIDTH: usize = 100;

/// Writes the rows of a conversation's outline. At a fork, the other branches are
/// listed below, indented one level; then the branch continues.
pub(super) fn write(out: &mut String, conversation: &Conversation, said: &[Vec<MessageContent>]) {
    let mut todo: Vec<(usize, usize)> = in_order(&conversation.roots, 0).collect();
    while let Some((run, depth)) = todo.pop() {
        rows(out, conversation, said, (run, depth));
        todo.extend(in_order(&conversation.runs[run].children, depth));
    }
}

/// The branches of a fork with their depths, in reverse order of display. The first
/// of them continues at its own level, below the others.
fn in_order(branches: &[usize], depth: usize) -> impl Iterator<Item = (usize, usize)> {
    let (trunk, others) = branches.split_at(branches.len().min(1));
    let trunk = trunk.iter().map(move |run| (*run, depth));
    trunk.chain(others.iter().rev().map(move |run| (*run, depth + 1)))
}

fn rows(
    out: &mut String,
    conversation: &Conversation,
    said: &[Vec<MessageContent>],
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

/// The position of an entry in the outline.
#[derive(Default)]
pub(super) struct Row {
    run: usize,
    depth: usize,
    is_on: bool,
    /// Whether it is the first entry of a branch.
    is_begun: bool,
    is_leaf: bool,
}

/// Writes the row of an entry, if it gets one.
pub(super) fn write_row(
    out: &mut String,
    (entry, said): (&CapturedEntry, &[MessageContent]),
    row: &Row,
) {
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

/// The beginning of an entry's text, on one line.
fn preview(said: &[MessageContent]) -> Option<String> {
    let part = said.iter().flat_map(|said| &said.parts).find_map(|part| match part {
        Part::Text(said) if !said.trim().is_empty() => Some(said.as_str()),
        Part::ToolCall(call) => Some(&call.label),
        _ => None,
    })?;
    // Only the beginning of a long text is processed.
    let start: String = part.trim_start().chars().take(4 * WIDTH).collect();
    Some(cut(&start.split_whitespace().collect::<Vec<_>>().join(" "), WIDTH))
}
