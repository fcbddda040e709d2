//! Tree nodes.

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::log::{line_number, position};
use crate::error::Result;
use crate::model::{Entry, SessionKey, Stored, Timestamp};

/// An entry as the fold writes it.
#[derive(Debug)]
pub(crate) struct EntryRow<'a> {
    pub(crate) entry_key: i64,
    /// The line that it stands in, where that is not the entry's key.
    pub(crate) line_key: Option<i64>,
    pub(crate) session: SessionKey,
    pub(crate) entry_id: &'a str,
    pub(crate) id_made: bool,
    pub(crate) parent_key: Option<i64>,
    pub(crate) parent_id: Option<&'a str>,
    pub(crate) entry_type: &'a str,
    pub(crate) role: Option<&'a str>,
    pub(crate) message_id: Option<&'a Stored>,
    pub(crate) created_at: Option<Timestamp>,
}

/// Inserts an entry unless another of its id is there; says whether it did.
pub(crate) fn insert_entry(conn: &Connection, entry: &EntryRow<'_>) -> Result<bool> {
    let inserted = conn
        .prepare_cached(
            // By place: to look up names took 8 % of the time of an import.
            "INSERT INTO entries (entry_key, line_key, session_key, entry_id, id_made, parent_key,
                                  parent_id, type, role, message_id, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (session_key, entry_id) DO NOTHING",
        )?
        .execute((
            entry.entry_key,
            entry.line_key,
            entry.session,
            entry.entry_id,
            entry.id_made,
            entry.parent_key,
            entry.parent_id,
            entry.entry_type,
            entry.role,
            entry.message_id,
            entry.created_at,
        ))?;
    Ok(0 < inserted)
}

/// Lets the entry `key` hold what a later line with the same id says; `entry.entry_key` is that line's.
pub(crate) fn replace_entry(conn: &Connection, key: i64, entry: &EntryRow<'_>) -> Result<()> {
    conn.prepare_cached(
        "UPDATE entries
         SET line_key = :line_key, id_made = :id_made, parent_key = :parent_key,
             parent_id = :parent_id, type = :type, role = :role, message_id = :message_id,
             created_at = :created_at
         WHERE entry_key = :entry_key",
    )?
    .execute(named_params! {
        ":entry_key": key,
        ":line_key": entry.entry_key,
        ":id_made": entry.id_made,
        ":parent_key": entry.parent_key,
        ":parent_id": entry.parent_id,
        ":type": entry.entry_type,
        ":role": entry.role,
        ":message_id": entry.message_id,
        ":created_at": entry.created_at,
    })?;
    // What the line before said goes with it.
    conn.prepare_cached("DELETE FROM compactions WHERE entry_key = ?1")?.execute([key])?;
    conn.prepare_cached("DELETE FROM settings WHERE entry_key = ?1")?.execute([key])?;
    conn.prepare_cached("DELETE FROM usages WHERE entry_key = ?1")?.execute([key])?;
    Ok(())
}

/// Gives the orphans that wait for this entry their parent; returns how many there were.
pub(crate) fn adopt_orphans(
    conn: &Connection,
    session: SessionKey,
    entry_key: i64,
    entry_id: &str,
) -> Result<usize> {
    Ok(conn
        .prepare_cached(
            "UPDATE entries
             SET parent_key = :entry_key, parent_id = NULL
             WHERE session_key = :session_key
               AND parent_id = :entry_id
               AND entry_id <> :entry_id",
        )?
        .execute(named_params! {
            ":entry_key": entry_key,
            ":session_key": session,
            ":entry_id": entry_id,
        })?)
}

/// The entry whose id is empty, of the session that an entry belongs to.
pub(crate) fn nameless(conn: &Connection, entry_key: i64) -> Result<Option<i64>> {
    Ok(conn
        .prepare_cached(
            "SELECT nameless.entry_key
             FROM entries AS entry
             JOIN entries AS nameless
               ON nameless.session_key = entry.session_key AND nameless.entry_id = ''
             WHERE entry.entry_key = ?1",
        )?
        .query_row([entry_key], |row| row.get("entry_key"))
        .optional()?)
}

/// Whether any entry of the session names a parent that is not there.
pub(crate) fn has_orphans(conn: &Connection, session: SessionKey) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "SELECT 1 FROM entries WHERE session_key = ?1 AND parent_id IS NOT NULL LIMIT 1",
        )?
        .exists([session])?)
}

/// The line that an entry stands in.
pub(crate) fn line_key(conn: &Connection, entry_key: i64) -> Result<i64> {
    Ok(conn
        .prepare_cached(
            "SELECT ifnull(line_key, entry_key) AS line_key FROM entries WHERE entry_key = ?1",
        )?
        .query_row([entry_key], |row| row.get("line_key"))?)
}

/// The entry of an id.
pub(crate) fn entry_key(conn: &Connection, session: SessionKey, id: &str) -> Result<Option<i64>> {
    Ok(conn
        .prepare_cached(ENTRY_KEY)?
        .query_row((session, id), |row| row.get("entry_key"))
        .optional()?)
}

pub(crate) const ENTRY_KEY: &str = "
    SELECT entry_key
    FROM entries
    WHERE session_key = ?1 AND entry_id = ?2";

pub(crate) fn insert_compaction(
    conn: &Connection,
    session: SessionKey,
    entry_key: i64,
    first_kept: Option<&Stored>,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO compactions (entry_key, session_key, first_kept)
         VALUES (:entry_key, :session_key, :first_kept)",
    )?
    .execute(named_params! {
        ":entry_key": entry_key,
        ":session_key": session,
        ":first_kept": first_kept,
    })?;
    Ok(())
}

/// Whether any message of a user, assistant or tool is there, on whatever branch.
pub(crate) fn has_conversation(conn: &Connection, session: SessionKey) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "SELECT 1
             FROM entries
             WHERE session_key = ?1
               AND type = 'message'
               AND role IN ('user', 'assistant', 'tool')
             LIMIT 1",
        )?
        .exists([session])?)
}

/// What a compaction names as the first message that it keeps.
pub(crate) fn first_kept(conn: &Connection, entry_key: i64) -> Result<Option<Stored>> {
    Ok(conn
        .prepare_cached("SELECT first_kept FROM compactions WHERE entry_key = ?1")?
        .query_row([entry_key], |row| row.get("first_kept"))
        .optional()?
        .flatten())
}

/// What the compaction of this id names as the first entry that it keeps.
pub(crate) fn first_kept_of(
    conn: &Connection,
    session: SessionKey,
    id: &str,
) -> Result<Option<Stored>> {
    match entry_key(conn, session, id)? {
        Some(key) => first_kept(conn, key),
        None => Ok(None),
    }
}

/// Entries whose message has this id, compared with its type.
pub(crate) fn entries_by_message_id(
    conn: &Connection,
    session: SessionKey,
    message_id: &Stored,
) -> Result<Vec<i64>> {
    let mut stmt = conn.prepare_cached(
        "SELECT entry_key
         FROM entries
         WHERE session_key = :session_key
           AND entry_id = :message_id
           AND message_id IS NULL
           AND id_made = 0

         UNION ALL

         SELECT entry_key
         FROM entries
         WHERE session_key = :session_key
           AND message_id = :message_id",
    )?;
    let rows = stmt
        .query_map(named_params! { ":session_key": session, ":message_id": message_id }, |row| {
            row.get("entry_key")
        })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn entry(conn: &Connection, entry_key: i64) -> Result<Option<Entry>> {
    Ok(conn
        .prepare_cached(
            "SELECT ifnull(entry.line_key, entry.entry_key) AS line_key, entry.entry_id, parent.entry_id AS parent_id, entry.type,
                    entry.role, entry.created_at, label.label
             FROM entries AS entry
             LEFT JOIN entries AS parent ON parent.entry_key = entry.parent_key
             LEFT JOIN labels AS label ON label.session_key = entry.session_key
                                      AND label.target_id = entry.entry_id
             WHERE entry.entry_key = ?1",
        )?
        .query_row([entry_key], entry_from_row)
        .optional()?)
}

/// Entries of a session whose line is within a range of keys, in file order.
pub(crate) fn in_range(
    conn: &Connection,
    session: SessionKey,
    keys: std::ops::Range<i64>,
    limit: usize,
) -> Result<Vec<Entry>> {
    // Only where an id was repeated does an entry stand elsewhere than its key says.
    let repeats = conn
        .prepare_cached("SELECT 1 FROM problems WHERE session_key = ?1 AND kind = 'duplicate-id'")?
        .exists([session])?;
    let mut stmt = conn.prepare_cached(if repeats { LINES_IN_RANGE } else { KEYS_IN_RANGE })?;
    let rows = stmt.query_map(
        named_params! {
            ":first": keys.start,
            ":end": keys.end,
            ":session_key": session,
            ":limit": i64::try_from(limit).unwrap_or(i64::MAX),
        },
        entry_from_row,
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

const KEYS_IN_RANGE: &str = "
    SELECT entry.entry_key AS line_key, entry.entry_id, parent.entry_id AS parent_id, entry.type,
           entry.role, entry.created_at, label.label
    FROM entries AS entry NOT INDEXED
    LEFT JOIN entries AS parent ON parent.entry_key = entry.parent_key
    LEFT JOIN labels AS label ON label.session_key = entry.session_key
                             AND label.target_id = entry.entry_id
    WHERE entry.entry_key >= :first
      AND entry.entry_key < :end
      AND entry.session_key = :session_key
    ORDER BY entry.entry_key
    LIMIT :limit";

const LINES_IN_RANGE: &str = "
    SELECT ifnull(entry.line_key, entry.entry_key) AS line_key, entry.entry_id,
           parent.entry_id AS parent_id, entry.type, entry.role, entry.created_at, label.label
    FROM entries AS entry INDEXED BY entries_by_id
    LEFT JOIN entries AS parent ON parent.entry_key = entry.parent_key
    LEFT JOIN labels AS label ON label.session_key = entry.session_key
                             AND label.target_id = entry.entry_id
    WHERE entry.session_key = :session_key
      AND ifnull(entry.line_key, entry.entry_key) >= :first
      AND ifnull(entry.line_key, entry.entry_key) < :end
    ORDER BY ifnull(entry.line_key, entry.entry_key)
    LIMIT :limit";

/// Whether any entry of the session has an id of its own.
pub(crate) fn has_given_ids(conn: &Connection, session: SessionKey) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT 1 FROM entries WHERE session_key = ?1 AND id_made = 0 LIMIT 1")?
        .exists([session])?)
}

/// The id of an entry, and the line that it stands in.
pub(crate) fn id_and_line(conn: &Connection, entry_key: i64) -> Result<(String, i64)> {
    Ok(conn
        .prepare_cached(
            "SELECT entry_id, ifnull(line_key, entry_key) AS line_key
             FROM entries
             WHERE entry_key = ?1",
        )?
        .query_row([entry_key], |row| Ok((row.get("entry_id")?, row.get("line_key")?)))?)
}

/// Children of an entry, in file order.
pub(crate) fn children(conn: &Connection, parent_key: i64) -> Result<Vec<Entry>> {
    let mut stmt = conn.prepare_cached(CHILDREN)?;
    let rows = stmt.query_map([parent_key], entry_from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) const CHILDREN: &str = "
    SELECT ifnull(entry.line_key, entry.entry_key) AS line_key, entry.entry_id, parent.entry_id AS parent_id, entry.type, entry.role,
           entry.created_at, label.label
    FROM (SELECT entry_key
          FROM entries
          WHERE entry_key = ?1 + 1
            AND parent_key = ?1
          UNION ALL
          SELECT entry_key
          FROM entries
          WHERE parent_key = ?1
            AND parent_key <> entry_key - 1) AS child
    JOIN entries AS entry ON entry.entry_key = child.entry_key
    JOIN entries AS parent ON parent.entry_key = entry.parent_key
    LEFT JOIN labels AS label ON label.session_key = entry.session_key
                             AND label.target_id = entry.entry_id
    ORDER BY entry.entry_key";

/// Roots of a session, orphans among them, in file order.
pub(crate) fn roots(conn: &Connection, session: SessionKey) -> Result<Vec<Entry>> {
    let mut stmt = conn.prepare_cached(ROOTS)?;
    let rows = stmt.query_map([session], entry_from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) const ROOTS: &str = "
    SELECT ifnull(entry.line_key, entry.entry_key) AS line_key, entry.entry_id, NULL AS parent_id, entry.type, entry.role,
           entry.created_at, label.label
    FROM entries AS entry
    LEFT JOIN labels AS label ON label.session_key = entry.session_key
                             AND label.target_id = entry.entry_id
    WHERE entry.session_key = ?1
      AND entry.parent_key IS NULL
    ORDER BY entry.entry_key";

/// Entries without children, in file order.
pub(crate) fn leaves(conn: &Connection, session: SessionKey) -> Result<Vec<Entry>> {
    let mut stmt = conn.prepare_cached(
        "SELECT ifnull(entry.line_key, entry.entry_key) AS line_key, entry.entry_id, parent.entry_id AS parent_id, entry.type,
                entry.role, entry.created_at, label.label
         FROM entries AS entry INDEXED BY entries_by_id
         LEFT JOIN entries AS parent ON parent.entry_key = entry.parent_key
         LEFT JOIN labels AS label ON label.session_key = entry.session_key
                                  AND label.target_id = entry.entry_id
         WHERE entry.session_key = ?1
           AND NOT EXISTS (SELECT 1
                           FROM entries AS child
                           WHERE child.entry_key = entry.entry_key + 1
                             AND child.parent_key = entry.entry_key)
           AND NOT EXISTS (SELECT 1
                           FROM entries AS child
                           WHERE child.parent_key = entry.entry_key
                             AND child.parent_key <> child.entry_key - 1)
         ORDER BY entry.entry_key",
    )?;
    let rows = stmt.query_map([session], entry_from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn entry_id(conn: &Connection, entry_key: i64) -> Result<String> {
    Ok(conn
        .prepare_cached("SELECT entry_id FROM entries WHERE entry_key = ?1")?
        .query_row([entry_key], |row| row.get("entry_id"))?)
}

/// Hands the keys of a session's entries to `each`, the last in file order first.
pub(crate) fn each_key_backwards(
    conn: &Connection,
    session: SessionKey,
    mut each: impl FnMut(i64) -> Result<()>,
) -> Result<()> {
    let mut stmt = conn.prepare_cached(
        "SELECT entry_key
         FROM entries INDEXED BY entries_by_id
         WHERE session_key = ?1
         ORDER BY entry_key DESC",
    )?;
    let mut rows = stmt.query([session])?;
    while let Some(row) = rows.next()? {
        each(row.get("entry_key")?)?;
    }
    Ok(())
}

/// Lines and ids of a session's entries, in file order.
pub(crate) fn lines_and_ids(conn: &Connection, session: SessionKey) -> Result<Vec<(i64, String)>> {
    let mut stmt = conn.prepare_cached(
        "SELECT ifnull(line_key, entry_key) AS line_key, entry_id
         FROM entries INDEXED BY entries_by_id
         WHERE session_key = ?1
         ORDER BY entry_key",
    )?;
    let rows = stmt.query_map([session], |row| Ok((row.get("line_key")?, row.get("entry_id")?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Stands for the parent of an entry that has none.
pub(crate) const NO_PARENT: u32 = u32::MAX;

/// The parent of each entry of a session, both by position in its file.
pub(crate) fn parents(conn: &Connection, session: SessionKey) -> Result<Vec<u32>> {
    let mut stmt = conn.prepare_cached(
        "SELECT entry_key, parent_key
         FROM entries INDEXED BY entries_by_id
         WHERE session_key = ?1 AND parent_key IS NOT NULL",
    )?;
    let mut rows = stmt.query([session])?;
    let mut parents = Vec::new();
    while let Some(row) = rows.next()? {
        let at = position(row.get("entry_key")?) as usize;
        if parents.len() <= at {
            parents.resize(at + 1, NO_PARENT);
        }
        parents[at] = position(row.get("parent_key")?);
    }
    Ok(parents)
}

fn entry_from_row(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let key: i64 = row.get("line_key")?;
    Ok(Entry {
        id: row.get("entry_id")?,
        parent_id: row.get("parent_id")?,
        entry_type: row.get("type")?,
        role: row.get("role")?,
        created_at: row.get("created_at")?,
        label: row.get::<_, Option<Stored>>("label")?.map(|label| label.to_text()),
        line: line_number(key),
        key,
    })
}
