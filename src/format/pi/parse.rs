//! Parses lines: records, entries and their fields.

use std::borrow::Cow;

use super::text::{has_text, id_text, is_blank, is_falsy, stored, string, trim};
use super::{date, shared};
use crate::format::json::{self, Kind, Object, Raw};
use crate::model::{
    Change, HeaderRecord, NewEntry, Parent, ProblemKind, Record, Runtime, Stored, Usage,
};

/// The deepest nesting that common readers accept; deeper lines are understood and
/// reported.
const MAX_DEPTH: usize = 500;

/// The total bytes of ids, names and settings that one record may have.
const MAX_TEXT: usize = 16 << 20;

/// What a line means. What cannot be understood becomes a problem of the record.
pub(super) fn parse(line: &[u8]) -> Record {
    let mut record = Record::default();
    if is_blank(line) {
        return record;
    }
    let (value, features) = match json::scan(line) {
        Ok(scanned) => scanned,
        Err(malformed) => {
            let shared = shared::readable(line).and_then(|found| shared::read(line, found, parse));
            if let Some(shared) = shared {
                return shared;
            }
            let detail = format!("not JSON at byte {}: {}", malformed.offset + 1, malformed.reason);
            record.problems.push((ProblemKind::Malformed, detail));
            return record;
        }
    };
    let is_strict = !features.comment && !features.odd_escape && !features.control_character;
    // The byte-by-byte check comes last, since nearly no line needs it.
    if !is_strict || features.non_finite && has_python_number(value) {
        let detail = "JSON that pi does not read; it drops the line".to_owned();
        record.problems.push((ProblemKind::Malformed, detail));
        return record;
    }
    if features.invalid_utf8 {
        let detail = "bytes that are not UTF-8".to_owned();
        record.problems.push((ProblemKind::InvalidUtf8, detail));
    }
    if features.non_finite {
        let detail = "a number that is not finite".to_owned();
        record.problems.push((ProblemKind::Number, detail));
    }
    if MAX_DEPTH < features.depth {
        let detail =
            format!("nested {} deep, deeper than common JSON readers support", features.depth);
        record.problems.push((ProblemKind::Unreadable, detail));
    }
    if is_falsy(value) {
        let detail = "an empty value; pi passes it by".to_owned();
        record.problems.push((ProblemKind::Malformed, detail));
        return record;
    }
    if value.kind() != Kind::Object {
        let detail = "a JSON value that is not an object".to_owned();
        record.problems.push((ProblemKind::NotARecord, detail));
        return record;
    }
    read_record(value, &mut record);
    if MAX_TEXT < record.weight() {
        let detail = format!("ids, names or settings of more than {MAX_TEXT} bytes");
        let problems = vec![(ProblemKind::TooLong, detail)];
        return Record { problems, ..Record::default() };
    }
    record
}

/// Whether a number in the line is spelt as only Python reads it.
fn has_python_number(value: Raw<'_>) -> bool {
    // Outside strings, such words are the only capitals besides E.
    let mut in_string = false;
    let mut escaped = false;
    for byte in value.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'N' | b'I' if !in_string => return true,
            _ => {}
        }
    }
    false
}

fn read_record(value: Raw<'_>, record: &mut Record) {
    let value = &value.object();
    let message = value.get("message").filter(|message| message.kind() != Kind::Null);
    let message = message.map(Raw::object);
    let record_type = string(value.get("type"));
    if let Some(millis) = value.get("timestamp").and_then(date::millis) {
        let (at, is_beyond) = date::timestamp(millis);
        record.at = Some(at);
        if is_beyond {
            let detail = "a time beyond the years 1677 to 2262".to_owned();
            record.problems.push((ProblemKind::Time, detail));
        }
    }
    if record_type.as_deref() == Some("session") {
        record.change = Some(Change::Header(Box::new(header(value, record))));
        return;
    }
    let entry_type = entry_type(record_type.as_deref(), record);
    match entry_type.as_ref() {
        "message" => read_message(value, message.as_ref(), record),
        "label" => record.change = Some(label(value)),
        "session_info" => {
            let name = value.get("name").and_then(json::code_points);
            if value.get("name").is_some_and(|name| !matches!(name.kind(), Kind::String)) {
                let detail = "a name that is not a string; pi hides the session for it".to_owned();
                record.problems.push((ProblemKind::Unreadable, detail));
            }
            let name = name.as_deref().map(trim).filter(|name| !name.is_empty());
            let runtime = Runtime::default();
            record.change = Some(Change::Info { name: name.map(json::stored_points), runtime });
        }
        _ => {}
    }
    // A record type of pi shows that the file is pi's, even without a header.
    record.vouches = record.problems.iter().all(|(kind, _)| *kind != ProblemKind::UnknownType);
    let source = if entry_type == "message" { message.as_ref() } else { Some(value) };
    record.usage = source.and_then(usage);
    record.entry = Some(entry(value, message.as_ref(), entry_type));
}

/// The type of an entry; a type that pi does not know is a problem.
fn entry_type(record_type: Option<&str>, record: &mut Record) -> Cow<'static, str> {
    match record_type {
        Some("message") => "message".into(),
        Some("compaction") => "compaction".into(),
        Some("branch_summary") => "branch_summary".into(),
        Some("custom") => "custom".into(),
        Some("custom_message") => "custom_message".into(),
        Some("context_edit") => "context_edit".into(),
        Some("label") => "label".into(),
        Some("session_info") => "session_info".into(),
        Some("usage") => "usage".into(),
        Some("model_change") => "model_change".into(),
        Some("thinking_level_change") => "thinking_level_change".into(),
        Some(unknown) => {
            let detail = format!("a record of type {unknown:.60}");
            record.problems.push((ProblemKind::UnknownType, detail));
            unknown.to_owned().into()
        }
        None => {
            let detail = "a record without a type".to_owned();
            record.problems.push((ProblemKind::UnknownType, detail));
            "".into()
        }
    }
}

/// Reads what a message says of the session as a whole.
fn read_message(value: &Object<'_>, message: Option<&Object<'_>>, record: &mut Record) {
    let Some(message) = message else {
        let detail = "a message entry without a message; pi cannot restore the session".to_owned();
        record.problems.push((ProblemKind::Unreadable, detail));
        record.in_file.is_message = true;
        return;
    };
    record.in_file.is_message = true;
    let role = string(message.get("role")).unwrap_or_default();
    let content = message.get("content");
    if matches!(role.as_str(), "user" | "assistant") {
        record.in_file.is_prompt = role == "user" && has_text(content);
        match content.map(Raw::kind) {
            None => {}
            Some(Kind::Null) => {
                let detail =
                    "a message without content; pi's list leaves the session out".to_owned();
                record.problems.push((ProblemKind::Unreadable, detail));
            }
            Some(_) => {
                // A number out of range counts as absent.
                let is_number = |time: &Raw<'_>| date::number(*time).is_some_and(f64::is_finite);
                let own = message.get("timestamp").filter(is_number);
                let millis = own.or_else(|| value.get("timestamp")).and_then(date::millis);
                record.activity_at =
                    millis.filter(|millis| 0 < *millis).map(|millis| date::timestamp(millis).0);
            }
        }
    }
}

fn label(value: &Object<'_>) -> Change {
    // A label without a target is stored under the word that JavaScript has for
    // that.
    let target_id = value.get("targetId").map_or("undefined".to_owned(), id_text);
    let label = stored(value.get("label").filter(|label| !is_falsy(*label)));
    Change::Label { target_id, label, labelled_at: stored(value.get("timestamp")) }
}

fn entry(
    value: &Object<'_>,
    message: Option<&Object<'_>>,
    entry_type: Cow<'static, str>,
) -> NewEntry {
    let parent = match value.get("parentId") {
        None => Parent::Unsaid,
        Some(parent) if is_falsy(parent) && parent.kind() != Kind::String => Parent::None,
        Some(parent) => Parent::Id(id_text(parent)),
    };
    let has_summary = value.get("summary").is_some_and(|summary| !is_falsy(summary));
    let role = match entry_type.as_ref() {
        "message" => message.map(|message| string(message.get("role")).unwrap_or_default()),
        "compaction" => Some("compactionSummary".to_owned()),
        "branch_summary" => has_summary.then(|| "branchSummary".to_owned()),
        "custom_message" => Some("custom".to_owned()),
        _ => None,
    };
    let is_compaction = entry_type == "compaction";
    let first_kept = value.get("firstKeptEntryId").filter(|_| is_compaction).map(id_text);
    let runtime = runtime(value, &entry_type, message);
    NewEntry {
        id: value.get("id").filter(|id| id.kind() != Kind::Null).map(id_text),
        parent,
        entry_type,
        role,
        message_id: None,
        first_kept: first_kept.filter(|id| !id.is_empty()).map(Stored::Text),
        kept_position: kept_index(value.get("firstKeptEntryIndex")).filter(|_| is_compaction),
        runtime,
    }
}

/// The position as it is stored, distinguished from an id by its type.
pub(super) fn kept_position(first_kept: &Stored) -> Option<usize> {
    match first_kept {
        Stored::Json(position) => position.parse().ok(),
        Stored::Text(_) => None,
    }
}

/// The first entry that a compaction of version 1 keeps, in which the header is 0.
pub(super) fn kept_index(index: Option<Raw<'_>>) -> Option<usize> {
    let index = index.and_then(date::number)?;
    let is_place = 1.0 <= index && index.fract() == 0.0 && index < f64::from(u32::MAX);
    is_place.then(|| index as usize - 1)
}

/// The settings in effect from an entry on, on its branch.
fn runtime(value: &Object<'_>, entry_type: &str, message: Option<&Object<'_>>) -> Option<Runtime> {
    let model = |source: &Object<'_>, key: &str| Runtime {
        provider: Some(stored(source.get("provider"))),
        model: Some(stored(source.get(key))),
        reasoning_effort: None,
    };
    match (entry_type, message) {
        ("model_change", _) => Some(model(value, "modelId")),
        ("thinking_level_change", _) => Some(Runtime {
            // An entry that names no level means no level, not the default.
            reasoning_effort: Some(
                stored(value.get("thinkingLevel")).or(Some(Stored::Json("null".to_owned()))),
            ),
            ..Runtime::default()
        }),
        ("message", Some(message))
            if string(message.get("role")).as_deref() == Some("assistant") =>
        {
            Some(model(message, "model"))
        }
        _ => None,
    }
}

/// The tokens and cost that an entry reports.
fn usage(source: &Object<'_>) -> Option<Usage> {
    let usage = source.get("usage").filter(|usage| usage.kind() == Kind::Object)?;
    let tokens = |key: &str| {
        let count = usage.get(key).and_then(date::number).filter(|count| count.is_finite());
        count.map(|count| count as i64)
    };
    let cost = usage.get("cost").and_then(|cost| match cost.kind() {
        Kind::Object => date::number(cost.get("total")?),
        _ => date::number(cost),
    });
    Some(Usage {
        provider: string(source.get("provider")),
        model: string(source.get("model")),
        input: tokens("input"),
        output: tokens("output"),
        cache_read: tokens("cacheRead"),
        cache_write: tokens("cacheWrite"),
        total_tokens: tokens("totalTokens"),
        cost: cost.filter(|cost| cost.is_finite()),
    })
}

fn header(value: &Object<'_>, record: &mut Record) -> HeaderRecord {
    let known = ["type", "version", "id", "timestamp", "cwd", "parentSession"];
    let id = value.get("id");
    if id.is_some_and(|id| id.kind() != Kind::String) {
        let detail = "an id that is not a string; pi cannot open the file".to_owned();
        record.problems.push((ProblemKind::Header, detail));
    }
    HeaderRecord {
        session_id: id.filter(|id| id.kind() != Kind::Null).map(id_text),
        version: stored(value.get("version")),
        created_at: record.at,
        work_dir: string(value.get("cwd")),
        parent_session_id: None,
        parent_session_path: stored(value.get("parentSession")),
        runtime: Runtime::default(),
        unknown: json::distinct_members(value.value)
            .into_iter()
            .filter(|(key, _)| !known.iter().any(|name| key.is(name)))
            .map(|(key, value)| (key.text().into_owned(), json::clean(value, "null")))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_but_the_header_is_an_entry() {
        for line in [
            r#"{"type":"label","id":"a","parentId":null,"targetId":"x"}"#,
            r#"{"type":"session_info","id":"a","parentId":"b","name":"n"}"#,
            r#"{"type":"leaf","id":"a"}"#,
            r#"{}"#,
        ] {
            assert!(parse(line.as_bytes()).entry.is_some(), "{line}");
        }
        assert!(parse(b"{\"type\":\"session\",\"id\":\"\"}").entry.is_none());
        assert!(parse("\u{feff}\u{2028} \n".as_bytes()).problems.is_empty());
        assert_eq!(parse(b"[1]").problems[0].0, ProblemKind::NotARecord);
        assert_eq!(parse(b"{\"a\":NaN}").problems[0].0, ProblemKind::Malformed);
    }

    #[test]
    fn usage_comes_from_wherever_an_entry_has_it() {
        let line = br#"{"type":"message","message":{"role":"assistant","provider":"p","model":"m","usage":{"input":1,"output":2,"totalTokens":3,"cost":{"total":0.5}}}}"#;
        let usage = parse(line).usage.unwrap();
        assert_eq!((usage.input, usage.total_tokens, usage.cost), (Some(1), Some(3), Some(0.5)));
        assert_eq!(usage.provider.as_deref(), Some("p"));
    }
}
