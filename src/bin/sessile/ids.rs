//! Short forms of ids. Commands find an entry by a prefix of its id, or by its
//! suffix from a colon on.

use std::collections::HashMap;
use std::ops::Range;

/// The shortest form in columns: shorter ones are hard to tell from words.
const LEAST: usize = 6;

/// An id with more characters before its last colon is too long to type.
const LONG: usize = 16;

/// Short forms of ids: the shortest unique prefix; if that is long, the suffix from
/// the last colon on, if it is unique.
pub(crate) struct ShortIds(HashMap<String, Range<usize>>);

impl ShortIds {
    pub(crate) fn new(ids: impl IntoIterator<Item = String>) -> Self {
        let mut ids: Vec<String> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        let mut lengths = vec![0; ids.len()];
        let mut ends: HashMap<&str, usize> = HashMap::new();
        for end in ids.iter().filter_map(|id| end_of(id)) {
            *ends.entry(end).or_default() += 1;
        }
        // In sorted order, the id with the longest common prefix is a neighbour.
        for n in 1..ids.len() {
            let shared = shared(&ids[n - 1], &ids[n]);
            lengths[n - 1] = lengths[n - 1].max(shared + 1);
            lengths[n] = shared + 1;
        }
        let short = |(id, length): (&String, usize)| {
            let end = end_of(id).filter(|end| LONG < length && ends.get(end) == Some(&1));
            match end {
                Some(end) => id.len() - end.len()..id.len(),
                None => 0..byte_at(id, LEAST.max(length)),
            }
        };
        let short: Vec<Range<usize>> = ids.iter().zip(lengths).map(short).collect();
        Self(ids.into_iter().zip(short).collect())
    }

    /// The short form of an id; the whole id if it is not among them.
    pub(crate) fn of<'i>(&self, id: &'i str) -> &'i str {
        self.0.get(id).map_or(id, |short| &id[short.clone()])
    }
}

fn byte_at(id: &str, length: usize) -> usize {
    id.char_indices().nth(length).map_or(id.len(), |(at, _)| at)
}

/// The suffix of an id from its last colon on, if much comes before it.
fn end_of(id: &str) -> Option<&str> {
    let at = id.rfind(':').filter(|at| LONG < id[..*at].chars().count())?;
    Some(&id[at..])
}

/// The length of the common prefix of two ids.
fn shared(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_id_is_that_of_no_other() {
        let ids = ["0123456789", "0123456700", "a", "abcdefghij", "漢字漢字漢字漢字"];
        let short = ShortIds::new(ids.map(str::to_owned));

        let found = ids.map(|id| short.of(id));

        assert_eq!(found, ["012345678", "012345670", "a", "abcdef", "漢字漢字漢字"]);
        assert_eq!(short.of("another"), "another");
    }

    #[test]
    fn of_ids_that_begin_alike_the_end_is_the_short_form() {
        let long = "01a21786-bdeb-79a1-8095-9f68af52813c";
        let other = "01a21786-bdeb-79a1-8095-9f68af52813d";
        let ids = [&format!("{long}:1"), &format!("{long}:12"), "line:1", &format!("{other}:1")];
        let of = |ids: &[&str]| -> Vec<String> {
            let short = ShortIds::new(ids.iter().map(|id| (*id).to_owned()));
            ids.iter().map(|id| short.of(id).to_owned()).collect()
        };

        assert_eq!(of(&ids[..3]), [":1", ":12", "line:1"]);
        // If the suffix is not unique, it cannot be used.
        assert_eq!(of(&ids), [ids[0], ":12", "line:1", other]);
    }
}
