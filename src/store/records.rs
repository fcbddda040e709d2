//! Kward's records that are no entries: system prompts, tool executions, memory.

use rusqlite::{Connection, OptionalExtension, named_params};

use crate::error::Result;
use crate::model::{SessionKey, Stored, Timestamp};

pub(crate) fn insert_system_prompt(
    conn: &Connection,
    session: SessionKey,
    line_key: i64,
    hash: Option<&Stored>,
    reason: Option<&str>,
    created_at: Option<Timestamp>,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO system_prompts (line_key, session_key, hash, reason, created_at)
         VALUES (:line_key, :session_key, :hash, :reason, :created_at)",
    )?
    .execute(named_params! {
        ":line_key": line_key,
        ":session_key": session,
        ":hash": hash,
        ":reason": reason,
        ":created_at": created_at,
    })?;
    Ok(())
}

/// Hash of the session's last system prompt that has one.
pub(crate) fn system_prompt_hash(conn: &Connection, session: SessionKey) -> Result<Option<Stored>> {
    Ok(conn
        .prepare_cached(
            "SELECT hash
             FROM system_prompts
             WHERE session_key = ?1 AND hash IS NOT NULL
             ORDER BY line_key DESC
             LIMIT 1",
        )?
        .query_row([session], |row| row.get("hash"))
        .optional()?)
}

/// The lines of the session's system prompts, in file order.
pub(crate) fn system_prompt_lines(conn: &Connection, session: SessionKey) -> Result<Vec<i64>> {
    let mut stmt = conn.prepare_cached(
        "SELECT line_key
         FROM system_prompts
         WHERE session_key = ?1
         ORDER BY line_key",
    )?;
    let rows = stmt.query_map([session], |row| row.get("line_key"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn insert_tool_execution(
    conn: &Connection,
    session: SessionKey,
    line_key: i64,
    tool_call_id: Option<&str>,
    tool_name: Option<&str>,
    is_error: bool,
    created_at: Option<Timestamp>,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO tool_executions (line_key, session_key, tool_call_id, tool_name, is_error,
                                      created_at)
         VALUES (:line_key, :session_key, :tool_call_id, :tool_name, :is_error, :created_at)",
    )?
    .execute(named_params! {
        ":line_key": line_key,
        ":session_key": session,
        ":tool_call_id": tool_call_id,
        ":tool_name": tool_name,
        ":is_error": is_error,
        ":created_at": created_at,
    })?;
    Ok(())
}

pub(crate) fn insert_memory_state(
    conn: &Connection,
    session: SessionKey,
    line_key: i64,
    created_at: Option<Timestamp>,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO memory_states (line_key, session_key, created_at)
         VALUES (:line_key, :session_key, :created_at)",
    )?
    .execute(named_params! {
        ":line_key": line_key,
        ":session_key": session,
        ":created_at": created_at,
    })?;
    Ok(())
}

/// The line of the session's last memory state.
pub(crate) fn memory_state(conn: &Connection, session: SessionKey) -> Result<Option<i64>> {
    Ok(conn
        .prepare_cached(
            "SELECT line_key
             FROM memory_states
             WHERE session_key = ?1
             ORDER BY line_key DESC
             LIMIT 1",
        )?
        .query_row([session], |row| row.get("line_key"))
        .optional()?)
}
