//! pi's sessions, versions 1 to 3.

use std::path::Path;

use serde_json::{Value, json};
use sessile::{ExportOptions, Format, ImportOptions, SessionFilter};

use crate::support::{THEN, TestStore, ids, line, set_mtime, snapshot};

const FULL: &str = "019d0000-0000-7000-8000-000000000001";
const FIRST_VERSION: &str = "019d0000-0000-4000-8000-000000000002";
const KNOTTED: &str = "019d0000-0000-7000-8000-000000000003";

fn small() -> TestStore {
    TestStore::of_fixture("pi/small")
}

/// A session whose entries behind a header are these.
fn of_entries(entries: &[Value]) -> TestStore {
    of_version(&json!(3), entries)
}

fn of_version(version: &Value, entries: &[Value]) -> TestStore {
    let header = json!({
        "type": "session", "version": version, "id": "one", "timestamp": "2026-05-01T00:00:00.000Z",
        "cwd": "/w"
    });
    let test = TestStore::new();
    let lines: String = [&header].into_iter().chain(entries).map(line).collect();
    test.write("sessions/--w--/one.jsonl", lines);
    test.store.import(&test.root, &ImportOptions::new().format(Format::Pi)).unwrap();
    test
}

fn said(messages: &Value) -> Vec<String> {
    let said = |message: &Value| {
        let content = &message["content"];
        let text = content.as_str().or(content[0]["text"].as_str());
        text.or(message["summary"].as_str()).unwrap_or_default().to_owned()
    };
    messages.as_array().unwrap().iter().map(said).collect()
}

#[test]
fn the_root_is_told_by_its_files_and_comes_back_byte_for_byte() {
    let test = small();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pi/small");
    let out = test.folder().join("out");
    test.store.export(&out, &ExportOptions::new()).unwrap();

    let rows = test.store.sessions(&SessionFilter::new()).unwrap().rows;
    assert!(rows.iter().all(|row| row.format == Format::Pi));
    assert_eq!(rows.len(), 3);
    let mut there = snapshot(&root);
    there.retain(|_, (mode, ..)| *mode & 0o170_000 == 0o100_000);
    let mut back = snapshot(&out);
    back.retain(|_, (mode, ..)| *mode & 0o170_000 == 0o100_000);
    assert_eq!(back, there);
    assert_eq!(test.store.check().unwrap(), []);
    assert_eq!(test.store.verify(&root).unwrap().differences, []);
}

#[test]
fn every_record_but_the_header_is_an_entry_and_the_last_is_the_leaf() {
    let test = small();
    let row = test.row(FULL);

    assert_eq!(row["leaf"], "af");
    assert_eq!(row["branch"], json!(["a1", "a2", "a3", "a4", "a5", "ac", "ad", "ae", "af"]));
    assert_eq!(row["tree"].as_array().unwrap().len(), 15);
    assert_eq!(row["name"], "Trees");
    assert_eq!(row["labels"]["a4"]["label"], "start");
    assert_eq!(
        (&row["first_message"], &row["message_count"]),
        (&json!("What is a leaf?"), &json!(4))
    );
    assert_eq!(row["problems"].as_array().unwrap().len(), 2);
}

#[test]
fn the_model_is_that_of_the_branch() {
    let test = small();
    let row = test.row(FULL);
    assert_eq!(
        (&row["provider"], &row["model"], &row["thinking_level"]),
        (&json!("anthropic"), &json!("opus"), &json!("high"))
    );

    let session = test.store.find(FULL).unwrap();
    session.branch("a2").unwrap();
    let row = test.row(FULL);

    assert_eq!((&row["provider"], &row["model"]), (&json!("openai"), &json!("gpt")));
    assert_eq!(row["context"], json!([]));
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn tokens_and_cost_are_summed_over_all_branches() {
    let test = small();
    let usage = test.store.find(FULL).unwrap().usage().unwrap();

    assert_eq!((usage.input, usage.output, usage.total_tokens), (Some(21), Some(11), Some(38)));
    assert!((usage.cost.unwrap() - 0.61).abs() < 1e-9);
}

#[test]
fn sums_that_63_bits_do_not_hold_stand_at_their_end() {
    let test = small();
    let most = i64::MAX;
    test.sqlite()
        .execute_batch(&format!(
            "UPDATE usages SET input = {most}, output = -{most}, cache_read = {most};
             UPDATE usages SET cache_read = -{most}
             WHERE entry_key = (SELECT min(entry_key) FROM usages);"
        ))
        .unwrap();
    let count: i64 =
        test.sqlite().query_row("SELECT count(*) FROM usages", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 5);

    let usage = test.store.find(FULL).unwrap().usage().unwrap();

    assert_eq!((usage.input, usage.output), (Some(most), Some(i64::MIN)));
    assert_eq!(usage.cache_read, Some(most));
    assert_eq!(test.row(FULL)["usage"]["input"], json!(most));
    test.store.dump(&mut Vec::new()).unwrap();
}

#[test]
fn a_compaction_keeps_from_the_entry_it_names_and_edits_hold() {
    let test = small();
    let session = test.store.find(FULL).unwrap();
    session.branch("ab").unwrap();

    assert_eq!(
        said(&test.row(FULL)["context"]),
        ["Talk of trees.", "What is a root?", "The active entry.", "a note", "Thanks!"]
    );
}

#[test]
fn what_is_captured_of_a_branch_says_what_its_context_says() {
    let test = small();
    let session = test.store.find(FULL).unwrap();
    session.branch("ab").unwrap();

    let captured = session.capture().unwrap();

    let context = session.context().unwrap();
    let said: Vec<_> = captured.entries.iter().flat_map(|entry| &entry.messages).collect();
    for message in &context {
        assert!(said.contains(&message), "{message:?}");
    }
    assert!(context.len() < said.len(), "nothing was compacted");
    assert_eq!(captured.entries.len(), session.path().unwrap().len());
}

#[test]
fn entries_of_version_1_have_ids_by_their_place() {
    let test = small();
    let row = test.row(FIRST_VERSION);

    assert_eq!(row["branch"], json!(["message:0", "message:1", "message:2", "message:3"]));
    // Kept from line 2 on, the header being line 0; the hook's message has its new role.
    assert_eq!(said(&row["context"]), ["One and two.", "two", "hooked"]);
    assert_eq!(row["context"][2]["role"], "custom");
}

#[test]
fn a_chain_has_ids_of_its_own_making_and_only_there_positions_count() {
    let message = |id: &str, text: &str| {
        json!({
            "type": "message", "id": id, "parentId": "gone",
            "message": {"role": "user", "content": text}
        })
    };
    let compaction = json!({
        "type": "compaction", "id": "a", "parentId": "a", "summary": "S",
        "firstKeptEntryIndex": 2, "firstKeptEntryId": "a"
    });
    let entries = [message("a", "one"), message("a", "two"), compaction, message("a", "three")];

    let test = of_version(&Value::Null, &entries);
    let row = test.row("one");
    assert_eq!(row["tree"].as_array().unwrap().len(), 4);
    assert_eq!(said(&row["context"]), ["S", "two", "three"]);
    assert_eq!(test.store.check().unwrap(), []);

    let only_index = json!({
        "type": "compaction", "id": "c", "parentId": "a", "summary": "S", "firstKeptEntryIndex": 1
    });
    let test = of_version(&json!(2), &[message("a", "one"), only_index]);
    assert_eq!(said(&test.row("one")["context"]), ["S"]);
}

#[test]
fn circles_repeated_ids_and_orphans_end() {
    let test = small();
    let row = test.row(KNOTTED);

    assert_eq!(row["branch"], json!(["c1", "c2", "c3"]));
    let mut kinds: Vec<&str> = row["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["kind"].as_str().unwrap())
        .collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["cycle", "duplicate-id"]);
}

#[test]
fn a_leaf_that_was_moved_gives_way_to_what_comes_after() {
    let test = of_entries(&[
        json!({"type": "custom", "id": "a", "parentId": null}),
        json!({"type": "custom", "id": "b", "parentId": "a"}),
    ]);
    let session = test.store.find("one").unwrap();
    let live = session.clone();

    live.branch("a").unwrap();
    assert_eq!(live.info().unwrap().leaf.as_deref(), Some("a"));
    test.store.rebuild().unwrap();
    assert_eq!(live.info().unwrap().leaf.as_deref(), Some("a"));
    live.reset_leaf().unwrap();
    assert_eq!(ids(&session.path().unwrap()), [""; 0]);

    test.append("sessions/--w--/one.jsonl", line(&json!({"type": "custom", "id": "c"})));
    test.store.import(&test.root, &ImportOptions::new().format(Format::Pi)).unwrap();
    assert_eq!(live.info().unwrap().leaf.as_deref(), Some("c"));
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn activity_is_the_latest_message_wherever_it_stands() {
    let message = |id: &str, role: &str, at: i64| {
        json!({
            "type": "message", "id": id, "parentId": null, "timestamp": "2030-01-01T00:00:00Z",
            "message": {"role": role, "content": "x", "timestamp": at}
        })
    };
    let test = of_entries(&[
        message("a", "assistant", 2_000),
        message("b", "user", 1_000),
        message("c", "toolResult", 9_000),
    ]);

    assert_eq!(test.row("one")["modified_at"], "1970-01-01T00:00:02.000Z");
}

#[test]
fn a_session_without_messages_is_as_old_as_its_header_however_its_file_is_touched() {
    let test = of_entries(&[]);
    set_mtime(&test.root.join("sessions/--w--/one.jsonl"), THEN + 100, 0);
    test.store.import(&test.root, &ImportOptions::new()).unwrap();

    assert_eq!(test.row("one")["modified_at"], "2026-05-01T00:00:00.000Z");
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn without_a_time_of_its_own_a_session_is_as_old_as_its_file_to_the_millisecond() {
    let test = TestStore::new();
    let header = json!({"type": "session", "version": 3, "id": "one", "cwd": "/w"});
    let path = test.write("sessions/--w--/one.jsonl", line(&header));
    set_mtime(&path, THEN, 499_500_000);
    test.store.import(&test.root, &ImportOptions::new().format(Format::Pi)).unwrap();
    let told = |test: &TestStore| test.row("one")["modified_at"].as_str().unwrap().to_owned();

    assert!(told(&test).ends_with(".500Z"), "{}", told(&test));

    set_mtime(&path, THEN, 499_499_999);
    test.store.import(&test.root, &ImportOptions::new()).unwrap();

    assert!(told(&test).ends_with(".499Z"), "{}", told(&test));
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn times_are_read_as_javascript_reads_them() {
    let note = |id: &str, at: Value| {
        json!({
            "type": "custom_message", "id": id, "parentId": null, "timestamp": at, "content": "x"
        })
    };
    for (at, millis) in [
        (json!("1600-01-01"), json!(-11_676_096_000_000_i64)),
        (json!("9999-12-31T23:59:59Z"), json!(253_402_300_799_000_i64)),
        (json!(1.5), json!(1)),
        (Value::Null, json!(0)),
        (json!("soon"), Value::Null),
        (json!("Mon, 05 Jan 2026 10:00:00 GMT"), json!(1_767_607_200_000_i64)),
    ] {
        let test = of_entries(&[note("a", at)]);
        assert_eq!(test.row("one")["context"][0]["timestamp"], millis);
    }

    for (header, created_at) in [
        (json!({"type": "session", "id": "one"}), Value::Null),
        (
            json!({"type": "session", "id": "one", "timestamp": null}),
            json!("1970-01-01T00:00:00.000Z"),
        ),
    ] {
        let test = TestStore::new();
        test.write("sessions/--w--/one.jsonl", line(&header));
        test.store.import(&test.root, &ImportOptions::new().format(Format::Pi)).unwrap();
        assert_eq!(test.row("one")["created_at"], created_at);
    }
}

#[test]
fn names_and_labels_are_taken_as_they_are() {
    let test = of_entries(&[
        json!({"type": "custom", "id": "", "parentId": null}),
        json!({"type": "label", "id": "l", "parentId": null, "targetId": "", "label": 5}),
        json!({"type": "label", "id": "m", "parentId": "l", "targetId": "x", "label": " a "}),
        json!({"type": "label", "id": "o", "parentId": "m", "label": "of nothing"}),
        json!({"type": "session_info", "id": "n", "parentId": "o", "name": "\u{feff}\u{85}b "}),
    ]);
    let row = test.row("one");

    assert_eq!(row["labels"][""]["label"], 5);
    assert_eq!(row["labels"]["x"]["label"], " a ");
    assert_eq!(row["labels"]["undefined"]["label"], "of nothing");
    assert_eq!(row["name"], "\u{85}b");
    assert_eq!(row["tree"][0]["id"], "");
    let session = test.store.find("one").unwrap();
    let labels = session.labels().unwrap();
    assert_eq!(labels[0].label, "5");
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn no_path_goes_on_above_an_empty_parent_though_the_tree_does() {
    let said = |id: &str, parent: Value| {
        json!({
            "type": "message", "id": id, "parentId": parent,
            "message": {"role": "assistant", "content": id, "provider": id, "model": "m"}
        })
    };
    let first = [said("", Value::Null), said("a", json!("")), said("b", json!("a"))];
    let test = of_entries(&first);
    let row = test.row("one");

    assert_eq!(row["branch"], json!(["a", "b"]));
    assert_eq!(row["tree"][0], json!({"id": "", "depth": 0, "children": ["a"]}));
    let viewed: i64 = test
        .sqlite()
        .query_row("SELECT count(*) FROM active_branches", [], |row| row.get(0))
        .unwrap();
    assert_eq!(viewed, 2);

    // As a leaf, the empty id names no branch; the messages are those up to the last entry.
    let model = json!({"type": "model_change", "id": "", "parentId": "b", "provider": "p"});
    let test = of_entries(&[first[1].clone(), first[2].clone(), model]);
    let row = test.row("one");
    assert_eq!(row["branch"], json!([]));
    assert_eq!(row["context"].as_array().unwrap().len(), 2);
    assert_eq!(row["provider"], "p");

    let model = json!({"type": "custom", "id": "c", "parentId": ""});
    let test = of_entries(&[first[0].clone(), model]);
    assert_eq!(test.row("one")["provider"], Value::Null);
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn a_compaction_keeps_from_above_an_older_one_that_keeps_nothing() {
    let test = of_entries(&[
        json!({"type": "custom_message", "id": "a", "parentId": null, "content": "kept"}),
        json!({"type": "compaction", "id": "b", "parentId": "a", "summary": "older"}),
        json!({"type": "compaction", "id": "c", "parentId": "b", "summary": "S", "firstKeptEntryId": "a"}),
    ]);
    assert_eq!(said(&test.row("one")["context"]), ["S", "kept"]);
}

#[test]
fn a_repeated_id_takes_its_settings_with_it() {
    let test = of_entries(&[
        json!({"type": "model_change", "id": "a", "parentId": null, "provider": "p", "modelId": "m"}),
        json!({"type": "thinking_level_change", "id": "b", "parentId": "a"}),
        json!({"type": "custom", "id": "a", "parentId": null}),
        json!({"type": "custom", "id": "c", "parentId": "b"}),
    ]);
    let row = test.row("one");

    assert_eq!(row["branch"], json!(["a", "b", "c"]));
    assert_eq!((&row["model"], &row["thinking_level"]), (&Value::Null, &Value::Null));
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn what_pi_passes_by_does_not_stand_before_the_header() {
    let test = TestStore::new();
    let header = line(&json!({"type": "session", "version": 3, "id": "one", "cwd": "/w"}));
    let message =
        line(&json!({"type": "message", "id": "a", "parentId": null, "message": [{"b": 1}]}));
    test.write("sessions/--w--/one.jsonl", format!("0\nnull\n{header}{message}"));
    test.store.import(&test.root, &ImportOptions::new().format(Format::Pi)).unwrap();
    let row = test.row("one");

    let kinds: Vec<&Value> =
        row["problems"].as_array().unwrap().iter().map(|problem| &problem["kind"]).collect();
    assert_eq!(kinds, ["malformed", "malformed"]);
    assert_eq!(row["context"], json!([[{"b": 1}]]));
}

#[test]
fn no_table_of_pis_changes_unseen() {
    let test = small();
    for (table, column, value) in [
        ("settings", "provider", "'x'"),
        ("settings", "sets_model", "1 - sets_model"),
        ("settings", "reasoning_effort", "'x'"),
        ("usages", "cost", "ifnull(cost, 0) + 1"),
        ("usages", "input", "input + 1"),
        ("usages", "model", "'x'"),
    ] {
        let conn = test.sqlite();
        conn.execute_batch(&format!("UPDATE {table} SET {column} = {value}")).unwrap();
        drop(conn);

        assert_ne!(test.store.check().unwrap(), [], "{table}.{column}");
        test.store.rebuild().unwrap();
        assert_eq!(test.store.check().unwrap(), [], "{table}.{column}");
    }
}

#[test]
fn lists_have_the_first_mebibyte_of_a_longer_prompt_and_its_line_has_all_of_it() {
    let long = "word ".repeat(3 << 20) + "end";
    let message = json!({"role": "user", "content": long});
    let test = of_entries(&[
        json!({"type": "message", "id": "00000001", "parentId": null, "message": message}),
        json!({"type": "session_info", "id": "00000002", "parentId": "00000001", "name": long}),
    ]);
    let session = test.store.find("one").unwrap();
    let row = session.info().unwrap();

    assert_eq!(row.first_message.len(), 1 << 20);
    assert_eq!(row.title.unwrap().len(), 1 << 20);
    assert_eq!(row.name.unwrap().to_text(), long);
    assert_eq!(session.text_of("00000001").unwrap(), long);
    // The prompt, its name in two places, and the beginnings.
    let size = std::fs::metadata(test.store.path()).unwrap().len();
    assert!(size < 3 * long.len() as u64 + (8 << 20), "{size}");
    session.append_message(r#"{"role":"user","content":"more"}"#).unwrap();
    assert_eq!(test.store.check().unwrap(), []);
    test.store.rebuild().unwrap();
    assert_eq!(session.info().unwrap().first_message, row.first_message);
}
