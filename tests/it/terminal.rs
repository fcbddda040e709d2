//! Output to a terminal: nothing from a store that the terminal would execute.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::pty::{self, OpenptFlags};
use rustix::termios::Winsize;
use serde_json::json;

use crate::support::{TestStore, header, line, message};

/// What a terminal would obey: an escape, a bell, the introducer of 8-bit
/// sequences, a return, and text turned around.
const HOSTILE: &str = "a\u{1b}[31mb\u{7}c\u{9b}1md\re\u{202e}f";

/// Everything that a command prints when both its outputs are a terminal.
pub(crate) fn printed_to_a_terminal(args: &[&OsStr]) -> Vec<u8> {
    printed_with(args, &[("TERM", "xterm")])
}

/// The same where these variables, and no other of their kind, are set.
pub(crate) fn printed_with(args: &[&OsStr], variables: &[(&str, &str)]) -> Vec<u8> {
    printed_in(0, args, variables)
}

/// The same on a terminal of so many rows of 80 columns; of 0, nobody knows its size.
fn printed_in(rows: u16, args: &[&OsStr], variables: &[(&str, &str)]) -> Vec<u8> {
    let main = pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    pty::grantpt(&main).unwrap();
    pty::unlockpt(&main).unwrap();
    let name = pty::ptsname(&main, Vec::new()).unwrap();
    let name = OsStr::from_bytes(name.as_bytes()).to_owned();
    if 0 < rows {
        let size = Winsize { ws_row: rows, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&main, size).unwrap();
    }
    let terminal = || OpenOptions::new().read(true).write(true).open(&name).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sessile"))
        .args(args)
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR")
        .env_remove("PAGER")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(terminal())
        .stderr(terminal())
        .spawn()
        .unwrap();
    let mut printed = Vec::new();
    // Once the last of its users is gone, a terminal gives an error in place of an end.
    let _ = File::from(main).read_to_end(&mut printed);
    child.wait().unwrap();
    printed
}

#[track_caller]
fn check_harmless(db: &Path, args: &[&str], says: &str) {
    let args: Vec<&OsStr> = [OsStr::new("--db"), db.as_os_str()]
        .into_iter()
        .chain(args.iter().map(OsStr::new))
        .collect();
    let printed = printed_to_a_terminal(&args);
    // The terminal itself puts a return before each line feed.
    let text = String::from_utf8(printed).unwrap().replace("\r\n", "\n");
    // What is found stands out; nothing that is stored begins or ends like that.
    let text = text.replace("\u{1b}[1m", "").replace("\u{1b}[0m", "");
    let is_harmful = |c: char| c.is_control() && !"\n\t".contains(c) || c == '\u{202e}';
    let harmful: Vec<char> = text.chars().filter(|c| is_harmful(*c)).collect();
    assert!(harmful.is_empty(), "{args:?} prints {text:?}");
    assert!(text.contains(says), "{args:?} prints {text:?}");
}

/// A store in which whatever an author can choose is hostile.
fn hostile_store() -> TestStore {
    let test = TestStore::new();
    let header = |id: &str| {
        line(&json!({
            "type": "session", "version": 2, "id": id, "cwd": format!("/w/{HOSTILE}"),
            "timestamp": "2026-01-01T00:00:00.000Z", "provider": HOSTILE, "model": HOSTILE,
        }))
    };
    let label = line(&json!({
        "type": "label", "id": "l", "targetId": HOSTILE, "label": HOSTILE,
        "timestamp": "2026-01-01T00:00:02.000Z",
    }));
    let body = [
        message(HOSTILE, None, HOSTILE),
        message("y", Some(HOSTILE), HOSTILE),
        label,
        format!("{{\"type\":\"{HOSTILE}\"}}\n"),
    ];
    for (name, id) in [("one", "twin"), ("two", "twin"), ("three", HOSTILE)] {
        let content = header(id) + &body.concat();
        test.write(format!("sessions/--w--/{HOSTILE}{name}.jsonl"), content);
    }
    test.write(format!("sessions/--w--/{HOSTILE}.txt"), "a note");
    std::os::unix::fs::symlink(HOSTILE, test.root.join(format!("sessions/{HOSTILE}"))).unwrap();
    test.import();
    test
}

#[test]
fn no_command_sends_a_terminal_what_it_would_obey() {
    let test = hostile_store();
    let db = test.store.path();
    let session = format!("sessions/--w--/{HOSTILE}one.jsonl");

    for args in [
        &["list"][..],
        &["list", "--json"],
        &["dump"],
        &["problems"],
        &["problems", "--json"],
        &["tree", &session],
        &["show", &session],
        &["show", "--all", &session],
        &["search", "31mb"],
        &["search", "--json", "31mb"],
        &["log", &session],
        &["log", "--raw", &session],
        &["markdown", &session],
        &["html", &session],
    ] {
        check_harmless(db, args, "b");
    }
}

#[test]
fn errors_and_reports_are_as_harmless() {
    let test = hostile_store();
    let db = test.store.path();
    let root = test.root.to_str().unwrap();
    let out = test.folder().join(HOSTILE);

    // An ambiguous name lists files; a name that is nowhere is repeated.
    check_harmless(db, &["show", "twin"], "several");
    check_harmless(db, &["show", HOSTILE], "## user");
    check_harmless(db, &["show", &format!("no {HOSTILE}")], "no session");
    check_harmless(db, &["branch", "twin", HOSTILE], "several");
    check_harmless(db, &["export", out.to_str().unwrap()], "written");
    check_harmless(db, &["export", out.to_str().unwrap()], "not an empty folder");
    check_harmless(db, &["import", out.to_str().unwrap()], "imported");
    check_harmless(db, &["import", &format!("/no/{HOSTILE}")], "no folder");
    check_harmless(&test.folder().join(format!("{HOSTILE}.db")), &["list"], "no database");
    test.write(format!("sessions/--w--/{HOSTILE}one.jsonl"), HOSTILE);
    check_harmless(db, &["verify", root], "difference");
    check_harmless(db, &["verify", "--json", root], "differences");
    test.sqlite().execute_batch("UPDATE sessions SET title = 'x'").unwrap();
    check_harmless(db, &["check"], "title");
}

#[test]
fn a_pipe_gets_the_exact_bytes() {
    let (test, _) = TestStore::of_file(format!("{{\"type\":\"{HOSTILE}\"}}\n"));

    let output = Command::new(env!("CARGO_BIN_EXE_sessile"))
        .args(["--db".as_ref(), test.store.path().as_os_str()])
        .args(["log", "--raw", "sessions/--w--/one.jsonl"])
        .output()
        .unwrap();

    assert_eq!(output.stdout, format!("{{\"type\":\"{HOSTILE}\"}}\n").as_bytes());
}

#[test]
fn what_is_found_stands_out_unless_nothing_is_to() {
    let test = TestStore::new();
    let content = header("s") + &message("m", None, "a needle");
    test.write("sessions/--w--/s.jsonl", content);
    test.import();
    let stands_out = |variables: &[(&str, &str)]| {
        let db = test.store.path().as_os_str();
        let args = [OsStr::new("--db"), db, OsStr::new("search"), OsStr::new("needle")];
        let printed = String::from_utf8(printed_with(&args, variables)).unwrap();
        assert!(printed.contains("needle"), "{printed}");
        printed.contains("\u{1b}[1mneedle\u{1b}[0m")
    };

    assert!(stands_out(&[("TERM", "xterm")]));
    assert!(stands_out(&[("TERM", "xterm"), ("NO_COLOR", "")]));
    assert!(!stands_out(&[("TERM", "xterm"), ("NO_COLOR", "1")]));
    assert!(!stands_out(&[("TERM", "xterm"), ("CLICOLOR", "0")]));
    assert!(!stands_out(&[("TERM", "dumb")]));
}

#[test]
fn what_is_longer_than_the_terminal_is_paged() {
    let test = TestStore::new();
    for n in 0..9 {
        let content = header(&format!("s{n}")) + &message("m", None, &format!("needle {n}"));
        test.write(format!("sessions/--w--/{n}.jsonl"), content);
    }
    test.import();
    let paged = |rows, pager: &str, args: &[&str]| {
        let db = [OsStr::new("--db"), test.store.path().as_os_str()];
        let args: Vec<&OsStr> = db.into_iter().chain(args.iter().map(OsStr::new)).collect();
        let printed = printed_in(rows, &args, &[("TERM", "xterm"), ("PAGER", pager)]);
        let printed = String::from_utf8(printed).unwrap();
        assert!(printed.contains("needle"), "{args:?} {printed}");
        printed.lines().filter(|line| line.starts_with("paged ")).count()
    };

    assert_eq!(paged(9, PAGER, &["list"]), 9);
    assert_eq!(paged(10, PAGER, &["list"]), 0);
    assert_eq!(paged(0, PAGER, &["list"]), 0);
    // What is said beside the results stands among them.
    assert_eq!(paged(9, PAGER, &["search", "--limit", "4", "needle"]), 18);
    for (pager, args) in [
        (PAGER, &["list", "--no-pager"][..]),
        (PAGER, &["--no-pager", "list"]),
        ("cat", &["list"]),
        ("", &["list"]),
        ("/no/such/pager", &["list"]),
    ] {
        assert_eq!(paged(9, pager, args), 0, "{pager} {args:?}");
    }
}

/// A pager that shows its work.
const PAGER: &str = "sed s/^/paged\\x20/";

#[test]
fn help_is_paged_and_what_is_said_breaks_between_words() {
    let printed = |args: &[&str]| {
        let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
        let printed = printed_in(9, &args, &[("TERM", "xterm"), ("PAGER", PAGER)]);
        String::from_utf8(printed).unwrap()
    };
    let is_paged = |line: &str| line.starts_with("paged ");

    assert!(printed(&["help"]).lines().all(is_paged));
    assert!(printed(&["list", "--help"]).lines().all(is_paged));
    assert!(!printed(&["--no-pager", "--help"]).lines().any(is_paged));
    let path = format!("/no/{}x.db", "long/".repeat(8));
    let said = printed(&["--db", &path, "list"]);
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.len() == 2 && lines[1].starts_with("import something"), "{said:?}");
}

#[test]
fn a_terminal_gets_roots_within_its_columns_and_prose_in_whole_words() {
    let mut test = TestStore::new();
    test.root = test.folder().join("a long name ".repeat(8));
    let text = "word and ".repeat(30) + "end";
    let orphan = message("b", Some("an-id-of-more-than-thirty-characters"), &text);
    let log = [header("one"), message("a", None, &text), "no JSON at all\n".to_owned(), orphan];
    test.write("sessions/--w--/one.jsonl", log.concat());
    test.import();
    let printed = |args: &[&str]| {
        let db = [OsStr::new("--db"), test.store.path().as_os_str()];
        let args: Vec<&OsStr> = db.into_iter().chain(args.iter().map(OsStr::new)).collect();
        let printed = printed_in(50, &args, &[("TERM", "xterm")]);
        String::from_utf8(printed).unwrap().replace("\r\n", "\n")
    };

    let roots = printed(&["roots"]);
    assert!(roots.contains("1 session, 1 file, last import just now"), "{roots}");
    assert!(roots.lines().all(|line| line.chars().count() <= 80), "{roots}");

    let problems = printed(&["problems"]);
    let lines: Vec<&str> = problems.lines().collect();
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{problems}");
    assert_eq!(lines[1], "  sessions/--w--/one.jsonl");
    assert!(lines[2].starts_with("       3  malformed: "), "{problems}");
    assert!(lines[3].starts_with("       4  orphan: "), "{problems}");
    assert!(lines[4].starts_with("          "), "{problems}");

    let shown = printed(&["show", "one"]);
    let prose: Vec<&str> = shown.lines().filter(|line| line.contains("word")).collect();
    assert!(3 < prose.len() && prose.iter().all(|line| line.len() <= 80), "{shown}");
    assert!(
        prose
            .iter()
            .all(|line| line.ends_with("word") || line.ends_with("and") || line.ends_with("end")),
        "{shown}"
    );
}
