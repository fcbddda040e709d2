//! A search, with hits that link to their entries.

use std::ops::Range;

use anyhow::Result;
use sessile::{Hit, Search, SearchPage, Timestamp, TitleHit};

use super::request::Request;
use super::response::Response;
use super::{Site, form};
use crate::html::{self, escape::anchor, escape::text};
use crate::moment::Moment;
use crate::render::local_time;

/// Hits per page.
const HITS: u64 = 50;

pub(super) fn page(site: &Site<'_>, request: &Request) -> Result<Response> {
    let mut out = html::head("Search", &site.around("search", false), "");
    out.push_str(&filters(site, request));
    out.push_str("</header>\n<main>\n");
    if let Some(words) = request.get("q") {
        match site.store.search(&asked(words, request)) {
            Ok(page) => hits(&mut out, site, request, &page)?,
            // Usually the input is not a valid query, and the user is told why.
            Err(err) => {
                out.push_str(&format!("<p class=\"facts\">{}</p>\n", text(&err.to_string())));
            }
        }
    }
    out.push_str("</main>\n</body>\n</html>\n");
    Ok(Response::page(out))
}

fn filters(site: &Site<'_>, request: &Request) -> String {
    let roles =
        [("", "Whoever speaks"), ("user", "user"), ("assistant", "assistant"), ("tool", "tool")];
    let orders = [("", "Newest first"), ("rank", "Most telling first")];
    let fields = [
        form::search(request, "Words, \"a phrase\", begin*"),
        form::formats(request),
        form::select(request, "role", &roles),
        form::select(request, "since", form::SINCE),
        form::select(request, "order", &orders),
        form::check(request, "tools", "tools, too"),
        form::check(request, "thinking", "thinking, too"),
    ];
    form::form(&format!("{}search", site.base), &fields.concat())
}

fn asked(words: &str, request: &Request) -> Search {
    let mut search = Search::words(words).limit(HITS);
    if let Some(format) = form::format(request) {
        search = search.format(format);
    }
    if let Some(role) = request.get("role") {
        search = search.role(role);
    }
    if let Some(Ok(since)) = request.get("since").map(Moment::since) {
        search = search.since(since.before(Timestamp::now()));
    }
    if request.get("order") == Some("rank") {
        search = search.ranked();
    }
    if request.get("tools").is_some() {
        search = search.tools();
    }
    if request.get("thinking").is_some() {
        search = search.thinking();
    }
    match request.get("after").map(str::parse) {
        Some(Ok(after)) => search.after(after),
        _ => search,
    }
}

fn hits(out: &mut String, site: &Site<'_>, request: &Request, page: &SearchPage) -> Result<()> {
    if page.hits.is_empty() && page.titles.is_empty() {
        out.push_str("<p class=\"facts\">Nothing was found.</p>\n");
    }
    out.push_str("<ul class=\"rows\">\n");
    for title in &page.titles {
        out.push_str(&title_row(site, title)?);
    }
    let mut before = None;
    for hit in &page.hits {
        let is_first = before.replace(hit.session) != Some(hit.session);
        out.push_str(&hit_row(site, hit, is_first)?);
    }
    out.push_str("</ul>\n");
    for damaged in &page.damaged {
        out.push_str(&format!("<p class=\"facts\">{}</p>\n", text(damaged)));
    }
    if let Some(next) = &page.next {
        let query = text(&form::with(request, "after", &next.to_string()));
        out.push_str(&format!(
            "<a class=\"switch\" href=\"{}search?{query}\">more →</a>\n",
            site.base
        ));
    }
    Ok(())
}

fn title_row(site: &Site<'_>, title: &TitleHit) -> Result<String> {
    Ok(format!(
        "<li><a class=\"name\" href=\"{}\">{}</a><div class=\"head\">title · {} · {}</div></li>\n",
        site.session(title.session)?,
        marked(&title.snippet, &title.marks),
        local_time(title.at),
        title.format.name(),
    ))
}

/// A hit, preceded by the session's title if it is the first of its session.
fn hit_row(site: &Site<'_>, hit: &Hit, is_first: bool) -> Result<String> {
    let session = site.session(hit.session)?;
    let title = is_first.then(|| {
        let title = text(hit.title.as_deref().unwrap_or("Untitled"));
        format!("<a class=\"name\" href=\"{session}\">{title}</a>")
    });
    let facts =
        [hit.role.as_deref().map(text), hit.at.map(local_time), Some(hit.format.name().to_owned())];
    let facts = facts.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    Ok(format!(
        "<li>{}<div class=\"head\">{facts}</div><a class=\"said\" href=\"{session}#{}\">{}</a></li>\n",
        title.unwrap_or_default(),
        anchor(&hit.entry_id),
        marked(&hit.snippet, &hit.marks),
    ))
}

/// Text with the matches emphasised.
fn marked(said: &str, marks: &[Range<usize>]) -> String {
    let mut out = String::new();
    let mut from = 0;
    for mark in marks {
        let (Some(before), Some(found)) = (said.get(from..mark.start), said.get(mark.clone()))
        else {
            continue;
        };
        out.push_str(&format!("{}<mark>{}</mark>", text(before), text(found)));
        from = mark.end;
    }
    out + &text(said.get(from..).unwrap_or_default())
}
