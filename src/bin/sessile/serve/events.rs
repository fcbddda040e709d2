//! Reports writes to open pages.

use std::io::{self, Write};
use std::time::Duration;

use sessile::Store;

use super::response;

/// The time between two looks at the database.
const PAUSE: Duration = Duration::from_millis(200);

/// The number of looks without a change after which something is sent anyway, to
/// detect that nobody listens.
const QUIET: u32 = 50;

/// Reports each change, until the client disconnects.
pub(super) fn write(store: &Store, stream: &mut impl Write) -> io::Result<()> {
    let mut watch = store.watch().map_err(io::Error::other)?;
    stream.write_all(response::stream_head().as_bytes())?;
    // The time after which a page reconnects.
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
