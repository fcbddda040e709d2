//! `sessile rpc`: the live API for programs in other languages.
//!
//! JSON-RPC 2.0, one object a line, answered in order until the input ends. A
//! thin face of `Store` and `Session`, nothing more; a bad request is answered
//! with an error and ends nothing. Values are handed on as they were spelt.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

use anyhow::Result;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sessile::{
    Entry, Error, Format, NewSession, RewindPoint, RuntimeUpdate, Session, SessionFilter,
    SessionKey, Store, Traces,
};

use super::work_dirs;
use crate::output;

const PARSE_ERROR: i64 = -32_700;
const INVALID_REQUEST: i64 = -32_600;
const UNKNOWN_METHOD: i64 = -32_601;
const INVALID_PARAMS: i64 = -32_602;
/// An error of the store; `data.kind` has its name.
const STORE_ERROR: i64 = -32_000;

pub(crate) fn run(store: &Store) -> Result<bool> {
    let mut input = io::stdin().lock();
    let mut out = output::content();
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(true);
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if let Some(reply) = answer(store, &line) {
            writeln!(out, "{reply}")?;
            out.flush()?;
        }
    }
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    method: String,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
}

struct Refusal {
    code: i64,
    message: String,
    kind: Option<&'static str>,
}

impl From<Error> for Refusal {
    fn from(err: Error) -> Self {
        let kind = Some(err.kind());
        let message = format!("{:#}", anyhow::Error::from(err));
        Self { code: STORE_ERROR, message, kind }
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal { code: INVALID_PARAMS, message: message.into(), kind: None }
}

/// The reply to a request, as one line of JSON; none to a notification.
fn answer(store: &Store, line: &[u8]) -> Option<String> {
    let refuse = |id: &str, refusal: &Refusal| {
        let mut error = json!({ "code": refusal.code, "message": refusal.message });
        if let Some(kind) = refusal.kind {
            error["data"] = json!({ "kind": kind });
        }
        Some(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}"))
    };
    let request: Request<'_> = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(err) => {
            let code = if err.is_data() { INVALID_REQUEST } else { PARSE_ERROR };
            let message = format!("no request: {err}");
            return refuse("null", &Refusal { code, message, kind: None });
        }
    };
    let result =
        Params::read(request.params).and_then(|params| call(store, &request.method, &params));
    // A request without an id wants no reply.
    let id = request.id?.get();
    match result {
        Ok(result) => Some(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}")),
        Err(refusal) => refuse(id, &refusal),
    }
}

/// Named parameters, each as it was spelt.
struct Params<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Params<'a> {
    fn read(raw: Option<&'a RawValue>) -> Result<Self, Refusal> {
        let Some(raw) = raw else { return Ok(Self(BTreeMap::new())) };
        serde_json::from_str(raw.get())
            .map(Self)
            .map_err(|err| invalid(format!("params must be an object: {err}")))
    }

    /// The JSON of a parameter; null counts as absent.
    fn raw(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|raw| raw.get()).filter(|raw| *raw != "null")
    }

    fn required_raw(&self, name: &str) -> Result<&'a str, Refusal> {
        self.raw(name).ok_or_else(|| invalid(format!("{name} is missing")))
    }

    fn get<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, Refusal> {
        self.raw(name)
            .map(|raw| serde_json::from_str(raw).map_err(|err| invalid(format!("{name}: {err}"))))
            .transpose()
    }

    fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        self.get(name)
    }

    fn required_text(&self, name: &str) -> Result<String, Refusal> {
        self.text(name)?.ok_or_else(|| invalid(format!("{name} is missing")))
    }

    fn time(&self) -> Result<Option<sessile::Timestamp>, Refusal> {
        let Some(text) = self.text("at")? else { return Ok(None) };
        sessile::Timestamp::parse(&text)
            .map(Some)
            .ok_or_else(|| invalid("at: an RFC 3339 time was expected"))
    }

    fn key(&self, store: &Store) -> Result<SessionKey, Refusal> {
        Ok(store.find(&self.required_text("session")?)?)
    }

    /// The session's handle, with the time, id and leaf that the request gives.
    fn session(&self, store: &Store) -> Result<Session, Refusal> {
        let mut session = store.live(self.key(store)?)?;
        if let Some(time) = self.time()? {
            session = session.at(time);
        }
        if let Some(id) = self.text("id")? {
            session = session.with_id(&id);
        }
        // Here null is a value: no entry is active.
        if let Some(raw) = self.0.get("expect_leaf") {
            let leaf: Option<String> = serde_json::from_str(raw.get())
                .map_err(|err| invalid(format!("expect_leaf: {err}")))?;
            session = session.expecting(leaf.as_deref());
        }
        Ok(session)
    }
}

/// Calls a method; returns the JSON of its result.
fn call(store: &Store, method: &str, params: &Params<'_>) -> Result<String, Refusal> {
    let result = match method {
        "create" => create(store, params)?,
        "append_message" => {
            let session = params.session(store)?;
            json!({ "entry_id": session.append_message(params.required_raw("message")?)? })
        }
        "compact" => {
            let session = params.session(store)?;
            json!({ "entry_id": session.compact(params.required_raw("message")?)? })
        }
        "append_branch_summary" => {
            let entry_id = params.session(store)?.append_branch_summary(
                params.text("parent_id")?.as_deref(),
                params.text("from_id")?.as_deref(),
                params.text("summary")?.as_deref(),
                params.raw("details").unwrap_or("null"),
            )?;
            json!({ "entry_id": entry_id })
        }
        "append_label_change" => {
            let label = params.text("label")?;
            let entry_id = params.required_text("entry_id")?;
            let (label_id, known) =
                params.session(store)?.append_label_change(&entry_id, label.as_deref())?;
            json!({ "label_id": label_id, "known": known })
        }
        "append_system_prompt_snapshot" => {
            let content = params.text("content")?.unwrap_or_default();
            let reason = params.text("reason")?.unwrap_or_else(|| "changed".to_owned());
            let (hash, written) =
                params.session(store)?.append_system_prompt_snapshot(&content, &reason)?;
            json!({ "hash": hash, "written": written })
        }
        "append_tool_execution" => {
            let tool_call = params.required_raw("tool_call")?;
            let content = params.text("content")?.unwrap_or_default();
            let record = params.session(store)?.append_tool_execution(tool_call, &content)?;
            return Ok(format!("{{\"record\":{record}}}"));
        }
        "append_record" => {
            let line = params.session(store)?.append_record(params.required_raw("record")?)?;
            json!({ "line": line })
        }
        "update_memory_state" => {
            params.session(store)?.update_memory_state(
                params.raw("session_memories").unwrap_or("[]"),
                params.raw("last_retrieval").unwrap_or("null"),
            )?;
            Value::Null
        }
        "update_runtime" => {
            params.session(store)?.update_runtime(RuntimeUpdate {
                provider: params.text("provider")?.as_deref(),
                model: params.text("model")?.as_deref(),
                reasoning_effort: params.text("reasoning_effort")?.as_deref(),
            })?;
            Value::Null
        }
        "append_entry" => {
            let session = params.session(store)?;
            let fields = params.raw("fields").unwrap_or("{}");
            let entry_id = session.append_entry(&params.required_text("type")?, fields)?;
            json!({ "entry_id": entry_id })
        }
        "rename" => {
            params.session(store)?.rename(params.text("name")?.as_deref())?;
            Value::Null
        }
        "set_title" => {
            params.session(store)?.rename(Some(&params.required_text("title")?))?;
            Value::Null
        }
        "branch" => {
            let session = params.session(store)?;
            match params.text("entry_id")? {
                Some(entry_id) => session.branch(&entry_id)?,
                None => session.reset_leaf()?,
            }
            Value::Null
        }
        "reset_leaf" => {
            params.session(store)?.reset_leaf()?;
            Value::Null
        }
        "delete_if_unused" => json!({ "deleted": params.session(store)?.delete_if_unused()? }),
        "archive" => keep(store, params, Store::archive)?,
        "unarchive" => keep(store, params, Store::unarchive)?,
        "delete" => keep(store, params, Store::delete)?,
        "restore" => keep(store, params, Store::restore)?,
        "purge" => match store.purge(params.key(store)?)? {
            Traces::Gone => Value::Null,
            left => json!({ "traces": left.to_string() }),
        },
        "relink" => {
            let to = work_dirs::absolute(&params.required_text("to")?);
            let mut sessions = 0;
            for from in work_dirs::named(store, &params.required_text("from")?)? {
                sessions += store.relink(&from, &to, now(params)?)?;
            }
            json!({ "sessions": sessions })
        }
        "clone" => {
            let copy = params.session(store)?.duplicate()?;
            json!({ "session_id": copy.session_id()? })
        }
        "fork" => {
            let session = params.session(store)?;
            let (fork, text) = match (params.text("entry_id")?, params.get::<u32>("turn")?) {
                (Some(entry_id), _) => session.fork(&entry_id)?,
                (None, Some(turn)) => session.fork_at_turn(turn)?,
                (None, None) => (session.fork_branch()?, String::new()),
            };
            json!({ "session_id": fork.session_id()?, "text": text })
        }
        "navigate" => {
            let text = params.session(store)?.navigate(&params.required_text("entry_id")?)?;
            json!({ "text": text })
        }
        "rewind_points" => {
            let points = store.rewind_points(params.key(store)?)?;
            points.iter().map(point_json).collect()
        }
        "markdown" => Value::from(store.markdown(params.key(store)?, now(params)?)?),
        "entries_after" => {
            let line = params.get("line")?.unwrap_or(0);
            let limit = params.get("limit")?.unwrap_or(100);
            let entries = store.entries_after(params.key(store)?, line, limit)?;
            entries.iter().map(entry_json).collect()
        }
        "info" => return dumped(store, params.key(store)?),
        "context" => return part(store, params.key(store)?, "context"),
        "tree" => return part(store, params.key(store)?, "tree"),
        "path" => path(store, params)?,
        "entry" => {
            let entry = store.entry(params.key(store)?, &params.required_text("entry_id")?)?;
            entry.as_ref().map_or(Value::Null, entry_json)
        }
        "children" => {
            let children =
                store.children(params.key(store)?, &params.required_text("entry_id")?)?;
            children.iter().map(entry_json).collect()
        }
        "list" => return list(store, params),
        _ => {
            let message = format!("there is no method {method:?}");
            return Err(Refusal { code: UNKNOWN_METHOD, message, kind: None });
        }
    };
    Ok(result.to_string())
}

/// The time that a request gives, else now.
fn now(params: &Params<'_>) -> Result<sessile::Timestamp, Refusal> {
    Ok(params.time()?.unwrap_or_else(sessile::Timestamp::now))
}

fn keep(
    store: &Store,
    params: &Params<'_>,
    change: impl Fn(&Store, SessionKey, sessile::Timestamp) -> sessile::Result<()>,
) -> Result<Value, Refusal> {
    let at = now(params)?;
    change(store, params.key(store)?, at)?;
    Ok(Value::Null)
}

type Setter = fn(NewSession, &str) -> NewSession;

fn create(store: &Store, params: &Params<'_>) -> Result<Value, Refusal> {
    let format = match params.text("format")? {
        Some(name) => {
            let names: Vec<_> = Format::ALL.iter().map(|format| format.name()).collect();
            let expected = format!("format: one of {}", names.join(", "));
            Format::from_name(&name).ok_or_else(|| invalid(expected))?
        }
        None => Format::default(),
    };
    let mut new = NewSession::new(&params.text("cwd")?.unwrap_or_default()).format(format);
    if let Some(id) = params.text("id")? {
        new = new.session_id(&id);
    }
    if let Some(time) = params.time()? {
        new = new.at(time);
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
    Ok(json!({ "session_id": store.create(&new)?.session_id()? }))
}

fn path(store: &Store, params: &Params<'_>) -> Result<Value, Refusal> {
    let key = params.key(store)?;
    let limit = params.get::<usize>("limit")?.unwrap_or(usize::MAX);
    let leaf = match params.text("entry_id")? {
        Some(leaf) => Some(leaf),
        None => store.session(key)?.and_then(|info| info.leaf),
    };
    let path = match leaf {
        Some(leaf) => store.last_of_path(key, &leaf, limit)?,
        None => Vec::new(),
    };
    Ok(path.iter().map(entry_json).collect())
}

fn list(store: &Store, params: &Params<'_>) -> Result<String, Refusal> {
    let mut filter = SessionFilter::new();
    if let Some(query) = params.text("query")? {
        filter = filter.query(&query);
    }
    let work_dir = params.text("work_dir")?;
    let limit = params.get::<i64>("limit")?.unwrap_or(100).max(0).unsigned_abs();
    let offset = params.get::<i64>("offset")?.unwrap_or(0).max(0).unsigned_abs();
    if params.get::<bool>("archived")?.unwrap_or(false) {
        filter = filter.archived(sessile::Archived::Only);
    } else if params.get::<bool>("all")?.unwrap_or(false) {
        filter = filter.archived(sessile::Archived::Included);
    }
    let slice = (offset, limit);
    let page = super::list::page_of(
        store,
        Store::sessions,
        || filter.clone(),
        work_dir.as_deref(),
        slice,
    )?;
    // A reply has no place to say that rows may be missing.
    if let Some(message) = page.damaged.into_iter().next() {
        return Err(Refusal { code: STORE_ERROR, message, kind: Some("Damaged") });
    }
    let rows: Vec<String> = page
        .rows
        .iter()
        .map(|row| {
            let name = super::list::shared_name(store, row)?;
            Ok(super::list::row_json(row, name.as_deref()))
        })
        .collect::<Result<_, Refusal>>()?;
    Ok(format!("[{}]", rows.join(",")))
}

/// The object that `dump` prints of a session.
fn dumped(store: &Store, session: SessionKey) -> Result<String, Refusal> {
    let mut out = Vec::new();
    store.dump_session(session, &mut out)?;
    Ok(String::from_utf8_lossy(&out).trim_end().to_owned())
}

fn part(store: &Store, session: SessionKey, name: &str) -> Result<String, Refusal> {
    let dumped = dumped(store, session)?;
    let parts: BTreeMap<String, &RawValue> =
        serde_json::from_str(&dumped).map_err(|err| invalid(err.to_string()))?;
    Ok(parts.get(name).map_or("null", |part| part.get()).to_owned())
}

fn point_json(point: &RewindPoint) -> Value {
    json!({
        "entry_id": point.entry_id,
        "preview": point.preview,
        "created_at": point.created_at.map(|time| time.to_string()),
    })
}

fn entry_json(entry: &Entry) -> Value {
    json!({
        "id": entry.id,
        "parent_id": entry.parent_id,
        "type": entry.entry_type,
        "role": entry.role,
        "created_at": entry.created_at.map(|time| time.to_string()),
        "label": entry.label,
        "line": entry.line,
    })
}
