//! Events: the union of both stores' decisions about a session.

use std::collections::{BTreeSet, HashMap, HashSet};

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::report::Refused;
use super::unite::{Item, Piece, unite};
use super::{Merge, PAGE, Place};
use crate::error::Result;
use crate::fold;
use crate::format::projection;
use crate::format::rules::Leaf;
use crate::model::{SessionKey, path_of};
use crate::store::events::{self, Event, EventKind};
use crate::store::{log, sessions, sources};

/// Sessions that have events.
pub(super) fn decided(conn: &Connection) -> Result<HashSet<Place>> {
    Ok(events::decided(conn)?.into_iter().collect())
}

impl Merge<'_> {
    /// Merges the events, and applies them.
    pub(super) fn events(&mut self, conn: &Connection) -> Result<()> {
        let mut places: Vec<(Place, Place)> =
            std::mem::take(&mut self.places).into_iter().collect();
        places.sort();
        let decided: BTreeSet<&Place> = places.iter().map(|(_, here)| here).collect();
        let mut moved = std::mem::take(&mut self.changed);
        moved.retain(|place| !decided.contains(place));
        for page in places.chunks(PAGE) {
            let tx = self.store.begin(conn)?;
            for (there, here) in page {
                self.session(&tx, there, here)?;
            }
            settle_recovered(&tx, page.iter().map(|(_, here)| here.0))?;
            tx.commit()?;
        }
        let moved: Vec<Place> = moved.into_iter().collect();
        for page in moved.chunks(PAGE) {
            let tx = self.store.begin(conn)?;
            for here in page {
                let Some(session) = sessions::session_at(&tx, here.0, &here.1)? else { continue };
                let ours = events::all(&tx, session)?;
                if let Some(events) = with_leaves(&tx, session, &ours)? {
                    replace(&tx, session, here, &events)?;
                }
            }
            settle_recovered(&tx, page.iter().map(|here| here.0))?;
            tx.commit()?;
        }
        Ok(())
    }

    fn session(&mut self, tx: &Connection, there: &Place, here: &Place) -> Result<()> {
        let (Some(theirs), Some(ours)) = (
            sessions::session_at(self.theirs, there.0, &there.1)?,
            sessions::session_at(tx, here.0, &here.1)?,
        ) else {
            return Ok(());
        };
        let their_events = match events::all(self.theirs, theirs) {
            Ok(events) if events.iter().all(is_understood) => events,
            Err(err) if !err.is_of_content() => return Err(err),
            _ => {
                self.report.refused.push(Refused {
                    file: path_of(there.1.clone()),
                    reason: "its events are not in the form that this program writes".to_owned(),
                });
                return Ok(());
            }
        };
        let our_events = events::all(tx, ours)?;
        let (a, b) = (items(&our_events), items(&their_events));
        let united = unite(&a, &b).map(|pieces| {
            self.report.events +=
                pieces.iter().filter(|piece| matches!(piece, Piece::Theirs(_))).count() as u64;
            let event = |piece: &Piece| match *piece {
                Piece::Ours(n) => our_events[n].clone(),
                Piece::Theirs(n) => their_events[n].clone(),
            };
            pieces.iter().map(event).collect::<Vec<_>>()
        });
        let with_leaves = with_leaves(tx, ours, united.as_ref().unwrap_or(&our_events))?;
        match with_leaves.or(united) {
            Some(events) => replace(tx, ours, here, &events),
            None => Ok(()),
        }
    }
}

/// Replaces the events of a session, and folds it.
fn replace(tx: &Connection, session: SessionKey, here: &Place, events: &[Event]) -> Result<()> {
    events::replace(tx, session, events)?;
    let source = sources::by_id(tx, here.0)?;
    let mut refold = source.format.projection().refolder(tx, &source)?;
    refold(session, &here.1).map(drop)
}

/// A recovered header takes the work dir of its neighbours, which the session's fold
/// does not know.
fn settle_recovered(tx: &Connection, sources: impl Iterator<Item = i64>) -> Result<()> {
    let sources: BTreeSet<i64> = sources.collect();
    sources.into_iter().try_for_each(|source_id| fold::settle_recovered(tx, source_id))
}

fn items(events: &[Event]) -> Vec<Item> {
    let item = |event: &Event| Item {
        digest: Sha256::digest(says(event)).into(),
        at: Some(event.at),
        ..Item::default()
    };
    events.iter().map(item).collect()
}

/// The meaning of an event, regardless of where the lines are that it refers to.
fn says(event: &Event) -> Vec<u8> {
    let value = event.value.as_deref().unwrap_or_default();
    let value = match moved_leaf(event) {
        Some((leaf, _, checksum)) => serde_json::json!([leaf, checksum]).to_string(),
        None => value.to_owned(),
    };
    let has_value = u8::from(event.value.is_some());
    [event.kind.name().as_bytes(), &event.at.0.to_be_bytes(), &[has_value], value.as_bytes()]
        .concat()
}

type MovedLeaf = (Option<String>, u32, Option<u32>);

fn moved_leaf(event: &Event) -> Option<MovedLeaf> {
    let value = event.value.as_deref().filter(|_| event.kind == EventKind::Branch)?;
    serde_json::from_str(value).ok()
}

/// Whether an event is one that this program could have written.
fn is_understood(event: &Event) -> bool {
    let value = event.value.as_deref();
    match event.kind {
        EventKind::Archive
        | EventKind::Unarchive
        | EventKind::Trash
        | EventKind::Restore
        | EventKind::Remember => value.is_none(),
        EventKind::Relink => value.is_some_and(|path| path.starts_with('/')),
        EventKind::Tag => value.is_some_and(|tag| !tag.is_empty()),
        EventKind::Untag => true,
        EventKind::Branch => moved_leaf(event).is_some(),
        EventKind::Label => is_pair(value).is_some(),
        EventKind::Metadata => match is_pair(value) {
            Some((key, Some(json))) => {
                !key.is_empty() && serde_json::from_str::<serde::de::IgnoredAny>(&json).is_ok()
            }
            Some((key, None)) => !key.is_empty(),
            None => false,
        },
    }
}

fn is_pair(value: Option<&str>) -> Option<(String, Option<String>)> {
    serde_json::from_str(value?).ok()
}

/// The events, with the positions of moved leaves adapted to the present lines;
/// `None` if they are right.
///
/// Such an event records after how many lines it was made, and the checksum of the
/// last of them, by which that line is found again.
fn with_leaves(
    tx: &Connection,
    session: SessionKey,
    events: &[Event],
) -> Result<Option<Vec<Event>>> {
    if events.iter().all(|event| moved_leaf(event).is_none()) {
        return Ok(None);
    }
    let Some((source, _)) = sessions::place(tx, session)? else { return Ok(None) };
    let file = projection::log_of(tx, session)?;
    let Some(file) = file.filter(|_| source.format.rules().leaf == Leaf::Event) else {
        return Ok(None);
    };
    let (mut numbers, mut checksums) = (HashMap::new(), Vec::new());
    log::each_line_left(tx, &file, |_, raw| {
        let checksum = crc32fast::hash(raw.strip_suffix(b"\n").unwrap_or(raw));
        checksums.push(checksum);
        numbers.entry(checksum).or_insert(checksums.len() as u32);
        Ok(())
    })?;
    let mut is_other = false;
    let mut found = events.to_vec();
    for event in &mut found {
        let Some((leaf, lines, Some(checksum))) = moved_leaf(event) else { continue };
        let is_right = lines.checked_sub(1).and_then(|n| checksums.get(n as usize));
        let Some(number) = numbers.get(&checksum).filter(|_| is_right != Some(&checksum)) else {
            continue;
        };
        event.value = Some(serde_json::json!([leaf, number, checksum]).to_string());
        is_other = true;
    }
    Ok(is_other.then_some(found))
}
