//! Rebuild: folds every projection again.

use rusqlite::Connection;

use crate::error::Result;
use crate::fold;
use crate::format::rules::Sessions;
use crate::model::SessionKey;
use crate::store::sources::{self, Source};
use crate::store::{Store, projections, search, sessions, texts};

/// Lines that one transaction folds: many small sessions share one wait for the disk,
/// and a long session is not delayed by others.
const LINES: u32 = 4096;

impl Store {
    /// Deletes every projection and folds it again from the log, some sessions per
    /// transaction.
    ///
    /// Lines are not changed. If it is interrupted, each session is either as it was
    /// or rebuilt. Returns the number of sessions.
    ///
    /// # Errors
    ///
    /// [`Busy`](crate::Error::Busy) if another process writes for longer than the
    /// busy timeout; [`Damaged`](crate::Error::Damaged) if a line cannot be read.
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
        let mut left = &all[..];
        while !left.is_empty() {
            left = self.write(|tx| refold_some(tx, left))?;
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

/// Folds the first of these sessions again; returns the rest.
fn refold_some<'a>(tx: &Connection, all: &'a [SessionKey]) -> Result<&'a [SessionKey]> {
    let (mut left, mut lines) = (all, 0_u32);
    while lines < LINES
        && let Some((session, rest)) = left.split_first()
    {
        if let Some((file, source)) = sessions::file_of(tx, *session)?
            && source.format.rules().sessions == Sessions::File
        {
            fold::refold(tx, &file, source.format, *session)?;
            fold::settle_if_recovered(tx, source.source_id, *session, &file.path)?;
            lines = lines.saturating_add(file.line_count);
        }
        // A session without lines counts, too.
        lines = lines.saturating_add(1);
        left = rest;
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_sessions_share_a_transaction_and_a_long_one_ends_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("sessions.db")).unwrap();
        let folder = dir.path().join("root/sessions/--w--");
        std::fs::create_dir_all(&folder).unwrap();
        for (name, blank) in [("1", 1), ("2", LINES as usize), ("3", 1), ("4", 1)] {
            let time = "2026-01-01T00:00:00.000Z";
            let header = format!(
                "{{\"type\":\"session\",\"version\":3,\"id\":\"{name}\",\"timestamp\":\"{time}\",\"cwd\":\"/w\"}}\n"
            );
            let log = header + &"\n".repeat(blank);
            std::fs::write(folder.join(format!("2026-01-01T00-00-00-000Z_{name}.jsonl")), log)
                .unwrap();
        }
        store.import(dir.path().join("root"), &Default::default()).unwrap();
        let all = store.read(sessions::sessions_by_file).unwrap();

        let left = store.write(|tx| refold_some(tx, &all)).unwrap();

        assert_eq!((all.len(), left.len()), (4, 2));
        assert!(store.write(|tx| refold_some(tx, left)).unwrap().is_empty());
    }
}
