//! `sessile list`.

use std::io::Write;

use anyhow::Result;
use sessile::{Archived, SessionFilter, SessionRow, Store};

use crate::args::ListArgs;
use crate::{output, render};

pub(crate) fn run(store: &Store, args: &ListArgs) -> Result<bool> {
    let mut filter = SessionFilter::new()
        .limit(args.limit.max(0).unsigned_abs())
        .offset(args.offset.max(0).unsigned_abs())
        .query(args.query.as_deref().unwrap_or_default())
        .archived(match (args.archived, args.all) {
            (true, _) => Archived::Only,
            (_, true) => Archived::Included,
            _ => Archived::Without,
        });
    if let Some(work_dir) = &args.work_dir {
        filter = filter.work_dir(work_dir);
    }
    let page = store.sessions(&filter)?;
    if args.json {
        let mut out = output::content();
        for row in &page.rows {
            writeln!(out, "{}", row_json(row))?;
        }
        out.flush()?;
    } else {
        let mut out = output::report();
        writeln!(out, "{}", render::session_table(&page.rows))?;
        out.flush()?;
    }
    Ok(super::is_undamaged(&page.damaged))
}

/// A row as JSON: text, since a title may hold half a surrogate pair, which no value can.
pub(super) fn row_json(row: &SessionRow) -> String {
    let rest = serde_json::json!({
        "work_dir": row.work_dir,
        "archived": row.archived_at.is_some(),
        "modified_at": row.modified_at.to_string(),
        "format": row.format.name(),
        "message_count": row.message_count,
    });
    let rest = rest.to_string();
    format!(
        "{{\"session_id\":{},\"title\":{},{}",
        serde_json::json!(row.session_id),
        row.title_json(),
        rest.trim_start_matches('{')
    )
}
