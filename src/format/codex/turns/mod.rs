//! Turns: prompts and what followed them, as the program reconstructs them.
//!
//! There are two kinds of threads: in [`Legacy`] threads a sequence of events tells
//! the turns, in [`Paginated`] threads items name their turn. Files without
//! envelopes only have prompts.

mod bare;
mod legacy;
mod paginated;

pub(crate) use bare::Bare;
pub(crate) use legacy::Legacy;
pub(crate) use paginated::Paginated;

use super::record::{Event, Record, number, owned, text};
use crate::format::json::{Kind, Raw};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    InProgress,
    Completed,
    Interrupted,
    Failed,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            // A turn without an end was interrupted.
            Self::InProgress | Self::Interrupted => "interrupted",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) id: String,
    pub(crate) status: Status,
    pub(crate) error: Option<String>,
    pub(crate) items: Vec<Item>,
    /// No record begins it: the program made it up, and its id.
    pub(crate) is_implicit: bool,
    /// It is kept even if it has no items.
    is_kept: bool,
    /// The position in the history of its first record.
    pub(crate) first: usize,
}

impl Turn {
    fn new(id: String, status: Status, first: usize) -> Self {
        Self {
            id,
            status,
            error: None,
            items: Vec::new(),
            is_implicit: false,
            is_kept: false,
            first,
        }
    }

    fn end(&mut self, error: Option<Raw<'_>>) {
        if let Some(error) = error {
            self.status = Status::Failed;
            self.error = owned(error, "message").or_else(|| Some(error.string()?.into_owned()));
        } else if matches!(self.status, Status::Completed | Status::InProgress) {
            self.status = Status::Completed;
        }
    }

    /// Adds an item; it replaces one with the same id and kind.
    fn put(&mut self, item: Item) {
        match self.items.iter_mut().find(|known| known.id == item.id) {
            Some(known) => *known = item,
            None => self.items.push(item),
        }
    }

    /// The text of its first prompt.
    pub(crate) fn prompt(&self) -> &str {
        let prompt = self.items.iter().find(|item| item.kind == "userMessage");
        prompt.and_then(|item| item.text.as_deref()).unwrap_or_default()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// For example `userMessage`.
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) text: Option<String>,
    /// For reasoning that may be continued: how many of its lines are summaries.
    summary: Vec<String>,
    content: Vec<String>,
}

impl Item {
    fn new(kind: &str, id: String, text: Option<String>) -> Self {
        Self { kind: kind.to_owned(), id, text, summary: Vec::new(), content: Vec::new() }
    }

    fn reasoning(id: String, summary: Vec<String>, content: Vec<String>) -> Self {
        let mut item = Self { summary, content, ..Self::new("reasoning", id, None) };
        item.settle();
        item
    }

    /// For reasoning: the text consists of the summaries, then the contents.
    fn settle(&mut self) {
        let all: Vec<&str> = self.summary.iter().chain(&self.content).map(String::as_str).collect();
        self.text = Some(all.join("\n"));
    }
}

/// The number of messages of the user and the agent.
pub(crate) fn message_count(turns: &[Turn]) -> i64 {
    let items = turns.iter().flat_map(|turn| &turn.items);
    let is_message = |item: &&Item| matches!(&*item.kind, "userMessage" | "agentMessage");
    i64::try_from(items.filter(is_message).count()).unwrap_or(i64::MAX)
}

/// The kinds of threads, by how their turns are told.
pub(crate) enum Telling {
    Legacy(Legacy),
    Paginated(Paginated),
    Bare(Bare),
}

impl Telling {
    /// Processes the next record of the history.
    pub(crate) fn take(&mut self, record: &Record<'_>) {
        match self {
            Self::Legacy(turns) => turns.take(record),
            Self::Paginated(turns) => turns.take(record),
            Self::Bare(turns) => turns.take(record),
        }
    }

    /// Whether an item came before the event that begins its turn, or names none.
    pub(crate) fn has_early(&self) -> bool {
        matches!(self, Self::Paginated(turns) if turns.has_early())
    }

    pub(crate) fn finish(self) -> Vec<Turn> {
        match self {
            Self::Legacy(turns) => turns.finish(),
            Self::Paginated(turns) => turns.finish(),
            Self::Bare(turns) => turns.finish(),
        }
    }
}

/// The turn that an event names as beginning or ending.
pub(crate) fn named_by<'e>(event: &'e Event<'_>) -> Option<&'e str> {
    match event {
        Event::TaskStarted { turn_id } | Event::TaskComplete { turn_id, .. } => Some(turn_id),
        Event::TurnAborted { turn_id } => turn_id.as_deref(),
        _ => None,
    }
}

fn strings(value: Option<Raw<'_>>) -> Vec<String> {
    let items = value.into_iter().flat_map(Raw::items);
    items.filter_map(|item| Some(item.string()?.into_owned())).collect()
}

fn is_filled(value: Raw<'_>, key: &str) -> bool {
    value.get(key).is_some_and(|list| list.kind() == Kind::Array && list.items().next().is_some())
}

/// The result of a review as text: the explanation, then each finding.
fn review_text(output: Option<Raw<'_>>) -> String {
    let output = output.unwrap_or(Raw::NULL);
    let explanation = text(output, "overall_explanation").unwrap_or_default();
    let findings: Vec<Raw<'_>> = output.get("findings").into_iter().flat_map(Raw::items).collect();
    let mut parts = vec![explanation.trim().to_owned()];
    if let Some(more) = findings.len().checked_sub(1) {
        let title = if more == 0 { "Review comment:" } else { "Full review comments:" };
        parts.push(title.to_owned());
    }
    let mut told = parts.join("\n\n");
    for finding in findings {
        told.push_str(&told_finding(finding));
    }
    match told.trim() {
        "" => "Reviewer failed to output a response.".to_owned(),
        told => told.to_owned(),
    }
}

/// A finding: its title and place, and below them its body, indented.
fn told_finding(finding: Raw<'_>) -> String {
    let said = |key| text(finding, key).unwrap_or_default();
    let place = finding.get("code_location").unwrap_or(Raw::NULL);
    let path = text(place, "absolute_file_path").unwrap_or_default();
    let lines = place.get("line_range").unwrap_or(Raw::NULL);
    let line = |key| lines.get(key).and_then(number).unwrap_or_default();
    let (first, last) = (line("start"), line("end"));
    let mut told = format!("\n\n- {} — {path}:{first}-{last}", said("title"));
    for line in said("body").lines() {
        told.push_str("\n  ");
        told.push_str(line);
    }
    told
}

fn review_hint(payload: Raw<'_>) -> String {
    owned(payload, "user_facing_hint").unwrap_or_else(|| "Review requested.".to_owned())
}

/// Texts of the parts of an item's content.
fn part_texts(item: Raw<'_>) -> Vec<String> {
    let parts = item.get("content").unwrap_or(Raw::NULL);
    parts.items().filter_map(|part| owned(part, "text")).collect()
}

/// What lists show of a prompt; `None` if it has no text.
pub(crate) fn preview(message: &str, attached: Option<&str>) -> Option<String> {
    const MARK: &str = "## My request for Codex:";
    let text = message.find(MARK).map_or(message, |at| &message[at + MARK.len()..]).trim();
    if text.is_empty() { attached.map(str::to_owned) } else { Some(text.to_owned()) }
}

/// The text for a prompt that consists of attachments.
fn attached(has_images: bool, has_audio: bool) -> Option<&'static str> {
    let image = has_images.then_some("[Image]");
    image.or_else(|| has_audio.then_some("[Audio]"))
}

/// What lists show of a record, if it is a prompt.
pub(crate) fn preview_of(record: &Record<'_>) -> Option<String> {
    use super::record::Body;
    match &record.body {
        Body::Event(Event::UserMessage(payload)) => {
            let has = |key| is_filled(*payload, key);
            let attached =
                attached(has("images") || has("local_images"), has("audio") || has("local_audio"));
            preview(&text(*payload, "message")?, attached)
        }
        Body::Event(Event::ItemCompleted { item, .. })
            if text(*item, "type").is_some_and(|kind| kind == "UserMessage") =>
        {
            let parts = item.get("content").unwrap_or(Raw::NULL);
            let has = |name: &str| {
                let is_it = |part| text(part, "type").is_some_and(|kind| kind.contains(name));
                parts.items().any(is_it)
            };
            preview(&part_texts(*item).join("\n"), attached(has("image"), has("audio")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json;

    #[test]
    fn a_review_tells_its_explanation_and_its_findings() {
        let finding = r#"{"title":"T","body":"B\nC","code_location":{"absolute_file_path":"/a","line_range":{"start":1,"end":2}}}"#;
        let told = |explanation: &str, findings: &str| {
            let output =
                format!(r#"{{"overall_explanation":"{explanation}","findings":[{findings}]}}"#);
            review_text(Some(json::scan(output.as_bytes()).unwrap().0))
        };
        assert_eq!(told(" fine ", ""), "fine");
        assert_eq!(told(" ", ""), "Reviewer failed to output a response.");
        assert_eq!(told("e", finding), "e\n\nReview comment:\n\n- T — /a:1-2\n  B\n  C");
        let two = format!("{finding},{finding}");
        let each = "- T — /a:1-2\n  B\n  C";
        assert_eq!(told("", &two), format!("Full review comments:\n\n{each}\n\n{each}"));
        assert_eq!(review_text(None), "Reviewer failed to output a response.");
    }

    #[test]
    fn a_preview_is_what_was_asked_for() {
        for (message, attached, expected) in [
            (" hello \n", None, Some("hello")),
            ("# Context\n## My request for Codex:\n fix it ", None, Some("fix it")),
            ("## My request for Codex:", attached(true, true), Some("[Image]")),
            (" ", attached(false, true), Some("[Audio]")),
            ("  ", attached(false, false), None),
        ] {
            assert_eq!(preview(message, attached).as_deref(), expected, "{message}");
        }
    }
}
