//! An entry of a page.

use sessile::{CapturedEntry, Part, ToolCall, Usage};

use super::answers::{Answers, Place};
use super::escape::{anchor, text};
use super::fences::{self, Piece};
use super::image;
use crate::amounts::{counted, number};
use crate::conversation::{MessageContent, is_summary};
use crate::prices::Prices;
use crate::render::Clock;
use crate::text::cut;

/// The columns of an id that are shown; the anchor has the whole id.
const ID: usize = 12;

/// The attributes of tool arguments and results.
const TOOL: &str = "class=\"tool\"";

/// Texts with more bytes are shown in a scrolling box.
const LONG: usize = 12_000;

/// Consecutive entries with their messages.
pub(super) struct Entries<'a> {
    pub(super) entries: Vec<&'a CapturedEntry>,
    pub(super) said: Vec<&'a [MessageContent]>,
    pub(super) prices: &'a Prices,
}

impl Entries<'_> {
    pub(super) fn write(&self, out: &mut String) {
        let answers = Answers::of(&self.said);
        for (e, entry) in self.entries.iter().enumerate() {
            self.entry(out, &answers, (e, entry));
        }
    }

    /// Writes an entry with its messages; a single line if it has none. A result that
    /// is shown with its call is left out.
    fn entry(&self, out: &mut String, answers: &Answers, (e, entry): (usize, &CapturedEntry)) {
        let id = anchor(&entry.entry.id);
        let said = self.said[e];
        let Some(first) = said.first() else {
            let kind = text(&entry.entry.entry_type);
            let facts = self.facts(entry);
            out.push_str(&format!("<p class=\"event\" id=\"{id}\">{kind} · {facts}</p>\n"));
            return;
        };
        if self.is_elsewhere(answers, e) {
            return;
        }
        let class = match first.speaker.as_str() {
            "user" => "user",
            "assistant" => "assistant",
            _ => "other",
        };
        let answers_call = answered(said).map(|call_id| {
            // The call may be on the page to which this is added.
            format!(" data-answers=\"{}\"", anchor(call_id))
        });
        let answers_call = answers_call.unwrap_or_default();
        out.push_str(&format!("<article class=\"{class}\" id=\"{id}\"{answers_call}>\n"));
        for (m, said) in said.iter().enumerate() {
            let facts = if m == 0 { self.facts(entry) } else { String::new() };
            let speaker = text(&said.speaker);
            out.push_str(&format!("<div class=\"head\"><b>{speaker}</b>{facts}</div>\n"));
            let mut shown = String::new();
            for (p, part) in said.parts.iter().enumerate() {
                if !answers.is_taken((e, m, p)) {
                    self.part(&mut shown, answers, ((e, m, p), part));
                }
            }
            if is_summary(entry) {
                shown = format!(
                    "<details class=\"summary\"><summary>what was said before, in short</summary>\n{shown}</details>\n"
                );
            }
            out.push_str(&shown);
        }
        out.push_str("</article>\n");
    }

    /// Whether everything in an entry is shown with earlier calls.
    fn is_elsewhere(&self, answers: &Answers, e: usize) -> bool {
        let mut count = 0;
        let mut taken = 0;
        for (m, said) in self.said[e].iter().enumerate() {
            count += said.parts.len();
            taken += (0..said.parts.len()).filter(|p| answers.is_taken((e, m, *p))).count();
        }
        0 < count && taken == count
    }

    /// Its id, time, model, usage and label.
    fn facts(&self, entry: &CapturedEntry) -> String {
        let label = entry.entry.label.as_deref();
        let facts = [
            label.map(|label| format!("<mark>{}</mark>", text(label))),
            entry.entry.created_at.map(|at| Clock::Utc.show(at)),
            entry.model.as_deref().map(text),
            entry.usage.as_ref().and_then(|usage| used(usage, cost(usage, self.prices), "in")),
            Some(link(&entry.entry.id)),
        ];
        facts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
    }

    fn part(&self, out: &mut String, answers: &Answers, (place, part): (Place, &Part)) {
        match part {
            Part::Text(said) => out.push_str(&said_text(said)),
            Part::Thinking(said) => {
                out.push_str(&folded("class=\"thinking\"", "thinking", &pre(said)));
            }
            Part::ToolCall(call) => self.call(out, answers, (place, call)),
            Part::ToolResult { text, .. } => {
                out.push_str(&folded(TOOL, &format!("result, {}", lines(text)), &pre(text)));
            }
            Part::Image { mime, path, data } => out.push_str(&picture(mime, path, data)),
            Part::Other(kind) => out.push_str(&named(kind)),
            _ => {}
        }
    }

    /// Writes a call with its result, and the images after that.
    fn call(&self, out: &mut String, answers: &Answers, (place, call): (Place, &ToolCall)) {
        let mut inside = pre(&format!("{}\n{}", call.name, call.arguments));
        let mut summary = call.label.clone();
        if let Some((e, m, p)) = answers.of_call(place) {
            let parts = &self.said[e][m].parts[p..];
            if let Part::ToolResult { text, .. } = &parts[0] {
                summary = format!("{summary} · {}", lines(text));
            }
            inside.push_str(&self.answer(answers, (e, m, p)));
        }
        // If the result comes later, this tells the script which call it belongs
        // to.
        let attributes = if answers.of_call(place).is_none() && !call.id.is_empty() {
            format!("{TOOL} data-call=\"{}\"", anchor(&call.id))
        } else {
            TOOL.to_owned()
        };
        out.push_str(&folded(&attributes, &summary, &inside));
    }

    fn answer(&self, answers: &Answers, (e, m, p): Place) -> String {
        let entry = self.entries[e];
        let is_first = p == 0 && self.said[e][..m].iter().all(|said| said.parts.is_empty());
        // The anchor of an entry that is not shown elsewhere.
        let id = if is_first && self.is_elsewhere(answers, e) {
            format!(" id=\"{}\"", anchor(&entry.entry.id))
        } else {
            String::new()
        };
        let mut out = format!(
            "<div class=\"answer\"{id}>\n<div class=\"head\">{}</div>\n",
            self.facts(entry)
        );
        for (n, part) in self.said[e][m].parts[p..].iter().enumerate() {
            match part {
                Part::ToolResult { text, .. } if n == 0 => out.push_str(&pre(text)),
                Part::Image { mime, path, data } => out.push_str(&picture(mime, path, data)),
                _ => break,
            }
        }
        out.push_str("</div>\n");
        out
    }
}

/// The id of the call that an entry answers, if it contains nothing else.
fn answered(said: &[MessageContent]) -> Option<&str> {
    let [MessageContent { parts, .. }] = said else { return None };
    let is_picture = |part: &Part| matches!(part, Part::Image { .. });
    let (Part::ToolResult { call_id, .. }, others) = parts.split_first()? else { return None };
    (!call_id.is_empty() && others.iter().all(is_picture)).then_some(call_id)
}

pub(super) fn link(id: &str) -> String {
    format!("<a href=\"#{}\">{}</a>", anchor(id), text(&cut(id, ID)))
}

/// The cost of tokens: as the log says, else by the known prices.
pub(super) fn cost(usage: &Usage, prices: &Prices) -> Option<(f64, bool)> {
    let told = usage.cost.map(|cost| (cost, true));
    told.or_else(|| prices.cost(usage).map(|cost| (cost, false)))
}

/// Tokens and cost; `None` if there are none. A cost that is not from the log is
/// marked.
pub(super) fn used(usage: &Usage, cost: Option<(f64, bool)>, read: &str) -> Option<String> {
    let count = |tokens: Option<i64>| tokens.and_then(|n| u64::try_from(n).ok()).filter(|n| 0 < *n);
    let told = |tokens, what| count(tokens).map(|n| format!("{} {what}", number(n)));
    let cost = cost.filter(|(cost, _)| 0.0 < *cost).map(|(cost, is_told)| {
        if is_told { format!("cost {cost:.4}") } else { format!("cost about {cost:.4}") }
    });
    let parts = [
        told(usage.input, read),
        told(usage.output, "out"),
        told(usage.cache_read, "cached"),
        told(usage.cache_write, "into the cache"),
        cost,
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn said_text(said: &str) -> String {
    let pieces = fences::pieces(said).into_iter().map(|piece| match piece {
        Piece::Text(said) => {
            let class = if said.len() < LONG { "said" } else { "said long" };
            format!("<div class=\"{class}\">{}</div>\n", text(said))
        }
        Piece::Code(code) => pre(code),
    });
    pieces.collect()
}

fn picture(mime: &str, path: &str, data: &str) -> String {
    match image::address(data) {
        Some(address) => {
            format!("<img loading=\"lazy\" alt=\"{}\" src=\"{address}\">\n", text(path))
        }
        None => named(format!("image {mime} {path}").trim()),
    }
}

fn named(what: &str) -> String {
    format!("<div class=\"said\">[{}]</div>\n", text(what))
}

fn lines(said: &str) -> String {
    counted(said.trim_end().lines().count() as u64, "line")
}

fn pre(said: &str) -> String {
    // Browsers drop the first line feed in a `pre`.
    format!("<pre>\n{}</pre>\n", text(said.trim_end()))
}

fn folded(attributes: &str, summary: &str, inside: &str) -> String {
    let summary = text(summary);
    format!("<details {attributes}><summary>{summary}</summary>\n{inside}</details>\n")
}
