//! The schema: its version, its migration, and the proof that a database has it.
//!
//! A database is untrusted input. Before anything in it is used, its schema is
//! compared with the one that the migrations make, object by object. The objects
//! decide, not the version in the header: one wrong byte there must not lock
//! anybody out.
//!
//! Making the schema in memory takes three times as long as opening a database. So
//! its digest is kept here, and the objects are made and compared only if the
//! digest does not match (because of foreign objects, or an older or damaged
//! schema). An outdated digest only costs time, and a test reports it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;

use chrono::DateTime;
use refinery::error::Kind;
use refinery::{Runner, Target};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use sha2::{Digest, Sha256};

use super::replicator;
use crate::error::{Error, Result};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Marks a SQLite file as a sessile database; spells "SESL". Set by the first
/// migration.
pub(super) const APPLICATION_ID: u32 = 0x5345_534C;

/// The digest of the objects that the migrations make.
const DIGEST: &str = "046008c1587bc8ae724805b907e179c0d752d7e19279df9f1c1d22e7d2b231bd";

/// The newest schema version that this release knows.
pub(crate) fn known_version() -> u32 {
    env!("SESSILE_SCHEMA_VERSION").parse().unwrap_or_default()
}

/// A row of a database's schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    /// `table`, `index`, `trigger` or `view`.
    pub(crate) kind: String,
    pub(crate) name: String,
    /// The table that it belongs to; its own name if it is a table.
    pub(crate) table: String,
    /// The root page of its b-tree; 0 if it has none.
    root: i64,
    pub(crate) sql: Option<String>,
}

type Key = (bool, String);

impl Object {
    /// Identifies the object. A trigger may have the name of a table, and SQLite
    /// ignores case in names.
    fn key(&self) -> Key {
        (self.is_a("trigger"), self.name.to_ascii_lowercase())
    }

    /// The key of the table that it belongs to.
    fn table_key(&self) -> Key {
        (false, self.table.to_ascii_lowercase())
    }

    fn is_a(&self, kind: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind)
    }

    /// Whether it is the same object, apart from its root page.
    fn is_like(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.name == other.name
            && self.table == other.table
            && self.sql == other.sql
            && (self.root == 0) == (other.root == 0)
    }
}

/// What an opened database turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proven {
    /// The schema of this release; `is_marked` if the header says so, too.
    Current { is_marked: bool },
    /// The schema of this version of an older release.
    Older(u32),
}

/// Compares the schema of a database with ours. Nothing in the database is trusted
/// before.
pub(super) fn prove(path: &Path, conn: &Connection) -> Result<Proven> {
    let path = path.to_owned();
    let (version, known) = (user_version(conn)?, known_version());
    let objects = objects(conn)?;
    let Some((object, difference)) = first_difference(conn, &objects)? else {
        if known < version {
            // A newer release may have changed only rows, which the migration
            // history tells.
            let found = newest_applied(conn)?;
            if known < found {
                return Err(Error::SchemaTooNew { path, found, known });
            }
        }
        return Ok(Proven::Current { is_marked: version == known });
    };
    if let Some(older) = older_version(conn, &objects)? {
        return Ok(Proven::Older(older));
    }
    if known < version {
        return Err(Error::SchemaTooNew { path, found: version, known });
    }
    let is_of_another_build = is_made_by_others(conn);
    Err(Error::SchemaDiffers { path, object, difference, is_of_another_build })
}

/// Whether the history says that other migrations than ours made the schema, each
/// completely. A history that cannot be read says nothing.
fn is_made_by_others(conn: &Connection) -> bool {
    let runner = embedded::migrations::runner();
    let checksum = |version: i64| {
        let migrations = runner.get_migrations().iter();
        let mut ours = migrations.filter(|migration| i64::from(migration.version()) == version);
        ours.next().map(|migration| migration.checksum().to_string())
    };
    let read = || {
        let mut stmt =
            conn.prepare("SELECT version, checksum FROM refinery_schema_history ORDER BY version")?;
        let rows = stmt.query_map([], |row| Ok((row.get("version")?, row.get("checksum")?)))?;
        rows.collect::<rusqlite::Result<Vec<(i64, String)>>>()
    };
    read().is_ok_and(|applied| {
        applied.iter().any(|(version, applied)| {
            applied.parse::<u64>().is_ok() && checksum(*version).as_ref() != Some(applied)
        })
    })
}

/// The version of an older release whose objects are exactly those of ours that the
/// database has.
fn older_version(conn: &Connection, objects: &[Object]) -> Result<Option<u32>> {
    let ours = keys(ours()?);
    let count = objects.iter().filter(|object| ours.contains(&object.key())).count();
    for older in (1..known_version()).rev() {
        let expected = made_by(older)?;
        if expected.len() == count && difference_from(conn, objects, &expected)?.is_none() {
            return Ok((newest_applied(conn)? == older).then_some(older));
        }
    }
    Ok(None)
}

/// The first object that differs from ours, and how it differs.
pub(crate) fn first_difference(
    conn: &Connection,
    objects: &[Object],
) -> Result<Option<(String, &'static str)>> {
    if is_digest_of_ours(objects) {
        return Ok(shared_page(objects));
    }
    difference_from(conn, objects, ours()?)
}

/// Whether these are the objects that this release makes, ignoring the tables that a
/// replicator adds to every database that it follows.
pub(super) fn is_digest_of_ours(objects: &[Object]) -> bool {
    digest(objects.iter().filter(|object| !replicator::is_table_of(object))) == DIGEST
}

/// The first difference from what a version makes. Foreign tables and views, and
/// indexes and triggers on them, are no difference.
fn difference_from(
    conn: &Connection,
    objects: &[Object],
    expected: &[Object],
) -> Result<Option<(String, &'static str)>> {
    let found: BTreeMap<Key, &Object> =
        objects.iter().map(|object| (object.key(), object)).collect();
    let ours = keys(expected);
    for object in expected {
        let difference = match found.get(&object.key()) {
            None => "is missing",
            Some(found) if !found.is_like(object) => "is not the one that this program makes",
            Some(_) => continue,
        };
        return Ok(Some((format!("{} {}", object.kind, object.name), difference)));
    }
    for object in objects.iter().filter(|object| !ours.contains(&object.key())) {
        let is_on_ours = ours.contains(&object.table_key());
        let is_allowed = object.is_a("table")
            || object.is_a("view")
            || object.is_a("index") && !is_on_ours
            || object.is_a("trigger") && !is_on_ours && !others_have_foreign_keys(conn, &ours)?;
        if !is_allowed {
            let object = format!("{} {} on {}", object.kind, object.name, object.table);
            return Ok(Some((object, "is not of this program")));
        }
    }
    Ok(shared_page(objects))
}

/// Whether a foreign table has a foreign key: through its actions, a change to one of
/// our tables would reach that table and its triggers.
fn others_have_foreign_keys(conn: &Connection, ours: &BTreeSet<Key>) -> Result<bool> {
    let mut stmt = conn.prepare(
        "SELECT DISTINCT schema.name
         FROM sqlite_schema AS schema, pragma_foreign_key_list(schema.name)",
    )?;
    let mut rows = stmt.query([])?;
    while let Some(row) = rows.next()? {
        let table = text(row, 0)?.unwrap_or_default();
        if !ours.contains(&(false, table.to_ascii_lowercase())) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Two objects with the same root page, or one with that of the schema table.
fn shared_page(objects: &[Object]) -> Option<(String, &'static str)> {
    let mut pages = BTreeSet::from([1]);
    let object = objects.iter().find(|object| object.root != 0 && !pages.insert(object.root))?;
    Some((format!("{} {}", object.kind, object.name), "has the same root page as another"))
}

/// Objects that this program did not make, which are left alone.
pub(crate) fn foreign(conn: &Connection) -> Result<Vec<Object>> {
    let ours = keys(ours()?);
    let mut found = objects(conn)?;
    found.retain(|object| !ours.contains(&object.key()));
    Ok(found)
}

/// The objects that this release makes, by name.
pub(crate) fn ours() -> Result<&'static [Object]> {
    static OURS: OnceLock<Vec<Object>> = OnceLock::new();
    match OURS.get() {
        Some(objects) => Ok(objects),
        None => {
            let objects = made_by(known_version())?;
            Ok(OURS.get_or_init(|| objects))
        }
    }
}

fn made_by(version: u32) -> Result<Vec<Object>> {
    let mut conn = Connection::open_in_memory()?;
    runner(version).run(&mut conn)?;
    objects(&conn)
}

fn keys(objects: &[Object]) -> BTreeSet<Key> {
    objects.iter().map(Object::key).collect()
}

/// The objects of a database: its tables, then the rest, by name.
pub(crate) fn objects(conn: &Connection) -> Result<Vec<Object>> {
    let mut stmt = conn.prepare_cached(
        "SELECT type, name, tbl_name, rootpage, sql
         FROM sqlite_schema",
    )?;
    let rows = stmt.query_map([], |row| {
        Ok(Object {
            kind: text(row, 0)?.unwrap_or_default(),
            name: text(row, 1)?.unwrap_or_default(),
            table: text(row, 2)?.unwrap_or_default(),
            root: row.get(3)?,
            sql: text(row, 4)?,
        })
    })?;
    let mut objects: Vec<Object> = rows.collect::<rusqlite::Result<_>>()?;
    // Tables first: if a table is gone, so are its indexes and triggers.
    objects.sort_by_cached_key(|object| (!object.is_a("table"), object.key()));
    Ok(objects)
}

/// A column that should be text, but may hold anything.
fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<String>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Null => None,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
    })
}

fn digest<'a>(objects: impl IntoIterator<Item = &'a Object>) -> String {
    let mut hasher = Sha256::new();
    for object in objects {
        let sql = object.sql.as_deref();
        for text in [&object.kind, &object.name, &object.table, sql.unwrap_or_default()] {
            hasher.update((text.len() as u64).to_le_bytes());
            hasher.update(text);
        }
        hasher.update([u8::from(object.root != 0), u8::from(sql.is_some())]);
    }
    format!("{:x}", hasher.finalize())
}

/// Makes the schema in an empty database.
pub(super) fn create(conn: &mut Connection) -> Result<()> {
    runner(known_version()).run(conn)?;
    Ok(())
}

/// Applies all migrations that a database of an older release lacks, or none.
pub(super) fn migrate(path: &Path, conn: &mut Connection) -> Result<()> {
    check_history(conn)?;
    let migrated = runner(known_version()).run(conn).map_err(|err| match err.kind() {
        Kind::MissingVersion(newer) => Error::SchemaTooNew {
            path: path.to_owned(),
            found: u32::try_from(newer.version()).unwrap_or_default(),
            known: known_version(),
        },
        _ => Error::from(err),
    });
    match (prove(path, conn)?, migrated) {
        // If two processes migrate one database at once, one fails; by then the
        // other is done.
        (Proven::Current { .. }, _) => Ok(()),
        (Proven::Older(_), Err(err)) => Err(err),
        (Proven::Older(_), Ok(_)) => Err(Error::SchemaTooOld(path.to_owned())),
    }
}

/// Writes the schema version into the header.
pub(super) fn mark(conn: &Connection) -> Result<()> {
    Ok(conn.pragma_update(None, "user_version", known_version())?)
}

fn runner(version: u32) -> Runner {
    // Grouped: otherwise refinery commits a migration and its history row
    // apart, and a crash between the two leaves a database that never opens.
    embedded::migrations::runner()
        .set_grouped(true)
        .set_target(Target::Version(i32::try_from(version).unwrap_or(i32::MAX)))
}

/// The schema version in the header.
pub(crate) fn user_version(conn: &Connection) -> Result<u32> {
    // SQLite returns a number beyond 31 bits as negative.
    let version: i32 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok(version.cast_unsigned())
}

fn newest_applied(conn: &Connection) -> Result<u32> {
    Ok(conn
        .prepare_cached("SELECT ifnull(max(version), 0) AS newest FROM refinery_schema_history")?
        .query_row([], |row| row.get("newest"))?)
}

/// Checks that the migration history is a prefix of ours: refinery would panic at a
/// row that it did not write.
pub(crate) fn check_history(conn: &Connection) -> Result<()> {
    let runner = embedded::migrations::runner();
    // The migrations come sorted by file name, in which the tenth is before the
    // first.
    let mut expected: Vec<_> = runner.get_migrations().iter().collect();
    expected.sort_by_key(|migration| migration.version());
    let mut expected = expected.into_iter();
    let mut stmt = conn.prepare(
        "SELECT version, name, applied_on, checksum
         FROM refinery_schema_history
         ORDER BY version",
    )?;
    let mut rows = stmt.query([])?;
    while let Some(row) = rows.next()? {
        let (version, name): (i64, String) = (row.get("version")?, row.get("name")?);
        let (applied_on, checksum): (String, String) =
            (row.get("applied_on")?, row.get("checksum")?);
        let is_ours = expected.next().is_some_and(|migration| {
            version == i64::from(migration.version())
                && name == migration.name()
                && checksum == migration.checksum().to_string()
                && DateTime::parse_from_rfc3339(&applied_on).is_ok()
        });
        if !is_ours {
            let detail = format!("the history of its schema is not ours at version {version}");
            return Err(Error::Damaged(detail));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_migrations() {
        let found = digest(ours().unwrap());

        assert_eq!(found, DIGEST, "a migration changed: this is the DIGEST to write above");
    }

    #[test]
    fn the_version_is_that_of_the_newest_migration() {
        let runner = embedded::migrations::runner();
        let newest = runner.get_migrations().iter().map(refinery::Migration::version).max();

        assert_eq!(newest.map(i64::from), Some(i64::from(known_version())));
    }
}
