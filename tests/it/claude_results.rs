//! Answers of tools that Claude Code stored in files of their own.

use serde_json::{Value, json};
use sessile::ResultFile;

use crate::claude::{ID, lines, node, options, said};
use crate::support::TestStore;

const OTHER: &str = "0b000000-0000-4000-8000-000000000002";

fn note(path: &str) -> String {
    format!(
        "<persisted-output>\nOutput too large (1MB). Full output saved to: {path}\n\nPreview (first 2KB):\nbegin\n...\n</persisted-output>"
    )
}

fn answered(uuid: &str, parent: &str, call_id: &str, answer: &str) -> Value {
    let block = json!({"tool_use_id": call_id, "type": "tool_result", "content": answer});
    node("user", uuid, Some(parent), json!({"role": "user", "content": [block]}))
}

/// A session with an answer in its folder, one in that of a session it was copied from, and one that is gone.
fn of_answers() -> TestStore {
    let test = TestStore::new();
    let folder = "/home/me/.claude/projects/-w";
    let records = [
        said("u1", None, "Go"),
        answered("u2", "u1", "c1", &note(&format!("{folder}/{ID}/tool-results/c1.txt"))),
        answered("u3", "u2", "c2", &note(&format!("{folder}/{OTHER}/tool-results/c2.json"))),
        answered("u4", "u3", "c3", &note(&format!("{folder}/{ID}/tool-results/c3.txt"))),
        answered("u5", "u4", "c4", "short"),
    ];
    test.write(format!("projects/-w/{ID}.jsonl"), lines(&records));
    test.write(format!("projects/-w/{ID}/tool-results/c1.txt"), "begin\nmiddle\nend\n");
    let blocks = r#"[{"type":"text","text":"of another"}]"#;
    test.write(format!("projects/-w/{OTHER}/tool-results/c2.json"), blocks);
    test.store.import(&test.root, &options()).unwrap();
    test
}

fn found(test: &TestStore, call_id: &str) -> Option<ResultFile> {
    let session = test.store.find(ID).unwrap();
    let answers = session.context().unwrap();
    let mut parts = answers.iter().flat_map(sessile::Message::parts);
    let text = parts.find_map(|part| match part {
        sessile::Part::ToolResult { call_id: id, text } if id == call_id => Some(text),
        _ => None,
    });
    session.result_file(call_id, &text.unwrap()).unwrap()
}

#[test]
fn an_answer_in_a_file_of_its_own_is_found_and_a_missing_one_is_said() {
    let test = of_answers();

    let own = found(&test, "c1").unwrap();
    assert_eq!(own.path, format!("projects/-w/{ID}/tool-results/c1.txt"));
    assert_eq!(own.text.as_deref(), Some("begin\nmiddle\nend\n"));
    assert_eq!(found(&test, "c2").unwrap().text.as_deref(), Some("of another"));
    let gone = found(&test, "c3").unwrap();
    assert_eq!(gone.path, format!("/home/me/.claude/projects/-w/{ID}/tool-results/c3.txt"));
    assert_eq!(gone.text, None);
    assert_eq!(found(&test, "c4"), None);
}

#[cfg(feature = "cli")]
#[test]
fn a_session_that_is_shown_in_full_has_the_answers_of_its_files() {
    let test = of_answers();
    let show = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sessile"));
        let output = command.arg("--db").arg(test.store.path()).args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };

    let (cut, full) = (show(&["show", ID]), show(&["show", "--full", ID]));

    assert!(!cut.contains("middle") && cut.contains("Full output saved to"), "{cut}");
    assert!(full.contains("begin\nmiddle\nend\n") && full.contains("of another"), "{full}");
    let missing = format!(
        "[the rest is in /home/me/.claude/projects/-w/{ID}/tool-results/c3.txt, which is not in the store]"
    );
    assert!(full.contains(&missing), "{full}");
    assert!(show(&["markdown", "--full", ID]).contains("middle"));
}
