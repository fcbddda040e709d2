//! What a session is told.

use std::collections::BTreeMap;

use serde_json::json;
use serde_json::value::RawValue;
use sessile::{Compaction, RuntimeUpdate, Session};

use crate::params::Params;
use crate::session::spelt;
use crate::store::{answer, session_json, traces};
use crate::{Answer, Failure, Handle, Method};

pub(crate) const METHODS: &[Method] = &[
    ("append_message", append_message),
    ("append_messages", append_messages),
    ("append_record", append_record),
    ("append_records", append_records),
    ("append_branch_summary", append_branch_summary),
    ("append_label_change", append_label_change),
    ("compact", compact),
    ("update_runtime", update_runtime),
    ("pop_message", pop_message),
    ("branch", branch),
    ("navigate", navigate),
    ("clone", |handle, params| session_json(&writing(handle, params)?.clone_session()?)),
    ("fork", fork),
    ("rename", rename),
    ("tag_all", |handle, params| {
        answer(&writing(handle, params)?.tag_all(&params.texts("tags")?)?)
    }),
    ("untag", |handle, params| answer(&writing(handle, params)?.untag(&text(params, "tag")?)?)),
    ("clear_tags", |handle, params| answer(&writing(handle, params)?.clear_tags()?)),
    ("remember", |handle, params| done(writing(handle, params)?.remember())),
    ("set_metadata", set_metadata),
    ("remove_metadata", remove_metadata),
    ("archive", |handle, params| done(writing(handle, params)?.archive())),
    ("unarchive", |handle, params| done(writing(handle, params)?.unarchive())),
    ("delete", |handle, params| done(writing(handle, params)?.trash())),
    ("restore", |handle, params| done(writing(handle, params)?.restore())),
    ("purge", |handle, params| traces(&writing(handle, params)?.purge()?)),
    ("delete_if_unused", |handle, params| answer(&writing(handle, params)?.delete_if_unused()?)),
];

/// The session's handle, with the time, id and leaf that a call gives.
pub(crate) fn writing(handle: &Handle, params: &Params<'_>) -> Result<Session, Failure> {
    let mut session = handle.store()?.session(params.required("session")?)?;
    if let Some(time) = params.get("at")? {
        session = session.at(time);
    }
    if let Some(id) = params.text("id")? {
        session = session.with_id(&id);
    }
    // Here null is a value: no entry is active.
    if params.has("expect_leaf") {
        session = session.expecting(params.text("expect_leaf")?.as_deref());
    }
    if params.has("parent") {
        session = session.branching_from(params.text("parent")?.as_deref());
    }
    Ok(session)
}

fn text(params: &Params<'_>, name: &str) -> Result<String, Failure> {
    params.required(name)
}

fn done(done: sessile::Result<()>) -> Answer {
    done?;
    Ok("null".to_owned())
}

fn append_message(handle: &Handle, params: &Params<'_>) -> Answer {
    answer(&writing(handle, params)?.append_message(params.value("message")?)?)
}

fn append_messages(handle: &Handle, params: &Params<'_>) -> Answer {
    answer(&writing(handle, params)?.append_messages(spelt(params, "messages")?)?)
}

fn append_record(handle: &Handle, params: &Params<'_>) -> Answer {
    answer(&writing(handle, params)?.append_record(params.value("record")?)?)
}

/// Records as they are spelt, each a line.
fn append_records(handle: &Handle, params: &Params<'_>) -> Answer {
    answer(&writing(handle, params)?.append_lines(spelt(params, "records")?)?)
}

fn append_branch_summary(handle: &Handle, params: &Params<'_>) -> Answer {
    answer(&writing(handle, params)?.append_branch_summary(
        params.text("parent_id")?.as_deref(),
        params.text("from_id")?.as_deref(),
        params.text("summary")?.as_deref(),
        params.raw("details").unwrap_or("null"),
    )?)
}

fn append_label_change(handle: &Handle, params: &Params<'_>) -> Answer {
    let label = params.text("label")?;
    let session = writing(handle, params)?;
    let change = session.append_label_change(&text(params, "entry_id")?, label.as_deref())?;
    answer(&json!({ "label_id": change.label_id, "is_known": change.is_known }))
}

fn compact(handle: &Handle, params: &Params<'_>) -> Answer {
    if let Some(record) = params.raw("record") {
        return answer(&writing(handle, params)?.append_compaction(record)?);
    }
    let mut compaction = Compaction::new(&text(params, "summary")?);
    if let Some(entry_id) = params.text("keep_from")? {
        compaction = compaction.keep_from(&entry_id);
    }
    if let Some(tokens) = params.get("tokens_before")? {
        compaction = compaction.tokens_before(tokens);
    }
    if let Some(details) = params.get("details")? {
        compaction = compaction.details(details);
    }
    answer(&writing(handle, params)?.compact(&compaction)?)
}

fn update_runtime(handle: &Handle, params: &Params<'_>) -> Answer {
    done(writing(handle, params)?.update_runtime(RuntimeUpdate {
        provider: params.text("provider")?.as_deref(),
        model: params.text("model")?.as_deref(),
        reasoning_effort: params.text("reasoning_effort")?.as_deref(),
    }))
}

fn pop_message(handle: &Handle, params: &Params<'_>) -> Answer {
    let popped = writing(handle, params)?.pop_message()?;
    Ok(popped.map_or_else(|| "null".to_owned(), |message| message.json().to_owned()))
}

fn branch(handle: &Handle, params: &Params<'_>) -> Answer {
    let session = writing(handle, params)?;
    done(match params.text("entry_id")? {
        Some(entry_id) => session.branch(&entry_id),
        None => session.reset_leaf(),
    })
}

fn navigate(handle: &Handle, params: &Params<'_>) -> Answer {
    answer(&writing(handle, params)?.navigate(&text(params, "entry_id")?)?)
}

fn fork(handle: &Handle, params: &Params<'_>) -> Answer {
    let session = writing(handle, params)?;
    session_json(&match (params.text("entry_id")?, params.get("turn")?) {
        (Some(entry_id), _) => session.fork(&entry_id)?.session,
        (None, Some(turn)) => session.fork_at_turn(turn)?.session,
        (None, None) => session.fork_branch()?,
    })
}

fn rename(handle: &Handle, params: &Params<'_>) -> Answer {
    done(writing(handle, params)?.rename_json(params.value("name")?))
}

fn set_metadata(handle: &Handle, params: &Params<'_>) -> Answer {
    let values: BTreeMap<String, &RawValue> = params.required("values")?;
    let values = values.iter().map(|(key, value)| (key, value.get()));
    answer(&writing(handle, params)?.set_all_metadata(values)?)
}

fn remove_metadata(handle: &Handle, params: &Params<'_>) -> Answer {
    answer(&writing(handle, params)?.remove_metadata(&text(params, "key")?)?)
}
