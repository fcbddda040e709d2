//! The command line: what it prints where, and how it ends.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::{TestStore, fixture, header, snapshot};

/// A folder with a database of the small fixtures.
struct Case {
    test: TestStore,
    db: PathBuf,
}

impl Case {
    fn new() -> Self {
        let test = TestStore::of_fixture("kward/small");
        let db = test.store.path().to_owned();
        Self { test, db }
    }

    fn run(&self, args: &[&str]) -> Output {
        sessile(&[&["--db", self.db.to_str().unwrap()], args].concat())
    }

    /// Lines that a call prints, when it ends with 0.
    #[track_caller]
    fn lines(&self, args: &[&str]) -> Vec<String> {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

fn sessile(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sessile")).args(args).output().unwrap()
}

/// Checks that a call fails with this status, explains itself and prints nothing else.
#[track_caller]
fn check_failure(output: &Output, status: i32, message: &str) {
    let explained = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{explained}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert!(explained.contains(message), "{explained}");
}

#[test]
fn check_names_what_is_not_ours_and_ends_with_0() {
    let case = Case::new();
    case.test.sqlite().execute_batch("CREATE TABLE notes (id INTEGER)").unwrap();

    let output = case.run(&["check"]);

    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("table \"notes\" does not belong to this program"), "{said}");
}

#[test]
fn usage_errors_end_with_2() {
    let case = Case::new();

    check_failure(&sessile(&[]), 2, "Usage");
    check_failure(&case.run(&["frobnicate"]), 2, "frobnicate");
    check_failure(&case.run(&["list", "--limit", "many"]), 2, "many");
    check_failure(&case.run(&["list", "--archived", "--all"]), 2, "--all");
    check_failure(&case.run(&["import"]), 2, "ROOT");
}

#[test]
fn a_thing_that_does_not_exist_ends_with_1() {
    let case = Case::new();
    let folder = case.test.folder().to_str().unwrap();
    let out = case.test.folder().join("out");
    let none = case.test.folder().join("none.db");

    check_failure(&case.run(&["dump", "--session", "nobody"]), 1, "nobody");
    check_failure(&case.run(&["dump", "--session", "edge-97", "--session", "nobody"]), 1, "nobody");
    check_failure(&case.run(&["import", "/no/such/root"]), 1, "/no/such/root");
    check_failure(&case.run(&["verify", folder]), 1, "is not an imported root");
    check_failure(
        &case.run(&["export", "--session", "nobody", out.to_str().unwrap()]),
        1,
        "nobody",
    );
    check_failure(&sessile(&["list", "--db", none.to_str().unwrap()]), 1, "none.db");
    check_failure(
        &sessile(&["import", "/no/such/root", "--db", none.to_str().unwrap()]),
        1,
        "root",
    );
    assert!(!out.exists() && !none.exists());
}

#[test]
fn an_error_shows_its_whole_chain_and_ends_with_2() {
    let case = Case::new();
    let fixtures = fixture("kward");
    let note = case.test.folder().join("note.txt");
    std::fs::write(&note, "a note").unwrap();
    let below = note.join("below.db");
    let small = fixture("kward/small");

    let output = sessile(&["--db", note.to_str().unwrap(), "list"]);
    check_failure(&output, 2, "not a SQLite database");
    check_failure(&case.run(&["export", fixtures.to_str().unwrap()]), 2, "not an empty folder");
    check_failure(&case.run(&["backup", note.to_str().unwrap()]), 2, "overwritten");
    let output = sessile(&["--db", below.to_str().unwrap(), "import", small.to_str().unwrap()]);
    check_failure(&output, 2, "Not a directory");
}

#[test]
fn the_database_is_named_before_or_after() {
    let case = Case::new();
    let db = case.db.to_str().unwrap();

    let before = sessile(&["--db", db, "list", "--json"]);
    let after = sessile(&["list", "--json", "--db", db]);
    let joined = sessile(&["list", &format!("--db={db}"), "--json"]);

    assert!(before.status.success() && !before.stdout.is_empty());
    assert_eq!(before, after);
    assert_eq!(before, joined);
}

#[test]
fn values_may_be_negative_or_empty() {
    let case = Case::new();
    let all = case.lines(&["list", "--json"]);
    assert_eq!(all.len(), 9);

    assert_eq!(case.lines(&["list", "--json", "--limit=-1"]), all);
    assert_eq!(case.lines(&["list", "--json", "--limit", "-1", "--offset", "-5"]), all);
    assert_eq!(case.lines(&["list", "--json", "--limit=0"]), all);
    assert_eq!(case.lines(&["list", "--json", "--query="]), all);
    assert_eq!(case.lines(&["list", "--json", "--query", " "]), all);
    assert_eq!(case.lines(&["list", "--json", "--limit=2", "--offset=3"]), all[3..5]);
    assert_eq!(case.lines(&["list", "--json", "--query", "-nothing"]), [""; 0]);
    assert_eq!(case.lines(&["list", "--json", "--archived"]), [""; 0]);
    assert_eq!(case.lines(&["list", "--json", "--all"]), all);
    assert_eq!(case.lines(&["list", "--json", "--work-dir", "/edge"]).len(), 9);
}

#[test]
fn a_listed_session_has_these_keys() {
    let case = Case::new();
    for row in case.lines(&["list", "--json"]) {
        let row: Value = serde_json::from_str(&row).unwrap();

        let mut keys: Vec<&String> = row.as_object().unwrap().keys().collect();
        keys.sort();

        assert_eq!(
            keys,
            [
                "archived",
                "format",
                "message_count",
                "modified_at",
                "session_id",
                "title",
                "work_dir"
            ]
        );
    }
}

#[test]
fn a_session_is_named_by_id_prefix_or_file() {
    let case = Case::new();
    let root = std::fs::canonicalize(fixture("kward/small")).unwrap();
    let file = "sessions/--edge--/97-branch-summary.jsonl";
    let by_id = case.lines(&["dump", "--session", "edge-97"]);

    assert_eq!(by_id.len(), 1);
    assert_eq!(case.lines(&["dump", "--session", "edge-97", "--session", "edge-01"]).len(), 2);
    assert_eq!(case.lines(&["dump", "--session", "edge-9", "--session", "0A1B"]).len(), 2);
    assert_eq!(case.lines(&["dump", "--session", file]), by_id);
    assert_eq!(case.lines(&["dump", "--session", &format!("{}:{file}", root.display())]), by_id);
}

#[test]
fn an_exact_id_wins_and_an_ambiguous_name_lists_its_matches() {
    let case = Case::new();
    for id in ["twin", "twin-longer", "pair-1", "pair-2"] {
        case.test.write(format!("sessions/--w--/{id}.jsonl"), header(id));
    }
    case.test.import();

    let exact = case.lines(&["dump", "--session", "twin"]);
    let ambiguous = case.run(&["dump", "--session", "pair"]);

    assert!(exact[0].contains("\"session_id\":\"twin\""));
    check_failure(&ambiguous, 2, "\n  pair-1  ");
    check_failure(&ambiguous, 2, "\n  pair-2  ");
}

#[test]
fn a_closed_pipe_is_success() {
    let test = TestStore::new();
    let line = crate::support::message("a", None, &"x".repeat(100_000));
    for n in 0..20 {
        let id = format!("s{n}");
        test.write(format!("sessions/--w--/{id}.jsonl"), header(&id) + &line);
    }
    test.import();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sessile"))
        .args(["--db", test.store.path().to_str().unwrap(), "dump"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();

    let mut first = [0; 10];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();

    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn help_that_cannot_be_written_ends_with_2() {
    if !Path::new("/dev/full").exists() {
        eprintln!("skipped: there is no device that is always full");
        return;
    }
    for args in [&["--help"][..], &["help", "list"], &["--version"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output =
            Command::new(env!("CARGO_BIN_EXE_sessile")).args(args).stdout(full).output().unwrap();
        check_failure(&output, 2, "cannot write to standard output");
        let said = sessile(args);
        assert!(said.status.success() && !said.stdout.contains(&0x1b), "{args:?}: {said:?}");
    }
}

#[test]
fn an_import_reports_and_a_second_changes_nothing() {
    let case = Case::new();
    let db = case.test.folder().join("new.db");
    case.test.write("sessions/--w--/one.jsonl", header("one"));
    let root = case.test.root.to_str().unwrap();
    let import = |args: &[&str]| -> Value {
        let db = db.to_str().unwrap();
        let output = sessile(&[&["--db", db, "import", "--json"], args, &[root]].concat());
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };

    let dry = import(&["--dry-run"]);
    assert!(!db.exists());
    let first = import(&[]);
    let second = import(&["--format", "kward"]);

    assert_eq!((&dry["new"], &dry["dry_run"]), (&first["new"], &true.into()));
    assert_eq!((&first["sessions"], &first["lines"]), (&1.into(), &1.into()));
    assert_eq!((&second["new"], &second["bytes"]), (&0.into(), &0.into()));
    assert_eq!(second["unchanged"], first["new"]);
}

#[test]
fn a_difference_and_a_finding_end_with_1() {
    let case = Case::new();
    let path = case.test.write("sessions/--w--/one.jsonl", header("one"));
    case.test.import();
    let root = case.test.root.to_str().unwrap();
    assert_eq!(case.run(&["verify", root]).status.code(), Some(0));
    assert_eq!(case.run(&["check"]).status.code(), Some(0));

    std::fs::write(&path, "changed").unwrap();
    case.test.sqlite().execute("UPDATE sessions SET title = 'x'", []).unwrap();
    let verify = case.run(&["verify", "--json", root]);
    let check = case.run(&["check"]);

    assert_eq!(verify.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&verify.stdout).unwrap();
    assert_eq!(report["differences"][0]["file"], "sessions/--w--/one.jsonl");
    assert_eq!(check.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&check.stdout).contains("title"));
    assert_eq!(case.run(&["rebuild"]).status.code(), Some(0));
    assert_eq!(case.run(&["check"]).status.code(), Some(0));
}

#[test]
fn export_and_backup_write_what_they_say() {
    let case = Case::new();
    let out = case.test.folder().join("out");
    let copy = case.test.folder().join("copy.db");

    let export = case.run(&["export", out.to_str().unwrap()]);
    let backup = case.run(&["backup", copy.to_str().unwrap()]);

    assert!(export.status.success() && backup.status.success());
    assert_eq!((export.stdout, backup.stdout), (Vec::new(), Vec::new()));
    assert_eq!(snapshot(&out), snapshot(&fixture("kward/small")));
    let listed = |db: &Path| sessile(&["--db", db.to_str().unwrap(), "list", "--json"]).stdout;
    assert_eq!(listed(&copy), listed(&case.db));
}

#[test]
fn reading_leaves_the_database_as_it_is() {
    let case = Case::new();
    let copy = case.test.folder().join("copy.db");
    case.test.store.backup(&copy).unwrap();
    let before = std::fs::read(&copy).unwrap();

    for args in [&["list"][..], &["dump"], &["check"]] {
        let output = sessile(&[&["--db", copy.to_str().unwrap()], args].concat());
        assert!(output.status.success(), "{output:?}");
    }

    assert!(std::fs::read(&copy).unwrap() == before);
}

#[test]
fn a_root_whose_sessions_are_a_link_is_refused_by_name() {
    let test = TestStore::new();
    let disk = test.folder().join("disk");
    std::fs::create_dir_all(disk.join("--w--")).unwrap();
    std::fs::write(disk.join("--w--/one.jsonl"), header("one")).unwrap();
    let agent = test.folder().join("agent");
    std::fs::create_dir(&agent).unwrap();
    std::os::unix::fs::symlink(&disk, agent.join("sessions")).unwrap();
    let db = test.store.path().to_str().unwrap();
    let import =
        |root: &Path| sessile(&["--db", db, "import", "--format", "kward", root.to_str().unwrap()]);

    check_failure(&import(&agent), 2, "is a symbolic link to");
    // What it leads to is a sessions folder of another name.
    assert_eq!(import(&disk).status.code(), Some(0));
    assert!(test.store.find("one").is_ok());
}

#[test]
fn a_work_dir_is_found_however_it_is_spelt() {
    let test = TestStore::new();
    let work_dir = test.folder().join("project");
    std::fs::create_dir(&work_dir).unwrap();
    std::os::unix::fs::symlink(&work_dir, test.folder().join("link")).unwrap();
    test.store.create(&sessile::NewSession::new(work_dir.to_str().unwrap())).unwrap();
    let db = test.store.path().to_str().unwrap();

    for spelling in ["project", "project/", "link", "project/../project"] {
        let spelt = format!("{}/{spelling}", test.folder().display());
        let output = sessile(&["--db", db, "list", "--json", "--work-dir", &spelt]);
        assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 1, "{spelling}");
    }
}

#[test]
fn a_search_prints_hits_and_ends_with_0() {
    let case = Case::new();

    let hits = case.lines(&["search", "--json", "first"]);
    let hit: Value = serde_json::from_str(&hits[0]).unwrap();
    let keys: Vec<&String> = hit.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["at", "entry_id", "file", "line", "role", "session_id", "snippet"]);
    assert_eq!(case.lines(&["search", "--json", "--limit=0", "first"]).len(), hits.len());
    assert_eq!(case.lines(&["search", "--json", "--limit=1", "first"]), hits[..1]);
    assert_eq!(case.lines(&["search", "-F", "--json", "firs"]), hits);
    assert_eq!(case.lines(&["search", "--regex", "--json", "^first$"]), hits);
    assert_eq!(case.lines(&["search", "--json", "nowhere"]), [""; 0]);
    assert_eq!(case.lines(&["search", "--json", "--since", "2w", "first"]), [""; 0]);
    assert_eq!(
        case.lines(&["search", "--json", "--branch", "active", "--session", "edge-97", "first"])
            .len(),
        1
    );
    let tabbed = case.lines(&["search", "first"]);
    assert_eq!(tabbed.len(), hits.len());
    assert!(tabbed.iter().all(|line| line.matches('\t').count() == 4), "{tabbed:?}");

    // What is typed without quotes is one text; options may stand among it.
    let apart = case.lines(&["search", "first", "--json", "root"]);
    assert_eq!(apart, case.lines(&["search", "--json", "first root"]));
    check_failure(&case.run(&["search", "first", "--jso"]), 2, "--json");

    check_failure(&case.run(&["search", "-->"]), 2, "no word");
    check_failure(&case.run(&["search", "--regex", "("]), 2, "unclosed");
    check_failure(&case.run(&["search", "--since", "then", "x"]), 2, "how long ago");
    check_failure(&case.run(&["search", "--session", "nobody", "x"]), 1, "nobody");
    check_failure(&case.run(&["search", "--branch", "all", "x"]), 2, "active");
}

#[test]
fn a_session_is_read_by_branches_entries_and_in_part() {
    let case = Case::new();
    let said = |args: &[&str]| {
        let lines = case.lines(&[&["show", "edge-97"], args].concat());
        let heads = lines.into_iter().filter(|line| line.starts_with('#'));
        heads.map(|line| line.split("  ").nth(1).unwrap_or(&line).to_owned()).collect::<Vec<_>>()
    };
    let active = said(&[]);
    assert_eq!(active, ["a", "s", "d"]);

    assert_eq!(said(&["--last", "1"]), active[2..]);
    assert_eq!(said(&["--entry", "a"]), ["a"]);
    assert_eq!(said(&["--entry", "s", "--around", "1"]), active);
    assert_eq!(said(&["--entry", "a", "--around", "1"]), active[..2]);
    assert_eq!(said(&["--branch", "s"]), active[..2]);
    assert!(said(&["--all"]).len() > active.len());
    let markdown = case.lines(&["markdown", "--full", "edge-97"]);
    assert_eq!(markdown[..3], ["# first", "", "## user  a  2026-01-01 00:00Z"]);
    let left = case.run(&["show", "edge-97"]).stderr;
    assert!(String::from_utf8(left).unwrap().contains("another branch is left out"));
    check_failure(&case.run(&["show", "edge-97", "--entry", "none"]), 1, "none");
}

#[test]
fn a_list_that_is_piped_has_a_line_a_session_and_tabs() {
    let case = Case::new();

    let lines = case.lines(&["list"]);

    assert_eq!(lines.len(), case.lines(&["list", "--json"]).len());
    assert!(lines.iter().all(|line| line.matches('\t').count() == 6), "{lines:?}");
    let oldest: Vec<String> = lines.iter().rev().cloned().collect();
    assert_eq!(case.lines(&["list", "--sort", "oldest"]), oldest);
    assert_eq!(case.lines(&["list", "--format", "pi"]), [""; 0]);
    assert_eq!(case.lines(&["list", "--since", "1h"]), [""; 0]);
    let some = case.run(&["list", "--limit", "2"]);
    let more = format!("{} more: --limit {}", lines.len() - 2, lines.len());
    assert!(String::from_utf8(some.stderr).unwrap().contains(&more));
}

#[test]
fn who_follows_a_session_is_shown_what_is_added() {
    let case = Case::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sessile"))
        .args(["--db", case.db.to_str().unwrap(), "show", "--follow", "edge-97"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut shown = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(shown.any(|line| line == "after"));

    let session = case.test.store.find("edge-97").unwrap();
    session.append_message(r#"{"role":"user","content":"and now?"}"#).unwrap();

    assert!(shown.any(|line| line == "and now?"));

    session.branch("a").unwrap();
    session.append_message(r#"{"role":"user","content":"or else?"}"#).unwrap();

    assert_eq!(shown.find(|line| line.starts_with("# ")).unwrap(), "# another branch, from a");
    let new: Vec<String> = shown.by_ref().take_while(|line| line != "or else?").collect();
    assert_eq!(new.iter().filter(|line| line.starts_with("## ")).count(), 1, "{new:?}");
    child.kill().unwrap();
    child.wait().unwrap();
}
