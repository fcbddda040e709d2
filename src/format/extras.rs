//! The facet of what only one program has: its own tables, fields of a dump, turns,
//! a state.

use std::io::Write;

use rusqlite::Connection;

use crate::dump;
use crate::error::Result;
use crate::model::{Message, SessionInfo, SessionKey, Timestamp, Turn};
use crate::store::projections::Table;

/// A tool's answer that the program stored in a file of its own, beside the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResultFile {
    /// The file's path below the root; if the store does not have it, the path as the
    /// message names it.
    pub path: String,
    /// The tool's answer; `None` if the store does not have the file, or not all of
    /// it.
    pub text: Option<String>,
}

/// What a program has besides the common tables; by default nothing.
pub(crate) trait Extras: Sync {
    /// The program's own tables, which are folded from its files. A migration of its
    /// own creates them.
    fn tables(&self) -> &'static [Table] {
        &[]
    }

    /// When a session began, for a dump; `None` if no file says.
    fn began_at(&self, _conn: &Connection, info: &SessionInfo) -> Result<Option<Timestamp>> {
        Ok(Some(info.created_at))
    }

    /// Writes a session's own fields of a dump, between those of its row and those of
    /// its tree.
    fn dump(&self, conn: &Connection, out: &mut dyn Write, info: &SessionInfo) -> Result<()> {
        dump::write_conversation(conn, out, info, Some(&info.exact_first_message))
    }

    /// The sessions that a dump nests in this one, with their problems.
    fn sessions_within(&self, _conn: &Connection, _session: SessionKey) -> Result<Vec<SessionKey>> {
        Ok(Vec::new())
    }

    /// The restored conversation, in formats in which it is more than the messages
    /// that each entry adds.
    fn restored(
        &self,
        _conn: &Connection,
        _info: &SessionInfo,
        _leaf_key: i64,
    ) -> Result<Option<Vec<Message>>> {
        Ok(None)
    }

    /// The main log of a session, if it consists of several files.
    fn main_log(&self, _conn: &Connection, _session: SessionKey) -> Result<Option<i64>> {
        Ok(None)
    }

    /// The user's turns, in order.
    fn turns(&self, _conn: &Connection, _session: SessionKey) -> Result<Vec<Turn>> {
        Ok(Vec::new())
    }

    /// The state that a session has besides its log, as JSON.
    fn state(&self, _conn: &Connection, _session: SessionKey) -> Result<Option<String>> {
        Ok(None)
    }

    /// The file with a tool's answer, if the message only refers to it.
    fn result_file(
        &self,
        _conn: &Connection,
        _session: SessionKey,
        _call_id: &str,
        _answer: &str,
    ) -> Result<Option<ResultFile>> {
        Ok(None)
    }

    /// The JSON document beside a session's log that describes the session.
    fn description(&self, _conn: &Connection, _session: SessionKey) -> Result<Option<String>> {
        Ok(None)
    }

    /// The number of tokens in a session's context, in digits, as the program counts
    /// them.
    fn token_count(&self, _conn: &Connection, _session: SessionKey) -> Result<Option<String>> {
        Ok(None)
    }
}
