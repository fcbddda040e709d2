//! Inserts many lines into the log.

use rusqlite::{CachedStatement, Connection};

use super::log::{checksum, insert_by, inserter};
use super::packing::Packer;
use crate::error::Result;

/// Inserts the lines of a chunk, eight per statement as long as there are enough:
/// starting and ending a statement takes a quarter of its time.
pub(crate) struct LineInserter<'c> {
    one: CachedStatement<'c>,
    several: CachedStatement<'c>,
}

/// Rows of the statement that inserts several.
pub(crate) const SEVERAL: usize = 8;

impl<'c> LineInserter<'c> {
    pub(crate) fn new(conn: &'c Connection) -> Result<Self> {
        let several = conn.prepare_cached(
            // OR FAIL: with the default, ABORT, SQLite would first copy each page
            // that it changes, to be able to undo the statement alone. Whoever
            // fails here rolls the transaction back anyway.
            "INSERT OR FAIL INTO lines (line_key, raw, enc, checksum)
             VALUES (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?),
                    (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?)",
        )?;
        Ok(Self { one: inserter(conn)?, several })
    }

    /// Inserts consecutive lines, the first of them at `key`.
    pub(crate) fn insert(&mut self, key: i64, lines: &[&[u8]], packer: &mut Packer) -> Result<()> {
        let keyed = (key..).zip(lines);
        if lines.len() != SEVERAL {
            return keyed
                .into_iter()
                .try_for_each(|(key, line)| insert_by(&mut self.one, key, line, packer));
        }
        for (n, (key, line)) in keyed.enumerate() {
            let (enc, stored) = packer.pack(line);
            self.several.raw_bind_parameter(4 * n + 1, key)?;
            self.several.raw_bind_parameter(4 * n + 2, stored)?;
            self.several.raw_bind_parameter(4 * n + 3, enc)?;
            self.several.raw_bind_parameter(4 * n + 4, checksum(key, line))?;
        }
        self.several.raw_execute()?;
        Ok(())
    }
}
