//! Kimi's roots as they come to be and change: whatever the order, the store
//! knows in the end what one knows that sees the root for the first time.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use sessile::{Format, ImportOptions};

use crate::kimi::{ONE, small};
use crate::support::{TestStore, dump, fixture, snapshot};

const HASH: &str = "sessions/dd3464ad15e3938bd1128bd2347c29d6";

fn import(test: &TestStore) {
    test.store.import(&test.root, &ImportOptions::new().format(Format::Kimi)).unwrap();
}

/// The store is sound, and knows what a new one would know.
#[track_caller]
fn assert_like_fresh(test: &TestStore) {
    let folder = tempfile::tempdir_in(test.folder()).unwrap();
    let fresh = sessile::Store::open(&folder.path().join("fresh.db")).unwrap();
    fresh.import(&test.root, &ImportOptions::new().format(Format::Kimi)).unwrap();
    assert_eq!(test.dump(), dump(&fresh));
    test.assert_sound();
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let files = snapshot(folder).into_keys().filter(|path| folder.join(path).is_file());
    files.collect()
}

#[test]
fn files_may_come_in_any_order() {
    let from = fixture("kimi/small");
    let names = files(&from);
    assert!(20 < names.len());
    // Every so many files, counted round the circle; steps that share no factor with the number.
    for step in [1, names.len() - 1, 5, 8] {
        let test = TestStore::quick();
        for n in 0..names.len() {
            let name = &names[n * step % names.len()];
            test.write(name, fs::read(from.join(name)).unwrap());
            import(&test);
            assert_like_fresh(&test);
        }
        assert_eq!(files(&test.root), names);
    }
}

#[test]
fn a_flat_file_turns_out_to_be_a_rotation() {
    let line = "{\"role\":\"user\",\"content\":\"a\"}\n";
    for names in [["x_1", "x", "x_1_2"], ["x_1_2", "x_1", "x"], ["x", "x_1_2", "x_1"]] {
        let test = TestStore::new();
        for name in names {
            test.write(format!("{HASH}/{name}.jsonl"), line);
            import(&test);
            assert_like_fresh(&test);
        }
        assert_eq!(test.row("x")["rotations"].as_array().unwrap().len(), 1, "{names:?}");
    }
}

#[test]
fn a_folder_with_a_flat_file_beside_it_becomes_a_session_of_its_own() {
    let test = TestStore::new();
    let line = "{\"role\":\"user\",\"content\":\"a\"}\n";
    let turn =
        r#"{"timestamp": 1, "message": {"type": "TurnBegin", "payload": {"user_input": "t"}}}"#;
    test.write(format!("{HASH}/x.jsonl"), line);
    test.write(format!("{HASH}/x/wire.jsonl"), turn);
    test.write(format!("{HASH}/x/context_1.jsonl"), line);
    import(&test);
    assert_eq!(test.row(&format!("{HASH}/x.jsonl"))["title"], "t");

    test.write(format!("{HASH}/x/context.jsonl"), line);
    import(&test);

    assert_eq!(test.row(&format!("{HASH}/x.jsonl"))["title"], "Untitled");
    assert_eq!(test.row(&format!("{HASH}/x"))["title"], "t");
    assert_like_fresh(&test);
}

#[test]
fn a_bad_sub_agent_hides_no_other() {
    let test = small();
    let meta = |id: &str, updated_at: &str| {
        format!(
            r#"{{"agent_id":"{id}","subagent_type":"coder","status":"idle","description":"d","created_at":1.0,"updated_at":{updated_at},"launch_spec":{{"agent_id":"{id}","subagent_type":"coder","created_at":1}}}}"#
        )
    };
    test.write(format!("{ONE}/subagents/b/meta.json"), "{torn");
    test.write(format!("{ONE}/subagents/c/meta.json"), meta("c", "\"1e12\""));
    test.write(format!("{ONE}/subagents/d/meta.json"), meta("d", "true"));
    test.write(
        format!("{ONE}/subagents/e/context.jsonl"),
        "{\"role\":\"user\",\"content\":\"e\"}\n",
    );
    test.write(format!("{ONE}/subagents/stray"), "s");
    import(&test);

    let row = test.row("1111");
    let found: Vec<&str> = row["subagents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["agent_id"].as_str().unwrap())
        .collect();
    assert_eq!(found, ["c", "a0000001", "d"]);
    let problems = row["problems"].as_array().unwrap();
    assert!(
        problems
            .iter()
            .any(|problem| problem["file"] == json!(format!("{ONE}/subagents/b/meta.json")))
    );
    assert_like_fresh(&test);
}

#[test]
fn a_state_or_a_context_that_is_a_folder_hides_nothing() {
    let test = small();
    let rows = test.dump().lines().count();
    test.write(format!("{HASH}/a/state.json/x"), "x");
    test.write(format!("{HASH}/a/context.jsonl"), "{\"role\":\"user\",\"content\":\"a\"}\n");
    test.write(format!("{HASH}/b/context.jsonl/x"), "x");
    test.write(format!("{HASH}/c/wire.jsonl/x"), "x");
    test.write(format!("{HASH}/d/metadata.json"), "[]");
    test.write(format!("{HASH}/e.jsonl/context.jsonl"), "");
    import(&test);

    assert_eq!(test.dump().lines().count(), rows + 5);
    assert_eq!(test.row(&format!("{HASH}/a"))["context"]["history"][0]["content"], "a");
    assert_eq!(test.row(&format!("{HASH}/b"))["context"]["history"], json!([]));
    assert_like_fresh(&test);
}
