//! The damaged file and its WAL, as pages.
//!
//! A value in the header is only used if the pages confirm it. The file is only
//! read; SQLite never opens it.

use std::cell::Cell;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::page::{self, Payload, be32};
use super::wal::Wal;
use crate::error::{Error, Result};
use crate::store::open::open_regular;

const MAGIC: &[u8] = b"SQLite format 3\0";
/// Pages that are sampled to determine the page size.
const SAMPLES: u64 = 250;
/// The page size that this program uses, for lack of other evidence.
const PAGE_SIZE: usize = 8_192;

/// Where a page is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageRef {
    /// A page of the database, by its number, from 1.
    Page(u32),
    /// A frame of the WAL that is not in use, by its index, from 0.
    Frame(u32),
}

#[derive(Debug)]
pub(super) struct Image {
    file: File,
    wal: Option<Wal>,
    /// The file's first bytes, or the latest version of them in the WAL.
    pub(super) header: [u8; 100],
    page_size: usize,
    /// The size of a page without its reserved end.
    pub(super) usable: usize,
    /// Pages of the file; the last one may be incomplete.
    pub(super) count: u32,
    /// How many overflow pages may still be read, because chains may be cyclic, and
    /// any number of rows may lead to one chain.
    reads_left: Cell<u64>,
}

impl Image {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let Some(file) = open_regular(path)? else {
            return Err(Error::DatabaseMissing(path.to_owned()));
        };
        let metadata = file.metadata().map_err(Error::io("open", path))?;
        if metadata.len() < 100 {
            return Err(Error::NotADatabase(path.to_owned()));
        }
        let mut header = [0; 100];
        if file.read_exact_at(&mut header, 0).is_err() {
            header.fill(0);
        }
        let log = log_of(path);
        let (page_size, reserved) = sizes(&file, metadata.len(), &header, Wal::page_size_of(&log));
        let wal = Wal::read(&log, page_size)?;
        let count = metadata.len().div_ceil(page_size as u64);
        let in_log = wal.as_ref().and_then(|wal| wal.newest.keys().next_back().copied());
        let count = u32::try_from(count).unwrap_or(u32::MAX - 1).max(in_log.unwrap_or_default());
        let mut image = Self {
            file,
            wal,
            header,
            page_size,
            usable: page_size - reserved,
            count,
            reads_left: Cell::new(32 * u64::from(count) + 1_000),
        };
        if let Some(page) = image.page(PageRef::Page(1)) {
            image.header.copy_from_slice(&page[..100]);
        }
        Ok(image)
    }

    pub(super) fn has_magic(&self) -> bool {
        self.header.starts_with(MAGIC)
    }

    pub(super) fn application_id(&self) -> u32 {
        be32(&self.header, 68).unwrap_or_default()
    }

    /// Frames that do not match their checksums.
    pub(super) fn damaged_frames(&self) -> &[u32] {
        self.wal.as_ref().map_or(&[], |wal| &wal.damaged)
    }

    /// Frames that are outdated or not committed.
    pub(super) fn old_frames(&self) -> &[u32] {
        self.wal.as_ref().map_or(&[], |wal| &wal.old)
    }

    /// The current version of a page; `None` if there is none, or the disk cannot
    /// read it.
    ///
    /// The part of a page that the file was truncated by reads as zeros.
    pub(super) fn page(&self, at: PageRef) -> Option<Vec<u8>> {
        let number = match (at, &self.wal) {
            (PageRef::Frame(frame), wal) => return wal.as_ref()?.page(frame),
            (PageRef::Page(number), Some(wal)) => match wal.newest.get(&number) {
                Some(frame) => return wal.page(*frame),
                None => number,
            },
            (PageRef::Page(number), None) => number,
        };
        if number == 0 || self.count < number {
            return None;
        }
        let mut page = vec![0; self.page_size];
        let mut at = u64::from(number - 1) * self.page_size as u64;
        let mut rest = &mut page[..];
        while !rest.is_empty() {
            match self.file.read_at(rest, at) {
                Ok(0) => break,
                Ok(read) => {
                    at += read as u64;
                    rest = &mut rest[read..];
                }
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        Some(page)
    }

    /// Reads a complete record; `None` if its overflow chain is broken.
    pub(super) fn record(&self, page: &[u8], payload: Payload) -> Option<Vec<u8>> {
        let local = page.get(payload.at..payload.at.checked_add(payload.local)?)?;
        if payload.local == payload.size {
            return Some(local.to_vec());
        }
        // A chain cannot be longer than the file.
        let room = self.usable.checked_sub(4)?;
        let pages = (payload.size - payload.local).div_ceil(room) as u64;
        if u64::from(self.count) < pages {
            return None;
        }
        let mut record = Vec::new();
        record.try_reserve_exact(payload.size).ok()?;
        record.extend_from_slice(local);
        let mut next = payload.overflow;
        while record.len() < payload.size {
            self.reads_left.set(self.reads_left.get().checked_sub(1)?);
            let page = self.page(PageRef::Page(next))?;
            next = be32(&page, 0)?;
            let rest = (payload.size - record.len()).min(room);
            record.extend_from_slice(page.get(4..4 + rest)?);
        }
        // The last page of a chain names no next one.
        (next == 0).then_some(record)
    }
}

fn log_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push("-wal");
    PathBuf::from(name)
}

/// The page size and the reserved bytes per page that most of the file confirms.
fn sizes(file: &File, length: u64, header: &[u8; 100], in_log: Option<usize>) -> (usize, usize) {
    let named = match page::be16(header, 16).unwrap_or_default() {
        1 => 65_536,
        size => size,
    };
    let is_size = |size: &usize| size.is_power_of_two() && (512..=65_536).contains(size);
    let named = Some(named).filter(is_size);
    let reserved = usize::from(header[20]);
    let likely = [named, in_log, Some(PAGE_SIZE)];
    let all = (9..=16).map(|power| Some(1_usize << power));
    let mut best = (named.or(in_log).unwrap_or(PAGE_SIZE), 0);
    let mut most = 0;
    for size in likely.into_iter().chain(all).flatten() {
        for reserved in [reserved, 0] {
            let found = bearing_out(file, length, size, reserved);
            if most < found {
                most = found;
                best = (size, reserved);
            }
        }
    }
    best
}

/// The number of bytes in sampled pages that parse exactly with this page size.
fn bearing_out(file: &File, length: u64, size: usize, reserved: usize) -> u64 {
    if size < 480 + reserved {
        return 0;
    }
    let pages = length.div_ceil(size as u64);
    let step = usize::try_from(pages.div_ceil(SAMPLES).max(1)).unwrap_or(usize::MAX);
    // The roots of tables are usually at the start of the file.
    let sampled = (0..pages.min(SAMPLES)).chain((SAMPLES..pages).step_by(step));
    let mut page = vec![0; size];
    let mut found = 0;
    for number in sampled {
        let first = if number == 0 { 1 } else { 2 };
        if file.read_exact_at(&mut page, number * size as u64).is_ok()
            && page::parse(&page, first, size - reserved).is_some_and(|node| node.is_exact)
        {
            found += size as u64;
        }
    }
    found
}
