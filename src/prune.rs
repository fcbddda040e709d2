//! Prune: earlier generations of files, which nothing needs any more.

use crate::error::Result;
use crate::store::{Store, Traces, files, log, problems};

/// Bytes of content that one transaction removes, or a file's, if that is more.
const BATCH_BYTES: u64 = 16 << 20;

/// Files that one transaction removes at most.
const BATCH_FILES: usize = 500;

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PruneReport {
    /// Earlier generations of files.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Whether it is gone from the database's files, too.
    pub traces: Traces,
}

impl Store {
    /// Removes what files held before they were rewritten at their root.
    ///
    /// A generation that a session went on from here is kept. Interrupted, it
    /// leaves each generation whole or gone.
    ///
    /// Then it writes the database anew, as [`purge`](Self::purge) does, whether
    /// or not there was anything to remove: the space is the file system's again.
    ///
    /// # Errors
    ///
    /// [`Busy`](crate::Error::Busy) when another process writes for too long.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(&dir.path().join("sessions.db"))?;
    /// assert_eq!(store.prune()?.files, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn prune(&self) -> Result<PruneReport> {
        let mut report = PruneReport::default();
        loop {
            let pruned = self.write(|tx| {
                let mut pruned = PruneReport::default();
                for (file_id, size) in files::superseded(tx, BATCH_FILES)? {
                    log::delete_content(tx, file_id)?;
                    problems::delete_file_problems(tx, file_id)?;
                    files::delete_file(tx, file_id)?;
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
