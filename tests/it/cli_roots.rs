//! The commands on roots and work dirs.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use sessile::{Format, ImportOptions};

use crate::cli_sql::{as_nobody, can_be_nobody};
use crate::support::{TestStore, header, set_mode};

fn command(test: &TestStore, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessile"));
    command.arg("--db").arg(test.store.path()).args(args).stdin(Stdio::null());
    command
}

fn run(test: &TestStore, args: &[&str]) -> Output {
    command(test, args).output().unwrap()
}

#[track_caller]
fn done(test: &TestStore, args: &[&str]) -> String {
    let output = run(test, args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A root with one session of `/work`.
fn one() -> (TestStore, String) {
    let test = TestStore::new();
    test.write("sessions/--w--/one.jsonl", header("one"));
    test.store.import(&test.root, &ImportOptions::new().format(Format::Kward)).unwrap();
    let root = test.root.to_str().unwrap().to_owned();
    (test, root)
}

#[test]
fn roots_are_listed_with_what_they_hold() {
    let (test, root) = one();
    let text = done(&test, &["roots"]);
    assert!(text.contains("kward  1 session, 1 file, last import 20"), "{text}");

    let row: Value = serde_json::from_str(&done(&test, &["roots", "--json"])).unwrap();
    let real = std::fs::canonicalize(root).unwrap();
    assert_eq!(row["root"], real.to_str().unwrap());
    assert_eq!(
        (&row["format"], &row["sessions"], &row["files"]),
        (&"kward".into(), &1.into(), &1.into())
    );
    assert!(row["imported_at"].is_string(), "{row}");
}

#[test]
fn what_is_forgotten_is_said_and_a_root_that_is_not_known_ends_with_1() {
    let (test, root) = one();
    done(&test, &["rename", "one", "named"]);

    let refused = run(&test, &["forget", &root]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("give --yes"), "{said}");
    let text = done(&test, &["forget", "--yes", &root]);

    assert!(text.contains("1 session, 1 file; 1 of the sessions has content"), "{text}");
    assert_eq!(done(&test, &["list", "--json"]), "");
    assert_eq!(run(&test, &["forget", &root]).status.code(), Some(1));
}

#[test]
fn a_root_is_moved_by_its_old_and_new_path() {
    let (test, root) = one();
    let new = test.folder().join("new");
    std::fs::rename(&root, &new).unwrap();

    let text = done(&test, &["move", &root, new.to_str().unwrap()]);

    assert!(text.contains(" is ") && text.ends_with(" now\n"), "{text}");
    assert_eq!(run(&test, &["verify", new.to_str().unwrap()]).status.code(), Some(0));
    assert_eq!(run(&test, &["move", &root, new.to_str().unwrap()]).status.code(), Some(1));
}

#[test]
fn a_root_inside_a_known_one_is_said_to_be_part_of_it() {
    let (test, root) = one();
    let text = done(&test, &["import", &format!("{root}/sessions")]);
    assert!(text.contains("it is part of the root"), "{text}");
    assert_eq!(done(&test, &["roots", "--json"]).lines().count(), 1);
}

#[test]
fn one_bad_root_does_not_stop_the_others() {
    let (test, _) = one();
    let good = test.folder().join("good/sessions/--w--");
    std::fs::create_dir_all(&good).unwrap();
    std::fs::write(good.join("x.jsonl"), header("x")).unwrap();
    let good = test.folder().join("good");
    let empty = test.folder().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let import = |bad: &[&Path]| {
        let mut args = vec!["import"];
        args.extend(bad.iter().map(|path| path.to_str().unwrap()));
        args.push(good.to_str().unwrap());
        run(&test, &args)
    };

    let missing = test.folder().join("missing");
    let output = import(&[&missing]);
    assert_eq!(output.status.code(), Some(1));
    assert!(done(&test, &["list", "--json"]).contains("\"x\""));
    let output = import(&[&missing, &empty]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("missing") && said.contains("empty"), "{said}");
}

#[test]
fn every_file_is_read_when_asked() {
    let (test, root) = one();
    let path = test.write("sessions/--w--/one.jsonl", header("two"));
    assert!(path.exists());
    done(&test, &["import", &root]);
    assert_eq!(run(&test, &["verify", &root]).status.code(), Some(1));

    done(&test, &["import", "--reread", &root]);

    assert_eq!(run(&test, &["verify", &root]).status.code(), Some(0));
}

#[test]
fn a_work_dir_is_found_however_it_is_spelt() {
    let test = TestStore::new();
    let real = test.folder().join("proj");
    let link = test.folder().join("link");
    std::fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let real = std::fs::canonicalize(real).unwrap();
    let in_dir = |id: &str, dir: &str| header(id).replace("/work", dir);
    test.write("sessions/--a--/a.jsonl", in_dir("plain", real.to_str().unwrap()));
    test.write("sessions/--a--/b.jsonl", in_dir("slash", &format!("{}/", real.display())));
    test.write("sessions/--a--/c.jsonl", in_dir("link", link.to_str().unwrap()));
    test.write("sessions/--a--/d.jsonl", in_dir("gone", "/gone/away/"));
    test.write("sessions/--a--/e.jsonl", in_dir("below", &format!("{}/gone", real.display())));
    test.import();
    let ids = |dir: &str| {
        let output = command(&test, &["list", "--json", "--work-dir", dir])
            .current_dir(&real)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let id = |line: &str| -> Value {
            serde_json::from_str::<Value>(line).unwrap()["session_id"].take()
        };
        let mut ids: Vec<String> =
            text.lines().map(|line| id(line).as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };

    for spelling in [real.to_str().unwrap(), link.to_str().unwrap(), ".", "./", "../proj"] {
        assert_eq!(ids(spelling), ["link", "plain", "slash"], "{spelling}");
    }
    assert_eq!(ids("/gone/away"), ["gone"]);
    assert_eq!(ids("/gone//away/."), ["gone"]);
    for spelling in ["./gone/", "../link/gone", "gone/../gone"] {
        assert_eq!(ids(spelling), ["below"], "{spelling}");
    }
    assert_eq!(ids("/never"), [] as [&str; 0]);
}

#[test]
fn a_work_dir_that_moved_is_linked_anew_by_command_and_rpc() {
    let (test, _) = one();
    done(&test, &["relink", "/work/", "/elsewhere"]);
    assert!(done(&test, &["list", "--json", "--work-dir", "/elsewhere"]).contains("\"one\""));
    assert_eq!(run(&test, &["relink", "/work", "/x"]).status.code(), Some(1));

    let mut child =
        command(&test, &["rpc"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let request = br#"{"jsonrpc":"2.0","id":1,"method":"relink","params":{"from":"/elsewhere/.","to":"/third"}}"#;
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), request).unwrap();
    let output = child.wait_with_output().unwrap();
    let reply: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(reply["result"]["sessions"], 1, "{reply}");
    assert!(done(&test, &["list", "--json", "--work-dir", "/third"]).contains("\"one\""));
}

#[test]
fn what_is_all_at_its_root_is_forgotten_without_a_word() {
    let (test, root) = one();
    done(&test, &["forget", &root]);
    assert_eq!(done(&test, &["roots"]), "");

    // What the root lost stands nowhere else.
    test.import();
    std::fs::remove_file(test.root.join("sessions/--w--/one.jsonl")).unwrap();
    test.import();
    assert_eq!(run(&test, &["forget", &root]).status.code(), Some(2));
    done(&test, &["forget", &root, "--yes"]);
}

#[test]
fn a_root_around_two_formats_is_refused_with_a_way_that_helps() {
    let test = TestStore::new();
    let parts = [("kward", "sessions/--k--"), ("pi", "sessions/--p--")];
    test.write("sessions/--k--/one.jsonl", header("one"));
    let pi = "{\"type\":\"session\",\"version\":3,\"id\":\"p\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"cwd\":\"/w\"}\n";
    test.write("sessions/--p--/2026-05-01T00-00-00-000Z_p.jsonl", pi);
    for (format, folder) in parts {
        let folder = test.root.join(folder);
        done(&test, &["import", "--format", format, folder.to_str().unwrap()]);
    }

    let refused = run(&test, &["import", test.root.to_str().unwrap()]);

    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("one by one") && !said.contains("leave the format out"), "{said}");
}

#[test]
fn what_stands_behind_a_page_of_one_work_dir_is_counted_there_alone() {
    let test = TestStore::new();
    for n in 0..5 {
        let cwd = if n < 2 { "/other" } else { "/work" };
        let header = header(&format!("s{n}")).replace("/work", cwd);
        test.write(format!("sessions/--w--/{n}.jsonl"), header);
    }
    test.store.import(&test.root, &ImportOptions::new().format(Format::Kward)).unwrap();
    let noted = |args: &[&str]| {
        let output = run(&test, args);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };

    for (args, begin) in [
        (&["list", "--work-dir", "/work", "--limit", "1"][..], "2 more: --limit 3, or --after "),
        (&["list", "--limit", "2"], "3 more: --limit 5, or --after "),
        (&["list", "--limit", "2", "--sort", "title"], "3 more: --limit 5\n"),
        (&["list", "--limit", "1", "--json"], "there are more: --limit 5, or --after "),
    ] {
        let said = noted(args);
        assert!(said.starts_with(begin), "{args:?}: {said}");
    }
    assert_eq!(noted(&["list", "--limit", "5"]), "");
    assert_eq!(noted(&["list", "--limit", "5", "--json"]), "");
}

#[test]
fn a_root_that_may_be_listed_but_not_entered_has_lost_nothing() {
    let (test, root) = one();
    if !can_be_nobody() {
        eprintln!("skipped: others may not run what is built here");
        return;
    }
    // What the command may read and write.
    let db = test.folder().join("nobody").join("sessions.db");
    std::fs::create_dir(db.parent().unwrap()).unwrap();
    set_mode(test.folder(), 0o755);
    set_mode(db.parent().unwrap(), 0o777);
    let import = |root: &str| as_nobody(&db, &["import", root]);
    assert!(import(&root).status.success());

    set_mode(&test.root, 0o644);
    let refused = import(&root);
    set_mode(&test.root, 0o755);

    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("cannot read") && said.contains("denied"), "{said}");
    assert_eq!(as_nobody(&db, &["problems"]).stdout, b"");
    let again = String::from_utf8(import(&root).stdout).unwrap();
    assert!(again.contains("unchanged, 3 files"), "{again}");
}

#[test]
fn a_root_whose_folder_may_not_be_entered_is_not_said_to_be_missing() {
    let (test, root) = one();
    if !can_be_nobody() {
        eprintln!("skipped: others may not run what is built here");
        return;
    }
    set_mode(test.folder(), 0o700);

    let refused = as_nobody(Path::new("/nowhere/sessions.db"), &["import", &root]);

    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(!said.contains("there is no folder"), "{said}");
}
