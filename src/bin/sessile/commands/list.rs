//! `sessile list`.

use std::io::Write;

use anyhow::Result;
use sessile::{Archived, Page, SessionFilter, SessionRow, Store};

use super::work_dirs;
use crate::args::ListArgs;
use crate::{output, render};

pub(crate) fn run(store: &Store, args: &ListArgs) -> Result<bool> {
    let filter = || filter(args);
    let slice = (args.offset.max(0).unsigned_abs(), args.limit.max(0).unsigned_abs());
    let select = if args.trash { Store::trash } else { Store::sessions };
    let page = page_of(store, select, filter, args.work_dir.as_deref(), slice)?;
    if args.json {
        let mut out = output::content();
        for row in &page.rows {
            writeln!(out, "{}", row_json(row, shared_name(store, row)?.as_deref()))?;
        }
        out.flush()?;
    } else {
        let mut out = output::report();
        let names: Vec<Option<String>> =
            page.rows.iter().map(|row| shared_name(store, row)).collect::<Result<_, _>>()?;
        writeln!(out, "{}", render::session_table(&page.rows, &names))?;
        out.flush()?;
    }
    Ok(super::is_undamaged(&page.damaged))
}

fn filter(args: &ListArgs) -> SessionFilter {
    let mut filter = SessionFilter::new()
        .query(args.query.as_deref().unwrap_or_default())
        .archived(match (args.archived, args.all) {
            (true, _) => Archived::Only,
            (_, true) => Archived::Included,
            _ => Archived::Without,
        });
    for tag in &args.tags {
        filter = filter.tag(tag);
    }
    for (key, json) in &args.metadata {
        filter = filter.metadata(key, json);
    }
    filter
}

/// The page of a filter, of a work dir however it is spelt; those of several
/// spellings are one list.
pub(super) fn page_of(
    store: &Store,
    select: impl Fn(&Store, &SessionFilter) -> sessile::Result<Page>,
    filter: impl Fn() -> SessionFilter,
    work_dir: Option<&str>,
    (offset, limit): (u64, u64),
) -> sessile::Result<Page> {
    let Some(work_dir) = work_dir else {
        return select(store, &filter().offset(offset).limit(limit));
    };
    let mut dirs = work_dirs::named(store, work_dir)?;
    // To a list, a slash at the end makes no difference.
    let without_slash = |dir: &String| dir.trim_end_matches('/').to_owned();
    dirs.sort_by_cached_key(without_slash);
    dirs.dedup_by_key(|dir| without_slash(dir));
    if let [dir] = &dirs[..] {
        return select(store, &filter().work_dir(dir).offset(offset).limit(limit));
    }
    let limit = if limit == 0 { 100 } else { limit };
    let mut all = Page::default();
    for dir in &dirs {
        let reach = offset.saturating_add(limit);
        let page = select(store, &filter().work_dir(dir).limit(reach))?;
        all.rows.extend(page.rows);
        all.damaged.extend(page.damaged);
    }
    all.rows.sort_by(|one, other| {
        let place = |row: &SessionRow| (row.modified_at, row.session_id.clone(), row.key);
        place(other).cmp(&place(one))
    });
    let skipped = usize::try_from(offset).unwrap_or(usize::MAX).min(all.rows.len());
    all.rows.drain(..skipped);
    all.rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(all)
}

/// How a session is named that its id does not tell from others.
pub(super) fn shared_name(store: &Store, row: &SessionRow) -> sessile::Result<Option<String>> {
    match store.session(row.key).and_then(|session| session.unique_name()) {
        Ok(name) => Ok(Some(name).filter(|name| row.session_id.as_ref() != Some(name))),
        // It was purged since.
        Err(err) if err.is_not_found() => Ok(None),
        Err(err) => Err(err),
    }
}

/// A row as JSON, with the name of a session that its id does not tell from others: text, since a title may hold half a surrogate pair, which no value can.
pub(super) fn row_json(row: &SessionRow, name: Option<&str>) -> String {
    let mut rest = serde_json::json!({
        "work_dir": row.work_dir,
        "archived": row.archived_at.is_some(),
        "modified_at": row.modified_at.to_string(),
        "format": row.format.name(),
        "message_count": row.message_count,
    });
    if let Some(name) = name {
        rest["name"] = name.into();
    }
    if row.has_losses {
        rest["has_losses"] = true.into();
    }
    if !row.tags.is_empty() {
        rest["tags"] = serde_json::json!(row.tags);
    }
    let rest = rest.to_string();
    format!(
        "{{\"session_id\":{},\"title\":{},{}",
        serde_json::json!(row.session_id),
        row.title_json(),
        rest.trim_start_matches('{')
    )
}
