//! How results look to a person.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use sessile::SessionRow;

pub(crate) fn session_table(rows: &[SessionRow]) -> Table {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["modified", "messages", "work dir", "session", "title"]);
    for row in rows {
        let modified = row.modified_at.to_string();
        table.add_row([
            modified.get(..16).unwrap_or(&modified).replace('T', " "),
            row.message_count.to_string(),
            row.work_dir.clone().unwrap_or_else(|| "?".to_owned()),
            row.session_id.clone().unwrap_or_else(|| "no id".to_owned()),
            one_line(row.title.as_deref().unwrap_or("Untitled")),
        ]);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Titles hold what users typed; a control character must not reach the terminal.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Text of several lines without characters that a terminal would obey.
pub(crate) fn plain(text: &str) -> String {
    let harmless = |c: char| match c {
        '\n' | '\t' => c,
        _ if c.is_control() => '\u{fffd}',
        _ => c,
    };
    text.chars().map(harmless).collect()
}
