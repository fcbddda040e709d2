//! The conversation that a path restores to.
//!
//! The last compaction of a path replaces everything before what it keeps; older
//! ones add nothing. In the rest, an edit changes or removes the message of the
//! entry that it names, and the last edit wins.

use super::date;
use super::text::{string, text_of};
use crate::format::KeptMessages;
use crate::format::json::{self, Kind, Object, Raw};
use crate::model::{Role, Step, StepKind, Stored};

/// The steps that count, including edits.
pub(in crate::format) fn restore(path: &[Step], kept: &[(i64, Option<KeptMessages>)]) -> Vec<Step> {
    let adds = |step: &&Step| matches!(step.kind, StepKind::Message | StepKind::Edit);
    let Some(last) = path.iter().rposition(|step| step.kind == StepKind::Compaction) else {
        return path.iter().filter(adds).copied().collect();
    };
    let mut list = vec![path[last]];
    let first_kept = kept.iter().find(|(key, _)| *key == path[last].key);
    if let Some((_, Some(first))) = first_kept {
        let is_first =
            |(n, step): (usize, &Step)| first.keys.contains(&step.key) || first.position == Some(n);
        let start = path[..last].iter().enumerate().position(is_first).unwrap_or(last);
        let is_kept = |step: &&Step| adds(step) && step.role != Role::System;
        list.extend(path[start..last].iter().filter(is_kept));
    }
    list.extend(path[last + 1..].iter().filter(adds));
    list
}

/// The id of the entry that an edit changes.
pub(in crate::format) fn edit_target(line: &[u8]) -> Option<String> {
    let (value, _) = json::scan(line).ok()?;
    value.get("targetId").map(super::text::id_text)
}

/// The messages that an entry adds, after the edit in another line.
pub(in crate::format) fn messages(
    version: Option<&Stored>,
    line: &[u8],
    edit: Option<&[u8]>,
    instead: &str,
) -> Vec<String> {
    let Ok((value, _)) = json::scan(line) else { return Vec::new() };
    let value = value.object();
    let scanned = edit.and_then(|edit| json::scan(edit).ok());
    let replacement = scanned.map(|(edit, _)| edit.get("replacement").unwrap_or(Raw::NULL));
    if replacement.is_some_and(|replacement| replacement.kind() == Kind::Null) {
        return Vec::new();
    }
    let edit = replacement.map(|replacement| replacement.get("content"));
    let clean = |value: Raw<'_>| json::clean_doubles(value, instead);
    let member = |key: &str| value.get(key).map(|value| format!("\"{key}\":{}", clean(value)));
    let object = |role: &str, members: Vec<Option<String>>| {
        let role = format!("\"role\":\"{role}\"");
        let members = members.into_iter().flatten();
        let members: Vec<_> =
            [role].into_iter().chain(members).chain([timestamp(&value)]).collect();
        format!("{{{}}}", members.join(","))
    };
    match string(value.get("type")).as_deref() {
        Some("message") => {
            let message = value.get("message").filter(|message| message.kind() != Kind::Null);
            let is_old = !super::version::is_current(version);
            let edited = |message| edited(message, is_old, edit, instead);
            message.map(edited).into_iter().collect()
        }
        Some("custom_message") => {
            let own = value.get("content").filter(|content| content.kind() != Kind::Null);
            let content = match edit {
                Some(content) => content.map(clean),
                None => Some(own.map_or("[]".to_owned(), clean)),
            };
            let content = content.map(|content| format!("\"content\":{content}"));
            let members = vec![member("customType"), content, member("display"), member("details")];
            vec![object("custom", members)]
        }
        Some("branch_summary") => {
            vec![object("branchSummary", vec![member("summary"), member("fromId")])]
        }
        Some("compaction") => {
            let system =
                value.get("systemMessage").filter(|system| !super::text::is_falsy(*system));
            let summary =
                object("compactionSummary", vec![member("summary"), member("tokensBefore")]);
            system.map(clean).into_iter().chain([summary]).collect()
        }
        _ => Vec::new(),
    }
}

/// The time of an entry in milliseconds, as a message has it.
fn timestamp(value: &Object<'_>) -> String {
    let millis = value.get("timestamp").and_then(date::millis);
    format!("\"timestamp\":{}", millis.map_or("null".to_owned(), |millis| millis.to_string()))
}

/// What an edit does to the content of a message.
enum Content {
    AsItIs,
    Set(String),
    /// The edit has no content, so pi removes it from the message.
    TakenAway,
}

/// A message with its own content, or with that of an edit. A hook message of older
/// versions gets the role that pi uses today.
fn edited(message: Raw<'_>, is_old: bool, edit: Option<Option<Raw<'_>>>, instead: &str) -> String {
    let members = message.object();
    let mut role = string(members.get("role")).unwrap_or_default();
    let is_renamed = is_old && role == "hookMessage";
    if is_renamed {
        role = "custom".to_owned();
    }
    let has_own = members.get("content").is_some_and(|content| content.kind() != Kind::Null);
    let content = content_of(&role, has_own, edit, instead);
    if matches!(content, Content::AsItIs) && !is_renamed {
        return json::clean_doubles(message, instead);
    }
    let mut members = Vec::new();
    let mut is_placed = false;
    for (key, value) in json::distinct_members(message) {
        let is_content = key.is("content");
        is_placed |= is_content;
        let value = match &content {
            Content::Set(content) if is_content => content.clone(),
            Content::TakenAway if is_content => continue,
            _ if is_renamed && key.is("role") => "\"custom\"".to_owned(),
            _ => json::clean_doubles(value, instead),
        };
        members.push(format!("{}:{value}", json::spelt(&key.text())));
    }
    if let Content::Set(content) = content
        && !is_placed
    {
        members.push(format!("\"content\":{content}"));
    }
    format!("{{{}}}", members.join(","))
}

/// The content of a message: that of an edit, or what pi substitutes for a missing
/// one.
fn content_of(role: &str, has_own: bool, edit: Option<Option<Raw<'_>>>, instead: &str) -> Content {
    let is_edited = matches!(role, "user" | "assistant" | "toolResult" | "custom");
    match (edit.filter(|_| is_edited), role) {
        (Some(None), _) => Content::TakenAway,
        (Some(Some(text)), "assistant" | "toolResult") if text.kind() == Kind::String => {
            let text = json::clean_doubles(text, instead);
            Content::Set(format!("[{{\"type\":\"text\",\"text\":{text}}}]"))
        }
        (Some(Some(content)), _) => Content::Set(json::clean_doubles(content, instead)),
        (None, "system") if !has_own => Content::Set("\"\"".to_owned()),
        (None, "user" | "assistant" | "toolResult") if !has_own => Content::Set("[]".to_owned()),
        (None, _) => Content::AsItIs,
    }
}

/// What lists show of the first prompt: all of it.
pub(in crate::format) fn first_message(line: &[u8]) -> Stored {
    let value = json::scan(line).map_or(Raw::NULL, |(value, _)| value);
    json::stored_points(&super::text::points_of(value.get("message").unwrap_or(Raw::NULL)))
}

/// The text of the message in an entry's line, with white space unchanged.
pub(super) fn text_of_line(line: &[u8]) -> String {
    let Ok((value, _)) = json::scan(line) else { return String::new() };
    match string(value.get("type")).as_deref() {
        Some("custom_message") => text_of(value),
        Some("compaction" | "branch_summary") => string(value.get("summary")).unwrap_or_default(),
        _ => value.get("message").map(text_of).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(key: i64, kind: StepKind, role: Role) -> Step {
        Step { key, kind, role }
    }

    #[test]
    fn the_last_compaction_keeps_what_it_names_but_system_messages() {
        let message = |key| step(key, StepKind::Message, Role::Counted);
        let path = [
            message(1),
            step(2, StepKind::Compaction, Role::CompactionSummary),
            step(3, StepKind::Message, Role::System),
            message(4),
            step(5, StepKind::Edit, Role::Other),
            step(6, StepKind::Compaction, Role::CompactionSummary),
            step(7, StepKind::Silent, Role::Other),
            message(8),
        ];
        let keys = |kept: Option<KeptMessages>| -> Vec<i64> {
            restore(&path, &[(2, None), (6, kept)]).iter().map(|step| step.key).collect()
        };
        let named = |key| Some(KeptMessages { keys: [key].into(), position: None });

        assert_eq!(keys(named(1)), [6, 1, 4, 5, 8]);
        assert_eq!(keys(named(4)), [6, 4, 5, 8]);
        assert_eq!(keys(named(8)), [6, 8]);
        assert_eq!(keys(None), [6, 8]);
    }

    #[test]
    fn an_edit_replaces_content_or_takes_the_message_away() {
        let line = br#"{"type":"message","message":{"role":"assistant","content":[],"x":1}}"#;
        let edit = |replacement: &str| {
            let edit = format!(r#"{{"type":"context_edit","replacement":{replacement}}}"#);
            messages(None, line, Some(edit.as_bytes()), "0")
        };

        assert_eq!(edit("null"), [""; 0]);
        assert_eq!(
            edit(r#"{"content":"t"}"#),
            [r#"{"role":"assistant","content":[{"type":"text","text":"t"}],"x":1}"#]
        );
        assert_eq!(edit("{}"), [r#"{"role":"assistant","x":1}"#]);
        assert_eq!(edit("5"), [r#"{"role":"assistant","x":1}"#]);

        let own = br#"{"type":"custom_message","customType":"c","content":"own","timestamp":0}"#;
        let edit = br#"{"type":"context_edit","replacement":{}}"#;
        assert_eq!(
            messages(None, own, Some(edit), "0"),
            [r#"{"role":"custom","customType":"c","timestamp":0}"#]
        );
    }

    #[test]
    fn missing_content_is_made_up_for() {
        let of = |message: &str| {
            let line = format!(r#"{{"type":"message","message":{message}}}"#);
            messages(None, line.as_bytes(), None, "0").concat()
        };
        assert_eq!(of(r#"{"role":"user","content":null}"#), r#"{"role":"user","content":[]}"#);
        assert_eq!(of(r#"{"role":"system"}"#), r#"{"role":"system","content":""}"#);
        assert_eq!(of(r#"{"role":"bashExecution"}"#), r#"{"role":"bashExecution"}"#);
        assert_eq!(of(r#"{"role":"hookMessage"}"#), r#"{"role":"custom"}"#);
    }
}
