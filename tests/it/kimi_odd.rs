//! Kimi's share directories with unexpected content.

use std::fs;

use serde_json::json;
use sessile::ImportOptions;

use crate::kimi::{ONE, small};
use crate::support::TestStore;

const CONTEXT: &str = "{\"role\":\"user\",\"content\":\"a\"}\n";

fn import(test: &TestStore) {
    test.store.import(&test.root, &ImportOptions::new()).unwrap();
}

#[test]
fn a_stray_file_beside_imported_sessions_is_none_of_them() {
    let test = small();
    let before = test.dump();

    test.write("imported_sessions/stray.jsonl", CONTEXT);
    import(&test);

    assert_eq!(test.dump(), before);
    test.assert_sound();
}

#[test]
fn a_name_that_begins_like_a_rotations_is_a_session_of_its_own() {
    let test = small();
    let folder = "sessions/dd3464ad15e3938bd1128bd2347c29d6";
    test.write(format!("{folder}/.jsonl"), CONTEXT);
    test.write(format!("{folder}/_1.jsonl"), CONTEXT);
    import(&test);

    assert_eq!(test.row("_1")["context"]["history"][0]["content"], "a");
    test.assert_sound();
}

#[test]
fn a_context_with_problems_can_be_rotated() {
    let test = small();
    let context = format!("{ONE}/context.jsonl");
    test.write(&context, "{\"role\":\"odd\"}\ntorn {\n");
    import(&test);
    let of_context = |file: &str| {
        let row = test.row("1111");
        let problems = row["problems"].as_array().unwrap();
        let of_file = problems.iter().filter(|problem| problem["file"] == file);
        of_file.filter(|problem| problem["kind"] != "overwritten").count()
    };
    let before = of_context(&context);

    let rotated = format!("{ONE}/context_9.jsonl");
    fs::rename(test.root.join(&context), test.root.join(&rotated)).unwrap();
    test.write(&context, "");
    import(&test);

    assert_eq!((of_context(&context), of_context(&rotated)), (0, before));
    assert_ne!(before, 0);
    test.assert_sound();
}

#[test]
fn a_sub_agent_is_listed_whatever_its_times_are() {
    let test = small();
    let meta = r#"{"agent_id":"odd","subagent_type":"coder","status":"idle","description":"d",
        "created_at":NaN,"updated_at":1e400,
        "launch_spec":{"agent_id":"odd","subagent_type":"coder",
        "model_override":null,"effective_model":null,"created_at":Infinity}}"#;
    test.write(format!("{ONE}/subagents/zz/meta.json"), meta);
    import(&test);

    let row = test.row("1111");
    let agent = &row["subagents"][0];
    assert_eq!(agent["agent_id"], "odd");
    assert_eq!((&agent["created_at"], &agent["updated_at"]), (&json!(null), &json!(null)));
    assert!(row["problems"].as_array().unwrap().iter().any(|problem| problem["kind"] == "time"));
    test.assert_sound();
}

#[test]
fn the_fork_of_half_a_surrogate_pair_is_titled_with_it() {
    let test = small();
    test.write(format!("{ONE}/state.json"), r#"{"custom_title":"half \ud83d"}"#);
    import(&test);

    let original = test.store.find("1111").unwrap();
    let fork = original.clone_session().unwrap();

    assert_eq!(fork.info().unwrap().title_json(), "\"Fork: half \\ud83d\"");
}

#[test]
fn flags_of_legacy_metadata_go_by_truth() {
    let test = small();
    test.write(format!("{ONE}/state.json"), "{}");
    for (flag, archived) in [("\"no\"", true), ("\"\"", false), ("[]", false), ("2", true)] {
        test.write(format!("{ONE}/metadata.json"), format!("{{\"archived\": {flag}}}"));
        import(&test);

        assert_eq!(test.row("1111")["archived"], archived, "{flag}");
    }
    test.assert_sound();
}

#[test]
fn a_prompt_that_is_an_object_is_told_by_its_keys() {
    let test = small();
    let prompt =
        r#"{"message": {"type": "TurnBegin", "payload": {"user_input": {"a": 1, "b": 2}}}}"#;
    test.write(format!("{ONE}/wire.jsonl"), format!("{prompt}\n"));
    import(&test);

    let row = test.row("1111");

    assert_eq!(row["turns"][0]["text"], "a b");
    test.assert_sound();
}
