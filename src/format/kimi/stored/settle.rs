//! Determines which sessions a root has, and which have to be refolded.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::units::{self, Unit};
use super::{refold, state, work_dir_id};
use crate::error::Result;
use crate::fold::search_text;
use crate::format::kimi::Kimi;
use crate::format::kimi::layout::{self, REGISTRY};
use crate::format::kimi::registry::{self, Registry};
use crate::format::projection::{Projection, Refolder, Touched};
use crate::model::{Format, ProblemKind, SessionKey};
use crate::store::files::{self, FileKind, FileRow};
use crate::store::problems::{self, NewProblem};
use crate::store::sources::Source;
use crate::store::{documents, events, heads, projections, sessions};

impl Projection for Kimi {
    fn refolder<'a>(&self, conn: &'a Connection, source: &'a Source) -> Result<Refolder<'a>> {
        let registry = registry(conn, source.source_id)?;
        Ok(Box::new(move |session, path| match unit_of(conn, source.source_id, path)? {
            Some(unit) => refold(conn, &registry, session, &unit).map(|()| true),
            None => Ok(false),
        }))
    }

    fn sessions(&self, conn: &Connection, source: &Source) -> Result<BTreeSet<Vec<u8>>> {
        let mut paths = BTreeSet::new();
        for stem in stems_of_source(conn, source.source_id)? {
            let units = units::units(conn, source.source_id, &stem)?;
            paths.extend(units.into_iter().map(|unit| unit.path));
        }
        Ok(paths)
    }

    fn parts(&self, conn: &Connection, source: &Source, path: &[u8]) -> Result<BTreeSet<Vec<u8>>> {
        let mut paths = BTreeSet::new();
        let unit = unit_of(conn, source.source_id, path)?;
        for file in unit.into_iter().flat_map(|unit| unit.files) {
            paths.extend(units::folder_of(&file.path));
            paths.insert(file.path);
        }
        Ok(paths)
    }

    fn merged(&self, conn: &Connection, source: &Source) -> Result<BTreeSet<Vec<u8>>> {
        state::merged(conn, source.source_id)
    }

    fn everything(&self, conn: &Connection, source: &Source) -> Result<Vec<Touched>> {
        let mut stems = stems_of_source(conn, source.source_id)?;
        // Includes the names of session rows whose files are gone, so that the rows
        // are removed.
        for (_, path) in sessions::sessions_of_source(conn, source.source_id)? {
            for is_folder in [true, false] {
                stems.extend(layout::stems(&path, is_folder));
            }
        }
        let registry = Touched { shared: true, ..Touched::default() };
        let each = stems.into_iter().map(|stem| Touched { units: [stem].into(), shared: false });
        Ok([registry].into_iter().chain(each).collect())
    }

    fn settle(
        &self,
        conn: &Connection,
        source: &Source,
        touched: Touched,
    ) -> Result<Vec<SessionKey>> {
        let source_id = source.source_id;
        let registry = registry(conn, source_id)?;
        if touched.shared {
            settle_registry(conn, source_id)?;
            settle_work_dirs(conn, source_id, &registry)?;
        }
        let mut stems = touched.units;
        for stem in stems.clone() {
            stems.extend(units::rotated(conn, source_id, &stem)?);
        }
        // A file may move from one session to another, so all of them are cleared
        // before any is folded.
        let mut sessions = Vec::new();
        for stem in &stems {
            sessions.extend(settle_rows(conn, source_id, stem)?);
        }
        for (session, unit) in &sessions {
            refold(conn, &registry, *session, unit)?;
        }
        Ok(sessions.into_iter().map(|(session, _)| session).collect())
    }
}

/// The work dirs that a root's kimi.json lists.
pub(crate) fn registry(conn: &Connection, source_id: i64) -> Result<Registry> {
    match files::newest(conn, source_id, REGISTRY.as_bytes())? {
        Some(file) if file.kind == FileKind::Document => {
            Ok(registry::parse(&document(conn, &file)?).0)
        }
        _ => Ok(Registry::default()),
    }
}

/// The longest document that is parsed. All of Kimi's are far shorter.
const MAX_DOCUMENT: u64 = 64 << 20;

/// The content of a document. Empty, which is not JSON, if it is too long or a
/// recovered database lacks part of it.
pub(crate) fn document(conn: &Connection, file: &FileRow) -> Result<Vec<u8>> {
    Ok(documents::readable(conn, file, MAX_DOCUMENT)?.unwrap_or_default())
}

/// Records the defects of kimi.json, which belong to no session.
fn settle_registry(conn: &Connection, source_id: i64) -> Result<()> {
    let Some(file) = files::newest(conn, source_id, REGISTRY.as_bytes())? else { return Ok(()) };
    if file.kind != FileKind::Document {
        return Ok(());
    }
    let detail = problem_of_registry(&document(conn, &file)?);
    problems::delete_content_problems(conn, source_id, &file.path)?;
    for (kind, detail) in detail {
        problems::insert_problem(
            conn,
            &NewProblem {
                source_id,
                file_id: Some(file.file_id),
                session: None,
                path: &file.path,
                line: None,
                kind,
                detail: &detail,
            },
        )?;
    }
    Ok(())
}

fn problem_of_registry(content: &[u8]) -> Vec<(ProblemKind, String)> {
    registry::parse(content).1
}

/// Gives each session of a root the work dir of its folder.
fn settle_work_dirs(conn: &Connection, source_id: i64, registry: &Registry) -> Result<()> {
    for (session, path) in sessions::sessions_of_source(conn, source_id)? {
        if events::is_relinked(conn, session)? {
            continue;
        }
        let mut head = heads::head(conn, session)?;
        let work_dir_id = work_dir_id(conn, registry, &path)?;
        if head.work_dir_id != work_dir_id {
            head.work_dir_id = work_dir_id;
            head.search_text = search_text(conn, &head)?;
            heads::update_head(conn, session, &head, None)?;
        }
    }
    Ok(())
}

/// Creates, keeps and removes the session rows of a name; returns those to fold.
fn settle_rows(conn: &Connection, source_id: i64, stem: &[u8]) -> Result<Vec<(SessionKey, Unit)>> {
    let found = units::units(conn, source_id, stem)?;
    let flat = [stem, b".jsonl"].concat();
    let mut rows = BTreeMap::new();
    for path in [stem, &flat] {
        if let Some(session) = sessions::session_at(conn, source_id, path)?
            && (found.iter().any(|unit| unit.path == path)
                || !is_of_other_name(conn, source_id, path, stem)?)
        {
            rows.insert(path.to_vec(), session);
        }
    }
    // A flat file that moved into its folder is the same session; the older row is
    // kept.
    if let [unit] = &found[..] {
        let first = rows.values().min().copied();
        for session in rows.values().filter(|session| Some(**session) != first) {
            sessions::delete_session(conn, *session)?;
        }
        rows.clear();
        if let Some(session) = first {
            sessions::update_path(conn, session, &unit.path)?;
            rows.insert(unit.path.clone(), session);
        }
    }
    for (path, session) in &rows {
        if found.iter().any(|unit| unit.path == *path) {
            projections::delete_projection(conn, *session)?;
        } else {
            sessions::delete_session(conn, *session)?;
        }
    }
    let with_row = |unit: Unit| {
        let session = match rows.get(&unit.path) {
            Some(session) => *session,
            None => sessions::insert_folder(conn, source_id, &unit.path, Format::Kimi)?,
        };
        Ok((session, unit))
    };
    found.into_iter().map(with_row).collect()
}

/// Whether something at a path belongs to another name: a folder may be named
/// `<name>.jsonl`.
fn is_of_other_name(conn: &Connection, source_id: i64, path: &[u8], name: &[u8]) -> Result<bool> {
    let names = [Some(path), layout::flat_stem(path)];
    for other in names.into_iter().flatten().filter(|other| *other != name) {
        if units::units(conn, source_id, other)?.iter().any(|unit| unit.path == path) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The current files of the session at a path; `None` if there are none.
pub(crate) fn unit_of(conn: &Connection, source_id: i64, path: &[u8]) -> Result<Option<Unit>> {
    let stem = match layout::split(path) {
        Some(place) if place.rest.is_empty() => path,
        _ => return Ok(None),
    };
    // A folder may be named `<name>.jsonl`, too.
    for stem in [Some(stem), layout::flat_stem(stem)].into_iter().flatten() {
        let found = units::units(conn, source_id, stem)?;
        if let Some(unit) = found.into_iter().find(|unit| unit.path == path) {
            return Ok(Some(unit));
        }
    }
    Ok(None)
}

/// Whether neither a folder nor a flat file has a name.
pub(crate) fn is_free(conn: &Connection, source_id: i64, stem: &[u8]) -> Result<bool> {
    let flat = [stem, b".jsonl"].concat();
    Ok(files::newest(conn, source_id, stem)?.is_none()
        && files::newest(conn, source_id, &flat)?.is_none()
        && units::units(conn, source_id, stem)?.is_empty())
}

fn stems_of_source(conn: &Connection, source_id: i64) -> Result<BTreeSet<Vec<u8>>> {
    let mut stems = BTreeSet::new();
    files::each_file(conn, source_id, files::newest_after, |file| {
        stems.extend(layout::stems(&file.path, file.kind == FileKind::Folder));
        Ok(())
    })?;
    Ok(stems)
}
