//! Counts and sizes of what a database holds.

use rusqlite::Connection;

use crate::error::Result;
use crate::model::as_object;
use crate::store::files::{FileKind, FileState};
use crate::store::{Store, space};

/// What a database holds, in rows and bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Roots that something was imported from.
    pub sources: u64,
    /// Sessions, including archived ones and the trash.
    pub sessions: u64,
    /// Entries of all sessions.
    pub entries: u64,
    /// Lines of all logs, including earlier generations.
    pub lines: u64,
    /// Files, by kind and state.
    pub files: Vec<FileCount>,
    /// Bytes of all lines, as stored.
    pub line_bytes: u64,
    /// Bytes of all documents: files that are not logs.
    pub document_bytes: u64,
    /// Bytes of earlier generations; [`Store::prune`] frees them.
    pub superseded_bytes: u64,
    /// Size of the database file in bytes, without its WAL.
    pub database_bytes: u64,
    /// Bytes in it that are free for reuse.
    pub free_bytes: u64,
    /// Tables and indexes, the largest first; empty if SQLite was built without
    /// `dbstat`.
    pub objects: Vec<ObjectSize>,
    /// What could not be read, and is therefore not counted. Usually empty.
    pub damaged: Vec<String>,
}

/// Files of one kind and state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileCount {
    /// What kind of file they are.
    pub kind: FileKind,
    /// Which generation of their path they are.
    pub state: FileState,
    /// How many.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// A table or index, and the pages it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectSize {
    /// Its name in the schema.
    pub name: String,
    /// Bytes of its pages.
    pub bytes: u64,
}

as_object! { Stats {
    sources, sessions, entries, lines, files, line_bytes, document_bytes, superseded_bytes,
    database_bytes, free_bytes, objects, damaged,
} }

as_object! { FileCount { kind, state, files, bytes, } }

as_object! { ObjectSize { name, bytes, } }

impl Store {
    /// Counts what is in the database, and what takes the space.
    ///
    /// This reads the whole database. If part of it is damaged, the rest is counted;
    /// see [`Stats::damaged`].
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/kward/small", &sessile::ImportOptions::new())?;
    /// assert_eq!(store.stats()?.sessions, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> Result<Stats> {
        self.read(stats)
    }
}

fn stats(conn: &Connection) -> Result<Stats> {
    let mut damaged = Vec::new();
    let pages = readable(space::pages(conn), &mut damaged)?;
    let files: Vec<FileCount> = readable(space::files(conn), &mut damaged)?
        .into_iter()
        .map(|(kind, state, files, bytes)| FileCount { kind, state, files, bytes })
        .collect();
    let lines = space::rows_and_bytes(conn, space::Content::Lines);
    let (lines, line_bytes) = readable(lines, &mut damaged)?;
    let chunks = space::rows_and_bytes(conn, space::Content::Chunks);
    let (_, document_bytes) = readable(chunks, &mut damaged)?;
    let [sources, sessions, entries] = readable(space::counts(conn), &mut damaged)?;
    let superseded = files.iter().filter(|count| count.state == FileState::Superseded);
    let objects = readable(space::objects(conn), &mut damaged)?;
    Ok(Stats {
        sources,
        sessions,
        entries,
        lines,
        line_bytes,
        document_bytes,
        superseded_bytes: superseded.map(|count| count.bytes).sum(),
        database_bytes: pages.all * pages.size,
        free_bytes: pages.free * pages.size,
        objects: objects.into_iter().map(|(name, bytes)| ObjectSize { name, bytes }).collect(),
        files,
        damaged,
    })
}

/// The result, or the default and a note in `damaged` if it cannot be read.
fn readable<T: Default>(counted: Result<T>, damaged: &mut Vec<String>) -> Result<T> {
    match counted {
        Err(err) if err.is_of_content() => {
            damaged.push(err.to_string());
            Ok(T::default())
        }
        counted => counted,
    }
}
