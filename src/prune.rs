//! Prune: removes earlier generations of files that nothing refers to.

use std::path::PathBuf;

use rusqlite::Connection;

use crate::error::Result;
use crate::fold;
use crate::model::{Header, as_object, bytes_of, path_of, shown_path};
use crate::store::files::{FileKind, FileRow};
use crate::store::{Store, Traces, files, generations, heads, log, sessions, sources};

/// Bytes of content that one transaction removes. A larger file is a transaction of
/// its own.
const BATCH_BYTES: u64 = 16 << 20;

/// The most files that one transaction removes.
const BATCH_FILES: usize = 500;

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PruneReport {
    /// Earlier generations of files.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Whether the content is gone from the database's files, too.
    pub traces: Traces,
}

as_object! { PruneReport { files, bytes, traces, } }

/// An earlier generation that [`Store::prune`] would remove.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Prunable {
    /// The root that it was imported from; empty for the store's own root.
    pub root: PathBuf,
    /// Its path below the root.
    pub file: PathBuf,
    /// Counts the generations of the file from 1.
    pub generation: i64,
    /// Lines of a log; 0 for a document.
    pub lines: u32,
    /// Bytes of its content.
    pub bytes: u64,
    /// Lines that the next generation no longer has.
    pub lost: u32,
}

as_object! { Prunable {
    root by shown_path, file by shown_path, generation, lines, bytes, lost,
} }

impl Store {
    /// Returns what [`prune`](Self::prune) would remove, ordered by root and file.
    pub fn prunable(&self) -> Result<Vec<Prunable>> {
        self.read(|conn| {
            let mut all = Vec::new();
            for (file_id, _) in generations::superseded(conn, usize::MAX)? {
                let file = files::file_by_id(conn, file_id)?;
                all.push(Prunable {
                    root: path_of(sources::by_id(conn, file.source_id)?.root),
                    file: path_of(file.path),
                    generation: file.generation,
                    lines: if file.kind == FileKind::Log { file.line_count } else { 0 },
                    bytes: file.size,
                    lost: file.lost,
                });
            }
            all.sort_by(|one, other| {
                let root = bytes_of(&one.root).cmp(bytes_of(&other.root));
                root.then_with(|| bytes_of(&one.file).cmp(bytes_of(&other.file)))
                    .then_with(|| one.generation.cmp(&other.generation))
            });
            Ok(all)
        })
    }

    /// Removes earlier generations: the content that files had before they were
    /// rewritten at their root.
    ///
    /// A generation that a session continued here begins with is kept. If it is
    /// interrupted, each generation is either complete or gone.
    ///
    /// Afterwards it rewrites the database, as [`purge`](crate::Session::purge) does,
    /// even if there was nothing to remove, so that the space returns to the file
    /// system.
    ///
    /// # Errors
    ///
    /// [`Busy`](crate::Error::Busy) when another process writes for too long.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// assert_eq!(store.prune()?.files, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn prune(&self) -> Result<PruneReport> {
        let mut report = PruneReport::default();
        loop {
            let pruned = self.write(|tx| {
                let mut pruned = PruneReport::default();
                for (file_id, size) in generations::superseded(tx, BATCH_FILES)? {
                    let file = files::file_by_id(tx, file_id)?;
                    log::delete_content(tx, file_id)?;
                    files::delete_file(tx, file_id)?;
                    settle_header(tx, &file)?;
                    pruned.files += 1;
                    pruned.bytes = pruned.bytes.saturating_add(size);
                    if BATCH_BYTES <= pruned.bytes {
                        break;
                    }
                }
                Ok(pruned)
            })?;
            if pruned.files == 0 {
                report.traces = self.remove_traces();
                return Ok(report);
            }
            report.files += pruned.files;
            report.bytes = report.bytes.saturating_add(pruned.bytes);
        }
    }
}

/// The session's header may have come from what was removed.
fn settle_header(tx: &Connection, removed: &FileRow) -> Result<()> {
    let Some(session) = sessions::session_at(tx, removed.source_id, &removed.path)? else {
        return Ok(());
    };
    if heads::head(tx, session)?.header != Header::Recovered {
        return Ok(());
    }
    if let Some((file, source)) = sessions::file_of(tx, session)? {
        fold::refold(tx, &file, source.format, session)?;
        fold::settle_recovered(tx, source.source_id)?;
    }
    Ok(())
}
