//! Exports what a lake does not have of a store yet, into new files.
//!
//! The store is read in one transaction. For each content, the lake has the number of its rows
//! and their digest. If the content only grew, its new rows are added; if it changed, it gets a
//! new chain number. So a row is never exported twice.

mod content;
mod files;
mod parts;
mod sessions;
#[cfg(test)]
mod tests;
mod text;
mod tree;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use sessile::{StoreOptions, Timestamp};

use self::text::Words;
use crate::columns::Value;
use crate::error::{Error, Result};
use crate::manifest::{Entry, Export, Manifest, Partition, hex};
use crate::place::{Lake, MANIFEST, Place, Turn};
use crate::state::State;
use crate::table::Table;
use crate::write::Writer;

/// What to export.
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "options do nothing until `export`"]
pub struct ExportOptions {
    since: Option<Timestamp>,
}

impl ExportOptions {
    /// Exports everything that the lake does not have yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves out what was last active before `since`, unless the lake has some of it. Default: `None`.
    pub fn since(mut self, since: Option<Timestamp>) -> Self {
        self.since = since;
        self
    }
}

/// What an export added to a lake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportReport {
    /// Files added to the lake.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Lines of logs, and chunks of documents.
    pub lines: u64,
    /// Their size in bytes.
    pub raw_bytes: u64,
    /// Sessions that are new or changed.
    pub sessions: u64,
    /// Sessions that the store no longer has. The lake keeps what it has of them.
    pub gone: u64,
}

/// Adds to a lake what it does not have of a store yet; creates the folder if there is none.
///
/// `Ok` means that everything is on the disk and in the manifest. An error other than
/// [`Incomplete`](Error::Incomplete) means that the lake is unchanged. What was purged from the
/// store stays in the lake; to delete it, export into a new folder and delete this one.
///
/// # Errors
///
/// Those of [`StoreOptions::open`]; [`Busy`](Error::Busy) while another process exports into the
/// lake; [`NotEmpty`](Error::NotEmpty) for a folder with other content;
/// [`OtherStore`](Error::OtherStore) for a lake that has nothing in common with the store;
/// [`Incomplete`](Error::Incomplete) if files of the store are damaged; all others are exported.
pub fn export(
    db: impl AsRef<Path>,
    lake: impl Into<Lake>,
    options: &ExportOptions,
) -> Result<ExportReport> {
    let (db, lake) = (db.as_ref(), lake.into());
    let lake = &*lake.0;
    // It verifies the schema, and keeps the WAL's index file in place while it is open.
    let store = StoreOptions::new().create(false).read_only(true).open(db)?;
    let conn = Connection::open_with_flags(
        store.path(),
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    conn.busy_timeout(std::time::Duration::from_secs(10))?;
    conn.set_prepared_statement_cache_capacity(64);
    conn.execute_batch("BEGIN")?;
    let mut turn = lake.begin()?;
    let there = turn.manifest()?;
    let is_new = there.is_none();
    let manifest = match there {
        Some(text) => Manifest::parse(lake, &text)?,
        None if turn.is_empty()? => Manifest::default(),
        None => return Err(Error::NotEmpty(lake.name().to_owned())),
    };
    turn.remove_strays(&manifest.files().map(Entry::path).collect())?;
    let state = State::read(lake, &manifest)?;
    let run = Run {
        conn: &conn,
        state: &state,
        writer: Writer::begin(turn.aside(), turn.mark())?,
        is_new,
        number: manifest.exports.len() as i64 + 1,
        next_chain: manifest.next_chain(),
        since: options.since,
        words: Words::default(),
        report: ExportReport::default(),
        failed: Vec::new(),
    };
    run.finish(lake, &mut *turn, manifest)
}

/// One export.
struct Run<'a> {
    conn: &'a Connection,
    state: &'a State,
    writer: Writer,
    /// Whether the lake has no manifest yet.
    is_new: bool,
    number: i64,
    next_chain: i64,
    since: Option<Timestamp>,
    words: Words,
    report: ExportReport,
    failed: Vec<(PathBuf, String)>,
}

impl Run<'_> {
    fn finish(
        mut self,
        lake: &dyn Place,
        turn: &mut dyn Turn,
        mut manifest: Manifest,
    ) -> Result<ExportReport> {
        let now = Timestamp::now();
        let files = self.files()?;
        if self.is_other_store(&files)? {
            return Err(Error::OtherStore(lake.name().to_owned()));
        }
        self.sessions(&files)?;
        self.store(now)?;
        if !self.writer.is_empty() || self.is_new {
            let files = self.writer.finish()?;
            self.report.files = files.len() as u64;
            self.report.bytes = files.iter().map(|file| file.entry.bytes).sum();
            let (number, next_chain) = (self.number, self.next_chain);
            let entries: Vec<Entry> = files.iter().map(|file| file.entry.clone()).collect();
            if !entries.is_empty() {
                let at = now.to_string();
                manifest.exports.push(Export { number, at, next_chain, files: entries });
            }
            let text = manifest.to_json().map_err(std::io::Error::from);
            turn.add(&files, &text.map_err(Error::io("write", lake.named(MANIFEST)))?)?;
        }
        if self.failed.is_empty() {
            Ok(self.report)
        } else {
            Err(Error::Incomplete { failed: self.failed })
        }
    }

    /// Whether the lake is of another store: nothing in it is in this store or was purged from
    /// it. Session keys are never reused, so after a purge of everything that the lake has, all
    /// keys in this store are greater than the last one in the lake.
    fn is_other_store(&self, files: &files::Files) -> Result<bool> {
        let is_known = |(id, file): (&i64, &files::Filed)| {
            let known = self.state.files.get(id).filter(|known| known.has_content());
            known.is_some_and(|known| known.path == file.path)
        };
        if self.state.files.is_empty() || files.iter().any(is_known) {
            return Ok(false);
        }
        let here = store_rows(self.conn)?;
        let (known, now) = (Origins::of(&self.state.store), Origins::of(&here));
        let has_older: bool = self.conn.query_row(
            "SELECT EXISTS (SELECT 1 FROM sessions WHERE session_key <= ?1)",
            [known.last_session],
            |row| row.get(0),
        )?;
        let is_later = known.last_session <= now.last_session && !has_older;
        Ok(!is_later || known.roots.is_disjoint(&now.roots))
    }

    /// Exports what is in no other table and cannot be folded from the log: all of it, if any
    /// changed.
    fn store(&mut self, now: Timestamp) -> Result<()> {
        let rows = store_rows(self.conn)?;
        if rows == self.state.store {
            return Ok(());
        }
        let partition = Partition::new(ANY, ANY, now.0);
        for (kind, json) in &rows {
            let row = [self.number.into(), Value::from(kind), Value::from(json)];
            self.writer.push(Table::Store, &partition, &row)?;
        }
        Ok(())
    }
}

/// What identifies a store if none of its files is in the lake.
#[derive(Default)]
struct Origins {
    /// The id and path of each source.
    roots: HashSet<(i64, String)>,
    last_session: i64,
}

impl Origins {
    fn of(rows: &[(String, String)]) -> Self {
        let mut found = Self::default();
        for (kind, json) in rows {
            let row: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
            let int = |name: &str| row[name].as_i64().unwrap_or_default();
            match kind.as_str() {
                "source" => drop(found.roots.insert((int("source_id"), row["root"].to_string()))),
                "last_session" => found.last_session = int("seq"),
                _ => {}
            }
        }
        found
    }
}

/// The format and origin in the partition of rows that belong to no single source.
const ANY: &str = "any";

fn store_rows(conn: &Connection) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for (kind, sql) in [
        (
            "source",
            "SELECT source_id, root, format, origin, settled_file
             FROM sources
             ORDER BY source_id",
        ),
        (
            "purged",
            "SELECT purged_id, source_id, session_id, size, sha256, inode
             FROM purged
             ORDER BY purged_id",
        ),
        (
            "problem",
            "SELECT problem_id, source_id, file_id, path, line, kind, detail
             FROM problems
             WHERE session_key IS NULL
             ORDER BY problem_id",
        ),
        (
            "last_session",
            "SELECT seq
             FROM sqlite_sequence
             WHERE name = 'sessions'",
        ),
    ] {
        let mut stmt = conn.prepare(sql)?;
        let names: Vec<String> = stmt.column_names().into_iter().map(str::to_owned).collect();
        let mut rows = stmt.query([])?;
        while let Some(row) = rows.next()? {
            let mut fields = serde_json::Map::new();
            for (n, name) in names.iter().enumerate() {
                let value = match row.get_ref(n)? {
                    ValueRef::Null => json!(null),
                    ValueRef::Integer(number) => json!(number),
                    ValueRef::Real(number) => json!(number),
                    ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
                    ValueRef::Blob(bytes) => json!({ "hex": hex(bytes) }),
                };
                fields.insert(name.clone(), value);
            }
            found.push((kind.to_owned(), serde_json::Value::Object(fields).to_string()));
        }
    }
    Ok(found)
}
