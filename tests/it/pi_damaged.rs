//! pi files of which pi itself reads less: without a header, with a byte order
//! mark, with lines that two writers share.

use serde_json::{Value, json};
use sessile::{ExportOptions, Format, ImportOptions, ProblemKind, SessionKey};

use crate::support::{TestStore, ids, line};

const ID: &str = "019a0000-0000-7000-8000-000000000001";
const OWN_NAME: &str =
    "sessions/--w--/2026-05-01T00-00-00-000Z_019a0000-0000-7000-8000-000000000001.jsonl";

fn header() -> String {
    line(&json!({
        "type": "session", "version": 3, "id": ID, "timestamp": "2026-05-01T00:00:00.000Z",
        "cwd": "/w"
    }))
}

fn said(id: &str, parent: Option<&str>, role: &str, text: &str) -> String {
    let parent = json!(parent);
    format!(
        "{{\"type\":\"message\",\"id\":\"{id}\",\"parentId\":{parent},\
         \"timestamp\":\"2026-05-01T00:00:01.000Z\",\"message\":{{\"role\":\"{role}\",\
         \"content\":[{{\"type\":\"text\",\"text\":\"{text}\"}}],\"timestamp\":1}}}}\n"
    )
}

/// A question with two answers, of which the first is labelled.
fn entries() -> String {
    let label = json!({
        "type": "label", "id": "l", "parentId": "c", "timestamp": "2026-05-01T00:00:02.000Z",
        "targetId": "b", "label": "keep"
    });
    [
        said("a", None, "user", "question"),
        said("b", Some("a"), "assistant", "abandoned"),
        said("c", Some("a"), "assistant", "taken"),
        line(&label),
    ]
    .concat()
}

fn of_file(path: &str, content: impl AsRef<[u8]>) -> (TestStore, SessionKey) {
    let test = TestStore::new();
    test.write(path, content);
    import(&test);
    let session = test.store.find(path).unwrap().key();
    (test, session)
}

fn import(test: &TestStore) {
    test.store.import(&test.root, &ImportOptions::new().format(Format::Pi)).unwrap();
}

fn texts(test: &TestStore, session: SessionKey) -> Vec<String> {
    let text = |json: &str| {
        let message: Value = serde_json::from_str(json).unwrap();
        message["content"][0]["text"].as_str().unwrap().to_owned()
    };
    test.store
        .session(session)
        .unwrap()
        .context()
        .unwrap()
        .iter()
        .map(|message| text(message.json()))
        .collect()
}

/// A line with all of a question and an answer on it, and what follows.
fn shared() -> String {
    let question = said("a", None, "user", "question");
    let answer = said("b", Some("a"), "assistant", "answer");
    [header(), question.trim_end().to_owned(), answer, said("c", Some("b"), "user", "next")]
        .concat()
}

#[track_caller]
fn check_tree_is_kept(path: &str, content: impl AsRef<[u8]>, id: Option<&str>) {
    let (test, session) = of_file(path, content);

    assert_eq!(ids(&test.store.session(session).unwrap().path().unwrap()), ["a", "c", "l"]);
    assert_eq!(texts(&test, session), ["question", "taken"]);
    assert_eq!(test.store.session(session).unwrap().labels().unwrap()[0].target_id, "b");
    let row = test.store.session(session).unwrap().info().unwrap();
    assert_eq!(row.session_id.as_deref(), id);
    test.assert_sound();
}

#[test]
fn a_file_without_a_header_keeps_its_tree_and_is_named_by_its_file() {
    check_tree_is_kept(OWN_NAME, entries(), Some(ID));
    let (test, session) = of_file(OWN_NAME, entries());

    let row = test.row(ID);
    assert_eq!(row["created_at"], "2026-05-01T00:00:00.000Z");
    assert_eq!(row["version"], 3);
    assert_eq!(row["problems"][0]["kind"], "header");
    assert_eq!(test.store.session(session).unwrap().info().unwrap().message_count, 3);
}

#[test]
fn a_file_whose_name_says_nothing_keeps_its_tree_too() {
    check_tree_is_kept("sessions/--w--/notes.jsonl", entries(), None);
}

#[test]
fn a_header_behind_a_byte_order_mark_counts() {
    let content = ["\u{feff}", &header(), &entries()].concat();
    check_tree_is_kept("sessions/--w--/notes.jsonl", &content, Some(ID));
    check_tree_is_kept(OWN_NAME, &content, Some(ID));
    let (test, session) = of_file(OWN_NAME, &content);

    let problems = test.store.session(session).unwrap().problems().unwrap();
    assert_eq!((problems.len(), problems[0].line), (1, Some(1)));
    assert_eq!(test.row(ID)["work_dir"], "/w");
}

#[test]
fn the_work_dir_of_a_file_without_a_header_is_that_of_its_neighbours() {
    let test = TestStore::new();
    test.write(OWN_NAME, entries());
    test.write("sessions/--w--/other.jsonl", header().replace(ID, "other"));
    import(&test);

    assert_eq!(test.row(ID)["work_dir"], "/w");
}

#[test]
fn a_moved_leaf_leaves_that_work_dir_as_it_is() {
    let test = TestStore::new();
    test.write(OWN_NAME, entries());
    test.write("sessions/--w--/other.jsonl", header().replace(ID, "other"));
    import(&test);

    test.store.find(ID).unwrap().branch("b").unwrap();

    assert_eq!((&test.row(ID)["leaf"], &test.row(ID)["work_dir"]), (&json!("b"), &json!("/w")));
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn a_first_version_without_a_header_is_a_chain() {
    let record = |text: &str| {
        line(
            &json!({"type": "message", "message": {"role": "user", "content": [{"type": "text", "text": text}]}}),
        )
    };
    let (test, session) = of_file(OWN_NAME, [record("one"), record("two")].concat());

    assert_eq!(texts(&test, session), ["one", "two"]);
    test.assert_sound();
}

#[test]
fn a_session_without_a_header_goes_on_and_is_copied() {
    let (test, session) = of_file(OWN_NAME, entries());
    let live = test.store.session(session).unwrap();

    let new = live.append_message(r#"{"role":"user","content":"on"}"#).unwrap();
    assert_eq!(
        test.store.session(session).unwrap().entry(&new).unwrap().unwrap().parent_id.as_deref(),
        Some("l")
    );
    let copy = live.clone_session().unwrap();
    assert_eq!(ids(&copy.path().unwrap()), ["a", "c", "l", &new]);
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn two_records_on_one_line_are_both_read_and_one_problem() {
    let (test, session) = of_file(OWN_NAME, shared());

    assert_eq!(texts(&test, session), ["question", "answer", "next"]);
    let branch = test.store.session(session).unwrap().path().unwrap();
    assert_eq!(ids(&branch), ["a", "b", "c"]);
    assert_eq!(branch.iter().map(|entry| entry.line).collect::<Vec<_>>(), [2, 2, 3]);
    let problems = test.store.session(session).unwrap().problems().unwrap();
    let found: Vec<_> = problems.iter().map(|problem| (problem.line, problem.kind)).collect();
    assert_eq!(found, [(Some(2), ProblemKind::Unreadable)]);
    let row = test.row(ID);
    assert_eq!((&row["title"], &row["message_count"]), (&json!("question"), &json!(3)));
    test.assert_sound();
}

#[test]
fn each_entry_of_a_shared_line_has_its_own_bytes() {
    let (test, session) = of_file(OWN_NAME, shared());
    let entry = |id: &str| test.store.session(session).unwrap().entry(id).unwrap().unwrap();
    let question = said("a", None, "user", "question");
    let answer = said("b", Some("a"), "assistant", "answer");

    assert_eq!(
        test.store.session(session).unwrap().line_of(&entry("a")).unwrap(),
        question.trim_end().as_bytes()
    );
    assert_eq!(
        test.store.session(session).unwrap().line_of(&entry("b")).unwrap(),
        answer.trim_end().as_bytes()
    );
    let mut of_path = Vec::new();
    test.store
        .session(session)
        .unwrap()
        .each_line_of_path("c", |number, raw| {
            of_path.push((number, String::from_utf8(raw.to_vec()).unwrap()));
            Ok(())
        })
        .unwrap();
    let last = said("c", Some("b"), "user", "next");
    let expected = [(2, question.trim_end()), (2, answer.trim_end()), (3, &last)];
    assert_eq!(of_path, expected.map(|(number, text)| (number, text.to_owned())));
    let captured = test.store.session(session).unwrap().capture().unwrap();
    assert_eq!(captured.entries[1].line, answer.trim_end().as_bytes());
    assert_eq!(test.store.session(session).unwrap().tree_rows().unwrap()[1].text, "answer");
}

#[test]
fn who_follows_a_file_misses_none_of_a_shared_line() {
    let (test, session) = of_file(OWN_NAME, shared());

    let first = test.store.session(session).unwrap().entries_after(0, 1).unwrap();
    assert_eq!(ids(&first), ["a", "b"]);
    let rest = test.store.session(session).unwrap().entries_after(first[1].line, 1).unwrap();
    assert_eq!(ids(&rest), ["c"]);
}

#[test]
fn a_shared_line_is_exported_as_it_is_and_copied_line_by_line() {
    let (test, session) = of_file(OWN_NAME, shared());
    let live = test.store.session(session).unwrap();
    let exported = |options: &ExportOptions| {
        let out = tempfile::tempdir_in(test.folder()).unwrap();
        test.store.export(&out.path().join("out"), options).unwrap();
        let folder = out.path().join("out/sessions/--w--");
        let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap();
        std::fs::read_to_string(file.path()).unwrap()
    };
    let all = shared();
    assert_eq!(exported(&ExportOptions::new().session(session)), all);

    for copy in [live.clone_session().unwrap(), live.fork_branch().unwrap()] {
        let lines = exported(&ExportOptions::new().session(copy.key()));
        let (_, behind_header) = lines.split_once('\n').unwrap();
        let question = said("a", None, "user", "question");
        let answer = said("b", Some("a"), "assistant", "answer");
        let last = said("c", Some("b"), "user", "next");
        assert_eq!(behind_header, [question, answer, last].concat());
        assert_eq!(copy.problems().unwrap(), []);
    }
    test.store.rebuild().unwrap();
    assert_eq!(texts(&test, session), ["question", "answer", "next"]);
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn a_record_behind_one_that_was_cut_off_is_read() {
    let cut = said("a", None, "user", "question");
    let whole = said("b", None, "user", "after the crash");
    let (test, session) = of_file(OWN_NAME, [&header(), &cut[..cut.len() - 9], &whole].concat());

    assert_eq!(texts(&test, session), ["after the crash"]);
    assert_eq!(test.store.session(session).unwrap().problems().unwrap().len(), 1);
    test.assert_sound();
}

#[test]
fn a_file_that_grows_behind_a_shared_line_is_as_if_read_at_once() {
    let test = TestStore::new();
    let all = shared();
    let (head, tail) = all.split_at(header().len() + 40);
    test.write(OWN_NAME, head);
    import(&test);
    test.append(OWN_NAME, tail);
    import(&test);

    assert_eq!(texts(&test, test.store.find(ID).unwrap().key()), ["question", "answer", "next"]);
    test.assert_sound();
}

#[test]
fn a_root_of_such_files_is_told_by_them() {
    let root = TestStore::new();
    root.write("sessions/--w--/notes.jsonl", ["\u{feff}", &header(), &entries()].concat());
    root.store.import(&root.root, &ImportOptions::new()).unwrap();
    assert_eq!(root.store.imported_roots().unwrap()[0].format, Format::Pi);

    let root = TestStore::new();
    root.write(OWN_NAME, entries());
    root.store.import(&root.root, &ImportOptions::new()).unwrap();
    assert_eq!(root.store.imported_roots().unwrap()[0].format, Format::Pi);
}
