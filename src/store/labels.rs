//! Current labels.

use rusqlite::{Connection, OptionalExtension, named_params};

use crate::error::Result;
use crate::model::{Label, SessionKey, Stored};

/// Sets a label. Where labels keep their place, one that is changed stands where it stood.
pub(crate) fn set_label(
    conn: &Connection,
    session: SessionKey,
    target_id: &str,
    label: &Stored,
    labelled_at: Option<&Stored>,
    line_key: i64,
    keeps_place: bool,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO labels (session_key, target_id, label, labelled_at, line_key)
         VALUES (:session_key, :target_id, :label, :labelled_at, :line_key)
         ON CONFLICT DO UPDATE
         SET label = excluded.label, labelled_at = excluded.labelled_at,
             line_key = iif(:keeps_place, line_key, excluded.line_key)",
    )?
    .execute(named_params! {
        ":session_key": session,
        ":target_id": target_id,
        ":label": label,
        ":labelled_at": labelled_at,
        ":line_key": line_key,
        ":keeps_place": keeps_place,
    })?;
    Ok(())
}

pub(crate) fn delete_label(conn: &Connection, session: SessionKey, target_id: &str) -> Result<()> {
    conn.prepare_cached("DELETE FROM labels WHERE session_key = ?1 AND target_id = ?2")?
        .execute((session, target_id))?;
    Ok(())
}

/// Whether any id of the session carries a label.
pub(crate) fn has_any(conn: &Connection, session: SessionKey) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT 1 FROM labels WHERE session_key = ?1 LIMIT 1")?
        .exists([session])?)
}

/// The label that an id carries.
pub(crate) fn label(
    conn: &Connection,
    session: SessionKey,
    target_id: &str,
) -> Result<Option<String>> {
    Ok(conn
        .prepare_cached("SELECT label FROM labels WHERE session_key = ?1 AND target_id = ?2")?
        .query_row((session, target_id), |row| row.get::<_, Stored>("label"))
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

/// Hands each label of a session to `each`, in the order in which they were set.
pub(crate) fn each_label(
    conn: &Connection,
    session: SessionKey,
    mut each: impl FnMut(Label) -> Result<()>,
) -> Result<()> {
    let mut stmt = conn.prepare_cached(
        "SELECT target_id, label, labelled_at
         FROM labels
         WHERE session_key = ?1
         ORDER BY line_key",
    )?;
    let mut rows = stmt.query([session])?;
    while let Some(row) = rows.next()? {
        let exact_label: Stored = row.get("label")?;
        each(Label {
            target_id: row.get("target_id")?,
            label: exact_label.to_text(),
            exact_label,
            labelled_at: row.get("labelled_at")?,
        })?;
    }
    Ok(())
}

/// The ids that carry a label, and the line that set it, in the order in which they were set.
pub(crate) fn label_lines(conn: &Connection, session: SessionKey) -> Result<Vec<(String, i64)>> {
    let mut stmt = conn.prepare_cached(
        "SELECT target_id, line_key
         FROM labels
         WHERE session_key = ?1
         ORDER BY line_key",
    )?;
    let rows =
        stmt.query_map([session], |row| Ok((row.get("target_id")?, row.get("line_key")?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
