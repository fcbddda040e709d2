//! The page of a session, and additions to it.

use std::io::Write;

use anyhow::Result;
use sessile::{CapturedEntry, Session, SessionKey};

use super::Site;
use super::request::{Refusal, Request};
use super::response::{Pieces, Response};
use crate::html::{self, escape::anchor};

/// The most entries that are added at a time; for more, the page is reloaded.
const MOST: usize = 500;

/// Writes the page as it is generated, since a session may be large. An error
/// truncates the page, which the browser detects.
pub(super) fn write(site: &Site<'_>, session: &Session, stream: &mut impl Write) -> Result<()> {
    let mut out = Pieces::begin(stream)?;
    html::write(session, &site.around("session", true), &mut out)?;
    Ok(out.end()?)
}

/// The entries after the last one of a page. Empty if that is still the last; a
/// reset, which reloads the page, if the session continued elsewhere.
pub(super) fn after(site: &Site<'_>, key: &str, request: &Request) -> Result<Response> {
    let (line, leaf) = (request.get("line").map(str::parse), request.get("leaf"));
    let (Some(session), Some(Ok(line)), Some(leaf)) = (session(site, key)?, line, leaf) else {
        return Ok(Response::refused(Refusal::Unknown));
    };
    let is_at = |at: &str| {
        Ok::<_, sessile::Error>(session.info()?.leaf.is_some_and(|leaf| anchor(&leaf) == at))
    };
    if is_at(leaf)? {
        return Ok(Response::nothing());
    }
    let new = session.capture_after(line, MOST)?;
    match last_of_row(&new, leaf) {
        Some(last) if is_at(&last)? => Ok(Response::page(html::addition(&session, &new)?)),
        _ => Ok(Response::reset()),
    }
}

/// The anchor of the last of these entries, if they are consecutive and follow the
/// one with this anchor; else `None`.
fn last_of_row(entries: &[CapturedEntry], behind: &str) -> Option<String> {
    let mut at = behind.to_owned();
    for entry in entries {
        let parent = entry.entry.parent_id.as_deref().map(anchor);
        if parent.as_ref() != Some(&at) {
            return None;
        }
        at = anchor(&entry.entry.id);
    }
    (!entries.is_empty()).then_some(at)
}

/// A session from one snapshot, so that all reads agree.
pub(super) fn session(site: &Site<'_>, key: &str) -> Result<Option<Session>> {
    let Ok(key) = serde_json::from_str::<SessionKey>(key) else { return Ok(None) };
    Ok(Some(site.store.snapshot()?.session(key)?))
}
