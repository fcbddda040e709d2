//! All that is folded, taken away at once: before a session is folded anew, and
//! where rows stand for nothing.

use rusqlite::Connection;

use crate::error::Result;
use crate::model::SessionKey;

/// Removes everything that the fold made of a session but its row.
pub(crate) fn delete_projection(conn: &Connection, session: SessionKey) -> Result<()> {
    for statement in [
        "DELETE FROM metadata WHERE session_key = ?1",
        "DELETE FROM settings WHERE session_key = ?1",
        "DELETE FROM usages WHERE session_key = ?1",
        "DELETE FROM compactions WHERE session_key = ?1",
        "DELETE FROM entries WHERE session_key = ?1",
        "DELETE FROM labels WHERE session_key = ?1",
        "DELETE FROM problems WHERE session_key = ?1",
        "DELETE FROM system_prompts WHERE session_key = ?1",
        "DELETE FROM tool_executions WHERE session_key = ?1",
        "DELETE FROM memory_states WHERE session_key = ?1",
        "DELETE FROM entry_lines WHERE session_key = ?1",
        "DELETE FROM contexts WHERE session_key = ?1",
        "DELETE FROM kimi_states WHERE session_key = ?1",
        "DELETE FROM approved_actions WHERE session_key = ?1",
        "DELETE FROM additional_dirs WHERE session_key = ?1",
        "DELETE FROM todos WHERE session_key = ?1",
        "DELETE FROM turns WHERE session_key = ?1",
        "DELETE FROM wire_records WHERE session_key = ?1",
        "DELETE FROM subagents WHERE session_key = ?1",
    ] {
        conn.prepare_cached(statement)?.execute([session])?;
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
                   OR file.path BETWEEN CAST(stem || '_' AS BLOB) AND CAST(stem || '`' AS BLOB));

         DELETE FROM metadata WHERE session_key NOT IN (SELECT session_key FROM sessions);
         DELETE FROM labels WHERE session_key NOT IN (SELECT session_key FROM sessions);
         DELETE FROM problems WHERE session_key NOT IN (SELECT session_key FROM sessions);
         DELETE FROM kimi_states WHERE session_key NOT IN (SELECT session_key FROM sessions);
         DELETE FROM approved_actions WHERE session_key NOT IN (SELECT session_key FROM sessions);
         DELETE FROM additional_dirs WHERE session_key NOT IN (SELECT session_key FROM sessions);
         DELETE FROM todos WHERE session_key NOT IN (SELECT session_key FROM sessions);
         DELETE FROM turns WHERE session_key NOT IN (SELECT session_key FROM sessions);
         DELETE FROM subagents WHERE session_key NOT IN (SELECT session_key FROM sessions);
         DELETE FROM compactions
         WHERE (session_key, entry_key >> 32) NOT IN (SELECT session_key, file_id FROM owners);
         DELETE FROM settings
         WHERE (session_key, entry_key >> 32) NOT IN (SELECT session_key, file_id FROM owners);
         DELETE FROM usages
         WHERE (session_key, entry_key >> 32) NOT IN (SELECT session_key, file_id FROM owners);
         DELETE FROM entries
         WHERE (session_key, entry_key >> 32) NOT IN (SELECT session_key, file_id FROM owners);
         DELETE FROM system_prompts
         WHERE (session_key, line_key >> 32) NOT IN (SELECT session_key, file_id FROM owners);
         DELETE FROM tool_executions
         WHERE (session_key, line_key >> 32) NOT IN (SELECT session_key, file_id FROM owners);
         DELETE FROM memory_states
         WHERE (session_key, line_key >> 32) NOT IN (SELECT session_key, file_id FROM owners);

         DELETE FROM wire_records
         WHERE (session_key, line_key >> 32) NOT IN (SELECT session_key, file_id FROM owners);
         DELETE FROM entry_lines
         WHERE (session_key, line_key >> 32) NOT IN (SELECT session_key, file_id FROM owners);
         DELETE FROM contexts
         WHERE (session_key, file_id) NOT IN (SELECT session_key, file_id FROM owners);

         DROP TABLE temp.owners;
         DROP TABLE temp.logs;",
    )?;
    Ok(())
}
