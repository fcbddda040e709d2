//! Decisions that a session's files have no place for, recorded as events.

use rusqlite::Connection;

use super::Writing;
use super::append::writable_log;
use crate::error::Result;
use crate::fold::{self, Fold, Shape};
use crate::model::{SessionKey, Timestamp};
use crate::store::events::{self, Event, EventKind};
use crate::store::{heads, log, sessions};

/// Records an event, and applies it to the session's row.
pub(crate) fn decide(
    tx: &Connection,
    session: SessionKey,
    kind: EventKind,
    at: Timestamp,
    value: Option<&str>,
) -> Result<()> {
    if sessions::place(tx, session)?.is_none() {
        return Err(sessions::not_found(session));
    }
    events::insert_event(tx, session, kind, at, value)?;
    fold::settle_event(tx, session, &Event { kind, at, value: value.map(str::to_owned) })
}

/// Moves the leaf of a session whose format has no record for that.
pub(crate) fn move_leaf(writing: &Writing<'_>, leaf: Option<&str>) -> Result<()> {
    let Writing { tx, session, at, .. } = *writing;
    let (file, source) = writable_log(tx, session)?;
    // The checksum detects that the file was rewritten since, which the number of
    // lines alone does not.
    let checksum = log::checksum_without_end(tx, &file, file.line_count)?;
    let value = serde_json::json!([leaf, file.line_count, checksum]).to_string();
    events::insert_event(tx, session, EventKind::Branch, at, Some(&value))?;
    let head = heads::head(tx, session)?;
    let fold = Fold::resume(tx, &file, source.format, session, head)?;
    if fold.map(Fold::finish).transpose()? == Some(Shape::Assumed) {
        return Ok(());
    }
    fold::refold(tx, &file, source.format, session)?;
    // A recovered header takes the work dir of its neighbours, which the session's
    // fold does not know.
    fold::settle_recovered(tx, source.source_id)
}

/// Sets or clears the label of an entry in a format that has no record for that.
pub(crate) fn label(writing: &Writing<'_>, entry_id: &str, label: Option<&str>) -> Result<()> {
    let Writing { tx, session, at, .. } = *writing;
    let value = serde_json::json!([entry_id, label]).to_string();
    events::insert_event(tx, session, EventKind::Label, at, Some(&value))?;
    fold::fold_labels(tx, session)
}
