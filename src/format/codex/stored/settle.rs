//! Determines which rollouts a root has, and which have to be refolded.
//!
//! A rollout is identified by its place, which is its path without `.zst`. Compressing keeps the
//! place; archiving keeps the file name. In both cases the session stays the same.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use rusqlite::Connection;

use super::dependents;
use super::fold::refold;
use super::own::ParsedRollout;
use super::place::{self, Rollout, line_key};
use super::tables::{self, FoldedRollout, KnownRollout};
use crate::error::Result;
use crate::fold::search_text;
use crate::format::codex::Codex;
use crate::format::codex::layout;
use crate::format::codex::names::Names;
use crate::format::projection::{Projection, Refolder, Touched};
use crate::model::{Format, SessionKey, Stored};
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::problems::{self, NewProblem};
use crate::store::sources::Source;
use crate::store::{events, generations, heads, log, projections, sessions, unpacked};

impl Projection for Codex {
    fn refolder<'a>(&self, conn: &'a Connection, source: &'a Source) -> Result<Refolder<'a>> {
        let source_id = source.source_id;
        let names = names(conn, source_id, None)?;
        Ok(Box::new(move |session, path| {
            refold(conn, session, &Rollout::at(conn, source_id, path)?, &names)
        }))
    }

    fn sessions(&self, conn: &Connection, source: &Source) -> Result<BTreeSet<Vec<u8>>> {
        let mut paths = BTreeSet::new();
        for rollout in visible_rollouts(conn, source.source_id)? {
            paths.extend(rollout.main().map(|file| file.path.clone()));
        }
        Ok(paths)
    }

    fn parts(&self, conn: &Connection, source: &Source, path: &[u8]) -> Result<BTreeSet<Vec<u8>>> {
        let rollout = Rollout::at(conn, source.source_id, path)?;
        // Either form may have earlier generations.
        let mut paths = BTreeSet::from([rollout.place.clone()]);
        if layout::form(&rollout.place) == Some(layout::Form::Plain) {
            paths.insert(layout::packed(&rollout.place));
        }
        // The file before it was moved here belongs to it, too.
        for other in beside(conn, source.source_id, path)? {
            if is_moved(conn, &other, &rollout)? {
                paths.extend(other.files().map(|file| file.path.clone()));
            }
        }
        Ok(paths)
    }

    /// A rollout that was moved here, or was compressed and is written plain here, is no longer at
    /// its former path.
    fn merged(&self, conn: &Connection, source: &Source) -> Result<BTreeSet<Vec<u8>>> {
        let mut merged = BTreeSet::new();
        for rollouts in by_name(conn, source.source_id)?.values() {
            for one in rollouts {
                let base = one.main().filter(|_| one.is_local()).and_then(|file| file.base_id);
                let packed = one.files().find(|file| Some(file.file_id) == base);
                merged.extend(packed.map(|file| file.path.clone()));
                for other in rollouts {
                    if is_moved(conn, one, other)? {
                        merged.extend(place::held_elsewhere(conn, one, other)?);
                    }
                }
            }
        }
        Ok(merged)
    }

    fn everything(&self, conn: &Connection, source: &Source) -> Result<Vec<Touched>> {
        let mut places = BTreeSet::new();
        for rollout in by_name(conn, source.source_id)?.into_values().flatten() {
            places.insert(rollout.place);
        }
        // Includes rows whose files are gone, so that the rows are removed.
        for (_, path) in sessions::sessions_of_source(conn, source.source_id)? {
            places.insert(layout::place(&path).to_vec());
        }
        let names = Touched { shared: true, ..Touched::default() };
        let each = places.into_iter().map(|place| Touched { units: [place].into(), shared: false });
        // A rollout may come before its base, so all are resolved once all are known.
        Ok(each.chain([names]).collect())
    }

    fn note_dependents(
        &self,
        conn: &Connection,
        session: SessionKey,
        touched: &mut Touched,
    ) -> Result<()> {
        dependents::note(conn, session, touched)
    }

    fn settle(
        &self,
        conn: &Connection,
        source: &Source,
        touched: Touched,
    ) -> Result<Vec<SessionKey>> {
        let mut settling = Settling { conn, source_id: source.source_id, ..Settling::new(conn) };
        for place in &touched.units {
            settling.take(place)?;
        }
        settling.scan()?;
        let folded = settling.fold()?;
        if touched.shared {
            settle_names(conn, source.source_id)?;
        }
        Ok(folded)
    }
}

/// Every rollout of a source, by the name of its file.
fn by_name(conn: &Connection, source_id: i64) -> Result<BTreeMap<Vec<u8>, Vec<Rollout>>> {
    let mut places = BTreeSet::new();
    files::each_file(conn, source_id, files::newest_after, |file| {
        if layout::form(&file.path).is_some() {
            places.insert(layout::place(&file.path).to_vec());
        }
        Ok(())
    })?;
    let mut found: BTreeMap<Vec<u8>, Vec<Rollout>> = BTreeMap::new();
    for place in places {
        let rollout = Rollout::at(conn, source_id, &place)?;
        if rollout.main().is_some() {
            found.entry(layout::name_of(&place).to_vec()).or_default().push(rollout);
        }
    }
    Ok(found)
}

/// The rollouts that are sessions: without former places of those that were moved here.
fn visible_rollouts(conn: &Connection, source_id: i64) -> Result<Vec<Rollout>> {
    let mut all = Vec::new();
    for rollouts in by_name(conn, source_id)?.into_values() {
        for one in &rollouts {
            if !is_moved_to_any(conn, one, &rollouts)? {
                all.push(one.clone());
            }
        }
    }
    Ok(all)
}

/// Whether a rollout is the former place of another with the same name that was moved here. Two
/// files with the same name at a root are two rollouts.
fn is_moved(conn: &Connection, one: &Rollout, other: &Rollout) -> Result<bool> {
    let ours = other.main().filter(|_| other.is_local() && !one.is_local());
    let Some(base_id) = ours.and_then(|file| file.base_id) else { return Ok(false) };
    let base = files::file_by_id(conn, base_id)?;
    Ok(one.place != other.place && layout::place(&base.path) == one.place)
}

/// Whether a rollout is the former place of one of these that was moved here.
fn is_moved_to_any(conn: &Connection, one: &Rollout, others: &[Rollout]) -> Result<bool> {
    for other in others {
        if is_moved(conn, one, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a rollout that is no longer at its root is there at another place, with everything it
/// had. This is not so for one that was moved here: the root's file stays where it was.
fn is_elsewhere(conn: &Connection, one: &Rollout, other: &Rollout) -> Result<bool> {
    let (Some(old), Some(new)) = (one.main(), other.main()) else { return Ok(false) };
    Ok(one.place != other.place
        && one.is_gone()
        && place::is_at_root(conn, new)?
        && place::holds(conn, new, old)?)
}

/// Rollouts of the same name in other folders, as far as they are known.
fn beside(conn: &Connection, source_id: i64, path: &[u8]) -> Result<Vec<Rollout>> {
    let place = layout::place(path);
    let mut places = BTreeSet::new();
    for known in tables::of_name(conn, source_id, layout::name_of(place))? {
        places.extend(tables::path(conn, known.session)?.map(|path| layout::place(&path).to_vec()));
    }
    // One that was moved here left its file where it was.
    let local = Rollout::at(conn, source_id, path)?;
    if let Some(base_id) = local.main().filter(|_| local.is_local()).and_then(|file| file.base_id) {
        places.insert(layout::place(&files::file_by_id(conn, base_id)?.path).to_vec());
    }
    places.remove(place);
    places.into_iter().map(|place| Rollout::at(conn, source_id, &place)).collect()
}

/// Follows a change through the rollouts of a root.
struct Settling<'a> {
    conn: &'a Connection,
    source_id: i64,
    /// Places that were processed.
    seen: BTreeSet<Vec<u8>>,
    /// Sessions whose own files changed.
    changed: BTreeMap<SessionKey, Rollout>,
    /// Threads and physical ids of what changed, before and after.
    threads: BTreeSet<String>,
    ids: BTreeSet<String>,
}

impl<'a> Settling<'a> {
    fn new(conn: &'a Connection) -> Self {
        Self {
            conn,
            source_id: 0,
            seen: BTreeSet::new(),
            changed: BTreeMap::new(),
            threads: BTreeSet::new(),
            ids: BTreeSet::new(),
        }
    }

    /// Updates the session rows of a place, and of those with the same name.
    fn take(&mut self, place: &[u8]) -> Result<()> {
        let (conn, source_id) = (self.conn, self.source_id);
        let name = layout::name(place);
        self.ids.extend(name.segment_id.or_else(|| name.thread_id.clone()));
        self.threads.extend(name.thread_id);
        if !self.seen.insert(place.to_vec()) {
            return Ok(());
        }
        let mut rollouts = vec![Rollout::at(conn, source_id, place)?];
        rollouts.extend(beside(conn, source_id, place)?);
        for rollout in &mut rollouts {
            rollout.files().try_for_each(|file| place::unpack(conn, file))?;
            self.replace_by_other_form(rollout)?;
            self.seen.insert(rollout.place.clone());
        }
        let (mut there, mut rows) = (Vec::new(), Vec::new());
        for rollout in &rollouts {
            let own = self.rows_at(rollout)?;
            let mut is_gone = rollout.main().is_none();
            for other in &rollouts {
                if is_elsewhere(conn, rollout, other)? {
                    // The earlier form moves with it.
                    rollout.files().try_for_each(|file| {
                        supersede(conn, file)?;
                        generations::move_file(conn, file.file_id, &other.place)
                    })?;
                    is_gone = true;
                }
                is_gone |= is_moved(conn, rollout, other)?;
            }
            if is_gone { rows.extend(own) } else { there.push((rollout.clone(), own)) }
        }
        rows.sort();
        for (rollout, mut own) in there {
            own.sort();
            // A new rollout may be a known one that was moved.
            let is_new = match own.first() {
                Some(first) => !events::has_any(conn, *first)? && rows.first() < Some(first),
                None => true,
            };
            if is_new && !rows.is_empty() {
                own.insert(0, rows.remove(0));
            }
            self.keep(rollout, &own)?;
        }
        rows.into_iter().try_for_each(|row| self.delete(row))
    }

    /// Turns a file that was compressed at its root into an earlier generation; likewise a
    /// compressed one that is plain again.
    fn replace_by_other_form(&self, rollout: &mut Rollout) -> Result<()> {
        if let Some((gone, there)) = rollout.left_behind()
            && place::holds(self.conn, there, gone)?
        {
            supersede(self.conn, gone)?;
            *rollout = Rollout::at(self.conn, self.source_id, &rollout.place)?;
        }
        Ok(())
    }

    /// The sessions of a rollout, in either form.
    fn rows_at(&self, rollout: &Rollout) -> Result<Vec<SessionKey>> {
        let packed = layout::packed(&rollout.place);
        let mut rows = Vec::new();
        for path in [&rollout.place, &packed] {
            rows.extend(sessions::session_at(self.conn, self.source_id, path)?);
        }
        Ok(rows)
    }

    /// Keeps the first of these sessions as that of a rollout.
    fn keep(&mut self, rollout: Rollout, rows: &[SessionKey]) -> Result<()> {
        let Some(path) = rollout.main().map(|file| file.path.clone()) else { return Ok(()) };
        for row in rows.iter().skip(1) {
            self.delete(*row)?;
        }
        let session = match rows.first() {
            Some(session) => {
                self.note(*session)?;
                sessions::update_path(self.conn, *session, &path)?;
                *session
            }
            None => sessions::insert_folder(self.conn, self.source_id, &path, Format::Codex)?,
        };
        self.changed.insert(session, rollout);
        Ok(())
    }

    fn delete(&mut self, session: SessionKey) -> Result<()> {
        self.note(session)?;
        projections::delete_projection(self.conn, session)?;
        sessions::delete_session(self.conn, session)
    }

    /// Notes the ids by which others refer to a session.
    fn note(&mut self, session: SessionKey) -> Result<()> {
        if let Some(known) = tables::of_session(self.conn, session)? {
            self.note_known(&known);
        }
        Ok(())
    }

    fn note_known(&mut self, known: &KnownRollout) {
        self.threads.extend(known.thread_id.clone());
        self.ids.extend(known.physical_id.clone());
    }

    /// Determines the metadata of each rollout that changed, before any is folded.
    fn scan(&mut self) -> Result<()> {
        let conn = self.conn;
        for (session, rollout) in self.changed.clone() {
            follow_base(conn, &rollout)?;
            let rollout = Rollout::at(conn, self.source_id, &rollout.place)?;
            if let Some(own) = ParsedRollout::read(conn, session, &rollout)? {
                tables::delete(conn, session)?;
                let told =
                    FoldedRollout { meta: &own.meta, is_superseded: false, token_count: None };
                tables::insert(conn, &own.known, &told)?;
                self.note_known(&own.known);
            }
            self.changed.insert(session, rollout);
        }
        Ok(())
    }

    /// Folds what changed, the other files of its threads, and everything that begins with any of
    /// them.
    fn fold(self) -> Result<Vec<SessionKey>> {
        let (conn, source_id) = (self.conn, self.source_id);
        let mut todo: BTreeSet<SessionKey> = self.changed.keys().copied().collect();
        let mut threads: Vec<String> = self.threads.into_iter().collect();
        let mut ids: Vec<(String, bool)> = self.ids.into_iter().map(|id| (id, false)).collect();
        let mut known_ids: HashSet<(String, bool)> = HashSet::new();
        let mut known_threads: HashSet<String> = HashSet::new();
        loop {
            if let Some(thread) = threads.pop() {
                if known_threads.insert(thread.clone()) {
                    let files = tables::of_thread(conn, source_id, &thread)?;
                    todo.extend(files.into_iter().map(|known| known.session));
                }
            } else if let Some((id, is_deep)) = ids.pop() {
                if !known_ids.insert((id.clone(), is_deep)) {
                    continue;
                }
                for known in tables::beginning_with(conn, source_id, &id)? {
                    if is_deep || !begins_as_before(conn, &known, &id)? {
                        todo.insert(known.session);
                        ids.extend(known.physical_id.map(|id| (id, true)));
                        threads.extend(known.thread_id);
                    }
                }
            } else {
                break;
            }
        }
        let only = match todo.first() {
            Some(session) if todo.len() == 1 => tables::of_session(conn, *session)?,
            _ => None,
        };
        let names = names(conn, source_id, only.and_then(|known| known.thread_id).as_deref())?;
        for session in &todo {
            if let Some(path) = tables::path(conn, *session)? {
                refold(conn, *session, &Rollout::at(conn, source_id, &path)?, &names)?;
            }
        }
        Ok(todo.into_iter().collect())
    }
}

/// Turns a file that is at its root in another form into an earlier generation.
fn supersede(conn: &Connection, file: &FileRow) -> Result<()> {
    match file.state {
        FileState::Current => generations::update_state(conn, file.file_id, FileState::Superseded),
        _ => Ok(()),
    }
}

/// Whether a history begins as before: its base has only grown, after the cut.
fn begins_as_before(conn: &Connection, known: &KnownRollout, id: &str) -> Result<bool> {
    let bases = tables::of_physical_id(conn, known.source_id, id)?;
    let is_same = bases.len() == 1 && Some(bases[0].file_id) == known.base_file;
    Ok(is_same && known.base_is_whole)
}

/// Makes a rollout that was moved here, and not written to, continue like its file at the root.
fn follow_base(conn: &Connection, rollout: &Rollout) -> Result<()> {
    let Some(ours) = rollout.main().filter(|file| file.state == FileState::Local) else {
        return Ok(());
    };
    let Some(base_id) = ours.base_id.filter(|_| ours.line_count == ours.base_count) else {
        return Ok(());
    };
    let base = unpacked::as_log(conn, files::file_by_id(conn, base_id)?)?;
    if ours.line_count < base.line_count && base.path != ours.path {
        let torn = log::line(conn, line_key(&base, base.line_count - 1))?;
        let whole = base.line_count - u32::from(!torn.ends_with(b"\n"));
        generations::update_base_count(conn, ours.file_id, whole)?;
    }
    Ok(())
}

/// The lines of a root's index of names.
fn each_name_line(
    conn: &Connection,
    source_id: i64,
    each: impl FnMut(i64, &[u8]) -> Result<()>,
) -> Result<Option<FileRow>> {
    let file = files::newest(conn, source_id, layout::NAMES.as_bytes())?;
    let Some(file) = file.filter(|file| file.kind == FileKind::Log) else { return Ok(None) };
    log::each_line_left(conn, &file, each)?;
    Ok(Some(file))
}

/// The names of a root's threads, or of one of them.
fn names(conn: &Connection, source_id: i64, only: Option<&str>) -> Result<Names> {
    let mut names = Names::default();
    // Ids are spelt in either case; the end of an id excludes nearly all others.
    let tail = only.map(|id| id.as_bytes()[id.len().saturating_sub(4)..].to_ascii_lowercase());
    each_name_line(conn, source_id, |_, line| {
        let may_be_it = tail.as_deref().is_none_or(|tail| {
            tail.is_empty()
                || line.windows(tail.len()).any(|found| found.eq_ignore_ascii_case(tail))
        });
        if may_be_it {
            names.take(line);
        }
        Ok(())
    })?;
    Ok(names)
}

/// Gives each session its name, and records which lines of the index name nothing.
fn settle_names(conn: &Connection, source_id: i64) -> Result<()> {
    let (mut names, mut found) = (Names::default(), Vec::new());
    let file = each_name_line(conn, source_id, |key, line| {
        let problem = names.take(line);
        found.extend(problem.map(|problem| (log::line_number(key), problem)));
        Ok(())
    })?;
    if let Some(file) = &file {
        problems::delete_content_problems(conn, source_id, &file.path)?;
        for (line, (kind, detail)) in found {
            problems::insert_problem(
                conn,
                &NewProblem {
                    source_id,
                    file_id: Some(file.file_id),
                    session: None,
                    path: &file.path,
                    line: Some(line),
                    kind,
                    detail: &detail,
                },
            )?;
        }
    }
    for (session, _) in sessions::sessions_of_source(conn, source_id)? {
        let mut head = heads::head(conn, session)?;
        let name = head.session_id.as_deref().and_then(|id| names.get(id));
        let name = name.map(|name| Stored::Text(name.to_owned()));
        if head.name == name {
            continue;
        }
        let is_asked = !matches!(&head.first_message, Stored::Text(text) if text.is_empty());
        head.title = name.clone().or_else(|| is_asked.then(|| head.first_message.clone()));
        head.name = name;
        head.search_text = search_text(conn, &head)?;
        heads::update_head(conn, session, &head, None)?;
    }
    Ok(())
}
