//! `sessile list`.

use std::io::Write;

use anyhow::Result;
use sessile::{Archived, Page, SessionFilter, SessionRow, Store, Timestamp};

use super::work_dirs;
use crate::amounts::number;
use crate::args::{ListArgs, Sort};
use crate::output::{self, note};
use crate::render::{self, Clock, Row};
use crate::text;

pub(crate) fn run(store: &Store, args: &ListArgs) -> Result<bool> {
    check_place(args).map_err(anyhow::Error::msg)?;
    let (page, left) = find(store, args)?;
    print(store, args, &page.rows)?;
    let shown = page.rows.len() as u64;
    // A person has no use for a place of many letters.
    let next = page.next.as_ref().filter(|_| args.json || !output::is_terminal());
    let after = next.map(|next| format!(", or --after {next}")).unwrap_or_default();
    if page.rows.is_empty() && page.damaged.is_empty() && !args.json {
        note!("{}", none_match(store, args)?);
    }
    // A program asks for the next page, and needs no count.
    if args.json && (0 < left || page.next.is_some()) {
        note!("there are more: --limit {}{after}", shown.saturating_mul(5));
    } else if 0 < left {
        let at_least = if left == COUNTED { "at least " } else { "" };
        note!("{at_least}{} more: --limit {}{after}", number(left), shown + left);
    }
    Ok(super::is_undamaged(&page.damaged))
}

/// What is said of an empty list: where sessions that match are, if they are not in it.
fn none_match(store: &Store, args: &ListArgs) -> Result<String> {
    let none = ListArgs { offset: 0, after: None, ..args.clone() };
    let list = ListArgs { archived: false, all: false, trash: false, ..none.clone() };
    let mut elsewhere = Vec::new();
    for (is_shown, other, told) in [
        (false, none, "before this page (no --after, no --offset)"),
        (!args.archived && !args.all && !args.trash, ListArgs { ..list.clone() }, "not archived"),
        (
            args.archived || args.all,
            ListArgs { archived: true, ..list.clone() },
            "archived (--all)",
        ),
        (args.trash, ListArgs { trash: true, ..list }, "in the trash (--trash)"),
    ] {
        if is_shown {
            continue;
        }
        let (page, left) = find(store, &other)?;
        let count = page.rows.len() as u64 + left;
        if 0 < count {
            elsewhere.push(format!("{} {told}", number(count)));
        }
    }
    Ok(if elsewhere.is_empty() {
        "no sessions match".to_owned()
    } else {
        format!("no sessions match; {}", elsewhere.join(", "))
    })
}

/// Rejects a place in a list of another order than the store's own, which has none.
pub(super) fn check_place(args: &ListArgs) -> Result<(), &'static str> {
    if args.after.is_some() && args.sort != Sort::Modified {
        return Err("after: only a list sorted by `modified` can start after a cursor");
    }
    Ok(())
}

/// The page that was asked for, and how many sessions follow it; of many, not all are
/// counted. The next page has a place only in the order of the store's own list.
pub(crate) fn find(store: &Store, args: &ListArgs) -> sessile::Result<(Page, u64)> {
    let base = filter(args);
    let filter = || base.clone();
    let (offset, limit) = (args.offset.max(0).unsigned_abs(), args.limit.max(0).unsigned_abs());
    let select = if args.trash { Store::trash } else { Store::sessions };
    let work_dir = args.sessions.work_dir.as_deref();
    let (page, left) = if args.sort != Sort::Modified {
        // No list index has another order, so every row is read.
        let mut page = page_of(store, select, filter, work_dir, (0, u64::MAX))?;
        sort(&mut page.rows, args.sort);
        let left = slice(&mut page.rows, offset, limit);
        page.next = None;
        (page, left)
    } else {
        let page = page_of(store, select, filter, work_dir, (offset, limit))?;
        let left = match &page.next {
            Some(next) if !args.json => {
                let behind = || filter().after(next.clone());
                page_of(store, select, behind, work_dir, (0, COUNTED))?.rows.len() as u64
            }
            _ => 0,
        };
        (page, left)
    };
    Ok((page, left))
}

fn print(store: &Store, args: &ListArgs, rows: &[SessionRow]) -> Result<()> {
    if args.json {
        let mut out = output::content();
        for row in rows {
            writeln!(out, "{}", row_json(row, shared_name(store, row)?.as_deref()))?;
        }
        return Ok(out.flush()?);
    }
    let mut out = output::report();
    let rows = rows.iter().map(|session| {
        let name = shared_name(store, session)?;
        let short = match (&session.session_id, &name) {
            (Some(id), None) => short_id(store, id)?,
            // If others have the same id, no prefix is unique.
            (Some(id), Some(_)) => id.chars().take(render::SHORT).collect(),
            (None, _) => "no id".to_owned(),
        };
        Ok(Row { session, short, name })
    });
    let rows: Vec<Row<'_>> = rows.collect::<sessile::Result<_>>()?;
    if output::is_terminal() {
        let clock = if args.utc { Clock::Utc } else { Clock::Near { now: Timestamp::now() } };
        render::print_sessions(&mut out, &rows, clock, text::terminal_width())?;
        out.flush()?;
        if let Some(legend) = render::legend(&rows) {
            note!("{legend}");
        }
    } else {
        render::print_tabbed(&mut out, &rows)?;
    }
    Ok(out.flush()?)
}

fn sort(rows: &mut [SessionRow], sort: Sort) {
    match sort {
        Sort::Modified => {}
        Sort::Oldest => rows.reverse(),
        Sort::Messages => rows.sort_by_key(|row| std::cmp::Reverse(row.message_count)),
        Sort::Title => rows.sort_by_key(|row| row.title.as_deref().map(str::to_lowercase)),
    }
}

/// Cuts a page out of a list; returns how many rows follow it.
fn slice(rows: &mut Vec<SessionRow>, offset: u64, limit: u64) -> u64 {
    let limit = if limit == 0 { 100 } else { limit };
    let (offset, limit) = (offset as usize, limit as usize);
    rows.drain(..offset.min(rows.len()));
    let left = rows.len().saturating_sub(limit);
    rows.truncate(limit);
    left as u64
}

/// The most rows after a page that are counted, so that a page does not cost as much
/// as the list.
const COUNTED: u64 = 200;

/// The shortest unique prefix of a session's id.
pub(super) fn short_id(store: &Store, id: &str) -> sessile::Result<String> {
    let ends = id.char_indices().map(|(at, _)| at).skip(render::SHORT).step_by(2);
    for end in ends {
        match store.find(&id[..end]) {
            Err(sessile::Error::AmbiguousSession { .. }) => {}
            Err(err) if !err.is_not_found() => return Err(err),
            _ => return Ok(id[..end].to_owned()),
        }
    }
    Ok(id.to_owned())
}

pub(super) fn filter(args: &ListArgs) -> SessionFilter {
    let mut filter = SessionFilter::new()
        .query(args.query.as_deref().unwrap_or_default())
        .archived(match (args.archived, args.all) {
            (true, _) => Archived::Only,
            (_, true) => Archived::Included,
            _ => Archived::Without,
        })
        .all_sources(args.sources == "all");
    if let Some(after) = &args.after {
        filter = filter.after(after.clone());
    }
    if let Some(format) = args.sessions.format {
        filter = filter.format(format);
    }
    let now = Timestamp::now();
    if let Some(since) = &args.since {
        filter = filter.since(since.before(now));
    }
    if let Some(until) = &args.until {
        filter = filter.until(until.before(now));
    }
    if let Some(origin) = &args.sessions.origin {
        filter = filter.origin(origin);
    }
    for tag in &args.sessions.tags {
        filter = filter.tag(tag);
    }
    for (key, json) in &args.sessions.metadata {
        filter = filter.metadata(key, json);
    }
    filter
}

/// The page of a filter, for a work dir in any spelling; several spellings are merged
/// into one list.
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
    // Lists ignore a trailing slash.
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
        all.next = all.next.or(page.next);
        all.damaged.extend(page.damaged);
    }
    all.rows.sort_by(|one, other| {
        let place = |row: &SessionRow| (row.modified_at, row.session_id.clone(), row.key);
        place(other).cmp(&place(one))
    });
    let skipped = usize::try_from(offset).unwrap_or(usize::MAX).min(all.rows.len());
    all.rows.drain(..skipped);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = all.next.is_some() || limit < all.rows.len();
    all.rows.truncate(limit);
    all.next = all.rows.last().filter(|_| more).map(SessionRow::cursor);
    Ok(all)
}

/// The name of a session whose id is not unique.
pub(super) fn shared_name(store: &Store, row: &SessionRow) -> sessile::Result<Option<String>> {
    match store.session(row.key).and_then(|session| session.unique_name()) {
        Ok(name) => Ok(Some(name).filter(|name| row.session_id.as_ref() != Some(name))),
        // It was purged since.
        Err(err) if err.is_not_found() => Ok(None),
        Err(err) => Err(err),
    }
}

/// A row as JSON, with the name of a session whose id is not unique. As text, because
/// a title may have lone surrogates, which a `Value` cannot hold.
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
    for (key, is_so) in [
        ("has_losses", row.has_losses),
        ("continued_here", row.is_continued_here),
        ("absent", row.is_absent),
        ("shadowed", row.is_shadowed),
    ] {
        if is_so {
            rest[key] = true.into();
        }
    }
    if let Some(origin) = &row.origin {
        rest["origin"] = origin.as_str().into();
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
