//! What depends on several transcripts: the session of an agent, and which of
//! several sessions with the same id lists show.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::{Claude, Sidecar, agents, append, read_sidecar};
use crate::error::Result;
use crate::fold;
use crate::format::Layout;
use crate::format::claude::layout::{self, Place, Split};
use crate::format::projection::{Projection, SessionFold, Touched};
use crate::model::{ProblemKind, SessionKey};
use crate::store::files::{self, FileKind, FileRow};
use crate::store::heads::Head;
use crate::store::sessions::SessionPlace;
use crate::store::sources::Source;
use crate::store::{problems, sessions};

impl Projection for Claude {
    fn session_fold(&self, path: &[u8]) -> Option<Box<dyn SessionFold>> {
        Some(Self::reading(path))
    }

    fn session_fold_after<'a>(
        &self,
        conn: &'a Connection,
        session: SessionKey,
        file: &FileRow,
        head: &Head,
    ) -> Result<Option<Box<dyn SessionFold + 'a>>> {
        append::behind(conn, session, file, head)
    }

    fn settle_listed(&self, conn: &Connection, session: SessionKey) -> Result<()> {
        let Some((source, path)) = sessions::place(conn, session)? else { return Ok(()) };
        if matches!(layout::split(&path).place, Place::OldAgent { .. }) {
            let parent_id = sessions::parent_session_id(conn, session)?;
            return settle_old_agent(conn, source.source_id, &path, parent_id.as_deref());
        }
        match sessions::session_id(conn, session)? {
            Some(id) => sessions::list_newest(conn, source.source_id, &id),
            None => Ok(()),
        }
    }

    /// The session's folder and its content, and its agents beside it.
    fn parts(&self, conn: &Connection, source: &Source, path: &[u8]) -> Result<BTreeSet<Vec<u8>>> {
        let mut parts = BTreeSet::new();
        let Split { project, place } = layout::split(path);
        if let Place::Transcript { session_id } = place {
            let folder = [project, session_id.as_bytes()].concat();
            let files = below(conn, source.source_id, &folder)?;
            parts.extend(files.into_iter().map(|file| file.path));
            let own = files::newest(conn, source.source_id, &folder)?;
            parts.extend(own.map(|_| folder));
        }
        let logs = agents(conn, source.source_id, path)?.into_iter().map(|(_, log)| log);
        for log in logs.chain([path.to_vec()]) {
            let sidecar = layout::sidecar(&log);
            if files::newest(conn, source.source_id, &sidecar)?.is_some() {
                parts.insert(sidecar);
            }
            parts.insert(log);
        }
        parts.remove(path);
        Ok(parts)
    }

    fn everything(&self, conn: &Connection, source: &Source) -> Result<Vec<Touched>> {
        let mut units = BTreeSet::new();
        files::each_file(conn, source.source_id, files::newest_after, |file| {
            units.extend(self.units(&file.path, file.kind == FileKind::Folder));
            Ok(())
        })?;
        let each = |unit| Touched { units: [unit].into(), shared: false };
        Ok(units.into_iter().map(each).collect())
    }

    fn settle(
        &self,
        conn: &Connection,
        source: &Source,
        touched: Touched,
    ) -> Result<Vec<SessionKey>> {
        for unit in touched.units {
            if unit.is_empty() || unit.ends_with(b"/") {
                settle_project(conn, source, &unit)?;
            } else {
                settle_folder(conn, source, &unit)?;
            }
        }
        Ok(Vec::new())
    }
}

/// The files in a folder.
fn below(conn: &Connection, source_id: i64, folder: &[u8]) -> Result<Vec<FileRow>> {
    // '0' is the byte after '/'.
    let (from, to) = ([folder, b"/"].concat(), [folder, b"0"].concat());
    files::newest_between(conn, source_id, &from, &to)
}

/// Updates the agents in a project's folder.
fn settle_project(conn: &Connection, source: &Source, project: &[u8]) -> Result<()> {
    let source_id = source.source_id;
    let beside = |end: &[u8]| [project, end].concat();
    let found =
        sessions::sessions_between(conn, source_id, &beside(b"agent-"), &beside(b"agent."))?;
    for SessionPlace { path, parent_id, .. } in found {
        if matches!(layout::split(&path).place, Place::OldAgent { .. }) {
            settle_old_agent(conn, source_id, &path, parent_id.as_deref())?;
            settle_sidecar(conn, source, &path)?;
        }
    }
    Ok(())
}

/// Records whether the session of an agent in a project's folder is missing.
fn settle_old_agent(
    conn: &Connection,
    source_id: i64,
    path: &[u8],
    parent_id: Option<&str>,
) -> Result<()> {
    let Split { project, .. } = layout::split(path);
    let detail = match parent_id {
        Some(id) if has_session(conn, source_id, &[project, id.as_bytes()].concat())? => None,
        Some(id) => Some(format!("an agent of session {id:.60}, which is not in this folder")),
        None => Some("an agent whose session nothing names".to_owned()),
    };
    problems::settle_loose(conn, source_id, path, ProblemKind::Orphan, detail.as_deref())
}

/// Updates what is in the folder of a session.
fn settle_folder(conn: &Connection, source: &Source, folder: &[u8]) -> Result<()> {
    let source_id = source.source_id;
    let id = folder.rsplit(|byte| *byte == b'/').next().unwrap_or(folder);
    sessions::list_newest(conn, source_id, &String::from_utf8_lossy(id))?;
    let has_session = has_session(conn, source_id, folder)?;
    let files = below(conn, source_id, folder)?;
    let is_there = !files.is_empty() || files::newest(conn, source_id, folder)?.is_some();
    let detail = "the folder of a session whose transcript is not there";
    let detail = Some(detail).filter(|_| is_there && !has_session);
    problems::settle_loose(conn, source_id, folder, ProblemKind::Header, detail)?;
    for file in files {
        if matches!(layout::split(&file.path).place, Place::Agent { .. }) {
            let detail = "an agent of a session whose transcript is not there";
            let detail = Some(detail).filter(|_| !has_session && file.kind == FileKind::Log);
            problems::settle_loose(conn, source_id, &file.path, ProblemKind::Orphan, detail)?;
            settle_sidecar(conn, source, &file.path)?;
        }
    }
    Ok(())
}

/// Whether the transcript of the session with this folder exists.
fn has_session(conn: &Connection, source_id: i64, folder: &[u8]) -> Result<bool> {
    let transcript = [folder, b".jsonl"].concat();
    Ok(sessions::session_at(conn, source_id, &transcript)?.is_some())
}

/// Refolds the agent with this log if the document that describes it became invalid,
/// or valid again, or was moved away.
fn settle_sidecar(conn: &Connection, source: &Source, log: &[u8]) -> Result<()> {
    let Some(session) = sessions::session_at(conn, source.source_id, log)? else { return Ok(()) };
    let path = layout::sidecar(log);
    let is_broken = matches!(read_sidecar(conn, source.source_id, &path)?, Sidecar::Broken);
    if is_broken == problems::has_of_path(conn, session, &path)? {
        return Ok(());
    }
    match sessions::file_of(conn, session)? {
        Some((file, _)) => fold::refold(conn, &file, source.format, session),
        None => Ok(()),
    }
}
