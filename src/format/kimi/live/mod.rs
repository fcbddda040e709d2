//! Changes of Kimi sessions: state, forks at a turn, undo.
//!
//! Decisions are stored where Kimi stores them: a title or an archived flag in
//! `state.json`, which from then on is a local file. Every other file stays as it
//! was imported. A fork is a new folder with the files that Kimi itself would have
//! written.

mod fork;

use fork::Cut;
use rusqlite::Connection;

use super::Kimi;
use super::state::State;
use super::stored::{self, Place};
use crate::chain::{FileWriter, Writing, strip};
use crate::error::{Error, Result};
use crate::format::live::Live;
use crate::model::{SessionKey, Stored, Timestamp};
use crate::store::sessions;
use crate::store::sources::Source;

impl Live for Kimi {
    /// The name is the title, truncated to 200 code points as Kimi does.
    fn rename(&self, writing: &Writing<'_>, name: Option<&str>) -> Result<()> {
        let title = name.map(strip).filter(|name| !name.is_empty());
        change(writing, |state| {
            state.custom_title = title.map(|title| Stored::Text(title.chars().take(200).collect()));
            state.title_generated = title.is_some();
        })
    }

    fn archive(&self, writing: &Writing<'_>) -> Result<()> {
        change(writing, |state| {
            state.archived = true;
            state.archived_at = Some(seconds(writing.at));
            state.auto_archive_exempt = false;
        })
    }

    fn unarchive(&self, writing: &Writing<'_>) -> Result<()> {
        change(writing, |state| {
            state.archived = false;
            state.archived_at = None;
            state.auto_archive_exempt = true;
        })
    }

    /// Kimi does not archive flat files, since they have no folder for a state.
    fn may_age(&self, conn: &Connection, session: SessionKey) -> Result<bool> {
        let unit = Place::of(conn, session)?.unit;
        Ok(unit.is_listed && !unit.is_flat())
    }

    /// The session that the root's registry names for a work dir on this machine.
    fn last_session(
        &self,
        conn: &Connection,
        source: &Source,
        _folder: &[u8],
        work_dir: &str,
    ) -> Result<Option<SessionKey>> {
        let registry = stored::registry(conn, source.source_id)?;
        let Some((folder, work_dir)) = registry.local(work_dir) else { return Ok(None) };
        let Some(id) = &work_dir.last_session_id else { return Ok(None) };
        for end in ["", ".jsonl"] {
            let path = format!("sessions/{folder}/{id}{end}");
            let Some(session) = sessions::session_at(conn, source.source_id, path.as_bytes())?
            else {
                continue;
            };
            let info = sessions::info(conn, session)?;
            if info.is_some_and(|info| info.trashed_at.is_none()) {
                return Ok(Some(session));
            }
        }
        Ok(None)
    }

    /// Kimi clones by forking at the last turn.
    fn duplicate(&self, writing: &Writing<'_>) -> Result<SessionKey> {
        let place = Place::of(writing.tx, writing.session)?;
        fork::fork(writing, &place, &Cut { prefix: "Fork", ..Cut::default() })
    }

    fn fork(&self, writing: &Writing<'_>, entry_id: &str) -> Result<(SessionKey, String)> {
        fork::fork_at_entry(writing, entry_id)
    }

    fn fork_branch(&self, writing: &Writing<'_>) -> Result<SessionKey> {
        self.duplicate(writing)
    }

    fn fork_at_turn(&self, writing: &Writing<'_>, turn: u32) -> Result<(SessionKey, String)> {
        let place = Place::of(writing.tx, writing.session)?;
        let cut = Cut { turn: Some(i64::from(turn)), prefix: "Fork", ..Cut::default() };
        Ok((fork::fork(writing, &place, &cut)?, fork::text_of_turn(writing, turn)?))
    }

    fn undo_to_turn(&self, writing: &Writing<'_>, turn: u32) -> Result<(SessionKey, String)> {
        let place = Place::of(writing.tx, writing.session)?;
        let text = fork::text_of_turn(writing, turn)?;
        let before = i64::from(turn) - 1;
        let cut = Cut { turn: Some(before), is_empty: turn == 0, prefix: "Undo", path: None };
        Ok((fork::fork(writing, &place, &cut)?, text))
    }
}

/// Unix seconds as Kimi writes them, with at most microseconds.
fn seconds(at: Timestamp) -> f64 {
    (at.0.div_euclid(1_000)) as f64 / 1e6
}

/// Changes the state, and writes it as Kimi would.
fn change(writing: &Writing<'_>, change: impl FnOnce(&mut State)) -> Result<()> {
    let Writing { tx, session, at, .. } = *writing;
    let place = Place::of(tx, session)?;
    if place.unit.is_flat() && !place.unit.is_listed {
        return Err(Error::Unsupported(
            "a folder of the same name has a context, so its state is another session's; Kimi shows that one",
        ));
    }
    let mut state = stored::load_state(tx, &place.unit)?.state;
    change(&mut state);
    let mut writer = FileWriter::new(tx, &place.source, at);
    let path = [&place.folder()[..], b"/state.json"].concat();
    writer.document(path, state.write().as_bytes())?;
    writer.finish()
}
