//! Forks: a new thread that begins like another.
//!
//! A thread that counts its records is forked by naming the file and the byte at
//! which the fork begins; any other by writing its records again.

use rusqlite::Connection;

use super::{begin, last_record, write_name};
use crate::chain::{self, Writing};
use crate::error::{Error, Result};
use crate::format::codex::item;
use crate::format::codex::layout;
use crate::format::codex::meta::Mode;
use crate::format::codex::record::{self, Body, Event};
use crate::format::codex::stored::history::History;
use crate::format::codex::stored::{Place, turns};
use crate::format::codex::turns::{Status, Turn};
use crate::format::codex::write::{self, Fork};
use crate::format::json;
use crate::model::{SessionKey, Stored};
use crate::store::{heads, log};

/// How much of a history a fork contains.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    Nowhere,
    /// This many records of the history.
    Records(usize),
    /// Up to and including this line.
    Line(i64),
    /// Up to the turn that this line is in, exclusively.
    BeforeTurnOf(i64),
}

/// Forks a thread up to and including a turn, counted from 1; all of it if there is
/// none.
pub(super) fn fork(writing: &Writing<'_>, turn: Option<u32>) -> Result<(SessionKey, String)> {
    let place = Place::of(writing.tx, writing.session)?;
    let (cut, text) = match turn {
        None => (Cut::Nowhere, String::new()),
        Some(turn) => at_turn(&turns(writing.tx, &place)?, turn)?,
    };
    Ok((make(writing, &place, cut)?, text))
}

/// Forks the path to an entry; for a prompt, what comes before its turn, and its
/// text.
pub(super) fn fork_at_entry(writing: &Writing<'_>, entry_id: &str) -> Result<(SessionKey, String)> {
    let place = Place::of(writing.tx, writing.session)?;
    let entry = writing.entry(entry_id)?;
    let raw = log::record(writing.tx, entry.place)?;
    let line_key = entry.place.line_key;
    let prompt = match record::of_entry(&raw).map(|record| record.body) {
        Some(Body::Item(item)) if item::is_prompt(item) => {
            Some(item::texts(item).collect::<Vec<_>>().join("\n"))
        }
        _ => None,
    };
    let cut = match prompt {
        Some(_) => Cut::BeforeTurnOf(line_key),
        None => Cut::Line(line_key),
    };
    Ok((make(writing, &place, cut)?, prompt.unwrap_or_default()))
}

fn at_turn(turns: &[Turn], turn: u32) -> Result<(Cut, String)> {
    let count = turns.len() as u64;
    let at = (turn as usize).checked_sub(1).filter(|at| *at < turns.len());
    let at = at.ok_or(Error::TurnNotFound { turn, turns: count })?;
    if turns[at].is_implicit {
        return Err(Error::Unsupported("cannot fork at a turn whose start is not in the file"));
    }
    if turns[at].status == Status::InProgress {
        return Err(Error::Unsupported("cannot fork at a turn that has not ended"));
    }
    let cut = turns.get(at + 1).map_or(Cut::Nowhere, |next| Cut::Records(next.first));
    Ok((cut, turns[at].prompt().to_owned()))
}

/// A line at the beginning of a fork.
struct KeptLine {
    raw: Vec<u8>,
    /// The file that contains it.
    file_id: i64,
    end: u64,
    ordinal: Option<u64>,
    is_record: bool,
}

fn make(writing: &Writing<'_>, place: &Place, cut: Cut) -> Result<SessionKey> {
    let Writing { tx, at, id, .. } = *writing;
    if place.own.is_document || place.own.meta.mode == Mode::Bare {
        return Err(Error::Unsupported("cannot fork a session of a release before 0.32"));
    }
    let source_id = place.own.known.thread_id.as_deref();
    let source_id = source_id.ok_or(Error::Unsupported("cannot fork a session without an id"))?;
    let new_id = || uuid::Uuid::now_v7().to_string();
    let id = id.map_or_else(new_id, str::to_owned);
    chain::require_id(&id)?;
    chain::require_free_id(tx, &id)?;
    let history = place.history(tx)?;
    let mut kept = kept_lines(tx, &history, cut)?;
    let own = own_meta(tx, place)?;
    let window_id = new_id();
    let mut fork = Fork { id: &id, window_id: &window_id, at, source_id, base: None };
    let is_paginated = place.own.meta.mode == Mode::Paginated;
    let base = if is_paginated { base_of(&history, &kept)? } else { None };
    fork.base = base.as_ref().map(|(name, ordinal, offset)| (name.as_str(), *ordinal, *offset));
    let (meta, _) = json::scan(&own).map_err(|err| Error::InvalidRecord(err.reason.to_owned()))?;
    let meta = meta.get("payload").unwrap_or(meta);
    let meta = write::meta_of_fork(meta, &fork);
    let first = is_paginated.then(|| fork.base.map_or(0, |(_, ordinal, _)| ordinal));
    let mut lines = vec![write::line(at, first, "session_meta", &meta)];
    if !is_paginated {
        kept.retain(|line| line.is_record);
        lines.extend(kept.iter().filter_map(|line| write::again(&line.raw, at)));
    }
    let is_settings = |body: &Body<'_>| matches!(body, Body::Event(Event::Settings(_)));
    if let Some(settings) = last_record(tx, place, is_settings)?
        && let Ok((settings, _)) = json::scan(&settings)
        && let Some(payload) = settings.get("payload")
    {
        let payload = write::settings_of_fork(payload, &id);
        lines.push(write::line(at, first.map(|first| first + 1), "event_msg", &payload));
    }
    let path = layout::path_of(&id, at).into_bytes();
    let session = begin(tx, &place.source, &path, at, &lines)?;
    if let Some(Stored::Text(name)) = heads::head(tx, writing.session)?.name {
        write_name(tx, &place.source, &id, &name, at)?;
    }
    Ok(session)
}

/// The lines of a history before a cut.
fn kept_lines(tx: &Connection, history: &History, cut: Cut) -> Result<Vec<KeptLine>> {
    let mut kept = Vec::new();
    let (mut records, mut is_over, mut turn) = (0, false, 0);
    history.each_line(tx, |link, key, end, raw| {
        if is_over {
            return Ok(());
        }
        let record = record::parse(raw).record;
        if record.is_some() {
            is_over = cut == Cut::Records(records);
            records += 1;
        }
        if is_over {
            return Ok(());
        }
        if let Some(Body::Event(Event::TaskStarted { .. })) =
            record.as_ref().map(|found| &found.body)
        {
            turn = kept.len();
        }
        if cut == Cut::BeforeTurnOf(key) {
            is_over = true;
            kept.truncate(turn.max(1));
            return Ok(());
        }
        kept.push(KeptLine {
            raw: raw.to_vec(),
            file_id: link.log.file_id,
            end,
            ordinal: record.as_ref().and_then(|record| record.ordinal),
            is_record: record.is_some(),
        });
        is_over = cut == Cut::Line(key);
        Ok(())
    })?;
    Ok(kept)
}

/// The first `session_meta` of a rollout, as spelt.
fn own_meta(tx: &Connection, place: &Place) -> Result<Vec<u8>> {
    let mut found = None;
    log::each_line_left(tx, &place.own.log, |_, raw| {
        let record = record::parse(raw).record;
        if found.is_none() && matches!(record.map(|record| record.body), Some(Body::Meta(_))) {
            found = Some(raw.to_vec());
        }
        Ok(())
    })?;
    found.ok_or(Error::Unsupported("cannot fork a session without a session_meta"))
}

/// The file that contains the cut, by its physical id, with the ordinal and the byte
/// of the cut.
fn base_of(history: &History, kept: &[KeptLine]) -> Result<Option<(String, u64, u64)>> {
    let Some(last) = kept.last() else { return Ok(None) };
    let link = history.links.iter().find(|link| link.log.file_id == last.file_id);
    let name = link.and_then(|link| link.known.physical_id.clone());
    let name = name.ok_or(Error::Unsupported("a fork cannot start with a file without an id"))?;
    let ordinal = kept.iter().rev().find_map(|line| line.ordinal).map_or(0, |last| last + 1);
    Ok(Some((name, ordinal, last.end)))
}
