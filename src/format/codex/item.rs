//! Items of the conversation: what is sent to the model, and what it answers.

use std::borrow::Cow;

use super::record::{Problem, text};
use crate::format::json::{Kind, Raw};
use crate::model::ProblemKind;

/// Why the program leaves an item out of the conversation; `None` where it does not.
pub(crate) fn problem(item: Raw<'_>) -> Option<Problem> {
    let skipped =
        |detail: String| Some((ProblemKind::Unreadable, format!("{detail}; Codex skips it")));
    let Some(item_type) = text(item, "type") else {
        return Some((ProblemKind::NotARecord, "an item without a type".to_owned()));
    };
    let lacking =
        |keys: &[&'static str]| keys.iter().copied().find(|key| text(item, key).is_none());
    let lacks = match &*item_type {
        "message" => lacking(&["role"]).or_else(|| problem_of_content(item)),
        "reasoning" => {
            let is_list = item.get("summary").is_some_and(|value| value.kind() == Kind::Array);
            (!is_list).then_some("summary")
        }
        "function_call" => lacking(&["name", "arguments", "call_id"]),
        "custom_tool_call" => lacking(&["name", "input", "call_id"]),
        "function_call_output" | "custom_tool_call_output" => {
            let output = item.get("output").map(Raw::kind);
            let is_fine = matches!(output, Some(Kind::String | Kind::Array));
            lacking(&["call_id"]).or((!is_fine).then_some("output"))
        }
        "local_shell_call"
        | "web_search_call"
        | "tool_search_call"
        | "tool_search_output"
        | "tool_search_call_output"
        | "image_generation_call"
        | "compaction"
        | "compaction_summary"
        | "context_compaction"
        | "agent_message"
        | "additional_tools" => None,
        "ghost_snapshot" => {
            return skipped("a snapshot of the work dir, which older releases made".to_owned());
        }
        unknown => {
            let detail = format!("an item of the type {unknown:.60}; Codex skips it");
            return Some((ProblemKind::UnknownType, detail));
        }
    };
    lacks.and_then(|key| skipped(format!("an item of the type {item_type} without a fit {key}")))
}

/// A message whose content is no list of parts that the program knows.
fn problem_of_content(message: Raw<'_>) -> Option<&'static str> {
    let content = message.get("content").filter(|content| content.kind() == Kind::Array);
    let is_known = |part: Raw<'_>| match text(part, "type").as_deref() {
        Some("input_text" | "output_text") => text(part, "text").is_some(),
        Some("input_image") => text(part, "image_url").is_some(),
        Some("input_audio") => true,
        _ => false,
    };
    match content {
        Some(content) if content.items().all(is_known) => None,
        _ => Some("content"),
    }
}

/// Kinds of items that a turn is told to consist of.
const COMPLETED: &[&str] = &[
    "AgentMessage",
    "CollabAgentToolCall",
    "CommandExecution",
    "ContextCompaction",
    "DynamicToolCall",
    "EnteredReviewMode",
    "ExitedReviewMode",
    "FileChange",
    "HookPrompt",
    "ImageGeneration",
    "ImageView",
    "McpToolCall",
    "Plan",
    "Reasoning",
    "Sleep",
    "SubAgentActivity",
    "UserMessage",
    "WebSearch",
];

/// Why the program skips an item that is said to be completed.
pub(super) fn problem_of_completed(item: Raw<'_>) -> Option<Problem> {
    let Some(item_type) = text(item, "type") else {
        return Some((ProblemKind::NotARecord, "an item without a type".to_owned()));
    };
    if COMPLETED.binary_search(&&*item_type).is_err() {
        let detail = format!("an item of the type {item_type:.60}; Codex skips it");
        return Some((ProblemKind::UnknownType, detail));
    }
    if text(item, "id").is_none() {
        return Some((ProblemKind::Unreadable, "an item without an id".to_owned()));
    }
    None
}

/// Who speaks in an item.
pub(crate) fn role(item: Raw<'_>) -> Cow<'_, str> {
    match text(item, "type").as_deref() {
        Some("message") => text(item, "role").unwrap_or_default(),
        Some(item_type) if item_type.ends_with("_output") => Cow::Borrowed("tool"),
        _ => Cow::Borrowed("assistant"),
    }
}

/// The texts of a message's parts.
pub(crate) fn texts<'a>(message: Raw<'a>) -> impl Iterator<Item = Cow<'a, str>> {
    let content = message.get("content").unwrap_or(Raw::NULL);
    content.items().filter_map(|part| text(part, "text"))
}

/// Whether a user asks something in an item: it is a message of the user's of
/// which no part was put there by the program.
pub(crate) fn is_prompt(item: Raw<'_>) -> bool {
    text(item, "type").is_some_and(|item_type| item_type == "message")
        && text(item, "role").is_some_and(|role| role == "user")
        && !texts(item).any(|text| is_context(&text))
}

/// What a part of the program's own begins and ends with.
const CONTEXTS: [(&str, &str); 8] = [
    ("<environment_context>", "</environment_context>"),
    ("<user_instructions>", "</user_instructions>"),
    ("<user_shell_command>", "</user_shell_command>"),
    ("<turn_aborted>", "</turn_aborted>"),
    ("<subagent_notification>", "</subagent_notification>"),
    ("<skill>", "</skill>"),
    ("<codex_internal_context", "</codex_internal_context>"),
    ("# agents.md instructions for ", "</instructions>"),
];

const WARNINGS: [&str; 2] = [
    "warning: apply_patch was requested via ",
    "warning: the maximum number of unified exec processes ",
];

fn is_context(text: &str) -> bool {
    let text = text.trim();
    let begins =
        |with: &str| text.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
    let ends = |with: &str| {
        let at = text.len().checked_sub(with.len());
        at.and_then(|at| text.get(at..)).is_some_and(|tail| tail.eq_ignore_ascii_case(with))
    };
    CONTEXTS.iter().any(|(open, close)| begins(open) && ends(close))
        || WARNINGS.iter().any(|warning| begins(warning))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json;

    fn with_parts(texts: &[&str]) -> String {
        let part = |text: &&str| format!(r#"{{"type":"input_text","text":{}}}"#, json::spelt(text));
        let parts: Vec<String> = texts.iter().map(part).collect();
        format!(r#"{{"type":"message","role":"user","content":[{}]}}"#, parts.join(","))
    }

    #[test]
    fn a_prompt_is_what_the_program_did_not_put_there() {
        for (texts, expected) in [
            (&["hello"][..], true),
            (&[" <ENVIRONMENT_CONTEXT>\nx</environment_context>\n"], false),
            (&["<environment_context> and no end"], true),
            (&["# AGENTS.md instructions for /w\n<INSTRUCTIONS>x</INSTRUCTIONS>"], false),
            (&["<user_action>x</user_action>"], true),
            (&["hello", "<skill>x</skill>"], false),
            (&["<codex_internal_context a=\"b\">x</codex_internal_context>"], false),
            (&["Warning: apply_patch was requested via shell"], false),
            (&[], true),
        ] {
            let item = with_parts(texts);
            assert_eq!(is_prompt(json::scan(item.as_bytes()).unwrap().0), expected, "{item}");
        }
    }

    #[test]
    fn items_that_the_program_skips_say_why() {
        for (item, expected) in [
            (r#"{"type":"message","role":"user","content":[]}"#, None),
            (r#"{"type":"message","role":"user","content":"x"}"#, Some(ProblemKind::Unreadable)),
            (
                r#"{"type":"message","role":"user","content":[{"type":"x"}]}"#,
                Some(ProblemKind::Unreadable),
            ),
            (r#"{"type":"function_call_output","call_id":"c","output":[]}"#, None),
            (
                r#"{"type":"function_call_output","call_id":"c","output":{}}"#,
                Some(ProblemKind::Unreadable),
            ),
            (r#"{"type":"ghost_snapshot"}"#, Some(ProblemKind::Unreadable)),
            (r#"{"type":"new"}"#, Some(ProblemKind::UnknownType)),
            (r#"{"a":1}"#, Some(ProblemKind::NotARecord)),
        ] {
            let (value, _) = json::scan(item.as_bytes()).unwrap();
            assert_eq!(problem(value).map(|(kind, _)| kind), expected, "{item}");
        }
    }

    #[test]
    fn the_known_kinds_are_in_order() {
        assert!(COMPLETED.is_sorted());
    }
}
