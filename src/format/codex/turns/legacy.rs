//! Turns of a thread whose turns are told by a sequence of events.

use super::{Item, Status, Turn, review_hint, review_text};
use crate::format::codex::record::{Body, Event, Record, owned, text};
use crate::format::json::Raw;

#[derive(Default)]
pub(crate) struct Legacy {
    finished: Vec<Turn>,
    current: Option<Turn>,
    /// Items so far, to number those without an id.
    items: usize,
    /// Records so far.
    records: usize,
}

impl Legacy {
    pub(super) fn take(&mut self, record: &Record<'_>) {
        match &record.body {
            Body::Event(event) => self.take_event(event),
            Body::Compacted(_) => self.current().is_kept = true,
            _ => {}
        }
        self.records += 1;
    }

    pub(super) fn finish(mut self) -> Vec<Turn> {
        self.end_current();
        self.finished
    }

    fn take_event(&mut self, event: &Event<'_>) {
        match event {
            Event::TaskStarted { turn_id } => {
                self.end_current();
                let turn = Turn::new(turn_id.to_string(), Status::InProgress, self.records);
                self.current = Some(turn);
            }
            Event::TaskComplete { turn_id, error } => {
                if let Some(turn) = self.named(Some(turn_id)) {
                    turn.end(*error);
                }
                self.end_if_current(Some(turn_id));
            }
            Event::TurnAborted { turn_id } => {
                if let Some(turn) = self.named(turn_id.as_deref()) {
                    turn.status = Status::Interrupted;
                }
                self.end_if_current(turn_id.as_deref());
            }
            Event::UserMessage(payload) => {
                let is_over =
                    |turn: &Turn| turn.is_implicit && !(turn.is_kept && turn.items.is_empty());
                if self.current.as_ref().is_some_and(is_over) {
                    self.end_current();
                }
                let message = owned(*payload, "message").filter(|text| !text.trim().is_empty());
                self.add("userMessage", Some(message.unwrap_or_default()));
            }
            Event::AgentMessage(text) if !text.is_empty() => {
                self.add("agentMessage", Some(text.to_string()));
            }
            Event::Reasoning(text) if !text.is_empty() => self.reason(text, true),
            Event::RawReasoning(text) if !text.is_empty() => self.reason(text, false),
            Event::WebSearchEnd { call_id, query } => {
                let item = Item::new("webSearch", call_id.to_string(), Some(query.to_string()));
                self.put(None, item);
            }
            Event::ToolCallEnd { call_id } => {
                self.put(None, Item::new("mcpToolCall", call_id.to_string(), None));
            }
            Event::PatchEnd { call_id, turn_id } => {
                let item = Item::new("fileChange", call_id.to_string(), None);
                self.put(turn_id.as_deref(), item);
            }
            Event::Compacted => self.add("contextCompaction", None),
            Event::EnteredReview(payload) => {
                self.review("enteredReviewMode", *payload, review_hint(*payload));
            }
            Event::ExitedReview(payload) => {
                let text = review_text(payload.get("review_output"));
                self.review("exitedReviewMode", *payload, text);
            }
            Event::ItemCompleted { turn_id, item } => self.plan(turn_id, *item),
            Event::RolledBack(turns) => self.roll_back(*turns),
            _ => {}
        }
    }

    /// The current turn, which is opened if there is none.
    fn current(&mut self) -> &mut Turn {
        let first = self.records;
        self.current.get_or_insert_with(|| Turn {
            is_implicit: true,
            ..Turn::new(format!("rollout-{first}"), Status::Completed, first)
        })
    }

    fn end_current(&mut self) {
        let is_told = |turn: &Turn| !turn.is_implicit || turn.is_kept || !turn.items.is_empty();
        self.finished.extend(self.current.take().filter(is_told));
    }

    /// Whether the turn that an event names is the current one: it has that id, or no
    /// turn has it.
    fn is_current(&self, turn_id: Option<&str>) -> bool {
        let Some(current) = &self.current else { return false };
        match turn_id {
            Some(id) => current.id == id || !self.finished.iter().any(|turn| turn.id == id),
            None => true,
        }
    }

    fn end_if_current(&mut self, turn_id: Option<&str>) {
        if self.is_current(turn_id) {
            self.end_current();
        }
    }

    /// The turn with an id, else the current one.
    fn named(&mut self, turn_id: Option<&str>) -> Option<&mut Turn> {
        if self.is_current(turn_id) {
            return self.current.as_mut();
        }
        self.known(turn_id?)
    }

    fn known(&mut self, turn_id: &str) -> Option<&mut Turn> {
        let finished = self.finished.iter_mut().rev();
        self.current.iter_mut().chain(finished).find(|turn| turn.id == turn_id)
    }

    fn new_id(&mut self) -> String {
        self.items += 1;
        format!("item-{}", self.items)
    }

    fn add(&mut self, kind: &str, text: Option<String>) {
        let item = Item::new(kind, self.new_id(), text);
        self.current().items.push(item);
    }

    /// Adds an item to the current turn, or to the one that it names; drops it if
    /// there is no such turn.
    fn put(&mut self, turn_id: Option<&str>, item: Item) {
        let turn = match turn_id {
            Some(id) => self.known(id),
            None => Some(self.current()),
        };
        if let Some(turn) = turn {
            turn.put(item);
        }
    }

    fn reason(&mut self, text: &str, is_summary: bool) {
        let last = self.current.as_mut().and_then(|turn| turn.items.last_mut());
        if let Some(last) = last.filter(|item| item.kind == "reasoning") {
            let parts = if is_summary { &mut last.summary } else { &mut last.content };
            parts.push(text.to_owned());
            last.settle();
            return;
        }
        let part = vec![text.to_owned()];
        let id = self.new_id();
        let item = if is_summary {
            Item::reasoning(id, part, Vec::new())
        } else {
            Item::reasoning(id, Vec::new(), part)
        };
        self.current().items.push(item);
    }

    fn review(&mut self, kind: &str, payload: Raw<'_>, told: String) {
        let id = owned(payload, "item_id").unwrap_or_else(|| self.new_id());
        let item = Item::new(kind, id, Some(told));
        match text(payload, "turn_id") {
            None => self.current().items.push(item),
            Some(turn_id) => {
                if self.known(&turn_id).is_none() {
                    self.end_current();
                    self.current = Some(Turn {
                        is_implicit: true,
                        ..Turn::new(turn_id.to_string(), Status::Completed, self.records)
                    });
                }
                if let Some(turn) = self.known(&turn_id) {
                    turn.put(item);
                }
            }
        }
    }

    fn plan(&mut self, turn_id: &str, item: Raw<'_>) {
        if text(item, "type").is_some_and(|kind| kind == "Plan")
            && let Some(id) = owned(item, "id")
        {
            self.put(Some(turn_id), Item::new("plan", id, owned(item, "text")));
        }
    }

    fn roll_back(&mut self, turns: u32) {
        self.end_current();
        let left = self.finished.len().saturating_sub(turns as usize);
        self.finished.truncate(left);
        self.items = self.finished.iter().map(|turn| turn.items.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::codex::record::parse;

    fn turns(payloads: &[&str]) -> Vec<Turn> {
        let mut legacy = Legacy::default();
        for payload in payloads {
            let line = format!(r#"{{"timestamp":"t","type":"event_msg","payload":{payload}}}"#);
            legacy.take(&parse(line.as_bytes()).record.unwrap());
        }
        legacy.finish()
    }

    fn told(turns: &[Turn]) -> Vec<String> {
        let items = |turn: &Turn| {
            let items = turn.items.iter();
            items
                .map(|item| format!("{}={}", item.id, item.text.as_deref().unwrap_or("-")))
                .collect::<Vec<_>>()
        };
        let each = turns.iter();
        each.map(|turn| format!("{} {} {}", turn.id, turn.status.name(), items(turn).join(" ")))
            .collect()
    }

    const ASK: &str = r#"{"type":"user_message","message":"ask"}"#;
    const SAY: &str = r#"{"type":"agent_message","message":"say"}"#;

    #[test]
    fn prompts_without_a_turn_open_turns_of_their_own() {
        assert_eq!(
            told(&turns(&[ASK, SAY, ASK])),
            ["rollout-0 completed item-1=ask item-2=say", "rollout-2 completed item-3=ask"]
        );
    }

    #[test]
    fn a_turn_ends_as_its_last_event_says() {
        let start = |id| format!(r#"{{"type":"task_started","turn_id":"{id}"}}"#);
        let end = r#"{"type":"task_complete","turn_id":"a"}"#;
        let failed = r#"{"type":"task_complete","turn_id":"b","error":{"message":"no"}}"#;
        let abort = r#"{"type":"turn_aborted","reason":"replaced"}"#;
        let found =
            turns(&[&start("a"), ASK, end, &start("b"), failed, &start("c"), abort, &start("d")]);
        assert_eq!(
            told(&found),
            ["a completed item-1=ask", "b failed ", "c interrupted ", "d interrupted "]
        );
        assert_eq!(found[1].error.as_deref(), Some("no"));
    }

    #[test]
    fn a_patch_goes_to_the_turn_that_it_names_or_nowhere() {
        let patch = |id, turn| {
            format!(
                r#"{{"type":"patch_apply_end","call_id":"{id}"{turn},"stdout":"","stderr":"","success":true,"changes":{{}},"status":"completed"}}"#
            )
        };
        let start = |id| format!(r#"{{"type":"task_started","turn_id":"{id}"}}"#);
        let found = turns(&[
            &start("a"),
            &start("b"),
            &patch("1", r#","turn_id":"a""#),
            &patch("2", r#","turn_id":"unknown""#),
            &patch("3", r#","turn_id":"""#),
            &patch("4", ""),
        ]);
        assert_eq!(told(&found), ["a interrupted 1=-", "b interrupted 3=- 4=-"]);
        assert_eq!(told(&turns(&[&patch("1", r#","turn_id":"unknown""#)])), [""; 0]);
    }

    #[test]
    fn reasoning_goes_on_until_something_else_comes() {
        let summary = r#"{"type":"agent_reasoning","text":"s"}"#;
        let raw = r#"{"type":"agent_reasoning_raw_content","text":"r"}"#;
        assert_eq!(
            told(&turns(&[ASK, raw, summary, SAY, summary])),
            ["rollout-0 completed item-1=ask item-2=s\nr item-3=say item-4=s"]
        );
    }

    #[test]
    fn a_rollback_takes_turns_of_any_kind_and_numbers_go_on_from_what_is_left() {
        let back = |n| format!(r#"{{"type":"thread_rolled_back","num_turns":{n}}}"#);
        assert_eq!(
            told(&turns(&[ASK, ASK, ASK, &back(2), ASK])),
            ["rollout-0 completed item-1=ask", "rollout-4 completed item-2=ask"]
        );
        assert_eq!(told(&turns(&[ASK, &back(9)])), Vec::<String>::new());
        assert_eq!(told(&turns(&[ASK, &back(0)])).len(), 1);
    }
}
