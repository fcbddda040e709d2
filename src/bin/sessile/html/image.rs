//! Images in a log that a page can show.

/// The types that are shown, with the bytes that they begin with: raster formats,
/// which contain nothing that a browser would execute or load.
const TYPES: &[(&str, &[u8])] = &[
    ("image/png", b"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", b"\xff\xd8\xff"),
    ("image/gif", b"GIF8"),
    ("image/webp", b"RIFF"),
];

/// An image as a data URL; `None` if it is of no such type.
///
/// The bytes determine the type, whatever the log calls it.
pub(super) fn address(data: &str) -> Option<String> {
    let mut digits = data.trim_end_matches('=').bytes();
    let is_base64 = digits.all(|c| c.is_ascii_alphanumeric() || c == b'+' || c == b'/');
    // The first bytes are enough.
    let start = decoded(data.as_bytes().get(..16).filter(|_| is_base64)?)?;
    let (mime, _) = TYPES.iter().find(|(_, magic)| start.starts_with(magic))?;
    let is_whole = *mime != "image/webp" || start.get(8..12) == Some(b"WEBP");
    is_whole.then(|| format!("data:{mime};base64,{data}"))
}

/// Decodes base64 in whole groups.
fn decoded(digits: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3);
    for group in digits.chunks_exact(4) {
        let mut bits = 0_u32;
        for digit in group {
            bits = bits << 6 | u32::try_from(value(*digit)?).ok()?;
        }
        bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
    }
    Some(bytes)
}

fn value(digit: u8) -> Option<usize> {
    super::escape::DIGITS.iter().position(|c| *c == digit)
}

#[cfg(test)]
mod tests {
    use super::super::escape::base64;
    use super::*;

    #[test]
    fn a_raster_is_shown_by_what_its_bytes_are() {
        let png = base64(b"\x89PNG\r\n\x1a\n0000IHDR");
        let webp = base64(b"RIFF\0\0\0\0WEBPVP8 ");

        assert_eq!(address(&png).as_deref(), Some(&*format!("data:image/png;base64,{png}")));
        assert!(address(&webp).is_some_and(|url| url.starts_with("data:image/webp;")));
    }

    #[test]
    fn what_is_no_raster_is_not_shown() {
        for other in [
            base64(b"<svg xmlns='http://www.w3.org/2000/svg' onload='a()'>"),
            base64(b"RIFF\0\0\0\0WAVEfmt 0000"),
            base64(b"\x89PNG\r\n"),
            format!("{}\" onload=\"a()", base64(b"\x89PNG\r\n\x1a\n0000IHDR")),
            format!("{}é", base64(b"\x89PNG\r\n\x1a\n0000IHDR")),
            "====".to_owned(),
            String::new(),
        ] {
            assert_eq!(address(&other), None, "{other}");
        }
    }
}
