//! Parses the lines of a wire: what the user saw, event by event, with the turns.
//!
//! Kimi has three readers that differ. The one that counts turns accepts every
//! strict JSON record. The web list's title search stops at the first surprise. The
//! command line's reader validates the models of its messages, and also rejects
//! deep nesting and lone surrogates. What one of them would fail on is a problem
//! here, and the line after it is read all the same.

use super::payload::{self, Payload};
use super::{context, lax, text};
use crate::format::json::{self, Features, Kind, Raw};
use crate::model::{ProblemKind, Stored, Timestamp};

/// The deepest nesting that the command line's reader accepts.
pub(super) const MAX_DEPTH: usize = 200;

/// What a line of a wire means.
#[derive(Debug, Default)]
pub(crate) struct WireLine {
    /// The type of its message; `None` for a header and for what is no record.
    pub(crate) message_type: Option<String>,
    pub(crate) at: Option<Timestamp>,
    /// The user's prompt, if a turn begins here.
    pub(crate) turn: Option<Stored>,
    /// The id and name of a tool call.
    pub(crate) call: Option<(Option<String>, Option<String>)>,
    /// The call that a result belongs to, and whether it failed.
    pub(crate) result: Option<(String, bool)>,
    pub(crate) problems: Vec<(ProblemKind, String)>,
}

pub(crate) fn parse(line: &[u8]) -> WireLine {
    let mut parsed = WireLine::default();
    let text = String::from_utf8_lossy(line);
    let text = text::strip(&text);
    if text.is_empty() {
        return parsed;
    }
    if std::str::from_utf8(line).is_err() {
        parsed.problems.push((ProblemKind::InvalidUtf8, "bytes that are not UTF-8".to_owned()));
    }
    let (value, features) = match strict(text) {
        Ok(read) => read,
        Err(detail) => {
            parsed.problems.push((ProblemKind::Malformed, detail));
            return parsed;
        }
    };
    // The reader that counts turns has this definition of a header.
    if is_header(value) && (is_metadata(value) || value.get("message").is_none()) {
        return parsed;
    }
    if is_metadata(value) {
        let detail = "a header whose version is not a string; Kimi ignores it".to_owned();
        parsed.problems.push((ProblemKind::Unreadable, detail));
        return parsed;
    }
    let message = value.get("message").unwrap_or(Raw::NULL);
    let Some(message_type) = message.get("type").and_then(Raw::string) else {
        let detail = "no record: it has no message of a type".to_owned();
        parsed.problems.push((ProblemKind::NotARecord, detail));
        return parsed;
    };
    let payload = message.get("payload").unwrap_or(Raw::NULL);
    if features.long_integer {
        parsed.problems.push((ProblemKind::Unreadable, context::LONG_INTEGER.to_owned()));
    }
    parsed.read_time(value);
    parsed.problems.extend(problem_of(&message_type, payload, features.depth));
    parsed.read_payload(&message_type, payload);
    parsed.message_type = Some(message_type.into_owned());
    parsed
}

impl WireLine {
    fn read_time(&mut self, value: Raw<'_>) {
        let seconds = value.get("timestamp").and_then(lax::float);
        self.at = seconds.and_then(instant);
        if seconds.is_none() {
            let detail = "a record without a time; Kimi's command line skips it".to_owned();
            self.problems.push((ProblemKind::Unreadable, detail));
        } else if self.at.is_none() {
            let detail = "a time beyond what the store can hold".to_owned();
            self.problems.push((ProblemKind::Time, detail));
        }
    }

    /// Reads turns and tool calls.
    fn read_payload(&mut self, message_type: &str, payload: Raw<'_>) {
        let field =
            |key: &str| payload.get(key).and_then(Raw::string).map(std::borrow::Cow::into_owned);
        match message_type {
            "TurnBegin" => self.turn = Some(text::stored(&turn_text(payload.get("user_input")))),
            "ToolCall" => {
                let function = payload.get("function").unwrap_or(Raw::NULL);
                let name =
                    function.get("name").and_then(Raw::string).map(std::borrow::Cow::into_owned);
                self.call = Some((field("id"), name));
            }
            "ToolCallRequest" => self.call = Some((field("id"), field("name"))),
            "ToolResult" => {
                let value = payload.get("return_value").unwrap_or(Raw::NULL);
                let is_error = value.get("is_error").and_then(lax::boolean).unwrap_or_default();
                self.result = field("tool_call_id").map(|id| (id, is_error));
            }
            _ => {}
        }
    }
}

/// What one of Kimi's readers would fail on in a message.
fn problem_of(message_type: &str, payload: Raw<'_>, depth: usize) -> Option<(ProblemKind, String)> {
    if MAX_DEPTH < depth {
        let detail = format!("nested {depth} deep; Kimi's command line skips it");
        return Some((ProblemKind::Unreadable, detail));
    }
    match payload::check(message_type, payload) {
        Payload::Valid => None,
        Payload::Invalid => {
            let detail = format!("a payload that is not a {message_type:.60}");
            Some((ProblemKind::Unreadable, detail))
        }
        Payload::Unknown => {
            let detail =
                format!("a message of the type {message_type:.60}, which Kimi never wrote");
            Some((ProblemKind::UnknownType, detail))
        }
    }
}

/// Reads a line as Python does in strict mode: no unescaped control characters in
/// strings.
pub(super) fn strict(line: &str) -> Result<(Raw<'_>, Features), String> {
    match context::read(line)? {
        (_, features) if features.control_character => {
            Err("not JSON: a raw control character inside a string".to_owned())
        }
        read => Ok(read),
    }
}

/// The time of a number of seconds, in microseconds as Python computes them.
pub(crate) fn instant(seconds: f64) -> Option<Timestamp> {
    let whole = seconds.trunc();
    let micros = ((seconds - whole) * 1e6).round_ties_even();
    (whole.abs() < 9.2e9).then(|| Timestamp((whole as i64 * 1_000_000 + micros as i64) * 1_000))
}

/// A header has its version as text, and may have a type.
pub(super) fn is_header(value: Raw<'_>) -> bool {
    value.get("protocol_version").is_some_and(|version| version.kind() == Kind::String)
        && (value.get("type").is_none() || is_metadata(value))
}

pub(super) fn is_metadata(value: Raw<'_>) -> bool {
    value.get("type").and_then(Raw::string).as_deref() == Some("metadata")
}

/// The text of a prompt as the counter of turns reads it: of every part that has
/// text.
fn turn_text(input: Option<Raw<'_>>) -> Vec<u32> {
    let Some(input) = input else { return Vec::new() };
    match input.kind() {
        Kind::String => text::points(input).unwrap_or_default(),
        Kind::Array => {
            let of_part = |part: Raw<'_>| match part.kind() {
                Kind::String => text::points(part),
                _ => part.get("text").and_then(text::points),
            };
            joined(input.items().filter_map(of_part))
        }
        // Python iterates over the keys of an object.
        Kind::Object => {
            let keys = json::distinct_members(input).into_iter();
            joined(keys.map(|(key, _)| key.text().chars().map(u32::from).collect()))
        }
        _ => Vec::new(),
    }
}

pub(super) fn joined(texts: impl Iterator<Item = Vec<u32>>) -> Vec<u32> {
    let texts: Vec<Vec<u32>> = texts.collect();
    texts.join(&u32::from(' '))
}

/// What Python treats as true.
pub(super) fn is_true(value: Raw<'_>) -> bool {
    match value.kind() {
        Kind::Null | Kind::False => false,
        Kind::True => true,
        Kind::Number => lax::number(value.bytes()) != Some(0.0),
        Kind::String => value.bytes().len() > 2,
        Kind::Array => value.items().next().is_some(),
        Kind::Object => value.members().next().is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(input: &str) -> Vec<u8> {
        format!(
            "{{\"timestamp\": 1.5, \"message\": {{\"type\": \"TurnBegin\", \"payload\": {{\"user_input\": {input}}}}}}}\n"
        )
        .into_bytes()
    }

    #[test]
    fn times_are_rounded_as_python_rounds_them() {
        for (seconds, expected) in [
            (1.0000005, 1_000_001),
            (1.0000015, 1_000_001),
            (-1.5, -1_500_000),
            (0.9999999, 1_000_000),
        ] {
            assert_eq!(instant(seconds), Some(Timestamp(expected * 1_000)), "{seconds}");
        }
        assert_eq!(instant(1e10), None);
        assert_eq!(instant(f64::NAN), None);
    }

    #[test]
    fn a_turn_counts_in_what_would_be_a_header() {
        let line = br#"{"protocol_version":"1","message":{"type":"TurnBegin","payload":{"user_input":"a"}}}"#;
        assert_eq!(parse(line).turn.unwrap().to_text(), "a");
        let line = br#"{"type":"metadata","protocol_version":"1","message":{"type":"TurnBegin","payload":{}}}"#;
        assert_eq!(parse(line).turn, None);
    }

    #[test]
    fn a_turn_counts_whatever_its_input_is() {
        for (input, expected) in
            [("\"a\"", "a"), ("[{\"text\":\"a\"},\"b\",{\"x\":1}]", "a b"), ("5", ""), ("null", "")]
        {
            assert_eq!(parse(&turn(input)).turn.unwrap().to_text(), expected, "{input}");
        }
    }
}
