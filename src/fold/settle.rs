//! The parts of a session's row that depend on more than its own log: its folder
//! and its events.

use std::collections::HashMap;

use rusqlite::Connection;

use super::summary::time_told;
use crate::error::Result;
use crate::model::{Format, Header, SessionKey, Stored, Timestamp};
use crate::store::events;
use crate::store::events::Event;
use crate::store::heads::{self, Head};
use crate::store::labels::{self, LabelRow};
use crate::store::sessions;

/// The text that list queries search: title and work dir, separated by a character
/// that neither contains.
pub(crate) fn search_text(conn: &Connection, head: &Head) -> Result<String> {
    let work_dir = match head.work_dir_id {
        Some(work_dir_id) => sessions::work_dir_path(conn, work_dir_id)?,
        None => String::new(),
    };
    Ok(text_to_search(head, &work_dir))
}

/// As [`search_text`], with the work dir at hand.
pub(super) fn text_to_search(head: &Head, work_dir: &str) -> String {
    let title = head.title.as_ref().map(Stored::to_text).unwrap_or_default();
    let title = &title[..title.floor_char_boundary(heads::MAX_PREVIEW)];
    format!("{}\u{1f}{}", title.to_lowercase(), work_dir.to_lowercase())
}

/// The work dir of each folder, so that a folder is searched once for all of its
/// sessions.
type WorkDirs = HashMap<Vec<u8>, Option<i64>>;

/// Gives each session with a recovered header the work dir of the other sessions in
/// its folder, if they agree.
pub(crate) fn settle_recovered(conn: &Connection, source_id: i64) -> Result<()> {
    let mut known = WorkDirs::new();
    for (session, path) in sessions::recovered_sessions(conn, source_id)? {
        settle_work_dir(conn, source_id, session, &path, &mut known)?;
    }
    Ok(())
}

/// As [`settle_recovered`], for one session, whose header may be of any kind.
pub(crate) fn settle_if_recovered(
    conn: &Connection,
    source_id: i64,
    session: SessionKey,
    path: &[u8],
) -> Result<()> {
    match heads::head(conn, session)?.header {
        Header::Recovered => settle_work_dir(conn, source_id, session, path, &mut WorkDirs::new()),
        _ => Ok(()),
    }
}

fn settle_work_dir(
    conn: &Connection,
    source_id: i64,
    session: SessionKey,
    path: &[u8],
    known: &mut WorkDirs,
) -> Result<()> {
    if events::is_relinked(conn, session)? {
        return Ok(());
    }
    let folder = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let work_dir_id = match known.get(&path[..folder]) {
        Some(work_dir_id) => *work_dir_id,
        None => {
            let found = match folder {
                0 => Vec::new(),
                _ => sessions::work_dirs_of_folder(conn, source_id, &path[..folder])?,
            };
            let work_dir_id = Some(&found).filter(|found| found.len() == 1);
            let work_dir_id = work_dir_id.map(|found| found[0]);
            known.insert(path[..folder].to_vec(), work_dir_id);
            work_dir_id
        }
    };
    let mut head = heads::head(conn, session)?;
    if head.work_dir_id != work_dir_id {
        head.work_dir_id = work_dir_id;
        head.search_text = search_text(conn, &head)?;
        heads::update_head(conn, session, &head, None)?;
    }
    Ok(())
}

/// Sets a session's time to that of its file, if its records have none.
pub(crate) fn settle_mtime(
    conn: &Connection,
    format: Format,
    session: SessionKey,
    mtime: Timestamp,
) -> Result<()> {
    match time_told(format, &heads::head(conn, session)?) {
        Some(_) => Ok(()),
        None => {
            sessions::update_mtime(conn, session, format.rules().file_times.told(mtime))?;
            format.projection().settle_listed(conn, session)
        }
    }
}

/// Updates a session's row from its last event; those before it are in the row already.
pub(crate) fn settle_event(conn: &Connection, session: SessionKey, event: &Event) -> Result<()> {
    let mut head = heads::head(conn, session)?;
    events::apply(conn, session, &mut head, event)?;
    head.search_text = search_text(conn, &head)?;
    heads::update_head(conn, session, &head, None)?;
    settle_listed(conn, session)
}

/// Decides which of several sessions with the same id lists show, in formats in which
/// they show only one.
pub(crate) fn settle_listed(conn: &Connection, session: SessionKey) -> Result<()> {
    match sessions::place(conn, session)? {
        Some((source, _)) => source.format.projection().settle_listed(conn, session),
        None => Ok(()),
    }
}

/// Applies the label events, in order.
pub(crate) fn fold_labels(conn: &Connection, session: SessionKey) -> Result<()> {
    for (event_id, at, value) in events::labels(conn, session)? {
        let Ok((target_id, label)) = serde_json::from_str::<(String, Option<String>)>(&value)
        else {
            continue;
        };
        let at = Stored::Text(at.to_string());
        match label {
            Some(label) => {
                let row = LabelRow {
                    target_id: &target_id,
                    label: &Stored::Text(label),
                    labelled_at: Some(&at),
                    position: event_id,
                    keeps_position: false,
                    line_key: None,
                };
                labels::set_label(conn, session, &row)?;
            }
            None => labels::delete_label(conn, session, &target_id)?,
        }
    }
    Ok(())
}
