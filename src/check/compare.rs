//! Compares stored rows with folded ones.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::Findings;
use crate::error::Result;
use crate::model::SessionKey;

/// A table to compare.
pub(super) struct Table<'a> {
    pub(super) name: &'a str,
    pub(super) columns: &'a [String],
    /// The condition that selects the rows of the session `?1`.
    pub(super) is_of_session: &'a str,
    /// The order in which the rows of a session are compared.
    pub(super) order: &'a str,
}

/// Adds a finding if the rows of a session differ.
pub(super) fn compare(
    conn: &Connection,
    table: &Table<'_>,
    session: SessionKey,
    place: &str,
    findings: &mut Findings,
) -> Result<()> {
    let Table { name: table, columns, is_of_session, order } = table;
    // Table and column names come from the schema and from constants, never from
    // data.
    let select = |schema: &str| {
        format!(
            "SELECT {} FROM {schema}.{table} WHERE {is_of_session} ORDER BY {order}",
            columns.join(", ")
        )
    };
    let mut stored_stmt = conn.prepare_cached(&select("main"))?;
    let mut folded_stmt = conn.prepare_cached(&select("temp"))?;
    let mut stored_rows = stored_stmt.query([session])?;
    let mut folded_rows = folded_stmt.query([session])?;
    loop {
        match (stored_rows.next()?, folded_rows.next()?) {
            (None, None) => return Ok(()),
            (Some(stored), Some(folded)) => {
                for (n, column) in columns.iter().enumerate() {
                    // Compared in place, without copying: nearly all values are
                    // equal.
                    let (stored, folded) = (stored.get_ref(n)?, folded.get_ref(n)?);
                    if stored != folded {
                        let detail = format!(
                            "{table}.{column} is {}, the log says {}",
                            show(stored),
                            show(folded)
                        );
                        // The rows that follow would differ for the same reason.
                        findings.add(place, detail);
                        return Ok(());
                    }
                }
            }
            (Some(_), None) => {
                findings.add(place, format!("{table} has a row that does not follow from the log"));
                return Ok(());
            }
            (None, Some(_)) => {
                findings.add(place, format!("{table} lacks a row that follows from the log"));
                return Ok(());
            }
        }
    }
}

fn show(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "absent".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => {
            let text = String::from_utf8_lossy(text);
            format!("{:?}", text.chars().take(80).collect::<String>())
        }
        ValueRef::Blob(bytes) => {
            format!("{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(80)]))
        }
    }
}

/// Compares the trigram index with one that is built from the folded sessions: every
/// term, and the sessions that contain it.
pub(super) fn compare_search(conn: &Connection, findings: &mut Findings) -> Result<()> {
    conn.execute_batch(
        "CREATE VIRTUAL TABLE temp.stored_terms USING fts5vocab (main, session_search, instance);
         CREATE VIRTUAL TABLE temp.folded_terms USING fts5vocab (temp, session_search, instance);",
    )?;
    let mut stored_stmt = conn.prepare("SELECT term, doc FROM temp.stored_terms")?;
    let mut folded_stmt = conn.prepare("SELECT term, doc FROM temp.folded_terms")?;
    let mut stored_rows = stored_stmt.query([])?;
    let mut folded_rows = folded_stmt.query([])?;
    loop {
        let (stored, folded) = (stored_rows.next()?, folded_rows.next()?);
        let (Some(stored), Some(folded)) = (stored, folded) else {
            if stored.is_some() != folded.is_some() {
                findings.add("session_search", "its number of terms differs from that of the log");
            }
            return Ok(());
        };
        if stored.get_ref(0)? != folded.get_ref(0)? || stored.get_ref(1)? != folded.get_ref(1)? {
            let show = |row: &rusqlite::Row<'_>| -> rusqlite::Result<String> {
                Ok(format!("session {} with {}", row.get::<_, i64>(1)?, show(row.get_ref(0)?)))
            };
            let detail = format!("it holds {}, the log gives {}", show(stored)?, show(folded)?);
            findings.add("session_search", detail);
            return Ok(());
        }
    }
}
