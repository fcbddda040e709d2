//! Tells a page that something was written.

use std::io::{self, Write};
use std::net::TcpStream;
use std::time::Duration;

use sessile::Store;

use super::response;

/// How long to wait between two looks at the database.
const PAUSE: Duration = Duration::from_millis(200);

/// Looks after which something is said all the same, to learn whether anyone listens.
const QUIET: u32 = 50;

/// Says each change, until who listens leaves.
pub(super) fn write(store: &Store, stream: &mut TcpStream) -> io::Result<()> {
    let mut watch = store.watch().map_err(io::Error::other)?;
    stream.write_all(response::stream_head().as_bytes())?;
    // A page that loses the stream asks for it again after so long.
    stream.write_all(b"retry: 2000\n\n")?;
    let mut quiet = 0;
    loop {
        if watch.changed().map_err(io::Error::other)? {
            stream.write_all(b"data: changed\n\n")?;
            quiet = 0;
        } else if quiet == QUIET {
            stream.write_all(b":\n\n")?;
            quiet = 0;
        }
        quiet += 1;
        std::thread::sleep(PAUSE);
    }
}
