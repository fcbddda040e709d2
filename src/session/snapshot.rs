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

/// The store at one moment: whatever is asked of it and of its sessions is
/// answered from the same state, while others go on writing.
///
/// It holds one of the connections of the
/// [pool](crate::StoreOptions::pool_size), of which there are 4 unless it is said:
/// when all are held, any other call waits for the
/// [busy timeout](crate::StoreOptions::busy_timeout), 10 seconds unless it is
/// said, and then fails with [`Busy`](crate::Error::Busy). It also keeps the
/// database's journal from being emptied, which grows meanwhile. So drop it soon,
/// and the sessions that came from it. Threads that share one wait for one another. What writes fails with
/// [`Unsupported`](crate::Error::Unsupported), and a read from inside a
/// callback of another with [`Busy`](crate::Error::Busy).
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
    /// Takes hold of the state that the database is in now.
    ///
    /// # Errors
    ///
    /// [`Busy`](crate::Error::Busy) when other threads hold every connection.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot(self.at_this_state()?))
    }
}

impl Snapshot {
    /// As [`Store::find`]; what the session is asked, it answers from this state.
    ///
    /// # Errors
    ///
    /// As [`Store::find`].
    pub fn find(&self, name: &str) -> Result<Session> {
        self.0.find(name)
    }

    /// As [`Store::session`]; what the session is asked, it answers from this state.
    ///
    /// # Errors
    ///
    /// As [`Store::session`].
    pub fn session(&self, session: SessionKey) -> Result<Session> {
        self.0.session(session)
    }

    /// As [`Store::sessions`].
    ///
    /// # Errors
    ///
    /// As [`Store::sessions`].
    pub fn sessions(&self, filter: &SessionFilter) -> Result<Page> {
        self.0.sessions(filter)
    }

    /// As [`Store::search`]; what the index does not hold in this state is read.
    ///
    /// # Errors
    ///
    /// As [`Store::search`].
    pub fn search(&self, search: &Search) -> Result<SearchPage> {
        self.0.search(search)
    }

    /// As [`Store::recent_tree`].
    ///
    /// # Errors
    ///
    /// As [`Store::recent_tree`].
    pub fn recent_tree(&self, filter: &SessionFilter) -> Result<Vec<SessionNode>> {
        self.0.recent_tree(filter)
    }

    /// As [`Store::trash`].
    ///
    /// # Errors
    ///
    /// As [`Store::trash`].
    pub fn trash(&self, filter: &SessionFilter) -> Result<Page> {
        self.0.trash(filter)
    }

    /// As [`Store::work_dirs`].
    ///
    /// # Errors
    ///
    /// As [`Store::work_dirs`].
    pub fn work_dirs(&self) -> Result<Vec<String>> {
        self.0.work_dirs()
    }

    /// As [`Store::remembered`].
    ///
    /// # Errors
    ///
    /// As [`Store::remembered`].
    pub fn remembered(&self, work_dir: impl AsRef<Path>) -> Result<Option<Session>> {
        self.0.remembered(work_dir)
    }

    /// As [`Store::stats`].
    ///
    /// # Errors
    ///
    /// As [`Store::stats`].
    pub fn stats(&self) -> Result<Stats> {
        self.0.stats()
    }

    /// As [`Store::each_problem`].
    ///
    /// # Errors
    ///
    /// As [`Store::each_problem`].
    pub fn each_problem(&self, each: impl FnMut(&Path, &Problem) -> Result<()>) -> Result<()> {
        self.0.each_problem(each)
    }

    /// As [`Store::dump`].
    ///
    /// # Errors
    ///
    /// As [`Store::dump`].
    pub fn dump(&self, out: &mut dyn Write) -> Result<()> {
        self.0.dump(out)
    }
}
