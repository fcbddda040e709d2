//! Rollouts that are documents: compressed ones, and those of April 2025.

use std::io::{self, BufRead, BufReader, Read};

use crate::error::{Error, Result};
use crate::format::Unpacker;
use crate::format::codex::layout::{self, Form};
use crate::format::codex::meta::Meta;
use crate::format::json::{self, Raw};
use crate::store::log::MAX_LINE;

/// The most bytes that a compressed rollout may decompress to.
const MAX_UNPACKED: u64 = 4 << 30;

/// Decompresses the document with a path; `None` if it is not a rollout, or a plain
/// one.
pub(crate) fn unpacker(path: &[u8]) -> Option<Unpacker> {
    match layout::form(path)? {
        Form::Plain => None,
        Form::Packed => Some(|content, each| match damage_of(content) {
            Some(_) => Ok(()),
            None => each_unpacked(content, each),
        }),
        Form::Document => Some(|content, each| {
            if MAX_LINE < content.len() || !is_of_april(content) {
                return Ok(());
            }
            each(content)
        }),
    }
}

/// Why a zstd frame cannot be decompressed; `None` if it can.
pub(crate) fn damage_of(content: &[u8]) -> Option<String> {
    let checked = zstd::stream::read::Decoder::new(content).and_then(|unpacked| {
        let mut unpacked = BufReader::new(unpacked.take(MAX_UNPACKED + 1));
        let (mut size, mut line) = (0, Vec::new());
        loop {
            line.clear();
            let read = unpacked.read_until(b'\n', &mut line)?;
            size += read as u64;
            if MAX_UNPACKED < size || MAX_LINE < line.len() {
                return Err(io::Error::other("it unpacks to more bytes than the limit"));
            }
            if read == 0 {
                return Ok(());
            }
        }
    });
    checked.err().map(|err| format!("it cannot be unpacked: {err}"))
}

fn each_unpacked(content: &[u8], mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let cannot = |err: io::Error| Error::Damaged(format!("a rollout cannot be unpacked: {err}"));
    let unpacked = zstd::stream::read::Decoder::new(content).map_err(cannot)?;
    let (mut unpacked, mut line) = (BufReader::new(unpacked), Vec::new());
    loop {
        line.clear();
        if unpacked.read_until(b'\n', &mut line).map_err(cannot)? == 0 {
            return Ok(());
        }
        each(&line)?;
    }
}

/// Whether a document is a session of April 2025.
pub(crate) fn is_of_april(content: &[u8]) -> bool {
    json::scan(content).is_ok_and(|(value, _)| meta_of_april(value).is_some())
}

/// The metadata in such a document.
pub(crate) fn meta_of_april(document: Raw<'_>) -> Option<Meta> {
    document.get("items")?;
    Meta::read_bare(document.get("session")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_unpacked_to_its_lines_or_not_at_all() {
        let packed = zstd::bulk::compress(b"a\nb\nc", 3).unwrap();
        assert_eq!(damage_of(&packed), None);
        let mut lines = Vec::new();
        each_unpacked(&packed, |line| {
            lines.push(line.to_vec());
            Ok(())
        })
        .unwrap();
        assert_eq!(lines, [&b"a\n"[..], b"b\n", b"c"]);
        assert!(damage_of(&packed[..packed.len() - 2]).is_some());
        assert!(damage_of(b"no frame").is_some());
    }
}
