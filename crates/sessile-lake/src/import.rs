//! Import: makes a store from a lake.
//!
//! A temporary database is made from the log and the events in the lake; everything else is
//! folded, and `check` proves it. So a damaged lake changes nothing. If there is no store yet,
//! this becomes the store, and exporting it gives the same as exporting the original. If there is
//! one, the two are merged.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use rusqlite::{Connection, named_params, params};
use serde::Deserialize;
use sessile::{Durability, MergeOptions, MergeReport, Store, StoreOptions};

use crate::content::Proof;
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::place::{Lake, Place};
use crate::read;
use crate::replace::replace;
use crate::rows::{Fields, FileRow, SessionRow, of_key};
use crate::state::State;
use crate::table::Table;

/// Bytes per transaction.
const BATCH: usize = 32 << 20;

/// The largest id of a file or session, since line and entry keys have no more bits for it.
const MAX_ID: i64 = i32::MAX as i64;

/// The result of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// Files, folders and links.
    pub files: u64,
    /// Lines of logs, and chunks of documents.
    pub lines: u64,
    /// Sessions.
    pub sessions: u64,
    /// What the merge did, if there was a store already.
    pub merged: Option<MergeReport>,
}

/// Makes a store from what a lake holds as of its last export, or merges it into an existing one.
///
/// # Errors
///
/// [`NotALake`](Error::NotALake), [`TooNew`](Error::TooNew), [`Damaged`](Error::Damaged) and
/// [`Unsound`](Error::Unsound), before anything is changed; those of [`Store::merge`].
pub fn import(lake: impl Into<Lake>, db: impl AsRef<Path>) -> Result<ImportReport> {
    let (lake, db) = (lake.into(), db.as_ref());
    let lake = &*lake.0;
    let manifest = Manifest::open(lake)?;
    let state = State::read(lake, &manifest)?;
    let beside = db.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let room = tempfile::Builder::new()
        .prefix(".sessile-lake-")
        .tempdir_in(beside)
        .map_err(Error::io("write into", beside))?;
    let path = room.path().join("lake.db");
    // All of it is synced at the end.
    let store = StoreOptions::new().durability(Durability::Normal).open(&path)?;
    let mut report = fill(store.path(), lake, &manifest, &state)?;
    report.sessions = store.rebuild()?;
    if let Some(finding) = store.check()?.first() {
        return Err(Error::Unsound { finding: format!("{}: {}", finding.place, finding.detail) });
    }
    if db.symlink_metadata().is_err() {
        store.backup(db)?;
        return Ok(report);
    }
    // Makes its tables, if it has none yet.
    drop(Store::open(db)?);
    if !replace(&path, db)? {
        report.merged = Some(Store::open(db)?.merge(&path, &MergeOptions::new())?);
    }
    Ok(report)
}

fn fill(db: &Path, lake: &dyn Place, manifest: &Manifest, state: &State) -> Result<ImportReport> {
    let mut conn = Connection::open(db)?;
    conn.execute_batch("PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON")?;
    let damaged = |err: Error| match err {
        // A row that the schema rejects.
        Error::Sqlite(err)
            if err.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) =>
        {
            Error::damaged(lake.name(), err.to_string())
        }
        err => err,
    };
    let mut report = ImportReport::default();
    let files: Vec<&FileRow> = {
        let mut files: Vec<&FileRow> = state.files.values().filter(|file| !file.is_gone).collect();
        files.sort_by_key(|file| file.file_id);
        files
    };
    report.files = files.len() as u64;
    report.lines = content(&conn, lake, manifest, state, &files)?;
    let tx = conn.transaction()?;
    // A chain may begin with one that has a larger id.
    tx.execute_batch("PRAGMA defer_foreign_keys = ON")?;
    sources(&tx, lake, state).map_err(damaged)?;
    files.iter().try_for_each(|file| insert_file(&tx, lake, file)).map_err(damaged)?;
    let sessions = sessions(&tx, lake, state, &files).map_err(damaged)?;
    events(&tx, lake, manifest, &sessions).map_err(damaged)?;
    rest(&tx, lake, state).map_err(damaged)?;
    tx.commit().map_err(|err| damaged(err.into()))?;
    Ok(report)
}

/// Inserts lines and chunks, each at its position.
fn content(
    conn: &Connection,
    lake: &dyn Place,
    manifest: &Manifest,
    state: &State,
    files: &[&FileRow],
) -> Result<u64> {
    let file_of: HashMap<i64, i64> = files.iter().map(|file| (file.chain, file.file_id)).collect();
    if let Some(file) = files.iter().find(|file| !(1..=MAX_ID).contains(&file.file_id)) {
        return Err(Error::damaged(lake.name(), format!("a file has invalid id {}", file.file_id)));
    }
    let mut proof = Proof::new(&state.chains);
    let (mut written, mut bytes) = (0, 0);
    // If the reader fails, the dropped connection rolls this back.
    conn.execute_batch("BEGIN IMMEDIATE")?;
    lake.will_read(manifest.files_of_content());
    for entry in manifest.files_of_content() {
        proof.each_piece(lake, entry, |piece| {
            // The store no longer had it at the last export.
            let Some(file_id) = file_of.get(&piece.chain) else { return Ok(()) };
            if u32::try_from(piece.place).is_err() {
                return Err(Error::damaged(
                    lake.name(),
                    format!("a line has the invalid number {}", piece.place),
                ));
            }
            let key = file_id << 32 | piece.place;
            let checksum = crc32fast::hash(piece.raw) ^ of_key(key);
            let mut insert = conn.prepare_cached(match entry.table {
                Table::Lines => {
                    "INSERT INTO lines (line_key, raw, enc, checksum) VALUES (?1, ?2, 0, ?3)"
                }
                _ => "INSERT INTO chunks (chunk_key, raw, checksum) VALUES (?1, ?2, ?3)",
            })?;
            insert.execute(params![key, piece.raw, checksum])?;
            written += 1;
            bytes += piece.raw.len();
            if BATCH <= bytes {
                bytes = 0;
                conn.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
            }
            Ok(())
        })?;
    }
    conn.execute_batch("COMMIT")?;
    proof.finish().map_err(|reason| Error::damaged(lake.name(), reason))?;
    Ok(written)
}

fn insert_file(conn: &Connection, lake: &dyn Place, file: &FileRow) -> Result<()> {
    let is_name = |name: &[u8]| !matches!(name, b"" | b"." | b"..");
    if file.path.contains(&0) || !file.path.split(|byte| *byte == b'/').all(is_name) {
        let path = String::from_utf8_lossy(&file.path).escape_debug().to_string();
        return Err(Error::damaged(lake.name(), format!("the path {path} leaves its root")));
    }
    conn.prepare_cached(
        "INSERT INTO files (file_id, source_id, path, generation, kind, state, mode, mtime, mtime_beyond,
                            inode, size, line_count, sha256, link_target, read_at, missing_at, base_id,
                            base_count, lost)
         VALUES (:file_id, :source_id, :path, :generation, :kind, :state, :mode, :mtime, :mtime_beyond,
                 :inode, :size, :line_count, :sha256, :link_target, :read_at, :missing_at, :base_id,
                 :base_count, :lost)",
    )?
    .execute(named_params! {
        ":file_id": file.file_id,
        ":source_id": file.source_id,
        ":path": file.path,
        ":generation": file.generation,
        ":kind": &*file.kind,
        ":state": &*file.state,
        ":mode": file.mode,
        ":mtime": file.mtime,
        ":mtime_beyond": file.mtime_beyond,
        ":inode": file.inode,
        ":size": file.size,
        ":line_count": file.line_count,
        ":sha256": file.sha256,
        ":link_target": file.link_target,
        ":read_at": file.read_at,
        ":missing_at": file.missing_at,
        ":base_id": file.base_id,
        ":base_count": file.base_count,
        ":lost": file.lost,
    })?;
    Ok(())
}

/// Restores the keys of sessions. Everything else of them is folded.
fn sessions(
    conn: &Connection,
    lake: &dyn Place,
    state: &State,
    files: &[&FileRow],
) -> Result<HashMap<i64, i64>> {
    let files: HashSet<i64> = files.iter().map(|file| file.file_id).collect();
    let mut written = HashMap::new();
    let there = |session: &&SessionRow| {
        !session.is_gone && session.file_id.is_none_or(|file_id| files.contains(&file_id))
    };
    for session in state.sessions.values().filter(there) {
        if !(1..=MAX_ID).contains(&session.session_key) {
            return Err(Error::damaged(
                lake.name(),
                format!("a session has the invalid key {}", session.session_key),
            ));
        }
        conn.prepare_cached(
            "INSERT INTO sessions (session_key, source_id, path, file_id, format, header, modified_at,
                                   first_message, message_count, search_text, entry_count)
             SELECT :session_key, source_id, :path, :file_id, format, 'missing', 0, '', 0, '', 0
             FROM sources
             WHERE source_id = :source_id",
        )?
        .execute(named_params! {
            ":session_key": session.session_key,
            ":path": session.path,
            ":file_id": session.file_id,
            ":source_id": session.source_id,
        })?;
        written.insert(session.session_key, session.version);
    }
    Ok(written)
}

/// Inserts the events of sessions, of their newest version.
fn events(
    conn: &Connection,
    lake: &dyn Place,
    manifest: &Manifest,
    sessions: &HashMap<i64, i64>,
) -> Result<()> {
    lake.will_read(manifest.files_of(Table::Events));
    for entry in manifest.files_of(Table::Events) {
        read::each_row(lake, entry, |row| {
            let odd = || {
                Error::damaged(lake.named(&entry.path()), "it holds a row that no export writes")
            };
            let mut row = Fields(row.iter());
            let (session, version) = (row.int().ok_or_else(odd)?, row.int().ok_or_else(odd)?);
            if sessions.get(&session) != Some(&version) {
                return Ok(());
            }
            conn.prepare_cached(
                "INSERT INTO events (session_key, event_id, kind, at, value)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                session,
                row.int().ok_or_else(odd)?,
                row.text().ok_or_else(odd)?,
                row.int().ok_or_else(odd)?,
                row.optional_text().ok_or_else(odd)?,
            ])?;
            Ok(())
        })?;
    }
    Ok(())
}

/// Bytes in hex in JSON.
#[derive(Deserialize)]
struct Hex {
    hex: String,
}

impl Hex {
    fn bytes(&self) -> Option<Vec<u8>> {
        let digits = self.hex.as_bytes();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        digits.len().is_multiple_of(2).then(|| digits.chunks(2).map(byte).collect())?
    }
}

#[derive(Deserialize)]
struct Source {
    source_id: i64,
    root: Hex,
    format: String,
    origin: String,
    settled_file: i64,
}

#[derive(Deserialize)]
struct Purged {
    purged_id: i64,
    source_id: i64,
    session_id: Option<String>,
    size: Option<i64>,
    sha256: Option<Hex>,
    inode: Option<i64>,
}

#[derive(Deserialize)]
struct Problem {
    problem_id: i64,
    source_id: i64,
    file_id: Option<i64>,
    path: Hex,
    line: Option<i64>,
    kind: String,
    detail: String,
}

#[derive(Deserialize)]
struct LastSession {
    seq: i64,
}

fn each<T: serde::de::DeserializeOwned>(
    lake: &dyn Place,
    state: &State,
    kind: &str,
    mut each: impl FnMut(T) -> Option<Result<()>>,
) -> Result<()> {
    for (_, json) in state.store.iter().filter(|(of, _)| of == kind) {
        let odd = || {
            Error::damaged(
                lake.name(),
                format!("its record of a {kind} is not in the form that an export writes"),
            )
        };
        each(serde_json::from_str(json).map_err(|_| odd())?).ok_or_else(odd)??;
    }
    Ok(())
}

fn sources(conn: &Connection, lake: &dyn Place, state: &State) -> Result<()> {
    each(lake, state, "source", |source: Source| {
        let root = source.root.bytes()?;
        let inserted = conn.execute(
            "INSERT INTO sources (source_id, root, format, origin, settled_file)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![source.source_id, root, source.format, source.origin, source.settled_file],
        );
        Some(inserted.map(drop).map_err(Error::from))
    })
}

/// Inserts purged sessions, problems that belong to no session, and the last session key.
fn rest(conn: &Connection, lake: &dyn Place, state: &State) -> Result<()> {
    each(lake, state, "purged", |purged: Purged| {
        let sha256 = match &purged.sha256 {
            Some(hex) => Some(hex.bytes()?),
            None => None,
        };
        let inserted = conn.execute(
            "INSERT INTO purged (purged_id, source_id, session_id, size, sha256, inode)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                purged.purged_id,
                purged.source_id,
                purged.session_id,
                purged.size,
                sha256,
                purged.inode
            ],
        );
        Some(inserted.map(drop).map_err(Error::from))
    })?;
    each(lake, state, "problem", |problem: Problem| {
        let path = problem.path.bytes()?;
        let inserted = conn.execute(
            "INSERT INTO problems (problem_id, source_id, file_id, path, line, kind, detail)
             SELECT ?1, ?2, (SELECT file_id FROM files WHERE file_id = ?3), ?4, ?5, ?6, ?7",
            params![
                problem.problem_id,
                problem.source_id,
                problem.file_id,
                path,
                problem.line,
                problem.kind,
                problem.detail,
            ],
        );
        Some(inserted.map(drop).map_err(Error::from))
    })?;
    each(lake, state, "last_session", |last: LastSession| {
        let updated = conn
            .execute("DELETE FROM sqlite_sequence WHERE name = 'sessions' AND seq < ?1", [last.seq])
            .and_then(|_| {
                conn.execute(
                    "INSERT INTO sqlite_sequence (name, seq)
                     SELECT 'sessions', ?1
                     WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'sessions')",
                    [last.seq],
                )
            });
        Some(updated.map(drop).map_err(Error::from))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sessile::{ImportOptions, Store};

    use super::import;
    use crate::export::{ExportOptions, export};
    use crate::folder::Folder;
    use crate::manifest::{Export, Manifest};
    use crate::place::Place;
    use crate::rows::FileRow;
    use crate::state::State;
    use crate::table::Table;
    use crate::write::Writer;

    /// A lake whose second export changes a log's row.
    fn lake_that_says(folder: &Path, change: fn(&mut FileRow)) -> std::path::PathBuf {
        let (db, lake) = (folder.join("sessions.db"), folder.join("lake"));
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/pi/small");
        Store::open(&db).unwrap().import(fixture, &ImportOptions::new()).unwrap();
        export(&db, &lake, &ExportOptions::new()).unwrap();
        let there = Folder::new(&lake);
        let mut turn = there.begin().unwrap();
        let mut manifest = Manifest::open(&there).unwrap();
        let state = State::read(&there, &manifest).unwrap();
        let log = state.files.values().filter(|file| &*file.kind == "log");
        let mut row = log.min_by_key(|file| file.file_id).unwrap().clone();
        let partition = row.partition();
        change(&mut row);
        row.export = 2;
        let mut writer = Writer::begin(turn.aside(), None).unwrap();
        writer.push(Table::Files, &partition, &row.to_lake()).unwrap();
        let written = writer.finish().unwrap();
        let files = written.iter().map(|file| file.entry.clone()).collect();
        let next_chain = manifest.next_chain();
        manifest.exports.push(Export { number: 2, at: String::new(), next_chain, files });
        turn.add(&written, &manifest.to_json().unwrap()).unwrap();
        drop(turn);
        lake
    }

    #[test]
    fn a_lake_that_says_what_no_store_does_makes_no_store() {
        let changes: [fn(&mut FileRow); 16] = [
            |row| row.path = b"../evil.jsonl".to_vec(),
            |row| row.path = b"/evil.jsonl".to_vec(),
            |row| row.path = b"sessions/\0".to_vec(),
            |row| row.path = Vec::new(),
            |row| row.file_id = i64::MAX,
            |row| row.file_id = -1,
            |row| row.chain += 1,
            |row| row.line_count = i64::MAX,
            |row| row.line_count -= 1,
            |row| row.base_count = -1,
            |row| (row.base_id, row.base_count) = (Some(row.file_id), 1),
            |row| row.kind = "other".into(),
            |row| row.kind = "document".into(),
            |row| row.size = -1,
            |row| row.source_id = 99,
            |row| row.sha256 = Some([0; 32]),
        ];
        for (n, change) in changes.into_iter().enumerate() {
            let folder = tempfile::tempdir().unwrap();
            let lake = lake_that_says(folder.path(), change);

            assert!(import(&lake, folder.path().join("back.db")).is_err(), "change {n}");

            assert!(!folder.path().join("back.db").exists(), "change {n}");
        }
        let folder = tempfile::tempdir().unwrap();
        let lake = lake_that_says(folder.path(), |row| row.mode = 0o600);
        import(&lake, folder.path().join("back.db")).unwrap();
    }
}
