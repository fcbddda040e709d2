//! The current labels of sessions.

use rusqlite::{Connection, OptionalExtension, named_params};

use super::ids::{Id, IdText};
use crate::error::Result;
use crate::model::{Label, SessionKey, Stored};

/// A label to be written by the fold.
#[derive(Debug)]
pub(crate) struct LabelRow<'a> {
    pub(crate) target_id: &'a str,
    pub(crate) label: &'a Stored,
    pub(crate) labelled_at: Option<&'a Stored>,
    /// Its position in the order in which labels were set.
    pub(crate) position: i64,
    /// Whether changing a label keeps its position.
    pub(crate) keeps_position: bool,
    /// The line that set it; `None` if an event did.
    pub(crate) line_key: Option<i64>,
}

pub(crate) fn set_label(
    conn: &Connection,
    session: SessionKey,
    label: &LabelRow<'_>,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO labels (session_key, target_id, label, labelled_at, position, line_key)
         VALUES (:session_key, :target_id, :label, :labelled_at, :position, :line_key)
         ON CONFLICT DO UPDATE
         SET label = excluded.label, labelled_at = excluded.labelled_at,
             position = iif(:keeps_position, position, excluded.position),
             line_key = excluded.line_key",
    )?
    .execute(named_params! {
        ":session_key": session,
        ":target_id": Id::of(label.target_id),
        ":label": label.label,
        ":labelled_at": label.labelled_at,
        ":position": label.position,
        ":line_key": label.line_key,
        ":keeps_position": label.keeps_position,
    })?;
    Ok(())
}

pub(crate) fn delete_label(conn: &Connection, session: SessionKey, target_id: &str) -> Result<()> {
    conn.prepare_cached("DELETE FROM labels WHERE session_key = ?1 AND target_id = ?2")?
        .execute((session, Id::of(target_id)))?;
    Ok(())
}

/// Whether a session has labels.
pub(crate) fn has_any(conn: &Connection, session: SessionKey) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT 1 FROM labels WHERE session_key = ?1 LIMIT 1")?
        .exists([session])?)
}

/// The label of an id.
pub(crate) fn label(
    conn: &Connection,
    session: SessionKey,
    target_id: &str,
) -> Result<Option<String>> {
    Ok(conn
        .prepare_cached("SELECT label FROM labels WHERE session_key = ?1 AND target_id = ?2")?
        .query_row((session, Id::of(target_id)), |row| row.get::<_, Stored>("label"))
        .optional()?
        .map(|label| label.to_text()))
}

/// Labels of a session, in the order in which they were set.
pub(crate) fn labels(conn: &Connection, session: SessionKey) -> Result<Vec<Label>> {
    let mut labels = Vec::new();
    each_label(conn, session, |label| {
        labels.push(label);
        Ok(())
    })?;
    Ok(labels)
}

/// Calls `each` for every label of a session, in the order in which they were set.
pub(crate) fn each_label(
    conn: &Connection,
    session: SessionKey,
    mut each: impl FnMut(Label) -> Result<()>,
) -> Result<()> {
    let mut stmt = conn.prepare_cached(
        "SELECT target_id, label, labelled_at
         FROM labels
         WHERE session_key = ?1
         ORDER BY position",
    )?;
    let mut rows = stmt.query([session])?;
    while let Some(row) = rows.next()? {
        let exact_label: Stored = row.get("label")?;
        each(Label {
            target_id: row.get::<_, IdText>("target_id")?.0,
            label: exact_label.to_text(),
            exact_label,
            labelled_at: row.get("labelled_at")?,
        })?;
    }
    Ok(())
}

/// The ids whose label was set by a line, with that line, in the order in which they
/// were set.
pub(crate) fn label_lines(conn: &Connection, session: SessionKey) -> Result<Vec<(String, i64)>> {
    let mut stmt = conn.prepare_cached(
        "SELECT target_id, line_key
         FROM labels
         WHERE session_key = ?1 AND line_key IS NOT NULL
         ORDER BY position",
    )?;
    let rows = stmt.query_map([session], |row| {
        Ok((row.get::<_, IdText>("target_id")?.0, row.get("line_key")?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
