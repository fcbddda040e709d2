//! Rebuild: every projection is folded again.

use crate::error::Result;
use crate::fold;
use crate::format::rules::Sessions;
use crate::store::sources::{self, Source};
use crate::store::{Store, projections, search, sessions, texts};

impl Store {
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
            // The next search fills it again.
            texts::clear(tx)?;
            let sources = sources::all(tx)?;
            let is_file = |source: &&Source| source.format.rules().sessions == Sessions::File;
            projections::restore_rows(tx, sources.iter().filter(is_file))
        })?;
        let all = self.read(sessions::sessions_by_file)?;
        for session in &all {
            self.write(|tx| match sessions::file_of(tx, *session)? {
                Some((file, source)) if source.format.rules().sessions == Sessions::File => {
                    fold::refold(tx, &file, source.format, *session)?;
                    fold::settle_if_recovered(tx, source.source_id, *session, &file.path)
                }
                _ => Ok(()),
            })?;
        }
        for source in self.read(sources::all)? {
            let projection = source.format.projection();
            for mut touched in self.read(|conn| projection.everything(conn, &source))? {
                self.write(|tx| touched.settle(tx, source.source_id))?;
            }
        }
        self.write(|tx| {
            sources::all(tx)?
                .iter()
                .try_for_each(|source| fold::settle_recovered(tx, source.source_id))
        })?;
        Ok(self.read(sessions::sessions_by_file)?.len() as u64)
    }
}
