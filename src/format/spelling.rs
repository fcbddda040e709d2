//! The facet of spelling: turns a draft into the bytes that its program would have
//! written.

use crate::model::{Compaction, Draft, Timestamp};

/// How records are written.
///
/// The defaults are those of a program to whose files nothing is appended: everything
/// is an event.
pub(crate) trait Spelling: Sync {
    /// The line of a record; `None` if the format has no record for it.
    fn serialise(&self, _draft: &Draft<'_>, _at: Timestamp) -> Option<String> {
        None
    }

    /// The JSON argument of `Live::compact`; `None` in formats without compactions.
    fn compaction(&self, _new: &Compaction) -> Option<String> {
        None
    }

    /// The keys of a compaction, for the message to callers that pass JSON.
    fn compaction_keys(&self) -> &'static str {
        ""
    }

    /// Why JSON is not a compaction; `None` if it is one.
    fn refuse_compaction(&self, _json: &str) -> Option<String> {
        None
    }

    /// The line of an entry, with its id and parent written out; `None` for a line
    /// that is no record.
    fn identified(&self, _line: &[u8], _id: &str, _parent_id: Option<&str>) -> Option<String> {
        None
    }

    /// The line of an entry with another parent, and with another entry that a
    /// compaction keeps from; `None` for a line that is no record.
    fn relinked(
        &self,
        _line: &[u8],
        _parent_id: Option<&str>,
        _first_kept: Option<&str>,
    ) -> Option<String> {
        None
    }
}
