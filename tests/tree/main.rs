//! Drawn trees: each drawing was worked out by hand from the rules of Kward's `/tree`.

#[cfg(feature = "cli")]
mod commands;
mod space;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use sessile::{ImportOptions, SessionKey, Store, Stored, TreeRow};
use tempfile::TempDir;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/kward/tree")
}

fn of_fixtures() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("sessions.db")).unwrap();
    store.import(&fixtures(), &ImportOptions::new()).unwrap();
    (folder, store)
}

/// A session of these lines.
fn of_lines(lines: &[serde_json::Value]) -> (TempDir, Store, SessionKey) {
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("root/sessions/--w--");
    fs::create_dir_all(&work).unwrap();
    let text: String = lines.iter().map(|record| format!("{record}\n")).collect();
    fs::write(work.join("one.jsonl"), header() + &text).unwrap();
    let store = Store::open(&folder.path().join("sessions.db")).unwrap();
    store.import(&folder.path().join("root"), &ImportOptions::new()).unwrap();
    let session = store.find("one").unwrap().key();
    (folder, store, session)
}

fn header() -> String {
    json!({"type": "session", "version": 2, "id": "one", "cwd": "/w"}).to_string() + "\n"
}

fn message(id: &str, parent: &str) -> serde_json::Value {
    let message = json!({"role": "user", "content": id});
    json!({"type": "message", "id": id, "parentId": parent, "message": message})
}

fn leaf(id: &str) -> serde_json::Value {
    json!({"type": "leaf", "targetId": id})
}

fn drawn(rows: &[TreeRow]) -> String {
    let line = |row: &TreeRow| {
        let mark = if row.active_path { "•" } else { "" };
        format!("{}{mark}{}: {}\n", row.prefix, row.role, row.text)
    };
    rows.iter().map(line).collect()
}

#[track_caller]
fn check_fixture(session: &str, expected: &[&str]) {
    let (_folder, store) = of_fixtures();

    let rows = store.find(session).unwrap().tree_rows().unwrap();

    assert_eq!(drawn(&rows).lines().collect::<Vec<_>>(), expected);
}

#[track_caller]
fn check_edges(edges: &[(&str, &str)], leaf_id: &str, expected: &[&str]) {
    let mut lines: Vec<_> = edges.iter().map(|(id, parent)| message(id, parent)).collect();
    lines.push(leaf(leaf_id));
    let (_folder, store, session) = of_lines(&lines);

    let rows = store.session(session).unwrap().tree_rows().unwrap();

    let drawn: Vec<String> = rows.iter().map(|row| format!("{}{}", row.prefix, row.text)).collect();
    assert_eq!(drawn, expected);
}

#[test]
fn messages_that_only_call_tools_give_their_place_to_their_children() {
    check_fixture(
        "edge-141",
        &[
            "•user: A",
            "├⊟ •tool: [bash: ls -la foo]",
            "│     •assistant: done",
            "└─ assistant: other",
        ],
    );
}

#[test]
fn the_active_child_comes_first_and_the_last_closes_the_group() {
    let mut expected = vec!["•user: R".to_owned(), "├─ •assistant: kid 20".to_owned()];
    expected.extend((0..30).filter(|n| *n != 20).map(|n| {
        let connector = if n == 29 { "└─" } else { "├─" };
        format!("{connector} assistant: kid {n}")
    }));

    check_fixture("edge-143", &expected.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn every_role_has_its_text() {
    check_fixture(
        "edge-145",
        &["•user: look", "•assistant: answer", "•tool: [read_file]", "•summary: bs"],
    );
}

#[test]
fn of_repeated_ids_the_last_is_drawn() {
    check_fixture("edge-17", &["•user: root two", "•assistant: x two", "•user: leaf"]);
}

#[test]
fn a_circle_is_cut_at_its_first_entry() {
    check_fixture("edge-19", &["•user: A", "•assistant: B", "user: C", "assistant: D"]);
}

#[test]
fn results_show_their_calls() {
    check_fixture(
        "edge-131",
        &[
            "•user: read",
            "•tool: [read: a.txt]",
            "•tool: [read: b.txt]",
            "•tool: [read: ]",
            "•tool: [read: d.txt]",
            "•tool: [read: ]",
            "•tool: [read: f.txt]",
        ],
    );
}

#[test]
fn several_roots_stand_at_the_left_and_their_children_under_them() {
    check_edges(
        &[("a", ""), ("b", ""), ("a1", "a"), ("b1", "b"), ("b2", "b1"), ("b3", "b1")],
        "b2",
        &["b", "   b1", "   ├─ b2", "   └─ b3", "a", "   a1"],
    );
}

#[test]
fn lines_of_ancestors_go_on_until_their_last_child() {
    check_edges(
        &[
            ("r", ""),
            ("a", "r"),
            ("b", "r"),
            ("a1", "a"),
            ("a2", "a"),
            ("x", "a1"),
            ("y", "x"),
            ("b1", "b"),
            ("b2", "b"),
        ],
        "y",
        &[
            "r",
            "├⊟ a",
            "│  ├⊟ a1",
            "│  │     x",
            "│  │     y",
            "│  └─ a2",
            "└⊟ b",
            "   ├─ b1",
            "   └─ b2",
        ],
    );
}

#[test]
fn only_the_active_one_of_a_hidden_message_s_children_comes_first() {
    let call = json!({"type": "toolCall", "id": "c", "name": "read", "arguments": {"path": "p"}});
    let hidden = json!({
        "type": "message", "id": "h", "parentId": "a",
        "message": {"role": "assistant", "content": [call]}
    });
    let (_folder, store, session) = of_lines(&[
        message("a", ""),
        message("w", "a"),
        hidden,
        message("t", "h"),
        message("u", "h"),
        leaf("t"),
    ]);

    let rows = store.session(session).unwrap().tree_rows().unwrap();

    let ids: Vec<&str> = rows.iter().map(|row| row.entry_id.as_str()).collect();
    assert_eq!(ids, ["a", "t", "w", "u"]);
}

#[test]
fn the_active_entry_is_shown_even_if_it_only_calls() {
    let call = json!({"type": "toolCall", "id": "c", "name": "read", "arguments": {"path": "p"}});
    let entry = json!({
        "type": "message", "id": "b", "parentId": "a",
        "message": {"role": "assistant", "content": [call]}
    });
    for (leaf_id, expected) in [("b", &["a", "b"][..]), ("a", &["a"])] {
        let (_folder, store, session) = of_lines(&[message("a", ""), entry.clone(), leaf(leaf_id)]);

        let rows = store.session(session).unwrap().tree_rows().unwrap();

        let ids: Vec<&str> = rows.iter().map(|row| row.entry_id.as_str()).collect();
        assert_eq!(ids, expected);
        assert!(rows.iter().all(|row| row.current == (row.entry_id == leaf_id)));
    }
}

#[test]
fn a_row_knows_its_place_and_its_label() {
    let label = json!({"type": "label", "targetId": "y", "label": "here", "timestamp": "then"});
    let (_folder, store, session) =
        of_lines(&[message("r", ""), message("x", "r"), message("y", "r"), label]);

    let rows = store.session(session).unwrap().tree_rows().unwrap();

    let y = &rows[1];
    assert_eq!((y.entry_id.as_str(), y.parent_id.as_deref()), ("y", Some("r")));
    assert_eq!((y.depth, y.is_last, y.current), (1, false, true));
    assert_eq!(y.ancestor_continues, [false]);
    assert_eq!(y.label.as_deref(), Some("here"));
    assert_eq!(y.labelled_at, Some(Stored::Text("then".to_owned())));
    assert!(rows[2].is_last);
}

#[test]
fn a_long_chain_and_a_deep_thicket_are_drawn() {
    let chain = |n: usize| message(&format!("c{n}"), &format!("c{}", n.wrapping_sub(1)));
    let lines: Vec<_> = (0..20_000)
        .map(chain)
        .chain((0..5_000).map(|n| message(&format!("s{n}"), &format!("c{n}"))))
        .collect();
    let (_folder, store, session) = of_lines(&lines);

    let rows = store.session(session).unwrap().tree_rows().unwrap();

    assert_eq!(rows.len(), 25_000);
    assert_eq!(rows.iter().map(|row| row.depth).max(), Some(200));
}
