//! `sessile html`: a session as one file that a browser shows.
//!
//! A log is hostile input. Whatever stands in it goes through [`escape`], and the
//! page forbids itself scripts, requests and forms.

mod escape;

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use indicatif::HumanCount;
use sessile::{CapturedEntry, Message, Part, Session, SessionInfo, Store, Usage};
use sha2::{Digest, Sha256};

use self::escape::{anchor, base64, text};
use crate::output;
use crate::render::Clock;
use crate::text::cut;

/// Columns of an id, which is shown by its beginning; the anchor has the whole.
const ID: usize = 17;

const STYLE: &str = include_str!("page.css");

pub(crate) fn run(store: &Store, session: &str, out: Option<&Path>) -> Result<bool> {
    let page = page(&store.find(session)?)?;
    let Some(path) = out else {
        let mut out = output::content();
        out.write_all(page.as_bytes())?;
        out.flush()?;
        return Ok(true);
    };
    let mut file = File::create_new(path)
        .with_context(|| format!("{}: the page could not be made here", path.display()))?;
    file.write_all(page.as_bytes())
        .with_context(|| format!("{}: the page could not be written", path.display()))?;
    Ok(true)
}

/// The active branch, and what each other adds.
fn page(session: &Session) -> Result<String> {
    let active = session.capture()?;
    let mut page = head(&active.info, &session.usage()?);
    let mut seen = HashSet::new();
    for entry in &active.entries {
        article(&mut page, session, entry)?;
        seen.insert(entry.entry.id.clone());
    }
    for end in session.abandoned()? {
        let path = session.capture_path(&end.id)?;
        let new = path.entries.iter().filter(|entry| !seen.contains(&entry.entry.id));
        let new: Vec<&CapturedEntry> = new.collect();
        let Some(first) = new.first() else { continue };
        let from = first.entry.parent_id.as_deref().map_or("the beginning".to_owned(), link);
        page.push_str(&format!("<h2>Another branch, from {from}</h2>\n"));
        for entry in &new {
            article(&mut page, session, entry)?;
        }
        seen.extend(new.iter().map(|entry| entry.entry.id.clone()));
    }
    page.push_str("</main>\n</body>\n</html>\n");
    Ok(page)
}

/// What the page may do: look as this style says, and show nothing from elsewhere.
fn policy(style: &str) -> String {
    let hash = base64(&Sha256::digest(style.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
}

fn head(info: &SessionInfo, usage: &Usage) -> String {
    let policy = policy(STYLE);
    let title = text(info.title.as_deref().unwrap_or("Untitled"));
    let facts = [
        Some(info.format.name().to_owned()),
        info.session_id.as_deref().map(text),
        info.work_dir.as_deref().map(text),
        used(usage),
    ];
    let facts = facts.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>{title}</h1>\n<p class=\"facts\">{facts}</p>\n<main>\n"
    )
}

/// The tokens and the cost that the log reports; `None` where it reports none.
fn used(usage: &Usage) -> Option<String> {
    let count = |tokens: Option<i64>| tokens.and_then(|n| u64::try_from(n).ok()).filter(|n| 0 < *n);
    let told = |tokens, what| count(tokens).map(|n| format!("{} {what}", HumanCount(n)));
    let cost = usage.cost.filter(|cost| 0.0 < *cost).map(|cost| format!("cost {cost:.4}"));
    let parts = [
        told(usage.input, "tokens in"),
        told(usage.output, "out"),
        told(usage.cache_read, "from the cache"),
        cost,
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn link(id: &str) -> String {
    format!("<a href=\"#{}\">{}</a>", anchor(id), text(&cut(id, ID)))
}

/// An entry with what it says; of one that says nothing, a line.
fn article(page: &mut String, session: &Session, entry: &CapturedEntry) -> Result<()> {
    let Some(first) = entry.messages.first() else {
        let facts = facts(entry);
        let (id, kind) = (anchor(&entry.entry.id), text(&entry.entry.entry_type));
        page.push_str(&format!("<p class=\"event\" id=\"{id}\">{kind} · {facts}</p>\n"));
        return Ok(());
    };
    let class = if speaker(first) == "user" { " class=\"user\"" } else { "" };
    page.push_str(&format!("<article{class} id=\"{}\">\n", anchor(&entry.entry.id)));
    for message in &entry.messages {
        page.push_str(&heading(entry, message));
        for part in message.parts() {
            page.push_str(&shown(session, &part)?);
        }
    }
    page.push_str("</article>\n");
    Ok(())
}

fn heading(entry: &CapturedEntry, message: &Message) -> String {
    format!("<div class=\"head\"><b>{}</b>{}</div>\n", text(&speaker(message)), facts(entry))
}

/// Who speaks. Some logs give the results of tools as messages of the user.
fn speaker(message: &Message) -> String {
    let parts = message.parts();
    let is_result = |part: &Part| matches!(part, Part::ToolResult { .. });
    if !parts.is_empty() && parts.iter().all(is_result) {
        return "tool".to_owned();
    }
    let role = message.role();
    if role.is_empty() { "message".to_owned() } else { role.to_string() }
}

/// Its id, when it was, who answered, and its label.
fn facts(entry: &CapturedEntry) -> String {
    let label = entry.entry.label.as_deref();
    let facts = [
        Some(link(&entry.entry.id)),
        entry.entry.created_at.map(|at| Clock::Utc.show(at)),
        entry.model.as_deref().map(text),
        label.map(|label| format!("<mark>{}</mark>", text(label))),
    ];
    facts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

fn shown(session: &Session, part: &Part) -> Result<String> {
    Ok(match part {
        Part::Text(said) if said.trim().is_empty() => String::new(),
        Part::Text(said) => format!("<div class=\"said\">{}</div>\n", text(said.trim_end())),
        Part::Thinking(said) => folded(" class=\"thinking\"", "thinking", said),
        Part::ToolCall(call) => {
            folded("", &call.label, &format!("{}\n{}", call.name, call.arguments))
        }
        Part::ToolResult { call_id, text: said } => {
            let file = session.result_file(call_id, said)?;
            let whole = file.and_then(|file| file.text);
            let whole = whole.as_deref().unwrap_or(said);
            let count = whole.lines().count();
            let plural = if count == 1 { "" } else { "s" };
            folded("", &format!("result, {count} line{plural}"), whole)
        }
        Part::Image { mime, path } => {
            format!("<div class=\"said\">[{}]</div>\n", text(format!("image {mime} {path}").trim()))
        }
        Part::Other(kind) => format!("<div class=\"said\">[{}]</div>\n", text(kind)),
        _ => String::new(),
    })
}

fn folded(class: &str, summary: &str, said: &str) -> String {
    let (summary, said) = (text(summary), text(said.trim_end()));
    // A browser drops the first line feed of a `pre`.
    format!("<details{class}><summary>{summary}</summary><pre>\n{said}</pre></details>\n")
}
