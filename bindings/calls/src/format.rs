//! What one format alone has.

use serde_json::{Value, json};
use sessile::{Error, Kimi, Kward, Pi, Session};

use crate::params::Params;
use crate::store::{answer, named_session};
use crate::write::writing;
use crate::{Answer, Failure, Handle, Method};

pub(crate) const METHODS: &[Method] = &[
    ("state", |handle, params| Ok(kimi(&handle.session(params)?)?.state()?)),
    ("undo_to_turn", undo_to_turn),
    ("append_entry", append_entry),
    ("append_system_prompt_snapshot", append_system_prompt_snapshot),
    ("system_prompts", system_prompts),
    ("append_tool_execution", append_tool_execution),
    ("update_memory_state", update_memory_state),
    ("memory", memory),
];

fn kimi(session: &Session) -> Result<Kimi<'_>, Failure> {
    Ok(session.kimi().ok_or(Error::Unsupported("only a Kimi session has this"))?)
}

fn kward(session: &Session) -> Result<Kward<'_>, Failure> {
    Ok(session.kward().ok_or(Error::Unsupported("only a Kward session has this"))?)
}

fn pi(session: &Session) -> Result<Pi<'_>, Failure> {
    Ok(session.pi().ok_or(Error::Unsupported("only a pi session has this"))?)
}

fn undo_to_turn(handle: &Handle, params: &Params<'_>) -> Answer {
    let session = writing(handle, params)?;
    let fork = kimi(&session)?.undo_to_turn(params.required("turn")?)?;
    let mut made = named_session(&fork.session)?;
    made["text"] = fork.text.into();
    answer(&made)
}

fn append_entry(handle: &Handle, params: &Params<'_>) -> Answer {
    let session = writing(handle, params)?;
    let entry_type: String = params.required("type")?;
    answer(&pi(&session)?.append_entry(&entry_type, params.raw("fields").unwrap_or("{}"))?)
}

fn append_system_prompt_snapshot(handle: &Handle, params: &Params<'_>) -> Answer {
    let session = writing(handle, params)?;
    let reason = params.text("reason")?.unwrap_or_else(|| "changed".to_owned());
    let content: String = params.required("content")?;
    let kept = kward(&session)?.append_system_prompt_snapshot(&content, &reason)?;
    answer(&json!({ "hash": kept.hash, "is_written": kept.is_written }))
}

fn system_prompts(handle: &Handle, params: &Params<'_>) -> Answer {
    let session = handle.session(params)?;
    let prompts = kward(&session)?.system_prompts()?;
    let rows = prompts.iter().map(|prompt| {
        json!({
            "content": prompt.content, "reason": prompt.reason, "hash": prompt.hash,
            "created_at": prompt.created_at,
        })
    });
    answer(&rows.collect::<Value>())
}

/// The record as it was written.
fn append_tool_execution(handle: &Handle, params: &Params<'_>) -> Answer {
    let session = writing(handle, params)?;
    let content: String = params.required("content")?;
    let record = kward(&session)?.append_tool_execution(params.value("tool_call")?, &content)?;
    Ok(record.to_string())
}

fn update_memory_state(handle: &Handle, params: &Params<'_>) -> Answer {
    let session = writing(handle, params)?;
    kward(&session)?.update_memory_state(
        params.raw("memories").unwrap_or("[]"),
        params.raw("last_retrieval").unwrap_or("null"),
    )?;
    Ok("null".to_owned())
}

fn memory(handle: &Handle, params: &Params<'_>) -> Answer {
    let session = handle.session(params)?;
    let memory = kward(&session)?.memory()?;
    let (memories, last) = (memory.memories, memory.last_retrieval);
    Ok(format!("{{\"memories\":{memories},\"last_retrieval\":{last}}}"))
}
