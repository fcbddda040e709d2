//! The command line and `rpc` over the same operations.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::{Fixture, SMALL};

fn command(db: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessile"));
    command.arg("--db").arg(db).args(args);
    command
}

fn run(db: &Path, args: &[&str], input: &str) -> Output {
    let mut child = command(db, args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Standard output of a call that succeeds, without its last line's end.
#[track_caller]
fn done(db: &Path, args: &[&str], input: &str) -> String {
    let output = run(db, args, input);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[track_caller]
fn check_status(db: &Path, args: &[&str], status: i32) {
    let output = run(db, args, "");

    assert_eq!(output.status.code(), Some(status), "{args:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{args:?}");
    assert_ne!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
}

#[test]
fn a_session_is_made_written_and_forked_by_commands() {
    let dir = tempfile::tempdir().unwrap();
    let db = &dir.path().join("new.db");

    let id = &done(db, &["new", "--cwd", "/w", "--model", "m"], "");
    let question = &done(db, &["append", id, "--user", "-- why?"], "");
    done(db, &["append", id], r#"{"role":"assistant","content":"so"}"#);
    done(db, &["append", id, r#"{"role":"user","content":"and?","id":"second"}"#], "");
    done(db, &["label", id, question, "start"], "");
    done(db, &["rename", id, "named"], "");
    let copy = &done(db, &["clone", id], "");
    let fork = &done(db, &["fork", id, "--entry", "second"], "");
    done(db, &["branch", id, question], "");

    let store = sessile::Store::open(db).unwrap();
    let info = |id: &str| store.find(id).unwrap().info().unwrap();
    assert_eq!(info(id).leaf.as_ref(), Some(question));
    assert_eq!(info(copy).leaf.as_deref(), Some("second"));
    assert_eq!((info(fork).entry_count, info(fork).title.as_deref()), (2, Some("named")));
    let markdown = done(db, &["markdown", id], "");
    assert_eq!(markdown, "# Kward Session\n\n## User\n\n-- why?");
    done(db, &["branch", id, "--root"], "");
    assert_eq!(info(id).leaf, None);
    done(db, &["check"], "");
}

#[test]
fn a_fork_names_its_session_by_file_too() {
    let fixture = Fixture::small();
    let db = fixture.store.path();
    let file = "sessions/--edge--/97-branch-summary.jsonl";

    let below = &done(db, &["fork", "--file", file, "--entry", "d"], "");
    let on_disk = &done(db, &["fork", "--file", &format!("{SMALL}/{file}")], "");

    let leaf = |id: &str| fixture.session(id).info().unwrap().leaf;
    assert_eq!(leaf(below).as_deref(), Some("s"));
    assert_eq!(leaf(on_disk).as_deref(), Some("d"));
}

#[test]
fn a_command_tells_a_missing_thing_from_an_error() {
    let fixture = Fixture::small();
    let db = fixture.store.path();

    check_status(db, &["branch", "edge-97", "nowhere"], 1);
    check_status(db, &["fork", "edge-97", "--entry", "nowhere"], 1);
    check_status(db, &["clone", "nobody"], 1);
    check_status(db, &["fork", "--file", "/no/such.jsonl"], 1);
    check_status(db, &["append", "edge-97", "[]"], 2);
    check_status(db, &["branch", "edge-97"], 2);
    check_status(&fixture.dir.path().join("none.db"), &["append", "x", "{}"], 1);
}

#[test]
fn rpc_copies_forks_and_navigates() {
    let fixture = Fixture::small();
    let calls = [
        ("clone", json!({"session": "edge-97", "id": "copy", "at": "2026-02-01T00:00:00Z"})),
        ("fork", json!({"session": "edge-97", "id": "fork", "entry_id": "c"})),
        ("fork", json!({"session": "edge-97", "entry_id": "nowhere"})),
        ("rewind_points", json!({"session": "copy"})),
        ("navigate", json!({"session": "copy", "entry_id": "d"})),
        ("markdown", json!({"session": "fork"})),
        ("entries_after", json!({"session": "edge-97", "line": 4})),
    ];
    let input: String = calls
        .iter()
        .enumerate()
        .map(|(n, (method, params))| {
            format!("{}\n", json!({"jsonrpc": "2.0", "id": n, "method": method, "params": params}))
        })
        .collect();

    let output = done(fixture.store.path(), &["rpc"], &input);

    let replies: Vec<Value> =
        output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(replies[0]["result"], json!({"session_id": "copy"}));
    assert_eq!(replies[1]["result"], json!({"session_id": "fork", "text": "second"}));
    assert_eq!(replies[2]["error"]["data"]["kind"], "EntryNotFound");
    let points = &replies[3]["result"];
    assert_eq!([&points[0]["entry_id"], &points[1]["entry_id"]], ["d", "a"]);
    assert_eq!(points[0]["preview"], "after");
    assert_eq!(replies[4]["result"], json!({"text": "after"}));
    assert_eq!(
        replies[5]["result"],
        "# Kward Session\n\n## User\n\nfirst\n\n## Assistant\n\nreply\n"
    );
    assert_eq!(replies[6]["result"][0]["id"], "s");
    assert_eq!(fixture.session("copy").info().unwrap().leaf.as_deref(), Some("s"));
}

#[test]
fn commands_say_things_of_a_session_and_list_by_them() {
    let fixture = Fixture::small();
    let db = fixture.store.path();

    done(db, &["tag", "edge-97", "release", "late"], "");
    done(db, &["untag", "edge-97", "late"], "");
    done(db, &["set", "edge-97", "team=core", "n=1.50", "gone=[]"], "");
    done(db, &["unset", "edge-97", "gone"], "");

    assert_eq!(done(db, &["tag", "edge-97"], ""), "release");
    assert_eq!(done(db, &["metadata", "edge-97"], ""), r#"{"n":1.50,"team":"core"}"#);
    let listed = |args: &[&str]| {
        let rows = done(db, &[&["list", "--json"][..], args].concat(), "");
        rows.lines().map(|row| serde_json::from_str::<Value>(row).unwrap()).collect::<Vec<_>>()
    };
    let rows = listed(&["--tag", "release", "--where", "team=core", "--where", "n=1.50"]);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["session_id"], "edge-97");
    assert_eq!(listed(&["--where", "team=docs"]).len(), 0);
    check_status(db, &["tag", "nobody", "x"], 1);
    check_status(db, &["set", "edge-97", "no-value"], 2);
    check_status(db, &["untag", "edge-97"], 2);
    done(db, &["untag", "edge-97", "--all"], "");
    assert_eq!(listed(&["--tag", "release"]).len(), 0);
}

#[test]
fn rpc_says_things_of_a_session_and_lists_by_them() {
    let fixture = Fixture::small();
    let calls = [
        ("tag", json!({"session": "edge-97", "tag": "release"})),
        ("set_metadata", json!({"session": "edge-97", "key": "n", "value": null})),
        ("tags", json!({"session": "edge-97"})),
        ("metadata", json!({"session": "edge-97"})),
        ("list", json!({"tags": ["release"], "metadata": {"n": null}})),
        ("remove_metadata", json!({"session": "edge-97", "key": "n"})),
        ("list", json!({"metadata": {"n": null}})),
        ("tag", json!({"session": "edge-97", "tag": null})),
        ("tags", json!({"session": "edge-97"})),
    ];
    let input: String = calls
        .iter()
        .map(|(method, params)| {
            format!("{}\n", json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
        })
        .collect();

    let output = done(fixture.store.path(), &["rpc"], &input);

    let results: Vec<Value> = output
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["result"].clone())
        .collect();
    assert_eq!(results[..2], [Value::Null, Value::Null]);
    assert_eq!(results[2..4], [json!(["release"]), json!({ "n": null })]);
    assert_eq!(results[4][0]["session_id"], "edge-97");
    assert_eq!(results[5..], [Value::Null, json!([]), Value::Null, json!([])]);
}

#[test]
fn rpc_purges_by_a_whole_id_only() {
    let fixture = Fixture::small();
    let purge = |name: &str| {
        let request =
            json!({"jsonrpc": "2.0", "id": 1, "method": "purge", "params": {"session": name}});
        let output = done(fixture.store.path(), &["rpc"], &format!("{request}\n"));
        serde_json::from_str::<Value>(&output).unwrap()
    };

    assert_eq!(purge("edge-9")["error"]["code"], -32602);
    assert!(fixture.store.find("edge-97").is_ok());
    fixture.session("edge-97").trash().unwrap();
    assert_eq!(purge("edge-97")["result"], Value::Null);
    assert!(fixture.store.find("edge-97").is_err());
}

#[test]
fn rpc_reads_a_session_as_of_a_generation_and_writes_none() {
    let log = "{\"type\":\"session\",\"version\":2,\"id\":\"given\",\"cwd\":\"/w\"}\n\
        {\"type\":\"message\",\"id\":\"a\",\"message\":{\"role\":\"user\",\"content\":\"A\"}}\n";
    let fixture = Fixture::of_log(log);
    let root = fixture.dir.path().join("root");
    std::fs::write(root.join("sessions/--w--/given.jsonl"), "").unwrap();
    let options = sessile::ImportOptions::new().format(sessile::Format::Kward);
    fixture.store.import(&root, &options).unwrap();
    let reply = |method: &str, more: Value| {
        let mut params = json!({"session": "given"});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let output = done(fixture.store.path(), &["rpc"], &format!("{request}\n"));
        serde_json::from_str::<Value>(&output).unwrap()
    };

    assert_eq!(reply("path", json!({}))["result"], json!([]));
    assert_eq!(reply("path", json!({"generation": 1}))["result"][0]["id"], "a");
    assert_eq!(reply("context", json!({"generation": 1}))["result"][0]["content"], "A");
    assert_eq!(reply("tree", json!({"generation": 1}))["result"][0]["id"], "a");
    assert_eq!(reply("info", json!({"generation": 1}))["result"]["branch"], json!(["a"]));
    let unknown = reply("info", json!({"generation": 7}));
    assert_eq!(unknown["error"]["data"]["kind"], "GenerationNotFound");
    let written = reply("rename", json!({"generation": 1, "name": "x"}));
    assert_eq!(written["error"]["code"], -32602);
}
