//! Forks and undo: new folders with the files that Kimi itself would have written.

use rusqlite::Connection;

use super::seconds;
use crate::chain::{self, FileWriter, Writing, is_prompt};
use crate::error::{Error, Result};
use crate::format::kimi::fork::{CutContext, CutWire, begins_turn, sent, videos};
use crate::format::kimi::layout::{self, Part};
use crate::format::kimi::state::State;
use crate::format::kimi::stored::{self, Place, tables};
use crate::model::{SessionKey, Stored};
use crate::store::files::{FileKind, FileRow};
use crate::store::{entries, log, paths, sessions};

/// Forks the path to an entry. If the entry is a user's message, the path ends before
/// it, and its text is returned.
pub(super) fn fork_at_entry(writing: &Writing<'_>, entry_id: &str) -> Result<(SessionKey, String)> {
    let Writing { tx, session, .. } = *writing;
    let place = Place::of(tx, session)?;
    let entry_key = entries::entry_key(tx, session, entry_id)?
        .ok_or_else(|| Error::EntryNotFound { entry_id: entry_id.to_owned() })?;
    let mut path = paths::path(tx, session, entry_key, usize::MAX)?;
    let text = match path.pop_if(|entry| is_prompt(entry)) {
        Some(prompt) => place.source.format.meaning().full_text(&log::record(tx, prompt.place)?),
        None => String::new(),
    };
    let lines: Vec<i64> = path.iter().map(|entry| entry.place.line_key).collect();
    let mut turn = -1;
    for line in &lines {
        turn += i64::from(begins_turn(&log::line(tx, *line)?));
    }
    // The wire may have fewer turns than the context has user messages.
    let known = tables::turns(tx, session)?.len() as i64 - 1;
    let cut =
        Cut { turn: Some(turn.min(known)), path: Some(lines), prefix: "Fork", is_empty: false };
    Ok((fork(writing, &place, &cut)?, text))
}

pub(super) fn text_of_turn(writing: &Writing<'_>, turn: u32) -> Result<String> {
    let turns = tables::turns(writing.tx, writing.session)?;
    let found = turns.iter().find(|known| known.index == turn);
    found
        .map(|turn| turn.text.clone())
        .ok_or(Error::TurnNotFound { turn, turns: turns.len() as u64 })
}

/// Creates the folder of a fork, with the files that Kimi would have written.
pub(super) fn fork(writing: &Writing<'_>, place: &Place, cut: &Cut) -> Result<SessionKey> {
    let Writing { tx, at, id, .. } = *writing;
    let state = stored::load_state(tx, &place.unit)?.state;
    let title = match state.custom_title {
        // A lone surrogate is kept.
        Some(Stored::Json(title)) => {
            Stored::Json(format!("\"{}: {}", cut.prefix, title.trim_start_matches('"')))
        }
        Some(Stored::Text(title)) if !title.is_empty() => {
            Stored::Text(format!("{}: {title}", cut.prefix))
        }
        _ => Stored::Text(format!("{}: Untitled", cut.prefix)),
    };
    let id = id.map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned);
    let folder = new_folder(tx, place, &id)?;
    let mut writer = FileWriter::new(tx, &place.source, at);
    let inside = |name: &str| [&folder[..], b"/", name.as_bytes()].concat();
    if !cut.is_empty {
        let named = fork_wire(tx, place, cut, &mut writer, inside("wire.jsonl"))?;
        let uploads = [&place.folder()[..], b"/uploads/"].concat();
        let mut names = Vec::new();
        for name in named {
            let path = [&uploads[..], name.as_bytes()].concat();
            let is_it = |file: &&FileRow| file.path == path && file.kind == FileKind::Document;
            if let Some(video) = place.unit.files.iter().find(is_it) {
                writer.copy(inside(&format!("uploads/{name}")), video)?;
                names.push(name);
            }
        }
        if !names.is_empty() {
            writer.document(inside("uploads/.sent"), sent(&names).as_bytes())?;
        }
    }
    fork_context(tx, place, cut, &mut writer, inside("context.jsonl"))?;
    let state = State {
        custom_title: Some(title),
        title_generated: true,
        wire_mtime: Some(seconds(at)).filter(|_| !cut.is_empty),
        ..State::default()
    };
    writer.document(inside("state.json"), state.write().as_bytes())?;
    writer.finish()?;
    let session = sessions::session_at(tx, place.source.source_id, &folder)?;
    session.ok_or_else(|| Error::SessionNotFound(id))
}

/// How much of a session a fork contains.
#[derive(Default)]
pub(super) struct Cut {
    /// The last turn; `None` for all turns.
    pub(super) turn: Option<i64>,
    /// Nothing at all.
    pub(super) is_empty: bool,
    /// The lines of the context, if they are not cut by turns.
    pub(super) path: Option<Vec<i64>>,
    pub(super) prefix: &'static str,
}

/// The folder of a new session beside another.
fn new_folder(tx: &Connection, place: &Place, id: &str) -> Result<Vec<u8>> {
    chain::require_id(id)?;
    chain::require_names(id.as_bytes())?;
    chain::require_free_id(tx, id)?;
    let beside = layout::split(&place.unit.path).map(|beside| beside.stem(id.as_bytes()));
    let folder = beside.unwrap_or_else(|| id.as_bytes().to_vec());
    let source_id = place.source.source_id;
    if stored::is_free(tx, source_id, &folder)? {
        Ok(folder)
    } else {
        Err(Error::SessionExists(String::from_utf8_lossy(&folder).into_owned()))
    }
}

/// Writes the wire, even if it is empty; returns the videos that it names.
fn fork_wire(
    tx: &Connection,
    place: &Place,
    cut: &Cut,
    writer: &mut FileWriter<'_>,
    path: Vec<u8>,
) -> Result<Vec<String>> {
    let mut wire = writer.log(path)?;
    let mut cutting = CutWire::new(cut.turn);
    let mut named: Vec<String> = Vec::new();
    let is_wire =
        |file: &&FileRow| file.kind == FileKind::Log && place.unit.part(file) == Part::Wire;
    if let Some(file) = place.unit.files.iter().find(is_wire) {
        log::each_line(tx, file, |_, raw| {
            let Some(kept) = cutting.take(raw) else { return Ok(()) };
            for name in videos(&kept) {
                if !named.contains(&name) {
                    named.push(name);
                }
            }
            writer.line(&mut wire, &kept)
        })?;
    }
    if let (Some(last), Some(turn)) = (cutting.lacks(), cut.turn) {
        let turn = u32::try_from(turn).unwrap_or_default();
        return Err(Error::TurnNotFound { turn, turns: (last + 1).unsigned_abs() });
    }
    writer.end(&wire)?;
    Ok(named)
}

fn fork_context(
    tx: &Connection,
    place: &Place,
    cut: &Cut,
    writer: &mut FileWriter<'_>,
    path: Vec<u8>,
) -> Result<()> {
    let mut context = writer.log(path)?;
    let mut cutting = CutContext::new(cut.turn.filter(|_| cut.path.is_none()));
    let mut take = |raw: &[u8]| match cutting.take(raw) {
        Some(kept) => writer.line(&mut context, &kept),
        None => Ok(()),
    };
    let is_context =
        |file: &&FileRow| file.kind == FileKind::Log && place.unit.part(file) == Part::Context;
    match (&cut.path, place.unit.files.iter().find(is_context)) {
        _ if cut.is_empty => {}
        (Some(lines), _) => lines.iter().try_for_each(|line| take(&log::line(tx, *line)?))?,
        (None, Some(file)) => log::each_line(tx, file, |_, raw| take(raw))?,
        (None, None) => {}
    }
    writer.end(&context)
}
