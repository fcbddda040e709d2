//! Codex's home folders: threads of several files, compressed, archived, damaged.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sessile::{Archived, ExportOptions, Format, ImportOptions, SessionFilter};

use crate::support::{THEN, TestStore, dump, fixture, set_mtime, snapshot};

/// The id of a thread of the fixture, by its number.
fn id(n: u32) -> String {
    format!("0199a000-000{n:x}-7000-8000-00000000000{n:x}")
}

fn options() -> ImportOptions {
    ImportOptions::new()
}

/// A copy of the fixture as the root of a store, imported.
fn small() -> TestStore {
    let test = TestStore::new();
    copy(&fixture("codex/small"), &test.root);
    test.store.import(&test.root, &options()).unwrap();
    test
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
            set_mtime(&target, THEN, 0);
        }
    }
}

/// The rollout of a thread below a root, whose name ends like this.
fn rollout(root: &Path, end: &str) -> PathBuf {
    let mut todo = vec![root.to_owned()];
    while let Some(at) = todo.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.to_string_lossy().ends_with(end) {
                return path;
            }
        }
    }
    panic!("{end} is not below {}", root.display());
}

fn below(test: &TestStore, path: &Path) -> String {
    path.strip_prefix(&test.root).unwrap().to_string_lossy().into_owned()
}

/// Texts of the messages in a row's context.
fn context(row: &Value) -> Vec<String> {
    let messages = row["context"].as_array().unwrap().iter();
    let texts = messages.filter_map(|message| message["content"][0]["text"].as_str());
    texts.filter(|text| !text.starts_with('<')).map(str::to_owned).collect()
}

/// The first prompt of each turn in a row.
fn prompts(row: &Value) -> Vec<&str> {
    let turns = row["turns"].as_array().unwrap().iter();
    turns.filter_map(|turn| turn["items"][0]["text"].as_str()).collect()
}

fn kinds(row: &Value) -> Vec<&str> {
    row["problems"].as_array().unwrap().iter().map(|p| p["kind"].as_str().unwrap()).collect()
}

fn listed(test: &TestStore, filter: &SessionFilter) -> Vec<String> {
    let rows = test.store.sessions(filter).unwrap().rows;
    let mut ids: Vec<String> = rows.into_iter().map(|row| row.session_id.unwrap()).collect();
    ids.sort();
    ids
}

#[test]
fn every_byte_comes_back_and_a_second_import_reads_none() {
    let test = small();
    let out = test.folder().join("out");

    let again = test.store.import(&test.root, &options()).unwrap();
    test.store.export(&out, &ExportOptions::new()).unwrap();

    assert_eq!((again.bytes, again.new, again.rewritten), (0, 0, 0));
    assert_eq!(snapshot(&out), snapshot(&test.root));
    test.assert_sound();
    assert_eq!(test.store.imported_roots().unwrap()[0].format, Format::Codex);
}

#[test]
fn a_thread_is_one_row_and_lists_show_what_the_program_shows() {
    let test = small();
    let all = SessionFilter::new().all_sources(true);

    let shown = listed(&test, &SessionFilter::new());
    let everything = listed(&test, &all.clone().archived(Archived::Included));

    // Not the sub-agent, nor what is archived, nor what was written before the envelope.
    assert_eq!(shown, [1, 2, 3, 4, 5, 7, 0xc, 0xd].map(id));
    assert_eq!(everything, [1, 2, 3, 4, 5, 6, 7, 8, 0xc, 0xd].map(id));
    assert_eq!(listed(&test, &all.archived(Archived::Only)), [id(6)]);
    assert_eq!(test.row(&id(8))["parent_session_id"], id(1));
    // The id of a thread names its head.
    assert_eq!(test.row(&id(3))["segment_id"], id(0xa));
}

#[test]
fn a_rolled_back_turn_is_no_part_of_the_conversation_and_stays_in_the_tree() {
    let test = small();
    let row = test.row(&id(1));

    assert_eq!(prompts(&row), ["First question", "Second question", "After the summary"]);
    assert_eq!(
        context(&row),
        ["First question", "Second question", "What was said", "After the summary"]
    );
    assert_eq!((&row["title"], &row["name"]), (&json!("Trees"), &json!("Trees")));
    assert_eq!(row["first_message"], "First question");
    assert_eq!((&row["model"], &row["reasoning_effort"]), (&json!("gpt-5"), &json!("high")));
    assert_eq!(row["git"]["branch"], "main");
    assert_eq!(kinds(&row), ["unknown-type"]);
    let session = test.store.find(&id(1)).unwrap();
    let left: Vec<String> =
        session.abandoned().unwrap().into_iter().map(|entry| entry.id).collect();
    assert_eq!(left.len(), 1);
    let lines: Vec<String> = session
        .path_to(&left[0])
        .unwrap()
        .iter()
        .map(|entry| String::from_utf8(session.line_of(entry).unwrap()).unwrap())
        .collect();
    assert!(lines.iter().any(|line| line.contains("Taken back")), "{lines:?}");
}

#[test]
fn what_records_report_of_tokens_is_counted_once() {
    let test = small();
    let usage = test.store.find(&id(1)).unwrap().usage().unwrap();

    assert_eq!((usage.input, usage.cache_read, usage.output), (Some(120), Some(60), Some(120)));
    assert_eq!(usage.total_tokens, Some(300));
}

#[test]
fn a_history_goes_through_every_file_that_it_begins_with() {
    let test = small();

    let head = test.row(&id(3));
    assert_eq!(prompts(&head), ["One", "Instead of two"]);
    assert_eq!(context(&head), ["One", "1", "Instead of two", "3"]);
    assert_eq!(head["created_at"], "2026-01-04T00:00:00.000Z");
    let fork = test.row(&id(4));
    assert_eq!(prompts(&fork), ["One", "Instead of two", "In the fork"]);
    assert_eq!(context(&fork), ["One", "1", "Instead of two", "3", "In the fork", "4"]);
    assert_eq!(fork["forked_from_id"], id(3));
    assert!(fork["base"]["file"].as_str().unwrap().contains(&id(0xa)));
    assert_eq!((&fork["problems"], &head["problems"]), (&json!([]), &json!([])));
    // What the revert left behind can be read in the tree of the head.
    let session = test.store.find(&id(3)).unwrap();
    let leaves = session.leaves().unwrap();
    let last = |entry| String::from_utf8(session.line_of(entry).unwrap()).unwrap();
    assert_eq!(leaves.len(), 2);
    assert!(leaves.iter().any(|entry| last(entry).contains("\"last_agent_message\":\"2\"")));
    let first =
        test.row(&below(&test, &rollout(&test.root, &format!("T00-00-00-{}.jsonl", id(3)))));
    assert_eq!((prompts(&first), &first["superseded"]), (vec!["One", "Two"], &json!(true)));
}

#[test]
fn a_base_that_is_missing_is_named_and_found_when_it_comes() {
    let test = small();
    let base = rollout(&test.root, &format!("{}.jsonl", id(0xa)));
    let bytes = fs::read(&base).unwrap();
    let session = test.store.find(&below(&test, &base)).unwrap();
    session.purge().unwrap();

    let fork = test.row(&id(4));
    assert_eq!(prompts(&fork), ["In the fork"]);
    assert!(fork["problems"][0]["detail"].as_str().unwrap().contains(&id(0xa)));
    assert_eq!(fork["base"]["file"], Value::Null);
    assert_eq!(test.store.check().unwrap(), []);

    // It comes back, compressed and in the archive.
    fs::remove_file(&base).unwrap();
    let name = base.file_name().unwrap().to_string_lossy().into_owned();
    let packed = zstd::bulk::compress(&bytes, 3).unwrap();
    test.write(format!("archived_sessions/{name}.zst"), packed);
    test.store.import(&test.root, &options().again(true)).unwrap();

    assert_eq!(prompts(&test.row(&id(4))), ["One", "Instead of two", "In the fork"]);
    test.assert_sound();
}

#[test]
fn a_base_that_grows_changes_nothing_behind_its_cut() {
    let test = small();
    let before = test.row(&id(4));
    let first = rollout(&test.root, &format!("T00-00-00-{}.jsonl", id(3)));
    let line = r#"{"timestamp":"2026-01-04T02:00:00.000Z","ordinal":99,"type":"event_msg","payload":{"type":"task_started","turn_id":"late"}}"#;
    test.append(&first, format!("{line}\n"));
    test.store.import(&test.root, &options()).unwrap();

    assert_eq!(test.row(&id(4)), before);
    assert_eq!(test.row(&below(&test, &first))["turns"].as_array().unwrap().len(), 3);
    test.assert_sound();
}

#[test]
fn a_file_that_is_compressed_in_place_stays_its_session() {
    let test = small();
    let plain = rollout(&test.root, &format!("{}.jsonl", id(1)));
    let session = test.store.find(&id(1)).unwrap();
    session.tag("kept").unwrap();
    let before = test.row(&id(1));
    let packed = zstd::bulk::compress(&fs::read(&plain).unwrap(), 3).unwrap();
    test.write(format!("{}.zst", below(&test, &plain)), packed);
    fs::remove_file(&plain).unwrap();

    let report = test.store.import(&test.root, &options()).unwrap();

    assert_eq!(report.lost, []);
    let after = test.row(&id(1));
    assert_eq!(test.store.find(&id(1)).unwrap().key(), session.key());
    assert_eq!(session.tags().unwrap(), ["kept"]);
    for key in ["context", "turns", "tree", "title"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    assert!(after["file"].as_str().unwrap().ends_with(".zst"));
    let out = test.folder().join("out");
    test.store.export(&out, &ExportOptions::new()).unwrap();
    assert_eq!(snapshot(&out), snapshot(&test.root));
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn a_compressed_file_that_is_plain_again_and_grew_is_at_its_root_in_that_form_alone() {
    let test = small();
    let plain = rollout(&test.root, &format!("{}.jsonl", id(1)));
    let bytes = fs::read(&plain).unwrap();
    let packed = format!("{}.zst", below(&test, &plain));
    test.write(&packed, zstd::bulk::compress(&bytes, 3).unwrap());
    fs::remove_file(&plain).unwrap();
    test.store.import(&test.root, &options()).unwrap();

    fs::remove_file(test.root.join(&packed)).unwrap();
    let asked = r#"{"timestamp":"2026-01-02T04:00:00.000Z","type":"event_msg","payload":{"type":"user_message","message":"Later"}}"#;
    test.write(below(&test, &plain), [&bytes, asked.as_bytes(), b"\n"].concat());
    let report = test.store.import(&test.root, &options()).unwrap();

    assert_eq!((report.missing, report.lost), (0, Vec::new()));
    assert_eq!(prompts(&test.row(&id(1))).last(), Some(&"Later"));
    test.assert_sound();
    let out = test.folder().join("out");
    test.store.export(&out, &ExportOptions::new()).unwrap();
    assert_eq!(snapshot(&out), snapshot(&test.root));
}

#[test]
fn a_file_that_is_at_the_root_counts_before_one_of_its_thread_that_is_gone() {
    let test = small();
    let plain = rollout(&test.root, &format!("{}.jsonl", id(1)));
    let name = plain.file_name().unwrap().to_string_lossy().into_owned();
    let text = fs::read_to_string(&plain).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // It went to the archive, and lost its end on the way.
    let archived = format!("archived_sessions/{name}");
    test.write(&archived, format!("{}\n", lines[..lines.len() - 1].join("\n")));
    let gone = below(&test, &plain);
    fs::remove_file(&plain).unwrap();
    test.store.import(&test.root, &options()).unwrap();

    assert_eq!(test.row(&archived)["superseded"], false);
    assert_eq!(test.row(&gone)["superseded"], true);
    test.store.rebuild().unwrap();
    assert_eq!(test.row(&archived)["superseded"], false);

    // Where it is back, it is the active one of the two.
    test.write(&gone, text);
    test.store.import(&test.root, &options()).unwrap();
    assert_eq!(test.row(&gone)["superseded"], false);
    assert_eq!(test.row(&archived)["superseded"], true);
    test.assert_sound();
}

#[test]
fn a_file_that_goes_to_the_archive_stays_its_session_also_where_it_is_compressed_on_the_way() {
    for is_packed in [false, true] {
        let test = small();
        let plain = rollout(&test.root, &format!("{}.jsonl", id(1)));
        let session = test.store.find(&id(1)).unwrap();
        session.tag("kept").unwrap();
        let name = plain.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = fs::read(&plain).unwrap();
        if is_packed {
            let packed = zstd::bulk::compress(&bytes, 3).unwrap();
            test.write(format!("archived_sessions/{name}.zst"), packed);
            fs::remove_file(&plain).unwrap();
        } else {
            fs::rename(&plain, test.root.join("archived_sessions").join(&name)).unwrap();
        }
        let report = test.store.import(&test.root, &options()).unwrap();

        assert_eq!(report.lost, [], "{is_packed}");
        assert_eq!(test.store.find(&id(1)).unwrap().key(), session.key(), "{is_packed}");
        assert_eq!(session.tags().unwrap(), ["kept"]);
        assert_eq!(test.row(&id(1))["archived"], true);
        let out = test.folder().join("out");
        test.store.export(&out, &ExportOptions::new()).unwrap();
        assert!(!out.join(below(&test, &plain)).exists(), "{is_packed}");
        assert_eq!(test.store.check().unwrap(), []);
    }
}

#[test]
fn a_file_that_grows_or_is_migrated_in_place_is_read_anew() {
    let test = small();
    let plain = rollout(&test.root, &format!("{}.jsonl", id(1)));
    let asked = r#"{"timestamp":"2026-01-02T04:00:00.000Z","type":"event_msg","payload":{"type":"user_message","message":"Later"}}"#;
    test.append(&plain, &asked[..40]);
    test.store.import(&test.root, &options()).unwrap();
    assert_eq!(kinds(&test.row(&id(1))), ["unknown-type", "malformed"]);
    test.append(&plain, format!("{}\n", &asked[40..]));
    test.store.import(&test.root, &options()).unwrap();
    assert_eq!(prompts(&test.row(&id(1))).last(), Some(&"Later"));

    let migrated = fs::read_to_string(rollout(&test.root, &format!("T00-00-00-{}.jsonl", id(3))))
        .unwrap()
        .replace(&id(3), &id(1));
    test.write(below(&test, &plain), migrated);
    test.store.import(&test.root, &options()).unwrap();
    assert_eq!(prompts(&test.row(&id(1))), ["One", "Two"]);
    assert_eq!(test.row(&id(1))["history_mode"], "paginated");
    test.assert_sound();
}

#[test]
fn files_of_the_releases_before_the_envelope_are_read() {
    let test = small();
    for (n, work_dir, expected) in [
        (9, json!("/home/me/old"), ["Old question", "Old answer"]),
        (0xb, Value::Null, ["Asked in April", "Answered"]),
    ] {
        let row = test.row(&id(n));
        assert_eq!(context(&row), expected);
        assert_eq!(prompts(&row), expected[..1]);
        assert_eq!((&row["version"], &row["history_mode"]), (&json!(0), &Value::Null));
        assert_eq!(row["work_dir"], work_dir);
        assert_eq!(kinds(&row), ["unreadable-by-original"]);
        assert!(row["created_at"].as_str().unwrap().starts_with("2025-"));
    }
}

#[test]
fn what_is_broken_hides_nothing_and_says_so() {
    let test = small();

    let headless = test.row(&id(0xc));
    assert_eq!(headless["first_message"], "No header");
    assert_eq!(headless["created_at"], "2026-01-10T00:00:00.000Z");
    assert_eq!(kinds(&headless), ["header", "malformed"]);
    let bad = test.row(&id(0xd));
    assert_eq!(bad["first_message"], "a \u{FFFD} byte");
    assert_eq!(kinds(&bad), ["invalid-utf8"]);
    let damaged = rollout(&test.root, &format!("{}.jsonl.zst", id(0xe)));
    let damaged = test.row(&below(&test, &damaged));
    assert_eq!(damaged["session_id"], Value::Null);
    assert_eq!(kinds(&damaged), ["unreadable-file"]);
    let dumped = test.dump();
    let loose = dumped.lines().find(|row| row.contains("session_index.jsonl")).unwrap();
    assert!(loose.contains("malformed"), "{loose}");
}

#[test]
fn a_root_may_be_the_folder_of_sessions_itself() {
    let test = TestStore::new();
    let root = test.folder().join("home/sessions");
    copy(&fixture("codex/small/sessions"), &root);

    let report = test.store.import(&root, &options()).unwrap();
    let again = test.store.import(&root, &options()).unwrap();

    assert_eq!(report.root, fs::canonicalize(&root).unwrap());
    assert_eq!((again.bytes, again.new), (0, 0));
    assert_eq!(test.store.imported_roots().unwrap()[0].format, Format::Codex);
    assert!(test.store.verify(&root).unwrap().differences.is_empty());
}

#[test]
fn a_rebuilt_store_says_the_same() {
    let test = small();
    let before = test.dump();

    test.store.rebuild().unwrap();

    assert_eq!(test.dump(), before);
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn of_two_files_of_one_name_the_same_counts_in_whatever_order_they_came() {
    let name = "rollout-2026-02-01T10-00-00-0199d000-0002-7000-8000-000000000002.jsonl";
    let paths = ["sessions/2026/02/01", "sessions/2026/02/02", "sessions"];
    let paths = paths.map(|folder| format!("{folder}/{name}"));
    let text = |n: usize| {
        let meta = r#"{"timestamp":"2026-02-01T10:00:00.100Z","type":"session_meta","payload":{"id":"0199d000-0002-7000-8000-000000000002","timestamp":"2026-02-01T10:00:00.000Z","cwd":"/w","originator":"o","cli_version":"1","source":"cli"}}"#;
        format!(
            "{meta}\n{{\"timestamp\":\"2026-02-01T10:00:01.000Z\",\"type\":\"event_msg\",\"payload\":{{\"type\":\"user_message\",\"message\":\"{n}\"}}}}\n"
        )
    };
    let options = ImportOptions::new().format(Format::Codex);
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let test = TestStore::new();
        for n in order {
            let path = test.write(&paths[n], text(n));
            set_mtime(&path, THEN, 0);
            test.store.import(&test.root, &options).unwrap();
        }
        let fresh = test.another("fresh.db");
        fresh.import(&test.root, &options).unwrap();

        assert_eq!(test.dump(), dump(&fresh), "{order:?}");
        assert_eq!(test.row(&paths[0])["superseded"], false, "{order:?}");
        assert_eq!(test.store.check().unwrap(), []);
    }
}
