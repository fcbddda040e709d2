//! What the bytes of a log are when it went on here and at its root, by lines in memory.

/// What ours is once the root's file is read; `None` when the root's file is it.
///
/// `base` of its lines are those that ours began with; `before` is what was read
/// of the root's file the last time.
pub(crate) fn union(
    ours: &[u8],
    base: usize,
    before: Option<&[u8]>,
    theirs: &[u8],
) -> Option<Vec<u8>> {
    let our: Vec<&[u8]> = lines(ours);
    let their: Vec<&[u8]> = lines(theirs);
    let common = our.iter().zip(&their).take_while(|(one, other)| one == other).count();
    if common == our.len() {
        return None;
    }
    let rest = &their[common..];
    if rest.is_empty() || rest.len() == 1 && our[common].starts_with(rest[0]) {
        return Some(ours.to_vec());
    }
    let first = match before.filter(|before| !before.is_empty() && theirs.starts_with(before)) {
        Some(before) => {
            let held = lines(before);
            let torn = held.last().filter(|line| !line.ends_with(b"\n"));
            match torn {
                Some(torn) => {
                    let whole = their[held.len() - 1];
                    let is_ended = whole == ended(torn) && our[base..].contains(&whole);
                    held.len() - usize::from(!is_ended)
                }
                None => held.len(),
            }
        }
        None if common < base.max(1) => return Some(ours.to_vec()),
        None => match new(&our, &their, common) {
            Some(first) => first,
            None => return Some(ours.to_vec()),
        },
    };
    let added = their[first.max(common)..].iter().flat_map(|line| ended(line));
    Some(ours.iter().copied().chain(added).collect())
}

/// The first line that ours lacks; `None` where bytes were changed in place.
fn new(our: &[&[u8]], their: &[&[u8]], common: usize) -> Option<usize> {
    let mut first = common;
    for line in &our[common..] {
        if their.get(first).is_some_and(|their| ended(their) == *line) {
            first += 1;
        }
    }
    let is_ours =
        |line: &&[u8]| !line.trim_ascii().is_empty() && our[common..].contains(&&ended(line)[..]);
    (!their[first..].iter().any(is_ours)).then_some(first)
}

/// The id of the first header of a log; none where that is unusable.
pub(crate) fn header_id_of(log: &[u8]) -> Option<String> {
    lines(log).into_iter().find_map(header_id).flatten()
}

/// The session's id, where a line is a header; none of that where it is unusable.
fn header_id(line: &[u8]) -> Option<Option<String>> {
    // What serde_json refuses of the lines that programs here are made of.
    let line = String::from_utf8_lossy(line).replace("1e400", "1");
    let line = line.replace("\\ud800", "\\ufffd").replace("\\udc00", "\\ufffd");
    let header: serde_json::Value = serde_json::from_str(&line).ok()?;
    let id = header.get("id").filter(|_| header["type"] == "session");
    (header["type"] == "session").then(|| {
        let id = id?;
        let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        Some(id).filter(|id| !id.is_empty() && id != "null")
    })
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

fn ended(line: &[u8]) -> Vec<u8> {
    [line, if line.ends_with(b"\n") { b"" } else { b"\n" }].concat()
}
