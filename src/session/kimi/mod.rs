//! Kimi sessions: changes of their state, forks at a turn, undo.
//!
//! What is decided goes where Kimi keeps it: a title or an archived flag into
//! `state.json`, which from then on is written here; every other file stays as
//! it was imported. A fork is a new folder with the files that Kimi itself
//! would have written.

mod files;
mod fork;

use rusqlite::Connection;

use crate::error::{Error, Result};
use crate::format::kimi::layout;
use crate::format::kimi::state::State;
use crate::format::kimi::stored::{self as fold, Unit, tables};
use crate::model::{SessionKey, Stored, Timestamp, Turn};
use crate::store::events::{self, EventKind};
use crate::store::files::Source;
use crate::store::{Store, sessions};

impl Store {
    /// Returns what the user asked of a Kimi session, in order; nothing for other formats.
    pub fn turns(&self, session: SessionKey) -> Result<Vec<Turn>> {
        self.read(|conn| tables::turns(conn, session))
    }

    /// Returns the state of a Kimi session as one JSON object: every field of
    /// its `state.json` in Kimi's order, with Kimi's defaults, and what a
    /// `metadata.json` of older versions adds; `None` for other formats.
    ///
    /// A field with a value that Kimi does not take has its default; Kimi
    /// itself would drop the whole state for it. Nothing is written. This is
    /// the counterpart of Kimi's `load_session_metadata`.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound).
    pub fn session_state(&self, session: SessionKey) -> Result<Option<String>> {
        self.read(|conn| match Place::find(conn, session)? {
            Some(place) => Ok(Some(fold::load_state(conn, &place.unit)?.state.to_json())),
            None => Ok(None),
        })
    }
}

/// Where a session of many files lies.
struct Place {
    source: Source,
    unit: Unit,
}

impl Place {
    /// `None` for a session that is one file.
    fn find(conn: &Connection, session: SessionKey) -> Result<Option<Self>> {
        let (source, path) = sessions::place(conn, session)?
            .ok_or_else(|| Error::SessionNotFound(session.0.to_string()))?;
        if !source.format.has_folders() {
            return Ok(None);
        }
        let unit = fold::unit_of(conn, source.source_id, &path)?
            .ok_or_else(|| Error::SessionNotFound(String::from_utf8_lossy(&path).into_owned()))?;
        Ok(Some(Self { source, unit }))
    }

    /// The folder of the session, which a flat file lies beside.
    fn folder(&self) -> Vec<u8> {
        match self.unit.is_flat() {
            true => layout::flat_stem(&self.unit.path).unwrap_or(&self.unit.path).to_vec(),
            false => self.unit.path.clone(),
        }
    }
}

/// Whether a session keeps what is decided about it in a state of its own.
pub(super) fn has_state(conn: &Connection, session: SessionKey) -> Result<bool> {
    let place = sessions::place(conn, session)?;
    Ok(place.is_some_and(|(source, _)| source.format.has_folders()))
}

/// Gives a session a title, cut to 200 code points as Kimi does; `None` takes it away.
pub(super) fn set_title(
    tx: &Connection,
    session: SessionKey,
    title: Option<&str>,
    at: Timestamp,
) -> Result<()> {
    change(tx, session, at, |state| {
        state.custom_title = title.map(|title| Stored::Text(title.chars().take(200).collect()));
        state.title_generated = title.is_some();
    })
}

pub(super) fn archive(tx: &Connection, session: SessionKey, at: Timestamp) -> Result<()> {
    change(tx, session, at, |state| {
        state.archived = true;
        state.archived_at = Some(seconds(at));
        state.auto_archive_exempt = false;
    })
}

pub(super) fn unarchive(tx: &Connection, session: SessionKey, at: Timestamp) -> Result<()> {
    change(tx, session, at, |state| {
        state.archived = false;
        state.archived_at = None;
        state.auto_archive_exempt = true;
    })
}

/// The session that a root's registry names as the last one of a work dir on this machine.
pub(super) fn last_session(
    conn: &Connection,
    source: &Source,
    work_dir: &str,
) -> Result<Option<SessionKey>> {
    let registry = fold::registry(conn, source.source_id)?;
    let Some((folder, work_dir)) = registry.local(work_dir) else { return Ok(None) };
    let Some(id) = &work_dir.last_session_id else { return Ok(None) };
    for end in ["", ".jsonl"] {
        let path = format!("sessions/{folder}/{id}{end}");
        let Some(session) = sessions::session_at(conn, source.source_id, path.as_bytes())? else {
            continue;
        };
        let info = sessions::info(conn, session)?;
        if info.is_some_and(|info| info.trashed_at.is_none()) {
            return Ok(Some(session));
        }
    }
    Ok(None)
}

/// Sets or clears a label; Kimi's files have no place for it, so it is an event.
pub(super) fn label(
    tx: &Connection,
    session: SessionKey,
    entry_id: &str,
    label: Option<&str>,
    at: Timestamp,
) -> Result<()> {
    let value = serde_json::json!([entry_id, label]).to_string();
    events::insert_event(tx, session, EventKind::Label, at, Some(&value))?;
    fold::fold_labels(tx, session)
}

/// Unix seconds, as Kimi writes them: in microseconds at best.
fn seconds(at: Timestamp) -> f64 {
    (at.0.div_euclid(1_000)) as f64 / 1e6
}

/// Changes the state and writes it as Kimi would.
fn change(
    tx: &Connection,
    session: SessionKey,
    at: Timestamp,
    change: impl FnOnce(&mut State),
) -> Result<()> {
    let Some(place) = Place::find(tx, session)? else { return Ok(()) };
    if place.unit.is_flat() && !place.unit.is_listed {
        return Err(Error::Unsupported(
            "a folder of the same name has a context, so its state is another session's; Kimi shows that one",
        ));
    }
    let mut state = fold::load_state(tx, &place.unit)?.state;
    change(&mut state);
    let mut writer = files::Writer::new(tx, &place.source, at);
    let path = [&place.folder()[..], b"/state.json"].concat();
    writer.document(path, state.write().as_bytes())?;
    writer.finish()
}
