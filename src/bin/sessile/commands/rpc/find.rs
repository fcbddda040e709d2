//! `search`.

use sessile::{Archived, Search, Store, Timestamp};

use super::params::Params;
use super::takes::{Param, optional, required};
use super::{Refusal, STORE_ERROR, invalid};
use crate::commands::search;

pub(super) const PARAMS: &[Param] = &[
    required("text", "string", "words as for the command, a text or a pattern"),
    optional("fixed", "boolean", "`text` is matched literally; every text is read"),
    optional("regex", "boolean", "`text` is a regular expression; every text is read"),
    optional("limit", "integer", "20 when absent, 0 for all"),
    optional("role", "string or array", "any of them"),
    optional("tool", "string or array", "messages that call any of them, and their answers"),
    optional("model", "string", "a part of the model's name"),
    optional("session", "string", "its id, a prefix of it, or its file"),
    optional("branch", "string", "`active`; every branch when absent"),
    optional("archived", "boolean", "archived sessions only"),
    optional("not_archived", "boolean", "no archived sessions"),
    optional("thinking", "boolean", "also the model's thinking"),
    optional("tools", "boolean", "also tool arguments and answers"),
    optional("rank", "boolean", "the best matches first"),
];

/// Hits in the form of the command, with the command's filters.
pub(super) fn search(store: &Store, params: &Params<'_>) -> Result<String, Refusal> {
    let limit = params.get::<u64>("limit")?.unwrap_or(20);
    let page = store.search(&read(store, params)?.limit(limit))?;
    // A reply cannot report that hits may be missing, so this is an error.
    if let Some(message) = page.damaged.first().cloned() {
        return Err(Refusal { code: STORE_ERROR, message, kind: Some("Damaged") });
    }
    super::page(params, &search::page_json(&page, limit), page.next.as_ref())
}

fn read(store: &Store, params: &Params<'_>) -> Result<Search, Refusal> {
    let is_set = |name: &str| Ok::<_, Refusal>(params.get::<bool>(name)?.unwrap_or(false));
    let text = params.required_text("text")?;
    let mut search = match (is_set("regex")?, is_set("fixed")?) {
        (true, _) => Search::pattern(&text),
        (_, true) => Search::literal(&text),
        _ => Search::words(&text),
    };
    for (name, set) in
        [("role", Search::role as fn(Search, &str) -> Search), ("tool", Search::tool)]
    {
        search = params.texts(name)?.iter().fold(search, |search, text| set(search, text));
    }
    if let Some(model) = params.text("model")? {
        search = search.model(&model);
    }
    search = search::of_sessions(store, search, &params.sessions()?)?;
    search = of_time_and_place(store, params, search)?;
    for (name, set) in [
        ("thinking", Search::thinking as fn(Search) -> Search),
        ("tools", Search::tools),
        ("rank", Search::ranked),
    ] {
        if is_set(name)? {
            search = set(search);
        }
    }
    search = match (is_set("archived")?, is_set("not_archived")?) {
        (true, _) => search.archived(Archived::Only),
        (_, true) => search.archived(Archived::Without),
        _ => search,
    };
    Ok(match params.place()? {
        Some(after) => search.after(after),
        None => search,
    })
}

/// The search restricted to a time, a session and a branch.
fn of_time_and_place(
    store: &Store,
    params: &Params<'_>,
    mut search: Search,
) -> Result<Search, Refusal> {
    let now = Timestamp::now();
    let (since, until) = params.span()?;
    if let Some(since) = since {
        search = search.since(since.before(now));
    }
    if let Some(until) = until {
        search = search.until(until.before(now));
    }
    if let Some(session) = params.text("session")? {
        search = search.session(store.find(&session)?.key());
    }
    match params.text("branch")?.as_deref() {
        None => Ok(search),
        Some("active") => Ok(search.active_branch()),
        Some(_) => Err(invalid("branch: \"active\", or nothing for every branch")),
    }
}
