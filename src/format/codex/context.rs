//! The conversation that the model would get if the thread continued.
//!
//! Records of a path are processed root first. What was rolled back is not on the
//! path, so only compactions remove anything here.

use std::collections::VecDeque;

use super::item;
use super::record::{Body, of_entry, owned, text};
use crate::format::json::{self, Kind, Raw};

/// The beginning of an earlier summary, which is not a prompt.
const SUMMARY: &str = "Another language model started to solve this problem and produced a summary of its thinking process.";

/// Bytes of prompts that a compaction without a history keeps: 20,000 tokens of 4
/// bytes.
const KEPT: usize = 80_000;

/// An item, and the part of it that a compaction of the old kind would keep.
#[derive(Debug)]
struct ContextItem<E> {
    entry: E,
    json: String,
    /// The texts, if it is a prompt.
    prompt: Option<Vec<String>>,
}

/// Builds a conversation; `E` identifies the entry of an item.
#[derive(Debug)]
pub(crate) struct Conversation<E> {
    said: VecDeque<ContextItem<E>>,
    /// How many items, from the first on, the last compaction kept.
    kept: usize,
    /// Bytes of the prompts among those.
    kept_bytes: usize,
}

impl<E> Default for Conversation<E> {
    fn default() -> Self {
        Self { said: VecDeque::new(), kept: 0, kept_bytes: 0 }
    }
}

impl<E: Clone> Conversation<E> {
    /// Processes the record of an entry; `instead` replaces values that JSON readers
    /// cannot read.
    pub(crate) fn take(&mut self, bytes: &[u8], entry: &E, instead: &str) {
        let Some(record) = of_entry(bytes) else { return };
        match record.body {
            Body::Item(item) => self.said.push_back(said(item, entry.clone(), instead)),
            Body::Compacted(payload) => self.compact(payload, entry, instead),
            _ => {}
        }
    }

    /// Replaces the conversation by what a compaction keeps of it. What the compaction
    /// before kept is not read again, except for its oldest items.
    fn compact(&mut self, payload: Raw<'_>, entry: &E, instead: &str) {
        if let Some(history) = history(payload) {
            let said = history.items().map(|item| said(item, entry.clone(), instead)).collect();
            *self = Self { said, kept: 0, kept_bytes: 0 };
            return;
        }
        for ContextItem { entry, prompt, .. } in self.said.split_off(self.kept) {
            let is_summary =
                |texts: &[String]| texts.first().is_some_and(|text| text.starts_with(SUMMARY));
            let Some(texts) = prompt.filter(|texts| !is_summary(texts)) else { continue };
            self.kept_bytes += length(&texts);
            self.said.push_back(ContextItem {
                entry,
                json: user_message(&texts),
                prompt: Some(texts),
            });
        }
        // A prompt is kept if the prompts after it leave some room.
        while let Some(first) = self.said.front()
            && let bytes = first.prompt.as_deref().map_or(0, length)
            && KEPT <= self.kept_bytes - bytes
        {
            self.kept_bytes -= bytes;
            self.said.pop_front();
        }
        self.kept = self.said.len();
        let summary = owned(payload, "message").filter(|text| !text.is_empty());
        let summary = vec![summary.unwrap_or_else(|| "(no summary available)".to_owned())];
        let json = user_message(&summary);
        self.said.push_back(ContextItem { entry: entry.clone(), json, prompt: Some(summary) });
    }

    /// The items, with their entries.
    pub(crate) fn finish(self) -> Vec<(E, String)> {
        self.said.into_iter().map(|said| (said.entry, said.json)).collect()
    }
}

fn length(texts: &[String]) -> usize {
    texts.iter().map(String::len).sum()
}

fn said<E>(item: Raw<'_>, entry: E, instead: &str) -> ContextItem<E> {
    let prompt = item::is_prompt(item).then(|| texts_beside_images(item));
    ContextItem { entry, json: json::clean(item, instead), prompt }
}

/// The texts of a message, without the tags around its images.
fn texts_beside_images(message: Raw<'_>) -> Vec<String> {
    let parts: Vec<Raw<'_>> = message.get("content").into_iter().flat_map(Raw::items).collect();
    let is_image = |part: Option<&Raw<'_>>| {
        part.is_some_and(|part| text(*part, "type").is_some_and(|kind| kind == "input_image"))
    };
    let texts = parts.iter().enumerate().filter_map(|(at, part)| {
        let text = owned(*part, "text")?;
        let tag = text.trim();
        let opens = tag.starts_with("<image") && tag.ends_with('>') && is_image(parts.get(at + 1));
        let closes = tag == "</image>" && is_image(at.checked_sub(1).and_then(|at| parts.get(at)));
        (!opens && !closes).then_some(text)
    });
    texts.collect()
}

fn user_message(texts: &[String]) -> String {
    let part = |text: &String| format!(r#"{{"type":"input_text","text":{}}}"#, json::spelt(text));
    let parts: Vec<String> = texts.iter().map(part).collect();
    format!(r#"{{"type":"message","role":"user","content":[{}]}}"#, parts.join(","))
}

/// Whether a record adds a prompt. The summary of a compaction does, unless it comes
/// with a history.
pub(crate) fn adds_prompt(body: &Body<'_>) -> bool {
    match body {
        Body::Item(item) => item::is_prompt(*item),
        Body::Compacted(payload) => history(*payload).is_none(),
        _ => false,
    }
}

fn history(compacted: Raw<'_>) -> Option<Raw<'_>> {
    compacted.get("replacement_history").filter(|list| list.kind() == Kind::Array)
}

/// What one entry's record adds by itself: an item, or what a compaction leaves.
pub(crate) fn messages(bytes: &[u8], instead: &str) -> Vec<String> {
    let mut alone = Conversation::default();
    alone.take(bytes, &(), instead);
    alone.finish().into_iter().map(|(_, json)| json).collect()
}

/// The text of an entry.
pub(crate) fn said_by(bytes: &[u8]) -> String {
    match of_entry(bytes).map(|record| record.body) {
        Some(Body::Item(item)) => text_of(item),
        Some(Body::Compacted(payload)) => owned(payload, "message").unwrap_or_default(),
        _ => String::new(),
    }
}

/// The text of an item: of messages, commands and outputs.
pub(crate) fn text_of(item: Raw<'_>) -> String {
    match text(item, "type").as_deref() {
        Some("message") => item::texts(item).collect::<Vec<_>>().join("\n"),
        Some("reasoning") => {
            let parts = |key| item.get(key).unwrap_or(Raw::NULL);
            let all = parts("summary").items().chain(parts("content").items());
            all.filter_map(|part| owned(part, "text")).collect::<Vec<_>>().join("\n")
        }
        Some("function_call") => owned(item, "arguments").unwrap_or_default(),
        Some("custom_tool_call") => owned(item, "input").unwrap_or_default(),
        Some("web_search_call") => {
            item.get("action").and_then(|action| owned(action, "query")).unwrap_or_default()
        }
        Some("local_shell_call") => {
            let command = item.get("action").and_then(|action| action.get("command"));
            let words = command.into_iter().flat_map(Raw::items).filter_map(Raw::string);
            words.collect::<Vec<_>>().join(" ")
        }
        Some("function_call_output" | "custom_tool_call_output") => {
            let output = item.get("output").unwrap_or(Raw::NULL);
            match output.string() {
                Some(text) => text.into_owned(),
                None => {
                    let texts = output.items().filter_map(|part| owned(part, "text"));
                    texts.collect::<Vec<_>>().join("\n")
                }
            }
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(record_type: &str, payload: &str) -> String {
        format!(r#"{{"timestamp":"t","type":"{record_type}","payload":{payload}}}"#)
    }

    fn message(role: &str, text: &str) -> String {
        line(
            "response_item",
            &format!(
                r#"{{"type":"message","role":"{role}","content":[{{"type":"input_text","text":"{text}"}}]}}"#
            ),
        )
    }

    fn texts(lines: &[String]) -> Vec<String> {
        let mut conversation = Conversation::default();
        for line in lines {
            conversation.take(line.as_bytes(), &(), "0");
        }
        let text = |(_, json): ((), String)| {
            text_of(crate::format::json::scan(json.as_bytes()).unwrap().0)
        };
        conversation.finish().into_iter().map(text).collect()
    }

    #[test]
    fn a_compaction_takes_the_place_of_what_was_before() {
        let history = r#"{"message":"","replacement_history":[{"type":"message","role":"user","content":[{"type":"input_text","text":"kept"}]}]}"#;
        let lines = [message("user", "a"), line("compacted", history), message("user", "b")];
        assert_eq!(texts(&lines), ["kept", "b"]);
    }

    #[test]
    fn one_without_a_history_keeps_the_prompts_and_its_summary() {
        let compacted = line("compacted", r#"{"message":"sum"}"#);
        let again = line("compacted", r#"{"message":""}"#);
        let context = message("user", "<environment_context>x</environment_context>");
        let lines = [context, message("user", "a"), message("assistant", "b"), compacted];
        assert_eq!(texts(&lines), ["a", "sum"]);
        assert_eq!(texts(&[&lines[..], &[again]].concat()), ["a", "sum", "(no summary available)"]);
    }

    #[test]
    fn a_prompt_is_kept_where_those_behind_it_leave_room() {
        let long = "x".repeat(KEPT - 1);
        let compacted = line("compacted", r#"{"message":"s"}"#);
        let lines = [message("user", "a"), message("user", "b"), message("user", &long), compacted];
        assert_eq!(texts(&lines), ["b", &long, "s"]);
        // Of the next one, the summary takes the last of the room.
        assert_eq!(texts(&[&lines[..], &[lines[3].clone()]].concat()), [&long, "s", "s"]);
        let all = message("user", &"y".repeat(KEPT));
        let lines = [&lines[..], &[all, lines[3].clone()]].concat();
        assert_eq!(texts(&lines), ["y".repeat(KEPT), "s".to_owned()]);
    }

    #[test]
    fn what_a_compaction_kept_is_not_spelt_again_by_the_next() {
        let mut conversation = Conversation::default();
        let compacted = line("compacted", r#"{"message":"sum"}"#);
        conversation.take(message("user", "a").as_bytes(), &(), "0");
        conversation.take(compacted.as_bytes(), &(), "0");
        let before = conversation.said[0].json.as_ptr();

        for _ in 0..3 {
            conversation.take(message("user", "b").as_bytes(), &(), "0");
            conversation.take(compacted.as_bytes(), &(), "0");
        }

        assert_eq!(conversation.said[0].json.as_ptr(), before);
    }

    #[test]
    fn what_a_compaction_keeps_of_a_prompt_are_its_texts() {
        let prompt = line(
            "response_item",
            r#"{"type":"message","role":"user","content":[{"type":"input_text","text":"<image>"},{"type":"input_image","image_url":"u"},{"type":"input_text","text":"</image>"},{"type":"input_text","text":"look"},{"type":"input_text","text":"<image>"}]}"#,
        );
        let mut conversation = Conversation::default();
        for line in [prompt, line("compacted", r#"{"message":"sum"}"#)] {
            conversation.take(line.as_bytes(), &(), "0");
        }
        assert_eq!(
            conversation.finish()[0].1,
            r#"{"type":"message","role":"user","content":[{"type":"input_text","text":"look"},{"type":"input_text","text":"<image>"}]}"#
        );
    }

    #[test]
    fn an_event_says_nothing_to_the_model() {
        assert_eq!(messages(line("event_msg", r#"{"type":"error"}"#).as_bytes(), "0"), [""; 0]);
        assert_eq!(messages(message("user", "a").as_bytes(), "0").len(), 1);
    }
}
