//! The list of all projections, and their removal: before a session is refolded,
//! and for rows that belong to no session.

use rusqlite::Connection;

use crate::error::Result;
use crate::model::{Format, SessionKey};
use crate::store::marks;
use crate::store::sources::Source;

/// A table that is folded from the log.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) owner: Owner,
    /// The order of a session's rows when they are compared.
    pub(crate) order: &'static str,
}

impl Table {
    pub(crate) const fn new(name: &'static str, owner: Owner, order: &'static str) -> Self {
        Self { name, owner, order }
    }

    /// The condition that selects the rows of the session `?1`.
    pub(crate) fn is_of_session(&self) -> String {
        match self.owner {
            // A range of keys is read sequentially; through the index of ids, each
            // row would be sought.
            Owner::Entry(key) => format!("{key} BETWEEN ?1 << 32 AND ?1 << 32 | 0xFFFFFFFF"),
            Owner::Session | Owner::File(_) => "session_key = ?1".to_owned(),
        }
    }
}

/// The column that identifies a row's owner besides its session. A row with a wrong
/// one would collide with rows of another session.
#[derive(Clone, Copy)]
pub(crate) enum Owner {
    /// None: the session is part of the primary key.
    Session,
    /// The key of an entry, which contains the session.
    Entry(&'static str),
    /// The file of a line, or the row itself.
    File(&'static str),
}

/// The tables that all formats share. Tables that refer to entries come before the
/// entries.
const COMMON: [Table; 14] = [
    Table::new("metadata", Owner::Session, "is_own, key"),
    Table::new("session_tags", Owner::Session, "tag"),
    Table::new("labels", Owner::Session, "target_id"),
    Table::new("problems", Owner::Session, "path, line, kind, detail"),
    Table::new("settings", Owner::Entry("entry_key"), "entry_key"),
    Table::new("usages", Owner::Entry("entry_key"), "entry_key"),
    Table::new("compactions", Owner::Entry("entry_key"), "entry_key"),
    Table::new("active_ranges", Owner::Session, "position"),
    Table::new("runs", Owner::Entry("first_key"), "first_key"),
    Table::new("entries", Owner::Entry("entry_key"), "entry_key"),
    Table::new("entry_lines", Owner::File("line_key >> 32"), "line_key"),
    Table::new("system_prompts", Owner::File("line_key >> 32"), "line_key"),
    Table::new("tool_executions", Owner::File("line_key >> 32"), "line_key"),
    Table::new("memory_states", Owner::File("line_key >> 32"), "line_key"),
];

/// All projections: the common ones and those of each format. No common table refers
/// to a format's table, so a format's tables come first.
pub(crate) fn tables() -> impl Iterator<Item = &'static Table> {
    let own = Format::ALL.iter().flat_map(|format| format.extras().tables());
    own.chain(&COMMON)
}

/// Removes everything that the fold made of a session except its row.
pub(crate) fn delete_projection(conn: &Connection, session: SessionKey) -> Result<()> {
    marks::mark_stale(conn, session)?;
    for table in tables() {
        let (name, is_of_session) = (table.name, table.is_of_session());
        conn.prepare_cached(&format!("DELETE FROM {name} WHERE {is_of_session}"))?
            .execute([session])?;
    }
    Ok(())
}

/// Gives each current log of these sources a session row, and removes rows without a
/// log. Sources whose sessions consist of several files are left out.
///
/// Refolding each session replaces what is left of its projections.
pub(crate) fn restore_rows<'a>(
    conn: &Connection,
    sources: impl Iterator<Item = &'a Source>,
) -> Result<()> {
    list_logs(conn, sources)?;
    restore_sessions(conn)?;
    list_owners(conn)?;
    for Table { name: table, owner, .. } in tables() {
        conn.execute_batch(&match owner {
            // A problem may belong to no session (NULL). With an empty list, NULL
            // would not be found either.
            Owner::Session => format!(
                "DELETE FROM {table}
                 WHERE session_key IS NOT NULL
                   AND session_key NOT IN (SELECT session_key FROM sessions)"
            ),
            Owner::Entry(key) => format!(
                "DELETE FROM {table}
                 WHERE {key} >> 32 <> session_key
                    OR session_key NOT IN (SELECT session_key FROM sessions)"
            ),
            Owner::File(file_id) => format!(
                "DELETE FROM {table}
                 WHERE (session_key, {file_id}) NOT IN (SELECT session_key, file_id FROM owners)"
            ),
        })?;
    }
    conn.execute_batch(
        "DROP TABLE temp.owners;
         DROP TABLE temp.logs;",
    )?;
    Ok(())
}

/// Lists the current log of each session that is one log.
fn list_logs<'a>(conn: &Connection, sources: impl Iterator<Item = &'a Source>) -> Result<()> {
    let source_ids: Vec<i64> = sources.map(|source| source.source_id).collect();
    conn.execute(
        "CREATE TEMP TABLE logs AS
         SELECT file.file_id, file.path, file.source_id, file.base_id, source.format, file.mtime
         FROM files AS file
         JOIN sources AS source ON source.source_id = file.source_id
         WHERE file.kind = 'log'
           AND source.source_id IN (SELECT value FROM json_each(?1))
           AND (file.state = 'local'
                OR file.state = 'current'
                   AND NOT EXISTS (SELECT 1
                                   FROM files AS local
                                   WHERE local.source_id = file.source_id
                                     AND local.path = file.path
                                     AND local.state = 'local'
                                     AND local.state <> 'superseded'))",
        [format!("{source_ids:?}")],
    )?;
    Ok(())
}

fn restore_sessions(conn: &Connection) -> Result<()> {
    conn.execute_batch(
        "-- NULL is a session of many files; of no logs at all, it would be none, too.
         DELETE FROM sessions
         WHERE file_id IS NOT NULL AND file_id NOT IN (SELECT file_id FROM logs);

         UPDATE sessions
         SET source_id = logs.source_id, path = logs.path, format = logs.format
         FROM logs
         WHERE logs.file_id = sessions.file_id;

         INSERT INTO sessions (source_id, path, file_id, format, header, modified_at,
                               first_message, message_count, search_text, entry_count)
         SELECT source_id, path, file_id, format, 'missing', mtime, '', 0, '', 0
         FROM logs
         WHERE file_id NOT IN (SELECT file_id FROM sessions WHERE file_id IS NOT NULL);",
    )?;
    Ok(())
}

/// Lists which file belongs to which session.
fn list_owners(conn: &Connection) -> Result<()> {
    conn.execute_batch(
        "CREATE TEMP TABLE owners AS
         WITH wholes AS (
             SELECT session_key, source_id, path,
                    CASE WHEN substr(path, -6) = CAST('.jsonl' AS BLOB)
                         THEN substr(path, 1, length(path) - 6)
                         ELSE path
                    END AS stem
             FROM sessions
             WHERE file_id IS NULL
         )
         SELECT session.session_key, logs.file_id
         FROM sessions AS session
         JOIN logs ON logs.file_id = session.file_id
         UNION ALL
         SELECT session.session_key, logs.base_id
         FROM sessions AS session
         JOIN logs ON logs.file_id = session.file_id
         WHERE logs.base_id IS NOT NULL
         UNION ALL
         -- All that a session of many files could call its own: below its path, and
         -- for a flat file also what shares its stem. (What || gives is text, which
         -- no path equals.) One search each: joined by OR, all files would be read for
         -- each session.
         SELECT session.session_key, file.file_id
         FROM wholes AS session
         CROSS JOIN files AS file
           ON file.source_id = session.source_id
              AND file.path = session.path
         UNION ALL
         SELECT session.session_key, file.file_id
         FROM wholes AS session
         CROSS JOIN files AS file
           ON file.source_id = session.source_id
              AND file.path BETWEEN CAST(stem || '/' AS BLOB) AND CAST(stem || '0' AS BLOB)
         UNION ALL
         SELECT session.session_key, file.file_id
         FROM wholes AS session
         CROSS JOIN files AS file
           ON file.source_id = session.source_id
              AND file.path BETWEEN CAST(stem || '_' AS BLOB) AND CAST(stem || '`' AS BLOB);",
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn every_table_with_rows_of_sessions_is_the_folds_or_the_users() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("sessions.db")).unwrap();
        let conn = store.connection().unwrap();
        let mut stmt = conn
            .prepare(
                "SELECT schema.name
                 FROM sqlite_schema AS schema, pragma_table_info(schema.name) AS info
                 WHERE schema.type = 'table' AND info.name = 'session_key'
                 ORDER BY schema.name",
            )
            .unwrap();
        let found: Vec<String> = stmt
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(std::result::Result::unwrap)
            .collect();

        let mut known: Vec<&str> = tables().map(|table| table.name).collect();
        known.extend(["events", "search_marks", "sessions"]);
        known.sort_unstable();

        assert_eq!(found, known);
    }
}
