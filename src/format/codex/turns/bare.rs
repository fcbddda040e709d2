//! Turns of a file without envelopes: each prompt begins one.

use super::{Item, Status, Turn};
use crate::format::codex::item;
use crate::format::codex::record::{Body, Record, owned, text};
use crate::format::json::Raw;

#[derive(Default)]
pub(crate) struct Bare {
    turns: Vec<Turn>,
    items: usize,
    /// Items so far, of any kind.
    records: usize,
}

impl Bare {
    pub(super) fn take(&mut self, record: &Record<'_>) {
        if let Body::Item(item) = record.body {
            self.take_item(item);
            self.records += 1;
        }
    }

    pub(super) fn finish(self) -> Vec<Turn> {
        self.turns
    }

    fn take_item(&mut self, item: Raw<'_>) {
        if item::is_prompt(item) {
            let id = format!("rollout-{}", self.records);
            let turn = Turn::new(id, Status::Completed, self.records);
            self.turns.push(Turn { is_implicit: true, ..turn });
        }
        let said = || item::texts(item).collect::<Vec<_>>().join("\n");
        let (kind, told) = match text(item, "type").as_deref() {
            Some("message") if item::is_prompt(item) => ("userMessage", Some(said())),
            Some("message") if item::role(item) == "assistant" => ("agentMessage", Some(said())),
            Some("reasoning") => {
                let parts = |key| item.get(key).unwrap_or(Raw::NULL);
                let all = parts("summary").items().chain(parts("content").items());
                let texts: Vec<String> = all.filter_map(|part| owned(part, "text")).collect();
                ("reasoning", Some(texts.join("\n")))
            }
            Some("web_search_call") => {
                let query = item.get("action").and_then(|action| owned(action, "query"));
                ("webSearch", Some(query.unwrap_or_default()))
            }
            Some("local_shell_call" | "function_call") => ("commandExecution", None),
            _ => return,
        };
        let Some(turn) = self.turns.last_mut() else { return };
        self.items += 1;
        let id = owned(item, "id").unwrap_or_else(|| format!("item-{}", self.items));
        turn.items.push(Item::new(kind, id, told));
    }
}
