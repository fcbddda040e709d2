//! A session as an HTML page: for `sessile html`, and in `sessile serve`.
//!
//! A log is hostile input. Everything from it goes through [`escape`], and the
//! page's content security policy forbids scripts and styles other than its own,
//! requests and forms. The content is complete without scripts; with scripts, one
//! path of the tree is shown at a time.

mod answers;
mod entry;
pub(crate) mod escape;
mod fences;
mod image;
mod outline;

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result};
use sessile::{CapturedEntry, Entry, Error, Session, Store, Usage};
use sha2::{Digest, Sha256};

use self::entry::Entries;
use self::escape::{anchor, base64, text};
use crate::conversation::{Conversation, MessageContent};
use crate::output;
use crate::prices::Prices;

pub(crate) const STYLE: &str = include_str!("page.css");
pub(crate) const SCRIPT: &str = include_str!("page.js");

pub(crate) fn run(store: &Store, session: &str, out: Option<&Path>) -> Result<bool> {
    let mut page = Vec::new();
    write(&store.snapshot()?.find(session)?, &PageFrame::alone(), &mut page)?;
    let Some(path) = out else {
        let mut out = output::content();
        out.write_all(&page)?;
        out.flush()?;
        return Ok(true);
    };
    let mut file = match File::create_new(path) {
        Err(err) if err.kind() == ErrorKind::AlreadyExists => {
            return Err(Error::TargetExists(path.to_owned()).into());
        }
        created => created
            .with_context(|| format!("{}: the page could not be created here", path.display()))?,
    };
    file.write_all(&page)
        .with_context(|| format!("{}: the page could not be written", path.display()))?;
    Ok(true)
}

/// What surrounds a session: nothing, or the links of a server.
pub(crate) struct PageFrame {
    /// Elements of the head, including the policy if no HTTP header has it.
    pub(crate) head: String,
    /// Elements above the title.
    pub(crate) above: String,
    /// The URL of the stream that reports writes.
    pub(crate) events: Option<String>,
}

impl PageFrame {
    fn alone() -> Self {
        let policy = policy("'none'", "");
        Self {
            head: format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n"),
            above: String::new(),
            events: None,
        }
    }
}

/// The content security policy: the page's own style and script, nothing from
/// elsewhere, except the targets of forms and further directives.
pub(crate) fn policy(forms: &str, directives: &str) -> String {
    let hash = |of: &str| base64(&Sha256::digest(of.as_bytes()));
    let (style, script) = (hash(STYLE), hash(SCRIPT));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; \
         img-src data:; base-uri 'none'; form-action {forms}{directives}"
    )
}

/// The beginning of a page, up to the content of its body.
pub(crate) fn head(title: &str, around: &PageFrame, body: &str) -> String {
    let PageFrame { head, above, events } = around;
    let events = events.as_ref().map(|url| format!(" data-events=\"{url}\"")).unwrap_or_default();
    let title = text(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n{head}\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n<script>{SCRIPT}</script>\n</head>\n\
         <body{events}{body}>\n<header>\n{above}<h1>{title}</h1>\n"
    )
}

/// Writes a session with all its branches, which should be that of a snapshot. The
/// title is written before anything else is read.
pub(crate) fn write(session: &Session, around: &PageFrame, out: &mut dyn Write) -> Result<()> {
    let info = session.info()?;
    let leaf = info.leaf.as_ref().filter(|_| around.events.is_some());
    let leaf = leaf.map(|leaf| session.entry(leaf)).transpose()?.flatten();
    let title = info.title.as_deref().unwrap_or("Untitled");
    let body = leaf.as_ref().map(end).unwrap_or_default();
    out.write_all(head(title, around, &body).as_bytes())?;
    out.flush()?;
    let conversation = Conversation::read(session)?;
    let said = conversation.entries.iter().map(|entry| said(session, entry));
    let said: Vec<Vec<MessageContent>> = said.collect::<Result<_>>()?;
    let prices = Prices::read(None)?;
    let facts = [
        Some(info.format.name().to_owned()),
        info.session_id.as_deref().map(text),
        info.work_dir.as_deref().map(text),
        used(session, &conversation, &prices)?,
    ];
    let facts = facts.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    let mut page = format!("<p class=\"facts\">{facts}</p>\n</header>\n{TOOLS}");
    page.push_str("<nav id=\"tree\"><details open><summary>Prompts and branches</summary>\n<ol>\n");
    outline::write(&mut page, &conversation, &said);
    page.push_str("</ol>\n</details></nav>\n<main>\n");
    for run in 0..conversation.runs.len() {
        section(&mut page, &conversation, (run, &said), &prices);
        out.write_all(page.as_bytes())?;
        page.clear();
    }
    out.write_all(page.as_bytes())?;
    Ok(out.write_all(b"</main>\n</body>\n</html>\n")?)
}

/// The last entry of a page, by its line and its anchor.
fn end(leaf: &Entry) -> String {
    format!(" data-after=\"{}\" data-leaf=\"{}\"", leaf.line, anchor(&leaf.id))
}

/// What the script adds to a session's page: consecutive entries.
pub(crate) fn addition(session: &Session, entries: &[CapturedEntry]) -> Result<String> {
    let said = entries.iter().map(|entry| said(session, entry));
    let said: Vec<Vec<MessageContent>> = said.collect::<Result<_>>()?;
    let prices = Prices::read(None)?;
    let mut rows = String::new();
    for (entry, said) in entries.iter().zip(&said) {
        outline::write_row(&mut rows, (entry, said), &outline::Row::default());
    }
    let shown = Entries {
        entries: entries.iter().collect(),
        said: said.iter().map(Vec::as_slice).collect(),
        prices: &prices,
    };
    let mut section = String::new();
    shown.write(&mut section);
    let body = entries.last().map(|last| end(&last.entry)).unwrap_or_default();
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>added</title>\n</head>\n\
         <body{body}>\n<ol>\n{rows}</ol>\n<section>\n{section}</section>\n</body>\n</html>\n"
    ))
}

/// Controls that need the script are only shown if it runs.
const TOOLS: &str = "<div class=\"tools\"><input id=\"find\" type=\"search\" placeholder=\"Search this session\" \
     aria-label=\"Search this session\"><output id=\"found\"></output>\
     <button id=\"prev\" title=\"The hit before\">↑</button><button id=\"next\" title=\"The next hit\">↓</button>\
     <button id=\"fold\">Unfold all</button></div>\n";

fn said(session: &Session, entry: &CapturedEntry) -> Result<Vec<MessageContent>> {
    entry.messages.iter().map(|message| MessageContent::whole(message, session)).collect()
}

/// The tokens that the log reports, and their cost.
fn used(session: &Session, conversation: &Conversation, prices: &Prices) -> Result<Option<String>> {
    let usage: Usage = session.usage()?;
    let reported = conversation.entries.iter().filter_map(|entry| entry.usage.as_ref());
    let costs = reported.filter_map(|usage| entry::cost(usage, prices));
    let cost = costs.reduce(|(sum, all), (cost, is_told)| (sum + cost, all && is_told));
    Ok(entry::used(&usage, cost, "tokens in"))
}

/// Writes the entries between two forks; above them, the entry where they forked off,
/// and links to the other branches.
fn section(
    page: &mut String,
    conversation: &Conversation,
    (number, said): (usize, &[Vec<MessageContent>]),
    prices: &Prices,
) {
    let run = &conversation.runs[number];
    let last = run.entries.last().map(|entry| &conversation.entries[*entry].entry.id);
    let on = match (run.is_active, last == conversation.info.leaf.as_ref()) {
        (_, true) => " on live",
        (true, false) => " on",
        (false, false) => "",
    };
    let parent = run.parent.map(|parent| format!(" data-parent=\"{parent}\"")).unwrap_or_default();
    page.push_str(&format!("<section class=\"run{on}\" data-run=\"{number}\"{parent}>\n"));
    let first = |run: usize| {
        let entry = conversation.runs[run].entries.first()?;
        Some(anchor(&conversation.entries[*entry].entry.id))
    };
    let (siblings, place) = conversation.siblings(number);
    if 1 < siblings.len() {
        let last = run.parent.and_then(|parent| conversation.runs[parent].entries.last());
        let from = last.map_or("the beginning".to_owned(), |entry| {
            entry::link(&conversation.entries[*entry].entry.id)
        });
        let to = |place: Option<usize>, what: &str| {
            let id = first(*siblings.get(place?)?)?;
            Some(format!(" <a class=\"switch\" href=\"#{id}\">{what}</a>"))
        };
        let (count, nth) = (siblings.len(), place + 1);
        let prev = to(place.checked_sub(1), "← the one before").unwrap_or_default();
        let next = to(Some(place + 1), "the next →").unwrap_or_default();
        page.push_str(&format!(
            "<h2 class=\"fork\">Branch {nth} of {count}, from {from}{prev}{next}</h2>\n"
        ));
    }
    let entries = Entries {
        entries: run.entries.iter().map(|entry| &conversation.entries[*entry]).collect(),
        said: run.entries.iter().map(|entry| &said[*entry][..]).collect(),
        prices,
    };
    entries.write(page);
    page.push_str("</section>\n");
}
