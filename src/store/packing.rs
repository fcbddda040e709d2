//! Lines made smaller: one by one, so that each can be read by itself, by zstd.

use std::borrow::Cow;
use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe;

use crate::error::{Error, Result};

/// Shorter lines gain too little for the time: of most, half is ids.
const SHORTEST: usize = 512;

/// Longer lines are kept as they are: what a few bytes can unpack to has a bound.
const LONGEST: usize = 16 << 20;

/// `enc` of a line that is as it is.
pub(crate) const AS_IS: i64 = 0;
const ZSTD: i64 = 1;

/// Packs lines, or leaves them as they are.
#[derive(Default)]
pub(crate) struct Packer {
    zstd: Option<Compressor<'static>>,
    packed: Vec<u8>,
}

impl Packer {
    /// Packs at a level of zstd; `None` leaves everything as it is.
    pub(crate) fn new(level: Option<i32>) -> Result<Self> {
        let zstd = level.map(Compressor::new).transpose();
        let zstd = zstd.map_err(|err| Error::Damaged(format!("nothing can be packed: {err}")))?;
        Ok(Self { zstd, packed: Vec::new() })
    }

    /// What to store of a line: `enc` and the bytes.
    ///
    /// A line without terminator stays as it is: it may go on.
    pub(super) fn pack<'a>(&'a mut self, raw: &'a [u8]) -> (i64, &'a [u8]) {
        let Some(zstd) = self.zstd.as_mut().filter(|_| (SHORTEST..=LONGEST).contains(&raw.len()))
        else {
            return (AS_IS, raw);
        };
        self.packed.clear();
        // What does not become smaller than the line finds no room.
        self.packed.reserve(raw.len());
        match zstd.compress_to_buffer(raw, &mut self.packed) {
            Ok(_) if raw.ends_with(b"\n") && self.packed.len() < raw.len() => (ZSTD, &self.packed),
            _ => (AS_IS, raw),
        }
    }
}

thread_local! {
    /// Making one takes longer than to unpack a line.
    static UNPACKER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// The bytes of a line from what is stored of it, or why there are none.
pub(crate) fn unpack(enc: i64, stored: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    match enc {
        AS_IS => Ok(Cow::Borrowed(stored)),
        ZSTD => UNPACKER.with_borrow_mut(|unpacker| {
            let cannot = |err: std::io::Error| format!("cannot be unpacked: {err}");
            let zstd = match unpacker {
                Some(zstd) => zstd,
                None => unpacker.insert(Decompressor::new().map_err(cannot)?),
            };
            // The frame says how long the line is; what was never packed is not believed.
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
    use super::{AS_IS, LONGEST, Packer, ZSTD, unpack};

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
