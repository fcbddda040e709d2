//! What records say apart from the tree: system prompts, tool executions, memory,
//! settings, usage.

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::ids::{Id, IdText};
use crate::error::Result;
use crate::model::{Format, Runtime, SessionKey, Stored, Timestamp, Usage};

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

/// Sets the line that answers the last unanswered call of this id. An answer without
/// such a call gets a row of its own, unless its line replaces another.
///
/// A fold of many answers knows the unanswered calls, and uses [`answer_tool_call`]
/// instead.
pub(crate) fn set_tool_result(
    conn: &Connection,
    session: SessionKey,
    tool_call_id: &str,
    result_key: i64,
    is_error: bool,
    created_at: Option<Timestamp>,
) -> Result<()> {
    let call: Option<i64> = conn
        .prepare_cached(UNANSWERED)?
        .query_row((session, tool_call_id), |row| row.get("line_key"))?;
    match call {
        Some(call) => answer_tool_call(conn, call, result_key, is_error),
        None => insert_tool_answer(conn, session, tool_call_id, result_key, is_error, created_at),
    }
}

/// The last unanswered call of an id: its answered calls may be many.
pub(super) const UNANSWERED: &str = "SELECT max(line_key) AS line_key
     FROM tool_executions
     WHERE session_key = ?1
       AND tool_call_id = ?2
       AND result_key IS NULL";

/// Notes the line that answers the call of another.
pub(crate) fn answer_tool_call(
    conn: &Connection,
    call_key: i64,
    result_key: i64,
    is_error: bool,
) -> Result<()> {
    conn.prepare_cached(
        "UPDATE tool_executions
         SET result_key = :result_key, is_error = :is_error
         WHERE line_key = :line_key",
    )?
    .execute(named_params! {
        ":line_key": call_key,
        ":result_key": result_key,
        ":is_error": is_error,
    })?;
    Ok(())
}

/// Notes a line that answers no call, unless it stands for another.
pub(crate) fn insert_tool_answer(
    conn: &Connection,
    session: SessionKey,
    tool_call_id: &str,
    result_key: i64,
    is_error: bool,
    created_at: Option<Timestamp>,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT OR IGNORE INTO tool_executions (line_key, session_key, tool_call_id, is_error,
                                                result_key, created_at)
         VALUES (:line_key, :session_key, :tool_call_id, :is_error, :line_key, :created_at)",
    )?
    .execute(named_params! {
        ":line_key": result_key,
        ":session_key": session,
        ":tool_call_id": tool_call_id,
        ":is_error": is_error,
        ":created_at": created_at,
    })?;
    Ok(())
}

/// For a call of an id, or an answer without a call: its line, and whether it is
/// answered. At most two: callers ask whether there is just one.
pub(crate) fn tool_answers(
    conn: &Connection,
    session: SessionKey,
    tool_call_id: &str,
) -> Result<Vec<(i64, bool)>> {
    let mut stmt = conn.prepare_cached(
        "SELECT line_key, result_key IS NOT NULL AS is_answered
         FROM tool_executions
         WHERE session_key = ?1 AND tool_call_id = ?2
         LIMIT 2",
    )?;
    let rows = stmt.query_map((session, tool_call_id), |row| {
        Ok((row.get("line_key")?, row.get("is_answered")?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
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

/// Sets the settings in effect from an entry on; a later line of the entry replaces
/// them.
pub(crate) fn insert_settings(
    conn: &Connection,
    session: SessionKey,
    entry_key: i64,
    settings: &Runtime,
) -> Result<()> {
    conn.prepare_cached(
        // Not OR REPLACE: with foreign keys, that keeps a statement journal for
        // each row.
        "INSERT INTO settings (entry_key, session_key, sets_model, provider, model,
                               reasoning_effort)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (entry_key) DO UPDATE
         SET sets_model = excluded.sets_model, provider = excluded.provider,
             model = excluded.model, reasoning_effort = excluded.reasoning_effort",
    )?
    .execute((
        entry_key,
        session,
        settings.model.is_some(),
        settings.provider.as_ref().and_then(Option::as_ref),
        settings.model.as_ref().and_then(Option::as_ref),
        settings.reasoning_effort.as_ref().and_then(Option::as_ref),
    ))?;
    Ok(())
}

/// Calls `each` for the settings that entries in a range set, last first, until it
/// returns a stop; returns whether it never did.
pub(crate) fn each_settings(
    conn: &Connection,
    first: i64,
    last: i64,
    mut each: impl FnMut(Runtime) -> Result<bool>,
) -> Result<bool> {
    let mut stmt = conn.prepare_cached(SETTINGS)?;
    let mut rows = stmt.query([first, last])?;
    while let Some(row) = rows.next()? {
        let settings = if row.get("sets_model")? {
            Runtime {
                provider: Some(row.get("provider")?),
                model: Some(row.get("model")?),
                reasoning_effort: None,
            }
        } else {
            Runtime { reasoning_effort: Some(row.get("reasoning_effort")?), ..Runtime::default() }
        };
        if !each(settings)? {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(crate) const SETTINGS: &str = "
    SELECT sets_model, provider, model, reasoning_effort
    FROM settings
    WHERE entry_key BETWEEN ?1 AND ?2
    ORDER BY entry_key DESC";

/// Records the usage that an entry reports. For a copy, also the id of the session
/// that it was copied from.
pub(crate) fn insert_usage(
    conn: &Connection,
    session: SessionKey,
    entry_key: i64,
    usage: &Usage,
    copied_from: Option<&str>,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO usages (entry_key, session_key, provider, model, input, output,
                             cache_read, cache_write, total_tokens, cost, copied_from)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (entry_key) DO UPDATE
         SET provider = excluded.provider, model = excluded.model, input = excluded.input,
             output = excluded.output, cache_read = excluded.cache_read,
             cache_write = excluded.cache_write, total_tokens = excluded.total_tokens,
             cost = excluded.cost, copied_from = excluded.copied_from",
    )?
    .execute((
        entry_key,
        session,
        &usage.provider,
        &usage.model,
        usage.input,
        usage.output,
        usage.cache_read,
        usage.cache_write,
        usage.total_tokens,
        usage.cost,
        copied_from,
    ))?;
    Ok(())
}

/// The usage that an entry reports.
pub(crate) fn usage_of(
    conn: &Connection,
    session: SessionKey,
    entry_id: &str,
) -> Result<Option<Usage>> {
    Ok(conn
        .prepare_cached(
            "SELECT usage.provider, usage.model, usage.input, usage.output, usage.cache_read,
                    usage.cache_write, usage.total_tokens, usage.cost
             FROM entries AS entry
             CROSS JOIN usages AS usage ON usage.entry_key = entry.entry_key
             WHERE entry.session_key = ?1 AND entry.entry_id = ?2",
        )?
        .query_row((session, Id::of(entry_id)), usage_from_row)
        .optional()?)
}

fn usage_from_row(row: &Row<'_>) -> rusqlite::Result<Usage> {
    Ok(Usage {
        provider: row.get("provider")?,
        model: row.get("model")?,
        input: row.get("input")?,
        output: row.get("output")?,
        cache_read: row.get("cache_read")?,
        cache_write: row.get("cache_write")?,
        total_tokens: row.get("total_tokens")?,
        cost: row.get("cost")?,
    })
}

/// Removes the usage of an entry.
pub(crate) fn delete_usage(conn: &Connection, entry_key: i64) -> Result<()> {
    conn.prepare_cached("DELETE FROM usages WHERE entry_key = ?1")?.execute([entry_key])?;
    Ok(())
}

/// The sum of the usage that a session's entries report, on every branch.
///
/// SQLite's `sum` fails beyond 63 bits, so the two 32-bit halves are summed.
pub(crate) fn usage(conn: &Connection, session: SessionKey) -> Result<Usage> {
    let mut stmt = conn.prepare_cached(
        "SELECT sum(input >> 32), sum(input & 0xFFFFFFFF),
                sum(output >> 32), sum(output & 0xFFFFFFFF),
                sum(cache_read >> 32), sum(cache_read & 0xFFFFFFFF),
                sum(cache_write >> 32), sum(cache_write & 0xFFFFFFFF),
                sum(total_tokens >> 32), sum(total_tokens & 0xFFFFFFFF),
                sum(cost)
         FROM usages
         WHERE session_key = ?1",
    )?;
    Ok(stmt.query_row([session], |row| {
        let sum = |high: usize| -> rusqlite::Result<Option<i64>> {
            let halves: (Option<i64>, Option<i64>) = (row.get(high)?, row.get(high + 1)?);
            let (Some(high), Some(low)) = halves else { return Ok(None) };
            let sum = (i128::from(high) << 32) + i128::from(low);
            let end = if sum < 0 { i64::MIN } else { i64::MAX };
            Ok(Some(i64::try_from(sum).unwrap_or(end)))
        };
        Ok(Usage {
            provider: None,
            model: None,
            input: sum(0)?,
            output: sum(2)?,
            cache_read: sum(4)?,
            cache_write: sum(6)?,
            total_tokens: sum(8)?,
            cost: row.get(10)?,
        })
    })?)
}

/// The usage that an entry reports, and what identifies its message.
#[derive(Debug)]
pub(crate) struct Reported {
    pub(crate) session: SessionKey,
    pub(crate) session_id: Option<String>,
    pub(crate) format: Format,
    pub(crate) work_dir: Option<String>,
    pub(crate) modified_at: Timestamp,
    pub(crate) entry_id: String,
    pub(crate) id_made: bool,
    /// The id of the message, if it differs from the entry's.
    pub(crate) message_id: Option<Stored>,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) usage: Usage,
}

/// Calls `each` for the usage of each entry of every session; the sessions that began
/// first come first.
pub(crate) fn each_reported(
    conn: &Connection,
    mut each: impl FnMut(Reported) -> Result<()>,
) -> Result<()> {
    let mut stmt = conn.prepare_cached(
        "SELECT session.session_key, session.session_id, session.format,
                dir.path AS work_dir, session.modified_at, entry.entry_id, entry.id_made,
                entry.message_id, entry.created_at, usage.provider, usage.model, usage.input, usage.output,
                usage.cache_read, usage.cache_write, usage.total_tokens, usage.cost
         FROM usages AS usage
         CROSS JOIN entries AS entry ON entry.entry_key = usage.entry_key
         CROSS JOIN sessions AS session ON session.session_key = usage.session_key
         LEFT JOIN work_dirs AS dir ON dir.work_dir_id = session.work_dir_id
         -- What is a copy counts where its own is not here.
         WHERE usage.copied_from IS NULL
            OR NOT EXISTS (SELECT 1
                           FROM sessions AS source
                           WHERE source.session_id = usage.copied_from
                             AND source.format = session.format
                             AND source.session_key <> session.session_key)
         ORDER BY ifnull(session.created_at, session.modified_at), usage.entry_key",
    )?;
    let mut rows = stmt.query([])?;
    while let Some(row) = rows.next()? {
        each(Reported {
            session: row.get("session_key")?,
            session_id: row.get("session_id")?,
            format: row.get("format")?,
            work_dir: row.get("work_dir")?,
            modified_at: row.get("modified_at")?,
            entry_id: row.get::<_, IdText>("entry_id")?.0,
            id_made: row.get("id_made")?,
            message_id: row.get("message_id")?,
            created_at: row.get("created_at")?,
            usage: usage_from_row(row)?,
        })?;
    }
    Ok(())
}

/// The line of the session's last memory record.
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
