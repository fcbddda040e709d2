//! Earlier generations: the state of a session before its files were rewritten,
//! shortened or replaced at their root.
//!
//! A generation is folded like any other log, into temporary tables of one
//! connection. Everything that reads a session therefore reads an earlier
//! generation without knowing it.

use std::path::PathBuf;

use rusqlite::Connection;

use crate::check::shadows::make_shadows;
use crate::error::{Error, Result};
use crate::format::projection;
use crate::format::rules::Sessions;
use crate::model::{SessionKey, Timestamp, as_object, path_of, shown_path};
use crate::session::Session;
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::{Store, generations, schema, sessions};

/// One generation of a session's log: its content between two rewrites.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Generation {
    /// Counts the generations of the file from 1. Pruned generations are counted,
    /// too.
    pub number: i64,
    /// Its file below the root.
    pub file: PathBuf,
    /// How many lines it has.
    pub lines: u32,
    /// How many of these lines the next generation no longer has.
    pub lost: u32,
    /// When an import last compared it with the root.
    pub read_at: Timestamp,
}

as_object! { Generation { number, file by shown_path, lines, lost, read_at, } }

impl Store {
    /// Returns a read-only store that holds one session only, as it was in the given
    /// generation of its file.
    ///
    /// [`Session::generations`] lists the numbers. If the session consists of several
    /// files, each is taken as of that generation, or as of its last generation
    /// before it.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound);
    /// [`GenerationNotFound`](Error::GenerationNotFound) when there is none of
    /// this number, or it was pruned.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/kward/small", &sessile::ImportOptions::new())?;
    /// let session = store.find("edge-97")?;
    /// let first = store.earlier(session.key(), 1)?;
    ///
    /// assert_eq!(first.session(session.key())?.tree()?, session.tree()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn earlier(&self, session: SessionKey, generation: i64) -> Result<Self> {
        self.view(|conn| fold_earlier(conn, session, generation))
    }
}

impl Session {
    /// Returns the generations of a session's logs that are kept: by file, the
    /// earliest first. The last one of a file, or what was written here, is what the
    /// session shows now. [`Store::earlier`] opens an earlier one.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound).
    pub fn generations(&self) -> Result<Vec<Generation>> {
        self.read(|conn| {
            let rows = rows_of(conn, self.key())?.into_iter();
            let logs = rows.filter(|file| file.kind == FileKind::Log);
            Ok(logs
                .map(|file| Generation {
                    number: file.generation,
                    file: path_of(file.path),
                    lines: file.line_count,
                    lost: file.lost,
                    read_at: file.read_at,
                })
                .collect())
        })
    }
}

fn fold_earlier(conn: &Connection, session: SessionKey, generation: i64) -> Result<()> {
    let not_found = || sessions::not_found(session);
    let (source, path) = sessions::place(conn, session)?.ok_or_else(not_found)?;
    let rows = rows_of(conn, session)?;
    let is_of = |file: &FileRow| file.generation == generation;
    if !rows.iter().any(is_of) {
        let mut known: Vec<i64> = rows.iter().map(|file| file.generation).collect();
        known.sort_unstable();
        known.dedup();
        return Err(Error::GenerationNotFound { generation, known });
    }
    make_shadows(conn)?;
    make_files(conn)?;
    let mut then = Vec::new();
    let rows = rows.into_iter().filter(|file| file.generation <= generation).rev();
    let mut later: Option<Vec<u8>> = None;
    // Rows come by path, the last generation first. The first row seen of a path is
    // the state at that time. A row that it replaced only supplies what it lacks.
    for mut file in rows {
        let is_last = later.as_ref() != Some(&file.path);
        later = Some(file.path.clone());
        // What happened to the file later must not show.
        (file.lost, file.missing_at) = (0, None);
        match (is_last, file.state) {
            (true, FileState::Superseded) => file.state = FileState::Current,
            (false, _) => supersede(&mut file),
            _ => {}
        }
        files::restore_file(conn, &file)?;
        then.extend(is_last.then_some(file));
    }
    let file_id = then.iter().find(|file| file.path == path && file.kind == FileKind::Log);
    let file_id = file_id
        .filter(|_| source.format.rules().sessions == Sessions::File)
        .map(|file| file.file_id);
    conn.prepare(
        "INSERT INTO temp.sessions (session_key, source_id, path, file_id, format, header,
                                    modified_at, first_message, message_count, search_text,
                                    entry_count)
         VALUES (?1, ?2, ?3, ?4, ?5, 'missing', 0, '', 0, '', 0)",
    )?
    .execute((session, source.source_id, &path, file_id, source.format))?;
    source.format.projection().refolder(conn, &source)?(session, &path).map(drop)
}

/// Turns a chain into an earlier generation, which needs a digest if it has content.
fn supersede(file: &mut FileRow) {
    file.state = FileState::Superseded;
    if matches!(file.kind, FileKind::Log | FileKind::Document) && file.sha256.is_none() {
        file.sha256 = Some(Vec::new());
    }
}

/// Every chain of a session's files: by path, the earliest first.
fn rows_of(conn: &Connection, session: SessionKey) -> Result<Vec<FileRow>> {
    let not_found = || sessions::not_found(session);
    let (source, path) = sessions::place(conn, session)?.ok_or_else(not_found)?;
    let mut rows = Vec::new();
    let mut paths = projection::paths_of(conn, session)?;
    paths.insert(path);
    for path in paths {
        rows.extend(generations::rows(conn, source.source_id, &path)?);
    }
    rows.retain(|file| file.state != FileState::Partial);
    Ok(rows)
}

/// Makes a temporary table `files`, from our own schema, that hides the database's
/// table.
fn make_files(conn: &Connection) -> Result<()> {
    let objects = schema::ours()?.iter().filter(|object| object.table == "files");
    for sql in
        objects.filter(|object| object.kind == "table").filter_map(|table| table.sql.as_ref())
    {
        conn.execute_batch(&sql.replacen("CREATE TABLE ", "CREATE TEMP TABLE ", 1))?;
    }
    Ok(())
}
