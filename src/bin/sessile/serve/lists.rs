//! The list of sessions.

use anyhow::Result;
use sessile::{Archived, SessionRow, Timestamp};

use super::request::{Request, encoded};
use super::response::Response;
use super::{Site, form};
use crate::amounts::counted;
use crate::args::{ListArgs, SessionArgs, Sort};
use crate::commands::list;
use crate::html::{self, escape::text};
use crate::moment::Moment;
use crate::render::{self, Clock};

/// Sessions per page.
const ROWS: i64 = 100;

pub(super) fn page(site: &Site<'_>, request: &Request) -> Result<Response> {
    let args = asked(request);
    let (page, left) = list::find(site.store, &args)?;
    let mut out = html::head("Sessions", &site.around("", true), "");
    out.push_str(&filters(site, request));
    out.push_str("</header>\n<main>\n<ul class=\"rows\">\n");
    let now = Timestamp::now();
    for row in &page.rows {
        out.push_str(&session(site, row, now)?);
    }
    out.push_str("</ul>\n");
    if page.rows.is_empty() {
        out.push_str("<p class=\"facts\">No session is like this.</p>\n");
    }
    for damaged in &page.damaged {
        out.push_str(&format!("<p class=\"facts\">{}</p>\n", text(damaged)));
    }
    let beside = |offset: i64, what: &str| {
        let query = form::with(request, "offset", &offset.max(0).to_string());
        format!("<a class=\"switch\" href=\"{}?{}\">{what}</a>\n", site.base, text(&query))
    };
    if 0 < args.offset {
        out.push_str(&beside(args.offset - ROWS, "← newer"));
    }
    if 0 < left {
        out.push_str(&beside(args.offset + ROWS, "older →"));
    }
    out.push_str("</main>\n</body>\n</html>\n");
    Ok(Response::page(out))
}

fn asked(request: &Request) -> ListArgs {
    let archived = archived(request);
    ListArgs {
        limit: ROWS,
        offset: request.get("offset").and_then(|offset| offset.parse().ok()).unwrap_or(0).max(0),
        query: request.get("q").map(str::to_owned),
        archived: archived == Archived::Only,
        all: archived == Archived::Included,
        sources: request.get("sources").unwrap_or_default().to_owned(),
        sessions: SessionArgs {
            work_dir: request.get("dir").map(str::to_owned),
            format: form::format(request),
            tags: request.get("tag").map(str::to_owned).into_iter().collect(),
            ..SessionArgs::default()
        },
        since: request.get("since").and_then(|since| Moment::since(since).ok()),
        sort: match request.get("sort") {
            Some("oldest") => Sort::Oldest,
            Some("messages") => Sort::Messages,
            Some("title") => Sort::Title,
            _ => Sort::Modified,
        },
        ..ListArgs::default()
    }
}

fn archived(request: &Request) -> Archived {
    match request.get("archived") {
        Some("only") => Archived::Only,
        Some("all") => Archived::Included,
        _ => Archived::Without,
    }
}

fn filters(site: &Site<'_>, request: &Request) -> String {
    let sorts = [
        ("", "Newest first"),
        ("oldest", "Oldest first"),
        ("messages", "Most messages first"),
        ("title", "By title"),
    ];
    let archived = [("", "Not archived"), ("all", "Archived, too"), ("only", "Archived")];
    let sources = [("", "As programs list"), ("all", "Sub-agents, too")];
    let fields = [
        form::search(request, "Title or work dir"),
        form::text_field(request, "dir", "Work dir"),
        form::text_field(request, "tag", "Tag"),
        form::formats(request),
        form::select(request, "since", form::SINCE),
        form::select(request, "archived", &archived),
        form::select(request, "sources", &sources),
        form::select(request, "sort", &sorts),
    ];
    form::form(&site.base, &fields.concat())
}

fn session(site: &Site<'_>, row: &SessionRow, now: Timestamp) -> Result<String> {
    let dir = row.work_dir.as_deref().map(|dir| {
        let query = encoded(dir);
        format!("<a href=\"{}?dir={query}\">{}</a>", site.base, text(dir))
    });
    let tags = row.tags.iter().map(|tag| {
        format!("<a href=\"{}?tag={}\"><mark>{}</mark></a>", site.base, encoded(tag), text(tag))
    });
    let marks = render::marks(row).map(|(_, told)| told.to_owned());
    // The command line finds it by this prefix of its id.
    let id = row
        .session_id
        .as_deref()
        .map(|id| text(&id.chars().take(render::SHORT).collect::<String>()));
    let facts = [
        Some(Clock::Near { now }.show(row.modified_at)),
        Some(row.format.name().to_owned()),
        Some(counted(row.message_count, "message")),
        dir,
        id,
        row.archived_at.map(|_| "archived".to_owned()),
    ];
    let facts: Vec<String> = facts.into_iter().flatten().chain(marks).chain(tags).collect();
    Ok(format!(
        "<li><a class=\"name\" href=\"{}\">{}</a><div class=\"head\">{}</div></li>\n",
        site.session(row.key)?,
        text(row.title.as_deref().unwrap_or("Untitled")),
        facts.join(" · ")
    ))
}
