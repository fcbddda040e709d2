//! Parses the lines of a rollout.
//!
//! The program silently ignores every line that it does not understand as a record.
//! Here such a line is kept and reported, and ignored as well. Where the program
//! rejects a whole file (invalid UTF-8, a byte order mark, an unsuitable header),
//! this reader continues.

use std::borrow::Cow;

use super::{item, shape, shapes};
use crate::format::json::{self, Kind, Raw};
use crate::model::{ProblemKind, Timestamp};

/// The deepest nesting of a line that the program reads.
pub(crate) const DEPTH: usize = 127;

/// What is wrong with a line.
pub(crate) type Problem = (ProblemKind, String);

/// A line: blank, a record, or something that is skipped.
#[derive(Debug, Default)]
pub(crate) struct Line<'a> {
    pub(crate) record: Option<Record<'a>>,
    pub(crate) problems: Vec<Problem>,
}

#[derive(Clone, Debug)]
pub(crate) struct Record<'a> {
    /// As spelt.
    pub(crate) timestamp: Option<Cow<'a, str>>,
    /// The position in the thread's whole history, in threads that count their
    /// records.
    pub(crate) ordinal: Option<u64>,
    pub(crate) body: Body<'a>,
}

impl Record<'_> {
    pub(crate) fn at(&self) -> Option<Timestamp> {
        self.timestamp.as_deref().and_then(Timestamp::parse)
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Body<'a> {
    /// Metadata of the thread.
    Meta(Raw<'a>),
    TurnContext(Raw<'a>),
    /// An item that is sent to the model, or comes from it.
    Item(Raw<'a>),
    Event(Event<'a>),
    Compacted(Raw<'a>),
    /// A record that no rule concerns, by its type.
    Other(Cow<'a, str>),
}

/// An event that the program shows to its user.
#[derive(Clone, Debug)]
pub(crate) enum Event<'a> {
    TaskStarted {
        turn_id: Cow<'a, str>,
    },
    TaskComplete {
        turn_id: Cow<'a, str>,
        error: Option<Raw<'a>>,
    },
    TurnAborted {
        turn_id: Option<Cow<'a, str>>,
    },
    UserMessage(Raw<'a>),
    AgentMessage(Cow<'a, str>),
    Reasoning(Cow<'a, str>),
    RawReasoning(Cow<'a, str>),
    WebSearchEnd {
        call_id: Cow<'a, str>,
        query: Cow<'a, str>,
    },
    ToolCallEnd {
        call_id: Cow<'a, str>,
    },
    PatchEnd {
        call_id: Cow<'a, str>,
        turn_id: Option<Cow<'a, str>>,
    },
    Compacted,
    EnteredReview(Raw<'a>),
    ExitedReview(Raw<'a>),
    ItemCompleted {
        turn_id: Cow<'a, str>,
        item: Raw<'a>,
    },
    RolledBack(u32),
    TokenCount(Raw<'a>),
    Settings(Raw<'a>),
    /// An event that no rule concerns, by its type.
    Other(Cow<'a, str>),
}

impl Event<'_> {
    /// The name as spelt, or the present name of one that later releases renamed.
    pub(crate) fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Self::TaskStarted { .. } => "task_started",
            Self::TaskComplete { .. } => "task_complete",
            Self::TurnAborted { .. } => "turn_aborted",
            Self::UserMessage(_) => "user_message",
            Self::AgentMessage(_) => "agent_message",
            Self::Reasoning(_) => "agent_reasoning",
            Self::RawReasoning(_) => "agent_reasoning_raw_content",
            Self::WebSearchEnd { .. } => "web_search_end",
            Self::ToolCallEnd { .. } => "mcp_tool_call_end",
            Self::PatchEnd { .. } => "patch_apply_end",
            Self::Compacted => "context_compacted",
            Self::EnteredReview(_) => "entered_review_mode",
            Self::ExitedReview(_) => "exited_review_mode",
            Self::ItemCompleted { .. } => "item_completed",
            Self::RolledBack(_) => "thread_rolled_back",
            Self::TokenCount(_) => "token_count",
            Self::Settings(_) => "thread_settings_applied",
            Self::Other(name) => return Cow::Borrowed(name),
        })
    }
}

/// Parses a line with an envelope: `timestamp`, `type` and `payload`.
pub(crate) fn parse(line: &[u8]) -> Line<'_> {
    let mut parsed = Line::default();
    let Some(value) = read(line, &mut parsed.problems) else { return parsed };
    let has_mark = parsed.problems.iter().any(|(kind, _)| *kind == ProblemKind::Unreadable);
    match understand(value) {
        // After a byte order mark, only the record that begins a file counts.
        Ok(Record { body, .. }) if has_mark && !matches!(body, Body::Meta(_)) => {}
        Ok(record) => parsed.record = Some(record),
        Err(problem) => parsed.problems.push(problem),
    }
    parsed
}

/// Parses a line of the releases that wrote no envelopes.
pub(crate) fn parse_bare(line: &[u8]) -> Line<'_> {
    let mut parsed = Line::default();
    let Some(value) = read(line, &mut parsed.problems) else { return parsed };
    let other = if value.get("record_type").is_some() {
        Some("state")
    } else {
        (text(value, "type").is_none() && text(value, "id").is_some()).then_some("session")
    };
    if let Some(other) = other {
        parsed.record = Some(bare(Body::Other(Cow::Borrowed(other))));
        return parsed;
    }
    match item::problem(value) {
        None => parsed.record = Some(bare(Body::Item(value))),
        Some(problem) => parsed.problems.push(problem),
    }
    parsed
}

fn bare(body: Body<'_>) -> Record<'_> {
    Record { timestamp: None, ordinal: None, body }
}

/// The item or compaction in the bytes of an entry, with or without an envelope.
pub(crate) fn of_entry(bytes: &[u8]) -> Option<Record<'_>> {
    parse(bytes).record.or_else(|| parse_bare(bytes).record)
}

/// The value of a line; `None` for a blank one, or one that is not JSON.
pub(crate) fn read<'a>(line: &'a [u8], problems: &mut Vec<Problem>) -> Option<Raw<'a>> {
    let mut bytes = line;
    if let Some(rest) = line.strip_prefix(b"\xef\xbb\xbf") {
        bytes = rest;
        let detail = "a byte order mark; Codex cannot read the line, nor the file that it begins";
        let detail = detail.to_owned();
        problems.push((ProblemKind::Unreadable, detail));
    }
    if bytes.trim_ascii().is_empty() || std::str::from_utf8(bytes).is_ok_and(is_blank) {
        return None;
    }
    let (value, features) = match json::scan(bytes) {
        Ok(read) => read,
        Err(err) => {
            let detail = format!("not JSON at byte {}: {}", err.offset + 1, err.reason);
            problems.push((ProblemKind::Malformed, detail));
            return None;
        }
    };
    if features.invalid_utf8 {
        let detail = "bytes that are not UTF-8; Codex cannot read the file".to_owned();
        problems.push((ProblemKind::InvalidUtf8, detail));
    }
    let refused = if features.comment || features.odd_escape || features.control_character {
        Some((
            ProblemKind::Malformed,
            "not JSON: a comment, an escape or a character that it does not have",
        ))
    } else if features.non_finite || features.wide_integer {
        Some((ProblemKind::Number, "a number that Codex cannot read; it skips the line"))
    } else if DEPTH < features.depth {
        Some((ProblemKind::Unreadable, "nested deeper than Codex reads; it skips the line"))
    } else if has_half_pair(bytes) {
        Some((ProblemKind::Unreadable, "half a surrogate pair; Codex skips the line"))
    } else {
        None
    };
    if let Some((kind, detail)) = refused {
        problems.push((kind, detail.to_owned()));
        return None;
    }
    if value.kind() != Kind::Object {
        let detail = "a JSON value that is not an object; Codex skips it".to_owned();
        problems.push((ProblemKind::NotARecord, detail));
        return None;
    }
    Some(value)
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// Whether a line of JSON has an escape of a lone surrogate.
fn has_half_pair(line: &[u8]) -> bool {
    let unit = |at: usize| {
        let digits = line.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut at = 0;
    while let Some(next) = memchr::memchr(b'\\', line.get(at..).unwrap_or_default()) {
        at += next;
        match unit(at) {
            Some(0xD800..=0xDBFF) => {
                if !matches!(unit(at + 6), Some(0xDC00..=0xDFFF)) {
                    return true;
                }
                at += 12;
            }
            Some(0xDC00..=0xDFFF) => return true,
            Some(_) => at += 6,
            None => at += 2,
        }
    }
    false
}

fn understand(value: Raw<'_>) -> Result<Record<'_>, Problem> {
    let skipped = |detail: &str| (ProblemKind::NotARecord, format!("{detail}; Codex skips it"));
    let timestamp = text(value, "timestamp").ok_or_else(|| skipped("no timestamp"))?;
    let record_type = text(value, "type").ok_or_else(|| skipped("no type"))?;
    let payload = value.get("payload").filter(|payload| payload.kind() == Kind::Object);
    let payload = payload.ok_or_else(|| skipped("no payload"))?;
    let around = if record_type == "response_item" { shapes::AROUND_ITEM } else { shapes::AROUND };
    if let Some(key) = shape::misfit(value, around) {
        return Err(unfit("line", key));
    }
    let body = match &*record_type {
        "session_meta" if text(payload, "id").is_none() => {
            return Err((ProblemKind::Header, "a session_meta without an id".to_owned()));
        }
        "session_meta" => Body::Meta(payload),
        "turn_context" => turn_context(payload)?,
        "response_item" => match item::problem(payload) {
            None => Body::Item(payload),
            Some(problem) => return Err(problem),
        },
        "event_msg" => Body::Event(event(payload)?),
        "compacted" => match shape::misfit(payload, shapes::COMPACTED) {
            None => Body::Compacted(payload),
            Some(key) => return Err(unfit("compaction", key)),
        },
        "world_state"
        | "token_usage_record"
        | "inter_agent_communication"
        | "inter_agent_communication_metadata"
        | "security_risk_score"
        | "retained_context"
        | "realtime_item" => Body::Other(record_type),
        unknown => {
            let detail = format!("a record of the type {unknown:.60}; Codex skips it");
            return Err((ProblemKind::UnknownType, detail));
        }
    };
    let ordinal = value.get("ordinal").and_then(number);
    Ok(Record { timestamp: Some(timestamp), ordinal, body })
}

/// A record that does not match the shape of its type.
fn unfit(name: &str, key: &str) -> Problem {
    (ProblemKind::Unreadable, format!("a {name} without a valid {key}; Codex skips it"))
}

fn turn_context(payload: Raw<'_>) -> Result<Body<'_>, Problem> {
    let policy = payload.get("sandbox_policy");
    if policy.is_some_and(|policy| text(policy, "type").is_none()) {
        let detail = "a turn_context of an older release; Codex skips it".to_owned();
        return Err((ProblemKind::Unreadable, detail));
    }
    Ok(Body::TurnContext(payload))
}

/// The settings in a `turn_context` of any release, even if the line is skipped.
pub(crate) fn settings_of_turn(line: &[u8]) -> Option<Raw<'_>> {
    let (value, _) = json::scan(line).ok()?;
    let is_it = text(value, "type").is_some_and(|record_type| record_type == "turn_context");
    value.get("payload").filter(|_| is_it)
}

fn event(payload: Raw<'_>) -> Result<Event<'_>, Problem> {
    let name = text(payload, "type")
        .ok_or_else(|| (ProblemKind::NotARecord, "an event without a type".to_owned()))?;
    if let Some(key) = shape::misfit(payload, shapes::of_event(&name)) {
        return Err(unfit(&name, key));
    }
    let needed = |key: &str| text(payload, key).ok_or_else(|| unfit(&name, key));
    Ok(match &*name {
        "task_started" | "turn_started" => Event::TaskStarted { turn_id: needed("turn_id")? },
        "task_complete" | "turn_complete" => {
            let error = payload.get("error").filter(|error| error.kind() != Kind::Null);
            Event::TaskComplete { turn_id: needed("turn_id")?, error }
        }
        "turn_aborted" => Event::TurnAborted { turn_id: text(payload, "turn_id") },
        "user_message" => Event::UserMessage(payload),
        "agent_message" => Event::AgentMessage(needed("message")?),
        "agent_reasoning" => Event::Reasoning(needed("text")?),
        "agent_reasoning_raw_content" => Event::RawReasoning(needed("text")?),
        "web_search_end" => Event::WebSearchEnd {
            call_id: needed("call_id")?,
            query: text(payload, "query").unwrap_or_default(),
        },
        "mcp_tool_call_end" => Event::ToolCallEnd { call_id: needed("call_id")? },
        "patch_apply_end" => {
            let turn_id = text(payload, "turn_id").filter(|id| !id.is_empty());
            Event::PatchEnd { call_id: needed("call_id")?, turn_id }
        }
        "context_compacted" => Event::Compacted,
        "entered_review_mode" => Event::EnteredReview(payload),
        "exited_review_mode" => Event::ExitedReview(payload),
        "item_completed" => {
            let item = payload.get("item").ok_or_else(|| unfit(&name, "item"))?;
            if let Some(problem) = item::problem_of_completed(item) {
                return Err(problem);
            }
            Event::ItemCompleted { turn_id: needed("turn_id")?, item }
        }
        "thread_rolled_back" => {
            let turns = payload.get("num_turns").and_then(shape::integer::<u32>);
            Event::RolledBack(turns.ok_or_else(|| unfit(&name, "num_turns"))?)
        }
        "token_count" => Event::TokenCount(payload),
        "thread_settings_applied" => Event::Settings(payload),
        known if shapes::OTHER_EVENTS.binary_search(&known).is_ok() => Event::Other(name),
        unknown => {
            let detail = format!("an event of the type {unknown:.60}; Codex skips it");
            return Err((ProblemKind::UnknownType, detail));
        }
    })
}

/// The string value of a key.
pub(crate) fn text<'a>(value: Raw<'a>, key: &str) -> Option<Cow<'a, str>> {
    value.get(key).and_then(Raw::string)
}

/// The string value of a key, owned.
pub(crate) fn owned(value: Raw<'_>, key: &str) -> Option<String> {
    text(value, key).map(Cow::into_owned)
}

/// A non-negative integer.
pub(crate) fn number(value: Raw<'_>) -> Option<u64> {
    std::str::from_utf8(value.bytes()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event_line(payload: &str) -> String {
        format!(
            r#"{{"timestamp":"2026-01-02T03:04:05.678Z","type":"event_msg","payload":{payload}}}"#
        )
    }

    #[track_caller]
    fn check_skipped(line: &str, kind: ProblemKind) {
        let parsed = parse(line.as_bytes());
        assert!(parsed.record.is_none(), "{line}");
        assert_eq!(parsed.problems.len(), 1, "{line}");
        assert_eq!(parsed.problems[0].0, kind, "{line}");
    }

    #[test]
    fn what_is_no_record_is_a_problem_and_nothing_else() {
        check_skipped("{\"a\":", ProblemKind::Malformed);
        check_skipped("[1]", ProblemKind::NotARecord);
        check_skipped(r#"{"type":"compacted","payload":{"message":""}}"#, ProblemKind::NotARecord);
        check_skipped(r#"{"timestamp":"","payload":{}}"#, ProblemKind::NotARecord);
        check_skipped(r#"{"timestamp":"","type":"x","payload":{}}"#, ProblemKind::UnknownType);
        check_skipped(&event_line(r#"{"type":"thread_name_updated"}"#), ProblemKind::UnknownType);
        check_skipped(&event_line(r#"{"type":"user_message"}"#), ProblemKind::Unreadable);
        check_skipped(&event_line(r#"{"type":"error","a":1e400}"#), ProblemKind::Number);
        check_skipped(
            &event_line(r#"{"type":"error","a":18446744073709551616}"#),
            ProblemKind::Number,
        );
        check_skipped(&event_line(r#"{"type":"error","a":"\ud83d"}"#), ProblemKind::Unreadable);
        let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
        let deep = event_line(&format!(r#"{{"type":"error","a":{deep}}}"#));
        check_skipped(&deep, ProblemKind::Unreadable);
        assert!(parse(b" \t\r\n").problems.is_empty());
    }

    #[test]
    fn a_record_is_read_whatever_its_timestamp_says() {
        let line = r#"{"payload":{"type":"turn_started","turn_id":"a","turn_id":"b"},"ordinal":7,"type":"event_msg","timestamp":"yesterday","more":1}"#;
        let record = parse(line.as_bytes()).record.unwrap();
        assert_eq!((record.at(), record.ordinal), (None, Some(7)));
        assert!(
            matches!(record.body, Body::Event(Event::TaskStarted { turn_id }) if turn_id == "b")
        );
    }

    #[test]
    fn what_makes_the_program_refuse_a_file_is_read_here() {
        let marked = |line: &str| {
            let line = [b"\xef\xbb\xbf", line.as_bytes()].concat();
            let parsed = parse(&line);
            assert_eq!(parsed.problems[0].0, ProblemKind::Unreadable);
            parsed.record.is_some()
        };
        assert!(marked(r#"{"timestamp":"t","type":"session_meta","payload":{"id":"a"}}"#));
        assert!(!marked(&event_line(r#"{"type":"error"}"#)));
        let line = event_line(r#"{"type":"agent_message","message":"a?b"}"#).replace('?', "\u{1}");
        let line: Vec<u8> = line.bytes().map(|b| if b == 1 { 0xFF } else { b }).collect();
        let parsed = parse(&line);
        assert_eq!(parsed.problems[0].0, ProblemKind::InvalidUtf8);
        assert!(matches!(parsed.record.unwrap().body,
            Body::Event(Event::AgentMessage(text)) if text == "a\u{FFFD}b"));
    }

    #[test]
    fn an_old_turn_context_is_skipped_but_its_settings_are_read() {
        let line = r#"{"timestamp":"","type":"turn_context","payload":{"cwd":"/w","model":"m","sandbox_policy":{"mode":"read-only"}}}"#;
        check_skipped(line, ProblemKind::Unreadable);
        assert_eq!(owned(settings_of_turn(line.as_bytes()).unwrap(), "model").unwrap(), "m");
    }
}
