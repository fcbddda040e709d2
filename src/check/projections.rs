//! Checks every projection against the fold of the log.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::Findings;
use super::compare::{Table, compare, compare_search};
use super::shadows::{main_paths, make_shadows, refold_shadow};
use crate::error::Result;
use crate::fold;
use crate::format::rules::Sessions;
use crate::model::SessionKey;
use crate::store::files;
use crate::store::projections;
use crate::store::sources::{self, Source};

pub(super) fn check_projections(conn: &Connection, findings: &mut Findings) -> Result<()> {
    let columns = make_shadows(conn)?;
    let sources = sources::all(conn)?;
    let mut refolders = BTreeMap::new();
    for source in &sources {
        find_without_session(conn, source, findings)?;
        refolders.insert(source.source_id, source.format.projection().refolder(conn, source)?);
    }
    let mut stmt = conn.prepare("SELECT session_key FROM main.sessions ORDER BY session_key")?;
    let all: Vec<SessionKey> =
        stmt.query_map([], |row| row.get("session_key"))?.collect::<rusqlite::Result<_>>()?;
    let mut unreadable = BTreeSet::new();
    for session in &all {
        let path = match refold_shadow(conn, *session, &mut refolders) {
            Ok(Some(path)) => path,
            Ok(None) => {
                findings.add(format!("session {}", session.0), "its files are missing");
                continue;
            }
            // Because of a damaged line, this session's projection is unknown. The
            // others are checked.
            Err(err) if err.is_of_content() => {
                findings.add(format!("session {}", session.0), err.to_string());
                projections::delete_projection(conn, *session)?;
                unreadable.insert(*session);
                continue;
            }
            Err(err) => return Err(err),
        };
        let place = format!("session in {}", String::from_utf8_lossy(&path));
        for table in projections::tables() {
            let (name, order, is_of_session) = (table.name, table.order, &table.is_of_session());
            let table = Table { name, columns: &columns[name], is_of_session, order };
            compare(conn, &table, *session, &place, findings)?;
        }
        projections::delete_projection(conn, *session)?;
    }
    for source in &sources {
        fold::settle_recovered(conn, source.source_id)?;
    }
    let name = "sessions";
    let is_of_session = "session_key = ?1";
    let table = Table { name, columns: &columns[name], is_of_session, order: "session_key" };
    for session in all.into_iter().filter(|session| !unreadable.contains(session)) {
        compare(conn, &table, session, &format!("session {}", session.0), findings)?;
    }
    compare_search(conn, findings)
}

/// Adds a finding for each file of a source that should have a session row and has
/// none.
fn find_without_session(conn: &Connection, source: &Source, findings: &mut Findings) -> Result<()> {
    if source.format.rules().sessions == Sessions::File {
        return find_logs_without_session(conn, source.source_id, findings);
    }
    let known = main_paths(conn, source.source_id)?;
    for path in source.format.projection().sessions(conn, source)?.difference(&known) {
        let place = format!("files of {}", String::from_utf8_lossy(path));
        findings.add(place, "they belong to no session");
    }
    Ok(())
}

fn find_logs_without_session(
    conn: &Connection,
    source_id: i64,
    findings: &mut Findings,
) -> Result<()> {
    let mut stmt = conn.prepare(
        "SELECT file_id
         FROM files
         WHERE source_id = ?1
           AND kind = 'log'
           AND (state = 'local'
                OR state = 'current'
                   AND NOT EXISTS (SELECT 1
                                   FROM files AS local
                                   WHERE local.source_id = files.source_id
                                     AND local.path = files.path
                                     AND local.state = 'local'
                                     AND local.state <> 'superseded'))
           AND file_id NOT IN (SELECT file_id FROM main.sessions WHERE file_id IS NOT NULL)",
    )?;
    let lost: Vec<i64> =
        stmt.query_map([source_id], |row| row.get("file_id"))?.collect::<rusqlite::Result<_>>()?;
    for file_id in lost {
        let file = files::file_by_id(conn, file_id)?;
        let place = format!("file {}", String::from_utf8_lossy(&file.path));
        findings.add(place, "this log belongs to no session");
    }
    Ok(())
}
