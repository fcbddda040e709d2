//! Check: is the database still what the log says it is? And rebuild, if not.
//!
//! Every projection is folded again, by the same fold that wrote it, into
//! temporary tables of the same names: an unqualified name finds the temporary
//! table first, so that the fold needs no second form, and the database itself
//! is only read. Then the two are compared row by row.
//!
//! Nothing that the database says is run: the temporary tables are made from
//! our own schema, and what others put beside our tables is not looked into.

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
use crate::store::{Store, replicator, schema};

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The table, file or session that it concerns.
    pub place: String,
    /// What is wrong, for a person.
    pub detail: String,
}

/// A table, an index, a trigger or a view that is not of this program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForeignObject {
    /// `table`, `index`, `trigger` or `view`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl Store {
    /// Proves the store: its schema, SQLite's integrity and foreign keys, the
    /// checksum of every line, the digest of every file, and that every
    /// projection equals the fold of the log. No finding means that all of it
    /// holds.
    ///
    /// It only reads, on one snapshot; others may read and write meanwhile. It
    /// takes as long as reading everything does. What it finds in projections,
    /// [`rebuild`](Self::rebuild) mends; a damaged line cannot be mended.
    /// [Objects of others](Self::foreign_objects) are no findings, and are not
    /// looked into.
    ///
    /// # Errors
    ///
    /// [`Sqlite`](crate::Error::Sqlite) when SQLite fails for a reason other than
    /// damage, which is a finding.
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
            // Later checks would read what is damaged; report what was found so far.
            Err(Error::Damaged(detail)) => findings.add("database", detail),
            checked => checked?,
        }
        Ok(findings.found)
    }

    /// What others put into the database: their tables, and the views, indexes
    /// and triggers on them. It is left alone. The tables of
    /// [Litestream](crate::StoreOptions::replicated) are known, and not among it.
    ///
    /// # Errors
    ///
    /// [`Damaged`](crate::Error::Damaged) when the schema cannot be read.
    pub fn foreign_objects(&self) -> Result<Vec<ForeignObject>> {
        let mut objects = self.read(schema::foreign)?;
        // SQLite makes indexes without a statement for the tables that need them.
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
    // To prove what is stored takes about as long as to fold it again.
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
    // What is folded from what is damaged says nothing.
    if stored? {
        findings.found.extend(others.found);
        folded?;
    }
    Ok(())
}

/// Checks the file and its content; returns whether the file is sound.
fn check_stored(conn: &Connection, findings: &mut Findings) -> Result<bool> {
    let before = findings.found.len();
    sqlite::check_sqlite(conn, findings)?;
    if before < findings.found.len() {
        return Ok(false);
    }
    content::check_files(conn, findings)?;
    // Before there are temporary tables, which would be read instead.
    texts::check_texts(conn, findings)?;
    Ok(true)
}
