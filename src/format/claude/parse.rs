//! Parses lines: records, and what they say of the tree and the session.

use std::borrow::Cow;
use std::sync::Arc;

use super::facts::{Answer, Facts, Kind, Node, Reported, SessionFacts};
use super::prompt::{self, Prompt};
use super::text::{self, is_true, stored, string};
use crate::format::json::{self, Features, Raw};
use crate::format::time;
use crate::model::{NewEntry, Parent, ProblemKind, Record, Stored, Timestamp, Usage};

/// The deepest nesting that common readers accept; deeper lines are understood and
/// reported.
const MAX_DEPTH: usize = 500;

/// The total bytes of ids, titles and settings that one record may have.
const MAX_TEXT: usize = 16 << 20;

/// Types of records that are not nodes, of releases up to 2.1.283.
const FLAT: [&str; 26] = [
    "agent-color",
    "agent-name",
    "agent-setting",
    "ai-title",
    "atis-latch",
    "bridge-session",
    "content-replacement",
    "continued-in",
    "cost-state",
    "custom-title",
    "file-history-delta",
    "file-history-snapshot",
    "frame-link",
    "history-suppression",
    "last-prompt",
    "mode",
    "permission-mode",
    "pr-link",
    "queue-operation",
    "relocated",
    "result",
    "started",
    "summary",
    "tag",
    "task-summary",
    "worktree-state",
];

/// What a line means. What cannot be understood becomes a problem of the record.
pub(super) fn parse(line: &[u8]) -> Record {
    let mut record = Record::default();
    let (value, features) = match text::read(line) {
        None => return record,
        Some(Ok(found)) => found,
        Some(Err((byte, reason))) => {
            let detail = format!("not JSON at byte {byte}: {reason}");
            record.problems.push((ProblemKind::Malformed, detail));
            return record;
        }
    };
    if features.comment || features.odd_escape || features.control_character {
        let detail = "JSON that the program does not read; it skips the line".to_owned();
        record.problems.push((ProblemKind::Malformed, detail));
        return record;
    }
    note_features(features, &mut record);
    if value.kind() != json::Kind::Object {
        let detail = "a JSON value that is not an object".to_owned();
        record.problems.push((ProblemKind::NotARecord, detail));
        return record;
    }
    read_record(&Fields::read(value), &mut record);
    record
}

fn note_features(features: Features, record: &mut Record) {
    if features.invalid_utf8 {
        let detail = "bytes that are not UTF-8; the program gives up on the whole file".to_owned();
        record.problems.push((ProblemKind::InvalidUtf8, detail));
    }
    if features.non_finite || features.long_integer {
        let detail = "a number that is not finite, or too long for common JSON readers".to_owned();
        record.problems.push((ProblemKind::Number, detail));
    }
    if MAX_DEPTH < features.depth {
        let detail =
            format!("nested {} deep, deeper than common JSON readers support", features.depth);
        record.problems.push((ProblemKind::Unreadable, detail));
    }
}

/// Lists the keys that are needed, which are read in one pass.
macro_rules! fields {
    ($($field:ident = $key:literal,)+) => {
        /// The values of a record's own keys.
        #[derive(Default)]
        struct Fields<'a> {
            $($field: Option<Raw<'a>>,)+
        }

        impl<'a> Fields<'a> {
            /// If a key is repeated, the last value counts.
            fn read(record: Raw<'a>) -> Self {
                let mut fields = Self::default();
                for (key, value) in record.members() {
                    match key.text().as_ref() {
                        $($key => fields.$field = Some(value),)+
                        _ => {}
                    }
                }
                fields
            }
        }
    };
}

fields! {
    agent_id = "agentId",
    ai_title = "aiTitle",
    cost = "costUSD",
    custom_title = "customTitle",
    cwd = "cwd",
    forked_from = "forkedFrom",
    git_branch = "gitBranch",
    is_compact_summary = "isCompactSummary",
    is_meta = "isMeta",
    is_sidechain = "isSidechain",
    last_prompt = "lastPrompt",
    leaf_uuid = "leafUuid",
    message = "message",
    parent_uuid = "parentUuid",
    record_type = "type",
    request_id = "requestId",
    session_id = "sessionId",
    source = "sourceToolAssistantUUID",
    subtype = "subtype",
    summary = "summary",
    tag = "tag",
    team_name = "teamName",
    timestamp = "timestamp",
    uuid = "uuid",
    version = "version",
}

fn read_record(fields: &Fields<'_>, record: &mut Record) {
    let record_type = string(fields.record_type);
    let kind = record_type.as_deref().and_then(Kind::from_name);
    let uuid = string(fields.uuid);
    record.vouches = kind.is_some();
    record.at = timestamp(fields, record);
    let node = kind.zip(uuid).map(|(kind, uuid)| node(fields, kind, uuid, record.at));
    let told = told(fields, kind, record_type.as_deref(), record.at);
    if MAX_TEXT < weight(&told, node.as_ref()) {
        let detail = format!("ids, titles or settings of more than {MAX_TEXT} bytes");
        *record = Record { problems: vec![(ProblemKind::TooLong, detail)], ..Record::default() };
        return;
    }
    if let Some(node) = &node {
        let odd = |kind| matches!(kind, json::Kind::Array | json::Kind::Object);
        if fields.parent_uuid.map(Raw::kind).is_some_and(odd) {
            let detail = "a parent that is not an id; the program gives up on the file".to_owned();
            record.problems.push((ProblemKind::Unreadable, detail));
        }
        record.entry = Some(entry(fields, node, record_type.unwrap_or_default()));
    }
    record.own = Some(Arc::new(Facts { told, node }));
}

/// The record's own time, if it is valid.
fn timestamp(fields: &Fields<'_>, record: &mut Record) -> Option<Timestamp> {
    let text = string(fields.timestamp)?;
    let at = text::time(&text)?;
    if time::parse(&text).is_some_and(|parsed| parsed.clamped) {
        let detail = "a time beyond the years 1677 to 2262".to_owned();
        record.problems.push((ProblemKind::Time, detail));
    }
    Some(at)
}

fn entry(fields: &Fields<'_>, node: &Node, record_type: String) -> NewEntry {
    let entry_type: Cow<'static, str> = match node.kind {
        Kind::User | Kind::Assistant => "message".into(),
        Kind::System => text::text(fields.subtype).map_or("system".into(), Cow::Owned),
        Kind::Progress | Kind::Attachment => record_type.into(),
    };
    NewEntry {
        id: Some(node.uuid.clone()),
        parent: node.parent.clone().map_or(Parent::None, Parent::Id),
        entry_type,
        role: role(node).filter(|_| node.is_main()).map(str::to_owned),
        message_id: node.message_id.clone().map(Stored::Text),
        first_kept: None,
        kept_position: None,
        runtime: None,
    }
}

/// The role of a message; answers of tools are in messages of the user.
pub(super) fn role(node: &Node) -> Option<&'static str> {
    match node.kind {
        Kind::User if node.is_answer => Some("tool"),
        Kind::User => Some("user"),
        Kind::Assistant => Some("assistant"),
        Kind::Progress | Kind::System | Kind::Attachment => None,
    }
}

fn node(fields: &Fields<'_>, kind: Kind, uuid: String, at: Option<Timestamp>) -> Node {
    let message = fields.message.filter(|message| message.kind() == json::Kind::Object);
    let message = message.unwrap_or(Raw::NULL);
    let content = message.get("content").unwrap_or(Raw::NULL);
    let is_assistant = kind == Kind::Assistant;
    let agent = fields.agent_id.filter(|agent| agent.kind() != json::Kind::Null);
    let mut calls = Vec::new();
    let mut answers = Vec::new();
    let mut is_answer = false;
    for block in content.items() {
        if prompt::is_type(block, "tool_use") && is_assistant {
            let name = string(block.get("name")).unwrap_or_default();
            calls.extend(string(block.get("id")).map(|id| (id, name)));
        } else if prompt::is_type(block, "tool_result") {
            is_answer = true;
            let is_error = is_true(block.get("is_error"));
            let call_id = string(block.get("tool_use_id"));
            answers.extend(call_id.map(|call_id| Answer { call_id, is_error }));
        }
    }
    let message_id = text::text(message.get("id")).filter(|_| is_assistant);
    Node {
        usage: is_assistant.then(|| reported(fields, message)).flatten().map(Box::new),
        parent: text::text(fields.parent_uuid),
        is_sidechain: is_true(fields.is_sidechain),
        is_aside: is_true(fields.is_meta) || is_true(fields.team_name),
        agent: agent.map(|agent| json::clean(agent, "null")),
        timestamp: string(fields.timestamp).unwrap_or_default(),
        source: string(fields.source),
        uuid,
        kind,
        message_id,
        calls,
        is_answer,
        answers,
        at,
    }
}

/// The tokens and cost that a node of a response reports.
fn reported(fields: &Fields<'_>, message: Raw<'_>) -> Option<Reported> {
    let usage = message.get("usage").filter(|usage| usage.kind() == json::Kind::Object)?;
    let model = string(message.get("model")).filter(|model| model != SYNTHETIC)?;
    let number = |value: Option<Raw<'_>>| {
        std::str::from_utf8(value?.bytes()).ok()?.parse::<f64>().ok().filter(|n| n.is_finite())
    };
    let tokens = |key: &str| number(usage.get(key)).map(|count| count as i64);
    Some(Reported {
        request_id: string(fields.request_id),
        usage: Usage {
            provider: None,
            model: Some(model),
            input: tokens("input_tokens"),
            output: tokens("output_tokens"),
            cache_read: tokens("cache_read_input_tokens"),
            cache_write: tokens("cache_creation_input_tokens"),
            total_tokens: None,
            cost: number(fields.cost),
        },
    })
}

/// The model name in messages of the program itself.
pub(super) const SYNTHETIC: &str = "<synthetic>";

fn told(
    fields: &Fields<'_>,
    kind: Option<Kind>,
    record_type: Option<&str>,
    at: Option<Timestamp>,
) -> SessionFacts {
    let is = |value: Option<Raw<'_>>| value.is_some_and(|value| value.kind() == json::Kind::True);
    let is_prompt =
        kind == Some(Kind::User) && !is(fields.is_meta) && !is(fields.is_compact_summary);
    let is_flat = |name: &str| FLAT.contains(&name) || name.starts_with("marble-origami-");
    let is_known = kind.is_some() || record_type.is_some_and(is_flat);
    let model = fields.message.filter(|_| kind == Some(Kind::Assistant));
    let model = stored(model.and_then(|message| message.get("model")));
    SessionFacts {
        summary_of: (record_type == Some("summary")).then(|| string(fields.leaf_uuid)),
        unknown: (!is_known).then(|| record_type.unwrap_or_default().chars().take(60).collect()),
        custom_title: stored(fields.custom_title),
        ai_title: stored(fields.ai_title),
        last_prompt: stored(fields.last_prompt),
        summary: stored(fields.summary),
        git_branch: stored(fields.git_branch),
        tag: (record_type == Some("tag")).then(|| stored(fields.tag).filter(is_said)),
        work_dir: text::text(fields.cwd),
        at,
        is_sidechain: is(fields.is_sidechain),
        prompt: match fields.message.filter(|_| is_prompt) {
            Some(message) => prompt::of_message(message),
            None => Prompt::default(),
        },
        version: stored(fields.version),
        model: model.filter(|model| *model != Stored::Text(SYNTHETIC.to_owned())),
        session_id: string(fields.session_id),
        forked_from: fields.forked_from.and_then(|from| text::text(from.get("sessionId"))),
    }
}

/// Whether a text is not empty.
pub(super) fn is_said(text: &Stored) -> bool {
    !matches!(text, Stored::Text(text) if text.is_empty())
}

/// Bytes of texts that rows or memory hold until the session is folded.
fn weight(told: &SessionFacts, node: Option<&Node>) -> usize {
    let stored = |text: &Option<Stored>| match text {
        Some(Stored::Text(text) | Stored::Json(text)) => text.len(),
        None => 0,
    };
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let titles = [
        &told.custom_title,
        &told.ai_title,
        &told.last_prompt,
        &told.summary,
        &told.git_branch,
        &told.version,
        &told.model,
    ];
    let said = titles.into_iter().map(stored).sum::<usize>()
        + stored(&told.tag.clone().flatten())
        + text(&told.work_dir)
        + text(&told.session_id)
        + text(&told.forked_from);
    let node = node.map_or(0, |node| {
        node.uuid.len()
            + text(&node.parent)
            + text(&node.agent)
            + text(&node.message_id)
            + text(&node.source)
            + node.timestamp.len()
            + node.calls.iter().map(|(id, name)| id.len() + name.len()).sum::<usize>()
            + node.answers.iter().map(|answer| answer.call_id.len()).sum::<usize>()
    });
    said + node
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn facts(line: &str) -> Facts {
        let own = parse(line.as_bytes()).own.unwrap();
        own.downcast_ref::<Facts>().unwrap().clone()
    }

    #[test]
    fn a_record_is_a_node_by_its_type_and_uuid() {
        for (line, is_node) in [
            (r#"{"type":"user","uuid":"a"}"#, true),
            (r#"{"type":"attachment","uuid":""}"#, true),
            (r#"{"type":"user","uuid":1}"#, false),
            (r#"{"type":"file-history-snapshot","uuid":"a"}"#, false),
            (r#"{"type":"compact_boundary","uuid":"a"}"#, false),
        ] {
            let record = parse(line.as_bytes());
            assert_eq!(record.entry.is_some(), is_node, "{line}");
            assert_eq!(facts(line).node.is_some(), is_node, "{line}");
        }
        assert_eq!(
            facts(r#"{"type":"compact_boundary"}"#).told.unknown.as_deref(),
            Some("compact_boundary")
        );
        assert_eq!(facts(r#"{"type":"mode"}"#).told.unknown, None);
    }

    #[test]
    fn asides_are_nodes_that_add_nothing_to_the_conversation() {
        let role = |fields: &str| {
            let line = format!("{{\"type\":\"user\",\"uuid\":\"a\",{fields}}}");
            parse(line.as_bytes()).entry.unwrap().role
        };
        assert_eq!(role(r#""isMeta":false"#).as_deref(), Some("user"));
        assert_eq!(role(r#""isMeta":1"#), None);
        assert_eq!(role(r#""teamName":"t""#), None);
        assert_eq!(role(r#""isSidechain":true"#), None);
        let answer = r#""message":{"content":[{"type":"tool_result","tool_use_id":"t"}]}"#;
        assert_eq!(role(answer).as_deref(), Some("tool"));
    }

    #[test]
    fn what_the_program_cannot_read_is_a_problem() {
        let kind = |line: &[u8]| parse(line).problems.first().map(|(kind, _)| *kind);
        assert_eq!(kind(b"{}{}"), Some(ProblemKind::Malformed));
        assert_eq!(kind(b"{\"a\":\"\t\"}"), Some(ProblemKind::Malformed));
        assert_eq!(kind(b"\0\0\0"), Some(ProblemKind::Malformed));
        assert_eq!(kind(b"[]"), Some(ProblemKind::NotARecord));
        assert_eq!(kind(b"{\"a\":\"\xff\"}"), Some(ProblemKind::InvalidUtf8));
        assert_eq!(kind(b" \r\n"), None);
        let odd = br#"{"type":"user","uuid":"a","parentUuid":["b"]}"#;
        assert_eq!(kind(odd), Some(ProblemKind::Unreadable));
    }

    #[test]
    fn usage_is_that_of_the_message() {
        let line = r#"{"type":"assistant","uuid":"a","requestId":"r","costUSD":0.5,"message":{"id":"m","model":"o","usage":{"input_tokens":1,"output_tokens":2,"cache_read_input_tokens":3}}}"#;
        let reported = facts(line).node.unwrap().usage.unwrap();
        assert_eq!(reported.request_id.as_deref(), Some("r"));
        let usage = reported.usage;
        assert_eq!((usage.input, usage.output, usage.cache_read), (Some(1), Some(2), Some(3)));
        assert_eq!((usage.cache_write, usage.cost), (None, Some(0.5)));
        let own = line.replace("\"o\"", "\"<synthetic>\"");
        assert!(facts(&own).node.unwrap().usage.is_none());
    }
}
