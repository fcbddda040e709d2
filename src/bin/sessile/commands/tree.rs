//! `sessile tree`.

use std::io::Write;

use anyhow::Result;
use sessile::{Store, TreeRow};

use crate::output::{self, one_line};

pub(crate) fn run(store: &Store, session: &str) -> Result<bool> {
    let rows = store.find(session)?.tree_rows()?;
    let mut out = output::report();
    for row in &rows {
        writeln!(out, "{}", drawn(row))?;
    }
    out.flush()?;
    Ok(true)
}

fn drawn(row: &TreeRow) -> String {
    let indent = if row.prefix.is_empty() { "" } else { "      " };
    let mark = if row.active_path { "• " } else { "" };
    let label = row.label.as_ref().map(|label| format!("[{label}] ")).unwrap_or_default();
    let said = match row.role.as_str() {
        "summary" => format!("[branch summary]: {}", row.text),
        // The program shows no text here.
        "compaction" => "compactionSummary: ".to_owned(),
        role => format!("{role}: {}", row.text),
    };
    format!("{indent}{}{}", row.prefix, one_line(&format!("{mark}{label}{said}")))
}
