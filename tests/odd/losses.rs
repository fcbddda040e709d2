//! What a dump says besides what a root lost.

/// A dump without the problems that tell of lost lines: a store that sees the
/// root for the first time knows of none.
pub(crate) fn without_losses(dump: &str) -> String {
    let mut rest = dump.to_owned();
    for kind in ["vanished", "overwritten", "diverged"].map(|kind| format!("\"kind\":\"{kind}\"")) {
        while let Some(at) = rest.find(&kind) {
            let start = rest[..at].rfind("{\"line\":").unwrap();
            let end = at + rest[at..].find('}').unwrap() + 1;
            // The comma behind it, or else the one before.
            let range = if rest[end..].starts_with(',') {
                start..end + 1
            } else if rest[..start].ends_with(',') {
                start - 1..end
            } else {
                start..end
            };
            rest.replace_range(range, "");
        }
    }
    rest
}
