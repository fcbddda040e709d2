//! Reads a database's WAL, by SQLite's file format.
//!
//! SQLite stops at the first frame that does not match its checksum. Here later
//! frames count, too: a frame's checksum continues the stored checksum of the frame
//! before, so each frame can be proven by itself.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::page::be32;
use crate::error::{Error, Result};

const HEADER: u64 = 32;
const FRAME_HEADER: usize = 24;

#[derive(Debug)]
pub(super) struct Wal {
    file: File,
    pub(super) page_size: usize,
    /// The newest committed frame of each page.
    pub(super) newest: BTreeMap<u32, u32>,
    /// Frames of the current generation that do not match their checksums.
    pub(super) damaged: Vec<u32>,
    /// Frames of earlier generations, or after the last commit.
    pub(super) old: Vec<u32>,
}

/// The header of a frame.
struct Frame {
    page: u32,
    is_commit: bool,
    is_of_run: bool,
    is_proven: bool,
}

impl Wal {
    /// Reads the WAL of a database with this page size; `None` if there is none.
    pub(super) fn read(path: &Path, page_size: usize) -> Result<Option<Self>> {
        let Ok(metadata) = path.metadata() else { return Ok(None) };
        if !metadata.is_file() || metadata.len() <= HEADER {
            return Ok(None);
        }
        let file = File::open(path).map_err(Error::io("open", path))?;
        let mut header = [0; HEADER as usize];
        file.read_exact_at(&mut header, 0).map_err(Error::io("read", path))?;
        let frames = (metadata.len() - HEADER) / (FRAME_HEADER + page_size) as u64;
        let mut wal =
            Self { file, page_size, newest: BTreeMap::new(), damaged: Vec::new(), old: Vec::new() };
        wal.sort_frames(&header, u32::try_from(frames).unwrap_or(u32::MAX));
        Ok(Some(wal))
    }

    /// The page size in the header of a WAL.
    pub(super) fn page_size_of(path: &Path) -> Option<usize> {
        let mut header = [0; HEADER as usize];
        let is_file = path.metadata().is_ok_and(|metadata| metadata.is_file());
        File::open(path).ok().filter(|_| is_file)?.read_exact_at(&mut header, 0).ok()?;
        let size = usize::try_from(be32(&header, 8)?).ok()?;
        (size.is_power_of_two() && (512..=65_536).contains(&size)).then_some(size)
    }

    fn sort_frames(&mut self, header: &[u8; HEADER as usize], count: u32) {
        let frames = self.frames(header, count);
        let end = frames
            .iter()
            .rposition(|frame| frame.is_commit && frame.is_of_run && frame.is_proven)
            .map_or(0, |last| last + 1);
        for (n, frame) in (0..count).zip(&frames) {
            match (frame.is_of_run && (n as usize) < end, frame.is_proven) {
                (true, true) => {
                    self.newest.insert(frame.page, n);
                }
                (true, false) => self.damaged.push(n),
                (false, _) => self.old.push(n),
            }
        }
    }

    fn frames(&self, header: &[u8; HEADER as usize], count: u32) -> Vec<Frame> {
        let word = |at| be32(header, at).unwrap_or_default();
        let is_big = word(0) & 1 == 1;
        let mut sum = checksum(is_big, &header[..24], (0, 0));
        let mut salt = (word(16), word(20));
        let is_header_proven = sum == (word(24), word(28));
        let mut frames = Vec::new();
        let mut bytes = vec![0; FRAME_HEADER + self.page_size];
        for n in 0..count {
            let at = HEADER + u64::from(n) * bytes.len() as u64;
            if self.file.read_exact_at(&mut bytes, at).is_err() {
                bytes.fill(0);
            }
            let word = |at| be32(&bytes, at).unwrap_or_default();
            let own_salt = (word(8), word(12));
            if n == 0 && !is_header_proven {
                salt = own_salt;
            }
            let stored = (word(16), word(20));
            let found =
                checksum(is_big, &bytes[FRAME_HEADER..], checksum(is_big, &bytes[..8], sum));
            frames.push(Frame {
                page: word(0),
                is_commit: word(4) != 0,
                is_of_run: own_salt == salt,
                is_proven: own_salt == salt && found == stored && word(0) != 0,
            });
            sum = stored;
        }
        frames
    }

    /// The page in a frame; `None` if the disk cannot read it.
    pub(super) fn page(&self, frame: u32) -> Option<Vec<u8>> {
        let mut page = vec![0; self.page_size];
        let size = (FRAME_HEADER + self.page_size) as u64;
        let at = HEADER + u64::from(frame) * size + FRAME_HEADER as u64;
        self.file.read_exact_at(&mut page, at).ok().map(|()| page)
    }
}

/// SQLite's checksum, over words in the byte order that the WAL's magic number
/// indicates.
fn checksum(is_big: bool, bytes: &[u8], (mut one, mut two): (u32, u32)) -> (u32, u32) {
    let word = |bytes: &[u8], at: usize| {
        let big = be32(bytes, at).unwrap_or_default();
        if is_big { big } else { big.swap_bytes() }
    };
    for pair in bytes.chunks_exact(8) {
        one = one.wrapping_add(word(pair, 0)).wrapping_add(two);
        two = two.wrapping_add(word(pair, 4)).wrapping_add(one);
    }
    (one, two)
}
