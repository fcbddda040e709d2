//! Parses lines: records, entries and their fields.

use super::text::{self, text};
use crate::format::json::{self, Features, Kind, Raw};
use crate::format::time;
use crate::model::{Change, HeaderRecord, NewEntry, Parent, ProblemKind, Record, Runtime, Stored};

/// The deepest nesting that Kward's own JSON reader accepts, including the record.
pub(super) const MAX_DEPTH: usize = 100;

/// The total bytes of ids, names, labels and settings that one record may have.
const MAX_TEXT: usize = 16 << 20;

/// What a line means. What cannot be understood becomes a problem of the record.
pub(super) fn parse(line: &[u8]) -> Record {
    let mut record = Record::default();
    if line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
        return record;
    }
    let (value, features) = match json::scan(line) {
        Ok(scanned) => scanned,
        Err(malformed) => {
            let detail = format!("not JSON at byte {}: {}", malformed.offset + 1, malformed.reason);
            record.problems.push((ProblemKind::Malformed, detail));
            return record;
        }
    };
    if features.control_character {
        let detail = "a raw control character inside a string".to_owned();
        record.problems.push((ProblemKind::Malformed, detail));
        return record;
    }
    note_features(features, &mut record);
    if value.kind() != Kind::Object {
        let detail = match value.kind() {
            Kind::Null | Kind::False | Kind::String => "a JSON value that is not an object",
            _ => "a JSON value that is not an object; Kward cannot load the file",
        };
        record.problems.push((ProblemKind::NotARecord, detail.to_owned()));
        return record;
    }
    read_record(value, &mut record);
    if MAX_TEXT < record.weight() {
        // Rows and indexes repeat such texts, so one line could exhaust memory and
        // the database's limits.
        let detail = format!("ids, names or settings of more than {MAX_TEXT} bytes");
        let problems = vec![(ProblemKind::TooLong, detail)];
        return Record { problems, ..Record::default() };
    }
    record
}

fn note_features(features: Features, record: &mut Record) {
    if MAX_DEPTH < features.depth {
        let detail =
            format!("nested {} deep; Kward drops lines beyond {MAX_DEPTH}", features.depth);
        record.problems.push((ProblemKind::Unreadable, detail));
    }
    if features.non_finite {
        let detail = "a number that is not finite".to_owned();
        record.problems.push((ProblemKind::Number, detail));
    }
    if features.invalid_utf8 {
        let detail = "bytes that are not UTF-8".to_owned();
        record.problems.push((ProblemKind::InvalidUtf8, detail));
    }
}

/// The keys of a record that the store needs, read in one pass.
#[derive(Default)]
pub(super) struct Fields<'a> {
    pub(super) record_type: Option<Raw<'a>>,
    pub(super) id: Option<Raw<'a>>,
    pub(super) parent_id: Option<Raw<'a>>,
    pub(super) timestamp: Option<Raw<'a>>,
    pub(super) message: Option<Raw<'a>>,
    pub(super) summary: Option<Raw<'a>>,
    pub(super) target_id: Option<Raw<'a>>,
    pub(super) label: Option<Raw<'a>>,
    pub(super) name: Option<Raw<'a>>,
    pub(super) hash: Option<Raw<'a>>,
    pub(super) reason: Option<Raw<'a>>,
    pub(super) tool_call_id: Option<Raw<'a>>,
    pub(super) tool_name: Option<Raw<'a>>,
    pub(super) is_error: Option<Raw<'a>>,
    pub(super) result: Option<Raw<'a>>,
}

impl<'a> Fields<'a> {
    pub(super) fn read(record: Raw<'a>) -> Self {
        let mut fields = Self::default();
        for (key, value) in record.members() {
            let text;
            let name = match key.plain() {
                Some(name) => name,
                None => {
                    text = key.text();
                    text.as_bytes()
                }
            };
            let field = match name {
                b"type" => &mut fields.record_type,
                b"id" => &mut fields.id,
                b"parentId" => &mut fields.parent_id,
                b"timestamp" => &mut fields.timestamp,
                b"message" => &mut fields.message,
                b"summary" => &mut fields.summary,
                b"targetId" => &mut fields.target_id,
                b"label" => &mut fields.label,
                b"name" => &mut fields.name,
                b"hash" => &mut fields.hash,
                b"reason" => &mut fields.reason,
                b"toolCallId" => &mut fields.tool_call_id,
                b"toolName" => &mut fields.tool_name,
                b"isError" => &mut fields.is_error,
                b"result" => &mut fields.result,
                _ => continue,
            };
            *field = Some(value);
        }
        fields
    }
}

fn read_record(value: Raw<'_>, record: &mut Record) {
    let fields = Fields::read(value);
    let record_type = fields.record_type.and_then(Raw::string).unwrap_or_default();
    if let Some(time) = fields.timestamp.and_then(|stamp| time::parse(&text(stamp))) {
        record.at = Some(time.at);
        if time.clamped {
            let detail = "a time beyond the years 1677 to 2262".to_owned();
            record.problems.push((ProblemKind::Time, detail));
        }
    }
    let is_activity = !matches!(&*record_type, "session" | "session_info" | "system_prompt");
    record.activity_at = record.at.filter(|_| is_activity);
    record.vouches =
        matches!(&*record_type, "message" | "session_info" | "system_prompt" | "memory_state");
    match &*record_type {
        "session" => record.change = Some(Change::Header(Box::new(header(value, record.at)))),
        "message" => record.entry = Some(entry("message", &fields)),
        "compaction" => record.entry = Some(entry("compaction", &fields)),
        "branch_summary" => record.entry = Some(entry("branch_summary", &fields)),
        "leaf" => {
            let target = fields.target_id.filter(|target| target.kind() != Kind::Null);
            record.change = Some(Change::Leaf(target.map(text)));
        }
        "label" => record.change = label(&fields),
        "session_info" => {
            record.change =
                Some(Change::Info { name: stored(fields.name), runtime: runtime(value) });
        }
        "system_prompt" => {
            let hash = fields.hash.map(text).filter(|hash| !hash.is_empty()).map(Stored::Text);
            record.change = Some(Change::SystemPrompt { hash, reason: fields.reason.map(text) });
        }
        "tool_execution_end" => {
            if fields.result.is_some_and(|result| result.kind() != Kind::Object) {
                let detail =
                    "a result that is not an object; Kward cannot load the session".to_owned();
                record.problems.push((ProblemKind::Unreadable, detail));
            }
            record.change = Some(Change::ToolExecution {
                tool_call_id: fields.tool_call_id.filter(|id| !id.is_falsy()).map(text),
                tool_name: fields.tool_name.filter(|name| !name.is_falsy()).map(text),
                is_error: fields.is_error.is_some_and(|flag| flag.kind() == Kind::True),
            });
        }
        "memory_state" => record.change = Some(Change::MemoryState),
        _ => {
            let detail = match fields.record_type {
                None => "a record without a type".to_owned(),
                Some(kind) => format!("a record of type {}", clip(&text(kind))),
            };
            record.problems.push((ProblemKind::UnknownType, detail));
        }
    }
}

fn label(fields: &Fields<'_>) -> Option<Change> {
    let label = text::strip(&optional_text(fields.label)).to_owned();
    let target_id = optional_text(fields.target_id);
    (!target_id.is_empty()).then(|| Change::Label {
        target_id,
        label: Some(label).filter(|label| !label.is_empty()).map(Stored::Text),
        labelled_at: stored(fields.timestamp),
    })
}

fn header(value: Raw<'_>, created_at: Option<crate::model::Timestamp>) -> HeaderRecord {
    let some_text = |key| value.get(key).map(text).filter(|text| !text.is_empty());
    let known = [
        "type",
        "version",
        "id",
        "timestamp",
        "cwd",
        "provider",
        "model",
        "reasoningEffort",
        "parentId",
        "parentPath",
    ];
    HeaderRecord {
        session_id: some_text("id"),
        version: stored(value.get("version")),
        created_at,
        work_dir: some_text("cwd"),
        parent_session_id: value.get("parentId").filter(|id| id.kind() != Kind::Null).map(text),
        parent_session_path: stored(value.get("parentPath")),
        runtime: runtime(value),
        unknown: json::distinct_members(value)
            .into_iter()
            .filter(|(key, _)| !known.iter().any(|name| key.is(name)))
            .map(|(key, value)| (key.text().into_owned(), json::clean(value, "null")))
            .collect(),
    }
}

fn runtime(value: Raw<'_>) -> Runtime {
    // A setting with an empty text counts as cleared.
    let setting = |key| {
        value.get(key).map(|value| stored(Some(value).filter(|value| !text(*value).is_empty())))
    };
    Runtime {
        provider: setting("provider"),
        model: setting("model"),
        reasoning_effort: setting("reasoningEffort"),
    }
}

fn entry(entry_type: &'static str, fields: &Fields<'_>) -> NewEntry {
    let id = fields.id.map(text).filter(|id| !id.is_empty());
    let parent = match fields.parent_id {
        None => Parent::Unsaid,
        Some(parent) if parent.is_falsy() => Parent::None,
        Some(parent) => match text(parent) {
            empty if empty.is_empty() => Parent::None,
            id => Parent::Id(id),
        },
    };
    let message = fields.message.filter(|message| message.kind() == Kind::Object);
    let (mut role, mut message_id) = (None, None);
    for (key, value) in message.iter().flat_map(|message| message.members()) {
        if key.is("role") {
            role = Some(value);
        } else if key.is("id") {
            message_id = Some(value);
        }
    }
    let role = match entry_type {
        "branch_summary" => Some("branchSummary".to_owned()),
        _ => message.map(|_| optional_text(role)),
    };
    // Nearly every message has the id of its entry, in the same spelling.
    let is_same = |message_id: &Raw<'_>| {
        id.is_some() && fields.id.is_some_and(|own| own.is_plainly(*message_id))
    };
    let message_id = message_id
        .filter(|id| !is_same(id) && !text(*id).is_empty())
        .or(fields.id)
        .filter(|id| !is_same(id))
        .and_then(|id| stored(Some(id)))
        .filter(
            |message_id| !matches!(message_id, Stored::Text(text) if id.as_ref() == Some(text)),
        );
    let first_kept = message
        .filter(|_| entry_type == "compaction")
        .and_then(|message| {
            let given = |key| message.get(key).filter(|value| !value.is_falsy());
            given("first_kept_entry_id").or_else(|| given("firstKeptEntryId"))
        })
        .filter(|first_kept| !text(*first_kept).is_empty())
        .and_then(|first_kept| stored(Some(first_kept)));
    NewEntry {
        id,
        parent,
        entry_type: entry_type.into(),
        role,
        message_id,
        first_kept,
        kept_position: None,
        runtime: None,
    }
}

/// The message that an entry adds to the conversation, with its id filled in.
///
/// A message with no id or an empty one gets its record's. A branch summary becomes a
/// message of its own. `None` if the line adds none.
pub(super) fn message(line: &[u8], instead: &str) -> Option<String> {
    let (value, _) = json::scan(line).ok()?;
    let fields = Fields::read(value);
    let id = fields.id.filter(|id| !text(*id).is_empty()).map(|id| json::clean(id, instead));
    if is_text(fields.record_type, "branch_summary") {
        let mut out = b"{\"role\":\"branchSummary\",\"content\":".to_vec();
        json::write_text(&optional_text(fields.summary), &mut out);
        out.extend_from_slice(b",\"id\":");
        out.extend_from_slice(id.as_deref().unwrap_or("null").as_bytes());
        out.push(b'}');
        return String::from_utf8(out).ok();
    }
    let message = fields.message.filter(|message| message.kind() == Kind::Object)?;
    let has_id = message.get("id").is_some_and(|id| !text(id).is_empty());
    let Some(id) = id.filter(|_| !has_id) else { return Some(json::clean(message, instead)) };
    if message.get("id").is_none()
        && let Some(members) = json::clean_slice(message).and_then(|text| text.strip_suffix('}'))
    {
        let comma = if members == "{" { "" } else { "," };
        return Some(format!("{members}{comma}\"id\":{id}}}"));
    }
    let mut members: Vec<String> = json::distinct_members(message)
        .into_iter()
        .map(|(key, value)| {
            let mut name = Vec::new();
            json::write_text(&key.text(), &mut name);
            let value = if key.is("id") { id.clone() } else { json::clean(value, instead) };
            format!("{}:{value}", String::from_utf8_lossy(&name))
        })
        .collect();
    if message.get("id").is_none() {
        members.push(format!("\"id\":{id}"));
    }
    Some(format!("{{{}}}", members.join(",")))
}

/// The full text of the user's message in a line.
pub(super) fn full_text(line: &[u8]) -> String {
    let Ok((value, _)) = json::scan(line) else { return String::new() };
    let text = value.get("message").map(text::full_text).unwrap_or_default();
    text::strip(&text).to_owned()
}

pub(super) fn preview(line: &[u8]) -> String {
    let Ok((value, _)) = json::scan(line) else { return String::new() };
    value.get("message").map(text::preview).unwrap_or_default()
}

pub(super) fn is_text(value: Option<Raw<'_>>, text: &str) -> bool {
    value.and_then(Raw::string).is_some_and(|value| value == text)
}

pub(super) fn optional_text(value: Option<Raw<'_>>) -> String {
    value.map(text).unwrap_or_default()
}

fn stored(value: Option<Raw<'_>>) -> Option<Stored> {
    let value = value.filter(|value| value.kind() != Kind::Null)?;
    Some(match value.string() {
        Some(text) if !json::has_lone_surrogate(value) => Stored::Text(text.into_owned()),
        _ => Stored::Json(json::clean(value, "null")),
    })
}

fn clip(text: &str) -> String {
    let mut clipped: String = text.chars().take(60).collect();
    if clipped.len() < text.len() {
        clipped.push('…');
    }
    clipped
}
