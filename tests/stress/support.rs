//! Numbers by chance, and the proof at the end.

use std::collections::HashMap;

use sessile::{SessionFilter, SessionKey, Store};

/// Xorshift: the same seed gives the same numbers.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

pub(crate) fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

pub(crate) fn sessions(store: &Store) -> Vec<SessionKey> {
    let rows = store.sessions(&SessionFilter::new().limit(1_000)).unwrap().rows;
    let mut keys: Vec<SessionKey> = rows.into_iter().map(|row| row.key).collect();
    keys.sort_unstable();
    keys
}

/// How often each entry id stands in the database, in whatever session.
pub(crate) fn entry_counts(store: &Store) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for session in sessions(store) {
        for entry in store.session(session).unwrap().entries_after(0, usize::MAX).unwrap() {
            *counts.entry(entry.id).or_default() += 1;
        }
    }
    counts
}

/// Every acknowledged entry is there exactly once, and the store proves itself.
#[track_caller]
pub(crate) fn check_acknowledged(store: &Store, acknowledged: &[String]) {
    let counts = entry_counts(store);
    for id in acknowledged {
        assert_eq!(counts.get(id), Some(&1), "{id}");
    }
    assert!(counts.values().all(|count| *count == 1), "an entry stands twice");
    let findings = store.check().unwrap();
    assert!(findings.is_empty(), "{findings:?}");
}
