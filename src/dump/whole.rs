//! Writes an object completely or not at all, since half an object would break the
//! lines after it.

use std::io::{self, Write};

use super::refused;
use crate::error::Result;

/// Objects up to this length are buffered until they are complete.
const HELD: usize = 16 << 20;

/// The buffer, reused for each object.
#[derive(Default)]
pub(super) struct AtomicObject {
    bytes: Vec<u8>,
    /// Whether the object did not fit into the buffer.
    is_over: bool,
}

impl AtomicObject {
    /// Runs `write`, and passes its output to `out` only if it succeeds.
    pub(super) fn write(
        &mut self,
        out: &mut dyn Write,
        write: impl Fn(&mut dyn Write) -> Result<()>,
    ) -> Result<()> {
        self.bytes.clear();
        self.is_over = false;
        write(&mut *self)?;
        if !self.is_over {
            return out.write_all(&self.bytes).map_err(refused);
        }
        // The first run read everything without an error, so a second one on the
        // same snapshot will, too.
        write(out).or_else(|err| {
            // If reading failed this time after all, this ends the line, so that
            // the next object starts on a new one.
            out.write_all(b"\n").map_err(refused)?;
            Err(err)
        })
    }
}

impl Write for AtomicObject {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_over || HELD < self.bytes.len() + bytes.len() {
            self.is_over = true;
            self.bytes = Vec::new();
        } else {
            self.bytes.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
