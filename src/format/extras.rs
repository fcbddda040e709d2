//! The facet of what a program alone has: tables of its own, fields of a dump,
//! turns, a state.

use std::io::Write;

use rusqlite::Connection;

use crate::dump;
use crate::error::Result;
use crate::model::{Message, SessionInfo, SessionKey, Timestamp, Turn};
use crate::store::projections::Table;

/// What a tool answered that stands in a file of its own, beside the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResultFile {
    /// The file, below the root; where the store has none, as the message names it.
    pub path: String,
    /// What the tool answered; `None` where the store has no such file, or not all of it.
    pub text: Option<String>,
}

/// What a program has beside the common tables; by default nothing.
pub(crate) trait Extras: Sync {
    /// Tables of its own that are folded from its files. A migration of its own makes them.
    fn tables(&self) -> &'static [Table] {
        &[]
    }

    /// When a session began, as a dump says it; `None` where no file tells.
    fn began_at(&self, _conn: &Connection, info: &SessionInfo) -> Result<Option<Timestamp>> {
        Ok(Some(info.created_at))
    }

    /// Writes the fields of a session's dump that stand between those of its
    /// row and those of its tree.
    fn dump(&self, conn: &Connection, out: &mut dyn Write, info: &SessionInfo) -> Result<()> {
        dump::write_conversation(conn, out, info, Some(&info.exact_first_message))
    }

    /// The sessions that a dump shows within this one, with their problems.
    fn sessions_within(&self, _conn: &Connection, _session: SessionKey) -> Result<Vec<SessionKey>> {
        Ok(Vec::new())
    }

    /// The restored conversation, where it is made of more than the messages
    /// that each entry adds.
    fn restored(
        &self,
        _conn: &Connection,
        _info: &SessionInfo,
        _leaf_key: i64,
    ) -> Result<Option<Vec<Message>>> {
        Ok(None)
    }

    /// The log that lines of a session are read from where that is one of several files.
    fn main_log(&self, _conn: &Connection, _session: SessionKey) -> Result<Option<i64>> {
        Ok(None)
    }

    /// What the user asked, in order.
    fn turns(&self, _conn: &Connection, _session: SessionKey) -> Result<Vec<Turn>> {
        Ok(Vec::new())
    }

    /// The state that a session has beside its log, as JSON.
    fn state(&self, _conn: &Connection, _session: SessionKey) -> Result<Option<String>> {
        Ok(None)
    }

    /// The file that holds what a tool answered, where the answer in a message
    /// only stands for it.
    fn result_file(
        &self,
        _conn: &Connection,
        _session: SessionKey,
        _call_id: &str,
        _answer: &str,
    ) -> Result<Option<ResultFile>> {
        Ok(None)
    }

    /// The JSON object of the document beside a session's log that describes it.
    fn description(&self, _conn: &Connection, _session: SessionKey) -> Result<Option<String>> {
        Ok(None)
    }

    /// The tokens of a session's context, in digits, as the program counts them.
    fn token_count(&self, _conn: &Connection, _session: SessionKey) -> Result<Option<String>> {
        Ok(None)
    }
}
