//! Writes lines as the program does: compact, with keys in its order, ended by LF.

use super::record::{number, text};
use crate::format::json::{self, Raw, spelt};
use crate::model::Timestamp;

/// `YYYY-MM-DDThh:mm:ss.mmmZ`; truncated to milliseconds.
pub(crate) fn time(at: Timestamp) -> String {
    Timestamp(at.0 - at.0.rem_euclid(1_000_000)).to_string()
}

/// A record with a payload that is already spelt.
pub(crate) fn line(
    at: Timestamp,
    ordinal: Option<u64>,
    record_type: &str,
    payload: &str,
) -> String {
    let ordinal = ordinal.map(|ordinal| format!("\"ordinal\":{ordinal},")).unwrap_or_default();
    format!(
        "{{\"timestamp\":{},{ordinal}\"type\":{},\"payload\":{payload}}}\n",
        spelt(&time(at)),
        spelt(record_type)
    )
}

/// A copy of a record with another time; `None` if the line is not an object.
pub(crate) fn again(line: &[u8], at: Timestamp) -> Option<String> {
    let (value, _) = json::scan(line).ok()?;
    let members = json::distinct_members(value).into_iter().map(|(key, value)| {
        let value = if key.is("timestamp") { spelt(&time(at)) } else { json::compact(value) };
        format!("{}:{value}", spelt(&key.text()))
    });
    Some(format!("{{{}}}\n", members.collect::<Vec<_>>().join(",")))
}

/// A compact record with an ordinal after its timestamp.
pub(crate) fn with_ordinal(record: &str, ordinal: u64) -> String {
    let Ok((value, _)) = json::scan(record.as_bytes()) else { return record.to_owned() };
    let mut members = Vec::new();
    let mut is_said = false;
    for (key, value) in json::distinct_members(value) {
        members.push(format!("{}:{}", spelt(&key.text()), json::compact(value)));
        if key.is("timestamp") {
            members.push(format!("\"ordinal\":{ordinal}"));
            is_said = true;
        }
    }
    if !is_said {
        members.insert(0, format!("\"ordinal\":{ordinal}"));
    }
    format!("{{{}}}", members.join(","))
}

pub(crate) fn ordinal(record: Raw<'_>) -> Option<u64> {
    record.get("ordinal").and_then(number)
}

/// What a fork is made of.
pub(crate) struct Fork<'a> {
    pub(crate) id: &'a str,
    pub(crate) window_id: &'a str,
    pub(crate) at: Timestamp,
    /// The thread that it is forked from.
    pub(crate) source_id: &'a str,
    /// The name of the file with its beginning, and the ordinal and the byte at which
    /// that ends; `None` for a fork that repeats its beginning.
    pub(crate) base: Option<(&'a str, u64, u64)>,
}

/// Keys of a `session_meta`, in order.
const KEYS: [&str; 27] = [
    "account_scoped",
    "session_id",
    "id",
    "forked_from_id",
    "forked_from_ordinal_exclusive",
    "parent_thread_id",
    "timestamp",
    "cwd",
    "runtime_workspace_roots",
    "originator",
    "cli_version",
    "instructions",
    "source",
    "thread_source",
    "agent_path",
    "agent_nickname",
    "agent_role",
    "model_provider",
    "base_instructions",
    "dynamic_tools",
    "memory_mode",
    "history_mode",
    "history_base",
    "subagent_history_start_ordinal",
    "multi_agent_version",
    "context_window",
    "git",
];

/// The payload of a fork's own `session_meta`, from that of its source.
pub(crate) fn meta_of_fork(source: Raw<'_>, fork: &Fork<'_>) -> String {
    let mut values: Vec<(String, String)> = json::distinct_members(source)
        .into_iter()
        .map(|(key, value)| (key.text().into_owned(), json::compact(value)))
        .collect();
    let dropped = [
        "forked_from_ordinal_exclusive",
        "parent_thread_id",
        "agent_path",
        "agent_nickname",
        "agent_role",
        "history_base",
        "subagent_history_start_ordinal",
    ];
    values.retain(|(key, _)| !dropped.contains(&key.as_str()));
    let mut set = |key: &str, value: String| match values.iter_mut().find(|(known, _)| known == key)
    {
        Some((_, known)) => *known = value,
        None => values.push((key.to_owned(), value)),
    };
    if text(source, "session_id").is_some() {
        set("session_id", spelt(fork.id));
    }
    set("id", spelt(fork.id));
    set("forked_from_id", spelt(fork.source_id));
    set("timestamp", spelt(&time(fork.at)));
    if source.get("context_window").is_some() {
        set("context_window", format!("{{\"window_id\":{}}}", spelt(fork.window_id)));
    }
    if let Some((name, ordinal, offset)) = fork.base {
        set("forked_from_ordinal_exclusive", ordinal.to_string());
        let base = format!(
            "{{\"thread_id\":{},\"end_ordinal_exclusive\":{ordinal},\"end_byte_offset\":{offset}}}",
            spelt(name)
        );
        set("history_base", base);
    }
    let place = |key: &str| KEYS.iter().position(|known| *known == key).unwrap_or(KEYS.len());
    values.sort_by_key(|(key, _)| place(key));
    let members = values.iter().map(|(key, value)| format!("{}:{value}", spelt(key)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// The payload of the settings that a fork continues with, from those applied last.
pub(crate) fn settings_of_fork(source: Raw<'_>, id: &str) -> String {
    let members = json::distinct_members(source).into_iter().map(|(key, value)| {
        let value = if key.is("thread_id") { spelt(id) } else { json::compact(value) };
        format!("{}:{value}", spelt(&key.text()))
    });
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_gets_another_time_or_an_ordinal_and_nothing_else() {
        let at = Timestamp::parse("2026-01-02T03:04:05.678901Z").unwrap();
        assert_eq!(
            again(br#"{"timestamp":"x","type":"t", "payload":{"b":1.50,"a":"\u00e9"}}"#, at)
                .unwrap(),
            "{\"timestamp\":\"2026-01-02T03:04:05.678Z\",\"type\":\"t\",\"payload\":{\"b\":1.50,\"a\":\"é\"}}\n"
        );
        assert_eq!(
            with_ordinal(r#"{"timestamp":"x","type":"t"}"#, 7),
            r#"{"timestamp":"x","ordinal":7,"type":"t"}"#
        );
    }

    #[test]
    fn a_fork_names_its_source_and_what_it_begins_with() {
        let source = r#"{"session_id":"a","id":"a","timestamp":"x","cwd":"/w","history_base":{},"context_window":{"window_id":"w"},"git":{"branch":"b"}}"#;
        let (source, _) = json::scan(source.as_bytes()).unwrap();
        let fork = Fork {
            id: "n",
            window_id: "v",
            at: Timestamp(0),
            source_id: "a",
            base: Some(("a", 8, 99)),
        };
        assert_eq!(
            meta_of_fork(source, &fork),
            r#"{"session_id":"n","id":"n","forked_from_id":"a","forked_from_ordinal_exclusive":8,"timestamp":"1970-01-01T00:00:00.000Z","cwd":"/w","history_base":{"thread_id":"a","end_ordinal_exclusive":8,"end_byte_offset":99},"context_window":{"window_id":"v"},"git":{"branch":"b"}}"#
        );
    }
}
