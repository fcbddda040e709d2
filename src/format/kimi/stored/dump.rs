//! The fields of a dump that only Kimi sessions have.

use std::io::Write;

use rusqlite::Connection;

use super::{self as stored, tables};
use crate::context::References;
use crate::dump::{field, optional, refused, text};
use crate::error::Result;
use crate::format::kimi::context::{Restoring, message};
use crate::format::kimi::layout::{self, Part};
use crate::model::{SessionInfo, Stored};
use crate::store::{files, log, paths, sessions};

/// Writes the fields of a Kimi session after the common ones.
pub(super) fn write(conn: &Connection, out: &mut dyn Write, info: &SessionInfo) -> Result<()> {
    let mut row = String::new();
    let kaos = sessions::host(conn, info.key)?;
    field(&mut row, "kaos", &optional(kaos.as_deref()));
    if let Some((cli_title, is_empty)) = tables::title_and_emptiness(conn, info.key)? {
        field(&mut row, "cli_title", &cli_title.to_json());
        field(&mut row, "is_empty", &is_empty.to_string());
    }
    if let Some((source, path)) = sessions::place(conn, info.key)?
        && let Some(unit) = stored::unit_of(conn, source.source_id, &path)?
    {
        field(&mut row, "state", &stored::load_state(conn, &unit)?.state.to_json());
    }
    let turns: Vec<String> = tables::turns(conn, info.key)?
        .iter()
        .map(|turn| format!("{{\"index\":{},\"text\":{}}}", turn.index, turn.exact_text.to_json()))
        .collect();
    field(&mut row, "turns", &format!("[{}]", turns.join(",")));
    let subagents: Vec<String> =
        tables::subagents(conn, info.key)?.iter().map(subagent_json).collect();
    field(&mut row, "subagents", &format!("[{}]", subagents.join(",")));
    field(&mut row, "leaf", &optional(info.leaf.as_deref()));
    row.push_str(",\"context\":");
    out.write_all(row.as_bytes()).map_err(refused)?;
    let contexts = tables::contexts(conn, info.key)?;
    let current = contexts.iter().find(|context| context.kind == "current");
    write_context(conn, out, current.and_then(|context| context.leaf_key))?;
    out.write_all(b",\"rotations\":[").map_err(refused)?;
    let mut comma = "";
    for context in &contexts {
        // Today's sub-agents have folders of their own, and are no rotations.
        if context.kind == "current"
            || matches!(layout::part(&context.path), Part::SubagentContext(_))
        {
            continue;
        }
        let file = text(&String::from_utf8_lossy(&context.path));
        write!(out, "{comma}{{\"file\":{file},\"context\":").map_err(refused)?;
        write_context(conn, out, context.leaf_key)?;
        out.write_all(b"}").map_err(refused)?;
        comma = ",";
    }
    out.write_all(b"]").map_err(refused)
}

/// Writes the conversation that the path to an entry restores to.
fn write_context(conn: &Connection, out: &mut dyn Write, leaf_key: Option<i64>) -> Result<()> {
    let keys = match leaf_key {
        Some(leaf_key) => paths::keys(conn, leaf_key)?,
        None => Vec::new(),
    };
    let mut restoring = Restoring::default();
    let mut references = References::default();
    let mut comma = "{\"history\":[";
    paths::each_record(conn, &keys, |entry, line| {
        restoring.take(line);
        let line_key = entry.line_key;
        let path = || Ok(files::file_by_id(conn, log::file_of(line_key))?.path);
        let instead = references.at(line_key, path)?;
        if let Some(message) = message(line, &instead) {
            write!(out, "{comma}{message}").map_err(refused)?;
            comma = ",";
        }
        Ok(())
    })?;
    let restored = restoring.finish();
    let open = if comma == "," { "" } else { comma };
    write!(
        out,
        "{open}],\"system_prompt\":{},\"token_count\":{},\"token_count_with_pending\":{},\
         \"next_checkpoint_id\":{}}}",
        restored.system_prompt.as_ref().map_or("null".to_owned(), Stored::to_json),
        restored.token_count,
        restored.token_count_with_pending,
        restored.next_checkpoint_id,
    )
    .map_err(refused)
}

fn subagent_json(agent: &tables::SubagentRow) -> String {
    let last_task_id = agent.last_task_id.as_ref().map_or("null".to_owned(), Stored::to_json);
    format!(
        "{{\"agent_id\":{},\"subagent_type\":{},\"status\":{},\"description\":{},\
         \"created_at\":{},\"updated_at\":{},\"last_task_id\":{last_task_id},\
         \"launch_spec\":{},\"folder\":{}}}",
        agent.agent_id.to_json(),
        agent.subagent_type.to_json(),
        text(&agent.status),
        agent.description.to_json(),
        agent.created_at.to_json(),
        agent.updated_at.to_json(),
        agent.launch_spec,
        text(&agent.folder),
    )
}
