//! Changes of Codex threads: records, names, the archive, forks.
//!
//! Decisions are stored where the program stores them: a record is appended, a name
//! goes into the index, and archiving moves the file. All files of a thread move
//! together.

mod fork;

use rusqlite::Connection;

use super::meta::Mode;
use super::record::{self, Body};
use super::stored::place::line_key;
use super::stored::{self, Place, tables};
use super::{Codex, layout, names, write};
use crate::chain::{self, FileWriter, NewHeader, Writing};
use crate::error::{Error, Result};
use crate::format::json;
use crate::format::live::Live;
use crate::format::meaning::Meaning;
use crate::model::{Format, ProblemKind, SessionKey, Timestamp};
use crate::store::files::{self, FileKind};
use crate::store::sources::{self, Source};
use crate::store::{log, sessions};

impl Live for Codex {
    /// A thread begins with its `session_meta`, which the caller gives.
    fn create(&self, tx: &Connection, new: &NewHeader<'_>) -> Result<SessionKey> {
        let given = new.record.ok_or(Error::Unsupported(
            "a session of this format is created with its first record, a complete session_meta",
        ))?;
        let line = chain::object(given, record::DEPTH)?;
        let header = self.parse(line.as_bytes()).change;
        let (id, at) = match &header {
            Some(crate::model::Change::Header(header)) => {
                (header.session_id.clone(), header.created_at)
            }
            _ => (None, None),
        };
        let refused =
            || Error::InvalidRecord("the record is not a session_meta with an id".to_owned());
        let id = id.ok_or_else(refused)?;
        chain::require_id(&id)?;
        chain::require_free_id(tx, &id)?;
        let source_id = sources::own(tx, new.format)?;
        let source = sources::by_id(tx, source_id)?;
        let path = layout::path_of(&id, at.unwrap_or(new.at)).into_bytes();
        begin(tx, &source, &path, at.unwrap_or(new.at), &[format!("{line}\n")])
    }

    fn record(&self, writing: &Writing<'_>, given: &str) -> Result<u32> {
        writing.expect_leaf()?;
        let place = Place::of(writing.tx, writing.session)?;
        let mut line = chain::object(given, record::DEPTH)?;
        let has_ordinal =
            json::scan(line.as_bytes()).is_ok_and(|(value, _)| write::ordinal(value).is_some());
        if place.own.meta.mode == Mode::Paginated && !has_ordinal {
            line = write::with_ordinal(&line, next_ordinal(writing.tx, &place)?);
        }
        let at = time_of(line.as_bytes(), writing.at);
        let mut writer = FileWriter::new(writing.tx, &place.source, at);
        let line = format!("{line}\n");
        let count = append(&mut writer, &place, &[&line])?;
        if !stored::append::take(writing.tx, &place, line.as_bytes(), at)? {
            writer.finish()?;
        }
        Ok(count)
    }

    fn lines(&self, writing: &Writing<'_>, lines: &[&[u8]]) -> Result<Vec<u32>> {
        for (n, line) in lines.iter().enumerate() {
            chain::line_as_given(Format::Codex, n + 1, line)?;
        }
        writing.expect_leaf()?;
        let mut numbers = Vec::with_capacity(lines.len());
        let mut left = lines;
        while let Some((line, rest)) = left.split_first() {
            let place = Place::of(writing.tx, writing.session)?;
            let line = terminated(line);
            let at = time_of(&line, writing.at);
            let mut writer = FileWriter::new(writing.tx, &place.source, at);
            numbers.push(append(&mut writer, &place, &[&line[..]])?);
            if stored::append::take(writing.tx, &place, &line, at)? {
                left = rest;
                continue;
            }
            // What this line changes takes a fold of all lines, so the others come first.
            let place = Place::of(writing.tx, writing.session)?;
            let rest: Vec<Vec<u8>> = rest.iter().map(|line| terminated(line)).collect();
            let at = rest.last().map_or(at, |line| time_of(line, writing.at));
            let mut writer = FileWriter::new(writing.tx, &place.source, at);
            let last = append(&mut writer, &place, &rest)?;
            numbers.extend(place.own.log.line_count + 1..=last);
            writer.finish()?;
            break;
        }
        Ok(numbers)
    }

    fn rename(&self, writing: &Writing<'_>, name: Option<&str>) -> Result<()> {
        let name = name.map(str::trim).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| {
            Error::InvalidRecord(
                "a thread's name cannot be blank, and cannot be removed".to_owned(),
            )
        })?;
        let place = Place::of(writing.tx, writing.session)?;
        let id = place.own.known.thread_id.as_deref();
        // The index of names only accepts such ids.
        let id = id.filter(|id| layout::is_uuid(id));
        let id = id.ok_or(Error::Unsupported("a thread whose id is not a UUID cannot be named"))?;
        write_name(writing.tx, &place.source, id, name, writing.at)
    }

    fn archive(&self, writing: &Writing<'_>) -> Result<()> {
        move_thread(writing, true)
    }

    fn unarchive(&self, writing: &Writing<'_>) -> Result<()> {
        move_thread(writing, false)
    }

    /// The older files of a thread are archived with its head.
    fn may_age(&self, conn: &Connection, session: SessionKey) -> Result<bool> {
        let shown = tables::is_superseded(conn, session)?;
        Ok(shown == Some(false))
    }

    fn duplicate(&self, writing: &Writing<'_>) -> Result<SessionKey> {
        Ok(fork::fork(writing, None)?.0)
    }

    fn fork(&self, writing: &Writing<'_>, entry_id: &str) -> Result<(SessionKey, String)> {
        fork::fork_at_entry(writing, entry_id)
    }

    fn fork_branch(&self, writing: &Writing<'_>) -> Result<SessionKey> {
        self.duplicate(writing)
    }

    /// Up to and including a turn, counted from 1.
    fn fork_at_turn(&self, writing: &Writing<'_>, turn: u32) -> Result<(SessionKey, String)> {
        fork::fork(writing, Some(turn))
    }
}

/// Makes a rollout of these lines below a root, and returns its session.
fn begin(
    tx: &Connection,
    source: &Source,
    path: &[u8],
    at: Timestamp,
    lines: &[String],
) -> Result<SessionKey> {
    chain::require_names(path)?;
    if files::newest(tx, source.source_id, path)?.is_some() {
        return Err(Error::SessionExists(String::from_utf8_lossy(path).into_owned()));
    }
    let mut writer = FileWriter::new(tx, source, at);
    let mut file = writer.log(path.to_vec())?;
    for line in lines {
        writer.line(&mut file, line.as_bytes())?;
    }
    writer.end(&file)?;
    writer.finish()?;
    let session = sessions::session_at(tx, source.source_id, path)?;
    session.ok_or_else(|| Error::SessionNotFound(String::from_utf8_lossy(path).into_owned()))
}

fn terminated(line: &[u8]) -> Vec<u8> {
    let end: &[u8] = if line.ends_with(b"\n") { b"" } else { b"\n" };
    [line, end].concat()
}

/// The time of a record, else that of the change.
fn time_of(line: &[u8], now: Timestamp) -> Timestamp {
    record::parse(line).record.and_then(|record| record.at()).unwrap_or(now)
}

/// Appends lines to a rollout; a compressed one becomes plain. Returns the number of
/// the last line.
fn append(writer: &mut FileWriter<'_>, place: &Place, lines: &[impl AsRef<[u8]>]) -> Result<u32> {
    if place.own.is_document {
        return Err(Error::Unsupported(
            "a session that is one JSON document cannot be appended to; fork it, and append to \
             the copy",
        ));
    }
    let is_damaged =
        |(_, (kind, _)): &(_, (ProblemKind, String))| *kind == ProblemKind::UnreadableFile;
    if place.own.problems.iter().any(is_damaged) {
        return Err(Error::Unsupported(
            "a compressed session that cannot be unpacked cannot be appended to, because its \
             bytes would be lost",
        ));
    }
    writer.append(place.rollout.place.clone(), Some(&place.own.log), lines)
}

/// Appends the name of a thread to the index.
fn write_name(tx: &Connection, source: &Source, id: &str, name: &str, at: Timestamp) -> Result<()> {
    let path = layout::NAMES.as_bytes();
    let index = files::newest(tx, source.source_id, path)?;
    if index.as_ref().is_some_and(|index| index.kind != FileKind::Log) {
        return Err(Error::Unsupported("session_index.jsonl is not a regular file at this root"));
    }
    let mut writer = FileWriter::new(tx, source, at);
    writer.append(path.to_vec(), index.as_ref(), &[names::line(id, name, at)])?;
    writer.finish()
}

/// The ordinal after the last one of a history.
fn next_ordinal(tx: &Connection, place: &Place) -> Result<u64> {
    let log = &place.own.log;
    for position in (0..log.line_count).rev() {
        let line = log::line(tx, line_key(log, position))?;
        if let Some(ordinal) = record::parse(&line).record.and_then(|record| record.ordinal) {
            return Ok(ordinal.saturating_add(1));
        }
    }
    Ok(place.own.meta.base.as_ref().and_then(|base| base.ordinal).unwrap_or(0))
}

/// Moves every file of a thread into the archive, or out of it.
fn move_thread(writing: &Writing<'_>, into_archive: bool) -> Result<()> {
    let Writing { tx, session, at, .. } = *writing;
    let place = Place::of(tx, session)?;
    let mut of_thread = match &place.own.known.thread_id {
        Some(id) => tables::of_thread(tx, place.source.source_id, id)?,
        None => Vec::new(),
    };
    if of_thread.is_empty() {
        of_thread.push(place.own.known.clone());
    }
    let mut writer = FileWriter::new(tx, &place.source, at);
    for known in of_thread.iter().filter(|known| known.is_archived != into_archive) {
        let rollout = Place::of(tx, known.session)?.rollout;
        let Some(file) = rollout.main() else { continue };
        let to = if into_archive {
            layout::archived(&file.path)
        } else {
            layout::unarchived(&file.path)
        };
        // Archiving a file keeps its modification time; taking it out of the
        // archive sets it.
        let mtime = if into_archive { file.mtime } else { at.into() };
        writer.relocate(file, &to, mtime)?;
        sessions::update_path(tx, known.session, &to)?;
    }
    writer.finish()
}

/// The last record of a history for which `is_it` is true, as spelt.
fn last_record(
    tx: &Connection,
    place: &Place,
    is_it: impl Fn(&Body<'_>) -> bool,
) -> Result<Option<Vec<u8>>> {
    let mut last = None;
    place.history(tx)?.each_line(tx, |_, _, _, raw| {
        if record::parse(raw).record.is_some_and(|record| is_it(&record.body)) {
            last = Some(raw.to_vec());
        }
        Ok(())
    })?;
    Ok(last)
}
