//! Check: is the database still what the log says it is? And rebuild, if not.
//!
//! Every projection is folded again, by the same fold that wrote it, into
//! temporary tables of the same names: an unqualified name finds the temporary
//! table first, so that the fold needs no second form, and the database itself
//! is only read. Then the two are compared row by row.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::fold::{self, kimi};
use crate::format::kimi::registry::Registry;
use crate::model::SessionKey;
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::{Store, log, projections, search, sessions};

/// Tables that are a fold over the log, and the order of their rows.
const PROJECTIONS: [(&str, &str); 19] = [
    ("metadata", "key"),
    ("entries", "entry_key"),
    ("compactions", "entry_key"),
    ("settings", "entry_key"),
    ("usages", "entry_key"),
    ("labels", "target_id"),
    ("system_prompts", "line_key"),
    ("tool_executions", "line_key"),
    ("memory_states", "line_key"),
    ("entry_lines", "line_key"),
    ("contexts", "file_id"),
    ("kimi_states", "session_key"),
    ("approved_actions", "position"),
    ("additional_dirs", "position"),
    ("todos", "position"),
    ("turns", "turn_index"),
    ("wire_records", "line_key"),
    ("subagents", "position"),
    ("problems", "path, line, kind, detail"),
];

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The table, file or session that it concerns.
    pub place: String,
    /// What is wrong, for a person.
    pub detail: String,
}

impl Store {
    /// Proves the store: SQLite's integrity and foreign keys, the checksum of
    /// every line, the digest of every file, and that every projection equals
    /// the fold of the log. No finding means that all of it holds.
    ///
    /// It only reads, on one snapshot; others may read and write meanwhile. It
    /// takes as long as reading everything does. What it finds in projections,
    /// [`rebuild`](Self::rebuild) mends; a damaged line cannot be mended.
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
    /// # let store = sessile::Store::open(&dir.path().join("sessions.db"))?;
    /// assert!(store.check()?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check(&self) -> Result<Vec<Finding>> {
        // A connection of its own: the temporary tables must not meet anyone.
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut conn = Connection::open_with_flags(self.path(), flags)?;
        conn.set_prepared_statement_cache_capacity(96);
        conn.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA cache_size = -8192;")?;
        let tx = conn.transaction()?;
        let mut findings = Findings::default();
        match check_all(&tx, &mut findings) {
            // What builds upon something that cannot be read is not known.
            Err(Error::Damaged(detail)) => findings.add("database", detail),
            checked => checked?,
        }
        Ok(findings.found)
    }

    /// Drops every projection and folds it again from the log, a session at a time.
    ///
    /// Lines are not touched. Interrupted, it leaves each session either as it
    /// was or rebuilt. Returns how many sessions there are.
    ///
    /// # Errors
    ///
    /// [`Busy`](crate::Error::Busy) when another process writes for too long;
    /// [`Damaged`](crate::Error::Damaged) when a line cannot be read.
    pub fn rebuild(&self) -> Result<u64> {
        self.write(|tx| {
            search::rebuild(tx)?;
            projections::restore_rows(tx)
        })?;
        let all = self.read(sessions::sessions_by_file)?;
        for session in &all {
            self.write(|tx| match sessions::file_of(tx, *session)? {
                Some((file, source)) if !source.format.has_folders() => {
                    fold::refold(tx, &file, source.format, *session)?;
                    fold::settle_if_recovered(tx, source.source_id, *session, &file.path)
                }
                _ => Ok(()),
            })?;
        }
        for source in self.read(files::sources)? {
            if source.format.has_folders() {
                for mut session in self.read(|conn| kimi::everything(conn, source.source_id))? {
                    self.write(|tx| session.settle(tx, source.source_id))?;
                }
            }
        }
        self.write(|tx| {
            files::sources(tx)?
                .iter()
                .try_for_each(|source| fold::settle_recovered(tx, source.source_id))
        })?;
        Ok(self.read(sessions::sessions_by_file)?.len() as u64)
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

fn check_all(conn: &Connection, findings: &mut Findings) -> Result<()> {
    check_sqlite(conn, findings)?;
    if findings.found.is_empty() {
        check_files(conn, findings)?;
        check_projections(conn, findings)?;
    }
    Ok(())
}

fn check_sqlite(conn: &Connection, findings: &mut Findings) -> Result<()> {
    let mut stmt = conn.prepare("PRAGMA integrity_check")?;
    let rows = stmt.query_map([], |row| row.get::<_, String>(0))?;
    for message in rows {
        let message = message?;
        if message != "ok" {
            findings.add("SQLite", message);
        }
    }
    let mut stmt = conn.prepare("PRAGMA foreign_key_check")?;
    let mut rows = stmt.query([])?;
    while let Some(row) = rows.next()? {
        let table: String = row.get(0)?;
        let rowid: Option<i64> = row.get(1)?;
        let parent: String = row.get(2)?;
        let detail = format!("row {} points to no row of {parent}", rowid.unwrap_or_default());
        findings.add(table, detail);
    }
    Ok(())
}

/// Each line's checksum, each file's digest, size and number of lines.
fn check_files(conn: &Connection, findings: &mut Findings) -> Result<()> {
    let mut stmt = conn.prepare("SELECT file_id FROM files ORDER BY file_id")?;
    let ids: Vec<i64> =
        stmt.query_map([], |row| row.get("file_id"))?.collect::<rusqlite::Result<_>>()?;
    for file_id in ids {
        let file = files::file_by_id(conn, file_id)?;
        if matches!(file.kind, FileKind::Log | FileKind::Document) {
            check_content(conn, &file, findings)?;
        }
    }
    for (table, key) in [("lines", "line_key"), ("chunks", "chunk_key")] {
        let kind = if table == "lines" { "log" } else { "document" };
        let mut stmt = conn.prepare(&format!(
            "SELECT count(*) AS loose
             FROM {table}
             WHERE {key} >> 32 NOT IN (SELECT file_id FROM files WHERE kind = '{kind}')"
        ))?;
        let loose: i64 = stmt.query_row([], |row| row.get("loose"))?;
        if 0 < loose {
            findings.add(table, format!("{loose} rows belong to no file"));
        }
    }
    Ok(())
}

fn check_content(conn: &Connection, file: &FileRow, findings: &mut Findings) -> Result<()> {
    let place = format!("file {}", String::from_utf8_lossy(&file.path));
    let mut hasher = Sha256::new();
    let mut size = 0;
    // A local chain goes on where the one it begins with was left.
    let mut count = file.base_count;
    let mut broken = Vec::new();
    log::each_unproven(conn, file.kind, log::keys(file.file_id), |key, raw, is_proven| {
        let position = log::line_number(key);
        count += 1;
        if position != count {
            broken.push(format!("line {count} is missing"));
            count = position;
        }
        if !is_proven {
            broken.push(format!("line {position} does not match its checksum"));
        }
        hasher.update(raw);
        size += raw.len() as u64;
        Ok(())
    })?;
    if size != file.size {
        broken.push(format!("it holds {size} bytes, imported were {}", file.size));
    }
    if count != file.line_count {
        broken.push(format!("it holds {count} lines, imported were {}", file.line_count));
    }
    if file.state != FileState::Local && Some(&hasher.finalize()[..]) != file.sha256.as_deref() {
        broken.push("it does not match its digest".to_owned());
    }
    broken.into_iter().for_each(|detail| findings.add(place.as_str(), detail));
    Ok(())
}

fn check_projections(conn: &Connection, findings: &mut Findings) -> Result<()> {
    let columns = make_shadows(conn)?;
    let mut stmt = conn.prepare(
        "SELECT file_id
         FROM files
         WHERE kind = 'log'
           AND (state = 'local'
                OR state = 'current'
                   AND NOT EXISTS (SELECT 1
                                   FROM files AS local
                                   WHERE local.source_id = files.source_id
                                     AND local.path = files.path
                                     AND local.state = 'local'
                                     AND local.state <> 'superseded'))
           AND source_id NOT IN (SELECT source_id FROM sources WHERE format = 'kimi')
           AND file_id NOT IN (SELECT file_id FROM main.sessions WHERE file_id IS NOT NULL)",
    )?;
    let lost: Vec<i64> =
        stmt.query_map([], |row| row.get("file_id"))?.collect::<rusqlite::Result<_>>()?;
    for file_id in lost {
        let file = files::file_by_id(conn, file_id)?;
        let place = format!("file {}", String::from_utf8_lossy(&file.path));
        findings.add(place, "no session stands for this log");
    }
    let mut stmt = conn.prepare("SELECT session_key FROM main.sessions ORDER BY session_key")?;
    let all: Vec<SessionKey> =
        stmt.query_map([], |row| row.get("session_key"))?.collect::<rusqlite::Result<_>>()?;
    let mut registries = BTreeMap::new();
    for source in files::sources(conn)?.iter().filter(|source| source.format.has_folders()) {
        registries.insert(source.source_id, kimi::registry(conn, source.source_id)?);
        let known: BTreeSet<Vec<u8>> = main_paths(conn, source.source_id)?;
        for path in kimi::paths(conn, source.source_id)?.difference(&known) {
            let place = format!("files of {}", String::from_utf8_lossy(path));
            findings.add(place, "no session stands for them");
        }
    }
    let mut unreadable = BTreeSet::new();
    for session in &all {
        let path = match refold_shadow(conn, *session, &registries) {
            Ok(Some(path)) => path,
            Ok(None) => {
                findings.add(format!("session {}", session.0), "its files are missing");
                continue;
            }
            // What builds upon a line that cannot be read is not known; the others are.
            Err(err) if err.is_of_content() => {
                findings.add(format!("session {}", session.0), err.to_string());
                projections::delete_projection(conn, *session)?;
                unreadable.insert(*session);
                continue;
            }
            Err(err) => return Err(err),
        };
        let place = format!("session in {}", String::from_utf8_lossy(&path));
        for (table, order) in PROJECTIONS {
            compare(conn, table, &columns[table], order, *session, &place, findings)?;
        }
        projections::delete_projection(conn, *session)?;
    }
    for source in files::sources(conn)? {
        fold::settle_recovered(conn, source.source_id)?;
    }
    for session in all.into_iter().filter(|session| !unreadable.contains(session)) {
        let place = format!("session {}", session.0);
        compare(conn, "sessions", &columns["sessions"], "session_key", session, &place, findings)?;
    }
    compare_search(conn, findings)
}

/// Which sessions the index of queries says hold each of its terms, and which hold it.
fn compare_search(conn: &Connection, findings: &mut Findings) -> Result<()> {
    conn.execute_batch(
        "CREATE VIRTUAL TABLE temp.stored_terms USING fts5vocab (main, session_search, instance);
         CREATE VIRTUAL TABLE temp.folded_terms USING fts5vocab (temp, session_search, instance);",
    )?;
    let mut stored_stmt = conn.prepare("SELECT term, doc FROM temp.stored_terms")?;
    let mut folded_stmt = conn.prepare("SELECT term, doc FROM temp.folded_terms")?;
    let mut stored_rows = stored_stmt.query([])?;
    let mut folded_rows = folded_stmt.query([])?;
    loop {
        let (stored, folded) = (stored_rows.next()?, folded_rows.next()?);
        let (Some(stored), Some(folded)) = (stored, folded) else {
            if stored.is_some() != folded.is_some() {
                findings.add("session_search", "it does not hold as many terms as the log gives");
            }
            return Ok(());
        };
        if stored.get_ref(0)? != folded.get_ref(0)? || stored.get_ref(1)? != folded.get_ref(1)? {
            let show = |row: &rusqlite::Row<'_>| -> rusqlite::Result<String> {
                Ok(format!("session {} with {}", row.get::<_, i64>(1)?, show(&row.get(0)?)))
            };
            let detail = format!("it holds {}, the log gives {}", show(stored)?, show(folded)?);
            findings.add("session_search", detail);
            return Ok(());
        }
    }
}

/// Makes temporary tables and indexes like the projections'; returns each table's columns to compare.
fn make_shadows(conn: &Connection) -> Result<BTreeMap<&'static str, Vec<String>>> {
    let mut columns = BTreeMap::new();
    let others = ["sessions", "workspaces", "session_search"];
    for table in PROJECTIONS.map(|(table, _)| table).into_iter().chain(others) {
        let mut stmt = conn.prepare(
            "SELECT sql
             FROM main.sqlite_schema
             WHERE tbl_name = ?1 AND type IN ('table', 'index') AND sql IS NOT NULL
             ORDER BY type DESC", // a table before its indexes
        )?;
        let statements: Vec<String> =
            stmt.query_map([table], |row| row.get("sql"))?.collect::<rusqlite::Result<_>>()?;
        for sql in statements {
            let sql = sql
                .replacen("CREATE TABLE ", "CREATE TEMP TABLE ", 1)
                .replacen("CREATE VIRTUAL TABLE ", "CREATE VIRTUAL TABLE temp.", 1)
                .replacen("CREATE INDEX ", "CREATE INDEX temp.", 1)
                .replacen("CREATE UNIQUE INDEX ", "CREATE UNIQUE INDEX temp.", 1);
            conn.execute_batch(&sql)?;
        }
        let mut stmt = conn.prepare(
            // Problems are numbered as they come; the number means nothing.
            "SELECT name FROM pragma_table_info(?1, 'main') WHERE name <> 'problem_id'",
        )?;
        let names = stmt.query_map([table], |row| row.get("name"))?;
        columns.insert(table, names.collect::<rusqlite::Result<_>>()?);
    }
    conn.execute_batch(
        "INSERT INTO temp.workspaces (workspace_id, path, host)
         SELECT workspace_id, path, host FROM main.workspaces;",
    )?;
    Ok(columns)
}

/// Paths of a source's sessions, by the database itself.
fn main_paths(conn: &Connection, source_id: i64) -> Result<BTreeSet<Vec<u8>>> {
    let mut stmt = conn.prepare("SELECT path FROM main.sessions WHERE source_id = ?1")?;
    let rows = stmt.query_map([source_id], |row| row.get("path"))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Folds a session into the shadow tables; returns its path, `None` when its files are gone.
fn refold_shadow(
    conn: &Connection,
    session: SessionKey,
    registries: &BTreeMap<i64, Registry>,
) -> Result<Option<Vec<u8>>> {
    shadow_session(conn, session)?;
    let Some((source, path)) = sessions::place(conn, session)? else { return Ok(None) };
    if let Some(registry) = registries.get(&source.source_id) {
        let Some(unit) = kimi::unit_of(conn, source.source_id, &path)? else { return Ok(None) };
        kimi::refold(conn, registry, session, &unit)?;
        return Ok(Some(path));
    }
    let Some((file, source)) = sessions::file_of(conn, session)? else { return Ok(None) };
    fold::refold(conn, &file, source.format, session)?;
    Ok(Some(file.path))
}

/// Gives a session its empty shadow, from what the file and source say of it.
fn shadow_session(conn: &Connection, session: SessionKey) -> Result<()> {
    let mut stmt = conn.prepare_cached(
        "INSERT INTO temp.sessions (session_key, source_id, path, file_id, format, header,
                                    modified_at, first_message, message_count, search_text,
                                    entry_count)
         SELECT session.session_key, file.source_id, file.path, file.file_id, source.format,
                'missing', 0, '', 0, '', 0
         FROM main.sessions AS session
         JOIN main.files AS file ON file.file_id = session.file_id
         JOIN main.sources AS source ON source.source_id = file.source_id
         WHERE session.session_key = ?1

         UNION ALL

         SELECT session.session_key, session.source_id, session.path, NULL, source.format,
                'missing', 0, '', 0, '', 0
         FROM main.sessions AS session
         JOIN main.sources AS source ON source.source_id = session.source_id
         WHERE session.session_key = ?1 AND session.file_id IS NULL",
    )?;
    stmt.execute([session])?;
    Ok(())
}

fn compare(
    conn: &Connection,
    table: &str,
    columns: &[String],
    order: &str,
    session: SessionKey,
    place: &str,
    findings: &mut Findings,
) -> Result<()> {
    // Table and column names come from the schema and from constants.
    let select = |schema: &str| {
        format!(
            "SELECT {} FROM {schema}.{table} WHERE session_key = ?1 ORDER BY {order}",
            columns.join(", ")
        )
    };
    let mut stored_stmt = conn.prepare_cached(&select("main"))?;
    let mut folded_stmt = conn.prepare_cached(&select("temp"))?;
    let mut stored_rows = stored_stmt.query([session])?;
    let mut folded_rows = folded_stmt.query([session])?;
    loop {
        match (stored_rows.next()?, folded_rows.next()?) {
            (None, None) => return Ok(()),
            (Some(stored), Some(folded)) => {
                for (n, column) in columns.iter().enumerate() {
                    let stored: Value = stored.get(n)?;
                    let folded: Value = folded.get(n)?;
                    if stored != folded {
                        let detail = format!(
                            "{table}.{column} is {}, the log says {}",
                            show(&stored),
                            show(&folded)
                        );
                        // What follows would differ for the same reason.
                        findings.add(place, detail);
                        return Ok(());
                    }
                }
            }
            (Some(_), None) => {
                findings.add(place, format!("{table} has a row that the log does not give"));
                return Ok(());
            }
            (None, Some(_)) => {
                findings.add(place, format!("{table} lacks a row that the log gives"));
                return Ok(());
            }
        }
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::Null => "absent".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => format!("{:?}", text.chars().take(80).collect::<String>()),
        Value::Blob(bytes) => {
            format!("{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(80)]))
        }
    }
}
