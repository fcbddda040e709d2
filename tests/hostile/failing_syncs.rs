//! Commits whose sync fails: the error is still accurate after a crash.
//!
//! A journal that was not synced holds the change all the same. The process that
//! wrote it is killed, so that the next one reads the journal as after a crash.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use sessile::Store;

/// A process that serves a database, and whose syncs of the journal can fail.
struct Server {
    process: Child,
    answers: BufReader<std::process::ChildStdout>,
    failures: PathBuf,
    folder: tempfile::TempDir,
}

impl Server {
    /// `None`, and a word of it, where nothing can be put between a program and its syncs.
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let shim = folder.path().join("shim.so");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(&shim)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hostile/failing_syncs.c"))
            .arg("-ldl")
            .status();
        if !cfg!(target_os = "linux") || !built.is_ok_and(|status| status.success()) {
            eprintln!("skipped: no C compiler for a library that lets syncs fail");
            return None;
        }
        let failures = folder.path().join("failures");
        std::fs::write(&failures, []).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_sessile"))
            .args(["rpc", "--db"])
            .arg(folder.path().join("sessions.db"))
            .env("LD_PRELOAD", &shim)
            .env("SYNC_FAILURES", &failures)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        let mut server = Self { process, answers, failures, folder };
        server.call(r#"{"id":1,"method":"create","params":{"cwd":"/w","id":"one"}}"#);
        Some(server)
    }

    fn call(&mut self, request: &str) -> Value {
        let input = self.process.stdin.as_mut().unwrap();
        writeln!(input, "{request}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    /// Appends a message; returns the error's kind.
    fn say(&mut self, id: &str) -> Option<String> {
        let answer = self.call(&format!(
            r#"{{"id":1,"method":"append_message","params":{{"session":"one","message":{{"role":"user","content":"x","id":"{id}"}}}}}}"#
        ));
        answer["error"]["data"]["kind"].as_str().map(str::to_owned)
    }

    /// So many syncs of the journal fail from now on.
    fn fail(&self, count: usize) {
        std::fs::write(&self.failures, vec![b'x'; count]).unwrap();
    }

    /// Kills the process, and returns what the database holds then.
    fn crash(mut self) -> Vec<String> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        said(&self.folder.path().join("sessions.db"))
    }
}

fn said(path: &Path) -> Vec<String> {
    let store = Store::open(path).unwrap();
    assert_eq!(store.check().unwrap(), []);
    let session = store.find("one").unwrap();
    session.path().unwrap().into_iter().map(|entry| entry.id).collect()
}

#[test]
fn an_append_that_failed_at_its_sync_is_not_there_after_a_crash() {
    let Some(mut server) = Server::start() else { return };
    assert_eq!(server.say("a"), None);

    server.fail(1);
    let kind = server.say("b");

    assert_eq!(kind.as_deref(), Some("Sqlite"));
    assert_eq!(server.crash(), ["a"]);
}

#[test]
fn a_session_that_went_on_behind_a_failed_append_is_whole_after_a_crash() {
    let Some(mut server) = Server::start() else { return };
    assert_eq!(server.say("a"), None);

    server.fail(1);
    server.say("b");
    assert_eq!(server.say("b"), None);
    server.fail(1);
    server.say("c");

    assert_eq!(server.crash(), ["a", "b"]);
}

#[test]
fn an_append_that_may_have_happened_is_said_to() {
    let Some(mut server) = Server::start() else { return };
    assert_eq!(server.say("a"), None);

    server.fail(100);
    let kind = server.say("b");

    assert_eq!(kind.as_deref(), Some("CommitUnknown"));
    let found = server.crash();
    assert!(found == ["a"] || found == ["a", "b"], "{found:?}");
}
