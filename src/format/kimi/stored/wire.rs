//! Folds wires: turns, records, tool calls, and titles.

use super::{Fold, tables};
use crate::error::Result;
use crate::format::kimi::layout::Part;
use crate::format::kimi::titles::{TitleSearch, Titles};
use crate::format::kimi::wire::{self, WireLine};
use crate::store::files::FileRow;
use crate::store::log;

/// What the wire says of the session as a whole.
pub(super) struct Wire {
    pub(super) titles: Titles,
    /// The first prompt, as the web list shows it; empty if there is none.
    pub(super) first_prompt: String,
}

pub(super) fn fold(fold: &Fold<'_>) -> Result<Wire> {
    let mut search = TitleSearch::default();
    for file in fold.logs(|part| part == Part::Wire) {
        log::each_line_left(fold.conn, file, |_, raw| {
            search.take(raw);
            Ok(())
        })?;
        follow(fold, file, None)?;
    }
    for file in fold.logs(|part| matches!(part, Part::SubagentWire(_))) {
        if let Part::SubagentWire(agent) = fold.unit.part(file) {
            follow(fold, file, Some(&String::from_utf8_lossy(agent)))?;
        }
    }
    let has_title = search.has_web_title();
    let titles = search.finish();
    let first_prompt = if has_title { titles.web.to_text() } else { String::new() };
    Ok(Wire { titles, first_prompt })
}

/// Reads a wire: the session's own, or that of a sub-agent, which has no turns.
fn follow(fold: &Fold<'_>, file: &FileRow, agent: Option<&str>) -> Result<()> {
    let (conn, session) = (fold.conn, fold.session);
    let mut turn: Option<i64> = None;
    log::each_line_left(conn, file, |line_key, raw| {
        let WireLine { message_type, at, turn: begins, call, result, problems } = wire::parse(raw);
        for (kind, detail) in &problems {
            fold.note(Some(file), Some(line_key), *kind, detail)?;
        }
        let Some(message_type) = message_type else { return Ok(()) };
        if let Some(text) = begins.filter(|_| agent.is_none()) {
            let index = turn.map_or(0, |turn| turn + 1);
            tables::insert_turn(conn, session, index, line_key, &text, at)?;
            turn = Some(index);
        }
        if let Some((id, name)) = call {
            let call = (id.as_deref(), name.as_deref());
            tables::insert_wire_call(conn, session, line_key, call, turn, at)?;
        }
        if let Some((call_id, is_error)) = result {
            tables::insert_wire_result(conn, session, line_key, &call_id, is_error, turn, at)?;
        }
        tables::insert_wire_record(conn, session, line_key, agent, &message_type, turn, at)
    })
}
