//! Determines from the rows what a further record of a rollout changes.
//!
//! This is possible if the rollout is all of its thread, and its metadata does not
//! change. Otherwise it is refolded from its first record.

use rusqlite::Connection;

use super::Place;
use super::fold::{Facts, Fold};
use super::tables::{self, KnownRollout};
use crate::error::Result;
use crate::fold::search_text;
use crate::format::codex::meta::{Meta, Mode};
use crate::format::codex::record::{self, Body, Event, Record, owned};
use crate::format::codex::turns;
use crate::format::json::Raw;
use crate::model::{Header, SessionKey, Stored, Timestamp};
use crate::store::files::FileState;
use crate::store::heads::{self, Head};
use crate::store::{entries, events, log, metadata, sessions};

/// Marks a thread that counts its records, and in which an item came before its turn,
/// or named none.
pub(super) const HAS_EARLY: &str = "early";

/// Folds the line that was appended to a rollout; returns whether that was possible.
/// If not, nothing was written.
pub(in crate::format::codex) fn take(
    conn: &Connection,
    place: &Place,
    line: &[u8],
    at: Timestamp,
) -> Result<bool> {
    let own = &place.own;
    let session = own.known.session;
    let Some(known) = tables::of_session(conn, session)? else { return Ok(false) };
    let before = heads::head(conn, session)?;
    if !is_plain(place, &known) || !is_alone(conn, &known)? || events::is_relinked(conn, session)? {
        return Ok(false);
    }
    let record = record::parse(line).record;
    let Some(messages) = messages(conn, place, &before, record.as_ref())? else {
        return Ok(false);
    };
    let leaf = match &before.leaf_id {
        Some(leaf_id) => entries::entry_key(conn, session, leaf_id)?,
        None => None,
    };
    let count = u32::try_from(before.entry_count).unwrap_or(u32::MAX);
    let mut fold = Fold::behind(conn, own, facts(conn, place, &before)?, count);
    let key = log::key(own.log.file_id, own.log.line_count);
    let leaf = fold.add(leaf, key, line)?;
    let Facts { meta, model, effort, tokens, .. } = fold.facts;
    if let Some(tokens) = tokens {
        tables::update_token_count(conn, session, tokens)?;
    }
    let mut head = Head {
        work_dir_id: match &meta.cwd {
            Some(cwd) => Some(sessions::work_dir_id(conn, cwd, sessions::LOCAL)?),
            None => None,
        },
        modified_at: Timestamp(at.0.saturating_sub(at.0.rem_euclid(1_000_000))),
        model,
        reasoning_effort: effort,
        message_count: before.message_count + messages,
        leaf_id: leaf.map(|key| entries::entry_id(conn, key)).transpose()?,
        entry_count: i64::from(fold.count),
        last_entry_key: fold.count.checked_sub(1).map(|last| entries::key(session, last)),
        ..before.clone()
    };
    head.search_text = search_text(conn, &head)?;
    heads::update_head(conn, session, &head, Some(&before))?;
    Ok(true)
}

/// Whether a rollout is written here, in today's form.
fn is_plain(place: &Place, known: &KnownRollout) -> bool {
    let own = &place.own;
    own.log.state == FileState::Local
        && own.log.path == place.rollout.place
        && own.log.file_id == known.file_id
        && own.known.base == known.base
        && own.has_header
        && !own.is_document
        && !known.is_archived
        && known.mode != Mode::Bare
}

/// Whether nothing else at the root depends on how a rollout continues: there is no
/// other file of its thread or name, and none that begins with more than it has.
fn is_alone(conn: &Connection, known: &KnownRollout) -> Result<bool> {
    let (source_id, session) = (known.source_id, known.session);
    let is_own = |found: &KnownRollout| found.session == session;
    let Some(thread_id) = &known.thread_id else { return Ok(false) };
    if !tables::of_name(conn, source_id, &known.name)?.iter().all(is_own)
        || !tables::of_thread(conn, source_id, thread_id)?.iter().all(is_own)
    {
        return Ok(false);
    }
    let Some(id) = &known.physical_id else { return Ok(false) };
    let is_whole =
        |found: &KnownRollout| found.base_is_whole && found.base_file == Some(known.file_id);
    Ok(tables::beginning_with(conn, source_id, id)?.iter().all(is_whole))
}

/// The facts so far, from the rows.
fn facts(conn: &Connection, place: &Place, head: &Head) -> Result<Facts> {
    let shown = tables::shown(conn, place.own.known.session)?;
    let cwd = head.work_dir_id.map(|id| sessions::work_dir_path(conn, id)).transpose()?;
    Ok(Facts {
        meta: Meta { cwd, provider: head.provider.clone(), ..place.own.meta.clone() },
        first_message: Some(head.first_message.to_text()),
        model: head.model.clone(),
        effort: head.reasoning_effort.clone(),
        tokens: shown.and_then(|shown| shown.token_count),
        copied_at: place.own.copied_at(conn)?,
    })
}

/// By how much a record increases the number of messages; `None` if the rows do not
/// tell.
fn messages(
    conn: &Connection,
    place: &Place,
    head: &Head,
    record: Option<&Record<'_>>,
) -> Result<Option<i64>> {
    let Some(record) = record else { return Ok(Some(0)) };
    let has_first = !matches!(&head.first_message, Stored::Text(text) if text.is_empty());
    let changes_more = matches!(record.body, Body::Meta(_) | Body::Event(Event::RolledBack(_)))
        || !has_first && turns::preview_of(record).is_some()
        || head.header != Header::Stored;
    match (&record.body, place.own.meta.mode) {
        _ if changes_more => Ok(None),
        (Body::Event(event), Mode::Legacy) => Ok(of_event(event)),
        (Body::Event(_), Mode::Paginated) => of_named(conn, place, record),
        _ => Ok(Some(0)),
    }
}

/// As [`messages`], for an event in a thread whose turns are told by a sequence of
/// events.
fn of_event(event: &Event<'_>) -> Option<i64> {
    // Only a message with such an id can be replaced.
    let beside = |id: Option<&str>| (!id.is_some_and(|id| id.starts_with("item-"))).then_some(0);
    match event {
        Event::UserMessage(_) => Some(1),
        Event::AgentMessage(text) => Some(i64::from(!text.is_empty())),
        Event::WebSearchEnd { call_id, .. }
        | Event::ToolCallEnd { call_id }
        | Event::PatchEnd { call_id, .. } => beside(Some(call_id)),
        Event::EnteredReview(payload) | Event::ExitedReview(payload) => {
            beside(owned(*payload, "item_id").as_deref())
        }
        Event::ItemCompleted { item, .. } => beside(owned(*item, "id").as_deref()),
        _ => Some(0),
    }
}

/// As [`messages`], in a thread whose items name their turn: an item is counted once
/// per id.
fn of_named(conn: &Connection, place: &Place, record: &Record<'_>) -> Result<Option<i64>> {
    let (session, start) = (place.own.known.session, place.own.meta.own_history);
    if metadata::said(conn, session, HAS_EARLY)?.is_some() {
        return Ok(None);
    }
    let Some((turn, item)) = item_of(record, start) else { return Ok(Some(0)) };
    let id = owned(item, "id").unwrap_or_default();
    if [turn, &id].iter().any(|id| id.starts_with("line:")) {
        // An entry may have such an id itself.
        return Ok(None);
    }
    let mut is_named = false;
    each_named(conn, session, turn, |record| {
        is_named |= turn_of(record, start) == Some(turn);
    })?;
    if !is_named {
        return Ok(None);
    }
    let mut before = 0;
    each_named(conn, session, &id, |record| {
        if let Some((of, item)) = item_of(record, start)
            && of == turn
            && owned(item, "id").as_ref() == Some(&id)
        {
            before = is_message(item);
        }
    })?;
    let is_item = owned(item, "id").is_some();
    Ok(Some(if is_item { is_message(item) - before } else { 0 }))
}

/// Calls `each` for every record with an id, in order.
fn each_named(
    conn: &Connection,
    session: SessionKey,
    id: &str,
    mut each: impl FnMut(&Record<'_>),
) -> Result<()> {
    let mut found = entries::entries_by_message_id(conn, session, &Stored::Text(id.to_owned()))?;
    found.sort_unstable();
    for entry in found {
        let line = log::record(conn, entries::place(conn, entry)?)?;
        if let Some(record) = record::parse(&line).record {
            each(&record);
        }
    }
    Ok(())
}

fn is_inherited(record: &Record<'_>, start: Option<u64>) -> bool {
    matches!((start, record.ordinal), (Some(start), Some(ordinal)) if ordinal < start)
}

/// The item that a record completes, and the turn that it names.
fn item_of<'r>(record: &'r Record<'_>, start: Option<u64>) -> Option<(&'r str, Raw<'r>)> {
    match &record.body {
        Body::Event(Event::ItemCompleted { turn_id, item }) if !is_inherited(record, start) => {
            Some((turn_id, *item))
        }
        _ => None,
    }
}

/// The turn that an event begins or ends.
fn turn_of<'r>(record: &'r Record<'_>, start: Option<u64>) -> Option<&'r str> {
    match &record.body {
        Body::Event(event) if !is_inherited(record, start) => turns::named_by(event),
        _ => None,
    }
}

/// 1 for a message, 0 for any other item.
fn is_message(item: Raw<'_>) -> i64 {
    let kind = owned(item, "type");
    i64::from(matches!(kind.as_deref(), Some("UserMessage" | "AgentMessage")))
}
