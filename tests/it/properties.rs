//! Properties of any session file.
//!
//! `PROPTEST_CASES` sets how many cases are tried; a few by default.

use std::collections::{HashMap, HashSet};
use std::fs;

use proptest::prelude::*;
use sessile::ExportOptions;

use crate::odd_kward::any_file;
use crate::support::{TestStore, ids, line};

/// As many cases as the environment says, else few enough to be quick.
pub(crate) fn cases() -> ProptestConfig {
    cases_or(64)
}

/// As many cases as the environment says, else so many.
pub(crate) fn cases_or(count: u32) -> ProptestConfig {
    let config = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(count),
    };
    ProptestConfig { failure_persistence: None, ..config }
}

/// Names of three files; one of them may lend its session an id.
const FILES: [&str; 3] = [
    "sessions/--w--/one.jsonl",
    "sessions/--w--/2026-01-02T03-04-05.678Z_0a1b2c3d-0000-4000-8000-00000000000c.jsonl",
    "sessions/two.jsonl",
];

fn check_bytes(test: &TestStore, files: &[Vec<u8>]) -> Result<(), TestCaseError> {
    let out = test.folder().join("out");
    test.store.export(&out, &ExportOptions::new()).unwrap();
    for (path, bytes) in FILES.iter().zip(files) {
        prop_assert_eq!(&fs::read(out.join(path)).unwrap(), bytes);
    }
    prop_assert_eq!(test.store.verify(&test.root).unwrap().differences, []);
    prop_assert_eq!(test.store.check().unwrap(), []);
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn whatever_bytes_go_in_come_out(
        files in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 3)
    ) {
        let test = TestStore::quick();
        for (path, bytes) in FILES.iter().zip(&files) {
            test.write(path, bytes);
        }

        test.import();

        check_bytes(&test, &files)?;
    }

    #[test]
    fn whatever_lines_go_in_come_out(files in proptest::collection::vec(any_file(), 3)) {
        let test = TestStore::quick();
        for (path, bytes) in FILES.iter().zip(&files) {
            test.write(path, bytes);
        }

        test.import();

        check_bytes(&test, &files)?;
        let dump = test.dump();
        for row in dump.lines() {
            // Halves of surrogate pairs stay the escapes they are, which this reader refuses.
            let row = row.replace("\\ud", "\\u0").replace("\\uD", "\\u0");
            prop_assert!(serde_json::from_str::<serde_json::Value>(&row).is_ok(), "{}", row);
        }
    }

    #[test]
    fn steps_of_growth_lead_where_one_import_does(
        files in proptest::collection::vec(any_file(), 3),
        cuts in proptest::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 3),
    ) {
        let test = TestStore::quick();
        let cuts: Vec<[usize; 4]> = files.iter().zip(&cuts).map(|(bytes, (one, other))| {
            let (one, other) = (one.index(bytes.len() + 1), other.index(bytes.len() + 1));
            [0, one.min(other), one.max(other), bytes.len()]
        }).collect();
        for path in FILES {
            test.write(path, b"");
        }

        for step in 0..3 {
            for ((path, bytes), cut) in FILES.iter().zip(&files).zip(&cuts) {
                test.append(path, &bytes[cut[step]..cut[step + 1]]);
            }
            test.import();
        }

        check_bytes(&test, &files)?;
        let grown = test.dump();
        let fresh = test.another("fresh.db");
        fresh.import(&test.root, &crate::support::options()).unwrap();
        prop_assert_eq!(grown, crate::support::dump(&fresh));
    }

    #[test]
    fn a_path_is_what_a_walk_in_memory_finds(
        entries in proptest::collection::vec((0..14_u8, proptest::option::of(0..16_u8)), 1..40)
    ) {
        let test = TestStore::quick();
        let mut lines = crate::support::header("one");
        for (id, parent) in &entries {
            let mut record = serde_json::json!({
                "type": "message", "id": format!("e{id}"), "message": {"role": "user"}
            });
            if let Some(parent) = parent {
                record["parentId"] = format!("e{parent}").into();
            }
            lines += &line(&record);
        }
        test.write(FILES[0], lines);
        test.import();
        let session = test.store.find("one").unwrap();

        // Of entries with one id the last counts.
        let parent_of: HashMap<u8, Option<u8>> = entries.iter().copied().collect();
        for leaf in parent_of.keys() {
            let mut expected = Vec::new();
            let mut met = HashSet::new();
            let mut at = Some(*leaf);
            while let Some(id) = at.filter(|id| parent_of.contains_key(id) && met.insert(*id)) {
                expected.push(format!("e{id}"));
                at = parent_of[&id];
            }
            expected.reverse();

            let path = session.path_to(&format!("e{leaf}")).unwrap();

            prop_assert_eq!(ids(&path), expected);
            for entry in &path {
                let same = session.entry(&entry.id).unwrap().unwrap();
                prop_assert_eq!(entry, &same);
            }
            let mut numbers = Vec::new();
            let each = |number, _: &[u8]| {
                numbers.push(number);
                Ok(())
            };
            session.each_line_of_path(&format!("e{leaf}"), each).unwrap();
            prop_assert_eq!(path.iter().map(|entry| entry.line).collect::<Vec<_>>(), numbers);
        }
        let mut shown: Vec<String> =
            session.tree().unwrap().into_iter().map(|node| node.id).collect();
        shown.sort();
        let mut all: Vec<String> = parent_of.keys().map(|id| format!("e{id}")).collect();
        all.sort();
        prop_assert_eq!(shown, all);
        prop_assert_eq!(test.store.check().unwrap(), []);
    }
}
