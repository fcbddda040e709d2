//! The schema's version, and bringing it up to date.

use std::path::Path;

use refinery::error::Kind;
use rusqlite::Connection;

use crate::error::{Error, Result};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Marks a SQLite file as ours; "SESL". Set by the first migration.
pub(super) const APPLICATION_ID: u32 = 0x5345_534C;

/// The newest schema that this release knows.
fn known_version() -> u32 {
    embedded::migrations::runner()
        .get_migrations()
        .iter()
        .map(|migration| u32::try_from(migration.version()).unwrap_or_default())
        .max()
        .unwrap_or_default()
}

/// Refuses a database of a newer release before anything touches it.
pub(super) fn check_version(path: &Path, found: u32) -> Result<()> {
    let known = known_version();
    if known < found {
        return Err(Error::SchemaTooNew { path: path.to_owned(), found, known });
    }
    Ok(())
}

/// Refuses a database that lacks a migration, or that has one too many.
pub(super) fn check_current(path: &Path, conn: &Connection) -> Result<()> {
    let found = user_version(conn)?;
    check_version(path, found)?;
    if found < known_version() {
        return Err(Error::SchemaTooOld(path.to_owned()));
    }
    Ok(())
}

/// Applies every migration that the database lacks, all or none.
pub(super) fn migrate(path: &Path, conn: &mut Connection) -> Result<()> {
    let found = user_version(conn)?;
    check_version(path, found)?;
    if found == known_version() {
        return Ok(());
    }
    // Grouped: otherwise refinery commits a migration and its history row
    // apart, and a crash between the two leaves a database that never opens.
    let runner = embedded::migrations::runner().set_grouped(true);
    // Two processes that bring the same database up to date at once both see
    // it old; the loser fails. The winner has committed by then, so a second
    // look finds nothing left to do.
    match runner.run(conn).or_else(|_| runner.run(conn)) {
        Ok(_) => Ok(()),
        Err(err) => match err.kind() {
            Kind::MissingVersion(newer) => Err(Error::SchemaTooNew {
                path: path.to_owned(),
                found: u32::try_from(newer.version()).unwrap_or_default(),
                known: known_version(),
            }),
            _ => Err(Error::Migration(err)),
        },
    }
}

fn user_version(conn: &Connection) -> Result<u32> {
    Ok(conn.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}
