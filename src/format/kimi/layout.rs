//! What the paths below Kimi's share directory mean.
//!
//! `kimi.json` lists the work dirs. `sessions/<folder of a work dir>/<name>` is a
//! session, a folder since 0.59 and a flat file before. Sessions that were imported
//! by the visualiser are in `imported_sessions/<name>`.

use md5::{Digest, Md5};

pub(crate) const REGISTRY: &str = "kimi.json";

/// The role of a file in its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    Context,
    /// A context that was cleared, compacted or reverted.
    Rotation,
    /// A sub-agent's context of versions to 1.24.
    OldSubagent,
    Wire,
    State,
    /// State of versions before 1.29.
    Metadata,
    SubagentContext(&'a [u8]),
    SubagentWire(&'a [u8]),
    SubagentMeta(&'a [u8]),
    /// A `.jsonl` directly in a work dir's folder: an old session, or a rotation of
    /// one.
    Flat,
    Other,
}

/// The path of a session, or of a file in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    /// The folder of the work dir, or `imported_sessions`.
    pub(crate) above: &'a [u8],
    /// The folder of the session, or the flat file.
    pub(crate) name: &'a [u8],
    /// The path below the session's folder; empty for the folder itself.
    pub(crate) rest: &'a [u8],
}

impl Place<'_> {
    /// The path of a name in the same folder as this session.
    pub(crate) fn stem(&self, name: &[u8]) -> Vec<u8> {
        [self.above, b"/", name].concat()
    }
}

/// The session that a path belongs to; `None` for the registry, folders of work dirs
/// and unknown files.
pub(crate) fn split(path: &[u8]) -> Option<Place<'_>> {
    let slash = |from: usize| path[from..].iter().position(|byte| *byte == b'/').map(|n| from + n);
    let top = slash(0)?;
    let end = match &path[..top] {
        b"sessions" => slash(top + 1)?,
        b"imported_sessions" => top,
        _ => return None,
    };
    let name_end = slash(end + 1).unwrap_or(path.len());
    let rest = path.get(name_end + 1..).unwrap_or_default();
    Some(Place { above: &path[..end], name: &path[end + 1..name_end], rest })
}

/// The folder of the session that a file is in; for a flat file, or a path outside of
/// sessions, the path itself.
pub(crate) fn session_of(path: &[u8]) -> &[u8] {
    match split(path) {
        Some(place) if !place.rest.is_empty() => &path[..path.len() - place.rest.len() - 1],
        _ => path,
    }
}

/// The folder of the work dir that a path is in.
pub(crate) fn work_dir_folder(path: &[u8]) -> Option<&[u8]> {
    split(path)?.above.strip_prefix(b"sessions/")
}

pub(crate) fn part(path: &[u8]) -> Part<'_> {
    let Some(place) = split(path) else { return Part::Other };
    if place.rest.is_empty() {
        let is_flat = flat_stem(place.name).is_some() && place.above != b"imported_sessions";
        return if is_flat { Part::Flat } else { Part::Other };
    }
    match place.rest {
        b"context.jsonl" => return Part::Context,
        b"wire.jsonl" => return Part::Wire,
        b"state.json" => return Part::State,
        b"metadata.json" => return Part::Metadata,
        _ => {}
    }
    let number = |prefix: &[u8]| place.rest.strip_prefix(prefix)?.strip_suffix(b".jsonl");
    if number(b"context_sub_").is_some_and(is_number) {
        return Part::OldSubagent;
    }
    if number(b"context_").is_some_and(is_number) {
        return Part::Rotation;
    }
    let mut names = place.rest.split(|byte| *byte == b'/');
    match (names.next(), names.next(), names.next(), names.next()) {
        (Some(b"subagents"), Some(agent), Some(file), None) => match file {
            b"context.jsonl" => Part::SubagentContext(agent),
            b"wire.jsonl" => Part::SubagentWire(agent),
            b"meta.json" => Part::SubagentMeta(agent),
            _ => Part::Other,
        },
        _ => Part::Other,
    }
}

/// A context is rotated by renaming it.
pub(crate) fn renamed_from(path: &[u8]) -> Option<Vec<u8>> {
    if part(path) != Part::Rotation {
        return None;
    }
    let name = path.iter().rposition(|byte| *byte == b'/')? + 1;
    Some([&path[..name], b"context.jsonl"].concat())
}

/// The name of a context after its `n`th rotation.
pub(crate) fn rotated_to(path: &[u8], n: u32) -> Option<Vec<u8>> {
    let stem = flat_stem(path).filter(|_| matches!(part(path), Part::Context | Part::Flat))?;
    Some([stem, format!("_{n}.jsonl").as_bytes()].concat())
}

/// The names, below their work dir's folder, whose sessions a path affects.
pub(crate) fn stems(path: &[u8], is_folder: bool) -> Vec<Vec<u8>> {
    let Some(place) = split(path) else { return Vec::new() };
    if is_folder || !place.rest.is_empty() {
        return vec![place.stem(place.name)];
    }
    let Some(stem) = flat_stem(place.name) else { return Vec::new() };
    let rotated = rotated_stem(stem);
    [stem].into_iter().chain(rotated).map(|name| place.stem(name)).collect()
}

/// Whether a file is read line by line.
pub(crate) fn is_log(path: &[u8]) -> bool {
    !matches!(part(path), Part::State | Part::Metadata | Part::SubagentMeta(_) | Part::Other)
}

/// Whether a file with this path shows that Kimi wrote the root.
pub(crate) fn recognises(path: &[u8]) -> bool {
    path == REGISTRY.as_bytes()
        || is_log(path) && work_dir_folder(path).is_some_and(is_folder_of_work_dir)
}

/// `<md5>` or `<kaos>_<md5>`.
fn is_folder_of_work_dir(name: &[u8]) -> bool {
    let Some(kaos) = name.len().checked_sub(32) else { return false };
    let (kaos, digest) = name.split_at(kaos);
    (kaos.is_empty() || kaos.ends_with(b"_"))
        && digest.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The name of a flat session's file without its extension.
pub(crate) fn flat_stem(name: &[u8]) -> Option<&[u8]> {
    name.strip_suffix(b".jsonl").filter(|stem| !stem.is_empty())
}

/// The stem of a name such as `<stem>_3`.
pub(crate) fn rotated_stem(name: &[u8]) -> Option<&[u8]> {
    let underscore = name.iter().rposition(|byte| *byte == b'_')?;
    (0 < underscore && is_number(&name[underscore + 1..])).then(|| &name[..underscore])
}

fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// Sorts rotations by their number, of any length; the context itself comes last.
pub(crate) fn rotation_order(path: &[u8]) -> (bool, usize, Vec<u8>) {
    let digits_end = path.strip_suffix(b".jsonl").unwrap_or(path);
    let start = digits_end.iter().rposition(|byte| !byte.is_ascii_digit()).map_or(0, |n| n + 1);
    let number = &digits_end[start..];
    let zeros = number.iter().take_while(|digit| **digit == b'0').count();
    let is_context = part(path) == Part::Context || rotated_stem(digits_end).is_none();
    (is_context, number.len() - zeros, number[zeros..].to_vec())
}

/// The folder for a work dir's sessions.
pub(crate) fn folder_of(work_dir: &[u8], kaos: &str) -> String {
    let digest = Md5::digest(work_dir);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    if kaos == "local" { hex } else { format!("{kaos}_{hex}") }
}

/// The id of a session: a canonical UUID if Kimi reads the name as one, else the
/// name.
///
/// Python removes `urn:`, `uuid:`, surrounding braces and every hyphen, and parses
/// the remaining 32 characters as a base-16 number, which allows signs, `0x`, single
/// underscores and digits of any script.
pub(crate) fn session_id(name: &str) -> String {
    uuid_number(name).map_or_else(
        || name.to_owned(),
        |number| uuid::Uuid::from_u128(number).hyphenated().to_string(),
    )
}

fn uuid_number(name: &str) -> Option<u128> {
    let text = name.replace("urn:", "").replace("uuid:", "");
    let text = text.trim_matches(['{', '}']).replace('-', "");
    if text.chars().count() != 32 {
        return None;
    }
    let text = super::text::strip(&text);
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let digits = unsigned
        .strip_prefix("0x")
        .or_else(|| unsigned.strip_prefix("0X"))
        // An underscore may follow the prefix.
        .map(|rest| rest.strip_prefix('_').unwrap_or(rest))
        .unwrap_or(unsigned);
    let mut number: u128 = 0;
    let mut after_digit = false;
    for c in digits.chars() {
        if c == '_' && after_digit {
            after_digit = false;
            continue;
        }
        let digit = hex_digit(c)?;
        number = number.checked_mul(16)?.checked_add(u128::from(digit))?;
        after_digit = true;
    }
    after_digit.then_some(number)
}

/// A hexadecimal digit, or a decimal digit of another script.
fn hex_digit(c: char) -> Option<u32> {
    c.to_digit(16).or_else(|| super::text::decimal(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_has_its_part() {
        for (path, expected) in [
            ("sessions/h/s/context.jsonl", Part::Context),
            ("sessions/h/s/context_007.jsonl", Part::Rotation),
            ("sessions/h/s/context_x.jsonl", Part::Other),
            ("sessions/h/s/context_sub_2.jsonl", Part::OldSubagent),
            ("sessions/h/s/wire.jsonl", Part::Wire),
            ("sessions/h/s/subagents/a1/meta.json", Part::SubagentMeta(b"a1")),
            ("sessions/h/s/subagents/a1/x/meta.json", Part::Other),
            ("sessions/h/s.jsonl", Part::Flat),
            ("sessions/h/s", Part::Other),
            ("sessions/h", Part::Other),
            ("kimi.json", Part::Other),
            ("imported_sessions/i/wire.jsonl", Part::Wire),
            ("imported_sessions/i.jsonl", Part::Other),
        ] {
            assert_eq!(part(path.as_bytes()), expected, "{path}");
        }
    }

    #[test]
    fn names_are_uuids_by_pythons_lenient_reading() {
        let canonical = "abcdefab-cdef-4abc-8def-abcdefabcdef";
        for name in [
            "ABCDEFAB-CDEF-4ABC-8DEF-ABCDEFABCDEF",
            "{abcdefab-cdef-4abc-8def-abcdefabcdef}",
            "urn:uuid:abcdefabcdef4abc8defabcdefabcdef",
            "a-b-c-d-e-f-abcdef4abc8defabcdefabcdef",
        ] {
            assert_eq!(session_id(name), canonical, "{name}");
        }
        assert_eq!(
            session_id("0x0_0000000000000000000000000001"),
            "00000000-0000-0000-0000-000000000001"
        );
        assert_eq!(
            session_id("0x_00000000000000000000000000001"),
            "00000000-0000-0000-0000-000000000001"
        );
        assert_eq!(
            session_id("+0000000000000000000000000000001"),
            "00000000-0000-0000-0000-000000000001"
        );
        assert_eq!(
            session_id("000000000000000000000000000000１2"),
            "00000000-0000-0000-0000-000000000012"
        );
        let doubled = "0__00000000000000000000000000001";
        assert_eq!(session_id(doubled), doubled);
        assert_eq!(session_id("my session"), "my session");
    }

    #[test]
    fn a_work_dirs_folder_is_its_digest() {
        assert_eq!(folder_of(b"/w", "local").len(), 32);
        assert_eq!(folder_of(b"/w", ""), format!("_{}", folder_of(b"/w", "local")));
        assert_ne!(folder_of(b"/w", "local"), folder_of(b"/w/", "local"));
    }

    #[test]
    fn rotations_stand_by_number_and_the_context_last() {
        let mut names =
            ["context.jsonl", "context_12345678901234567890.jsonl", "context_007.jsonl"]
                .map(|name| format!("sessions/h/s/{name}"));
        names.sort_by_key(|name| rotation_order(name.as_bytes()));
        assert_eq!(names[0], "sessions/h/s/context_007.jsonl");
        assert_eq!(names[2], "sessions/h/s/context.jsonl");
    }
}
