//! Sessions whose format determines as a whole what the common fold takes from
//! single records.

use super::Fold;
use crate::error::Result;
use crate::format::projection::{Folded, SessionFold};
use crate::format::rules::HeaderPlace;
use crate::model::Header;
use crate::store::generations;

impl Fold<'_> {
    /// Lets the format determine the head; returns whether it could.
    pub(super) fn conclude(
        &mut self,
        whole: Box<dyn SessionFold + '_>,
        is_moved: bool,
    ) -> Result<bool> {
        if self.before.is_some() && self.file.mtime.is_beyond() {
            // The problem is already recorded.
            return Ok(false);
        }
        self.head.modified_at = self.time_of_file()?;
        let folded = Folded {
            conn: self.conn,
            session: self.session,
            file: &self.file,
            decided: is_moved.then_some(self.leaf_key),
        };
        whole.conclude(&folded, &mut self.head)
    }

    /// Makes the header from the name of a file in a format that has no headers;
    /// returns whether it could.
    pub(super) fn take_name(&mut self) -> Result<bool> {
        if self.format.rules().header != HeaderPlace::FileName {
            return Ok(false);
        }
        let path = generations::without_kept(&self.file.path);
        let Some(header) = self.format.layout().header_from_name(&path) else {
            return Ok(false);
        };
        self.set_header(header)?;
        self.head.header = Header::Stored;
        Ok(true)
    }
}
