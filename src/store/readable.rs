//! Reads what is left of a table in which pages are damaged.

use rusqlite::Connection;

use crate::error::Result;

/// Consecutive keys that may fail before the rest is given up: more than a page
/// holds.
const PATIENCE: u32 = 4_096;

/// Reads a range of keys, continuing after rows that cannot be read.
///
/// `read` reads from a key to the end of the range, and sets its second argument to
/// the key after the last one that it has read.
pub(crate) fn each_readable(
    range: [i64; 2],
    mut read: impl FnMut([i64; 2], &mut i64) -> Result<()>,
) -> Result<()> {
    let mut from = range[0];
    let mut failures = 0;
    while from <= range[1] && failures < PATIENCE {
        let mut next = from;
        match read([from, range[1]], &mut next) {
            Ok(()) => return Ok(()),
            Err(err) if err.is_of_content() => {}
            Err(err) => return Err(err),
        }
        failures = if from < next { 0 } else { failures + 1 };
        // If nothing could be read, the next key is tried.
        from = next.max(from.saturating_add(i64::from(failures != 0)));
    }
    Ok(())
}

/// The keys of the sessions that can be read, in no particular order.
pub(crate) fn sessions(conn: &Connection) -> Result<Vec<i64>> {
    keys(
        conn,
        "SELECT session_key AS key
         FROM sessions
         WHERE session_key BETWEEN ?1 AND ?2
         ORDER BY session_key",
    )
}

/// The keys of the files that can be read, in no particular order.
pub(crate) fn files(conn: &Connection) -> Result<Vec<i64>> {
    keys(
        conn,
        "SELECT file_id AS key
         FROM files
         WHERE file_id BETWEEN ?1 AND ?2
         ORDER BY file_id",
    )
}

/// The keys of the problems that can be read, in no particular order.
pub(crate) fn problems(conn: &Connection) -> Result<Vec<i64>> {
    keys(
        conn,
        "SELECT problem_id AS key
         FROM problems
         WHERE problem_id BETWEEN ?1 AND ?2
         ORDER BY problem_id",
    )
}

/// What is wrong with the tables that list the files: a row that its index does not
/// lead to would be missing silently. Usually `None`.
pub(crate) fn damage_of_files(conn: &Connection) -> Result<Option<String>> {
    let mut stmt = conn.prepare_cached(
        "SELECT integrity_check AS message FROM pragma_integrity_check('sources')
         UNION ALL
         SELECT integrity_check FROM pragma_integrity_check('files')",
    )?;
    let mut rows = stmt.query([])?;
    while let Some(row) = rows.next()? {
        let message: String = row.get("message")?;
        if message != "ok" {
            return Ok(Some(message));
        }
    }
    Ok(None)
}

fn keys(conn: &Connection, sql: &str) -> Result<Vec<i64>> {
    let mut found = Vec::new();
    each_readable([1, i64::MAX], |range, next| {
        let mut stmt = conn.prepare_cached(sql)?;
        let mut rows = stmt.query(range)?;
        while let Some(row) = rows.next()? {
            let key: i64 = row.get("key")?;
            found.push(key);
            *next = key.saturating_add(1);
        }
        Ok(())
    })?;
    Ok(found)
}
