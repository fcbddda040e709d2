//! Kward's session files, versions 1 and 2.
//!
//! A file is a log of records, one JSON object a line, ended by LF. Readers
//! take keys in any order and ignore what they do not know. Messages,
//! compactions and branch summaries are the entries of a tree; leaf records
//! move the active position; the rest is metadata.
//!
//! Where Kward gives up, this reader goes on: a line nested deeper than 100 or
//! holding NaN is understood and reported, a line that is no object is
//! reported and skipped, and entries of version 1, which have no ids, are
//! numbered and chained.

mod display;
mod markdown;
mod restore;
mod text;
mod tools;
mod write;

pub(in crate::format) use display::{parts, shown};
use json::{Features, Kind, Raw};
pub(super) use markdown::markdown;
pub(super) use restore::{kept_position, restore, role};
pub(crate) use text::stored_text;
use text::text;
pub(super) use write::{identified, path_of, serialise};

use super::{json, time};
use crate::model::{Change, HeaderRecord, NewEntry, Parent, ProblemKind, Record, Runtime, Stored};

/// Nesting that Kward's own JSON reader takes, the record counted.
const MAX_DEPTH: usize = 100;

/// Bytes of ids, names, labels and settings, together, that one record may have.
const MAX_TEXT: usize = 16 << 20;

/// Session files are `*.jsonl` in any folder; Kward's listings pass dot files by.
pub(super) fn is_log(path: &[u8]) -> bool {
    let name = file_name(path);
    name.ends_with(b".jsonl") && !name.starts_with(b".")
}

/// Kward keeps the dot before the milliseconds in file names, and its headers have version 1 or 2.
pub(super) fn recognises(path: &[u8], first_line: &[u8]) -> bool {
    if header_from_name(path).is_some() {
        return true;
    }
    let Ok((record, _)) = json::scan(first_line) else { return false };
    is_text(record.get("type"), "session")
        && record.get("version").is_some_and(|version| matches!(version.bytes(), b"1" | b"2"))
        && (record.get("reasoningEffort").is_some() || record.get("cwd").is_some())
}

/// `last_session.json` holds an absolute path, of which the file's own name is left after a move.
pub(super) fn pointed_file(content: &[u8]) -> Option<String> {
    let (pointer, _) = json::scan(content).ok()?;
    let path = pointer.get("path").and_then(Raw::string)?;
    path.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// A name `<time>_<36 hex digits or dashes>.jsonl` gives the time and the id.
pub(super) fn header_from_name(path: &[u8]) -> Option<HeaderRecord> {
    let name = std::str::from_utf8(file_name(path)).ok()?;
    let (stamp, id) = name.strip_suffix(".jsonl")?.split_once('_')?;
    let is_id = id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    // 2026-01-02T03-04-05.678Z
    let shape = |byte: u8| if byte.is_ascii_digit() { b'0' } else { byte };
    let is_stamp = stamp.bytes().map(shape).eq(*b"0000-00-00T00-00-00.000Z");
    if !is_id || !is_stamp {
        return None;
    }
    let (date, clock) = stamp.split_once('T')?;
    let created_at = time::parse(&format!("{date}T{}", clock.replace('-', ":")));
    Some(HeaderRecord {
        session_id: Some(id.to_owned()),
        version: Some(Stored::Json("2".to_owned())),
        created_at: created_at.map(|time| time.at),
        ..HeaderRecord::default()
    })
}

fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// Version 1 had no ids: messages simply follow one another.
pub(super) fn is_linear(version: Option<&Stored>) -> bool {
    matches!(version, Some(Stored::Json(number)) if number == "1" || number == "1.0")
}

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
            Kind::Null | Kind::False | Kind::String => "a JSON value that is no object",
            _ => "a JSON value that is no object; Kward cannot load the file",
        };
        record.problems.push((ProblemKind::NotARecord, detail.to_owned()));
        return record;
    }
    read_record(value, &mut record);
    if MAX_TEXT < record.weight() {
        // Rows repeat such texts, in indexes too: memory and the database's
        // own limit would be at the mercy of one line.
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
        let detail = "bytes that are no UTF-8".to_owned();
        record.problems.push((ProblemKind::InvalidUtf8, detail));
    }
}

/// The keys of a record that the store asks for, read in one pass.
#[derive(Default)]
struct Fields<'a> {
    record_type: Option<Raw<'a>>,
    id: Option<Raw<'a>>,
    parent_id: Option<Raw<'a>>,
    timestamp: Option<Raw<'a>>,
    message: Option<Raw<'a>>,
    summary: Option<Raw<'a>>,
    target_id: Option<Raw<'a>>,
    label: Option<Raw<'a>>,
    name: Option<Raw<'a>>,
    hash: Option<Raw<'a>>,
    reason: Option<Raw<'a>>,
    tool_call_id: Option<Raw<'a>>,
    tool_name: Option<Raw<'a>>,
    is_error: Option<Raw<'a>>,
    result: Option<Raw<'a>>,
}

impl<'a> Fields<'a> {
    fn read(record: Raw<'a>) -> Self {
        let mut fields = Self::default();
        for (key, value) in record.members() {
            let field = match key.text().as_ref() {
                "type" => &mut fields.record_type,
                "id" => &mut fields.id,
                "parentId" => &mut fields.parent_id,
                "timestamp" => &mut fields.timestamp,
                "message" => &mut fields.message,
                "summary" => &mut fields.summary,
                "targetId" => &mut fields.target_id,
                "label" => &mut fields.label,
                "name" => &mut fields.name,
                "hash" => &mut fields.hash,
                "reason" => &mut fields.reason,
                "toolCallId" => &mut fields.tool_call_id,
                "toolName" => &mut fields.tool_name,
                "isError" => &mut fields.is_error,
                "result" => &mut fields.result,
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
        "label" => {
            let label = text::strip(&optional_text(fields.label)).to_owned();
            let target_id = optional_text(fields.target_id);
            if !target_id.is_empty() {
                record.change = Some(Change::Label {
                    target_id,
                    label: Some(label).filter(|label| !label.is_empty()).map(Stored::Text),
                    labelled_at: stored(fields.timestamp),
                });
            }
        }
        "session_info" => {
            record.change =
                Some(Change::Info { name: stored(fields.name), runtime: runtime(value) });
        }
        "system_prompt" => {
            record.change = Some(Change::SystemPrompt {
                hash: fields
                    .hash
                    .filter(|hash| !text(*hash).is_empty())
                    .and_then(|hash| stored(Some(hash))),
                reason: fields.reason.map(text),
            });
        }
        "tool_execution_end" => {
            if fields.result.is_some_and(|result| result.kind() != Kind::Object) {
                let detail = "a result that is no object; Kward cannot load the session".to_owned();
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
        parent_session_id: some_text("parentId"),
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
    let role = match entry_type {
        "branch_summary" => Some("branchSummary".to_owned()),
        _ => message.map(|message| optional_text(message.get("role"))),
    };
    let message_id = message
        .and_then(|message| message.get("id"))
        .filter(|id| !text(*id).is_empty())
        .or(fields.id)
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

/// The message that an entry adds to the conversation, its id filled in.
///
/// A message without an id, or with an empty one, goes by its record's. A
/// branch summary becomes a message of its own. `None` when the line adds none.
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

/// What the user said in the message of a line, whole.
pub(super) fn full_text(line: &[u8]) -> String {
    let Ok((value, _)) = json::scan(line) else { return String::new() };
    let text = value.get("message").map(text::full_text).unwrap_or_default();
    text::strip(&text).to_owned()
}

pub(super) fn preview(line: &[u8]) -> String {
    let Ok((value, _)) = json::scan(line) else { return String::new() };
    value.get("message").map(text::preview).unwrap_or_default()
}

fn is_text(value: Option<Raw<'_>>, text: &str) -> bool {
    value.and_then(Raw::string).is_some_and(|value| value == text)
}

fn optional_text(value: Option<Raw<'_>>) -> String {
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
