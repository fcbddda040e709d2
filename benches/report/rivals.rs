//! What the engine is measured against: bounds that it cannot pass, and what it takes the place of.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde::Deserialize;
use serde_json::Value;

use crate::Outcome;

/// Every file below a folder.
pub(crate) fn files(root: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// A database with one narrow table, set up as the engine's own.
pub(crate) fn bare_database(path: &Path, synchronous: &str) -> Outcome<Connection> {
    let conn = Connection::open(path)?;
    conn.execute_batch("PRAGMA page_size = 8192;")?;
    conn.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    conn.execute_batch(&format!(
        "PRAGMA synchronous = {synchronous};
         PRAGMA cache_size = -8192;
         CREATE TABLE lines (line_key INTEGER NOT NULL PRIMARY KEY, raw BLOB NOT NULL) STRICT;"
    ))?;
    Ok(conn)
}

const INSERT: &str = "INSERT INTO lines (line_key, raw) VALUES (?1, ?2)";

/// The bound of an import: the same lines, from memory, as blobs, in as large transactions.
pub(crate) fn insert_lines(path: &Path, contents: &[Vec<u8>]) -> Outcome<Duration> {
    let start = Instant::now();
    let mut conn = bare_database(path, "FULL")?;
    let mut contents = contents.iter().peekable();
    let mut key = 0_i64;
    while contents.peek().is_some() {
        let tx = conn.transaction()?;
        let mut bytes = 0;
        while bytes < 16 << 20
            && let Some(content) = contents.next()
        {
            let mut stmt = tx.prepare_cached(INSERT)?;
            for line in content.split_inclusive(|byte| *byte == b'\n') {
                stmt.execute((key, line))?;
                key += 1;
            }
            bytes += content.len();
        }
        tx.commit()?;
    }
    conn.close().map_err(|(_, err)| err)?;
    Ok(start.elapsed())
}

/// The bound of an append: one row in one transaction.
pub(crate) fn insert_row(conn: &Connection, key: i64, line: &[u8]) -> Outcome<Duration> {
    let start = Instant::now();
    conn.prepare_cached(INSERT)?.execute((key, line))?;
    Ok(start.elapsed())
}

/// The path of a session as a JSONL store opens it: the whole file into values. Returns its length.
pub(crate) fn path_by_values(file: &Path, leaf: &str) -> Outcome<usize> {
    let content = fs::read(file)?;
    let mut entries: HashMap<String, Value> = HashMap::new();
    for line in content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let value: Value = serde_json::from_slice(line)?;
        if let Some(id) = value["id"].as_str() {
            entries.insert(id.to_owned(), value);
        }
    }
    let mut path = Vec::new();
    let mut at = Some(leaf);
    while let Some(value) = at.and_then(|at| entries.get(at)) {
        path.push(value);
        at = value["parentId"].as_str();
    }
    path.reverse();
    Ok(path.len())
}

/// The same by a reader that looks at nothing but ids, and leaves each body where it stands.
pub(crate) fn path_by_headers(file: &Path, leaf: &str) -> Outcome<usize> {
    #[derive(Deserialize)]
    struct Header<'a> {
        id: &'a str,
        #[serde(rename = "parentId", borrow)]
        parent_id: Option<&'a str>,
    }
    let content = fs::read(file)?;
    let mut entries: HashMap<&str, (Option<&str>, &[u8])> = HashMap::new();
    for line in content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let header: Header<'_> = serde_json::from_slice(line)?;
        entries.insert(header.id, (header.parent_id, line));
    }
    let mut path = Vec::new();
    let mut at = Some(leaf);
    while let Some((parent, line)) = at.and_then(|at| entries.get(at)) {
        path.push(*line);
        at = *parent;
    }
    path.reverse();
    Ok(path.len())
}

/// `cp -r`, and a sync of the file system: what an export does besides proving what it writes.
pub(crate) fn copy(from: &Path, to: &Path) -> Outcome<Duration> {
    let start = Instant::now();
    let status = std::process::Command::new("cp").arg("-r").arg(from).arg(to).status()?;
    assert!(status.success());
    let mut sync = std::process::Command::new("sync");
    // Elsewhere it knows nothing but everything.
    if cfg!(target_os = "linux") {
        sync.arg("-f").arg(to);
    }
    assert!(sync.status()?.success());
    Ok(start.elapsed())
}
