//! The fields of a dump that only Claude Code sessions have: the summary for lists,
//! and agents.

use std::io::Write;

use rusqlite::Connection;

use super::{Claude, GIT_BRANCH, Sidecar, TAG, agents, read_sidecar, results};
use crate::context;
use crate::dump::{field, optional, refused, stored, text, write_array};
use crate::error::Result;
use crate::format::claude::layout::{self, Place};
use crate::format::extras::{Extras, ResultFile};
use crate::model::{SessionInfo, SessionKey, Timestamp};
use crate::store::{heads, metadata, sessions};

impl Extras for Claude {
    /// Only records say when a session began.
    fn began_at(&self, conn: &Connection, info: &SessionInfo) -> Result<Option<Timestamp>> {
        Ok(heads::head(conn, info.key)?.created_at)
    }

    fn sessions_within(&self, conn: &Connection, session: SessionKey) -> Result<Vec<SessionKey>> {
        let Some((source, path)) = sessions::place(conn, session)? else { return Ok(Vec::new()) };
        let agents = agents(conn, source.source_id, &path)?;
        Ok(agents.into_iter().map(|(session, _)| session).collect())
    }

    fn result_file(
        &self,
        conn: &Connection,
        session: SessionKey,
        call_id: &str,
        answer: &str,
    ) -> Result<Option<ResultFile>> {
        results::find(conn, session, call_id, answer)
    }

    fn description(&self, conn: &Connection, session: SessionKey) -> Result<Option<String>> {
        let Some((source, path)) = sessions::place(conn, session)? else {
            return Err(sessions::not_found(session));
        };
        Ok(match read_sidecar(conn, source.source_id, &layout::sidecar(&path))? {
            Sidecar::Described { json, .. } => Some(json),
            Sidecar::None | Sidecar::Broken => None,
        })
    }

    fn dump(&self, conn: &Connection, out: &mut dyn Write, info: &SessionInfo) -> Result<()> {
        let mut row = String::new();
        let said = |key: &str| -> Result<String> {
            Ok(metadata::said(conn, info.key, key)?.unwrap_or_else(|| "null".to_owned()))
        };
        let first = Some(&info.exact_first_message).filter(|_| !info.first_message.is_empty());
        let head = heads::head(conn, info.key)?;
        field(&mut row, "version", &stored(info.version.as_ref()));
        field(&mut row, "model", &stored(info.model.as_ref()));
        field(&mut row, "parent_session_id", &optional(info.parent_session_id.as_deref()));
        field(&mut row, "custom_title", &stored(info.name.as_ref()));
        field(&mut row, "first_prompt", &stored(first));
        field(&mut row, "git_branch", &said(GIT_BRANCH)?);
        field(&mut row, "tag", &said(TAG)?);
        field(&mut row, "hidden", if head.is_listed { "false" } else { "true" });
        field(&mut row, "leaf", &optional(info.leaf.as_deref()));
        field(&mut row, "message_count", &info.message_count.to_string());
        out.write_all(row.as_bytes()).map_err(refused)?;
        write_context(conn, out, info.key)?;
        write_agents(conn, out, info.key)
    }
}

fn write_context(conn: &Connection, out: &mut dyn Write, session: SessionKey) -> Result<()> {
    write_array(out, "context", |each| {
        context::each_message(conn, session, |message| each(&message.json))
    })
}

fn write_agents(conn: &Connection, out: &mut dyn Write, session: SessionKey) -> Result<()> {
    let Some((source, path)) = sessions::place(conn, session)? else { return Ok(()) };
    let mut comma = ",\"subagents\":[";
    for (agent, path) in agents(conn, source.source_id, &path)? {
        let sidecar = read_sidecar(conn, source.source_id, &layout::sidecar(&path))?;
        let (tool_use_id, parent_agent_id) = match sidecar {
            Sidecar::Described { tool_use_id, parent_agent_id, .. } => {
                (tool_use_id, parent_agent_id)
            }
            Sidecar::None | Sidecar::Broken => (None, None),
        };
        let json = |value: Option<String>| value.unwrap_or_else(|| "null".to_owned());
        let mut row = format!("{comma}{{\"agent_id\":{}", text(agent_id(&path)));
        field(&mut row, "file", &text(&String::from_utf8_lossy(&path)));
        field(&mut row, "parent_tool_use_id", &json(tool_use_id));
        field(&mut row, "parent_agent_id", &json(parent_agent_id));
        out.write_all(row.as_bytes()).map_err(refused)?;
        write_context(conn, out, agent)?;
        out.write_all(b"}").map_err(refused)?;
        comma = ",";
    }
    out.write_all(if comma == "," { b"]" } else { b",\"subagents\":[]" }).map_err(refused)
}

/// The id of an agent, from the name of its log.
fn agent_id(path: &[u8]) -> &str {
    match layout::split(path).place {
        Place::OldAgent { agent_id } | Place::Agent { agent_id, .. } => agent_id,
        Place::Transcript { .. } | Place::Inside { .. } | Place::Other => "",
    }
}
