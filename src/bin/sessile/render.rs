//! How results look to a person.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use sessile::SessionRow;

use crate::output::one_line;

/// Beside each row, a name where its id does not tell it from others.
pub(crate) fn session_table(rows: &[SessionRow], names: &[Option<String>]) -> Table {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["modified", "messages", "work dir", "session", "title"]);
    for (row, name) in rows.iter().zip(names) {
        let modified = row.modified_at.to_string();
        table.add_row([
            modified.get(..16).unwrap_or(&modified).replace('T', " "),
            row.message_count.to_string(),
            one_line(row.work_dir.as_deref().unwrap_or("?")),
            session(row, name.as_deref()),
            title(row),
        ]);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn session(row: &SessionRow, name: Option<&str>) -> String {
    let id = one_line(row.session_id.as_deref().unwrap_or("no id"));
    match name {
        Some(name) => format!("{id} ({})", one_line(name)),
        None => id,
    }
}

/// The title; marked where the root lost something of the session.
fn title(row: &SessionRow) -> String {
    let title = one_line(row.title.as_deref().unwrap_or("Untitled"));
    match row.has_losses {
        true => format!("{title}  (lost or changed at its root: see problems)"),
        false => title.to_string(),
    }
}
