//! Records as problems of a session what its root has lost or changed.

use rusqlite::Connection;

use crate::error::Result;
use crate::model::{ProblemKind, SessionKey};
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::generations;
use crate::store::problems::{self, NewProblem};

/// Records what the root has lost of one of a session's files.
pub(crate) fn note_losses(
    conn: &Connection,
    session: SessionKey,
    source_id: i64,
    path: &[u8],
) -> Result<()> {
    let note = |file_id: i64, kind, detail: &str| {
        let (file_id, session) = (Some(file_id), Some(session));
        let line = None;
        problems::insert_problem(
            conn,
            &NewProblem { source_id, file_id, session, path, line, kind, detail },
        )
    };
    for (file_id, generation, lost) in generations::with_losses(conn, source_id, path)? {
        let lines = if lost == 1 { "line" } else { "lines" };
        let detail = format!(
            "{lost} {lines} of generation {generation} were lost at its root; they are kept as \
             that generation"
        );
        note(file_id, ProblemKind::Overwritten, &detail)?;
    }
    let file = files::file(conn, source_id, path, FileState::Current)?;
    let local = files::file(conn, source_id, path, FileState::Local)?;
    if let (Some(ours), Some(theirs)) = (local.filter(|local| local.lost != 0), &file)
        && let Some(generation) = log_of_root(conn, theirs)?
    {
        let detail = format!(
            "it was changed in place at its root after it was appended to here; the changed log \
             is kept as generation {generation}"
        );
        note(ours.file_id, ProblemKind::Diverged, &detail)?;
    }
    if let Some(file) = file.filter(|file| file.kind == FileKind::Log && file.missing_at.is_some())
    {
        let detail = match file.lost {
            0 => "it is missing at its root, and kept here",
            _ => "another session's file is at its path at the root; it is kept under this name",
        };
        note(file.file_id, ProblemKind::Vanished, detail)?;
    }
    Ok(())
}

/// The generation of the log at the root; the last one if a link or folder has its path
/// now.
fn log_of_root(conn: &Connection, file: &FileRow) -> Result<Option<i64>> {
    if file.kind == FileKind::Log {
        return Ok(Some(file.generation));
    }
    let rows = generations::rows(conn, file.source_id, &file.path)?;
    let is_earlier =
        |row: &&FileRow| row.kind == FileKind::Log && row.state == FileState::Superseded;
    Ok(rows.iter().rfind(is_earlier).map(|row| row.generation))
}

/// Recomputes the losses of a session that is one log.
pub(crate) fn settle_losses(
    conn: &Connection,
    source_id: i64,
    session: SessionKey,
    path: &[u8],
) -> Result<()> {
    for kind in [ProblemKind::Overwritten, ProblemKind::Vanished, ProblemKind::Diverged] {
        problems::delete_problems(conn, session, kind)?;
    }
    note_losses(conn, session, source_id, path)
}
