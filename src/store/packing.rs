//! Compression of single lines with zstd, so that each line can be read by itself.
//!
//! Most of a short line is its envelope: the keys and constant words of every
//! record of its program. The zstd dictionary contains one envelope per line, and
//! no user data. It is part of the file format: lines that were packed with it
//! cannot be read without it, so not one byte of it may change after a release.

use std::borrow::Cow;
use std::cell::RefCell;

use rusqlite::Connection;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe;

use super::log;
use crate::error::{Error, Result};

/// The envelopes of every program's records. The most frequent come last, where zstd
/// reaches them with the shortest distances.
const DICTIONARY: &[u8] = include_bytes!("envelopes.jsonl");

/// Shorter lines consist of little else than ids.
const SHORTEST: usize = 64;

/// Longer lines stay unpacked, so that unpacking a few bytes has a bounded result.
const LONGEST: usize = 16 << 20;

/// The `enc` of an unpacked line.
pub(crate) const AS_IS: i64 = 0;
const ZSTD: i64 = 1;

/// Packs lines that become smaller by it, and leaves others.
#[derive(Default)]
pub(crate) struct Packer {
    zstd: Option<Compressor<'static>>,
    packed: Vec<u8>,
}

impl Packer {
    /// A packer with a zstd level; `None` leaves every line unpacked.
    pub(crate) fn new(level: Option<i32>) -> Result<Self> {
        let zstd = level.map(|level| Compressor::with_dictionary(level, DICTIONARY)).transpose();
        let zstd = zstd.map_err(|err| Error::Damaged(format!("nothing can be packed: {err}")))?;
        Ok(Self { zstd, packed: Vec::new() })
    }

    /// What to store for a line: `enc` and the bytes.
    ///
    /// A line without terminator stays unpacked, because it may be continued.
    pub(super) fn pack<'a>(&'a mut self, raw: &'a [u8]) -> (i64, &'a [u8]) {
        let Some(zstd) = self.zstd.as_mut().filter(|_| (SHORTEST..=LONGEST).contains(&raw.len()))
        else {
            return (AS_IS, raw);
        };
        self.packed.clear();
        // If the packed line is not smaller, it does not fit into this buffer.
        self.packed.reserve(raw.len());
        match zstd.compress_to_buffer(raw, &mut self.packed) {
            Ok(_) if raw.ends_with(b"\n") && self.packed.len() < raw.len() => (ZSTD, &self.packed),
            _ => (AS_IS, raw),
        }
    }
}

/// What packing existing lines achieved.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Packed {
    pub(crate) lines: u64,
    /// Bytes of these lines.
    pub(crate) bytes: u64,
    /// Bytes that they take now.
    pub(crate) stored: u64,
}

/// Packs the lines of a range of keys in place, until `budget` bytes were read.
/// Returns the key to continue from; `None` at the end of the range. Lines that do
/// not match their checksum are left for `check` to report.
pub(crate) fn pack_lines(
    conn: &Connection,
    [first, last]: [i64; 2],
    budget: &mut usize,
    packer: &mut Packer,
) -> Result<(Packed, Option<i64>)> {
    let (mut packed, mut next, mut rows) = (Packed::default(), None, Vec::new());
    let mut stmt = conn.prepare_cached(
        "SELECT line_key, raw, checksum
         FROM lines
         WHERE line_key BETWEEN ?1 AND ?2
           AND enc = 0
         ORDER BY line_key",
    )?;
    let mut found = stmt.query((first, last))?;
    while let Some(row) = found.next()? {
        let key: i64 = row.get(0)?;
        if *budget == 0 {
            next = Some(key);
            break;
        }
        let Ok(raw) = row.get_ref(1)?.as_blob() else { continue };
        *budget = budget.saturating_sub(raw.len().max(1));
        let (enc, stored) = packer.pack(raw);
        if enc == ZSTD && row.get::<_, i64>(2)? == i64::from(log::checksum(key, raw)) {
            packed.lines += 1;
            packed.bytes += raw.len() as u64;
            packed.stored += stored.len() as u64;
            rows.push((key, stored.to_vec()));
        }
    }
    let mut update =
        conn.prepare_cached("UPDATE lines SET raw = ?2, enc = 1 WHERE line_key = ?1")?;
    for row in rows {
        update.execute(row)?;
    }
    Ok((packed, next))
}

thread_local! {
    /// Making a decompressor takes longer than unpacking a line.
    static UNPACKER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Returns the bytes of a line, for programs that read the table `lines` by SQL:
/// `enc` and `raw` are the row's columns. If `enc` is 2, the row does not hold its
/// bytes but names the row that does.
///
/// # Errors
///
/// [`Damaged`](crate::Error::Damaged) if the row does not hold a line.
pub fn unpack_line(enc: i64, raw: &[u8]) -> Result<Cow<'_, [u8]>> {
    unpack(enc, raw).map_err(|reason| Error::Damaged(format!("a line {reason}")))
}

/// The bytes of a line as stored in a row, or why there are none.
pub(crate) fn unpack(enc: i64, stored: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    match enc {
        AS_IS => Ok(Cow::Borrowed(stored)),
        ZSTD => UNPACKER.with_borrow_mut(|unpacker| {
            let cannot = |err: std::io::Error| format!("cannot be unpacked: {err}");
            let zstd = match unpacker {
                Some(zstd) => zstd,
                None => unpacker.insert(Decompressor::with_dictionary(DICTIONARY).map_err(cannot)?),
            };
            // The frame header gives the length of the line. It is not trusted
            // beyond the longest line that is ever packed.
            let length = zstd_safe::get_frame_content_size(stored).ok().flatten();
            let length = length.and_then(|length| usize::try_from(length).ok());
            match length.filter(|length| *length <= LONGEST) {
                Some(length) => zstd.decompress(stored, length).map(Cow::Owned).map_err(cannot),
                None => Err("cannot be unpacked: it does not say a length of ours".to_owned()),
            }
        }),
        _ => Err(format!("is stored in a way {enc} that cannot be read here")),
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::{AS_IS, DICTIONARY, LONGEST, Packer, ZSTD, unpack};

    #[test]
    fn the_dictionary_is_the_one_that_lines_were_packed_with() {
        let digest = Sha256::digest(DICTIONARY);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();

        assert_eq!(digest, "2be9c20a488f44755fae5f5260ec9a22ba5791eb4cecb8a70dfa37c10d62e970");
    }

    #[test]
    fn a_short_line_is_packed_by_what_it_has_in_common_with_others() {
        let line = concat!(
            r#"{"type":"message","id":"6ad4149a","parentId":"5f2c91d0","#,
            r#""timestamp":"2026-05-04T09:00:00.000Z","message":{"role":"user","#,
            r#""content":[{"type":"text","text":"And now?"}],"timestamp":1777885200000}}"#,
            "\n"
        );
        let mut packer = Packer::new(Some(3)).unwrap();
        let (enc, stored) = packer.pack(line.as_bytes());

        assert_eq!(enc, ZSTD);
        assert!(stored.len() * 5 < line.len() * 3, "{} of {} bytes", stored.len(), line.len());
        assert_eq!(unpack(enc, stored).unwrap(), line.as_bytes());
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let mut packer = Packer::new(Some(3)).unwrap();
        let mut random = 1_u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 24) as u8
        })
        .take(5_000)
        .chain([b'\n'])
        .collect();
        let text = "words and words\r".repeat(1_000);
        for (line, expected) in
            [(text.clone() + "\n", ZSTD), (text, AS_IS), ("short\n".to_owned(), AS_IS)]
        {
            let (enc, stored) = packer.pack(line.as_bytes());

            assert_eq!(enc, expected);
            assert_eq!(unpack(enc, stored).unwrap(), line.as_bytes());
        }
        assert_eq!(packer.pack(&noise), (AS_IS, &noise[..]));
    }

    #[test]
    fn what_a_packed_line_can_unpack_to_has_a_bound() {
        let mut packer = Packer::new(Some(3)).unwrap();
        let mut line = vec![b'x'; LONGEST - 1];
        line.push(b'\n');
        let (enc, stored) = packer.pack(&line);
        assert_eq!(enc, ZSTD);
        assert_eq!(unpack(enc, stored).unwrap().len(), LONGEST);

        line.push(b'\n');
        assert_eq!(packer.pack(&line).0, AS_IS);
        for length in [LONGEST + 1, 64 * LONGEST] {
            let bomb = zstd::bulk::compress(&vec![0; length], 3).unwrap();
            assert!(bomb.len() < LONGEST / 100);
            assert!(unpack(ZSTD, &bomb).is_err());
        }
    }

    #[test]
    fn damage_is_an_error() {
        let line = "words and words\r".repeat(1_000) + "\n";
        let mut packer = Packer::new(Some(3)).unwrap();
        let (enc, stored) = packer.pack(line.as_bytes());
        for cut in 0..stored.len() {
            assert!(unpack(enc, &stored[..cut]).is_err());
        }
        assert!(unpack(2, b"").is_err());
    }
}
