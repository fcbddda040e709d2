//! Checks the schema, and runs SQLite's own checks.

use rusqlite::Connection;

use super::Findings;
use crate::error::{Error, Result};
use crate::store::schema::{self, Object};

/// Compares the schema with ours. If it differs, no other check can be relied on.
pub(super) fn check_schema(conn: &Connection, findings: &mut Findings) -> Result<()> {
    let objects = schema::objects(conn)?;
    if let Some((object, difference)) = schema::first_difference(conn, &objects)? {
        findings.add(object, difference);
    }
    Ok(())
}

/// Checks that the header and the migration history have the current schema version.
pub(super) fn check_version(conn: &Connection, findings: &mut Findings) -> Result<()> {
    let (version, known) = (schema::user_version(conn)?, schema::known_version());
    if version != known {
        let detail = format!(
            "it says that the schema is {version}, and it is {known}; \
             opening it for writing, as `rebuild` does, mends that"
        );
        findings.add("header", detail);
    }
    match schema::check_history(conn) {
        Err(Error::Damaged(detail)) => findings.add("refinery_schema_history", detail),
        checked => checked?,
    }
    Ok(())
}

pub(super) fn check_sqlite(conn: &Connection, findings: &mut Findings) -> Result<()> {
    let mut messages = Vec::new();
    let mut add = |row: &rusqlite::Row<'_>| {
        messages.push(row.get::<_, String>(0)?);
        Ok(())
    };
    let foreign = schema::foreign(conn)?;
    let tables = || schema::ours().map(|ours| ours.iter().filter(|object| object.kind == "table"));
    if foreign.iter().all(evaluates_nothing) {
        conn.pragma_query(None, "integrity_check", &mut add)?;
    } else {
        // Checking table by table would not notice pages that belong to no table.
        for name in tables()?.map(|table| table.name.as_str()).chain(["sqlite_schema"]) {
            conn.pragma(None, "integrity_check", name, &mut add)?;
        }
    }
    messages.retain(|message| message != "ok");
    for message in messages {
        findings.add("SQLite", message.escape_debug().to_string());
    }
    for table in tables()? {
        conn.pragma(None, "foreign_key_check", &table.name, |row| {
            let (rowid, parent): (Option<i64>, String) = (row.get(1)?, row.get(2)?);
            let rowid = rowid.unwrap_or_default();
            findings.add(&table.name, format!("row {rowid} points to no row of {parent}"));
            Ok(())
        })?;
    }
    Ok(())
}

/// Whether SQLite's check of the whole file evaluates nothing from a foreign object:
/// it has no column or index by expression, and no module. (CHECK constraints are not
/// evaluated on a read-only connection.)
fn evaluates_nothing(object: &Object) -> bool {
    let Some(sql) = &object.sql else { return true };
    let sql = sql.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| sql.contains(word));
    match object.kind.to_ascii_lowercase().as_str() {
        "table" => !has(&["VIRTUAL", "AS", "COLLATE"]),
        "index" => !has(&["WHERE", "COLLATE"]) && sql.matches('(').count() == 1,
        _ => true,
    }
}
