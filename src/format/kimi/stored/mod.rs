//! Folds the files of a Kimi session.
//!
//! A session is folded as a whole whenever one of its files has changed: contexts
//! share a trunk, and only all of them together show which lines belong to it.
//! Contexts are read in the order in which they were rotated, so that entries keep
//! their positions at the next rotation.

mod dump;
mod extras;
mod place;
mod settle;
mod state;
pub(crate) mod tables;
mod tree;
mod units;
mod wire;

pub(crate) use place::Place;
use rusqlite::Connection;
pub(crate) use settle::{document, is_free, registry, unit_of};
pub(crate) use state::load_state;
pub(crate) use units::Unit;

use crate::error::Result;
use crate::fold::{fold_labels, note_losses, search_text};
use crate::format::kimi::layout::{self, Part};
use crate::format::kimi::registry::Registry;
use crate::format::kimi::wire::instant;
use crate::model::{Header, ProblemKind, SessionKey, Stored, Timestamp};
use crate::store::file_time;
use crate::store::files::{FileKind, FileRow};
use crate::store::heads::{self, Head};
use crate::store::problems::{self, NewProblem};
use crate::store::sessions;
use crate::store::{events, log, projections};

/// Folds a session's files, replacing its rows.
fn refold(conn: &Connection, registry: &Registry, session: SessionKey, unit: &Unit) -> Result<()> {
    projections::delete_projection(conn, session)?;
    let fold = Fold { conn, session, unit };
    let tree = tree::fold(&fold)?;
    let wire = wire::fold(&fold)?;
    let state = state::fold(&fold, &wire, tree.is_used)?;
    if !unit.is_listed && unit.is_flat() {
        let file = unit.files.iter().find(|file| file.path == unit.path);
        let detail = "the folder of the same name has a context, which Kimi shows instead";
        fold.note(file, None, ProblemKind::Unreadable, detail)?;
    }
    note_misplaced(&fold)?;
    let mut files = unit.files.iter().filter(|file| file.kind != FileKind::Folder);
    files.try_for_each(|file| note_losses(conn, session, file.source_id, &file.path))?;
    let modified_at = modified_at(&fold)?;
    let mut head = Head {
        header: Header::Stored,
        session_id: Some(session_id(&unit.path)),
        work_dir_id: work_dir_id(conn, registry, &unit.path)?,
        modified_at,
        name: state.custom_title.clone(),
        title: Some(state.title),
        first_message: Stored::Text(wire.first_prompt),
        message_count: tree.message_count,
        archived_at: state.archived_at.map(|at| at.unwrap_or(modified_at)),
        archive_exempt: state.archive_exempt,
        is_listed: unit.is_listed,
        leaf_id: tree.leaf_id,
        entry_count: tree.entry_count,
        last_entry_key: tree.leaf_key,
        ..Head::empty()
    };
    fold_labels(conn, session)?;
    events::apply_all(conn, session, &mut head)?;
    head.search_text = search_text(conn, &head)?;
    heads::update_head(conn, session, &head, None)
}

/// A fold of one session.
struct Fold<'a> {
    conn: &'a Connection,
    session: SessionKey,
    unit: &'a Unit,
}

impl Fold<'_> {
    /// The logs of the session for which `is_wanted` is true, by path.
    fn logs(&self, is_wanted: impl Fn(Part<'_>) -> bool) -> Vec<&FileRow> {
        let files = self.unit.files.iter();
        files.filter(|file| file.kind == FileKind::Log && is_wanted(self.unit.part(file))).collect()
    }

    fn note(
        &self,
        file: Option<&FileRow>,
        line_key: Option<i64>,
        kind: ProblemKind,
        detail: &str,
    ) -> Result<()> {
        // A problem that belongs to no file is recorded for the session's folder.
        let path = file.map_or(&self.unit.path, |file| &file.path);
        let Some(file) = file.or(self.unit.files.first()) else { return Ok(()) };
        problems::insert_problem(
            self.conn,
            &NewProblem {
                source_id: file.source_id,
                file_id: Some(file.file_id),
                session: Some(self.session),
                path,
                line: line_key.map(log::line_number),
                kind,
                detail,
            },
        )
    }
}

/// Records where a folder or link has the place of a file, and if there is no
/// context.
fn note_misplaced(fold: &Fold<'_>) -> Result<()> {
    let mut has_context = false;
    for file in &fold.unit.files {
        let part = fold.unit.part(file);
        has_context |= part == Part::Context;
        if part != Part::Other && file.kind == FileKind::Folder {
            let detail = "a folder where Kimi has a file; it cannot read the session";
            fold.note(Some(file), None, ProblemKind::Unreadable, detail)?;
        }
    }
    if !has_context {
        let detail = "the session has no context; Kimi does not show it";
        fold.note(None, None, ProblemKind::Header, detail)?;
    }
    Ok(())
}

/// A canonical UUID if Kimi reads the name as one, else the name.
fn session_id(path: &[u8]) -> String {
    let name = layout::split(path).map_or(path, |place| place.name);
    let name = match layout::part(path) {
        Part::Flat => layout::flat_stem(name).unwrap_or(name),
        _ => name,
    };
    layout::session_id(&String::from_utf8_lossy(name))
}

/// The registered work dir of the folder that a session is in.
fn work_dir_id(conn: &Connection, registry: &Registry, path: &[u8]) -> Result<Option<i64>> {
    let work_dir = layout::work_dir_folder(path).and_then(|folder| registry.find(folder));
    work_dir
        .map(|work_dir| sessions::work_dir_id(conn, &work_dir.path.to_text(), &work_dir.kaos))
        .transpose()
}

/// When the context was last written, by Kimi's rule; without a context, any file.
fn modified_at(fold: &Fold<'_>) -> Result<Timestamp> {
    let unit = fold.unit;
    let is_context =
        |file: &&FileRow| unit.part(file) == Part::Context && file.kind != FileKind::Folder;
    let newest = unit.files.iter().filter(|file| file.kind != FileKind::Folder);
    let file = unit.files.iter().find(is_context).or(newest.max_by_key(|file| file.mtime));
    if let Some(file) = file.filter(|file| file.mtime.is_beyond()) {
        fold.note(Some(file), None, ProblemKind::Time, file_time::BEYOND)?;
    }
    Ok(read_by_python(file.map_or(Timestamp(0), |file| file.mtime.nearest())))
}

/// The time of a file as Python reads it: a float of seconds, which loses precision,
/// converted to microseconds.
fn read_by_python(at: Timestamp) -> Timestamp {
    let (seconds, nanos) = (at.0.div_euclid(1_000_000_000), at.0.rem_euclid(1_000_000_000));
    instant(seconds as f64 + 1e-9 * nanos as f64).unwrap_or(at)
}

/// What the state determines of a session's row.
struct StateOfRow {
    custom_title: Option<Stored>,
    title: Stored,
    /// `Some(None)`: archived at an unknown time.
    archived_at: Option<Option<Timestamp>>,
    archive_exempt: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_files_are_what_python_makes_of_them() {
        let now = 1_784_000_000_000_000_000;
        for (at, expected) in [
            (500, 1_000),
            (1_500, 2_000),
            (2_500, 2_000),
            (-1_500, -1_000),
            (now + 500, now),
            (now + 1_500, now + 1_000),
            (now + 3_500, now + 4_000),
        ] {
            assert_eq!(read_by_python(Timestamp(at)), Timestamp(expected), "{at}");
        }
    }
}
