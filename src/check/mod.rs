//! Check: compares the database with what its log says; rebuild repairs it.
//!
//! Every projection is folded again, by the fold that wrote it, into temporary
//! tables of the same names. An unqualified name finds the temporary table first,
//! so the fold needs no second implementation, and the database itself is only
//! read. Then the two are compared row by row.
//!
//! Nothing from the database is executed: the temporary tables are made from our
//! own schema, and foreign objects are not examined.

mod compare;
mod content;
mod projections;
mod readers;
mod rebuild;
pub(crate) mod shadows;
mod sqlite;
mod texts;

use std::panic::resume_unwind;
use std::thread;

use rusqlite::Connection;

use crate::error::{Error, Result};
use crate::model::as_object;
use crate::store::{Store, replicator, schema};

/// Something wrong that a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The table, file or session that it concerns.
    pub place: String,
    /// What is wrong, for a person.
    pub detail: String,
}

as_object! { Finding { place, detail, } }

/// A table, index, trigger or view that this program did not make.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForeignObject {
    /// `table`, `index`, `trigger` or `view`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

as_object! { ForeignObject { kind, name, } }

impl Store {
    /// Checks the store: its schema, SQLite's integrity check and foreign keys, the
    /// checksum of every line, the digest of every file, and whether every projection
    /// equals the fold of the log. An empty result means that all of it is correct.
    ///
    /// It only reads, in one snapshot; others may read and write meanwhile. It takes
    /// as long as reading everything. [`rebuild`](Self::rebuild) repairs what it
    /// finds in projections; a damaged line cannot be repaired. [Foreign
    /// objects](Self::foreign_objects) are neither findings nor examined.
    ///
    /// # Errors
    ///
    /// [`Sqlite`](crate::Error::Sqlite) if SQLite fails for a reason other than
    /// damage. Damage is a finding.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// assert!(store.check()?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check(&self) -> Result<Vec<Finding>> {
        let mut findings = Findings::default();
        match check_all(self, &mut findings) {
            // Later checks would read what is damaged, so this reports what was
            // found so far.
            Err(Error::Damaged(detail)) => findings.add("database", detail),
            checked => checked?,
        }
        Ok(findings.found)
    }

    /// Returns what others put into the database: tables, and the views, indexes and
    /// triggers on them. It is left alone. The tables of
    /// [Litestream](crate::StoreOptions::replicated) are known, and not returned.
    ///
    /// # Errors
    ///
    /// [`Damaged`](crate::Error::Damaged) if the schema cannot be read.
    pub fn foreign_objects(&self) -> Result<Vec<ForeignObject>> {
        let mut objects = self.read(schema::foreign)?;
        // Indexes that SQLite makes for constraints have no statement.
        objects.retain(|object| object.sql.is_some() && !replicator::is_table_of(object));
        Ok(objects
            .into_iter()
            .map(|object| ForeignObject { kind: object.kind, name: object.name })
            .collect())
    }
}

#[derive(Default)]
struct Findings {
    found: Vec<Finding>,
}

impl Findings {
    fn add(&mut self, place: impl Into<String>, detail: impl Into<String>) {
        self.found.push(Finding { place: place.into(), detail: detail.into() });
    }
}

fn check_all(store: &Store, findings: &mut Findings) -> Result<()> {
    let (conn, other) = readers::of_one_state(store.path(), store.reading())?;
    sqlite::check_schema(&conn, findings)?;
    if !findings.found.is_empty() {
        return Ok(());
    }
    sqlite::check_version(&conn, findings)?;
    let Some(other) = other else {
        if check_stored(&conn, findings)? {
            projections::check_projections(&conn, findings)?;
        }
        return Ok(());
    };
    // Checking what is stored takes about as long as folding it again, so both run
    // in parallel.
    let (stored, folded, others) = thread::scope(|scope| {
        let folding = scope.spawn(move || {
            let mut findings = Findings::default();
            let folded = projections::check_projections(&other, &mut findings);
            (folded, findings)
        });
        let stored = check_stored(&conn, findings);
        let (folded, others) = folding.join().unwrap_or_else(|panic| resume_unwind(panic));
        (stored, folded, others)
    });
    // What is folded from a damaged log proves nothing.
    if stored? {
        findings.found.extend(others.found);
        folded?;
    }
    Ok(())
}

/// Checks the file and its content; returns whether projections can be compared.
fn check_stored(conn: &Connection, findings: &mut Findings) -> Result<bool> {
    let before = findings.found.len();
    sqlite::check_sqlite(conn, findings)?;
    if before < findings.found.len() {
        return Ok(false);
    }
    content::check_files(conn, findings)?;
    // This must run before there are temporary tables, which it would read instead.
    texts::check_texts(conn, findings)?;
    Ok(true)
}
