//! The fields of a dump that only rollouts have.

use std::io::Write;

use rusqlite::Connection;

use super::tables::{self, DumpFields};
use super::{Place, turns};
use crate::context;
use crate::dump::{field, optional, refused, stored, text};
use crate::error::Result;
use crate::format::codex::meta::Git;
use crate::format::codex::turns::{Item, Turn};
use crate::model::{SessionInfo, Stored};
use crate::store::files;

/// Writes the fields of a rollout after the common ones.
pub(super) fn write(conn: &Connection, out: &mut dyn Write, info: &SessionInfo) -> Result<()> {
    let mut row = String::new();
    let shown = tables::shown(conn, info.key)?;
    field(&mut row, "version", &stored(info.version.as_ref()));
    field(&mut row, "name", &stored(info.name.as_ref()));
    let first = &info.exact_first_message;
    let is_empty = matches!(first, Stored::Text(text) if text.is_empty());
    field(&mut row, "first_message", &stored(Some(first).filter(|_| !is_empty)));
    field(&mut row, "message_count", &info.message_count.to_string());
    field(&mut row, "provider", &stored(info.provider.as_ref()));
    field(&mut row, "model", &stored(info.model.as_ref()));
    field(&mut row, "reasoning_effort", &stored(info.reasoning_effort.as_ref()));
    field(&mut row, "parent_session_id", &optional(info.parent_session_id.as_deref()));
    if let Some(shown) = &shown {
        write_thread(conn, &mut row, shown)?;
    }
    field(&mut row, "leaf", &optional(info.leaf.as_deref()));
    let told: Vec<String> =
        turns(conn, &Place::of(conn, info.key)?)?.iter().map(turn_json).collect();
    field(&mut row, "turns", &format!("[{}]", told.join(",")));
    row.push_str(",\"context\":[");
    out.write_all(row.as_bytes()).map_err(refused)?;
    let mut comma = "";
    for message in context::messages(conn, info.key)? {
        write!(out, "{comma}{}", message.json).map_err(refused)?;
        comma = ",";
    }
    out.write_all(b"]").map_err(refused)
}

fn write_thread(conn: &Connection, row: &mut String, shown: &DumpFields) -> Result<()> {
    field(row, "history_mode", &optional(shown.mode.name()));
    field(row, "cli_version", &optional(shown.cli_version.as_deref()));
    field(row, "originator", &optional(shown.originator.as_deref()));
    field(row, "source", &text(&shown.origin));
    field(row, "forked_from_id", &optional(shown.forked_from.as_deref()));
    field(row, "agent_nickname", &optional(shown.nickname.as_deref()));
    field(row, "agent_role", &optional(shown.role.as_deref()));
    let git = shown.git.as_ref().map_or("null".to_owned(), git_json);
    field(row, "git", &git);
    let number = |number: Option<String>| number.unwrap_or_else(|| "null".to_owned());
    field(row, "token_count", &number(shown.token_count.map(|count| count.to_string())));
    field(row, "segment_id", &optional(shown.segment_id.as_deref()));
    field(row, "superseded", &shown.is_superseded.to_string());
    let base = match &shown.base {
        Some(base) => {
            let file = match shown.base_file {
                Some(file_id) => Some(files::file_by_id(conn, file_id)?.path),
                None => None,
            };
            let file = file.map(|path| String::from_utf8_lossy(&path).into_owned());
            format!(
                "{{\"file\":{},\"ordinal\":{},\"offset\":{}}}",
                optional(file.as_deref()),
                number(base.ordinal.map(|ordinal| ordinal.to_string())),
                number(base.offset.map(|offset| offset.to_string()))
            )
        }
        None => "null".to_owned(),
    };
    field(row, "base", &base);
    Ok(())
}

fn git_json(git: &Git) -> String {
    format!(
        "{{\"commit_hash\":{},\"branch\":{},\"repository_url\":{}}}",
        optional(git.commit.as_deref()),
        optional(git.branch.as_deref()),
        optional(git.repository.as_deref())
    )
}

fn turn_json(turn: &Turn) -> String {
    let items: Vec<String> = turn.items.iter().map(item_json).collect();
    format!(
        "{{\"id\":{},\"status\":{},\"error\":{},\"items\":[{}]}}",
        text(&turn.id),
        text(turn.status.name()),
        optional(turn.error.as_deref()),
        items.join(",")
    )
}

fn item_json(item: &Item) -> String {
    format!(
        "{{\"type\":{},\"id\":{},\"text\":{}}}",
        text(&item.kind),
        text(&item.id),
        optional(item.text.as_deref())
    )
}
