//! Items of the conversation: what is sent to the model, and what it answers.

use std::borrow::Cow;

use super::record::{Problem, text};
use super::shape::{self, Field};
use super::shapes;
use crate::format::json::Raw;
use crate::model::ProblemKind;

/// Why the program leaves an item out of the conversation; `None` if it does not.
pub(crate) fn problem(item: Raw<'_>) -> Option<Problem> {
    let Some(item_type) = text(item, "type") else {
        return Some((ProblemKind::NotARecord, "an item without a type".to_owned()));
    };
    if item_type == "ghost_snapshot" {
        let detail = "a snapshot of the work dir, which older releases made; Codex skips it";
        return Some((ProblemKind::Unreadable, detail.to_owned()));
    }
    misfit(item, &item_type, shapes::of_item(&item_type))
}

/// Why the program skips a completed item.
pub(super) fn problem_of_completed(item: Raw<'_>) -> Option<Problem> {
    let Some(item_type) = text(item, "type") else {
        return Some((ProblemKind::NotARecord, "an item without a type".to_owned()));
    };
    misfit(item, &item_type, shapes::of_completed(&item_type))
}

fn misfit(item: Raw<'_>, item_type: &str, fields: Option<&'static [Field]>) -> Option<Problem> {
    let Some(fields) = fields else {
        let detail = format!("an item of the type {item_type:.60}; Codex skips it");
        return Some((ProblemKind::UnknownType, detail));
    };
    let key = shape::misfit(item, fields)?;
    let detail = format!("an item of the type {item_type} without a valid {key}; Codex skips it");
    Some((ProblemKind::Unreadable, detail))
}

/// The role of an item.
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

/// Whether an item is a prompt: a user's message without any part that the program
/// added.
pub(crate) fn is_prompt(item: Raw<'_>) -> bool {
    text(item, "type").is_some_and(|item_type| item_type == "message")
        && text(item, "role").is_some_and(|role| role == "user")
        && !texts(item).any(|text| is_context(&text))
}

/// Whether an item tells the model what changed before a prompt.
pub(crate) fn is_update(item: Raw<'_>) -> bool {
    let begins = |text: Cow<'_, str>| {
        let text = text.trim_start();
        let head = |tag| text.get(..str::len(tag)).is_some_and(|s| s.eq_ignore_ascii_case(tag));
        UPDATES.into_iter().any(head)
    };
    text(item, "type").is_some_and(|item_type| item_type == "message")
        && match &*role(item) {
            "user" => !is_prompt(item),
            "developer" => texts(item).any(begins),
            _ => false,
        }
}

/// The beginnings of message parts that tell the model what changed.
const UPDATES: [&str; 12] = [
    "<apps_instructions>",
    "<collaboration_mode>",
    "<context_window>",
    "<model_switch>",
    "<multi_agent_mode>",
    "<permissions instructions>",
    "<personality_spec>",
    "<plugins_instructions>",
    "<realtime_conversation>",
    "<rollout_budget>",
    "<skills_instructions>",
    "<token_budget>",
];

/// The beginnings and ends of parts that the program adds.
const CONTEXTS: [(&str, &str); 9] = [
    ("<environment_context>", "</environment_context>"),
    ("<user_instructions>", "</user_instructions>"),
    ("<user_shell_command>", "</user_shell_command>"),
    ("<turn_aborted>", "</turn_aborted>"),
    ("<subagent_notification>", "</subagent_notification>"),
    ("<skill>", "</skill>"),
    ("<goal_context>", "</goal_context>"),
    ("<recommended_plugins>", "</recommended_plugins>"),
    ("# agents.md instructions", "</instructions>"),
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
        || is_internal(text)
        || WARNINGS.iter().any(|warning| begins(warning))
}

/// Whether a text is a context with an attribute that names its origin.
fn is_internal(text: &str) -> bool {
    let source = text.strip_prefix("<codex_internal_context source=\"");
    let rest = source.and_then(|source| source.split_once('"')).map(|(_, rest)| rest);
    rest.is_some_and(|rest| rest.starts_with('>') && rest.ends_with("</codex_internal_context>"))
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
            (&["<codex_internal_context source=\"b\">x</codex_internal_context>"], false),
            (&["<codex_internal_context>x</codex_internal_context>"], true),
            (&["<goal_context>x</goal_context>"], false),
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
}
