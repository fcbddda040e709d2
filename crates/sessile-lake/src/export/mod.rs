//! Export: what a lake does not hold of a store yet, into new files.
//!
//! The store is read in one state. Of each content the lake knows how many rows it has and
//! their digest: where a content goes on, its new rows are added, and where it is another,
//! it gets a number of its own. So nothing that was written is ever written again.

mod content;
mod files;
mod sessions;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use sessile::{StoreOptions, Timestamp};

use crate::columns::Value;
use crate::error::{Error, Result};
use crate::manifest::{self, Export, Manifest, Partition, hex, is_digest};
use crate::state::State;
use crate::table::Table;
use crate::write::{self, Writer};

/// Where files are until they are whole.
const ASIDE: &str = ".export";
const LOCK: &str = "lock";

/// What to export.
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "options do nothing until `export`"]
pub struct ExportOptions {
    since: Option<Timestamp>,
}

impl ExportOptions {
    /// Everything that the lake does not hold yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves out what was last active before that, unless the lake holds some of it. Default: `None`.
    pub fn since(mut self, since: Option<Timestamp>) -> Self {
        self.since = since;
        self
    }
}

/// What an export added to a lake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportReport {
    /// Files of the lake.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Lines of logs, and chunks of documents.
    pub lines: u64,
    /// Their bytes.
    pub raw_bytes: u64,
    /// Sessions that are new, or another.
    pub sessions: u64,
    /// Sessions that the store no longer has. The lake keeps what it held of them.
    pub gone: u64,
}

/// Adds to a lake what it does not hold of a store yet; makes the folder, if there is none.
///
/// `Ok` means that all of it is on the disk and in the manifest; an error, but for
/// [`Incomplete`](Error::Incomplete), that the lake is as it was. What was purged of the store
/// stays in the lake: to be rid of it, export into a new folder, and remove this one.
///
/// # Errors
///
/// Those of [`StoreOptions::open`]; [`Busy`](Error::Busy) while another process exports into the
/// lake; [`NotEmpty`](Error::NotEmpty) for a folder of something else;
/// [`OtherStore`](Error::OtherStore) for a lake that has nothing in common with the store;
/// [`Incomplete`](Error::Incomplete) where files of the store are damaged: all others are in the lake.
pub fn export(
    db: impl AsRef<Path>,
    lake: impl AsRef<Path>,
    options: &ExportOptions,
) -> Result<ExportReport> {
    let (db, lake) = (db.as_ref(), lake.as_ref());
    // It proves that the schema is ours, and keeps the journal's index there.
    let store = StoreOptions::new().create(false).read_only(true).open(db)?;
    let conn = Connection::open_with_flags(
        store.path(),
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    conn.busy_timeout(std::time::Duration::from_secs(10))?;
    conn.set_prepared_statement_cache_capacity(64);
    conn.execute_batch("BEGIN")?;
    let _lock = lock(lake)?;
    let manifest = match Manifest::read(lake)? {
        Some(manifest) => manifest,
        None => new_lake(lake)?,
    };
    remove_strays(lake, &manifest)?;
    let state = State::read(lake, &manifest)?;
    let run = Run {
        conn: &conn,
        state: &state,
        writer: Writer::begin(lake.join(ASIDE))?,
        number: manifest.exports.len() as i64 + 1,
        next_chain: manifest.next_chain(),
        since: options.since,
        report: ExportReport::default(),
        failed: Vec::new(),
    };
    run.finish(lake, manifest)
}

/// One export.
struct Run<'a> {
    conn: &'a Connection,
    state: &'a State,
    writer: Writer,
    number: i64,
    next_chain: i64,
    since: Option<Timestamp>,
    report: ExportReport,
    failed: Vec<(PathBuf, String)>,
}

impl Run<'_> {
    fn finish(mut self, lake: &Path, mut manifest: Manifest) -> Result<ExportReport> {
        let now = Timestamp::now();
        let files = self.files()?;
        let is_known = |(id, file): (&i64, &files::Filed)| {
            let known = self.state.files.get(id);
            known.is_some_and(|known| known.path == file.path)
        };
        if !self.state.files.is_empty() && !files.iter().any(is_known) {
            return Err(Error::OtherStore(lake.to_owned()));
        }
        self.sessions(&files)?;
        self.store(now)?;
        if self.writer.is_empty() {
            fs::remove_dir_all(lake.join(ASIDE)).map_err(Error::io("write into", lake))?;
        } else {
            let files = self.writer.finish(lake)?;
            self.report.files = files.len() as u64;
            self.report.bytes = files.iter().map(|file| file.bytes).sum();
            let (number, next_chain) = (self.number, self.next_chain);
            manifest.exports.push(Export { number, at: now.to_string(), next_chain, files });
            manifest.write(lake)?;
        }
        match self.failed.is_empty() {
            true => Ok(self.report),
            false => Err(Error::Incomplete { failed: self.failed }),
        }
    }

    /// What no other table holds and nothing can be folded from; all of it, where it is another.
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

/// The format and origin of what is of all.
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

/// Holds the lake, so that nobody else exports into it.
fn lock(lake: &Path) -> Result<File> {
    write::make_folder(lake)?;
    let path = lake.join(LOCK);
    let file =
        File::options().create(true).append(true).open(&path).map_err(Error::io("write", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Busy(lake.to_owned())),
        Err(TryLockError::Error(err)) => Err(Error::io("lock", &path)(err)),
    }
}

/// A folder that is empty, but for what a killed first export left.
fn new_lake(lake: &Path) -> Result<Manifest> {
    let names = |folder: &Path| -> Result<Vec<String>> {
        let listed = fs::read_dir(folder).map_err(Error::io("read", folder))?;
        let name = |item: io::Result<fs::DirEntry>| {
            Ok(item.map_err(Error::io("read", folder))?.file_name().to_string_lossy().into_owned())
        };
        listed.map(name).collect()
    };
    for name in names(lake)? {
        let is_ours = match Table::named(&name) {
            // A program may have a folder of such a name.
            Some(_) => names(&lake.join(&name))?.iter().all(|below| below.starts_with("format=")),
            None => matches!(name.as_str(), LOCK | ASIDE | ".manifest.json.new"),
        };
        if !is_ours {
            return Err(Error::NotEmpty(lake.to_owned()));
        }
    }
    Ok(Manifest::default())
}

/// Removes files that a killed export named and no manifest does: who reads all files would read them.
fn remove_strays(lake: &Path, manifest: &Manifest) -> Result<()> {
    let known: HashSet<PathBuf> = manifest.files().map(|file| lake.join(file.path())).collect();
    for path in manifest::found(lake)? {
        let is_named_ours = path.file_stem().and_then(|stem| stem.to_str()).is_some_and(is_digest);
        if is_named_ours && !known.contains(&path) {
            match fs::remove_file(&path) {
                Err(err) if err.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", &path)(err));
                }
                _ => {}
            }
        }
    }
    Ok(())
}
