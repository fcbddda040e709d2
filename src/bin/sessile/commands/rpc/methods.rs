//! The implementation of the methods, a function each.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Value, json};
use sessile::{
    Compaction, Error, Format, Kward, NewSession, RewindPoint, RuntimeUpdate, Session, Store,
    Traces,
};

use super::params::Params;
use super::table::Answer;
use super::{Refusal, STORE_ERROR, invalid};
use crate::args::{ListArgs, Sort};
use crate::commands::{keeping, list, tags, work_dirs};

const NO_RECORD: &str = "the session's format has no record for this";
const NO_ENTRIES: &str = "entries of this format are not given by their own keys";

/// The result of a method that returns nothing.
pub(super) fn nothing() -> Answer {
    Ok("null".to_owned())
}

pub(super) fn answer(value: impl Into<Value>) -> Answer {
    Ok(value.into().to_string())
}

fn entry_id(entry_id: &str) -> Answer {
    answer(json!({ "entry_id": entry_id }))
}

/// The format in a request.
pub(super) fn format(params: &Params<'_>) -> Result<Option<Format>, Refusal> {
    let Some(name) = params.text("format")? else { return Ok(None) };
    let names: Vec<_> = Format::ALL.iter().map(|format| format.name()).collect();
    let expected = format!("format: one of {}", names.join(", "));
    Format::from_name(&name).map(Some).ok_or_else(|| invalid(expected))
}

type Setter = fn(NewSession, &str) -> NewSession;

pub(super) fn create(store: &Store, params: &Params<'_>) -> Answer {
    let cwd = params.text("cwd")?.unwrap_or_default();
    let mut new = NewSession::new(&cwd).format(format(params)?.unwrap_or_default());
    if let Some(id) = params.text("id")? {
        new = new.session_id(&id);
    }
    if let Some(time) = params.time()? {
        new = new.at(time);
    }
    if let Some(record) = params.raw("record") {
        new = new.record(record);
    }
    for (name, set) in [
        ("provider", NewSession::provider as Setter),
        ("model", NewSession::model),
        ("reasoning_effort", NewSession::reasoning_effort),
        ("parent_id", NewSession::parent_id),
        ("parent_path", NewSession::parent_path),
    ] {
        if let Some(text) = params.text(name)? {
            new = set(new, &text);
        }
    }
    let messages = params.get::<Vec<&RawValue>>("messages")?.unwrap_or_default();
    let messages = messages.into_iter().map(RawValue::get);
    let session = store.create_with_messages(&new, messages)?;
    answer(json!({ "session_id": session.session_id()? }))
}

pub(super) fn append_message(store: &Store, params: &Params<'_>) -> Answer {
    let session = params.session(store)?;
    entry_id(&session.append_message(params.required_raw("message")?)?)
}

pub(super) fn compact(store: &Store, params: &Params<'_>) -> Answer {
    let session = params.session(store)?;
    if let Some(message) = params.raw("message") {
        return entry_id(&session.append_compaction(message)?);
    }
    let mut compaction = Compaction::new(&params.required_text("summary")?);
    if let Some(from) = params.text("keep_from")? {
        compaction = compaction.keep_from(&from);
    }
    if let Some(tokens) = params.get("tokens_before")? {
        compaction = compaction.tokens_before(tokens);
    }
    if let Some(details) = params.get("details")? {
        compaction = compaction.details(details);
    }
    entry_id(&session.compact(&compaction)?)
}

pub(super) fn append_entry(store: &Store, params: &Params<'_>) -> Answer {
    let session = params.session(store)?;
    let fields = params.raw("fields").unwrap_or("{}");
    let pi = session.pi().ok_or(Error::Unsupported(NO_ENTRIES))?;
    entry_id(&pi.append_entry(&params.required_text("type")?, fields)?)
}

pub(super) fn append_branch_summary(store: &Store, params: &Params<'_>) -> Answer {
    entry_id(&params.session(store)?.append_branch_summary(
        params.text("parent_id")?.as_deref(),
        params.text("from_id")?.as_deref(),
        params.text("summary")?.as_deref(),
        params.raw("details").unwrap_or("null"),
    )?)
}

pub(super) fn append_label_change(store: &Store, params: &Params<'_>) -> Answer {
    let label = params.text_or_null("label")?;
    let entry_id = params.required_text("entry_id")?;
    let change = params.session(store)?.append_label_change(&entry_id, label.as_deref())?;
    answer(json!({ "label_id": change.label_id, "known": change.is_known }))
}

pub(super) fn append_system_prompt_snapshot(store: &Store, params: &Params<'_>) -> Answer {
    let content = params.text("content")?.unwrap_or_default();
    let reason = params.text("reason")?.unwrap_or_else(|| "changed".to_owned());
    let session = params.session(store)?;
    let snapshot = with_records(&session)?.append_system_prompt_snapshot(&content, &reason)?;
    answer(json!({ "hash": snapshot.hash, "written": snapshot.is_written }))
}

pub(super) fn append_tool_execution(store: &Store, params: &Params<'_>) -> Answer {
    let tool_call = params.required_raw("tool_call")?;
    let content = params.text("content")?.unwrap_or_default();
    let session = params.session(store)?;
    let record = with_records(&session)?.append_tool_execution(tool_call, &content)?;
    Ok(format!("{{\"record\":{record}}}"))
}

/// A session whose format has records outside the tree.
pub(super) fn with_records(session: &Session) -> Result<Kward<'_>, Refusal> {
    Ok(session.kward().ok_or(Error::Unsupported(NO_RECORD))?)
}

pub(super) fn append_record(store: &Store, params: &Params<'_>) -> Answer {
    let line = params.session(store)?.append_record(params.required_raw("record")?)?;
    answer(json!({ "line": line }))
}

pub(super) fn update_memory_state(store: &Store, params: &Params<'_>) -> Answer {
    let session = params.session(store)?;
    with_records(&session)?.update_memory_state(
        params.raw("session_memories").unwrap_or("[]"),
        params.raw("last_retrieval").unwrap_or("null"),
    )?;
    nothing()
}

pub(super) fn update_runtime(store: &Store, params: &Params<'_>) -> Answer {
    params.session(store)?.update_runtime(RuntimeUpdate {
        provider: params.text("provider")?.as_deref(),
        model: params.text("model")?.as_deref(),
        reasoning_effort: params.text("reasoning_effort")?.as_deref(),
    })?;
    nothing()
}

pub(super) fn rename(store: &Store, params: &Params<'_>) -> Answer {
    params.session(store)?.rename_json(params.value("name")?)?;
    nothing()
}

pub(super) fn set_title(store: &Store, params: &Params<'_>) -> Answer {
    params.session(store)?.rename_json(params.required_raw("title")?)?;
    nothing()
}

pub(super) fn tag(store: &Store, params: &Params<'_>) -> Answer {
    params.session(store)?.tag_json(params.value("tag")?)?;
    nothing()
}

pub(super) fn clear_tags(store: &Store, params: &Params<'_>) -> Answer {
    params.session(store)?.clear_tags()?;
    nothing()
}

pub(super) fn untag(store: &Store, params: &Params<'_>) -> Answer {
    params.session(store)?.untag(&params.required_text("tag")?)?;
    nothing()
}

pub(super) fn session_tags(store: &Store, params: &Params<'_>) -> Answer {
    answer(params.session(store)?.tags()?)
}

pub(super) fn set_metadata(store: &Store, params: &Params<'_>) -> Answer {
    let session = params.session(store)?;
    session.set_metadata(&params.required_text("key")?, params.value("value")?)?;
    nothing()
}

pub(super) fn remove_metadata(store: &Store, params: &Params<'_>) -> Answer {
    params.session(store)?.remove_metadata(&params.required_text("key")?)?;
    nothing()
}

pub(super) fn metadata(store: &Store, params: &Params<'_>) -> Answer {
    Ok(tags::object(&params.session(store)?.metadata()?))
}

pub(super) fn branch(store: &Store, params: &Params<'_>) -> Answer {
    let session = params.session(store)?;
    match params.text_or_null("entry_id")? {
        Some(entry_id) => session.branch(&entry_id)?,
        None => session.reset_leaf()?,
    }
    nothing()
}

pub(super) fn reset_leaf(store: &Store, params: &Params<'_>) -> Answer {
    params.session(store)?.reset_leaf()?;
    nothing()
}

pub(super) fn navigate(store: &Store, params: &Params<'_>) -> Answer {
    let text = params.session(store)?.navigate(&params.required_text("entry_id")?)?;
    answer(json!({ "text": text }))
}

pub(super) fn clone(store: &Store, params: &Params<'_>) -> Answer {
    let copy = params.session(store)?.clone_session()?;
    answer(json!({ "session_id": copy.session_id()? }))
}

pub(super) fn fork(store: &Store, params: &Params<'_>) -> Answer {
    let session = params.session(store)?;
    let (fork, text) = match (params.text("entry_id")?, params.get::<u32>("turn")?) {
        (None, None) => (session.fork_branch()?, String::new()),
        (Some(entry_id), _) => {
            let fork = session.fork(&entry_id)?;
            (fork.session, fork.text)
        }
        (None, Some(turn)) => {
            let fork = session.fork_at_turn(turn)?;
            (fork.session, fork.text)
        }
    };
    answer(json!({ "session_id": fork.session_id()?, "text": text }))
}

pub(super) fn archive(store: &Store, params: &Params<'_>) -> Answer {
    params.session(store)?.archive()?;
    nothing()
}

pub(super) fn unarchive(store: &Store, params: &Params<'_>) -> Answer {
    params.session(store)?.unarchive()?;
    nothing()
}

pub(super) fn trash(store: &Store, params: &Params<'_>) -> Answer {
    params.session(store)?.trash()?;
    nothing()
}

pub(super) fn restore(store: &Store, params: &Params<'_>) -> Answer {
    params.session(store)?.restore()?;
    nothing()
}

pub(super) fn delete_if_unused(store: &Store, params: &Params<'_>) -> Answer {
    answer(json!({ "deleted": params.session(store)?.delete_if_unused()? }))
}

pub(super) fn purge(store: &Store, params: &Params<'_>) -> Answer {
    let session = to_purge(store, params, "session", &params.required_text("session")?)?;
    traces(&session.purge()?)
}

/// The session with this name, if it may be purged: it is named by its full id or its
/// file, and it is in the trash unless the request says otherwise.
pub(super) fn to_purge(
    store: &Store,
    params: &Params<'_>,
    parameter: &str,
    name: &str,
) -> Result<Session, Refusal> {
    let session = store.find(name)?;
    let info = session.info()?;
    if !keeping::is_whole_name(&info, name) {
        return Err(invalid(format!("{parameter}: {name:?} is only the beginning of an id")));
    }
    if info.trashed_at.is_none() && !params.get("force")?.unwrap_or(false) {
        return Err(invalid(format!(
            "{parameter}: {name:?} is not in the trash; delete it first, or set force"
        )));
    }
    Ok(session)
}

/// What a removal left behind.
pub(super) fn traces(left: &Traces) -> Answer {
    match left {
        Traces::Gone => nothing(),
        left => answer(json!({ "traces": left.to_string() })),
    }
}

pub(super) fn relink(store: &Store, params: &Params<'_>) -> Answer {
    let to = work_dirs::absolute(&params.required_text("to")?);
    let mut sessions = 0;
    for from in work_dirs::named(store, &params.required_text("from")?)? {
        sessions += store.relink(&from, &to, params.now()?)?;
    }
    answer(json!({ "sessions": sessions }))
}

/// The object that `dump` prints for a session.
pub(super) fn info(store: &Store, params: &Params<'_>) -> Answer {
    let mut out = Vec::new();
    params.read_session(store)?.dump(&mut out)?;
    Ok(String::from_utf8_lossy(&out).trim_end().to_owned())
}

/// The `context` of what `dump` prints, which is more than messages in some formats.
pub(super) fn context(store: &Store, params: &Params<'_>) -> Answer {
    let dumped = info(store, params)?;
    let parts: BTreeMap<String, &RawValue> =
        serde_json::from_str(&dumped).map_err(|err| Refusal::internal(&err))?;
    Ok(parts.get("context").map_or("null", |part| part.get()).to_owned())
}

pub(super) fn tree(store: &Store, params: &Params<'_>) -> Answer {
    let tree = params.read_session(store)?.tree()?;
    serde_json::to_string(&tree).map_err(|err| Refusal::internal(&err))
}

pub(super) fn rewind_points(store: &Store, params: &Params<'_>) -> Answer {
    let points = params.read_session(store)?.rewind_points()?;
    answer(points.iter().map(point_json).collect::<Value>())
}

pub(super) fn markdown(store: &Store, params: &Params<'_>) -> Answer {
    answer(params.read_session(store)?.markdown(params.now()?)?)
}

pub(super) fn list_sessions(store: &Store, params: &Params<'_>) -> Answer {
    rows(store, params, &list_args(params)?)
}

pub(super) fn list_trash(store: &Store, params: &Params<'_>) -> Answer {
    rows(store, params, &ListArgs { trash: true, ..list_args(params)? })
}

fn rows(store: &Store, params: &Params<'_>, args: &ListArgs) -> Answer {
    list::check_place(args).map_err(invalid)?;
    let (page, _) = list::find(store, args)?;
    // A reply cannot report that rows may be missing, so this is an error.
    if let Some(message) = page.damaged.first().cloned() {
        return Err(Refusal { code: STORE_ERROR, message, kind: Some("Damaged") });
    }
    let rows = page.rows.iter().map(|row| {
        let name = list::shared_name(store, row)?;
        Ok(list::row_json(row, name.as_deref()))
    });
    let rows = rows.collect::<Result<Vec<String>, Refusal>>()?;
    super::page(params, &rows, page.next.as_ref())
}

/// The filters of a list, as on the command line.
pub(super) fn list_args(params: &Params<'_>) -> Result<ListArgs, Refusal> {
    let is_set = |name: &str| Ok::<_, Refusal>(params.get::<bool>(name)?.unwrap_or(false));
    let (since, until) = params.span()?;
    let archived = is_set("archived")?;
    let sort = match params.text("sort")? {
        None => Sort::default(),
        Some(name) => <Sort as clap::ValueEnum>::from_str(&name, false)
            .map_err(|_| invalid("sort: one of modified, oldest, messages, title"))?,
    };
    Ok(ListArgs {
        json: true,
        limit: params.get("limit")?.unwrap_or(100),
        offset: params.get("offset")?.unwrap_or(0),
        after: params.place()?,
        query: params.text("query")?,
        archived,
        all: !archived && is_set("all")?,
        sources: params.text("sources")?.unwrap_or_default(),
        since,
        until,
        sort,
        sessions: params.sessions()?,
        ..ListArgs::default()
    })
}

fn point_json(point: &RewindPoint) -> Value {
    json!({
        "entry_id": point.entry_id,
        "preview": point.preview,
        "created_at": point.created_at.map(|time| time.to_string()),
    })
}
