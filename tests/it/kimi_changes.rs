//! Kimi's roots as they are created and changed: in any order, the store ends up
//! equal to one that imports the final root.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use sessile::{Format, ImportOptions, ProblemKind, Timestamp};

use crate::kimi::{ONE, small};
use crate::support::{THEN, TestStore, dump, fixture, set_mtime, snapshot, without_losses};

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
    assert_eq!(without_losses(&test.dump()), dump(&fresh));
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
fn a_flat_file_beside_a_folder_with_a_context_does_not_write_into_its_state() {
    let test = TestStore::new();
    let line = "{\"role\":\"user\",\"content\":\"a\"}\n";
    test.write(format!("{HASH}/x.jsonl"), line);
    test.write(format!("{HASH}/x/context.jsonl"), line);
    import(&test);
    let flat = test.store.find(&format!("{HASH}/x.jsonl")).unwrap();
    let before = test.dump();
    let at = Timestamp(THEN * 1_000_000_000);

    for refused in [flat.rename(Some("t")), flat.at(at).archive(), flat.at(at).unarchive()] {
        assert!(matches!(refused, Err(sessile::Error::Unsupported(_))), "{refused:?}");
    }

    assert_eq!(test.dump(), before);
    test.assert_sound();
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
            r#"{{"agent_id":"{id}","subagent_type":"coder","status":"idle","description":"d","created_at":1.0,"updated_at":{updated_at},"launch_spec":{{"agent_id":"{id}","subagent_type":"coder","model_override":null,"effective_model":null,"created_at":1}}}}"#
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

/// Renames the context as Kimi does when it clears or compacts, and begins another.
fn rotate(test: &TestStore, number: u32, content: &str) {
    let folder = test.root.join(ONE);
    let rotated = folder.join(format!("context_{number}.jsonl"));
    fs::rename(folder.join("context.jsonl"), rotated).unwrap();
    test.write(format!("{ONE}/context.jsonl"), content);
    set_mtime(&folder.join("context.jsonl"), THEN + 60 * i64::from(number), 0);
}

#[test]
fn labels_outlive_any_number_of_rotations() {
    let test = small();
    let session = test.store.find("1111").unwrap();
    let leaf = session.info().unwrap().leaf.unwrap();
    session.append_label_change(&leaf, Some("here")).unwrap();

    // It went on since the last import, and was rotated twice.
    test.append(format!("{ONE}/context.jsonl"), "{\"role\":\"user\",\"content\":\"more\"}\n");
    rotate(&test, 3, "{\"role\":\"user\",\"content\":\"anew\"}\n");
    rotate(&test, 4, "");
    import(&test);

    assert_eq!(test.store.find("1111").unwrap().key(), session.key());
    let labelled = session.entry(&leaf).unwrap().unwrap();
    assert_eq!(labelled.label.as_deref(), Some("here"));
    assert_eq!(session.children(&leaf).unwrap().len(), 1);
    assert_eq!(test.row("1111")["rotations"].as_array().unwrap().len(), 4);
    test.assert_sound();

    test.store.prune().unwrap();
    import(&test);
    assert_eq!(session.labels().unwrap().len(), 1);
    test.assert_sound();
}

#[test]
fn a_chain_that_was_rotated_is_read_on_when_it_comes_back() {
    let test = small();
    let before = test.dump();
    let content = fs::read(test.root.join(ONE).join("context.jsonl")).unwrap();
    rotate(&test, 3, "");
    import(&test);
    assert_like_fresh(&test);

    fs::remove_file(test.root.join(ONE).join("context_3.jsonl")).unwrap();
    test.write(format!("{ONE}/context.jsonl"), content);
    import(&test);

    assert_eq!(test.row("1111")["context"], row_of(&before, "1111")["context"]);
    test.assert_sound_but_for_missing();
}

fn row_of(dump: &str, id: &str) -> serde_json::Value {
    let row = dump.lines().find(|row| row.contains(&format!("\"session_id\":\"{id}"))).unwrap();
    serde_json::from_str(row).unwrap()
}

/// Gives a session a title here and, at a time, another state at its root.
#[track_caller]
fn check_states(name: &str, state: &str, title: &str) {
    let (here, there) = (THEN + 100, if title == "here" { THEN } else { THEN + 200 });
    let test = small();
    let session = test.store.find(name).unwrap();
    let row = session.info().unwrap();
    let live = session.at(Timestamp(here * 1_000_000_000));
    live.rename(Some("here")).unwrap();
    let file = format!("{}/state.json", row.file.display());
    test.write(&file, state);
    set_mtime(&test.root.join(&file), there, 0);

    import(&test);

    assert_eq!(test.row(name)["title"], title);
    assert_eq!(test.row(name)["state"]["plan_mode"], true);
    test.store
        .each_problem(|_, problem| {
            assert_ne!(problem.kind, ProblemKind::Diverged);
            Ok(())
        })
        .unwrap();
    test.assert_sound();
    // Once more, with the next change alone.
    test.write(&file, state.replace("true", "false"));
    set_mtime(&test.root.join(&file), there + 1, 0);
    import(&test);
    assert_eq!(test.row(name)["title"], title);
    assert_eq!(test.row(name)["state"]["plan_mode"], false);
    test.assert_sound();
}

#[test]
fn a_state_that_goes_on_here_and_at_its_root_is_one() {
    // The second has no state yet, but metadata.
    for name in ["1111", "2222"] {
        check_states(name, r#"{"custom_title": "there", "plan_mode": true}"#, "here");
        check_states(name, r#"{"custom_title": "there", "plan_mode": true}"#, "there");
    }
    let title = small().row("1111")["title"].clone();
    check_states("1111", &format!(r#"{{"custom_title": {title}, "plan_mode": true}}"#), "here");
}

#[test]
fn a_session_that_was_purged_stays_away_until_it_is_asked_for_again() {
    let test = small();
    let before = test.dump();
    for name in ["1111", "2222", "3333", "4444", "5555", "6666", "my-session"] {
        test.store.find(name).unwrap().purge().unwrap();
        assert_eq!(test.store.check().unwrap(), [], "{name}");
    }
    assert_eq!(test.dump(), "");

    import(&test);
    assert_eq!(test.dump(), "");
    test.assert_sound();

    let again = ImportOptions::new().format(Format::Kimi).again(true);
    test.store.import(&test.root, &again).unwrap();

    assert_eq!(test.dump(), before);
    test.assert_sound();
}

#[test]
fn what_vanishes_from_a_root_is_kept() {
    let test = small();
    let before = test.dump();
    let names = files(&test.root);
    let is_log = |path: &&PathBuf| path.extension().is_some_and(|end| end == "jsonl");
    let logs = names.iter().filter(is_log).count();
    fs::remove_dir_all(test.root.join("sessions")).unwrap();
    fs::remove_file(test.root.join("kimi.json")).unwrap();
    fs::create_dir(test.root.join("sessions")).unwrap();
    import(&test);

    assert_eq!(without_losses(&test.dump()), before);
    assert_eq!(test.dump().matches("\"vanished\"").count(), logs);
    test.assert_sound_but_for_missing();
}

#[test]
fn what_was_decided_outlives_a_rebuild() {
    let test = small();
    let session = test.store.find("1111").unwrap();
    let leaf = session.info().unwrap().leaf.unwrap();
    session.append_label_change(&leaf, Some("kept")).unwrap();
    test.store.find("3333").unwrap().at(Timestamp(0)).remember().unwrap();
    test.store.find("4444").unwrap().at(Timestamp(0)).trash().unwrap();
    test.store.relink("/home/me/alpha", "/home/me/beta", Timestamp(0)).unwrap();
    let before = test.dump();

    test.store.rebuild().unwrap();

    assert!(test.dump() == before);
    assert_eq!(test.store.find("1111").unwrap().key(), session.key());
    assert_eq!(session.labels().unwrap()[0].label, "kept");
    assert_eq!(test.store.check().unwrap(), []);
}
