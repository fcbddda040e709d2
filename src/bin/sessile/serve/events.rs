//! Tells a page that something was written.

use std::io::{self, Write};
use std::time::Duration;

use sessile::Store;

use super::response;

/// How long to wait between two looks at the database.
const PAUSE: Duration = Duration::from_millis(200);

/// Looks after which something is said all the same, to learn whether anyone listens.
const QUIET: u32 = 50;

/// Says each change, until who listens leaves.
pub(super) fn write(store: &Store, stream: &mut impl Write) -> io::Result<()> {
    let mut watch = store.watch().map_err(io::Error::other)?;
    stream.write_all(response::stream_head().as_bytes())?;
    // A page that loses the stream asks for it again after so long.
    stream.write_all(b"retry: 2000\n\n")?;
    stream.flush()?;
    let mut quiet = 0;
    loop {
        let said: &[u8] = match watch.changed().map_err(io::Error::other)? {
            true => b"data: changed\n\n",
            false if quiet == QUIET => b":\n\n",
            false => b"",
        };
        quiet = if said.is_empty() { quiet + 1 } else { 0 };
        stream.write_all(said)?;
        stream.flush()?;
        std::thread::sleep(PAUSE);
    }
}
