//! Writes everything but content into the new store.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, named_params};

use super::content::Loss;
use super::naming::{Files, made_root};
use super::rows::SessionRow;
use super::survey::Survey;
use crate::error::Result;
use crate::format::rules::Sessions;
use crate::model::ProblemKind;
use crate::store::files::{self, FileKind};
use crate::store::problems::{self, NewProblem};
use crate::store::sources::Source;
use crate::store::{log, purged};

/// A source whose path is taken gets a path that says so. Returns the sources whose
/// path is lost.
pub(super) fn sources(conn: &Connection, sources: &mut BTreeMap<i64, Source>) -> Result<Vec<i64>> {
    let mut lost = Vec::new();
    for source in sources.values_mut() {
        let mut stmt = conn.prepare_cached(
            "INSERT INTO sources (source_id, root, format, origin)
             VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO NOTHING",
        )?;
        let Source { source_id, format, .. } = *source;
        if stmt.execute((source_id, &source.root, format, &source.origin))? == 0 {
            source.root = made_root(source_id);
            stmt.execute((source_id, &source.root, format, &source.origin))?;
        }
        if source.root == made_root(source.source_id) {
            lost.push(source.source_id);
        }
    }
    Ok(lost)
}

pub(super) fn files(conn: &Connection, files: &Files) -> Result<()> {
    // A chain may begin with one that has a larger id.
    conn.execute_batch("PRAGMA defer_foreign_keys = ON")?;
    files.rows.values().try_for_each(|file| files::restore_file(conn, file))?;
    conn.execute(
        "UPDATE sources SET settled_file = (SELECT ifnull(max(file_id), 0) FROM files)",
        [],
    )?;
    Ok(())
}

/// Restores the keys of sessions, by which events and programs refer to them.
///
/// Everything else of sessions is folded.
pub(super) fn sessions(
    conn: &Connection,
    survey: &Survey<'_>,
    files: &Files,
    sources: &BTreeMap<i64, Source>,
) -> Result<()> {
    let mut places = BTreeSet::new();
    let mut logs = BTreeSet::new();
    for (key, row) in survey.sessions.iter() {
        let Some(row) = placed(row, files, sources) else { continue };
        let is_first = places.insert((row.source_id, row.path.clone()))
            && row.file_id.is_none_or(|file_id| logs.insert(file_id));
        if !is_first {
            continue;
        }
        conn.prepare_cached(
            "INSERT INTO sessions (session_key, source_id, path, file_id, format, header,
                                   modified_at, first_message, message_count, search_text,
                                   entry_count)
             VALUES (:session_key, :source_id, :path, :file_id, :format, 'missing', 0, '', 0, '',
                     0)",
        )?
        .execute(named_params! {
            ":session_key": key,
            ":source_id": row.source_id,
            ":path": row.path,
            ":file_id": row.file_id,
            ":format": row.format,
        })?;
    }
    Ok(())
}

/// A session, at the place of its file; `None` if it cannot be there.
fn placed(row: &SessionRow, files: &Files, sources: &BTreeMap<i64, Source>) -> Option<SessionRow> {
    let mut row = row.clone();
    if let Some(file_id) = row.file_id {
        let file = files.rows.get(&file_id).filter(|file| file.kind == FileKind::Log)?;
        row.source_id = file.source_id;
        row.path.clone_from(&file.path);
    }
    row.format = sources.get(&row.source_id)?.format;
    (row.file_id.is_none() == (row.format.rules().sessions == Sessions::Folder)).then_some(row)
}

/// Keeps new sessions from getting the key of one that is gone.
pub(super) fn session_keys(conn: &Connection, last: i64) -> Result<()> {
    conn.execute("DELETE FROM sqlite_sequence WHERE name = 'sessions' AND seq < ?1", [last])?;
    conn.execute(
        "INSERT INTO sqlite_sequence (name, seq)
         SELECT 'sessions', ?1
         WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'sessions')",
        [last],
    )?;
    Ok(())
}

/// Returns how many events belong to an existing session, and how many do not.
pub(super) fn events(conn: &Connection, survey: &Survey<'_>) -> Result<(u64, u64)> {
    let (mut written, mut lost) = (0, 0);
    for (event_id, event) in survey.events.iter() {
        let rows = conn
            .prepare_cached(
                "INSERT INTO events (event_id, session_key, kind, at, value)
                 SELECT :event_id, session_key, :kind, :at, :value
                 FROM sessions
                 WHERE session_key = :session_key",
            )?
            .execute(named_params! {
                ":event_id": event_id,
                ":session_key": event.session,
                ":kind": event.kind,
                ":at": event.at,
                ":value": event.value,
            })?;
        written += rows as u64;
        lost += u64::from(rows == 0);
    }
    Ok((written, lost))
}

/// Purged sessions whose source is known.
pub(super) fn purged(
    conn: &Connection,
    survey: &Survey<'_>,
    sources: &BTreeMap<i64, Source>,
) -> Result<()> {
    let all = survey.purged.iter().map(|(_, row)| row);
    all.filter(|(source_id, _)| sources.contains_key(source_id))
        .try_for_each(|(source_id, session)| purged::insert(conn, *source_id, session))
}

pub(super) fn count_events(conn: &Connection) -> Result<u64> {
    let count: i64 =
        conn.query_row("SELECT count(*) AS events FROM events", [], |row| row.get("events"))?;
    Ok(count.unsigned_abs())
}

/// Records which lines and chunks are missing, so that files can be folded without
/// them.
pub(super) fn gaps(conn: &Connection, losses: &[Loss], files: &Files) -> Result<()> {
    for loss in losses {
        let Some(file) = files.rows.get(&loss.file_id) else { continue };
        for &(first, last) in &loss.gaps {
            // The lines that a chain begins with are those of its base.
            let holder = if first < file.base_count { file.base_id } else { Some(file.file_id) };
            if let Some(holder) = holder {
                log::insert_gap(conn, log::key(holder, first), log::key(holder, last))?;
            }
        }
    }
    Ok(())
}

/// Problems that belong to no session, which only an import finds.
pub(super) fn loose_problems(conn: &Connection, survey: &Survey<'_>, files: &Files) -> Result<()> {
    for (problem_id, problem) in survey.problems.iter() {
        let file_id = problem.file_id.filter(|file_id| files.rows.contains_key(file_id));
        conn.prepare_cached(
            "INSERT INTO problems (problem_id, source_id, file_id, path, line, kind, detail)
             SELECT :problem_id, source_id, :file_id, :path, :line, :kind, :detail
             FROM sources
             WHERE source_id = :source_id",
        )?
        .execute(named_params! {
            ":problem_id": problem_id,
            ":source_id": problem.source_id,
            ":file_id": file_id,
            ":path": problem.path,
            ":line": problem.line,
            ":kind": problem.kind,
            ":detail": problem.detail,
        })?;
    }
    Ok(())
}

/// Records what a file lacks as a problem, unless it is recorded already.
pub(super) fn lost_problem(
    conn: &Connection,
    (source_id, path): (i64, &[u8]),
    file_id: Option<i64>,
    line: Option<u32>,
    detail: &str,
) -> Result<()> {
    if problems::is_recorded(conn, source_id, path, ProblemKind::Lost, detail)? {
        return Ok(());
    }
    let kind = ProblemKind::Lost;
    let problem = NewProblem { source_id, file_id, session: None, path, line, kind, detail };
    problems::insert_problem(conn, &problem)
}

/// The id of a file's session, if it has one.
pub(super) fn session_id(
    conn: &Connection,
    survey: &Survey<'_>,
    source_id: i64,
    path: &[u8],
) -> Result<Option<String>> {
    let mut stmt = conn.prepare_cached(
        "SELECT session_key, session_id
         FROM sessions
         WHERE source_id = ?1 AND path = ?2",
    )?;
    // A session of several files is found by their folder.
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    let mut ends: Vec<usize> = slashes.collect();
    ends.push(path.len());
    for end in ends.into_iter().rev() {
        let mut rows = stmt.query((source_id, &path[..end]))?;
        if let Some(row) = rows.next()? {
            let now: Option<String> = row.get("session_id")?;
            let before = || survey.sessions.get(row.get("session_key").ok()?)?.session_id.clone();
            return Ok(now.or_else(before));
        }
    }
    Ok(None)
}
