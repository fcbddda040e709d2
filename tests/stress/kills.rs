//! Writers that are killed at any moment, beside one that goes on.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use sessile::{NewSession, Store};

use crate::support::{Chance, check_acknowledged, setting};

const WRITERS: usize = 3;

#[test]
fn what_was_acknowledged_before_a_kill_is_there_once() {
    let dir = tempfile::tempdir().unwrap();
    let db = &dir.path().join("sessions.db");
    let store = &Store::open(db).unwrap();
    for n in 0..4 {
        store.create(&NewSession::new("/w").session_id(&format!("s{n}"))).unwrap();
    }
    let kills = setting("SESSILE_STRESS_KILLS", 3);
    let stop = &AtomicBool::new(false);

    let (steady, mut acknowledged) = std::thread::scope(|scope| {
        let steady = scope.spawn(move || append_until(store, stop));
        let mut acknowledged = Vec::new();
        let mut chance = Chance::new(7);
        for round in 0..kills.div_ceil(WRITERS) {
            acknowledged.extend(round_of_kills(db, round, &mut chance));
        }
        stop.store(true, Ordering::Relaxed);
        (steady.join().unwrap(), acknowledged)
    });

    println!(
        "{} kills; {} entries acknowledged before, {} beside",
        kills.div_ceil(WRITERS) * WRITERS,
        acknowledged.len(),
        steady.len()
    );
    acknowledged.extend(steady);
    check_acknowledged(store, &acknowledged);
}

/// Starts writers, kills them, and returns what was acknowledged.
fn round_of_kills(db: &Path, round: usize, chance: &mut Chance) -> Vec<String> {
    let mut children = Vec::new();
    let mut clients = Vec::new();
    let (alive, first_reply) = mpsc::channel();
    for writer in 0..WRITERS {
        let mut child = start(db);
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let alive = alive.clone();
        let name = format!("r{round}w{writer}");
        clients.push(std::thread::spawn(move || append_until_dead(input, output, &name, &alive)));
        children.push(child);
    }
    drop(alive);
    // Not before one has written; the others may be anywhere.
    first_reply.recv().unwrap();
    for mut child in children {
        std::thread::sleep(Duration::from_micros(chance.below(150_000) as u64));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
}

fn start(db: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_sessile"))
        .arg("--db")
        .arg(db)
        .arg("rpc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Asks for one append after the other until the process is gone.
fn append_until_dead(
    mut input: ChildStdin,
    output: BufReader<ChildStdout>,
    name: &str,
    alive: &mpsc::Sender<()>,
) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let mut replies = output.lines();
    for n in 0.. {
        let id = format!("{name}n{n}");
        let session = format!("s{}", n % 4);
        let request = serde_json::json!({
            "jsonrpc": "2.0",
            "id": n,
            "method": "append_message",
            "params": { "session": session, "id": id, "message": { "role": "user", "content": id } },
        });
        if writeln!(input, "{request}").is_err() {
            break;
        }
        let Some(Ok(reply)) = replies.next() else { break };
        let Ok(reply) = serde_json::from_str::<serde_json::Value>(&reply) else { break };
        assert_eq!(reply["result"]["entry_id"], id, "{reply}");
        acknowledged.push(id);
        let _ = alive.send(());
    }
    acknowledged
}

fn append_until(store: &Store, stop: &AtomicBool) -> Vec<String> {
    let session = store.find("s0").unwrap();
    let mut acknowledged = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let id = format!("steady{}", acknowledged.len());
        session.with_id(&id).append_message(r#"{"role":"user","content":"on"}"#).unwrap();
        acknowledged.push(id);
    }
    acknowledged
}
