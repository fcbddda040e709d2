//! The commands that show a session.

use std::process::{Command, Output};

use serde_json::json;

use crate::{leaf, message, of_fixtures, of_lines};

fn sessile(store: &sessile::Store, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessile"));
    command.arg("--db").arg(store.path()).args(args).output().unwrap()
}

#[track_caller]
fn lines(store: &sessile::Store, args: &[&str]) -> Vec<String> {
    let output = sessile(store, args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_tree_is_drawn_with_marks_and_labels() {
    let label = json!({"type": "label", "targetId": "x", "label": "a\u{1b}[0m"});
    let summary = json!({"type": "branch_summary", "id": "s", "parentId": "r", "summary": "S"});
    let lines_in = [message("r", ""), message("x", "r"), message("y", "r"), summary, label];
    let (_folder, store, _) = of_lines(&[&lines_in[..], &[leaf("x")]].concat());

    assert_eq!(
        lines(&store, &["tree", "one"]),
        [
            "r                     • user: r",
            "x                     ├─ • [a [0m] user: x",
            "y                     ├─ user: y",
            "s                     └─ [branch summary]: S",
        ]
    );
}

#[test]
fn a_conversation_is_printed_to_read() {
    let (_folder, store) = of_fixtures();

    assert_eq!(
        lines(&store, &["show", "edge-145"]).join("\n"),
        "## user  a  2026-01-01 00:00Z\n\nlook\n\n[image/png: p.png]\n\n\
         ## assistant  b  2026-01-01 00:00Z\n\n(thinking)\n> hmm\n\nanswer\n\n[tool]\n\n\
         ## tool  t  2026-01-01 00:00Z\n\nout\n\n## branchSummary  s  2026-01-01 00:00Z\n\nbs"
    );
}

#[test]
fn a_transcript_commands_no_terminal() {
    let entry = json!({
        "type": "message", "id": "a",
        "message": {"role": "user\u{1b}", "content": "a\u{1b}[2J\tb\nc"}
    });
    let (_folder, store, _) = of_lines(&[entry]);

    assert_eq!(lines(&store, &["show", "one"]), ["## user   a", "", "a\\u001b[2J\tb", "c"]);
}

#[test]
fn a_log_lists_its_lines_or_prints_them_as_they_are() {
    let (_folder, store) = of_fixtures();
    let file = crate::fixtures().join("sessions/--edge--/19-parent-cycle-3.jsonl");
    let bytes = std::fs::read(file).unwrap();

    let listed = lines(&store, &["log", "edge-19"]);
    let raw = sessile(&store, &["log", "--raw", "edge-19"]).stdout;
    let second = sessile(&store, &["log", "--raw", "--line", "2", "edge-19"]).stdout;

    assert_eq!(listed.len(), 6);
    assert_eq!(listed[1], "      2        131  message  cycle");
    assert_eq!(raw, bytes);
    assert_eq!(second, bytes.split_inclusive(|byte| *byte == b'\n').nth(1).unwrap());
    assert_eq!(sessile(&store, &["log", "--line", "7", "edge-19"]).status.code(), Some(1));
}

#[test]
fn problems_say_where_they_are() {
    let (_folder, store) = of_fixtures();
    let root = crate::fixtures().canonicalize().unwrap();

    let all = lines(&store, &["problems"]);
    let one = lines(&store, &["problems", "edge-19"]);
    let as_json = lines(&store, &["problems", "--json", "edge-19"]);

    assert_eq!(all.len(), 3);
    let start =
        format!("{} sessions/--edge--/19-parent-cycle-3.jsonl:2 (edge-19) cycle ", root.display());
    assert!(one[0].starts_with(&start), "{one:?}");
    let object: serde_json::Value = serde_json::from_str(&as_json[0]).unwrap();
    assert_eq!((&object["line"], &object["kind"]), (&json!(2), &json!("cycle")));
}

#[test]
fn stats_add_up() {
    let (_folder, store) = of_fixtures();

    let stats = store.stats().unwrap();
    let as_json = lines(&store, &["stats", "--json"]);

    assert_eq!((stats.sources, stats.sessions, stats.lines), (1, 6, 67));
    assert_eq!(stats.files.iter().map(|count| count.bytes).sum::<u64>(), stats.line_bytes);
    let pages: u64 = stats.objects.iter().map(|object| object.bytes).sum();
    assert!(stats.objects.is_empty() || pages + stats.free_bytes <= stats.database_bytes);
    let object: serde_json::Value = serde_json::from_str(&as_json[0]).unwrap();
    assert_eq!(object["sessions"], 6);
    assert!(lines(&store, &["stats"]).iter().any(|line| line.ends_with(" 6 sessions")));
}
