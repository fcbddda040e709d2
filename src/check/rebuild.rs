//! Rebuild: every projection is folded again.

use crate::error::Result;
use crate::fold::{self, kimi};
use crate::store::{Store, files, projections, search, sessions};

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
