//! Recover: what a damaged database still holds, read into a new one.
//!
//! Rows are read by key, in order. Where SQLite finds a page damaged, the rows
//! around it are found by halving the range of keys until what fails is a
//! single one. Everything else (sessions, trees, labels) is folded again.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, Row};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::model::{Format, ProblemKind, Timestamp};
use crate::store::events::{self, EventKind};
use crate::store::files::{self, FileKind, FileRow, FileState, Source};
use crate::store::{Store, log, open, packing, sessions};

/// Bytes that one transaction writes, or a row's, if that is more.
const BATCH_BYTES: usize = 16 << 20;

/// What was read from a damaged database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoverReport {
    /// Files, folders and links, of which at least the name or a line was left.
    pub files: u64,
    /// Lines of logs.
    pub lines: u64,
    /// Chunks of documents.
    pub chunks: u64,
    /// Decisions, such as to archive a session.
    pub events: u64,
    /// Files of which something is lost, or may be.
    pub incomplete: Vec<Incomplete>,
}

/// A file of which something is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Incomplete {
    /// Below its root, separated by `/`.
    pub file: Vec<u8>,
    /// What is lost, for a person.
    pub detail: String,
}

/// Reads what a damaged database still holds into a new one.
///
/// The damaged one is only read, as are the companions beside it. A line is
/// taken only if it matches its checksum. A file whose name is lost is called
/// `recovered/N.jsonl`, below the store's own root.
///
/// # Errors
///
/// [`TargetExists`](Error::TargetExists) rather than overwriting anything;
/// [`DatabaseMissing`](Error::DatabaseMissing),
/// [`DatabaseIsFolder`](Error::DatabaseIsFolder),
/// [`NotADatabase`](Error::NotADatabase) and
/// [`ForeignDatabase`](Error::ForeignDatabase) when there is nothing to read;
/// [`Damaged`](Error::Damaged) when not even the schema can be read.
///
/// # Examples
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let damaged = dir.path().join("sessions.db");
/// # sessile::Store::open(&damaged)?;
/// let report = sessile::recover(&damaged, &dir.path().join("new.db"))?;
/// assert!(report.incomplete.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn recover(damaged: &Path, target: &Path) -> Result<RecoverReport> {
    if target.symlink_metadata().is_ok() {
        return Err(Error::TargetExists(target.to_owned()));
    }
    if open::header(damaged)?.is_none() {
        return Err(Error::DatabaseMissing(damaged.to_owned()));
    }
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    // It gets its name last: what has it is complete.
    let aside = tempfile::Builder::new()
        .prefix(".sessile-recover-")
        .tempdir_in(folder)
        .map_err(Error::io("write into", folder))?;
    let from = open_damaged(damaged, aside.path())?;
    let store = Store::open(&aside.path().join("new.db"))?;
    let size = damaged.metadata().map_err(Error::io("open", damaged))?.len();
    let mut work = Recovery {
        from,
        store,
        max_id: (size / 16).clamp(1_000, 1 << 30) as i64,
        files: BTreeMap::new(),
        report: RecoverReport::default(),
    };
    work.run()?;
    work.store.backup(target)?;
    Ok(work.report)
}

/// Opens a database so that nothing in or beside it changes.
fn open_damaged(path: &Path, aside: &Path) -> Result<Connection> {
    let beside = |end: &str| {
        let mut name = OsString::from(path);
        name.push(end);
        PathBuf::from(name)
    };
    let wal = beside("-wal");
    if wal.metadata().is_ok_and(|wal| 0 < wal.len()) {
        // What it holds is newer than the database; SQLite has to merge the two.
        let copy = aside.join("damaged.db");
        fs::copy(path, &copy).map_err(Error::io("copy", path))?;
        fs::copy(&wal, aside.join("damaged.db-wal")).map_err(Error::io("copy", &wal))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        return open_checked(Connection::open_with_flags(copy, flags)?, path);
    }
    let full = fs::canonicalize(path).map_err(Error::io("open", path))?;
    let mut uri = "file:".to_owned();
    for byte in full.as_os_str().as_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' => uri.push(char::from(*byte)),
            _ if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            _ => uri += &format!("%{byte:02X}"),
        }
    }
    uri += "?immutable=1";
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    open_checked(Connection::open_with_flags(uri, flags)?, path)
}

fn open_checked(conn: Connection, path: &Path) -> Result<Connection> {
    let is_ours: bool = conn.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'lines')",
        [],
        |row| row.get(0),
    )?;
    if !is_ours {
        return Err(Error::ForeignDatabase(path.to_owned()));
    }
    conn.execute_batch("PRAGMA cell_size_check = ON; PRAGMA cache_size = -8192;")?;
    Ok(conn)
}

struct Recovery {
    from: Connection,
    store: Store,
    /// No id can be larger: each takes some bytes.
    max_id: i64,
    /// Rows of files, by their id, which they keep.
    files: BTreeMap<i64, FileRow>,
    report: RecoverReport,
}

impl Recovery {
    fn run(&mut self) -> Result<()> {
        let sources = self.read_sources()?;
        for file in self.collect(&by_key("files", "file_id", "*"), 0, self.max_id, |row| {
            Ok((row.get("file_id")?, files::file_from_row(row)?))
        })? {
            self.files.insert(file.0, file.1);
        }
        let lines = self.content_keys("lines", "line_key")?;
        let chunks = self.content_keys("chunks", "chunk_key")?;
        self.name_the_nameless(&lines, &chunks, &sources);
        self.write_sources(sources)?;
        self.copy_content("lines", "line_key", FileKind::Log, lines)?;
        self.copy_content("chunks", "chunk_key", FileKind::Document, chunks)?;
        self.write_files()?;
        self.write_problems()?;
        // Events belong to sessions, which have to be there; and have their effect on them.
        self.store.rebuild()?;
        self.write_events()?;
        self.store.rebuild()?;
        self.report.files = self.files.len() as u64;
        Ok(())
    }

    /// Every row of a table that can be read, by key.
    fn collect<T>(
        &self,
        sql: &Query,
        first: i64,
        last: i64,
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<(i64, T)>,
    ) -> Result<BTreeMap<i64, T>> {
        let mut found = BTreeMap::new();
        let mut scan = Scan {
            conn: &self.from,
            sql,
            each: &mut |row| {
                // A row that makes no sense is lost.
                if let Ok((key, value)) = read(row) {
                    found.insert(key, value);
                }
            },
        };
        scan.range(first, last, PATIENCE)?;
        Ok(found)
    }

    fn read_sources(&self) -> Result<BTreeMap<i64, Source>> {
        self.collect(&by_key("sources", "source_id", "*"), 0, self.max_id, |row| {
            let source_id = row.get("source_id")?;
            Ok((
                source_id,
                Source { source_id, root: row.get("root")?, format: row.get("format")? },
            ))
        })
    }

    /// Keys of content that matches its checksum.
    fn content_keys(&self, table: &str, key: &str) -> Result<Vec<i64>> {
        let mut scan_keys = BTreeSet::new();
        let sql = by_key(table, key, "*");
        let mut scan = Scan {
            conn: &self.from,
            sql: &sql,
            each: &mut |row| {
                let checked = || -> Option<i64> {
                    let key = row.get("place").ok()?;
                    let raw = row.get_ref("raw").ok()?.as_blob().ok()?;
                    let checksum: i64 = row.get("checksum").ok()?;
                    (i64::from(crc32fast::hash(raw)) == checksum).then_some(key)
                };
                scan_keys.extend(checked());
            },
        };
        // File by file, so that a gap is never wider than a file is long.
        let known: Vec<(i64, u32)> =
            self.files.values().map(|file| (file.file_id, file.line_count)).collect();
        let mut next = 0;
        for (file_id, count) in known {
            scan.range(log::key(next, 0), log::key(file_id, 0) - 1, PATIENCE)?;
            scan.range(log::key(file_id, 0), log::key(file_id, count), PATIENCE)?;
            scan.range(log::key(file_id, count) + 1, log::key(file_id, u32::MAX), PATIENCE)?;
            next = file_id + 1;
        }
        scan.range(log::key(next, 0), log::key(self.max_id, 0), PATIENCE)?;
        Ok(scan_keys.into_iter().collect())
    }

    /// Gives content whose file is unknown a file, and drops rows that contradict one another.
    fn name_the_nameless(
        &mut self,
        lines: &[i64],
        chunks: &[i64],
        sources: &BTreeMap<i64, Source>,
    ) {
        let mut generations = BTreeSet::new();
        let mut states = BTreeSet::new();
        self.files.retain(|_, file| {
            0 < file.file_id
                && (file.kind == FileKind::Link) == file.link_target.is_some()
                && generations.insert((file.source_id, file.path.clone(), file.generation))
                && (file.state == FileState::Superseded
                    || states.insert((file.source_id, file.path.clone(), file.state as u8)))
        });
        let own = sources.values().find(|source| source.root.is_empty());
        let own_id = own.map_or(0, |source| source.source_id);
        for (keys, kind, end) in
            [(lines, FileKind::Log, ".jsonl"), (chunks, FileKind::Document, "")]
        {
            for key in keys {
                let file_id = log::file_of(*key);
                self.files.entry(file_id).or_insert_with(|| {
                    let path = format!("recovered/{file_id}{end}").into_bytes();
                    nameless(file_id, own_id, path, kind)
                });
            }
        }
        let known: BTreeSet<i64> = self.files.keys().copied().collect();
        for file in self.files.values_mut() {
            if file.base_id.is_some_and(|base| base == file.file_id || !known.contains(&base)) {
                file.base_id = None;
            }
        }
    }

    /// Roots that are lost get a name that says so.
    fn write_sources(&mut self, mut sources: BTreeMap<i64, Source>) -> Result<()> {
        for file in self.files.values_mut() {
            if file.source_id == 0 {
                let next = sources.keys().next_back().map_or(1, |last| last + 1);
                let own = sources.values().find(|source| source.root.is_empty());
                file.source_id = own.map_or(next, |own| own.source_id);
            }
            let is_nameless = file.path.starts_with(b"recovered/");
            sources.entry(file.source_id).or_insert_with(|| Source {
                source_id: file.source_id,
                root: match is_nameless {
                    true => Vec::new(),
                    false => format!("/recovered/{}", file.source_id).into_bytes(),
                },
                format: Format::Kward,
            });
        }
        self.store.write(|tx| {
            for source in sources.values() {
                tx.execute(
                    "INSERT OR IGNORE INTO sources (source_id, root, format) VALUES (?1, ?2, ?3)",
                    (source.source_id, &source.root, source.format),
                )?;
            }
            Ok(())
        })
    }

    /// Writes lines or chunks, without the gaps, and says of each file what it holds now.
    fn copy_content(
        &mut self,
        table: &str,
        key: &str,
        kind: FileKind,
        keys: Vec<i64>,
    ) -> Result<()> {
        let enc = if kind == FileKind::Log { "enc" } else { "0" };
        let mut select = self
            .from
            .prepare(&format!("SELECT raw, {enc} AS enc FROM {table} WHERE {key} = ?1"))?;
        let mut keys = keys.into_iter().peekable();
        let ids: Vec<i64> =
            self.files.values().filter(|file| file.kind == kind).map(|file| file.file_id).collect();
        let mut conn = self.store.connection()?;
        let mut tx = conn.transaction()?;
        let mut batch = 0;
        for file_id in ids {
            let before = self.files[&file_id].clone();
            let base_count = match before.base_id.and_then(|base| self.files.get(&base)) {
                Some(base) => before.base_count.min(base.line_count),
                None => 0,
            };
            let mut file =
                FileRow { size: 0, line_count: base_count, base_count, ..before.clone() };
            let mut hasher = Sha256::new();
            // Content of no file of this kind is passed over.
            while let Some(key) = keys.next_if(|key| log::file_of(*key) <= file_id) {
                if log::file_of(key) < file_id {
                    continue;
                }
                let (raw, enc): (Vec<u8>, i64) =
                    select.query_row([key], |row| Ok((row.get("raw")?, row.get("enc")?)))?;
                // One that cannot be unpacked is a gap.
                let Ok(raw) = packing::unpack(enc, &raw) else { continue };
                let place = log::key(file_id, file.line_count);
                match kind {
                    FileKind::Log => log::insert_line(&tx, place, &raw)?,
                    _ => log::insert_chunk(&tx, place, &raw)?,
                }
                hasher.update(&raw);
                file.line_count += 1;
                file.size += raw.len() as u64;
                batch += raw.len();
                if BATCH_BYTES <= batch {
                    tx.commit()?;
                    tx = conn.transaction()?;
                    batch = 0;
                }
            }
            let own = u64::from(file.line_count - base_count);
            match kind {
                FileKind::Log => self.report.lines += own,
                _ => self.report.chunks += own,
            }
            if file.state != FileState::Local {
                file.sha256 = Some(hasher.finalize().to_vec());
            }
            let detail = if before.sha256.is_none() && before.state != FileState::Local {
                Some("its name is lost, and perhaps more".to_owned())
            } else if (file.size, file.line_count) != (before.size, before.line_count) {
                let (size, count) = (file.size, file.line_count);
                Some(format!(
                    "of {} bytes {size} are left, of {} lines {count}",
                    before.size, before.line_count
                ))
            } else if file.sha256 != before.sha256 {
                Some("it does not match its digest".to_owned())
            } else {
                None
            };
            if let Some(detail) = detail {
                self.report.incomplete.push(Incomplete { file: file.path.clone(), detail });
            }
            self.files.insert(file_id, file);
        }
        Ok(tx.commit()?)
    }

    fn write_files(&self) -> Result<()> {
        self.store.write(|tx| {
            // A chain may begin with one that stands behind it.
            tx.execute_batch("PRAGMA defer_foreign_keys = ON")?;
            self.files.values().try_for_each(|file| files::restore_file(tx, file))
        })
    }

    /// Problems of files that are no sessions, which only an import finds.
    fn write_problems(&self) -> Result<()> {
        type Loose = (i64, Option<i64>, Vec<u8>, Option<u32>, String, String);
        let sql = by_key("problems", "problem_id", "*");
        let loose = self.collect(&sql, 0, self.max_id, |row| {
            let session: Option<i64> = row.get("session_key")?;
            let problem: Loose = (
                row.get("source_id")?,
                row.get("file_id")?,
                row.get("path")?,
                row.get("line")?,
                row.get("kind")?,
                row.get("detail")?,
            );
            Ok((row.get("problem_id")?, (session, problem)))
        });
        // Nothing depends on them.
        let loose = loose.unwrap_or_default();
        self.store.write(|tx| {
            for (session, problem) in loose.into_values() {
                let is_known = problem.1.is_none_or(|file_id| self.files.contains_key(&file_id))
                    && ProblemKind::from_name(&problem.4).is_some();
                if session.is_none() && is_known {
                    tx.execute(
                        "INSERT INTO problems (source_id, file_id, path, line, kind, detail)
                         SELECT source_id, ?2, ?3, ?4, ?5, ?6
                         FROM sources
                         WHERE source_id = ?1",
                        problem,
                    )?;
                }
            }
            Ok(())
        })
    }

    fn write_events(&mut self) -> Result<()> {
        let sessions_sql = by_key("sessions", "session_key", "source_id, path");
        let places = self.collect(&sessions_sql, 0, self.max_id, |row| {
            let place: (i64, Vec<u8>) = (row.get("source_id")?, row.get("path")?);
            Ok((row.get("place")?, place))
        })?;
        let events_sql = by_key("events", "event_id", "*");
        let all = self.collect(&events_sql, 0, self.max_id, |row| {
            let event: (i64, EventKind, Timestamp, Option<String>) =
                (row.get("session_key")?, row.get("kind")?, row.get("at")?, row.get("value")?);
            Ok((row.get("event_id")?, event))
        })?;
        self.report.events = self.store.write(|tx| {
            let mut copied = 0;
            for (session, kind, at, value) in all.into_values() {
                let Some((source_id, path)) = places.get(&session) else { continue };
                if let Some(session) = sessions::session_at(tx, *source_id, path)? {
                    events::insert_event(tx, session, kind, at, value.as_deref())?;
                    copied += 1;
                }
            }
            Ok(copied)
        })?;
        Ok(())
    }
}

fn nameless(file_id: i64, source_id: i64, path: Vec<u8>, kind: FileKind) -> FileRow {
    FileRow {
        file_id,
        source_id,
        path,
        generation: 1,
        kind,
        state: FileState::Current,
        mode: 0o600,
        mtime: Timestamp(0).into(),
        inode: 0,
        size: 0,
        line_count: 0,
        sha256: None,
        link_target: None,
        read_at: Timestamp(0),
        missing_at: None,
        base_id: None,
        base_count: 0,
    }
}

/// The same rows in both directions.
struct Query {
    ascending: String,
    descending: String,
}

/// Names come from this module only.
fn by_key(table: &str, key: &str, columns: &str) -> Query {
    // No other index: it may contradict the table.
    let select = format!(
        "SELECT {key} AS place, {columns}
         FROM {table} NOT INDEXED
         WHERE {key} BETWEEN ?1 AND ?2
         ORDER BY {key}"
    );
    Query { descending: format!("{select} DESC"), ascending: select }
}

/// A range is halved this often without a row before it counts as lost.
const PATIENCE: u32 = 10;

struct Scan<'a> {
    conn: &'a Connection,
    sql: &'a Query,
    each: &'a mut dyn FnMut(&Row<'_>),
}

impl Scan<'_> {
    /// Reads a range from both ends, and what is left between, by halves.
    fn range(&mut self, mut first: i64, mut last: i64, patience: u32) -> Result<()> {
        if last < first {
            return Ok(());
        }
        let (end, whole) = self.pass(true, first, last)?;
        if whole {
            return Ok(());
        }
        let mut patience = patience;
        if let Some(end) = end {
            first = end + 1;
            patience = PATIENCE;
        }
        let (end, whole) = self.pass(false, first, last)?;
        if whole {
            return Ok(());
        }
        if let Some(end) = end {
            last = end - 1;
            patience = PATIENCE;
        }
        if last <= first || patience == 0 {
            return Ok(());
        }
        let middle = first + (last - first) / 2;
        self.range(first, middle, patience - 1)?;
        self.range(middle + 1, last, patience - 1)
    }

    /// Reads as far as it goes: the last key, and whether that was all.
    fn pass(&mut self, is_ascending: bool, first: i64, last: i64) -> Result<(Option<i64>, bool)> {
        let sql = if is_ascending { &self.sql.ascending } else { &self.sql.descending };
        let Ok(mut stmt) = self.conn.prepare_cached(sql) else { return Ok((None, true)) };
        let mut end: Option<i64> = None;
        let Ok(mut rows) = stmt.query([first, last]) else { return Ok((None, false)) };
        loop {
            match rows.next() {
                Ok(None) => return Ok((end, true)),
                // Whatever SQLite says of a page: it is as good as lost.
                Err(_) => return Ok((end, false)),
                Ok(Some(row)) => {
                    let key: i64 = row.get("place")?;
                    let goes_on = match end {
                        None => true,
                        Some(end) if is_ascending => end < key,
                        Some(end) => key < end,
                    };
                    if !goes_on || !(first..=last).contains(&key) {
                        return Ok((end, false));
                    }
                    end = Some(key);
                    (self.each)(row);
                }
            }
        }
    }
}
