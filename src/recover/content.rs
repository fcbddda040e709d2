//! Copies lines and chunks to the positions that they had, and determines what is
//! missing.
//!
//! A line keeps its position. A gap stays a gap, and no other line fills it,
//! neither in its file nor in a chain that begins with it. The row of an incomplete
//! file keeps its number of lines and its digest, so that `check` and `export`
//! notice what is missing. Its size becomes that of what is left, so that an import
//! compares the file at its root and reads it again.

use std::collections::BTreeMap;

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::naming::Files;
use super::rows::Table;
use super::survey::{Place, Survey};
use super::trees::Rank;
use crate::error::Result;
use crate::model::Format;
use crate::store::files::{FileKind, FileRow, FileState};
use crate::store::sources::Source;
use crate::store::{Store, log, packing, unpacked};

/// Bytes that one transaction writes. A larger row is a transaction of its own.
const BATCH_BYTES: usize = 16 << 20;

/// Positions of lines from 0, inclusive.
pub(super) type Gap = (u32, u32);

/// What a file lacks.
#[derive(Clone, Debug, Default)]
pub(super) struct Loss {
    pub(super) file_id: i64,
    pub(super) gaps: Vec<Gap>,
    /// A description for a person; empty if the gaps say everything.
    pub(super) detail: String,
}

/// What was copied, and what is missing.
#[derive(Debug, Default)]
pub(super) struct CopyResult {
    pub(super) lines: u64,
    pub(super) chunks: u64,
    pub(super) losses: Vec<Loss>,
}

/// For each document, the number of its decompressed lines, and the gaps among them.
type Unpacked = BTreeMap<i64, (u32, Vec<Gap>)>;

/// Copies the content of every file, and updates their rows.
pub(super) fn copy(
    survey: &Survey<'_>,
    store: &Store,
    files: &mut Files,
    sources: &BTreeMap<i64, Source>,
) -> Result<CopyResult> {
    let (mut copied, mut unpacked) = (CopyResult::default(), Unpacked::new());
    let conn = store.connection()?;
    let mut writer = Writer { conn: &conn, batch: 0 };
    writer.conn.execute_batch("BEGIN IMMEDIATE")?;
    for file in files.rows.values_mut() {
        let (table, places) = match file.kind {
            FileKind::Log => (Table::Lines, &survey.lines),
            FileKind::Document => (Table::Chunks, &survey.chunks),
            FileKind::Link | FileKind::Folder => continue,
        };
        let is_known = !files.nameless.contains(&file.file_id);
        let choice = Choice::of(file, is_known, places);
        let mut held = CopiedRows::default();
        for place in choice.places() {
            writer.copy(survey, table, place, &mut held)?;
        }
        match table {
            Table::Lines => copied.lines += held.positions,
            _ => copied.chunks += held.positions,
        }
        let loss = settle(file, is_known, held);
        if file.kind == FileKind::Document {
            let format = sources.get(&file.source_id).map(|source| source.format);
            let format = format.filter(|_| loss.is_none());
            unpacked.insert(file.file_id, writer.lines_beside(survey, file, format)?);
        }
        copied.losses.extend(loss);
    }
    writer.conn.execute_batch("COMMIT")?;
    let of_bases = losses_of_bases(files, &copied.losses, &unpacked);
    copied.losses.extend(of_bases);
    Ok(copied)
}

/// Which rows in a file's range are copied.
struct Choice<'p> {
    places: &'p [Place],
    first: u32,
    /// The position after the last one to copy.
    end: u32,
    /// The lowest rank that is copied.
    most: Rank,
}

impl<'p> Choice<'p> {
    fn of(file: &FileRow, is_known: bool, places: &'p [Place]) -> Self {
        let place_of = |key| places.partition_point(|place| place.key < key);
        let from = place_of(log::key(file.file_id, 0));
        let upto = place_of(log::key(file.file_id + 1, 0));
        let places = &places[from..upto];
        if !is_known {
            return Self { places, first: 0, end: u32::MAX, most: Rank::Orphan };
        }
        let (first, mut end) = (file.base_count, file.line_count);
        // If nothing is missing and more rows follow, the count in the file's row
        // may be wrong.
        let within = places.iter().filter(|place| (first..end).contains(&log::position(place.key)));
        if within.count() == (end - first) as usize {
            let behind = places.iter().skip_while(|place| log::position(place.key) < end);
            let live = behind.take_while(|place| place.rank == Rank::Live);
            end = live
                .zip(end..)
                .take_while(|(place, n)| log::position(place.key) == *n)
                .fold(end, |_, (_, n)| n + 1);
        }
        Self { places, first, end, most: Rank::Stale }
    }

    fn places(&self) -> impl Iterator<Item = &'p Place> {
        let (first, end, most) = (self.first, self.end, self.most);
        self.places.iter().filter(move |place| {
            place.rank <= most && (first..end).contains(&log::position(place.key))
        })
    }
}

/// What was copied of a file.
#[derive(Default)]
struct CopiedRows {
    hasher: Sha256,
    size: u64,
    positions: u64,
    gaps: Vec<Gap>,
    /// The last position.
    last: Option<u32>,
    first: Option<u32>,
}

struct Writer<'c> {
    conn: &'c Connection,
    batch: usize,
}

impl Writer<'_> {
    /// The lines that a document decompresses to: by its format if the document is
    /// complete, else those that are left.
    fn lines_beside(
        &mut self,
        survey: &Survey<'_>,
        file: &FileRow,
        format: Option<Format>,
    ) -> Result<(u32, Vec<Gap>)> {
        let mut held = CopiedRows::default();
        match format.map(|format| format.layout().unpacker(&file.path)) {
            Some(Some(unpacker)) => unpacked::unpack(self.conn, file, unpacker)?,
            Some(None) => {}
            None => {
                let choice = Choice::of(file, false, &survey.lines);
                for place in choice.places() {
                    self.copy(survey, Table::Lines, place, &mut held)?;
                }
                if let Some(first) = held.first.filter(|first| 0 < *first) {
                    held.gaps.insert(0, (0, first - 1));
                }
                for (first, last) in &held.gaps {
                    let key = |position| log::key(file.file_id, position);
                    log::insert_gap(self.conn, key(*first), key(*last))?;
                }
            }
        }
        let line_count = unpacked::as_log(self.conn, file.clone())?.line_count;
        Ok((line_count, held.gaps))
    }

    fn copy(
        &mut self,
        survey: &Survey<'_>,
        table: Table,
        place: &Place,
        held: &mut CopiedRows,
    ) -> Result<()> {
        let written = survey.stored(table, place, |stored| -> Result<Option<usize>> {
            let Some(bytes) = survey.bytes(stored, place.key) else { return Ok(None) };
            // A line whose bytes another row held gets a row of its own.
            let (raw, enc) = match stored.holder() {
                Some(_) => (&bytes[..], packing::AS_IS),
                None => (stored.raw, stored.enc),
            };
            match table {
                Table::Lines => self
                    .conn
                    .prepare_cached(
                        "INSERT INTO lines (line_key, raw, enc, checksum)
                         VALUES (?1, ?2, ?3, ?4)",
                    )?
                    .execute((place.key, raw, enc, stored.checksum))?,
                _ => self
                    .conn
                    .prepare_cached(
                        "INSERT INTO chunks (chunk_key, raw, checksum) VALUES (?1, ?2, ?3)",
                    )?
                    .execute((place.key, raw, stored.checksum))?,
            };
            held.hasher.update(&bytes);
            Ok(Some(bytes.len()))
        });
        // A row that can no longer be read is missing.
        let Some(length) = written.transpose()?.flatten() else { return Ok(()) };
        let position = log::position(place.key);
        held.size += length as u64;
        held.positions += 1;
        held.first.get_or_insert(position);
        if let Some(last) = held.last.filter(|last| last + 1 < position) {
            held.gaps.push((last + 1, position - 1));
        }
        held.last = Some(position);
        self.batch += length;
        if BATCH_BYTES <= self.batch {
            self.conn.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
            self.batch = 0;
        }
        Ok(())
    }
}

/// Updates a file's row; returns what the file lacks.
fn settle(file: &mut FileRow, is_known: bool, held: CopiedRows) -> Option<Loss> {
    let CopiedRows { hasher, size, mut gaps, first, last, .. } = held;
    let end = last.map_or(file.base_count, |last| last + 1);
    let first = first.unwrap_or(end);
    if file.base_count < first {
        gaps.insert(0, (file.base_count, first - 1));
    }
    let (named_size, named_count) = (file.size, file.line_count);
    file.size = size;
    let digest = hasher.finalize();
    let is_whole = is_known
        && gaps.is_empty()
        && match &file.sha256 {
            Some(expected) => digest[..] == expected[..],
            None => (size, end) == (named_size, named_count),
        };
    if is_whole {
        // The digest proves what the row says of the lines.
        file.line_count = end;
        return None;
    }
    file.line_count = named_count.max(end);
    if end < file.line_count {
        gaps.push((end, file.line_count - 1));
    }
    let detail = if !is_known {
        "the metadata of the file is lost; more lines may be missing".to_owned()
    } else if file.state == FileState::Local && gaps.is_empty() {
        format!(
            "it had {named_size} bytes in {named_count} lines; {size} bytes in {end} lines are \
             left"
        )
    } else if gaps.is_empty() {
        "it does not match its digest".to_owned()
    } else {
        format!("{size} of {named_size} bytes are left")
    };
    Some(Loss { file_id: file.file_id, gaps, detail })
}

/// What chains lack of the lines of their bases.
fn losses_of_bases(files: &Files, losses: &[Loss], unpacked: &Unpacked) -> Vec<Loss> {
    let mut found = Vec::new();
    for file in files.rows.values().filter(|file| 0 < file.base_count) {
        let Some(base_id) = file.base_id else { continue };
        let loss = losses.iter().find(|loss| loss.file_id == base_id);
        let line_count = files.rows.get(&base_id).map_or(0, |base| base.line_count);
        let (held, of_base, is_doubtful) = match (unpacked.get(&base_id), loss) {
            (Some((held, gaps)), _) => (*held, gaps.as_slice(), false),
            // The lines of a base without a name are proven one by one all the
            // same.
            (None, Some(loss)) => {
                let is_doubtful = loss.gaps.is_empty() && !files.nameless.contains(&base_id);
                (line_count, loss.gaps.as_slice(), is_doubtful)
            }
            (None, None) => (line_count, &[][..], false),
        };
        let last = file.base_count - 1;
        let within = of_base.iter().filter(|gap| gap.0 <= last);
        let mut gaps: Vec<Gap> = within.map(|gap| (gap.0, gap.1.min(last))).collect();
        if held < file.base_count {
            gaps.push((held, last));
        }
        if !gaps.is_empty() || is_doubtful {
            let detail = "of the lines at its start, which are in another chain".to_owned();
            found.push(Loss { file_id: file.file_id, gaps, detail });
        }
    }
    found
}
