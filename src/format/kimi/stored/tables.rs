//! Kimi's tables: state, wire, sub-agents, contexts.

use rusqlite::{Connection, OptionalExtension, named_params};

use crate::error::Result;
use crate::model::{SessionKey, Stored, Timestamp, Turn};
use crate::store::projections::{Owner, Table};

/// The tables that `migrations/V6__kimi.sql` creates.
pub(super) const TABLES: [Table; 8] = [
    Table::new("kimi_states", Owner::Session, "session_key"),
    Table::new("approved_actions", Owner::Session, "position"),
    Table::new("additional_dirs", Owner::Session, "position"),
    Table::new("todos", Owner::Session, "position"),
    Table::new("turns", Owner::Session, "turn_index"),
    Table::new("subagents", Owner::Session, "position"),
    Table::new("wire_records", Owner::File("line_key >> 32"), "line_key"),
    Table::new("contexts", Owner::File("file_id"), "file_id"),
];

/// A session's state, without what is in columns of `sessions`.
#[derive(Debug)]
pub(crate) struct StateRow<'a> {
    pub(crate) cli_title: &'a Stored,
    pub(crate) is_empty: bool,
    pub(crate) title_generated: bool,
    pub(crate) title_generate_attempts: Stored,
    pub(crate) yolo: bool,
    pub(crate) afk: bool,
    pub(crate) plan_mode: bool,
    pub(crate) plan_session_id: Option<&'a Stored>,
    pub(crate) plan_slug: Option<&'a Stored>,
    pub(crate) wire_mtime: Option<Stored>,
}

pub(crate) fn insert_state(
    conn: &Connection,
    session: SessionKey,
    state: &StateRow<'_>,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO kimi_states (session_key, cli_title, is_empty, title_generated,
                                  title_generate_attempts, yolo, afk, plan_mode,
                                  plan_session_id, plan_slug, wire_mtime)
         VALUES (:session_key, :cli_title, :is_empty, :title_generated,
                 :title_generate_attempts, :yolo, :afk, :plan_mode,
                 :plan_session_id, :plan_slug, :wire_mtime)",
    )?
    .execute(named_params! {
        ":session_key": session,
        ":cli_title": state.cli_title,
        ":is_empty": state.is_empty,
        ":title_generated": state.title_generated,
        ":title_generate_attempts": state.title_generate_attempts,
        ":yolo": state.yolo,
        ":afk": state.afk,
        ":plan_mode": state.plan_mode,
        ":plan_session_id": state.plan_session_id,
        ":plan_slug": state.plan_slug,
        ":wire_mtime": state.wire_mtime,
    })?;
    Ok(())
}

/// The title by the rule of Kimi's command line, and whether Kimi treats the session
/// as empty.
pub(crate) fn title_and_emptiness(
    conn: &Connection,
    session: SessionKey,
) -> Result<Option<(Stored, bool)>> {
    Ok(conn
        .prepare_cached("SELECT cli_title, is_empty FROM kimi_states WHERE session_key = ?1")?
        .query_row([session], |row| Ok((row.get("cli_title")?, row.get("is_empty")?)))
        .optional()?)
}

pub(crate) fn insert_approved_action(
    conn: &Connection,
    session: SessionKey,
    position: usize,
    action: &Stored,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO approved_actions (session_key, position, action) VALUES (?1, ?2, ?3)",
    )?
    .execute((session, position as i64, action))?;
    Ok(())
}

pub(crate) fn insert_additional_dir(
    conn: &Connection,
    session: SessionKey,
    position: usize,
    path: &Stored,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO additional_dirs (session_key, position, path) VALUES (?1, ?2, ?3)",
    )?
    .execute((session, position as i64, path))?;
    Ok(())
}

pub(crate) fn insert_todo(
    conn: &Connection,
    session: SessionKey,
    position: usize,
    title: &Stored,
    status: &str,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO todos (session_key, position, title, status) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute((session, position as i64, title, status))?;
    Ok(())
}

pub(crate) fn insert_turn(
    conn: &Connection,
    session: SessionKey,
    turn_index: i64,
    line_key: i64,
    text: &Stored,
    created_at: Option<Timestamp>,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO turns (session_key, turn_index, line_key, text, created_at)
         VALUES (:session_key, :turn_index, :line_key, :text, :created_at)",
    )?
    .execute(named_params! {
        ":session_key": session,
        ":turn_index": turn_index,
        ":line_key": line_key,
        ":text": text,
        ":created_at": created_at,
    })?;
    Ok(())
}

/// The user's turns, in order.
pub(crate) fn turns(conn: &Connection, session: SessionKey) -> Result<Vec<Turn>> {
    let mut stmt = conn.prepare_cached(
        "SELECT turn_index, text, created_at
         FROM turns
         WHERE session_key = ?1
         ORDER BY turn_index",
    )?;
    let rows = stmt.query_map([session], |row| {
        let text: Stored = row.get("text")?;
        Ok(Turn {
            index: row.get("turn_index")?,
            text: text.to_text(),
            exact_text: text,
            created_at: row.get("created_at")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn insert_wire_record(
    conn: &Connection,
    session: SessionKey,
    line_key: i64,
    agent: Option<&str>,
    message_type: &str,
    turn_index: Option<i64>,
    created_at: Option<Timestamp>,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO wire_records (line_key, session_key, agent, type, turn_index, created_at)
         VALUES (:line_key, :session_key, :agent, :type, :turn_index, :created_at)",
    )?
    .execute(named_params! {
        ":line_key": line_key,
        ":session_key": session,
        ":agent": agent,
        ":type": message_type,
        ":turn_index": turn_index,
        ":created_at": created_at,
    })?;
    Ok(())
}

/// Inserts a tool call on the wire.
pub(crate) fn insert_wire_call(
    conn: &Connection,
    session: SessionKey,
    line_key: i64,
    (call_id, name): (Option<&str>, Option<&str>),
    turn_index: Option<i64>,
    created_at: Option<Timestamp>,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO tool_executions (line_key, session_key, tool_call_id, tool_name, is_error,
                                      turn_index, created_at)
         VALUES (:line_key, :session_key, :tool_call_id, :tool_name, 0, :turn_index, :created_at)",
    )?
    .execute(named_params! {
        ":line_key": line_key,
        ":session_key": session,
        ":tool_call_id": call_id,
        ":tool_name": name,
        ":turn_index": turn_index,
        ":created_at": created_at,
    })?;
    Ok(())
}

/// Sets the result of the last call with this id that has none yet. A result without
/// a call gets a row of its own.
pub(crate) fn insert_wire_result(
    conn: &Connection,
    session: SessionKey,
    line_key: i64,
    call_id: &str,
    is_error: bool,
    turn_index: Option<i64>,
    created_at: Option<Timestamp>,
) -> Result<()> {
    let updated = conn
        .prepare_cached(
            "UPDATE tool_executions
             SET result_key = :line_key, is_error = :is_error
             WHERE line_key = (SELECT max(line_key)
                               FROM tool_executions
                               WHERE session_key = :session_key
                                 AND tool_call_id = :tool_call_id
                                 AND result_key IS NULL
                                 AND line_key < :line_key
                                 AND line_key >> 32 = :line_key >> 32)",
        )?
        .execute(named_params! {
            ":line_key": line_key,
            ":session_key": session,
            ":tool_call_id": call_id,
            ":is_error": is_error,
        })?;
    if updated == 0 {
        conn.prepare_cached(
            "INSERT INTO tool_executions (line_key, session_key, tool_call_id, is_error,
                                          result_key, turn_index, created_at)
             VALUES (:line_key, :session_key, :tool_call_id, :is_error, :line_key, :turn_index,
                     :created_at)",
        )?
        .execute(named_params! {
            ":line_key": line_key,
            ":session_key": session,
            ":tool_call_id": call_id,
            ":is_error": is_error,
            ":turn_index": turn_index,
            ":created_at": created_at,
        })?;
    }
    Ok(())
}

/// A sub-agent as its meta.json describes it.
#[derive(Debug)]
pub(crate) struct SubagentRow {
    pub(crate) folder: String,
    pub(crate) agent_id: Stored,
    pub(crate) subagent_type: Stored,
    pub(crate) status: String,
    pub(crate) description: Stored,
    /// Unix seconds as JSON, like the other times of this type.
    pub(crate) created_at: Stored,
    pub(crate) updated_at: Stored,
    pub(crate) last_task_id: Option<Stored>,
    pub(crate) launch_spec: String,
}

pub(crate) fn insert_subagent(
    conn: &Connection,
    session: SessionKey,
    position: usize,
    agent: &SubagentRow,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO subagents (session_key, position, folder, agent_id, subagent_type, status,
                                description, created_at, updated_at, last_task_id, launch_spec)
         VALUES (:session_key, :position, :folder, :agent_id, :subagent_type, :status,
                 :description, :created_at, :updated_at, :last_task_id, :launch_spec)",
    )?
    .execute(named_params! {
        ":session_key": session,
        ":position": position as i64,
        ":folder": agent.folder,
        ":agent_id": agent.agent_id,
        ":subagent_type": agent.subagent_type,
        ":status": agent.status,
        ":description": agent.description,
        ":created_at": agent.created_at,
        ":updated_at": agent.updated_at,
        ":last_task_id": agent.last_task_id,
        ":launch_spec": agent.launch_spec,
    })?;
    Ok(())
}

/// A session's sub-agents, the one updated last first.
pub(crate) fn subagents(conn: &Connection, session: SessionKey) -> Result<Vec<SubagentRow>> {
    let mut stmt = conn.prepare_cached(
        "SELECT folder, agent_id, subagent_type, status, description, created_at, updated_at,
                last_task_id, launch_spec
         FROM subagents
         WHERE session_key = ?1
         ORDER BY position",
    )?;
    let rows = stmt.query_map([session], |row| {
        Ok(SubagentRow {
            folder: row.get("folder")?,
            agent_id: row.get("agent_id")?,
            subagent_type: row.get("subagent_type")?,
            status: row.get("status")?,
            description: row.get("description")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
            last_task_id: row.get("last_task_id")?,
            launch_spec: row.get("launch_spec")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A context of a session: a path through its tree.
#[derive(Debug)]
pub(crate) struct ContextRow {
    pub(crate) file_id: i64,
    pub(crate) path: Vec<u8>,
    /// `current`, `rotation` or `subagent`.
    pub(crate) kind: String,
    pub(crate) leaf_key: Option<i64>,
}

pub(crate) fn insert_context(
    conn: &Connection,
    session: SessionKey,
    context: &ContextRow,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO contexts (file_id, session_key, path, kind, leaf_key)
         VALUES (:file_id, :session_key, :path, :kind, :leaf_key)",
    )?
    .execute(named_params! {
        ":file_id": context.file_id,
        ":session_key": session,
        ":path": context.path,
        ":kind": context.kind,
        ":leaf_key": context.leaf_key,
    })?;
    Ok(())
}

/// The contexts of a session, by path.
pub(crate) fn contexts(conn: &Connection, session: SessionKey) -> Result<Vec<ContextRow>> {
    let mut stmt = conn.prepare_cached(
        "SELECT file_id, path, kind, leaf_key
         FROM contexts
         WHERE session_key = ?1
         ORDER BY path",
    )?;
    let rows = stmt.query_map([session], |row| {
        Ok(ContextRow {
            file_id: row.get("file_id")?,
            path: row.get("path")?,
            kind: row.get("kind")?,
            leaf_key: row.get("leaf_key")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The file of the context that a session continues.
pub(crate) fn current_context(conn: &Connection, session: SessionKey) -> Result<Option<i64>> {
    Ok(conn
        .prepare_cached("SELECT file_id FROM contexts WHERE session_key = ?1 AND kind = 'current'")?
        .query_row([session], |row| row.get("file_id"))
        .optional()?)
}
