//! Sessions of which the format says as a whole what the common fold takes from
//! single records.

use super::Fold;
use crate::error::Result;
use crate::format::projection::{Folded, Whole};
use crate::format::rules::HeaderPlace;
use crate::model::Header;

impl Fold<'_> {
    /// Lets the format settle the head; says whether it could.
    pub(super) fn conclude(&mut self, whole: Box<dyn Whole + '_>, is_moved: bool) -> Result<bool> {
        if self.before.is_some() && self.file.mtime.is_beyond() {
            // Its problem is said once.
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

    /// Takes the header from the name of a file that never has one; says whether it did.
    pub(super) fn take_name(&mut self) -> Result<bool> {
        if self.format.rules().header != HeaderPlace::FileName {
            return Ok(false);
        }
        let Some(header) = self.format.layout().header_from_name(&self.file.path) else {
            return Ok(false);
        };
        self.set_header(header)?;
        self.head.header = Header::Stored;
        Ok(true)
    }
}
