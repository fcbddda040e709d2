//! What the command says: counts, sizes, and what a person does next.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::{TestStore, header, message};
use crate::terminal::printed_to_a_terminal;

fn run(test: &TestStore, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessile"));
    command.arg("--db").arg(test.store.path()).args(args).stdin(Stdio::null()).output().unwrap()
}

/// Both outputs of a command that ends with 0.
#[track_caller]
fn said(test: &TestStore, args: &[&str]) -> String {
    let output = run(test, args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    text(output.stdout) + &text(output.stderr)
}

/// What a command says on a terminal, without styles.
fn on_a_terminal(test: &TestStore, args: &[&str]) -> String {
    let db = [OsStr::new("--db"), test.store.path().as_os_str()];
    let args: Vec<&OsStr> = db.into_iter().chain(args.iter().map(OsStr::new)).collect();
    let text = String::from_utf8(printed_to_a_terminal(&args)).unwrap();
    text.replace("\r\n", "\n").replace("\u{1b}[1m", "").replace("\u{1b}[0m", "")
}

const ONE: &str = "sessions/--w--/one.jsonl";

/// A root with one session of two messages.
fn one() -> TestStore {
    let test = TestStore::new();
    let body = message("a", None, "first") + &message("b", Some("a"), "second");
    test.write(ONE, header("one") + &body);
    test.import();
    test
}

/// The same, whose file was rewritten, so that its first lines are only here.
fn rewritten() -> TestStore {
    let test = one();
    test.write(ONE, header("one") + &message("c", None, "other"));
    test.import();
    test
}

fn root(test: &TestStore) -> &str {
    Path::to_str(&test.root).unwrap()
}

#[test]
fn of_one_thing_the_singular_is_said() {
    let test = one();
    for (args, words) in [
        (&["archive", "--older-than", "0d"][..], "1 session archived"),
        (&["relink", "/work", "/v"], "1 session is in /v now"),
        (&["rebuild"], "1 session rebuilt"),
        (&["seal", "one"], "1 session: "),
        (&["roots"], "1 session, 1 file"),
        (&["verify", root(&test)], "1 file and 2 folders, "),
    ] {
        let said = said(&test, args);
        assert!(said.contains(words), "{args:?}: {said}");
    }
}

#[test]
fn a_size_is_said_in_the_same_units_everywhere() {
    let test = one();
    let long = message("c", None, &"x".repeat(5_000));
    test.write(ONE, header("one") + &long);
    test.import();
    test.write(ONE, header("one"));
    test.import();

    let said = said(&test, &["prune", "--dry-run"]);

    assert!(said.contains("KiB") && !said.contains("bytes"), "{said}");
}

#[test]
fn a_root_in_which_nothing_changed_is_said_in_one_line() {
    let test = one();
    test.append(ONE, "no JSON\nnor this\n");
    test.import();

    let said = said(&test, &["import", root(&test)]);

    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains(": unchanged, 3 files and folders; 2 problems"), "{said}");
}

#[test]
fn what_no_root_has_any_more_is_not_pruned_unasked() {
    let test = rewritten();

    let refused = run(&test, &["prune"]);
    let explained = String::from_utf8(refused.stderr).unwrap();

    assert_eq!(refused.status.code(), Some(2), "{explained}");
    assert!(explained.contains("2 lines would be lost") && explained.contains("--yes"));
    assert_eq!(test.store.prunable().unwrap().len(), 1);
    said(&test, &["prune", "--yes"]);
    assert!(test.store.prunable().unwrap().is_empty());
}
