//! `sessile search`.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::ops::Range;

use anyhow::Result;
use serde_json::{Value, json};
use sessile::{Archived, Hit, Search, SearchPage, SessionKey, Store, Timestamp, TitleHit};

use super::{list, work_dirs};
use crate::amounts::counted;
use crate::args::{SearchArgs, SessionArgs};
use crate::output::{self, Output, note, one_line};
use crate::render::Clock;
use crate::text;

pub(crate) fn run(store: &Store, args: &SearchArgs) -> Result<bool> {
    let mut page = store.search(&search(store, args)?)?;
    let shown: HashSet<SessionKey> = page.hits.iter().map(|hit| hit.session).collect();
    let titles = page.titles.iter().cloned().map(|title| (title.session, title)).collect();
    // A session whose entries are shown is shown with its title anyway.
    page.titles.retain(|title| !shown.contains(&title.session));
    // Titles are for the room that hits leave.
    page.titles.truncate(most(args.limit).saturating_sub(page.hits.len()));
    if args.regex || args.fixed {
        note!("read every text of {}", counted(page.scanned, "session"));
    } else if 0 < page.scanned {
        note!(
            "read the texts of {}, which the index does not hold yet",
            counted(page.scanned, "session")
        );
    }
    if args.json {
        let mut out = output::content();
        for found in page_json(&page, args.limit) {
            writeln!(out, "{found}")?;
        }
        out.flush()?;
    } else if output::is_terminal() {
        print_page(store, &page, &titles, args.utc)?;
    } else {
        print_tabbed(&page)?;
    }
    if let Some(next) = &page.next {
        // A person has no use for a place of many letters.
        let after = if args.json || !output::is_terminal() {
            format!(", or --after {next}")
        } else {
            String::new()
        };
        note!("there are more: --limit {}{after}", args.limit.saturating_mul(5));
    }
    Ok(super::is_undamaged(&page.damaged))
}

fn search(store: &Store, args: &SearchArgs) -> Result<Search> {
    let now = Timestamp::now();
    let text = args.text();
    let mut search = match (args.regex, args.fixed) {
        (true, _) => Search::pattern(&text),
        (_, true) => Search::literal(&text),
        _ => Search::words(&text),
    }
    .limit(args.limit)
    .archived(match (args.archived, args.not_archived) {
        (true, _) => Archived::Only,
        (_, true) => Archived::Without,
        _ => Archived::Included,
    });
    search = args.roles.iter().fold(search, |search, role| search.role(role));
    search = args.tool.iter().fold(search, |search, tool| search.tool(tool));
    if let Some(model) = &args.model {
        search = search.model(model);
    }
    search = of_sessions(store, search, &args.sessions)?;
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

/// The search in these sessions.
pub(super) fn of_sessions(
    store: &Store,
    mut search: Search,
    sessions: &SessionArgs,
) -> sessile::Result<Search> {
    if let Some(work_dir) = &sessions.work_dir {
        let named = work_dirs::named(store, work_dir)?;
        search = named.iter().fold(search, |search, dir| search.work_dir(dir));
    }
    if let Some(format) = sessions.format {
        search = search.format(format);
    }
    if let Some(origin) = &sessions.origin {
        search = search.origin(origin);
    }
    search = sessions.tags.iter().fold(search, |search, tag| search.tag(tag));
    let metadata = sessions.metadata.iter();
    Ok(metadata.fold(search, |search, (key, json)| search.metadata(key, json)))
}

/// Results as JSON, also for `rpc`: hits, and if these do not fill the page, sessions
/// whose title matches.
pub(super) fn page_json(page: &SearchPage, limit: u64) -> Vec<String> {
    let titles = page.titles.iter().filter(|title| {
        let is_of_it = |hit: &Hit| hit.session == title.session;
        !page.hits.iter().any(is_of_it)
    });
    page.hits.iter().map(hit_json).chain(titles.map(title_json)).take(most(limit)).collect()
}

/// The most results; 0 stands for all.
fn most(limit: u64) -> usize {
    if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) }
}

fn hit_json(hit: &Hit) -> String {
    object([
        ("session_id", json!(hit.session_id)),
        ("file", json!(hit.file)),
        ("entry_id", json!(hit.entry_id)),
        ("line", json!(hit.line)),
        ("role", json!(hit.role)),
        ("at", json!(hit.at.map(|at| at.to_string()))),
        ("snippet", json!(hit.snippet)),
    ])
}

fn title_json(title: &TitleHit) -> String {
    object([
        ("session_id", json!(title.session_id)),
        ("file", json!(title.file)),
        ("entry_id", Value::Null),
        ("line", Value::Null),
        ("role", json!(TITLE)),
        ("at", json!(title.at.to_string())),
        ("snippet", json!(title.snippet)),
    ])
}

/// The role of a title among the results.
const TITLE: &str = "title";

/// An object with these keys, in order.
fn object(members: [(&str, Value); 7]) -> String {
    let members = members.map(|(key, value)| format!("\"{key}\":{value}"));
    format!("{{{}}}", members.join(","))
}

/// One result per line, separated by tabs.
fn print_tabbed(page: &SearchPage) -> Result<()> {
    let mut out = output::report();
    for title in &page.titles {
        let name = title.session_id.as_deref().unwrap_or(&title.file);
        let fields = [name, "", TITLE, &title.at.to_string(), &title.snippet];
        writeln!(out, "{}", fields.map(one_line).join("\t"))?;
    }
    for hit in &page.hits {
        writeln!(out, "{}", tabbed(hit))?;
    }
    Ok(out.flush()?)
}

/// Sessions of which only the title matches, then hits grouped by session, in the
/// order of the first of each.
fn print_page(
    store: &Store,
    page: &SearchPage,
    titles: &HashMap<SessionKey, TitleHit>,
    is_utc: bool,
) -> Result<()> {
    let mut out = output::report();
    let width = text::terminal_width();
    let clock = if is_utc { Clock::Utc } else { Clock::Local };
    for title in &page.titles {
        let name = name(store, title.session_id.as_deref(), &title.file)?;
        let at = clock.show(title.at);
        let head = format!("{name}  {}  {at}  {TITLE}  ", title.format.name());
        print_marked(&mut out, &one_line(&head), (&title.snippet, &title.marks), width)?;
    }
    let mut left: Vec<&Hit> = page.hits.iter().collect();
    let mut is_first = page.titles.is_empty();
    while let Some(first) = left.first().copied() {
        if !std::mem::take(&mut is_first) {
            writeln!(out)?;
        }
        let name = name(store, first.session_id.as_deref(), &first.file)?;
        let head = one_line(&format!("{name}  {}  ", first.format.name()));
        let title = titles.get(&first.session).map(|title| (&title.snippet[..], &title.marks[..]));
        let untouched = (first.title.as_deref().unwrap_or("Untitled"), &[][..]);
        print_marked(&mut out, &head, title.unwrap_or(untouched), width)?;
        let (own, others): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|hit| hit.session == first.session);
        for hit in own {
            print_hit(store, &mut out, hit, (clock, width))?;
        }
        left = others;
    }
    out.flush()?;
    if page.hits.is_empty() && page.titles.is_empty() {
        note!("nothing was found; word* finds words by their beginning, --tools what tools say");
    }
    if let (None, Some(title)) = (page.hits.first(), page.titles.first()) {
        let name = self::name(store, title.session_id.as_deref(), &title.file)?;
        note!("to read on:\n  sessile show {}", one_line(&name));
    }
    if let Some(hit) = page.hits.first() {
        let name = name(store, hit.session_id.as_deref(), &hit.file)?;
        let entry = short_entry(store, hit)?;
        let (name, entry) = (one_line(&name), one_line(&entry));
        note!("to read on:\n  sessile show {name} --entry {entry} --around 3");
    }
    Ok(())
}

/// A name of a session by which `show` finds it.
fn name(store: &Store, session_id: Option<&str>, file: &str) -> sessile::Result<String> {
    session_id.map_or_else(|| Ok(file.to_owned()), |id| list::short_id(store, id))
}

fn print_hit(
    store: &Store,
    out: &mut Output,
    hit: &Hit,
    (clock, width): (Clock, usize),
) -> Result<()> {
    let at = text::padded(&hit.at.map(|at| clock.show(at)).unwrap_or_default(), clock.width());
    let role = one_line(hit.role.as_deref().unwrap_or("-"));
    let id = text::padded(&one_line(&short_entry(store, hit)?), 8);
    let head = format!("  {id}  {at}  {}  ", text::padded(&role, 9));
    let said = (&hit.snippet[..], &hit.marks[..]);
    // If too little room is left beside it, the text goes below.
    if width.saturating_sub(text::columns(&head)) < 40 {
        writeln!(out, "{}", text::cut(head.trim_end(), width))?;
        return print_marked(out, "      ", said, width);
    }
    print_marked(out, &head, said, width)
}

/// Prints a line with a prefix, and a text with its marks emphasised.
fn print_marked(
    out: &mut Output,
    head: &str,
    (text, marks): (&str, &[Range<usize>]),
    width: usize,
) -> Result<()> {
    let head = text::cut(head, width);
    let (text, marks) = text::fit(text, marks, width.saturating_sub(text::columns(&head)));
    write!(out, "{head}")?;
    let mut from = 0;
    for mark in marks {
        write!(out, "{}", one_line(&text[from..mark.start]))?;
        out.emphasise(&one_line(&text[mark.clone()]))?;
        from = mark.end;
    }
    writeln!(out, "{}", one_line(&text[from..]))?;
    Ok(())
}

/// A prefix of an entry's id by which `show --entry` finds it.
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
