//! What is in the database, and what takes the space.

use crate::error::Result;
use crate::store::{Store, space};

/// What is in a database, in rows and bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Roots that something was imported from.
    pub sources: u64,
    /// Sessions, archived ones and the trash included.
    pub sessions: u64,
    /// Entries of their trees.
    pub entries: u64,
    /// Lines of their files, earlier generations included.
    pub lines: u64,
    /// Files, by kind and state.
    pub files: Vec<FileCount>,
    /// Bytes of all lines, as they are stored.
    pub line_bytes: u64,
    /// Bytes of all files that are no session files.
    pub document_bytes: u64,
    /// Bytes of generations that were rewritten at their root since; pruning frees them.
    pub superseded_bytes: u64,
    /// Bytes of the database, without its journal.
    pub database_bytes: u64,
    /// Bytes in it that are free to be used again.
    pub free_bytes: u64,
    /// Tables and indexes, the largest first; empty where SQLite cannot tell.
    pub objects: Vec<ObjectSize>,
}

/// Files of one kind and state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileCount {
    /// `log`, `document`, `link` or `folder`.
    pub kind: String,
    /// `current`, `partial`, `superseded` or `local`.
    pub state: String,
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

impl Store {
    /// Says what is in the database, and what takes the space.
    ///
    /// This reads the whole database.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(&dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/kward/small".as_ref(), &sessile::ImportOptions::new())?;
    /// assert_eq!(store.stats()?.sessions, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> Result<Stats> {
        self.read(|conn| {
            let pages = space::pages(conn)?;
            let files: Vec<FileCount> = space::files(conn)?
                .into_iter()
                .map(|(kind, state, files, bytes)| FileCount { kind, state, files, bytes })
                .collect();
            let (lines, line_bytes) = space::rows_and_bytes(conn, space::Content::Lines)?;
            let (_, document_bytes) = space::rows_and_bytes(conn, space::Content::Chunks)?;
            let [sources, sessions, entries] = space::counts(conn)?;
            let superseded = files.iter().filter(|count| count.state == "superseded");
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
                objects: space::objects(conn)?
                    .into_iter()
                    .map(|(name, bytes)| ObjectSize { name, bytes })
                    .collect(),
                files,
            })
        })
    }
}
