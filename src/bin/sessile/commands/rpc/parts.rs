//! Further methods of sessions, and methods of single formats.

use std::path::Path;

use serde_json::{Value, json};
use sessile::{Error, Kimi, Problem, Session, Store};

use super::methods::answer;
use super::params::Params;
use super::table::{Answer, Method, NOTHING, method};
use super::takes::{MADE, READ, SESSION, WRITE, optional, required};
use super::{Refusal, entries, methods};
use crate::commands::problems;

const NO_STATE: &str = "the session's format has no state beside its messages";

pub(super) const METHODS: &[Method] = &[
    method(
        "head",
        &[READ],
        "`session_id`, `name`, `title`, `work_dir`, `leaf`, `message_count` … and `unique_name`, by \
         which no other session is found",
        "Returns what is known of a session without reading its lines.",
        head,
    ),
    method(
        "messages",
        &[READ, &[optional("entry_id", "string", "as if this entry were the active one")]],
        "array of `entry_id`, `role`, `text`, `message`",
        "Returns the conversation that the program would continue with, in a form common to all formats.",
        entries::messages,
    ),
    method(
        "result_file",
        &[
            READ,
            &[
                required("call_id", "string", "the tool's call"),
                required("answer", "string", "the text of its result in the conversation"),
            ],
        ],
        "`path` and `text` (null if the store lacks part of it); or null",
        "Returns the file in which a program stored a long answer of a tool.",
        result_file,
    ),
    method(
        "description",
        &[READ],
        "object or null",
        "Returns the document beside a session's file that describes it, for example for a sub-agent.",
        description,
    ),
    method("turns", &[READ], "array of `index`, `text`, `created_at`", "Returns the turns.", turns),
    method(
        "tree_rows",
        &[READ],
        "array of `entry_id`, `parent_id`, `role`, `text`, `prefix`, `depth`, `current`, `active_path` …",
        "Returns the tree as rows to draw.",
        tree_rows,
    ),
    method(
        "session_usage",
        &[READ],
        "`input`, `output`, `cache_read`, `cache_write`, `total_tokens`, `cost`, `model` …",
        "Adds up the usage that the messages of a session report.",
        session_usage,
    ),
    method(
        "generations",
        &[SESSION],
        "array of `number`, `file`, `lines`, `lost`, `read_at`",
        "Lists earlier generations of a session's files.",
        generations,
    ),
    method(
        "problems",
        &[&[optional("session", "string", "only of this session; of all when absent")]],
        "array of `root`, `file`, `session_id`, `line`, `kind`, `detail`",
        "Lists what could not be understood.",
        problems,
    ),
    method(
        "set_all_metadata",
        &[WRITE, &[required("values", "object", "the values by key")]],
        NOTHING,
        "Sets several metadata values of a session, all or none.",
        set_all_metadata,
    ),
    method(
        "tag_all",
        &[WRITE, &[required("tags", "array of strings", "")]],
        NOTHING,
        "Adds several tags to a session, all or none.",
        tag_all,
    ),
    method(
        "remember",
        &[WRITE],
        NOTHING,
        "Remembers a session as the one used last in its work dir.",
        remember,
    ),
    method(
        "undo_to_turn",
        &[WRITE, MADE, &[required("turn", "integer", "from 0")]],
        "`session_id`, `text` of the turn",
        "Creates a session from what came before a turn, in formats that have turns.",
        undo_to_turn,
    ),
    method(
        "state",
        &[READ],
        "object",
        "Returns the state of a session, in formats that have one.",
        state,
    ),
    method(
        "system_prompts",
        &[READ],
        "array of `content`, `reason`, `hash`, `created_at`; the last one is in effect",
        "Returns the recorded system prompts, in formats that have records of them.",
        system_prompts,
    ),
    method(
        "memory",
        &[READ],
        "`session_memories`, `last_retrieval`",
        "Returns the state of the memory, in formats that have one.",
        memory,
    ),
];

fn head(store: &Store, params: &Params<'_>) -> Answer {
    let session = params.read_session(store)?;
    let mut head = value(&session.info()?)?;
    head["unique_name"] = session.unique_name()?.into();
    answer(head)
}

fn result_file(store: &Store, params: &Params<'_>) -> Answer {
    let session = params.read_session(store)?;
    let (call_id, said) = (params.required_text("call_id")?, params.required_text("answer")?);
    match session.result_file(&call_id, &said)? {
        Some(file) => answer(json!({ "path": file.path, "text": file.text })),
        None => methods::nothing(),
    }
}

fn description(store: &Store, params: &Params<'_>) -> Answer {
    Ok(params.read_session(store)?.description()?.unwrap_or_else(|| "null".to_owned()))
}

fn turns(store: &Store, params: &Params<'_>) -> Answer {
    answer(value(&params.read_session(store)?.turns()?)?)
}

fn tree_rows(store: &Store, params: &Params<'_>) -> Answer {
    answer(value(&params.read_session(store)?.tree_rows()?)?)
}

fn session_usage(store: &Store, params: &Params<'_>) -> Answer {
    answer(value(&params.read_session(store)?.usage()?)?)
}

fn generations(store: &Store, params: &Params<'_>) -> Answer {
    answer(value(&store.find(&params.required_text("session")?)?.generations()?)?)
}

/// A value as the library serialises it.
pub(super) fn value<T: serde::Serialize>(of: &T) -> Result<Value, Refusal> {
    serde_json::to_value(of).map_err(|err| Refusal::internal(&err))
}

fn problems(store: &Store, params: &Params<'_>) -> Answer {
    let mut rows: Vec<Value> = Vec::new();
    let each = |root: &Path, problem: &Problem| {
        rows.push(problems::row_json(root, problem));
        Ok(())
    };
    match params.text("session")? {
        Some(session) => store.find(&session)?.each_problem(each)?,
        None => store.each_problem(each)?,
    }
    answer(rows)
}

fn set_all_metadata(store: &Store, params: &Params<'_>) -> Answer {
    params.session(store)?.set_all_metadata(params.raw_values("values")?)?;
    methods::nothing()
}

fn tag_all(store: &Store, params: &Params<'_>) -> Answer {
    let tags: Vec<String> = params.required("tags")?;
    params.session(store)?.tag_all(&tags)?;
    methods::nothing()
}

fn remember(store: &Store, params: &Params<'_>) -> Answer {
    params.session(store)?.remember()?;
    methods::nothing()
}

fn undo_to_turn(store: &Store, params: &Params<'_>) -> Answer {
    let turn = params.required("turn")?;
    let session = params.session(store)?;
    let fork = with_state(&session)?.undo_to_turn(turn)?;
    answer(json!({ "session_id": fork.session.session_id()?, "text": fork.text }))
}

fn state(store: &Store, params: &Params<'_>) -> Answer {
    let session = params.read_session(store)?;
    Ok(with_state(&session)?.state()?)
}

/// A session whose format has a state and turns.
fn with_state(session: &Session) -> Result<Kimi<'_>, Refusal> {
    Ok(session.kimi().ok_or(Error::Unsupported(NO_STATE))?)
}

fn system_prompts(store: &Store, params: &Params<'_>) -> Answer {
    let session: Session = params.read_session(store)?;
    let prompts = methods::with_records(&session)?.system_prompts()?;
    let rows = prompts.iter().map(|prompt| {
        json!({
            "content": prompt.content,
            "reason": prompt.reason,
            "hash": prompt.hash,
            "created_at": prompt.created_at.map(|time| time.to_string()),
        })
    });
    answer(rows.collect::<Value>())
}

fn memory(store: &Store, params: &Params<'_>) -> Answer {
    let session = params.read_session(store)?;
    let memory = methods::with_records(&session)?.memory()?;
    Ok(format!(
        "{{\"session_memories\":{},\"last_retrieval\":{}}}",
        memory.memories, memory.last_retrieval
    ))
}
