//! What holds for whatever a file may hold.
//!
//! `PROPTEST_CASES` sets how many cases are tried; a few by default.

use std::collections::{HashMap, HashSet};
use std::fs;

use proptest::prelude::*;
use sessile::ExportOptions;

use crate::support::{TestStore, ids, line};

/// As many cases as the environment says, else few enough to be quick.
pub(crate) fn cases() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig { failure_persistence: None, ..ProptestConfig::default() },
        None => ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) },
    }
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (0..12_u8).prop_map(|n| format!("\"e{n}\"")),
        1 => (0..3_u8).prop_map(|n| n.to_string()),
        1 => Just("null".to_owned()),
        1 => Just("\"\"".to_owned()),
        1 => Just("true".to_owned()),
        1 => Just("\"message:1\"".to_owned()),
    ]
}

fn time() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (0..60_u8).prop_map(|n| format!("\"2026-01-01T00:00:{n:02}.000Z\"")),
        1 => Just("\"nonsense\"".to_owned()),
        1 => Just("12".to_owned()),
    ]
}

/// A line that a session may well hold.
fn record() -> impl Strategy<Value = String> {
    let role = prop_oneof![
        Just("user"),
        Just("assistant"),
        Just("system"),
        Just("tool"),
        Just("compactionSummary"),
        Just("other"),
    ];
    prop_oneof![
        6 => (id(), proptest::option::of(id()), time(), role, any::<String>()).prop_map(
            |(id, parent, time, role, text)| {
                let text = serde_json::Value::from(text);
                let parent = parent.map(|id| format!("\"parentId\":{id},")).unwrap_or_default();
                format!(
                    "{{\"type\":\"message\",\"id\":{id},{parent}\"timestamp\":{time},\
                     \"message\":{{\"role\":\"{role}\",\"content\":{text}}}}}"
                )
            }
        ),
        2 => (id(), id(), proptest::option::of(id())).prop_map(|(id, parent, kept)| {
            let kept = kept.map(|id| format!(",\"first_kept_entry_id\":{id}")).unwrap_or_default();
            format!(
                "{{\"type\":\"compaction\",\"id\":{id},\"parentId\":{parent},\
                 \"message\":{{\"role\":\"compactionSummary\",\"summary\":\"s\"{kept}}}}}"
            )
        }),
        1 => (id(), id()).prop_map(|(id, parent)| format!(
            "{{\"type\":\"branch_summary\",\"id\":{id},\"parentId\":{parent},\"summary\":\"s\"}}"
        )),
        1 => (id(), time()).prop_map(|(id, time)| format!(
            "{{\"type\":\"leaf\",\"timestamp\":{time},\"targetId\":{id}}}"
        )),
        1 => (id(), id()).prop_map(|(id, label)| format!(
            "{{\"type\":\"label\",\"targetId\":{id},\"label\":{label}}}"
        )),
        1 => (id(), id()).prop_map(|(name, model)| format!(
            "{{\"type\":\"session_info\",\"name\":{name},\"model\":{model}}}"
        )),
        1 => (id(), 0..3_u8).prop_map(|(id, version)| format!(
            "{{\"type\":\"session\",\"version\":{version},\"id\":{id},\"cwd\":\"/w\",\"x\":1}}"
        )),
        1 => id().prop_map(|hash| format!(
            "{{\"type\":\"system_prompt\",\"hash\":{hash},\"content\":\"c\",\"reason\":\"attach\"}}"
        )),
        1 => Just("{\"type\":\"memory_state\",\"sessionMemories\":[],\"lastRetrieval\":1e400}".to_owned()),
        1 => Just("{\"type\":\"tool_execution_end\",\"toolCallId\":1,\"isError\":true}".to_owned()),
        1 => Just("{\"type\":\"unknown\",\"timestamp\":\"2026-01-01T00:00:09.000Z\"}".to_owned()),
    ]
}

/// A line of whatever sort, its end included.
fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let body = prop_oneof![
        12 => record().prop_map(String::into_bytes),
        2 => (record(), any::<prop::sample::Index>()).prop_map(|(record, at)| {
            record.as_bytes()[..at.index(record.len())].to_vec()
        }),
        1 => (record(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(record, at, byte)| {
            let mut bytes = record.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        }),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
        1 => proptest::sample::select(vec![
            "", "\0", "[]", "1", "null", "\"x\"", "\u{FEFF}{}",
            r#"{"type":"message","id":"\ud800","message":{"role":"user","content":"\udc00"}}"#,
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    let end = prop_oneof![
        12 => Just(&b"\n"[..]),
        2 => Just(&b"\r\n"[..]),
        1 => Just(&b"\r"[..]),
        1 => Just(&b""[..]),
    ];
    (body, end).prop_map(|(body, end)| [&body, end].concat())
}

/// A file of such lines, most often with a header.
fn any_file() -> impl Strategy<Value = Vec<u8>> {
    let header = prop_oneof![
        6 => Just("{\"type\":\"session\",\"version\":2,\"id\":\"one\",\"cwd\":\"/w\",\"timestamp\":\"2026-01-01T00:00:00.000Z\"}\n"),
        2 => Just("{\"type\":\"session\",\"version\":1,\"id\":\"one\",\"cwd\":\"/v\"}\n"),
        1 => Just("{\"type\":\"session\",\"id\":\"\"}\n"),
        2 => Just(""),
    ];
    (header, proptest::collection::vec(any_line(), 0..24))
        .prop_map(|(header, lines)| [header.as_bytes(), &lines.concat()].concat())
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

            let path = test.store.path_to(session, &format!("e{leaf}")).unwrap();

            prop_assert_eq!(ids(&path), expected);
            for entry in &path {
                let same = test.store.entry(session, &entry.id).unwrap().unwrap();
                prop_assert_eq!(entry, &same);
            }
            let mut numbers = Vec::new();
            let each = |number, _: &[u8]| {
                numbers.push(number);
                Ok(())
            };
            test.store.each_line_of_path(session, &format!("e{leaf}"), each).unwrap();
            prop_assert_eq!(path.iter().map(|entry| entry.line).collect::<Vec<_>>(), numbers);
        }
        let mut shown: Vec<String> =
            test.store.tree(session).unwrap().into_iter().map(|node| node.id).collect();
        shown.sort();
        let mut all: Vec<String> = parent_of.keys().map(|id| format!("e{id}")).collect();
        all.sort();
        prop_assert_eq!(shown, all);
        prop_assert_eq!(test.store.check().unwrap(), []);
    }
}
