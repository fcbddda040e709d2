//! Shadow tables: temporary tables, private to the connection, into which sessions
//! are folded again.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use crate::error::Result;
use crate::format::projection::Refolder;
use crate::model::SessionKey;
use crate::store::{projections, schema, sessions};

/// Makes temporary tables and indexes like those of the projections, from our schema
/// rather than the database's; returns the columns of each table to compare.
pub(crate) fn make_shadows(conn: &Connection) -> Result<BTreeMap<&'static str, Vec<String>>> {
    let mut columns = BTreeMap::new();
    let others = ["sessions", "work_dirs", "session_search", "search_marks"];
    for table in projections::tables().map(|table| table.name).chain(others) {
        let mut objects: Vec<_> = schema::ours()?
            .iter()
            .filter(|object| object.table == table && ["table", "index"].contains(&&*object.kind))
            .collect();
        objects.sort_by_key(|object| object.kind != "table"); // before its indexes
        for sql in objects.iter().filter_map(|object| object.sql.as_ref()) {
            let sql = sql
                .replacen("CREATE TABLE ", "CREATE TEMP TABLE ", 1)
                .replacen("CREATE VIRTUAL TABLE ", "CREATE VIRTUAL TABLE temp.", 1)
                .replacen("CREATE INDEX ", "CREATE INDEX temp.", 1)
                .replacen("CREATE UNIQUE INDEX ", "CREATE UNIQUE INDEX temp.", 1);
            conn.execute_batch(&sql)?;
        }
        let mut stmt = conn.prepare(
            // The numbers of problems have no meaning, and whether a session is
            // recent does not depend on its log.
            "SELECT name
             FROM pragma_table_info(?1, 'temp')
             WHERE name <> 'problem_id' AND name <> 'is_recent'",
        )?;
        let names = stmt.query_map([table], |row| row.get("name"))?;
        columns.insert(table, names.collect::<rusqlite::Result<_>>()?);
    }
    conn.execute_batch(
        "INSERT INTO temp.work_dirs (work_dir_id, path, host)
         SELECT work_dir_id, path, host FROM main.work_dirs;",
    )?;
    Ok(columns)
}

/// Paths of a source's sessions, from the database's own table.
pub(super) fn main_paths(conn: &Connection, source_id: i64) -> Result<BTreeSet<Vec<u8>>> {
    let mut stmt = conn.prepare("SELECT path FROM main.sessions WHERE source_id = ?1")?;
    let rows = stmt.query_map([source_id], |row| row.get("path"))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Folds a session into the shadow tables; returns its path, or `None` if its files
/// are gone.
pub(super) fn refold_shadow(
    conn: &Connection,
    session: SessionKey,
    refolders: &mut BTreeMap<i64, Refolder<'_>>,
) -> Result<Option<Vec<u8>>> {
    shadow_session(conn, session)?;
    let Some((source, path)) = sessions::place(conn, session)? else { return Ok(None) };
    let Some(refold) = refolders.get_mut(&source.source_id) else { return Ok(None) };
    Ok(refold(session, &path)?.then_some(path))
}

/// Adds an empty row for the session to the shadow table.
fn shadow_session(conn: &Connection, session: SessionKey) -> Result<()> {
    let mut stmt = conn.prepare_cached(
        "INSERT INTO temp.sessions (session_key, source_id, path, file_id, format, header,
                                    modified_at, first_message, message_count, search_text,
                                    entry_count)
         SELECT session.session_key, file.source_id, file.path, file.file_id, source.format,
                'missing', 0, '', 0, '', 0
         FROM main.sessions AS session
         JOIN main.files AS file ON file.file_id = session.file_id
         JOIN main.sources AS source ON source.source_id = file.source_id
         WHERE session.session_key = ?1

         UNION ALL

         SELECT session.session_key, session.source_id, session.path, NULL, source.format,
                'missing', 0, '', 0, '', 0
         FROM main.sessions AS session
         JOIN main.sources AS source ON source.source_id = session.source_id
         WHERE session.session_key = ?1 AND session.file_id IS NULL",
    )?;
    stmt.execute([session])?;
    Ok(())
}
