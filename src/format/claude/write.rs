//! Writes lines as the program itself does.

use std::collections::HashMap;

use super::text::{is_true, string};
use crate::format::json::{self, Kind, Raw};
use crate::model::{Stored, Timestamp};

/// The deepest nesting of a value that is spelt again; deeper ones are copied
/// unchanged.
const MAX_DEPTH: usize = 2_000;

/// Keys that forks leave out, because they concern the original session.
const LEFT: [&str; 4] = ["teamName", "agentName", "slug", "sourceToolAssistantUUID"];

/// A line with a JSON object, given its keys and JSON values.
fn line<'a>(members: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let members = members.into_iter().map(|(key, value)| format!("{}:{value}", json::spelt(key)));
    format!("{{{}}}\n", members.collect::<Vec<_>>().join(","))
}

/// The line that sets a session's title.
pub(super) fn title(title: &Stored, session_id: &str) -> String {
    line([
        ("type", json::spelt("custom-title")),
        ("customTitle", title.to_json()),
        ("sessionId", json::spelt(session_id)),
    ])
}

/// The line that sets a session's tag; an empty one removes it.
pub(super) fn tag(tag: &Stored, session_id: &str) -> String {
    line([
        ("type", json::spelt("tag")),
        ("tag", tag.to_json()),
        ("sessionId", json::spelt(session_id)),
    ])
}

/// What a session's records say of where it runs, each value as JSON.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    user_type: Option<String>,
    entrypoint: Option<String>,
    cwd: Option<String>,
    version: Option<String>,
    git_branch: Option<String>,
}

impl Surroundings {
    /// The values of this record.
    pub(super) fn of(record: Raw<'_>) -> Self {
        let text = |key: &str| {
            let value = record.get(key).filter(|value| value.kind() == Kind::String)?;
            Some(json::compact(value))
        };
        Self {
            user_type: text("userType"),
            entrypoint: text("entrypoint"),
            cwd: text("cwd"),
            version: text("version"),
            git_branch: text("gitBranch"),
        }
    }

    /// The keys of a node after its body.
    fn envelope(&self, uuid: &str, at: Timestamp, session_id: &str) -> Vec<(&'static str, String)> {
        let or = |value: &Option<String>, default: &str| {
            value.clone().unwrap_or_else(|| json::spelt(default))
        };
        let told = |key, value: &Option<String>| value.clone().map(|value| (key, value));
        let mut members = vec![
            ("uuid", json::spelt(uuid)),
            ("timestamp", json::spelt(&millis(at))),
            ("userType", or(&self.user_type, "external")),
            ("entrypoint", or(&self.entrypoint, "sdk")),
        ];
        members.extend(told("cwd", &self.cwd));
        members.push(("sessionId", json::spelt(session_id)));
        members.extend(told("version", &self.version));
        members.extend(told("gitBranch", &self.git_branch));
        members
    }

    pub(super) fn in_work_dir(self, work_dir: Option<&str>) -> Self {
        Self { cwd: self.cwd.or_else(|| work_dir.map(json::spelt)), ..self }
    }
}

/// A message to be written; `message` is a JSON object.
pub(super) struct NewMessage<'a> {
    pub(super) role: &'a str,
    pub(super) message: &'a str,
    pub(super) uuid: &'a str,
    pub(super) parent: Option<&'a str>,
    pub(super) session_id: &'a str,
    pub(super) at: Timestamp,
    pub(super) around: &'a Surroundings,
    /// Whether it replaces the conversation before it.
    pub(super) is_summary: bool,
}

/// A compaction boundary.
pub(super) struct NewBoundary<'a> {
    /// A JSON object.
    pub(super) metadata: &'a str,
    pub(super) uuid: &'a str,
    /// The last node of the conversation before it.
    pub(super) before: &'a str,
    pub(super) session_id: &'a str,
    pub(super) at: Timestamp,
    pub(super) around: &'a Surroundings,
}

/// The line of a boundary: a root, which names the node before it.
pub(super) fn boundary(new: &NewBoundary<'_>) -> String {
    let mut members = vec![
        ("parentUuid", "null".to_owned()),
        ("logicalParentUuid", json::spelt(new.before)),
        ("isSidechain", "false".to_owned()),
        ("type", json::spelt("system")),
        ("subtype", json::spelt("compact_boundary")),
        ("content", json::spelt("Conversation compacted")),
        ("level", json::spelt("info")),
        ("compactMetadata", new.metadata.to_owned()),
    ];
    members.extend(new.around.envelope(new.uuid, new.at, new.session_id));
    line(members)
}

/// The line of a message.
pub(super) fn message(new: &NewMessage<'_>) -> String {
    let record_type = ("type", json::spelt(new.role));
    let message = ("message", new.message.to_owned());
    let body = match new.role {
        "user" => [record_type, message],
        _ => [message, record_type],
    };
    let mut members = vec![
        ("parentUuid", new.parent.map_or("null".to_owned(), json::spelt)),
        ("isSidechain", "false".to_owned()),
    ];
    members.extend(body);
    if new.is_summary {
        let told = ["isVisibleInTranscriptOnly", "isCompactSummary"];
        members.extend(told.map(|key| (key, "true".to_owned())));
    }
    members.extend(new.around.envelope(new.uuid, new.at, new.session_id));
    line(members)
}

/// Three decimals, truncated rather than rounded.
fn millis(at: Timestamp) -> String {
    Timestamp(at.0.div_euclid(1_000_000) * 1_000_000).to_string()
}

/// Six decimals, or none.
pub(super) fn micros(at: Timestamp) -> String {
    let time = chrono::DateTime::from_timestamp_nanos(at.0);
    let format = match at.0.rem_euclid(1_000_000_000) / 1_000 {
        0 => chrono::SecondsFormat::Secs,
        _ => chrono::SecondsFormat::Micros,
    };
    time.to_rfc3339_opts(format, true)
}

/// Writes a fork of a session, record by record.
pub(super) struct Fork<'a> {
    /// The session that it is forked from.
    pub(super) source_id: &'a str,
    pub(super) session_id: &'a str,
    pub(super) at: Timestamp,
    /// The new uuid of each old one.
    pub(super) uuids: &'a HashMap<String, String>,
}

impl Fork<'_> {
    fn renamed(&self, uuid: &str) -> Option<String> {
        self.uuids.get(uuid).map(|uuid| json::spelt(uuid))
    }

    /// The line of a node below its new parent; `is_last` says that it is the last
    /// one.
    pub(super) fn node(&self, record: Raw<'_>, parent: Option<&str>, is_last: bool) -> String {
        let null = || "null".to_owned();
        let uuid = string(record.get("uuid")).unwrap_or_default();
        let logical = record.get("logicalParentUuid");
        let logical = match logical.filter(|_| is_true(logical)) {
            Some(logical) => string(Some(logical)).and_then(|uuid| self.renamed(&uuid)),
            None => logical.map(spelt),
        };
        let own_time = record.get("timestamp").filter(|_| !is_last).map(spelt);
        let mut new = vec![
            ("uuid", self.renamed(&uuid).unwrap_or_else(null)),
            ("parentUuid", parent.map_or_else(null, json::spelt)),
            ("logicalParentUuid", logical.unwrap_or_else(null)),
            ("sessionId", json::spelt(self.session_id)),
            ("timestamp", own_time.unwrap_or_else(|| json::spelt(&micros(self.at)))),
            ("isSidechain", "false".to_owned()),
            ("forkedFrom", self.origin(&uuid)),
        ];
        let mut members: Vec<(String, String)> = Vec::new();
        for (key, value) in json::distinct_members(record) {
            let key = key.text().into_owned();
            if LEFT.contains(&&key[..]) {
                continue;
            }
            // An existing key keeps its position.
            let value = match new.iter().position(|(name, _)| *name == key) {
                Some(at) => new.remove(at).1,
                None => spelt(value),
            };
            members.push((key, value));
        }
        let new = new.into_iter().map(|(key, value)| (key.to_owned(), value));
        let members: Vec<(String, String)> = members.into_iter().chain(new).collect();
        line(members.iter().map(|(key, value)| (&key[..], value.clone())))
    }

    fn origin(&self, uuid: &str) -> String {
        let (session, message) = (json::spelt(self.source_id), json::spelt(uuid));
        format!("{{\"sessionId\":{session},\"messageUuid\":{message}}}")
    }

    /// The line of the replacements in tool results, each given as JSON.
    pub(super) fn replacements(&self, replacements: &[String], uuid: &str) -> String {
        let all = format!("[{}]", replacements.join(","));
        self.flat("content-replacement", ("replacements", all), uuid)
    }

    /// The line of the title.
    pub(super) fn title(&self, title: &Stored, uuid: &str) -> String {
        self.flat("custom-title", ("customTitle", title.to_json()), uuid)
    }

    fn flat(&self, record_type: &str, said: (&str, String), uuid: &str) -> String {
        line([
            ("type", json::spelt(record_type)),
            ("sessionId", json::spelt(self.session_id)),
            said,
            ("uuid", json::spelt(uuid)),
            ("timestamp", json::spelt(&micros(self.at))),
        ])
    }
}

/// A value in compact form.
pub(super) fn spelt(value: Raw<'_>) -> String {
    match json::scan(value.bytes()) {
        Ok((value, features)) if features.depth <= MAX_DEPTH => json::compact(value),
        _ => String::from_utf8_lossy(value.bytes()).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_keys_of_late_releases_in_their_order() {
        let (record, _) =
            json::scan(br#"{"cwd":"/w","version":"2.1.283","gitBranch":""}"#).unwrap();
        let around = Surroundings::of(record);
        let new = |role| NewMessage {
            role,
            message: "{}",
            uuid: "u",
            parent: Some("p"),
            session_id: "s",
            at: Timestamp(1_999_999),
            around: &around,
            is_summary: false,
        };
        assert_eq!(
            message(&new("user")),
            "{\"parentUuid\":\"p\",\"isSidechain\":false,\"type\":\"user\",\"message\":{},\
             \"uuid\":\"u\",\"timestamp\":\"1970-01-01T00:00:00.001Z\",\"userType\":\"external\",\
             \"entrypoint\":\"sdk\",\"cwd\":\"/w\",\"sessionId\":\"s\",\"version\":\"2.1.283\",\
             \"gitBranch\":\"\"}\n"
        );
        let assistant = message(&new("assistant"));
        assert!(assistant.contains("\"message\":{},\"type\":\"assistant\",\"uuid\""));
    }

    #[test]
    fn a_fork_keeps_the_places_of_keys_and_adds_what_is_new_behind() {
        let uuids: HashMap<String, String> =
            [("a", "A"), ("b", "B")].map(|(old, new)| (old.to_owned(), new.to_owned())).into();
        let at = Timestamp(1_000_000_000);
        let fork = Fork { source_id: "s", session_id: "t", at, uuids: &uuids };
        let line = |json: &str, parent, is_last| {
            let (record, _) = json::scan(json.as_bytes()).unwrap();
            fork.node(record, parent, is_last)
        };
        assert_eq!(
            line(
                r#"{"uuid":"b","slug":"x","isSidechain":0,"timestamp":"T","parentUuid":"a","n":1.0}"#,
                Some("A"),
                false
            ),
            "{\"uuid\":\"B\",\"isSidechain\":false,\"timestamp\":\"T\",\"parentUuid\":\"A\",\
             \"n\":1.0,\"logicalParentUuid\":null,\"sessionId\":\"t\",\
             \"forkedFrom\":{\"sessionId\":\"s\",\"messageUuid\":\"b\"}}\n"
        );
        let last = line(r#"{"uuid":"a","timestamp":"T","logicalParentUuid":"b"}"#, None, true);
        assert!(last.contains("\"timestamp\":\"1970-01-01T00:00:01Z\""), "{last}");
        assert!(last.contains("\"logicalParentUuid\":\"B\""), "{last}");
        let gone = line(r#"{"uuid":"a","logicalParentUuid":"x"}"#, None, false);
        assert!(gone.contains("\"logicalParentUuid\":null"), "{gone}");
    }
}
