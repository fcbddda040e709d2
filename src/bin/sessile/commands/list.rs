//! `sessile list`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use sessile::{Archived, Page, SessionFilter, SessionRow, Store};

use crate::args::ListArgs;
use crate::{output, render};

pub(crate) fn run(store: &Store, args: &ListArgs) -> Result<bool> {
    let filter = SessionFilter::new()
        .limit(args.limit.max(0).unsigned_abs())
        .offset(args.offset.max(0).unsigned_abs())
        .query(args.query.as_deref().unwrap_or_default())
        .archived(match (args.archived, args.all) {
            (true, _) => Archived::Only,
            (_, true) => Archived::Included,
            _ => Archived::Without,
        });
    let page = page_of(store, &filter, args.work_dir.as_deref())?;
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

/// The page of a work dir, however it is spelt: as a session has it, else as the
/// file system means it.
fn page_of(store: &Store, filter: &SessionFilter, work_dir: Option<&str>) -> Result<Page> {
    let Some(work_dir) = work_dir else { return Ok(store.sessions(filter)?) };
    let mut page = store.sessions(&filter.clone().work_dir(work_dir))?;
    for spelling in spellings(Path::new(work_dir)) {
        if !page.rows.is_empty() {
            break;
        }
        page = store.sessions(&filter.clone().work_dir(&spelling))?;
    }
    Ok(page)
}

/// A path as absolute, without a slash at its end, and as where its links lead.
fn spellings(path: &Path) -> Vec<String> {
    let absolute: Option<PathBuf> =
        std::path::absolute(path).ok().map(|path| path.components().collect());
    let real = std::fs::canonicalize(path).ok();
    let spellings = [absolute, real].into_iter().flatten();
    spellings.filter_map(|path| path.into_os_string().into_string().ok()).collect()
}

/// A row as JSON: text, since a title may hold half a surrogate pair, which no value can.
pub(super) fn row_json(row: &SessionRow) -> String {
    let mut rest = serde_json::json!({
        "work_dir": row.work_dir,
        "archived": row.archived_at.is_some(),
        "modified_at": row.modified_at.to_string(),
        "format": row.format.name(),
        "message_count": row.message_count,
    });
    if row.has_losses {
        rest["has_losses"] = true.into();
    }
    let rest = rest.to_string();
    format!(
        "{{\"session_id\":{},\"title\":{},{}",
        serde_json::json!(row.session_id),
        row.title_json(),
        rest.trim_start_matches('{')
    )
}
