//! Kward's rules: Kward's own results, and better ones where it fails.

use serde_json::{Value, json};
use sessile::{Format, ImportOptions};

use crate::support::{THEN, TestStore, fixture, header, line, message, set_mtime};

/// A store that knows both folders of odd sessions.
fn odd_sessions() -> TestStore {
    let test = TestStore::of_fixture("kward/small");
    test.store.import(&fixture("kward/edge"), &ImportOptions::new()).unwrap();
    test
}

#[test]
fn every_recorded_answer_of_kward_is_given() {
    let test = odd_sessions();
    let recorded = std::fs::read_to_string(fixture("kward/recorded.jsonl")).unwrap();
    let mut seen = 0;
    for recorded in recorded.lines() {
        let mut recorded: Value = serde_json::from_str(recorded).unwrap();
        let facts = recorded.as_object_mut().unwrap();
        facts.remove("fixture").unwrap();
        let file = facts["file"].as_str().unwrap().to_owned();

        let row = test.row(&file);

        for (name, expected) in facts {
            assert_eq!(&row[name.as_str()], expected, "{name} of {file}");
            seen += 1;
        }
    }
    assert!(500 < seen, "{seen}");
}

/// Checks what `dump` says of a fixture, fact by fact.
#[track_caller]
fn check_facts(name: &str, facts: &Value) {
    let row = odd_sessions().row(&format!("sessions/--edge--/{name}.jsonl"));
    for (fact, expected) in facts.as_object().unwrap() {
        assert_eq!(&row[fact.as_str()], expected, "{fact}");
    }
}

/// Checks the kinds and lines of a fixture's problems.
#[track_caller]
fn check_problems(name: &str, expected: &Value) {
    let row = odd_sessions().row(&format!("sessions/--edge--/{name}.jsonl"));
    let problems: Vec<Value> = row["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| json!([problem["line"], problem["kind"]]))
        .collect();
    assert_eq!(Value::from(problems), *expected);
}

#[test]
fn what_is_no_text_stands_as_ruby_gives_it() {
    let test = TestStore::new();
    let lines = [
        json!({
            "type": "session", "version": 2, "id": "one", "timestamp": "2026-03-01T10:00:00+24:00",
            "cwd": "/w", "parentId": ""
        }),
        json!({"type": "system_prompt", "timestamp": "2026-03-01T10:00:01Z", "hash": 5}),
        json!({
            "type": "message", "id": "a", "timestamp": "2026-03-01T10:00:02Z",
            "message": {"role": "user", "content": "sent", "display_content": [{"text": "typed"}]}
        }),
    ];
    test.write("sessions/--w--/one.jsonl", lines.iter().map(line).collect::<String>());
    set_mtime(&test.root.join("sessions/--w--/one.jsonl"), THEN, 7);
    test.store.import(&test.root, &ImportOptions::new().format(Format::Kward)).unwrap();

    let row = test.row("one");
    assert_eq!(row["parent_session_id"], "");
    assert_eq!(row["system_prompt_hash"], "5");
    assert_eq!(row["first_message"], r#"[{"text"=>"typed"}]"#);
    assert!(row["created_at"].as_str().unwrap().ends_with(".000000007Z"), "{}", row["created_at"]);
}

#[test]
fn a_session_of_version_1_is_a_chain_of_made_ids() {
    check_facts(
        "63-v1-unnamed",
        &json!({
            "version": 1, "leaf": "message:2", "branch": ["message:0", "message:1", "message:2"],
            "message_count": 3, "problems": []
        }),
    );
}

#[test]
fn a_compaction_of_version_1_keeps_by_position() {
    let row = odd_sessions().row("sessions/--edge--/65-v1-compaction.jsonl");

    let context: Vec<&Value> = row["context"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message.get("summary").unwrap_or(&message["content"]))
        .collect();
    assert_eq!(context, ["sum", "p2", "p3"]);
    assert_eq!(row["branch"].as_array().unwrap().len(), 5);
    assert_eq!(row["message_count"], 3);
    assert_eq!(row["first_message"], "sum");
}

#[test]
fn a_line_that_kward_chokes_on_hides_nothing() {
    check_facts("37-line-array", &json!({"branch": ["a", "b", "c"], "message_count": 3}));
    check_problems("37-line-array", &json!([[5, "not-a-record"]]));
}

#[test]
fn settings_before_the_header_override_it_and_clear_what_it_set() {
    let test = TestStore::new();
    let info = |fields: Value| {
        let mut record = json!({"type": "session_info", "timestamp": "2026-01-01T00:00:01.000Z"});
        record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        line(&record)
    };
    let head = json!({
        "type": "session", "version": 2, "id": "one", "timestamp": "2026-01-01T00:00:00.000Z",
        "cwd": "/w", "provider": "p", "model": "m", "reasoningEffort": "high"
    });
    let lines = [
        info(json!({"provider": "q", "model": "n", "name": "named"})),
        info(json!({"model": null, "name": "named"})),
        line(&head),
    ];
    test.write("sessions/--w--/one.jsonl", lines.concat());
    test.store.import(&test.root, &ImportOptions::new().format(sessile::Format::Kward)).unwrap();
    let row = test.row("one");

    assert_eq!((&row["provider"], &row["model"]), (&json!("q"), &Value::Null));
    assert_eq!(row["reasoning_effort"], "high");
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn a_file_without_header_is_a_session_with_a_problem() {
    for name in ["09-bom", "11-missing-header"] {
        check_facts(
            name,
            &json!({
                "session_id": null, "header_recovered": false, "work_dir": null,
                "branch": ["a", "b", "c"], "message_count": 3
            }),
        );
    }
    check_problems("11-missing-header", &json!([[null, "header"]]));
}

#[test]
fn a_recovered_session_works_where_its_neighbours_do() {
    let name = "2026-01-02T03-04-05.678Z_0A1B2C3D-0000-4000-8000-00000000000D";
    check_facts(
        name,
        &json!({
            "session_id": "0A1B2C3D-0000-4000-8000-00000000000D", "header_recovered": true,
            "work_dir": "/edge", "created_at": "2026-01-02T03:04:05.678Z"
        }),
    );
    check_problems(name, &json!([[null, "header"], [1, "malformed"]]));
}

#[test]
fn a_recovered_session_has_no_work_dir_when_its_neighbours_disagree() {
    let test = TestStore::new();
    let name = "2026-01-02T03-04-05.678Z_0a1b2c3d-0000-4000-8000-00000000000c";
    test.write(format!("sessions/--w--/{name}.jsonl"), message("a", None, "first"));
    test.write("sessions/--w--/one.jsonl", header("one"));
    test.import();
    assert_eq!(test.row("0a1b")["work_dir"], "/work");

    test.write("sessions/--w--/two.jsonl", header("two").replace("/work", "/other"));
    test.import();

    assert_eq!(test.row("0a1b")["work_dir"], Value::Null);
    test.assert_sound();
    test.assert_like_fresh();
}

#[test]
fn a_circle_stands_in_the_tree_from_its_first_entry() {
    check_facts(
        "19-parent-cycle-3",
        &json!({
            "branch": ["c", "a", "b"],
            "tree": [
                {"id": "a", "depth": 0, "children": ["b"]},
                {"id": "b", "depth": 1, "children": ["c"]},
                {"id": "c", "depth": 2, "children": ["d"]},
                {"id": "d", "depth": 3, "children": []},
            ]
        }),
    );
    check_problems("19-parent-cycle-3", &json!([[2, "cycle"]]));
}

#[test]
fn problems_name_their_line() {
    check_problems("21-orphan-parent", &json!([[3, "orphan"]]));
    check_problems("17-duplicate-ids-siblings", &json!([[3, "duplicate-id"], [5, "duplicate-id"]]));
    check_problems(
        "35-unknown-types",
        &json!([[5, "unknown-type"], [6, "orphan"], [7, "unknown-type"]]),
    );
    check_problems("01-plain", &json!([]));
}

#[test]
fn the_last_session_info_names_the_session() {
    let info = |record: &str| format!("{{\"type\":\"session_info\",{record}}}\n");
    for (infos, name, title) in [
        (vec![r#""name":"one""#], json!("one"), json!("first")),
        (vec![r#""name":"one""#, r#""name":"two""#], json!("two"), json!("first")),
        (vec![r#""name":"one""#, r#""model":"m""#], json!(null), json!("first")),
        (vec![r#""name":" ""#], json!(" "), json!("first")),
        (vec![r#""name":7"#], json!(7), json!("7")),
    ] {
        let lines: String = infos.into_iter().map(info).collect();
        let (test, _) = TestStore::of_file(header("one") + &message("a", None, "first") + &lines);

        let row = test.row("one");

        let title = if name.is_string() && name != " " { name.clone() } else { title };
        assert_eq!((&row["name"], &row["title"]), (&name, &title));
        test.assert_sound();
    }
}

#[test]
fn numbers_no_common_reader_takes_become_references() {
    for value in ["1e400", "-1e400"] {
        let record = format!(
            "{{\"type\":\"message\",\"id\":\"a\",\"message\":{{\"role\":\"user\",\"n\":{value}}}}}\n"
        );
        let (test, _) = TestStore::of_file(header("one") + &record);

        let row = test.row("one");

        let reference = json!({"$raw": ["sessions/--w--/one.jsonl", 2]});
        assert_eq!(row["context"][0]["n"], reference, "{value}");
    }
    for value in ["7".repeat(4_301), format!("{}1{}", "[".repeat(600), "]".repeat(600))] {
        let record = format!(
            "{{\"type\":\"memory_state\",\"sessionMemories\":[{value}],\"lastRetrieval\":null}}\n"
        );
        let (test, _) = TestStore::of_file(header("one") + &record);

        let dump = test.dump();

        assert!(dump.contains(r#"{"$raw":["sessions/--w--/one.jsonl",2]}"#), "{dump}");
        assert!(deepest(&dump) <= 505, "{dump}");
        test.assert_sound();
    }
}

/// How deep the brackets of a text go.
fn deepest(text: &str) -> i32 {
    let steps = text.bytes().map(|byte| match byte {
        b'[' | b'{' => 1,
        b']' | b'}' => -1,
        _ => 0,
    });
    let depths = steps.scan(0, |depth, step| {
        *depth += step;
        Some(*depth)
    });
    depths.max().unwrap_or_default()
}

#[test]
fn times_beyond_the_store_stand_at_its_end() {
    let late =
        line(&json!({"type": "leaf", "timestamp": "99999-01-01T00:00:00.000Z", "targetId": null}));
    let (test, _) = TestStore::of_file(header("one") + &late);

    let row = test.row("one");

    assert_eq!(row["modified_at"], "2262-04-11T23:47:16.854775807Z");
    assert_eq!(row["problems"][0]["kind"], "time");
    test.assert_sound();
}
