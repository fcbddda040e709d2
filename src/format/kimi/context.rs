//! Parses the lines of a context: what Kimi sends to its model.
//!
//! A record is a message, or one of Kimi's own three: a system prompt, a
//! checkpoint, a token count. What Kimi would skip adds nothing to the restored
//! history here either, but it is an entry of the tree, so that it can be seen.
//! Where Kimi gives up on the whole context (a message without content, an unknown
//! kind of part, an integer of more digits than Python reads, unbounded nesting),
//! this reader continues.

use sha2::{Digest, Sha256};

use super::lax::{self, BadPart};
use super::text;
use crate::format::json::{self, Kind, MAX_DIGITS, Raw};
use crate::model::{ProblemKind, Stored};

/// What a line of a context means.
#[derive(Debug, Default)]
pub(crate) struct ContextLine {
    /// `None` if the line is no record of the tree.
    pub(crate) entry: Option<ContextEntry>,
    pub(crate) problems: Vec<(ProblemKind, String)>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ContextEntry {
    pub(crate) entry_type: &'static str,
    /// The role; `None` if the entry adds nothing to the history.
    pub(crate) role: Option<String>,
}

/// A record, for restoring.
enum Record<'a> {
    SystemPrompt(Raw<'a>),
    Checkpoint(String),
    Usage(String),
    Message(Raw<'a>),
    /// Skipped.
    Invalid(&'static str),
}

pub(crate) fn parse(line: &[u8]) -> ContextLine {
    let mut parsed = ContextLine::default();
    let problems = &mut parsed.problems;
    if text::is_blank(line) {
        return parsed;
    }
    let line_text = String::from_utf8_lossy(line);
    let value = match read(&line_text) {
        Ok((value, features)) => {
            if std::str::from_utf8(line).is_err() {
                problems.push((ProblemKind::InvalidUtf8, "bytes that are not UTF-8".to_owned()));
            }
            if DEEP <= features.depth {
                let detail = format!("nested {} deep; Kimi gives up on it", features.depth);
                problems.push((ProblemKind::Unreadable, detail));
            }
            if features.long_integer {
                problems.push((ProblemKind::Unreadable, LONG_INTEGER.to_owned()));
            }
            value
        }
        Err(detail) => {
            problems.push((ProblemKind::Malformed, detail));
            return parsed;
        }
    };
    if value.kind() != Kind::Object {
        let detail = "a JSON value that is not an object; Kimi skips it".to_owned();
        problems.push((ProblemKind::NotARecord, detail));
        return parsed;
    }
    let (record, problem) = understand(value);
    problems.extend(problem);
    parsed.entry = Some(match record {
        Record::SystemPrompt(_) => ContextEntry { entry_type: "system_prompt", role: None },
        Record::Checkpoint(_) => ContextEntry { entry_type: "checkpoint", role: None },
        Record::Usage(_) => ContextEntry { entry_type: "usage", role: None },
        Record::Message(role) => ContextEntry {
            entry_type: "message",
            role: role.string().map(std::borrow::Cow::into_owned),
        },
        Record::Invalid(entry_type) => ContextEntry { entry_type, role: None },
    });
    parsed
}

/// The nesting at which Python's own reader fails.
pub(super) const DEEP: usize = 100_000;

pub(super) const LONG_INTEGER: &str =
    "an integer of more digits than Python reads; Kimi gives up on it";

/// Reads a line as Python does, including unescaped control characters in strings.
pub(super) fn read(line: &str) -> Result<(Raw<'_>, json::Features), String> {
    match json::scan(line.as_bytes()) {
        Ok((_, features)) if features.comment || features.odd_escape => {
            Err("not JSON: a comment or an escape that JSON does not have".to_owned())
        }
        Ok(scanned) => Ok(scanned),
        Err(err) => Err(format!("not JSON at byte {}: {}", err.offset + 1, err.reason)),
    }
}

fn understand(value: Raw<'_>) -> (Record<'_>, Option<(ProblemKind, String)>) {
    let unreadable = |detail: &str| Some((ProblemKind::Unreadable, detail.to_owned()));
    let role = value.get("role").and_then(Raw::string);
    let Some(role) = role else {
        return (Record::Invalid("unknown"), unreadable("no role; Kimi skips the record"));
    };
    match role.as_ref() {
        "_system_prompt" => match value.get("content") {
            Some(content) if content.kind() == Kind::String => {
                (Record::SystemPrompt(content), None)
            }
            _ => (
                Record::Invalid("system_prompt"),
                unreadable("a system prompt without text; Kimi skips it"),
            ),
        },
        "_checkpoint" => match value.get("id").and_then(lax::exact_integer) {
            Some(id) => (Record::Checkpoint(id), None),
            None => (
                Record::Invalid("checkpoint"),
                unreadable("a checkpoint whose id is not an integer; Kimi skips it"),
            ),
        },
        "_usage" => match value.get("token_count").and_then(lax::exact_integer) {
            Some(tokens) => (Record::Usage(tokens), None),
            None => (
                Record::Invalid("usage"),
                unreadable("a token count that is not an integer; Kimi skips it"),
            ),
        },
        "system" | "user" | "assistant" | "tool" => match check_message(value) {
            Ok(()) => (Record::Message(value.get("role").unwrap_or(Raw::NULL)), None),
            Err((true, detail)) => {
                (Record::Message(value.get("role").unwrap_or(Raw::NULL)), unreadable(detail))
            }
            Err((false, detail)) => (Record::Invalid("message"), unreadable(detail)),
        },
        _ => {
            let detail = format!("a record of the role {role:.60}; Kimi skips it");
            (Record::Invalid("unknown"), Some((ProblemKind::UnknownType, detail)))
        }
    }
}

/// Whether Kimi accepts a message; if not, whether it is shown all the same, and why.
fn check_message(message: Raw<'_>) -> Result<(), (bool, &'static str)> {
    let refuse = |detail| Err((false, detail));
    let is_text = |key: &str| {
        message.get(key).is_none_or(|value| matches!(value.kind(), Kind::String | Kind::Null))
    };
    if !is_text("name") || !is_text("tool_call_id") {
        return refuse("a name or call id that is not a string; Kimi skips the message");
    }
    let partial = message.get("partial").filter(|value| value.kind() != Kind::Null);
    if partial.is_some_and(|value| lax::boolean(value).is_none()) {
        return refuse("`partial` is not a boolean; Kimi skips the message");
    }
    if let Some(calls) = message.get("tool_calls").filter(|value| value.kind() != Kind::Null)
        && (calls.kind() != Kind::Array || !calls.items().all(is_call))
    {
        return refuse("a tool call that Kimi cannot read; it skips the message");
    }
    let Some(content) = message.get("content") else {
        return refuse("a message without content; Kimi cannot open the session");
    };
    match content.kind() {
        Kind::String | Kind::Null => Ok(()),
        Kind::Array => {
            let mut is_known = true;
            for part in content.items() {
                match lax::check_part(part) {
                    Ok(()) => {}
                    Err(BadPart::UnknownType) => is_known = false,
                    Err(BadPart::Invalid) => {
                        return refuse("a part that Kimi cannot read; it skips the message");
                    }
                }
            }
            if is_known {
                Ok(())
            } else {
                Err((true, "a part of an unknown type; Kimi cannot open the session"))
            }
        }
        _ => refuse("content that is neither text nor parts; Kimi skips the message"),
    }
}

fn is_call(call: Raw<'_>) -> bool {
    let is_string =
        |value: Option<Raw<'_>>| value.is_some_and(|value| value.kind() == Kind::String);
    let function = call.get("function").unwrap_or(Raw::NULL);
    call.kind() == Kind::Object
        && call.get("type").is_none_or(|value| value.string().as_deref() == Some("function"))
        && is_string(call.get("id"))
        && is_string(function.get("name"))
        && function
            .get("arguments")
            .is_some_and(|value| matches!(value.kind(), Kind::String | Kind::Null))
        && call
            .get("extras")
            .is_none_or(|extras| matches!(extras.kind(), Kind::Object | Kind::Null))
}

/// The id of an entry, made from its content and its ancestors.
///
/// 16 hex digits of a digest of the parent's id and the record's text, without what
/// may change when Kimi rewrites a context: surrounding white space, and invalid
/// UTF-8. A `salt` distinguishes trees that must not share a trunk.
pub(crate) fn entry_id(parent: Option<&str>, line: &[u8], salt: &[u8]) -> String {
    let mut digest = Sha256::new();
    match parent {
        Some(parent) => digest.update(parent.as_bytes()),
        None => digest.update(salt),
    }
    digest.update(b"\n");
    digest.update(text::strip(&String::from_utf8_lossy(line)).as_bytes());
    digest.finalize().iter().take(8).fold(String::new(), |id, byte| format!("{id}{byte:02x}"))
}

/// The message of a line as JSON: what Kimi keeps of it, without nulls at the top
/// level.
pub(crate) fn message(line: &[u8], instead: &str) -> Option<String> {
    let line = String::from_utf8_lossy(line);
    let (value, _) = read(&line).ok()?;
    let (Record::Message(_), _) = understand(value) else { return None };
    let clean = |value: Raw<'_>| json::clean(value, instead);
    let given = |value: Raw<'_>, key: &str| {
        value.get(key).filter(|value| value.kind() != Kind::Null).map(clean)
    };
    let mut members = vec![format!("\"role\":{}", given(value, "role")?)];
    members.extend(given(value, "name").map(|name| format!("\"name\":{name}")));
    let content = value.get("content").unwrap_or(Raw::NULL);
    members.push(match content.kind() {
        Kind::Array => {
            let parts: Vec<String> =
                content.items().map(|part| known_part(part, instead)).collect();
            format!("\"content\":[{}]", parts.join(","))
        }
        Kind::Null => "\"content\":[]".to_owned(),
        _ => format!("\"content\":{}", clean(content)),
    });
    if let Some(calls) = value.get("tool_calls").filter(|calls| calls.kind() == Kind::Array) {
        let calls: Vec<String> = calls.items().map(|call| known_call(call, instead)).collect();
        members.push(format!("\"tool_calls\":[{}]", calls.join(",")));
    }
    members.extend(given(value, "tool_call_id").map(|id| format!("\"tool_call_id\":{id}")));
    if let Some(partial) = value.get("partial").and_then(lax::boolean) {
        members.push(format!("\"partial\":{partial}"));
    }
    Some(format!("{{{}}}", members.join(",")))
}

/// A part without the keys that Kimi does not know; a part of an unknown type is
/// unchanged.
fn known_part(part: Raw<'_>, instead: &str) -> String {
    let part_type = part.get("type").and_then(Raw::string).unwrap_or_default();
    let null = || "null".to_owned();
    let field = |value: Raw<'_>, key: &str| {
        value.get(key).map_or_else(null, |value| json::clean(value, instead))
    };
    match part_type.as_ref() {
        "text" => format!("{{\"type\":\"text\",\"text\":{}}}", field(part, "text")),
        "think" => format!(
            "{{\"type\":\"think\",\"think\":{},\"encrypted\":{}}}",
            field(part, "think"),
            field(part, "encrypted")
        ),
        media @ ("image_url" | "audio_url" | "video_url") => {
            let inner = part.get(media).unwrap_or(Raw::NULL);
            format!(
                "{{\"type\":\"{media}\",\"{media}\":{{\"url\":{},\"id\":{}}}}}",
                field(inner, "url"),
                field(inner, "id")
            )
        }
        _ => json::clean(part, instead),
    }
}

fn known_call(call: Raw<'_>, instead: &str) -> String {
    let clean = |value: Option<Raw<'_>>| json::clean(value.unwrap_or(Raw::NULL), instead);
    let function = call.get("function").unwrap_or(Raw::NULL);
    let extras = call.get("extras").filter(|extras| extras.kind() == Kind::Object);
    format!(
        "{{\"type\":\"function\",\"id\":{},\"function\":{{\"name\":{},\"arguments\":{}}}{}}}",
        clean(call.get("id")),
        clean(function.get("name")),
        clean(function.get("arguments")),
        extras.map_or(String::new(), |extras| format!(",\"extras\":{}", clean(Some(extras))))
    )
}

/// What a context restores to, besides messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Restored {
    pub(crate) system_prompt: Option<Stored>,
    /// In digits, like the next field: integers may have any length.
    pub(crate) token_count: String,
    pub(crate) token_count_with_pending: String,
    pub(crate) next_checkpoint_id: String,
}

/// Reads the lines of a context from first to last.
#[derive(Debug, Default)]
pub(crate) struct Restoring {
    system_prompt: Option<Stored>,
    token_count: Option<String>,
    /// Characters of text since the last token count.
    pending: u64,
    last_checkpoint: Option<String>,
}

impl Restoring {
    pub(crate) fn take(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let Ok((value, _)) = read(&line) else { return };
        if value.kind() != Kind::Object {
            return;
        }
        match understand(value).0 {
            Record::SystemPrompt(content) => self.system_prompt = text::stored_string(content),
            Record::Checkpoint(id) => self.last_checkpoint = Some(id),
            Record::Usage(tokens) => {
                self.token_count = Some(tokens);
                self.pending = 0;
            }
            Record::Message(_) => self.pending += text_length(value),
            Record::Invalid(_) => {}
        }
    }

    pub(crate) fn finish(self) -> Restored {
        // An integer with too many digits is not one that common readers can read.
        let sum = |digits: &str, more| {
            let sum = add(digits, more);
            if sum.trim_start_matches('-').len() <= MAX_DIGITS { sum } else { "null".to_owned() }
        };
        let token_count = self.token_count.unwrap_or_else(|| "0".to_owned());
        Restored {
            system_prompt: self.system_prompt,
            token_count_with_pending: sum(&token_count, self.pending / 4),
            token_count,
            next_checkpoint_id: self.last_checkpoint.map_or("0".to_owned(), |id| sum(&id, 1)),
        }
    }
}

/// The number of code points in a message's text.
fn text_length(message: Raw<'_>) -> u64 {
    let length = |value: Raw<'_>| text::points(value).map_or(0, |points| points.len() as u64);
    let Some(content) = message.get("content") else { return 0 };
    match content.kind() {
        Kind::String => length(content),
        _ => content
            .items()
            .filter(|part| part.get("type").and_then(Raw::string).as_deref() == Some("text"))
            .filter_map(|part| part.get("text"))
            .map(length)
            .sum(),
    }
}

/// Adds to an integer of any length.
fn add(digits: &str, more: u64) -> String {
    if let Ok(number) = digits.parse::<i128>()
        && let Some(sum) = number.checked_add(i128::from(more))
    {
        return sum.to_string();
    }
    let (is_negative, digits) = match digits.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, digits),
    };
    // A number of 39 digits or more keeps its sign.
    let mut carry = i128::from(more) * if is_negative { -1 } else { 1 };
    let mut sum: Vec<u8> = digits.bytes().map(|digit| digit - b'0').collect();
    for digit in sum.iter_mut().rev() {
        let value = i128::from(*digit) + carry;
        *digit = value.rem_euclid(10) as u8;
        carry = value.div_euclid(10);
    }
    let head = if 0 < carry { carry.to_string() } else { String::new() };
    let tail: String = sum.iter().map(|digit| char::from(b'0' + digit)).collect();
    let digits = format!("{head}{tail}");
    format!("{}{}", if is_negative { "-" } else { "" }, digits.trim_start_matches('0'))
}

/// Whether a line makes Kimi's command line treat the session as used.
///
/// The command line strips the line first; a malformed one counts as use.
pub(crate) fn is_used(line: &[u8]) -> bool {
    let Ok(line) = std::str::from_utf8(line) else { return true };
    let line = text::strip(line);
    if line.is_empty() {
        return false;
    }
    match read(line) {
        Ok((value, _)) if value.kind() == Kind::Object => {
            value.get("role").and_then(Raw::string).is_some_and(|role| !role.starts_with('_'))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restored(lines: &[&str]) -> (Vec<String>, Restored) {
        let mut restoring = Restoring::default();
        lines.iter().for_each(|line| restoring.take(line.as_bytes()));
        let history = lines.iter().filter_map(|line| message(line.as_bytes(), "0")).collect();
        (history, restoring.finish())
    }

    #[test]
    fn of_prompts_and_counts_the_last_valid_one_holds() {
        let (history, restored) = restored(&[
            r#"{"role": "_system_prompt", "content": "one"}"#,
            r#"{"role": "_checkpoint", "id": 7}"#,
            r#"{"role": "_usage", "token_count": 10}"#,
            r#"{"role": "_usage", "token_count": 1.0}"#,
            r#"{"role":"user","content":"12345"}"#,
            r#"{"role":"assistant","content":[{"type":"think","think":"long thoughts"},{"type":"text","text":"678"}]}"#,
            r#"{"role": "_system_prompt", "content": 5}"#,
        ]);

        assert_eq!(history.len(), 2);
        assert_eq!(restored.system_prompt, Some(Stored::Text("one".to_owned())));
        assert_eq!(restored.token_count, "10");
        assert_eq!(restored.token_count_with_pending, "12");
        assert_eq!(restored.next_checkpoint_id, "8");
    }

    #[test]
    fn what_kimi_drops_is_no_message_but_an_entry() {
        for line in [
            r#"{"role":"assistant","content":[],"tool_calls":[{"type":"function","id":"x","function":{"name":"f"}}]}"#,
            r#"{"role":"user","content":5}"#,
            r#"{"role":"user"}"#,
            r#"{"role":"user","content":["a"]}"#,
            r#"{"content":"no role"}"#,
        ] {
            let parsed = parse(line.as_bytes());
            assert_eq!(message(line.as_bytes(), "0"), None, "{line}");
            assert_eq!(parsed.entry.unwrap().role, None, "{line}");
            assert_eq!(parsed.problems.len(), 1, "{line}");
        }
    }

    #[test]
    fn unknown_keys_are_no_part_of_a_message() {
        let line =
            r#"{"role":"user","content":[{"type":"text","text":"t","extra":1}],"k":1,"name":null}"#;
        assert_eq!(
            message(line.as_bytes(), "0").unwrap(),
            r#"{"role":"user","content":[{"type":"text","text":"t"}]}"#
        );
    }

    #[test]
    fn an_id_survives_what_rewriting_changes() {
        let id = entry_id(Some("p"), b"{\"a\":\"\xff\"}\r\n", b"");
        assert_eq!(id, entry_id(Some("p"), " {\"a\":\"\u{fffd}\"}\n".as_bytes(), b""));
        assert_ne!(id, entry_id(None, b"{\"a\":\"\xff\"}", b""));
        assert_eq!(id.len(), 16);
    }

    #[test]
    fn integers_of_any_length_are_counted_on() {
        assert_eq!(add(&"9".repeat(50), 1), format!("1{}", "0".repeat(50)));
        assert_eq!(add(&format!("-1{}", "0".repeat(50)), 1), format!("-{}", "9".repeat(50)));
        assert_eq!(add("-1", 1), "0");
    }
}
