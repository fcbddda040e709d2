//! Commands that delete or overwrite: what they ask, and what they refuse.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output, Stdio};

use rustix::pty::{self, OpenptFlags};
use serde_json::Value;

use crate::support::{Fixture, at, message};

fn command(fixture: &Fixture, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessile"));
    command.arg("--db").arg(fixture.store.path()).args(args).stdin(Stdio::null());
    command
}

fn run(fixture: &Fixture, args: &[&str]) -> Output {
    command(fixture, args).output().unwrap()
}

#[track_caller]
fn done(fixture: &Fixture, args: &[&str]) -> String {
    let output = run(fixture, args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn check_refused(fixture: &Fixture, args: &[&str], status: i32, says: &str) {
    let output = run(fixture, args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{args:?}: {said}");
    assert!(said.contains(says), "{args:?}: {said}");
}

/// What a command says on a terminal where this is typed, and its exit status.
fn typed(fixture: &Fixture, args: &[&str], answer: &str) -> (String, Option<i32>) {
    let main = pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    pty::grantpt(&main).unwrap();
    pty::unlockpt(&main).unwrap();
    let name = pty::ptsname(&main, Vec::new()).unwrap();
    let name = OsStr::from_bytes(name.as_bytes()).to_owned();
    let terminal = || OpenOptions::new().read(true).write(true).open(&name).unwrap();
    let mut child = command(fixture, args)
        .stdin(terminal())
        .stdout(terminal())
        .stderr(terminal())
        .spawn()
        .unwrap();
    let mut main = File::from(main);
    main.write_all(answer.as_bytes()).unwrap();
    let mut printed = Vec::new();
    // Once the last of its users is gone, a terminal gives an error in place of an end.
    let _ = main.read_to_end(&mut printed);
    (String::from_utf8(printed).unwrap(), child.wait().unwrap().code())
}

/// Two sessions with a message each.
fn two() -> Fixture {
    let fixture = Fixture::new();
    for id in ["alpha-one", "alpha-two"] {
        let session = fixture.create(id);
        session.at(at(1)).append_message(message("user", "hello", "entry-1")).unwrap();
        session.at(at(2)).append_message(message("user", "more", "entry-2")).unwrap();
    }
    fixture
}

#[test]
fn only_what_is_in_the_trash_is_purged() {
    let fixture = two();
    check_refused(&fixture, &["purge", "alpha-one"], 2, "not in the trash");

    done(&fixture, &["delete", "alpha-one"]);
    let said = done(&fixture, &["purge", "alpha-one"]);

    assert!(said.contains("purged: alpha-one  hello  (2 messages, sessions/"), "{said}");
    check_refused(&fixture, &["purge", "alpha-one"], 1, "no session");
    done(&fixture, &["purge", "--force", "alpha-two"]);
    assert_eq!(done(&fixture, &["list", "--json"]), "");
}

#[test]
fn a_purge_takes_a_whole_id_and_one_wrong_name_keeps_all() {
    let fixture = two();
    done(&fixture, &["delete", "alpha-one"]);

    check_refused(&fixture, &["purge", "alpha-o"], 2, "give the full id");
    check_refused(&fixture, &["purge", "alpha-one", "alpha-two"], 2, "not in the trash");
    check_refused(&fixture, &["purge", "alpha-one", "never"], 1, "never");

    assert_eq!(done(&fixture, &["list", "--trash", "--json"]).lines().count(), 1);
    let file = fixture.session("alpha-one").info().unwrap().file;
    done(&fixture, &["purge", file.to_str().unwrap()]);
}

#[test]
fn a_terminal_is_asked_before_anything_goes() {
    let fixture = two();
    done(&fixture, &["delete", "alpha-one"]);

    let (said, status) = typed(&fixture, &["purge", "alpha-o"], "n\n");
    assert!(said.contains("alpha-one") && said.contains("[y/N]"), "{said}");
    assert_eq!(status, Some(1));
    assert_eq!(done(&fixture, &["list", "--trash", "--json"]).lines().count(), 1);

    let (said, status) = typed(&fixture, &["purge", "alpha-o"], "y\n");
    assert!(said.contains("purged: alpha-one"), "{said}");
    assert_eq!(status, Some(0));
    assert_eq!(done(&fixture, &["list", "--trash", "--json"]), "");
}

#[test]
fn a_terminal_is_asked_before_a_root_is_forgotten() {
    let fixture = Fixture::small();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/kward/small");

    let (said, status) = typed(&fixture, &["forget", root], "\n");
    assert!(said.contains("9 sessions") && status == Some(1), "{said}");
    assert_eq!(fixture.store.imported_roots().unwrap().len(), 1);
    let (said, _) = typed(&fixture, &["forget", root], "yes\n");
    assert!(said.contains("forgotten"), "{said}");
    assert_eq!(fixture.store.imported_roots().unwrap(), []);
}

#[test]
fn the_trash_is_listed_as_other_sessions_are() {
    let fixture = two();
    fixture.session("alpha-one").rename(Some("Named")).unwrap();
    done(&fixture, &["delete", "alpha-one"]);
    done(&fixture, &["archive", "alpha-two"]);
    let ids = |args: &[&str]| -> Vec<String> {
        let all = [&["list", "--trash", "--json"], args].concat();
        let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["session_id"].take();
        done(&fixture, &all).lines().map(|line| id(line).as_str().unwrap().to_owned()).collect()
    };

    assert_eq!(ids(&[]), ["alpha-one"]);
    assert_eq!(ids(&["--query", "nam"]), ["alpha-one"]);
    assert_eq!(ids(&["--query", "other"]), [] as [&str; 0]);
    assert_eq!(ids(&["--work-dir", "/w/"]), ["alpha-one"]);
    assert_eq!(ids(&["--offset", "1"]), [] as [&str; 0]);
    assert!(done(&fixture, &["list", "--trash"]).contains("Named"));
    check_refused(&fixture, &["list", "--trash", "--archived"], 2, "--archived");
    done(&fixture, &["delete", "alpha-two"]);
    assert_eq!(ids(&[]), ["alpha-two", "alpha-one"]);
}

#[test]
fn a_name_or_label_goes_only_when_that_is_asked_for() {
    let fixture = two();
    done(&fixture, &["rename", "alpha-one", "named"]);
    done(&fixture, &["label", "alpha-one", "entry-1", "start"]);

    check_refused(&fixture, &["rename", "alpha-one"], 2, "<NAME>");
    check_refused(&fixture, &["rename", "alpha-one", " "], 2, "--clear");
    check_refused(&fixture, &["rename", "alpha-one", "x", "--clear"], 2, "--clear");
    check_refused(&fixture, &["label", "alpha-one", "entry-1"], 2, "<LABEL>");
    check_refused(&fixture, &["label", "alpha-one", "entry-1", ""], 2, "--clear");
    let info = fixture.session("alpha-one").info().unwrap();
    assert_eq!(info.title.as_deref(), Some("named"));
    assert_eq!(fixture.store.session(info.key).unwrap().labels().unwrap().len(), 1);

    done(&fixture, &["rename", "alpha-one", "--clear"]);
    done(&fixture, &["label", "alpha-one", "entry-1", "--clear"]);
    let info = fixture.session("alpha-one").info().unwrap();
    assert_eq!(info.title.as_deref(), Some("hello"));
    assert_eq!(fixture.store.session(info.key).unwrap().labels().unwrap(), []);
}

#[test]
fn an_entry_is_named_by_its_id_or_the_beginning_of_it() {
    let fixture = two();
    let session = fixture.session("alpha-one");
    session.append_message(message("user", "third", "third-entry")).unwrap();

    done(&fixture, &["label", "alpha-one", "thi", "here"]);
    assert_eq!(session.labels().unwrap()[0].target_id, "third-entry");
    check_refused(&fixture, &["label", "alpha-one", "entry", "x"], 2, "entry-1, entry-2");
    check_refused(&fixture, &["label", "alpha-one", "nowhere", "x"], 1, "nowhere");
    check_refused(&fixture, &["label", "alpha-one", "", "x"], 1, "no entry");
    done(&fixture, &["branch", "alpha-one", "thi"]);
    assert_eq!(session.info().unwrap().leaf.as_deref(), Some("third-entry"));
    done(&fixture, &["fork", "alpha-one", "--entry", "thi"]);

    done(&fixture, &["label", "alpha-one", "yet-to-come", "x", "--force"]);
    let labels = session.labels().unwrap();
    assert!(labels.iter().any(|label| label.target_id == "yet-to-come"));
}

#[test]
fn a_bad_argument_leaves_nothing_half_done() {
    let fixture = two();
    let session = fixture.session("alpha-one");

    check_refused(&fixture, &["tag", "alpha-one", "a", "b c", ""], 2, "a tag needs a name");
    check_refused(&fixture, &["set", "alpha-one", "k=1", "=x"], 2, "metadata needs a key");
    check_refused(&fixture, &["set", "alpha-one", "k=1", "w=1e400"], 2, "not finite");

    assert_eq!(session.tags().unwrap(), [] as [&str; 0]);
    assert_eq!(session.metadata().unwrap(), []);
    done(&fixture, &["tag", "alpha-one", "a", "b c"]);
    done(&fixture, &["set", "alpha-one", "k=1", "j=2"]);
    assert_eq!(session.tags().unwrap(), ["a", "b c"]);
    assert_eq!(session.metadata().unwrap().len(), 2);
}

#[test]
fn a_session_that_is_named_twice_is_purged_once() {
    let fixture = two();

    let said = done(&fixture, &["purge", "--force", "alpha-one", "alpha-one"]);

    assert_eq!(said.lines().count(), 1, "{said}");
    check_refused(&fixture, &["show", "alpha-one"], 1, "no session");
}

#[test]
fn a_work_dir_is_relinked_to_some_path_and_a_root_to_a_folder() {
    let fixture = Fixture::small();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/kward/small");
    let work_dir = fixture.store.work_dirs().unwrap().remove(0);
    let file = fixture.dir.path().join("file");
    std::fs::write(&file, "").unwrap();

    check_refused(&fixture, &["relink", &work_dir, ""], 2, "a work dir needs a path");
    check_refused(&fixture, &["move", root, file.to_str().unwrap()], 1, "there is no folder");

    assert!(fixture.store.work_dirs().unwrap().contains(&work_dir));
    assert!(fixture.store.imported_roots().unwrap()[0].root.ends_with("fixtures/kward/small"));
}

/// A prompt is answered on a terminal by what is typed, by an end of it, or by an interrupt.
#[test]
fn only_yes_is_yes() {
    const END: &str = "\u{4}";
    let fixture = two();
    done(&fixture, &["delete", "alpha-one"]);
    let is_there = || fixture.store.find("alpha-one").is_ok();

    for answer in ["n\n", "\n", "yess\n", "no\ny\n", END] {
        let (said, status) = typed(&fixture, &["purge", "alpha-one"], answer);
        assert_eq!(status, Some(1), "{answer:?}: {said}");
        assert!(said.contains("nothing was purged") && is_there(), "{answer:?}: {said}");
    }
    let log = "{\"type\":\"session\",\"version\":2,\"id\":\"given\",\"cwd\":\"/w\"}\n{\"type\":\"leaf\"}\n";
    let rewritten = Fixture::of_log(log);
    let root = rewritten.dir.path().join("root");
    std::fs::write(root.join("sessions/--w--/given.jsonl"), "").unwrap();
    let options = sessile::ImportOptions::new().format(sessile::Format::Kward);
    rewritten.store.import(&root, &options).unwrap();
    for answer in ["n\n", "\n", END] {
        let (said, status) = typed(&rewritten, &["prune"], answer);
        assert_eq!(status, Some(1), "{answer:?}: {said}");
        let (said, status) = typed(&rewritten, &["forget", root.to_str().unwrap()], answer);
        assert_eq!(status, Some(1), "{answer:?}: {said}");
        assert_eq!(rewritten.store.prunable().unwrap().len(), 1);
    }
    for answer in ["y\n", "YES\n"] {
        let fixture = two();
        done(&fixture, &["delete", "alpha-one"]);
        let (said, status) = typed(&fixture, &["purge", "alpha-one"], answer);
        assert_eq!(status, Some(0), "{answer:?}: {said}");
    }
}

#[test]
fn sealing_says_what_it_packed_and_needs_to_be_told_what() {
    let fixture = Fixture::small();
    check_refused(&fixture, &["seal"], 2, "<ID>");
    check_refused(&fixture, &["seal", "edge-97", "never"], 1, "never");

    let output = run(&fixture, &["seal", "edge-97", "--older-than", "0d"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("9 sessions: "), "{said}");
    assert!(said.contains(" lines of ") && said.contains(" take "), "{said}");
    assert_eq!(output.stdout, b"");
    let long_ago = ["seal", "--older-than", "1d", "--now", "1999-01-01T00:00:00Z", "--json"];
    let report: Value = serde_json::from_str(&done(&fixture, &long_ago)).unwrap();
    assert_eq!(report["sessions"], 0);
    fixture.check();
}
