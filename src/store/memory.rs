//! What a connection remembers of the database between two reads.

use std::cell::RefCell;
use std::sync::Arc;

use rusqlite::Connection;

use super::standings::Standings;
use super::texts::Index;
use crate::error::Result;

/// What was read in one state of the database. It is dropped when somebody has
/// written since.
#[derive(Debug, Default)]
pub(crate) struct Memory(RefCell<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    state: Option<State>,
    standings: Vec<(Vec<Index>, Arc<Standings>)>,
}

/// Identifies the state that a connection sees: equal values mean an equal state.
#[derive(Debug, PartialEq, Eq)]
struct State {
    /// SQLite's counter of other connections' commits.
    data_version: i64,
    /// Rows that the connection itself has changed.
    own_changes: u64,
}

impl State {
    fn of(conn: &Connection) -> Result<Self> {
        let data_version =
            conn.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        Ok(Self { data_version, own_changes: conn.total_changes() })
    }
}

impl Memory {
    /// How far these indexes hold each session; read again only if somebody has
    /// written since. `conn` must be the connection whose memory this is, in a read
    /// transaction.
    pub(crate) fn standings(&self, conn: &Connection, indexes: &[Index]) -> Result<Arc<Standings>> {
        let state = State::of(conn)?;
        let mut remembered = self.0.borrow_mut();
        if remembered.state.as_ref() != Some(&state) {
            *remembered = Remembered { state: Some(state), standings: Vec::new() };
        }
        let known = remembered.standings.iter().find(|(of, _)| of == indexes);
        if let Some((_, standings)) = known {
            return Ok(Arc::clone(standings));
        }
        let standings = Arc::new(Standings::of(conn, indexes)?);
        remembered.standings.push((indexes.to_vec(), Arc::clone(&standings)));
        Ok(standings)
    }
}
