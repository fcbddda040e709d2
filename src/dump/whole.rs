//! All of an object or nothing: half of one would spoil what is written behind it.

use std::io::{self, Write};

use super::refused;
use crate::error::Result;

/// Objects up to this length are held until they are whole.
const HELD: usize = 16 << 20;

/// Holds what is written; reused from object to object.
#[derive(Default)]
pub(super) struct Whole {
    bytes: Vec<u8>,
    /// Whether it became too long to be held.
    is_over: bool,
}

impl Whole {
    /// Lets `write` write to `out`, if it can write all.
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
        // Everything could be read; so it can once more, on the same snapshot.
        write(out).or_else(|err| {
            // Should the disk have failed just now, what follows stands on a line of its own.
            out.write_all(b"\n").map_err(refused)?;
            Err(err)
        })
    }
}

impl Write for Whole {
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
