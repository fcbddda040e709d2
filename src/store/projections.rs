//! All that is folded, taken away at once: before a session is folded anew, and
//! where rows stand for nothing.

use rusqlite::Connection;

use crate::error::Result;
use crate::model::SessionKey;

/// The tables of the fold, with what tells whose file a row is from, where
/// it is not its session alone. Rows of entries come before the entries.
const TABLES: [(&str, Option<&str>); 19] = [
    ("metadata", None),
    ("labels", None),
    ("problems", None),
    ("kimi_states", None),
    ("approved_actions", None),
    ("additional_dirs", None),
    ("todos", None),
    ("turns", None),
    ("subagents", None),
    ("settings", Some("entry_key >> 32")),
    ("usages", Some("entry_key >> 32")),
    ("compactions", Some("entry_key >> 32")),
    ("entries", Some("entry_key >> 32")),
    ("system_prompts", Some("line_key >> 32")),
    ("tool_executions", Some("line_key >> 32")),
    ("memory_states", Some("line_key >> 32")),
    ("wire_records", Some("line_key >> 32")),
    ("entry_lines", Some("line_key >> 32")),
    ("contexts", Some("file_id")),
];

/// Removes everything that the fold made of a session but its row.
pub(crate) fn delete_projection(conn: &Connection, session: SessionKey) -> Result<()> {
    for (table, _) in TABLES {
        conn.prepare_cached(&format!("DELETE FROM {table} WHERE session_key = ?1"))?
            .execute([session])?;
    }
    Ok(())
}

/// Gives each current log its session row, and removes rows that stand for nothing.
///
/// What is left of a projection, a fold of each session replaces.
pub(crate) fn restore_rows(conn: &Connection) -> Result<()> {
    conn.execute_batch(
        "CREATE TEMP TABLE logs AS
         SELECT file.file_id, file.path, file.source_id, file.base_id, source.format, file.mtime
         FROM files AS file
         JOIN sources AS source ON source.source_id = file.source_id
         WHERE file.kind = 'log'
           AND source.format <> 'kimi'
           AND (file.state = 'local'
                OR file.state = 'current'
                   AND NOT EXISTS (SELECT 1
                                   FROM files AS local
                                   WHERE local.source_id = file.source_id
                                     AND local.path = file.path
                                     AND local.state = 'local'
                                     AND local.state <> 'superseded'));

         -- NULL is a session of many files; of no logs at all, it would be none, too.
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
         WHERE file_id NOT IN (SELECT file_id FROM sessions WHERE file_id IS NOT NULL);

         -- Whose lines are whose; a row of another session would stand in the way.
         CREATE TEMP TABLE owners AS
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
         -- no path equals.)
         SELECT session.session_key, file.file_id
         FROM (SELECT session_key, source_id, path,
                      CASE WHEN substr(path, -6) = CAST('.jsonl' AS BLOB)
                           THEN substr(path, 1, length(path) - 6)
                           ELSE path
                      END AS stem
               FROM sessions
               WHERE file_id IS NULL) AS session
         JOIN files AS file
           ON file.source_id = session.source_id
              AND (file.path = session.path
                   OR file.path BETWEEN CAST(stem || '/' AS BLOB) AND CAST(stem || '0' AS BLOB)
                   OR file.path BETWEEN CAST(stem || '_' AS BLOB) AND CAST(stem || '`' AS BLOB));",
    )?;
    for (table, file_id) in TABLES {
        conn.execute_batch(&match file_id {
            // A problem may belong to no session; in an empty list, not even NULL is.
            None => format!(
                "DELETE FROM {table}
                 WHERE session_key IS NOT NULL
                   AND session_key NOT IN (SELECT session_key FROM sessions)"
            ),
            Some(file_id) => format!(
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn every_table_with_rows_of_sessions_is_the_folds_or_the_users() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("sessions.db")).unwrap();
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

        let mut known: Vec<&str> = TABLES.iter().map(|(table, _)| *table).collect();
        known.extend(["events", "sessions"]);
        known.sort_unstable();

        assert_eq!(found, known);
    }
}
