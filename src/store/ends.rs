//! Where the entries of a session end: what each append continues from.

use rusqlite::Connection;

use super::entries;
use super::ids::IdText;
use crate::error::{Error, Result};
use crate::model::SessionKey;

/// The state that an append continues from.
pub(crate) struct End {
    /// The id of the entry that came last.
    pub(crate) last_id: Option<String>,
    /// The ordinal that the next new entry gets.
    pub(crate) next_ordinal: u32,
    /// Whether any entry's parent is missing so far.
    pub(crate) has_orphans: bool,
}

/// The end of a session's entries in one query; `last` is the entry that came last.
pub(crate) fn end(conn: &Connection, session: SessionKey, last: Option<i64>) -> Result<End> {
    let [first_key, last_key] = entries::keys(session);
    let end = conn.prepare_cached(END)?.query_row((session, first_key, last_key, last), |row| {
        let largest: Option<i64> = row.get(1)?;
        Ok(End {
            last_id: row.get::<_, Option<IdText>>(0)?.map(|id| id.0),
            next_ordinal: largest.map_or(0, |key| entries::ordinal(key).saturating_add(1)),
            has_orphans: row.get(2)?,
        })
    })?;
    match last {
        Some(key) if end.last_id.is_none() => {
            Err(Error::Damaged(format!("entry {key} of session {} is missing", session.0)))
        }
        _ => Ok(end),
    }
}

pub(crate) const END: &str = "
    SELECT (SELECT entry_id FROM entries WHERE entry_key = ?4),
           (SELECT max(entry_key) FROM entries WHERE entry_key BETWEEN ?2 AND ?3),
           EXISTS (SELECT 1 FROM runs WHERE session_key = ?1 AND parent_id IS NOT NULL)";
