//! The examples run.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sessile::{SessionFilter, Store};

/// Examples lie beside the folder of test programs; `cargo test` builds them, too.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("examples").join(name)
}

#[track_caller]
fn chat(db: &Path, input: &str) -> String {
    let mut child = Command::new(example("chat"))
        .arg("--db")
        .arg(db)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_chat_goes_on_where_it_was_left() {
    // A single test program may be built without the examples.
    if !example("chat").exists() {
        eprintln!("skipped: the example is not built");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let db = &dir.path().join("chat.db");

    assert_eq!(chat(db, "hello\nthere\n"), "0 messages so far\nhello\nthere\n");
    let again = chat(db, "/back\nworld\n/branch nowhere\n/fork\n/tree\n");

    assert!(again.starts_with("4 messages so far\nagain: there\nworld\n"), "{again}");
    assert!(again.contains("no entry \"nowhere\""), "{again}");
    let store = Store::open(db).unwrap();
    let rows = store.sessions(&SessionFilter::new()).unwrap().rows;
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row.message_count == 4));
}

/// Runs a client of `rpc` where its language is there.
#[cfg(feature = "cli")]
#[track_caller]
fn check_client(language: &str, client: &str) {
    let found = Command::new(language).arg("--version").output();
    if !found.is_ok_and(|output| output.status.success()) {
        return eprintln!("skipped: there is no {language}");
    }
    let dir = tempfile::tempdir().unwrap();

    let output = Command::new(language)
        .args([client, env!("CARGO_BIN_EXE_sessile")])
        .arg(dir.path().join("client.db"))
        .output()
        .unwrap();

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim_end(),
        "# Kward Session\n\n## User\n\nWhy?\n\n## Assistant\n\nBecause."
    );
}

#[test]
#[cfg(feature = "cli")]
fn the_python_client_talks_to_rpc() {
    check_client("python3", "examples/client.py");
}

#[test]
#[cfg(feature = "cli")]
fn the_node_client_talks_to_rpc() {
    check_client("node", "examples/client.mjs");
}
