//! What is asked of one session.

use std::path::Path;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sessile::{Message, Part, Problem, Session};

use crate::params::Params;
use crate::store::{answer, session_json};
use crate::{Answer, Failure, Handle, Method};

pub(crate) const METHODS: &[Method] = &[
    ("session", |handle, params| session_json(&handle.session(params)?)),
    ("info", |handle, params| answer(&handle.session(params)?.info()?)),
    ("dump", dump),
    ("context", context),
    ("conversation", conversation),
    ("last_messages", last_messages),
    ("messages_of", messages_of),
    ("text_of", |handle, params| answer(&of_entry(handle, params, Session::text_of)?)),
    ("markdown", |handle, params| answer(&handle.session(params)?.markdown(params.now()?)?)),
    ("path", path),
    ("entry", |handle, params| answer(&of_entry(handle, params, Session::entry)?)),
    ("children", |handle, params| answer(&of_entry(handle, params, Session::children)?)),
    ("entries_after", entries_after),
    ("roots", |handle, params| answer(&handle.session(params)?.roots()?)),
    ("leaves", |handle, params| answer(&handle.session(params)?.leaves()?)),
    ("abandoned", |handle, params| answer(&handle.session(params)?.abandoned()?)),
    ("find_entry", find_entry),
    ("is_on_path", |handle, params| answer(&of_entry(handle, params, Session::is_on_path)?)),
    ("common_ancestor", common_ancestor),
    ("tree_rows", |handle, params| answer(&handle.session(params)?.tree_rows()?)),
    ("tree", |handle, params| answer(&handle.session(params)?.tree()?)),
    ("labels", |handle, params| answer(&handle.session(params)?.labels()?)),
    ("turns", |handle, params| answer(&handle.session(params)?.turns()?)),
    ("tags", |handle, params| answer(&handle.session(params)?.tags()?)),
    ("metadata", metadata),
    ("usage", |handle, params| answer(&handle.session(params)?.usage()?)),
    ("problems", problems),
    ("generations", |handle, params| answer(&handle.session(params)?.generations()?)),
    ("unique_name", |handle, params| answer(&handle.session(params)?.unique_name()?)),
    ("result_file", result_file),
    ("rewind_points", rewind_points),
    ("records", records),
    ("description", description),
];

fn of_entry<T>(
    handle: &Handle,
    params: &Params<'_>,
    ask: fn(&Session, &str) -> sessile::Result<T>,
) -> Result<T, Failure> {
    Ok(ask(&handle.session(params)?, &params.required::<String>("entry_id")?)?)
}

/// Everything that is known of it, as `dump` prints it.
fn dump(handle: &Handle, params: &Params<'_>) -> Answer {
    let mut out = Vec::new();
    handle.session(params)?.dump(&mut out)?;
    Ok(String::from_utf8_lossy(&out).trim_end().to_owned())
}

/// Messages as they are spelt.
pub(crate) fn message_list(messages: &[Message]) -> String {
    let spelt: Vec<&str> = messages.iter().map(Message::json).collect();
    format!("[{}]", spelt.join(","))
}

fn context(handle: &Handle, params: &Params<'_>) -> Answer {
    Ok(message_list(&messages(handle, params)?))
}

fn messages(handle: &Handle, params: &Params<'_>) -> Result<Vec<Message>, Failure> {
    let session = handle.session(params)?;
    Ok(match params.text("entry_id")? {
        Some(entry_id) => session.context_at(&entry_id)?,
        None => session.context()?,
    })
}

/// Each message with what it says, the same for every format.
fn conversation(handle: &Handle, params: &Params<'_>) -> Answer {
    let messages = messages(handle, params)?;
    let rows = messages.iter().map(|message| {
        let (entry_id, role, text) = (&message.entry_id, message.role(), message.text());
        let parts: Value = message.parts().iter().map(part_json).collect();
        let said = json!({ "entry_id": entry_id, "role": role, "text": text, "parts": parts });
        let said = said.to_string();
        let said = said.strip_suffix('}').unwrap_or(&said);
        format!("{said},\"message\":{}}}", message.json())
    });
    Ok(format!("[{}]", rows.collect::<Vec<_>>().join(",")))
}

fn part_json(part: &Part) -> Value {
    match part {
        Part::Text(text) => json!({ "kind": "text", "text": text }),
        Part::Thinking(text) => json!({ "kind": "thinking", "text": text }),
        Part::ToolCall(call) => json!({
            "kind": "tool_call", "id": call.id, "name": call.name,
            "arguments": call.arguments_value(), "label": call.label,
        }),
        Part::ToolResult { call_id, text } => {
            json!({ "kind": "tool_result", "call_id": call_id, "text": text })
        }
        Part::Image { mime, path, .. } => json!({ "kind": "image", "mime": mime, "path": path }),
        Part::Other(name) => json!({ "kind": "other", "type": name }),
        _ => Value::Null,
    }
}

/// The messages of the last entries of the active branch, at a cost that does not
/// depend on what lies before them.
fn last_messages(handle: &Handle, params: &Params<'_>) -> Answer {
    let limit = params.required("limit")?;
    let session = handle.snapshot()?.session(params)?;
    let mut messages = Vec::new();
    for entry in session.last_of_branch(limit)? {
        messages.extend(session.messages_of(&entry.id)?);
    }
    Ok(message_list(&messages))
}

fn messages_of(handle: &Handle, params: &Params<'_>) -> Answer {
    Ok(message_list(&of_entry(handle, params, Session::messages_of)?))
}

fn path(handle: &Handle, params: &Params<'_>) -> Answer {
    let session = handle.session(params)?;
    let limit = params.get("limit")?;
    answer(&match (params.text("entry_id")?, limit) {
        (Some(entry_id), limit) => session.last_of_path(&entry_id, limit.unwrap_or(usize::MAX))?,
        (None, Some(limit)) => session.last_of_branch(limit)?,
        (None, None) => session.path()?,
    })
}

fn find_entry(handle: &Handle, params: &Params<'_>) -> Answer {
    answer(&handle.session(params)?.find_entry(&params.required::<String>("name")?)?)
}

fn common_ancestor(handle: &Handle, params: &Params<'_>) -> Answer {
    let (one, other) = (params.required::<String>("one")?, params.required::<String>("other")?);
    answer(&handle.session(params)?.common_ancestor(&one, &other)?)
}

/// What could not be understood of its files, and where these lie.
fn problems(handle: &Handle, params: &Params<'_>) -> Answer {
    let mut rows: Vec<Value> = Vec::new();
    handle.session(params)?.each_problem(|root, problem| {
        rows.push(problem_json(root, problem));
        Ok(())
    })?;
    answer(&rows)
}

pub(crate) fn problem_json(root: &Path, problem: &Problem) -> Value {
    let mut row = json!(problem);
    row["root"] = root.to_string_lossy().into();
    row
}

fn result_file(handle: &Handle, params: &Params<'_>) -> Answer {
    let (call_id, said) =
        (params.required::<String>("call_id")?, params.required::<String>("answer")?);
    let found = handle.session(params)?.result_file(&call_id, &said)?;
    answer(&found.map(|file| json!({ "path": file.path, "text": file.text })))
}

fn entries_after(handle: &Handle, params: &Params<'_>) -> Answer {
    let line = params.get("line")?.unwrap_or(0);
    answer(&handle.session(params)?.entries_after(line, params.get("limit")?.unwrap_or(100))?)
}

fn metadata(handle: &Handle, params: &Params<'_>) -> Answer {
    let all = handle.session(params)?.metadata()?;
    let all = all.into_iter().map(|one| (one.key.clone(), one.value()));
    answer(&all.collect::<serde_json::Map<String, Value>>())
}

fn rewind_points(handle: &Handle, params: &Params<'_>) -> Answer {
    let points = handle.session(params)?.rewind_points()?;
    let rows = points.iter().map(|point| {
        let preview = &point.preview;
        json!({ "entry_id": point.entry_id, "preview": preview, "created_at": point.created_at })
    });
    answer(&rows.collect::<Value>())
}

/// The lines of the session's file behind the first `after`, at most `limit`, as one
/// array; what is no JSON is left out.
fn records(handle: &Handle, params: &Params<'_>) -> Answer {
    let lines = handle.session(params)?.lines(params.get("after")?.unwrap_or(0))?;
    let limit = params.get("limit")?.unwrap_or(usize::MAX);
    let mut records = String::from("[");
    for line in lines.iter().take(limit) {
        let Ok(text) = std::str::from_utf8(line) else { continue };
        if serde_json::from_str::<IgnoredAny>(text).is_ok() {
            if 1 < records.len() {
                records.push(',');
            }
            records.push_str(text.trim_end());
        }
    }
    records.push(']');
    Ok(records)
}

/// What is no JSON to every reader counts as none.
fn description(handle: &Handle, params: &Params<'_>) -> Answer {
    let found = handle.session(params)?.description()?;
    let found = found.filter(|json| serde_json::from_str::<IgnoredAny>(json).is_ok());
    Ok(found.unwrap_or_else(|| "null".to_owned()))
}

/// The values of an array, each as it is spelt.
pub(crate) fn spelt<'a>(params: &Params<'a>, name: &str) -> Result<Vec<&'a str>, Failure> {
    Ok(params.required::<Vec<&RawValue>>(name)?.into_iter().map(RawValue::get).collect())
}
