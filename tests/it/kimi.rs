//! Kimi's share directories: sessions of many files.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sessile::{
    ExportOptions, Format, ImportOptions, ProblemKind, SessionFilter, SessionKey, Timestamp,
};

use crate::support::{THEN, TestStore, fixture, ids, set_mtime, snapshot};

pub(crate) const ONE: &str =
    "sessions/dd3464ad15e3938bd1128bd2347c29d6/11111111-1111-4111-8111-111111111111";
pub(crate) const FLAT: &str =
    "sessions/dd3464ad15e3938bd1128bd2347c29d6/44444444-4444-4444-8444-444444444444.jsonl";

/// A copy of the fixture as the root of a store, imported.
pub(crate) fn small() -> TestStore {
    let test = TestStore::new();
    copy(&fixture("kimi/small"), &test.root);
    test.store.import(&test.root, &ImportOptions::new()).unwrap();
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

fn find(test: &TestStore, name: &str) -> SessionKey {
    test.store.find(name).unwrap().key()
}

fn texts(history: &Value) -> Vec<String> {
    let said = |message: &Value| match &message["content"] {
        Value::String(text) => text.clone(),
        parts => parts
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect::<Vec<_>>()
            .join(" "),
    };
    history.as_array().unwrap().iter().map(said).collect()
}

#[test]
fn every_byte_comes_back_and_a_second_import_reads_none() {
    let test = small();
    let out = test.folder().join("out");

    let again = test.store.import(&test.root, &ImportOptions::new()).unwrap();
    test.store.export(&out, &ExportOptions::new()).unwrap();

    assert_eq!((again.bytes, again.new, again.rewritten), (0, 0, 0));
    assert_eq!(snapshot(&out), snapshot(&test.root));
    test.assert_sound();
}

#[test]
fn sessions_are_listed_whatever_their_folder_is_called() {
    let test = small();
    let rows = test.store.sessions(&SessionFilter::new()).unwrap().rows;
    let mut found: Vec<(String, Option<String>)> =
        rows.into_iter().map(|row| (row.session_id.unwrap(), row.work_dir)).collect();
    found.sort();

    let alpha = || Some("/home/me/alpha".to_owned());
    assert_eq!(
        found,
        [
            ("11111111-1111-4111-8111-111111111111".to_owned(), alpha()),
            ("33333333-3333-4333-8333-333333333333".to_owned(), Some("/home/me/βeta".to_owned())),
            ("44444444-4444-4444-8444-444444444444".to_owned(), alpha()),
            ("55555555-5555-4555-8555-555555555555".to_owned(), alpha()),
            ("my-session".to_owned(), None),
        ]
    );
    // The second is in the archive, by its old metadata; the sixth has no context.
    assert!(test.row("2222").get("archived").unwrap().as_bool().unwrap());
    assert_eq!(test.row("6666")["turns"], json!([]));
}

#[test]
fn contexts_that_begin_alike_share_a_trunk() {
    let test = small();
    let session = find(&test, "1111");
    let row = test.row("1111");

    // All begin with the prompt; the two rotations have more in common.
    let forks: Vec<usize> = row["tree"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["children"].as_array().unwrap().len())
        .filter(|children| 1 < *children)
        .collect();
    assert_eq!(forks, [2, 2]);
    let rotations = row["rotations"].as_array().unwrap();
    assert_eq!(
        texts(&rotations[0]["context"]["history"]),
        ["What is a leaf?", "The active entry.", "And a root?", "Where a path begins."]
    );
    assert_eq!(
        texts(&rotations[1]["context"]["history"]),
        ["What is a leaf?", "The active entry.", "And a branch?", "", "a branch forks", "A fork."]
    );
    // Of a branch that was rotated away, the path can be read like any other.
    let leaves = test.store.session(session).unwrap().leaves().unwrap();
    assert_eq!(leaves.len(), 4);
    let path = test.store.session(session).unwrap().path_to(&leaves[0].id).unwrap();
    assert_eq!(path.len(), 9);
    assert_eq!(test.store.session(session).unwrap().children(&path[6].id).unwrap().len(), 2);
}

#[test]
fn entries_after_a_line_are_those_of_the_context_alone() {
    let test = small();
    let session = test.store.find("1111").unwrap();
    let branch = session.path().unwrap();

    let all = session.entries_after(0, 100).unwrap();
    let rest = session.entries_after(all[2].line, 2).unwrap();

    // The trunk stands in the rotations, too; here it has the lines of the context.
    assert_eq!(ids(&all), ids(&branch));
    assert!(all.iter().map(|entry| entry.line).eq(1..=all.len() as u32));
    assert_eq!(ids(&rest), ids(&all[3..5]));
    let context = fs::read(test.root.join(ONE).join("context.jsonl")).unwrap();
    let lines: Vec<u8> = all.iter().flat_map(|entry| session.line_of(entry).unwrap()).collect();
    assert_eq!(lines, context);
}

#[test]
fn a_context_answers_what_kimi_would_restore() {
    let test = small();
    let row = test.row("1111");

    assert_eq!(row["context"]["system_prompt"], "You are Kimi.");
    assert_eq!(row["context"]["token_count"], 9);
    assert_eq!(row["context"]["token_count_with_pending"], 9 + ("Thanks!Any time.".len() / 4));
    assert_eq!(row["context"]["next_checkpoint_id"], 1);
    assert_eq!(row["turns"][1], json!({"index": 1, "text": "And a branch?"}));
    assert_eq!((&row["title"], &row["cli_title"]), (&json!("Trees"), &json!("Trees")));
    assert_eq!(row["subagents"][0]["agent_id"], "a0000001");
    assert_eq!(row["state"]["approval"]["auto_approve_actions"], json!(["run shell"]));
    // CRLF, a raw tab in a string, and a torn last line.
    let row = test.row("2222");
    assert_eq!(texts(&row["context"]["history"]), ["tab\there", "seen"]);
    assert_eq!(row["title"], "tab here");
    assert_eq!(row["problems"].as_array().unwrap().len(), 1);
}

#[test]
fn tools_of_the_wire_belong_to_their_turn() {
    let test = small();
    let (turn, has_result): (i64, bool) = test
        .sqlite()
        .query_row(
            "SELECT turn_index, result_key IS NOT NULL FROM tool_executions
             WHERE tool_call_id = 'call_1'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();

    assert_eq!((turn, has_result), (1, true));
    let kinds: Vec<ProblemKind> = test
        .store
        .session(find(&test, "1111"))
        .unwrap()
        .problems()
        .unwrap()
        .into_iter()
        .map(|problem| problem.kind)
        .collect();
    assert_eq!(kinds, [ProblemKind::UnknownType]);
}

#[test]
fn half_a_surrogate_pair_stays_what_it_is() {
    let test = small();
    let row = test.store.find("3333").unwrap().info().unwrap();

    assert_eq!(row.title.as_deref(), Some("half \u{fffd} a pair"));
    assert_eq!(row.title_json(), "\"half \\ud83d a pair\"");
}

#[test]
fn one_bad_field_of_a_state_costs_no_other() {
    let test = small();
    let state = test.store.find("3333").unwrap().kimi().unwrap().state().unwrap();
    let state: Value = serde_json::from_str(&state).unwrap();

    assert_eq!(state["todos"], json!([{"title": "kept", "status": "done"}]));
    assert_eq!(state["plan_mode"], false);
}

#[test]
fn a_broken_registry_hides_no_session() {
    let test = small();
    let before = test.store.sessions(&SessionFilter::new()).unwrap().rows.len();

    test.write("kimi.json", "{torn");
    test.store.import(&test.root, &ImportOptions::new()).unwrap();

    let rows = test.store.sessions(&SessionFilter::new()).unwrap().rows;
    assert_eq!(rows.len(), before);
    assert!(rows.iter().all(|row| row.work_dir.is_none()));
    let mut told = 0;
    test.store
        .each_problem(|_, problem| {
            told += usize::from(problem.file == Path::new("kimi.json"));
            Ok(())
        })
        .unwrap();
    assert_eq!(told, 1);
    test.assert_sound();
}

#[test]
fn a_context_that_kimi_rotates_keeps_its_chain() {
    let test = small();
    let session = find(&test, "1111");
    let leaf = test.store.session(session).unwrap().info().unwrap().leaf.unwrap();
    let chain = |path: &str| -> i64 {
        let sql = "SELECT file_id FROM files WHERE path = ?1 AND state = 'current'";
        let path = format!("{ONE}/{path}").into_bytes();
        test.sqlite().query_row(sql, [path], |row| row.get(0)).unwrap()
    };
    let before = chain("context.jsonl");

    let folder = test.root.join(ONE);
    fs::rename(folder.join("context.jsonl"), folder.join("context_3.jsonl")).unwrap();
    test.write(format!("{ONE}/context.jsonl"), "{\"role\":\"user\",\"content\":\"anew\"}\n");
    set_mtime(&folder.join("context.jsonl"), THEN + 60, 0);
    test.store.import(&test.root, &ImportOptions::new()).unwrap();

    assert_eq!(chain("context_3.jsonl"), before);
    assert_eq!(find(&test, "1111"), session);
    // The entry that was the leaf has kept its id, and is another branch now.
    assert!(test.store.session(session).unwrap().entry(&leaf).unwrap().is_some());
    let branch = test.store.session(session).unwrap().path().unwrap();
    assert_eq!(branch.len(), 1);
    assert!(!ids(&branch).contains(&leaf.as_str()));
    test.assert_sound();
}

#[test]
fn a_flat_file_that_kimi_moves_into_a_folder_is_the_same_session() {
    let test = small();
    let session = find(&test, FLAT);
    test.store.session(session).unwrap().append_label_change("x", Some("kept")).unwrap();

    let flat = test.root.join(FLAT);
    let folder = flat.with_extension("");
    fs::create_dir(&folder).unwrap();
    fs::rename(&flat, folder.join("context.jsonl")).unwrap();
    test.store.import(&test.root, &ImportOptions::new()).unwrap();

    let path = FLAT.strip_suffix(".jsonl").unwrap();
    assert_eq!(find(&test, path), session);
    assert_eq!(test.store.session(session).unwrap().labels().unwrap()[0].label, "kept");
    test.assert_sound_but_for_missing();
}

#[test]
fn metadata_that_kimi_merged_is_not_merged_once_more() {
    let test = small();
    let folder = "sessions/b0e889f8ef3717769c5bad986d8759b8/22222222-2222-4222-8222-222222222222";
    assert!(test.row("2222")["archived"].as_bool().unwrap());

    // Kimi wrote a state and took the metadata away; then somebody unarchived the session.
    fs::remove_file(test.root.join(folder).join("metadata.json")).unwrap();
    test.write(format!("{folder}/state.json"), r#"{"archived": false}"#);
    test.store.import(&test.root, &ImportOptions::new()).unwrap();

    assert!(!test.row("2222")["archived"].as_bool().unwrap());
    test.assert_sound_but_for_missing();
}

#[test]
fn what_grows_or_changes_is_as_if_it_had_always_been_so() {
    let test = small();
    test.append(format!("{ONE}/context.jsonl"), "{\"role\":\"user\",\"content\":\"more\"}\n");
    test.append(format!("{ONE}/wire.jsonl"), "{torn");
    test.write(format!("{FLAT}.stray"), "stray");
    test.write(format!("{ONE}/state.json"), r#"{"custom_title": "Other"}"#);
    test.store.import(&test.root, &ImportOptions::new()).unwrap();

    let fresh = test.another("fresh.db");
    fresh.import(&test.root, &ImportOptions::new()).unwrap();
    assert_eq!(test.dump(), crate::support::dump(&fresh));
    assert_eq!(test.row("1111")["title"], "Other");
    test.assert_sound();
}

#[test]
fn lines_end_where_python_ends_them_also_where_a_read_ends() {
    let test = TestStore::new();
    let path = "sessions/dd3464ad15e3938bd1128bd2347c29d6/s/context.jsonl";
    test.write(path, "{\"role\":\"user\",\"content\":\"a\"}\r");
    let options = ImportOptions::new().format(Format::Kimi);
    test.store.import(&test.root, &options).unwrap();
    // The LF belongs to the CR that is there already.
    test.append(
        path,
        "\n{\"role\":\"user\",\"content\":\"b\"}\r{\"role\":\"user\",\"content\":\"c\"}",
    );
    test.store.import(&test.root, &options).unwrap();

    assert_eq!(texts(&test.row("s")["context"]["history"]), ["a", "b", "c"]);
    let fresh = test.another("fresh.db");
    fresh.import(&test.root, &options).unwrap();
    assert_eq!(test.dump(), crate::support::dump(&fresh));
    test.assert_sound();
}

#[test]
fn titles_and_archive_flags_are_written_as_kimi_writes_them() {
    let test = small();
    let session = find(&test, "1111");
    let before = fs::read_to_string(test.root.join(ONE).join("state.json")).unwrap();
    let at = Timestamp::parse("2026-07-01T00:00:00.250Z").unwrap();

    test.store.session(session).unwrap().at(at).rename(Some("  Other trees ")).unwrap();
    test.store.session(session).unwrap().at(at).archive().unwrap();
    let out = test.folder().join("out");
    test.store.export(&out, &ExportOptions::new()).unwrap();

    let expected = before
        .replace("\"Trees\"", "\"Other trees\"")
        .replace("\"title_generated\": false", "\"title_generated\": true")
        .replace("\"archived\": false", "\"archived\": true")
        .replace("\"archived_at\": null", "\"archived_at\": 1782864000.25");
    assert_eq!(fs::read_to_string(out.join(ONE).join("state.json")).unwrap(), expected);
    let (mut exported, mut root) = (snapshot(&out), snapshot(&test.root));
    for files in [&mut exported, &mut root] {
        files.remove(Path::new(&format!("{ONE}/state.json")));
    }
    assert_eq!(exported, root);
    let source = test.folder().join("source");
    test.store.export(&source, &ExportOptions::new().source_only(true)).unwrap();
    assert_eq!(snapshot(&source), snapshot(&test.root));
    test.assert_sound();
}

#[test]
fn what_is_taken_out_of_the_archive_stays_out_whatever_its_age() {
    let test = small();
    let session = find(&test, "2222");
    let now = Timestamp::parse("2026-12-01T00:00:00Z").unwrap();

    test.store.session(session).unwrap().at(now).unarchive().unwrap();
    let archived = test.store.archive_older_than(15, now).unwrap();
    let out = test.folder().join("out");
    test.store.export(&out, &ExportOptions::new()).unwrap();

    // All but this one, the flat file and the folder without a context.
    assert_eq!(archived, 4);
    assert!(!test.row("2222")["archived"].as_bool().unwrap());
    assert!(!test.row("4444")["archived"].as_bool().unwrap());
    // Kimi would merge the old metadata once more over what was decided.
    let folder = "sessions/b0e889f8ef3717769c5bad986d8759b8/22222222-2222-4222-8222-222222222222";
    assert!(!out.join(folder).join("metadata.json").exists());
    let other = test.another("other.db");
    other.import(&out, &ImportOptions::new()).unwrap();
    let row = other.find("2222").unwrap().info().unwrap();
    assert_eq!(row.archived_at, None);
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn a_day_more_or_less_decides_on_the_archive() {
    let test = small();
    let day = 86_400_000_000_000;
    let modified = Timestamp(THEN * 1_000_000_000);

    let before = test.store.archive_older_than(15, Timestamp(modified.0 + 15 * day - 1)).unwrap();
    let after = test.store.archive_older_than(15, Timestamp(modified.0 + 15 * day)).unwrap();

    assert_eq!((before, after), (0, 4));
}

#[test]
fn pages_by_cursor_give_each_session_once() {
    let test = small();
    let mut filter = SessionFilter::new().limit(2);
    let mut seen = Vec::new();
    loop {
        let page = test.store.sessions(&filter).unwrap();
        seen.extend(page.rows.into_iter().map(|row| row.session_id.unwrap()));
        let Some(next) = page.next else { break };
        filter = filter.after(next);
    }

    // Of equal times, the larger id first.
    let mut sorted = seen.clone();
    sorted.sort_by(|a, b| b.cmp(a));
    assert_eq!(seen, sorted);
    assert_eq!(seen.len(), 5);
}
