//! Ids as short as they can be: a name that is typed finds an entry by the
//! beginning of its id.

use std::collections::HashMap;

/// Columns of an id at least: shorter ones are hard to tell from words.
const LEAST: usize = 6;

/// Short forms of ids that no other of them begins with.
pub(crate) struct ShortIds(HashMap<String, usize>);

impl ShortIds {
    pub(crate) fn new(ids: impl IntoIterator<Item = String>) -> Self {
        let mut ids: Vec<String> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        let mut lengths = vec![0; ids.len()];
        // In order, the one most like another stands beside it.
        for n in 1..ids.len() {
            let shared = shared(&ids[n - 1], &ids[n]);
            lengths[n - 1] = lengths[n - 1].max(shared + 1);
            lengths[n] = shared + 1;
        }
        Self(ids.into_iter().zip(lengths).collect())
    }

    /// The short form of an id; the whole of one that is not among them.
    pub(crate) fn of<'i>(&self, id: &'i str) -> &'i str {
        let length = self.0.get(id).map_or(usize::MAX, |length| LEAST.max(*length));
        &id[..id.char_indices().nth(length).map_or(id.len(), |(at, _)| at)]
    }
}

/// Characters that two ids begin with alike.
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
}
