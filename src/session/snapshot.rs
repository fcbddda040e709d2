//! Several reads of one state.

use std::io::Write;
use std::path::Path;

use super::Session;
use crate::error::Result;
use crate::lineage::SessionNode;
use crate::model::{Problem, SessionKey};
use crate::search::{Search, SearchPage};
use crate::stats::Stats;
use crate::store::{Page, SessionFilter, Store};

/// The store at one moment: all reads of it and of its sessions see the same state,
/// while others continue to write.
///
/// A snapshot holds one of the connections of the
/// [pool](crate::StoreOptions::pool_size), which has 4 by default. If all are held,
/// any other call waits for the [busy timeout](crate::StoreOptions::busy_timeout), 10
/// seconds by default, and then fails with [`Busy`](crate::Error::Busy). A snapshot
/// also prevents the WAL from being reset, which therefore grows. So drop it soon,
/// and the sessions that came from it. Threads that share a snapshot wait for one
/// another. Writes fail with [`Unsupported`](crate::Error::Unsupported), and a read
/// inside a callback of another read with [`Busy`](crate::Error::Busy).
///
/// # Examples
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
/// use sessile::{NewSession, SessionFilter};
///
/// let session = store.create(&NewSession::new("/home/me/project"))?;
/// let snapshot = store.snapshot()?;
/// session.append_message(r#"{"role":"user","content":"later"}"#)?;
///
/// let row = &snapshot.sessions(&SessionFilter::new())?.rows[0];
/// let path = snapshot.session(row.key)?.path()?;
/// assert_eq!((row.message_count, path.len()), (0, 0));
/// assert_eq!(session.path()?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Snapshot(Store);

impl Store {
    /// Returns a snapshot of the present state.
    ///
    /// # Errors
    ///
    /// [`Busy`](crate::Error::Busy) if other threads hold every connection.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot(self.at_this_state()?))
    }
}

impl Snapshot {
    /// As [`Store::find`]; the session that it returns reads this state.
    ///
    /// # Errors
    ///
    /// Those of [`Store::find`].
    pub fn find(&self, name: &str) -> Result<Session> {
        self.0.find(name)
    }

    /// As [`Store::session`]; the session that it returns reads this state.
    ///
    /// # Errors
    ///
    /// Those of [`Store::session`].
    pub fn session(&self, session: SessionKey) -> Result<Session> {
        self.0.session(session)
    }

    /// As [`Store::sessions`].
    ///
    /// # Errors
    ///
    /// Those of [`Store::sessions`].
    pub fn sessions(&self, filter: &SessionFilter) -> Result<Page> {
        self.0.sessions(filter)
    }

    /// As [`Store::search`]; what the index does not hold in this state is read from
    /// the log.
    ///
    /// # Errors
    ///
    /// Those of [`Store::search`].
    pub fn search(&self, search: &Search) -> Result<SearchPage> {
        self.0.search(search)
    }

    /// As [`Store::recent_tree`].
    ///
    /// # Errors
    ///
    /// Those of [`Store::recent_tree`].
    pub fn recent_tree(&self, filter: &SessionFilter) -> Result<Vec<SessionNode>> {
        self.0.recent_tree(filter)
    }

    /// As [`Store::trash`].
    ///
    /// # Errors
    ///
    /// Those of [`Store::trash`].
    pub fn trash(&self, filter: &SessionFilter) -> Result<Page> {
        self.0.trash(filter)
    }

    /// As [`Store::work_dirs`].
    ///
    /// # Errors
    ///
    /// Those of [`Store::work_dirs`].
    pub fn work_dirs(&self) -> Result<Vec<String>> {
        self.0.work_dirs()
    }

    /// As [`Store::remembered`].
    ///
    /// # Errors
    ///
    /// Those of [`Store::remembered`].
    pub fn remembered(&self, work_dir: impl AsRef<Path>) -> Result<Option<Session>> {
        self.0.remembered(work_dir)
    }

    /// As [`Store::stats`].
    ///
    /// # Errors
    ///
    /// Those of [`Store::stats`].
    pub fn stats(&self) -> Result<Stats> {
        self.0.stats()
    }

    /// As [`Store::each_problem`].
    ///
    /// # Errors
    ///
    /// Those of [`Store::each_problem`].
    pub fn each_problem(&self, each: impl FnMut(&Path, &Problem) -> Result<()>) -> Result<()> {
        self.0.each_problem(each)
    }

    /// As [`Store::dump`].
    ///
    /// # Errors
    ///
    /// Those of [`Store::dump`].
    pub fn dump(&self, out: &mut dyn Write) -> Result<()> {
        self.0.dump(out)
    }
}
