//! Turns of a thread whose items name their turn.

use std::collections::HashMap;

use super::{Item, Status, Turn, part_texts, review_hint, review_text, strings};
use crate::format::codex::record::{Body, Event, Record, owned, text};
use crate::format::json::Raw;

#[derive(Default)]
pub(crate) struct Paginated {
    turns: Vec<Turn>,
    /// By the id of their turn, which an event may name later.
    items: HashMap<String, Vec<Item>>,
    /// Records before this one belong to a sub-agent's parent.
    start: Option<u64>,
    records: usize,
    /// Whether an item came before the event that begins its turn, or names none.
    has_early: bool,
}

impl Paginated {
    pub(crate) fn new(start: Option<u64>) -> Self {
        Self { start, ..Self::default() }
    }

    pub(super) fn has_early(&self) -> bool {
        self.has_early
    }

    pub(super) fn take(&mut self, record: &Record<'_>) {
        let is_inherited = match (self.start, record.ordinal) {
            (Some(start), Some(ordinal)) => ordinal < start,
            _ => false,
        };
        if let (Body::Event(event), false) = (&record.body, is_inherited) {
            self.take_event(event);
        }
        self.records += 1;
    }

    pub(super) fn finish(mut self) -> Vec<Turn> {
        for turn in &mut self.turns {
            turn.items = self.items.remove(&turn.id).unwrap_or_default();
        }
        self.turns
    }

    fn take_event(&mut self, event: &Event<'_>) {
        match event {
            Event::TaskStarted { turn_id } => self.turn(turn_id).status = Status::InProgress,
            Event::TaskComplete { turn_id, error } => {
                let turn = self.turn(turn_id);
                turn.status = Status::Completed;
                turn.end(*error);
            }
            Event::TurnAborted { turn_id: Some(turn_id) } => {
                self.turn(turn_id).status = Status::Interrupted;
            }
            Event::ItemCompleted { turn_id, item } => {
                self.has_early |= !self.turns.iter().rev().any(|turn| turn.id == *turn_id);
                let items = self.items.entry(turn_id.to_string()).or_default();
                let Some(item) = completed(*item) else { return };
                match items.iter_mut().find(|known| known.id == item.id) {
                    Some(known) => *known = item,
                    None => items.push(item),
                }
            }
            _ => {}
        }
    }

    fn turn(&mut self, id: &str) -> &mut Turn {
        let known = self.turns.iter().position(|turn| turn.id == id);
        let at = known.unwrap_or_else(|| {
            self.turns.push(Turn::new(id.to_owned(), Status::InProgress, self.records));
            self.turns.len() - 1
        });
        &mut self.turns[at]
    }
}

/// A completed item.
fn completed(item: Raw<'_>) -> Option<Item> {
    let (kind, id) = (text(item, "type")?, owned(item, "id")?);
    let told = match &*kind {
        "UserMessage" => Some(part_texts(item).join("\n")),
        "AgentMessage" => Some(part_texts(item).concat()),
        "Plan" => owned(item, "text"),
        "Reasoning" => {
            let (summary, content) = (item.get("summary_text"), item.get("raw_content"));
            return Some(Item::reasoning(id, strings(summary), strings(content)));
        }
        "WebSearch" => owned(item, "query"),
        "EnteredReviewMode" => Some(review_hint(item)),
        "ExitedReviewMode" => Some(review_text(item.get("review_output"))),
        _ => None,
    };
    let mut letters = kind.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    let kind: String = first.into_iter().chain(letters).collect();
    Some(Item::new(&kind, id, told))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::codex::record::parse;

    #[test]
    fn items_belong_to_the_turn_that_they_name_wherever_they_stand() {
        let mut turns = Paginated::new(Some(2));
        for (n, payload) in [
            r#"{"type":"task_started","turn_id":"parent"}"#,
            r#"{"type":"item_completed","turn_id":"a","item":{"type":"UserMessage","id":"0","content":[]}}"#,
            r#"{"type":"item_completed","turn_id":"a","item":{"type":"UserMessage","id":"1","content":[{"type":"text","text":"x"},{"type":"text","text":"y"}]}}"#,
            r#"{"type":"item_completed","turn_id":"nobody","item":{"type":"Plan","id":"2","text":"p"}}"#,
            r#"{"type":"task_started","turn_id":"a"}"#,
            r#"{"type":"item_completed","turn_id":"a","item":{"type":"WebSearch","id":"3","query":"q","action":{"type":"other"}}}"#,
            r#"{"type":"item_completed","turn_id":"a","item":{"type":"WebSearch","id":"3","query":"r","action":{"type":"other"}}}"#,
            r#"{"type":"user_message","message":"counts for nothing"}"#,
        ]
        .iter()
        .enumerate()
        {
            let line = format!(r#"{{"timestamp":"t","ordinal":{n},"type":"event_msg","payload":{payload}}}"#);
            turns.take(&parse(line.as_bytes()).record.unwrap());
        }
        let turns = turns.finish();
        assert_eq!((turns.len(), turns[0].id.as_str(), turns[0].first), (1, "a", 4));
        let items: Vec<_> =
            turns[0].items.iter().map(|item| (&*item.kind, item.text.as_deref())).collect();
        assert_eq!(items, [("userMessage", Some("x\ny")), ("webSearch", Some("r"))]);
        assert_eq!(turns[0].status.name(), "interrupted");
    }
}
