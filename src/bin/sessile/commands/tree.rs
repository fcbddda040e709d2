//! `sessile tree`.

use std::io::Write;

use anyhow::Result;
use sessile::{Store, TreeRow};

use crate::ids::ShortIds;
use crate::output::{self, one_line};
use crate::render::Clock;
use crate::text::{columns, cut, cut_middle, padded, terminal_width};

/// The least width of a row's text, however deep its indentation.
const ROOM: usize = 20;

/// The rows as the library draws them, one object per line.
pub(crate) fn json(store: &Store, session: &str) -> Result<bool> {
    let mut out = output::content();
    for row in store.find(session)?.tree_rows()? {
        writeln!(out, "{}", serde_json::to_string(&row)?)?;
    }
    out.flush()?;
    Ok(true)
}

pub(crate) fn run(store: &Store, session: &str, is_utc: bool) -> Result<bool> {
    let session = store.find(session)?;
    let rows = session.tree_rows()?;
    // Ids are unique among all entries, not only those that are drawn.
    let ids = ShortIds::new(session.tree()?.into_iter().map(|node| node.id));
    let is_terminal = output::is_terminal();
    let clock = if is_utc || !is_terminal { Clock::Utc } else { Clock::Local };
    let width = if is_terminal { terminal_width() } else { usize::MAX };
    let longest = rows.iter().map(|row| columns(ids.of(&row.entry_id))).max();
    let id_width = longest.unwrap_or_default().min(width / 2);
    let mut out = output::report();
    let mut last_model = None;
    for row in &rows {
        let at = session.entry(&row.entry_id)?.and_then(|entry| entry.created_at);
        let at = at.map(|at| clock.show(at)).unwrap_or_default();
        let at = padded(&at, if width < 80 { 0 } else { clock.width() });
        let id = padded(&cut_middle(&one_line(ids.of(&row.entry_id)), id_width), id_width);
        let head = if at.is_empty() { format!("{id}  ") } else { format!("{id}  {at}  ") };
        // The model is shown where it changes.
        let model = row.model.as_deref().filter(|model| last_model != Some(*model));
        last_model = row.model.as_deref().or(last_model);
        writeln!(
            out,
            "{}",
            cut(format!("{head}{}", drawn(row, model, width, columns(&head))).trim_end(), width)
        )?;
    }
    out.flush()?;
    Ok(true)
}

/// A row. A deep indentation is truncated so that its text has room.
fn drawn(row: &TreeRow, model: Option<&str>, width: usize, head: usize) -> String {
    let room = width.saturating_sub(head + ROOM);
    let indent: String = match columns(&row.prefix).checked_sub(room) {
        None | Some(0) => row.prefix.clone(),
        Some(over) => {
            let left: String = row.prefix.chars().skip(over + 1).collect();
            format!("…{left}")
        }
    };
    let mark = if row.active_path { "• " } else { "" };
    let label = row.label.as_ref().map(|label| format!("[{label}] ")).unwrap_or_default();
    let said = match row.role.as_str() {
        "summary" => format!("[branch summary]: {}", row.text),
        // The program shows no text here.
        "compaction" => "compactionSummary: ".to_owned(),
        role => {
            let model = model.map(|model| format!(" ({model})")).unwrap_or_default();
            format!("{role}{model}: {}", row.text)
        }
    };
    format!("{indent}{}", one_line(&format!("{mark}{label}{said}")))
}
