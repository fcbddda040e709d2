//! Finds the rollouts that change when another one is deleted.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::tables::{self, KnownRollout};
use crate::error::Result;
use crate::format::codex::layout;
use crate::format::projection::Touched;
use crate::model::SessionKey;

/// Marks the other files of a session's thread, and what begins with its file,
/// directly or not.
pub(super) fn note(conn: &Connection, session: SessionKey, touched: &mut Touched) -> Result<()> {
    let Some(gone) = tables::of_session(conn, session)? else { return Ok(()) };
    let mut seen = BTreeSet::from([session]);
    let mut todo = behind(conn, &gone)?;
    while let Some(known) = todo.pop() {
        if seen.insert(known.session) {
            let path = tables::path(conn, known.session)?;
            touched.units.extend(path.map(|path| layout::place(&path).to_vec()));
            todo.extend(behind(conn, &known)?);
        }
    }
    Ok(())
}

fn behind(conn: &Connection, known: &KnownRollout) -> Result<Vec<KnownRollout>> {
    let mut found = Vec::new();
    if let Some(thread_id) = &known.thread_id {
        found.extend(tables::of_thread(conn, known.source_id, thread_id)?);
    }
    if let Some(id) = &known.physical_id {
        found.extend(tables::beginning_with(conn, known.source_id, id)?);
    }
    Ok(found)
}
