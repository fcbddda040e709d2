//! Writes lines as Kward itself does.
//!
//! Keys are in Kward's order, absent values are left out or null as Kward does it,
//! only what JSON demands is escaped, and lines end in LF.

use super::tools;
use crate::format::json::{self, Raw, write_text};
use crate::model::{Compaction, Draft, RuntimeUpdate, Timestamp};

/// `None` for drafts that Kward has no record for.
pub(in crate::format) fn serialise(draft: &Draft<'_>, at: Timestamp) -> Option<String> {
    let stamp = stamp(at);
    let mut line = match draft {
        Draft::Header { session_id, cwd, runtime, parent_id, parent_path } => Line::new("session")
            .json("version", "2")
            .text("id", session_id)
            .text("timestamp", &stamp)
            .unless_empty("cwd", Some(cwd))
            .runtime(runtime)
            .unless_empty("parentId", *parent_id)
            .unless_empty("parentPath", *parent_path),
        Draft::Entry { entry_type, id, parent_id, message } => Line::new(entry_type)
            .text("id", id)
            .unless_absent("parentId", *parent_id)
            .text("timestamp", &stamp)
            .json("message", message),
        Draft::Fields { .. } => return None,
        Draft::BranchSummary { id, parent_id, from_id, summary, details } => {
            Line::new("branch_summary")
                .text("id", id)
                .unless_absent("parentId", *parent_id)
                .text("timestamp", &stamp)
                .unless_absent("fromId", *from_id)
                .unless_absent("summary", *summary)
                .json("details", details)
        }
        Draft::Leaf(target) => {
            Line::new("leaf").text("timestamp", &stamp).or_null("targetId", *target)
        }
        Draft::Label { id, target_id, label } => Line::new("label")
            .text("id", id)
            .text("timestamp", &stamp)
            .text("targetId", target_id)
            .or_null("label", *label),
        Draft::Name(name) => {
            Line::new("session_info").text("timestamp", &stamp).or_null("name", *name)
        }
        Draft::Runtime { name, runtime } => runtime_line(&stamp, *name, runtime),
        Draft::Memory { memories, last_retrieval } => Line::new("memory_state")
            .text("timestamp", &stamp)
            .json("sessionMemories", memories)
            .json("lastRetrieval", last_retrieval),
        Draft::SystemPrompt { reason, hash, content } => Line::new("system_prompt")
            .text("timestamp", &stamp)
            .text("reason", reason)
            .text("hash", hash)
            .text("content", content),
        Draft::ToolExecution { tool_call, content } => {
            Line::new("tool_execution_end").text("timestamp", &stamp).execution(tool_call, content)
        }
    };
    line.0.extend_from_slice(b"}\n");
    // Only UTF-8 was written.
    String::from_utf8(line.0).ok()
}

/// The message of a compaction.
pub(super) fn compaction(new: &Compaction) -> String {
    let spelt = |text: &String| json::spelt(text);
    let details = new.details.as_ref().map_or("{}".to_owned(), ToString::to_string);
    let members = [
        ("role", Some(json::spelt("compactionSummary"))),
        ("summary", Some(spelt(&new.summary))),
        ("first_kept_entry_id", new.keep_from.as_ref().map(spelt)),
        ("tokens_before", new.tokens_before.map(|tokens| tokens.to_string())),
        ("from_hook", Some("false".to_owned())),
        ("details", Some(details)),
    ];
    let said = members.into_iter().filter_map(|(key, value)| Some((key, value?)));
    let said: Vec<String> = said.map(|(key, value)| format!("\"{key}\":{value}")).collect();
    format!("{{{}}}", said.join(","))
}

/// Why a message is not a valid compaction: without a readable summary, it would
/// replace the conversation by nothing.
pub(super) fn refuse_compaction(message: &str) -> Option<String> {
    let (message, _) = json::scan(message.as_bytes()).ok()?;
    let says = |key| message.get(key).is_some_and(|value| !value.is_falsy());
    if message.kind() != json::Kind::Object || says("role") && (says("summary") || says("content"))
    {
        return None;
    }
    Some(format!("a compaction without {}", if says("role") { "summary" } else { "role" }))
}

fn runtime_line(stamp: &str, name: Option<&str>, runtime: &RuntimeUpdate<'_>) -> Line {
    let line = Line::new("session_info").text("timestamp", stamp);
    let line = match name {
        Some(name) => line.json("name", name),
        None => line,
    };
    line.runtime(runtime)
}

/// The line of an entry with its id and parent written out, otherwise unchanged.
///
/// `None` for a line that is no record.
pub(in crate::format) fn identified(
    line: &[u8],
    id: &str,
    parent_id: Option<&str>,
) -> Option<String> {
    let (value, _) = json::scan(line).ok()?;
    let mut members = Vec::new();
    for (key, value) in json::distinct_members(value) {
        if !key.is("id") && !key.is("parentId") {
            members.push(format!("{}:{}", json::spelt(&key.text()), json::compact(value)));
        }
        if key.is("type") {
            members.push(format!("\"id\":{}", json::spelt(id)));
            members.extend(parent_id.map(|id| format!("\"parentId\":{}", json::spelt(id))));
        }
    }
    Some(format!("{{{}}}\n", members.join(",")))
}

/// Three decimals, truncated rather than rounded.
pub(super) fn stamp(at: Timestamp) -> String {
    Timestamp(at.0.div_euclid(1_000_000) * 1_000_000).to_string()
}

struct Line(Vec<u8>);

impl Line {
    fn new(record_type: &str) -> Self {
        Self(b"{\"type\":".to_vec()).value(record_type)
    }

    fn value(mut self, text: &str) -> Self {
        write_text(text, &mut self.0);
        self
    }

    fn json(mut self, key: &str, json: &str) -> Self {
        self.0.push(b',');
        write_text(key, &mut self.0);
        self.0.push(b':');
        self.0.extend_from_slice(json.as_bytes());
        self
    }

    fn text(self, key: &str, text: &str) -> Self {
        self.json(key, "").value(text)
    }

    fn or_null(self, key: &str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(key, text),
            None => self.json(key, "null"),
        }
    }

    fn unless_absent(self, key: &str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(key, text),
            None => self,
        }
    }

    fn unless_empty(self, key: &str, text: Option<&str>) -> Self {
        self.unless_absent(key, text.filter(|text| !text.is_empty()))
    }

    fn execution(self, tool_call: &str, content: &str) -> Self {
        let call = json::scan(tool_call.as_bytes()).map(|(call, _)| call);
        let execution = tools::normalise(call.unwrap_or(Raw::NULL), content);
        let is_error = if execution.is_error { "true" } else { "false" };
        let mut result =
            format!("{{\"content\":{},\"isError\":{is_error},\"images\":[]", json::spelt(content));
        if let Some(diff) = execution.diff {
            result.push_str(",\"diff\":");
            result.push_str(&json::spelt(&diff));
        }
        if let Some(changed_files) = execution.changed_files {
            result.push_str(",\"changedFiles\":");
            result.push_str(&changed_files);
        }
        result.push('}');
        self.json("toolCallId", &execution.tool_call_id)
            .json("toolName", &execution.tool_name)
            .json("args", &execution.args)
            .json("result", &result)
            .json("isError", is_error)
    }

    fn runtime(self, runtime: &RuntimeUpdate<'_>) -> Self {
        self.unless_empty("provider", runtime.provider)
            .unless_empty("model", runtime.model)
            .unless_empty("reasoningEffort", runtime.reasoning_effort)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_as_kward_names_them() {
        for (cwd, folder) in [
            ("/", "----"),
            ("/a/b", "--a-b--"),
            ("/a/../b//c/", "--b-c--"),
            ("/é x", "--é x--"),
            ("/srv/a:b\\c", "--srv-a-b-c--"),
        ] {
            assert_eq!(crate::format::safe_cwd(cwd), folder, "{cwd}");
        }
    }

    #[test]
    fn a_runtime_record_leaves_out_what_is_empty() {
        let runtime = RuntimeUpdate { model: Some("m"), provider: Some(""), ..Default::default() };
        let draft = Draft::Runtime { name: None, runtime };

        assert_eq!(
            serialise(&draft, Timestamp(1_999_999)).unwrap(),
            "{\"type\":\"session_info\",\"timestamp\":\"1970-01-01T00:00:00.001Z\",\"model\":\"m\"}\n"
        );
    }
}
