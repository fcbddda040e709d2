//! Replaces an empty store by another.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::error::Result;

/// Replaces the content of an empty database by that of another, in one transaction.
/// Returns `false`, having changed nothing, if it is not empty, or is being written.
pub(crate) fn replace(from: &Path, to: &Path) -> Result<bool> {
    let (from, mut target) = (Connection::open(from)?, Connection::open(to)?);
    target.busy_timeout(std::time::Duration::from_secs(10))?;
    let backup = Backup::new(&from, &mut target)?;
    // A step of no pages locks the target, so that nobody fills it between the look at it
    // and the copy.
    if backup.step(0)? != StepResult::More || !is_new(&Connection::open(to)?)? {
        return Ok(false);
    }
    Ok(backup.step(-1)? == StepResult::Done)
}

/// Whether a store is empty and always was.
fn is_new(conn: &Connection) -> Result<bool> {
    Ok(conn.query_row(
        "SELECT NOT EXISTS (SELECT 1 FROM sources)
            AND NOT EXISTS (SELECT 1 FROM sqlite_sequence)",
        [],
        |row| row.get(0),
    )?)
}

#[cfg(test)]
mod tests {
    use sessile::{NewSession, Store};

    use super::*;

    #[test]
    fn a_store_that_was_filled_meanwhile_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let [lake, target] = ["lake.db", "target.db"].map(|name| dir.path().join(name));
        let made = Store::open(&lake).unwrap();
        made.create(&NewSession::new("/w").session_id("of the lake")).unwrap();
        let store = Store::open(&target).unwrap();
        assert!(is_new(&Connection::open(&target).unwrap()).unwrap());

        store.create(&NewSession::new("/w").session_id("here")).unwrap();
        assert!(!replace(&lake, &target).unwrap());
        store.find("here").unwrap();

        let empty = Store::open(dir.path().join("empty.db")).unwrap();
        assert!(replace(&lake, empty.path()).unwrap());
        empty.find("of the lake").unwrap();
    }
}
