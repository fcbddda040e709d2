//! What is asked of a whole store.

use serde_json::value::RawValue;
use serde_json::{Value, json};
use sessile::{Archived, NewSession, Page, Search, Session, SessionFilter, Traces};

use crate::params::Params;
use crate::{Answer, Failure, Handle, Method, ask};

pub(crate) const METHODS: &[Method] = &[
    ("find", find),
    ("create", create),
    ("sessions", sessions),
    ("trash", trash),
    ("search", search),
    ("work_dirs", work_dirs),
    ("stats", stats),
    ("session_files", session_files),
    ("recent_tree", recent_tree),
    ("remembered", remembered),
];

pub(crate) fn answer(value: &impl serde::Serialize) -> Answer {
    serde_json::to_string(value).map_err(|err| Failure::argument(err.to_string()))
}

/// A session's handle: what names it for good.
pub(crate) fn session_json(session: &Session) -> Answer {
    answer(&named_session(session)?)
}

pub(crate) fn named_session(session: &Session) -> Result<Value, Failure> {
    let (key, format) = (session.key(), session.format());
    Ok(json!({ "key": key, "format": format, "session_id": session.session_id()? }))
}

/// By a name; with `exact`, by a whole id and nothing else, or null.
fn find(handle: &Handle, params: &Params<'_>) -> Answer {
    let name: String = params.required("name")?;
    let found = ask!(handle, place => place.find(&name));
    if !params.is_set("exact")? {
        return session_json(&found?);
    }
    let is_it = |session: &Session| Ok::<_, Failure>(session.session_id()?.as_ref() == Some(&name));
    match found {
        Err(err) if matches!(err.kind(), "SessionNotFound") => Ok("null".to_owned()),
        // Several ids begin so, or several sessions have this one.
        Err(sessile::Error::AmbiguousSession { matches, .. })
            if !matches.iter().any(|text| text.ends_with(&format!("({name})"))) =>
        {
            Ok("null".to_owned())
        }
        Err(err) => Err(err.into()),
        Ok(session) if is_it(&session)? => session_json(&session),
        Ok(_) => Ok("null".to_owned()),
    }
}

type Setter = fn(NewSession, &str) -> NewSession;

fn create(handle: &Handle, params: &Params<'_>) -> Answer {
    let store = handle.store()?;
    let format = params.format()?.unwrap_or_default();
    let mut new = match params.text("file")? {
        Some(file) => NewSession::in_file(format, &file),
        None => NewSession::new(params.text("work_dir")?.unwrap_or_default()).format(format),
    };
    if let Some(time) = params.get("at")? {
        new = new.at(time);
    }
    if let Some(record) = params.raw("record") {
        new = new.record(record);
    }
    for (name, set) in [
        ("id", NewSession::session_id as Setter),
        ("provider", NewSession::provider),
        ("model", NewSession::model),
        ("reasoning_effort", NewSession::reasoning_effort),
        ("parent_id", NewSession::parent_id),
        ("parent_path", NewSession::parent_path),
    ] {
        if let Some(text) = params.text(name)? {
            new = set(new, &text);
        }
    }
    if let Some(messages) = params.get::<Vec<&RawValue>>("messages")? {
        let messages = messages.into_iter().map(RawValue::get);
        return session_json(&store.create_with_messages(&new, messages)?);
    }
    match params.get::<Vec<&RawValue>>("records")? {
        Some(records) => {
            let lines = records.into_iter().map(RawValue::get);
            session_json(&store.create_with_lines(&new, lines)?)
        }
        None => session_json(&store.create(&new)?),
    }
}

fn filter(params: &Params<'_>) -> Result<SessionFilter, Failure> {
    let mut filter = SessionFilter::new().limit(params.get("limit")?.unwrap_or(100));
    if let Some(query) = params.text("query")? {
        filter = filter.query(&query);
    }
    if let Some(work_dir) = params.text("work_dir")? {
        filter = filter.work_dir(work_dir);
    }
    if let Some(format) = params.format()? {
        filter = filter.format(format);
    }
    if let Some(since) = params.get("since")? {
        filter = filter.since(since);
    }
    if let Some(until) = params.get("until")? {
        filter = filter.until(until);
    }
    if let Some(origin) = params.text("origin")? {
        filter = filter.origin(&origin);
    }
    for tag in params.texts("tags")? {
        filter = filter.tag(&tag);
    }
    for (key, value) in params.metadata()? {
        filter = filter.metadata(&key, value.get());
    }
    filter = filter.archived(archived(params)?.unwrap_or(Archived::Without));
    filter = filter.all_sources(params.is_set("all_sources")?);
    Ok(match params.text("after")? {
        Some(after) => filter.after(after.parse()?),
        None => filter,
    })
}

/// `without`, `only` or `included`.
fn archived(params: &Params<'_>) -> Result<Option<Archived>, Failure> {
    Ok(match params.text("archived")?.as_deref() {
        None => None,
        Some("without") => Some(Archived::Without),
        Some("only") => Some(Archived::Only),
        Some("included") => Some(Archived::Included),
        Some(other) => {
            let reason = "it is \"without\", \"only\" or \"included\"";
            return Err(Failure::argument(format!("archived: {other:?}; {reason}")));
        }
    })
}

fn sessions(handle: &Handle, params: &Params<'_>) -> Answer {
    let filter = filter(params)?;
    page(&ask!(handle, place => place.sessions(&filter)?))
}

fn trash(handle: &Handle, params: &Params<'_>) -> Answer {
    let filter = filter(params)?;
    page(&ask!(handle, place => place.trash(&filter)?))
}

fn page(page: &Page) -> Answer {
    require_whole(&page.damaged)?;
    answer(page)
}

/// A list has no place to say that something may be missing.
fn require_whole(damaged: &[String]) -> Result<(), Failure> {
    match damaged.first() {
        Some(message) => Err(Failure { kind: "Damaged", message: message.clone() }),
        None => Ok(()),
    }
}

fn search(handle: &Handle, params: &Params<'_>) -> Answer {
    let search = search_of(params)?;
    let page = ask!(handle, place => place.search(&search)?);
    require_whole(&page.damaged)?;
    let hits = page.hits.iter().map(|hit| {
        json!({
            "session": hit.session, "format": hit.format, "session_id": hit.session_id,
            "file": hit.file, "title": hit.title, "work_dir": hit.work_dir,
            "entry_id": hit.entry_id, "line": hit.line, "role": hit.role, "at": hit.at,
            "snippet": hit.snippet,
        })
    });
    let next = page.next.as_ref().map(ToString::to_string);
    answer(&json!({ "rows": hits.collect::<Value>(), "next": next }))
}

fn search_of(params: &Params<'_>) -> Result<Search, Failure> {
    let text: String = params.required("text")?;
    let mut search = match (params.is_set("regex")?, params.is_set("fixed")?) {
        (true, _) => Search::pattern(&text),
        (_, true) => Search::literal(&text),
        _ => Search::words(&text),
    };
    search = search.limit(params.get("limit")?.unwrap_or(100));
    for (name, set) in [
        ("role", Search::role as fn(Search, &str) -> Search),
        ("tool", Search::tool),
        ("model", Search::model),
        ("work_dir", Search::work_dir),
        ("tags", Search::tag),
    ] {
        search = params.texts(name)?.iter().fold(search, |search, text| set(search, text));
    }
    if let Some(format) = params.format()? {
        search = search.format(format);
    }
    if let Some(origin) = params.text("origin")? {
        search = search.origin(&origin);
    }
    for (key, value) in params.metadata()? {
        search = search.metadata(&key, value.get());
    }
    if let Some(since) = params.get("since")? {
        search = search.since(since);
    }
    if let Some(until) = params.get("until")? {
        search = search.until(until);
    }
    if let Some(session) = params.get("session")? {
        search = search.session(session);
    }
    if let Some(archived) = archived(params)? {
        search = search.archived(archived);
    }
    for (name, set) in [
        ("active_branch", Search::active_branch as fn(Search) -> Search),
        ("thinking", Search::thinking),
        ("tools", Search::tools),
        ("rank", Search::ranked),
    ] {
        if params.is_set(name)? {
            search = set(search);
        }
    }
    Ok(match params.text("after")? {
        Some(after) => search.after(after.parse()?),
        None => search,
    })
}

/// The rows of a list, each with its depth under the session that it comes from.
fn recent_tree(handle: &Handle, params: &Params<'_>) -> Answer {
    let filter = filter(params)?;
    let nodes = ask!(handle, place => place.recent_tree(&filter)?);
    let rows = nodes.iter().map(|node| {
        let mut row = json!(node.session);
        row["depth"] = node.depth.into();
        row["is_last"] = node.is_last.into();
        row["ancestor_continues"] = json!(node.ancestor_continues);
        row
    });
    answer(&rows.collect::<Value>())
}

/// The session to go on with in a work dir, or null.
fn remembered(handle: &Handle, params: &Params<'_>) -> Answer {
    let work_dir = params.required::<String>("work_dir")?;
    match ask!(handle, place => place.remembered(work_dir)?) {
        Some(session) => session_json(&session),
        None => Ok("null".to_owned()),
    }
}

fn work_dirs(handle: &Handle, _: &Params<'_>) -> Answer {
    answer(&ask!(handle, place => place.work_dirs()?))
}

fn stats(handle: &Handle, _: &Params<'_>) -> Answer {
    answer(&ask!(handle, place => place.stats()?))
}

fn session_files(handle: &Handle, params: &Params<'_>) -> Answer {
    let format = params.format()?.unwrap_or_default();
    answer(&handle.store()?.session_files(format, &params.required::<String>("path")?)?)
}

pub(crate) fn traces(traces: &Traces) -> Answer {
    match traces {
        Traces::Gone => Ok("null".to_owned()),
        left => answer(&left.to_string()),
    }
}
