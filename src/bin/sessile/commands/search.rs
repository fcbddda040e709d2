//! `sessile search`.

use std::io::Write;

use anyhow::Result;
use sessile::{Archived, Hit, Search, SearchPage, Store, Timestamp};

use super::{list, work_dirs};
use crate::args::SearchArgs;
use crate::output::{self, Output, note, one_line};
use crate::{render, text};

pub(crate) fn run(store: &Store, args: &SearchArgs) -> Result<bool> {
    let page = store.search(&search(store, args)?)?;
    if args.regex || args.fixed {
        note!("read every text of {} sessions", page.scanned);
    } else if 0 < page.scanned {
        note!("read the texts of {} sessions, which the index does not hold yet", page.scanned);
    }
    if args.json {
        let mut out = output::content();
        for hit in &page.hits {
            writeln!(out, "{}", hit_json(hit))?;
        }
        out.flush()?;
    } else {
        print_page(store, &page)?;
    }
    if let Some(next) = &page.next {
        note!("there are more: --limit {}, or --after {next}", args.limit.saturating_mul(5));
    }
    Ok(super::is_undamaged(&page.damaged))
}

fn search(store: &Store, args: &SearchArgs) -> Result<Search> {
    let now = Timestamp::now();
    let mut search = match (args.regex, args.fixed) {
        (true, _) => Search::pattern(&args.text),
        (_, true) => Search::literal(&args.text),
        _ => Search::words(&args.text),
    }
    .limit(args.limit)
    .archived(match (args.archived, args.not_archived) {
        (true, _) => Archived::Only,
        (_, true) => Archived::Without,
        _ => Archived::Included,
    });
    search = args.roles.iter().fold(search, |search, role| search.role(role));
    search = args.tool.iter().fold(search, |search, tool| search.tool(tool));
    search = args.tags.iter().fold(search, |search, tag| search.tag(tag));
    if let Some(model) = &args.model {
        search = search.model(model);
    }
    if let Some(work_dir) = &args.work_dir {
        let named = work_dirs::named(store, work_dir)?;
        search = named.iter().fold(search, |search, dir| search.work_dir(dir));
    }
    if let Some(format) = args.format {
        search = search.format(format);
    }
    if let Some(since) = args.since {
        search = search.since(since.before(now));
    }
    if let Some(until) = args.until {
        search = search.until(until.before(now));
    }
    if let Some(session) = &args.session {
        search = search.session(store.find(session)?.key());
    }
    if args.branch.is_some() {
        search = search.active_branch();
    }
    if args.thinking {
        search = search.thinking();
    }
    if args.tools {
        search = search.tools();
    }
    if args.rank {
        search = search.ranked();
    }
    Ok(match args.after.clone() {
        Some(after) => search.after(after),
        None => search,
    })
}

/// A hit as JSON, as `rpc` gives it, too.
pub(super) fn hit_json(hit: &Hit) -> String {
    let mut object = String::from("{");
    for (n, (key, value)) in [
        ("session_id", serde_json::json!(hit.session_id)),
        ("file", serde_json::json!(hit.file)),
        ("entry_id", serde_json::json!(hit.entry_id)),
        ("line", serde_json::json!(hit.line)),
        ("role", serde_json::json!(hit.role)),
        ("at", serde_json::json!(hit.at.map(|at| at.to_string()))),
        ("snippet", serde_json::json!(hit.snippet)),
    ]
    .into_iter()
    .enumerate()
    {
        let comma = if n == 0 { "" } else { "," };
        object.push_str(&format!("{comma}\"{key}\":{value}"));
    }
    object.push('}');
    object
}

/// Hits under their sessions, in the order of the first of each; of a pipe, a
/// line each, tabs between.
fn print_page(store: &Store, page: &SearchPage) -> Result<()> {
    let mut out = output::report();
    if !output::is_terminal() {
        for hit in &page.hits {
            writeln!(out, "{}", tabbed(hit))?;
        }
        out.flush()?;
        return Ok(());
    }
    let width = text::terminal_width();
    let mut left: Vec<&Hit> = page.hits.iter().collect();
    let mut is_first = true;
    while let Some(first) = left.first().copied() {
        if !std::mem::take(&mut is_first) {
            writeln!(out)?;
        }
        writeln!(out, "{}", text::cut(&heading(store, first)?, width))?;
        let (own, others): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|hit| hit.session == first.session);
        for hit in own {
            print_hit(store, &mut out, hit, width)?;
        }
        left = others;
    }
    out.flush()?;
    Ok(())
}

/// The session of a hit, by a name that `show` takes.
fn heading(store: &Store, hit: &Hit) -> Result<String> {
    let name = match &hit.session_id {
        Some(id) => list::short_id(store, id)?,
        None => hit.file.clone(),
    };
    let title = hit.title.as_deref().unwrap_or("Untitled");
    Ok(one_line(&format!("{name}  {}  {title}", hit.format.name())))
}

fn print_hit(store: &Store, out: &mut Output, hit: &Hit, width: usize) -> Result<()> {
    let at = hit.at.map(render::local_time).unwrap_or_default();
    let role = one_line(hit.role.as_deref().unwrap_or("-"));
    let id = text::padded(&one_line(&short_entry(store, hit)?), 8);
    let head = format!("  {id}  {at:16}  {}  ", text::padded(&role, 9));
    let mut room = width.saturating_sub(text::columns(&head));
    // Where little room is left beside it, the text stands below.
    if room < 40 {
        writeln!(out, "{}", text::cut(head.trim_end(), width))?;
        write!(out, "      ")?;
        room = width.saturating_sub(6);
    } else {
        write!(out, "{head}")?;
    }
    let (snippet, marks) = text::fit(&hit.snippet, &hit.marks, room);
    let mut from = 0;
    for mark in marks {
        write!(out, "{}", one_line(&snippet[from..mark.start]))?;
        out.emphasise(&one_line(&snippet[mark.clone()]))?;
        from = mark.end;
    }
    writeln!(out, "{}", one_line(&snippet[from..]))?;
    Ok(())
}

/// The beginning of an entry's id by which `show --entry` finds it.
fn short_entry(store: &Store, hit: &Hit) -> sessile::Result<String> {
    let session = store.session(hit.session)?;
    for (end, _) in hit.entry_id.char_indices().skip(8) {
        match session.find_entry(&hit.entry_id[..end]) {
            Err(sessile::Error::AmbiguousEntry { .. }) => {}
            Err(err) if !err.is_not_found() => return Err(err),
            _ => return Ok(hit.entry_id[..end].to_owned()),
        }
    }
    Ok(hit.entry_id.clone())
}

fn tabbed(hit: &Hit) -> String {
    let at = hit.at.map(|at| at.to_string()).unwrap_or_default();
    let name = hit.session_id.as_deref().unwrap_or(&hit.file);
    let role = hit.role.as_deref().unwrap_or_default();
    [name, &hit.entry_id, role, &at, &hit.snippet].map(one_line).join("\t")
}
