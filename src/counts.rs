//! How many statements what is done most takes, and how many steps: counts, which no load of a machine moves.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rusqlite::trace::{TraceEvent, TraceEventCodes};
use rusqlite::{Connection, StatementStatus};

use crate::store::memory::Memory;
use crate::store::texts::Index;
use crate::{ImportOptions, NewSession, Store};

/// Has the connections of a store counted by `count`: as many as an import takes.
fn trace(store: &Store, count: fn(TraceEvent<'_>)) {
    let conns = [store.connection().unwrap(), store.connection().unwrap()];
    for conn in &conns {
        conn.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(count));
    }
}

fn add(counter: &AtomicU64, event: &TraceEvent<'_>) {
    // What a trigger runs is a comment.
    if let TraceEvent::Stmt(_, sql) = event
        && !sql.starts_with("--")
    {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Statements that `work` takes.
fn count(counter: &AtomicU64, work: impl FnOnce()) -> u64 {
    let before = counter.load(Ordering::Relaxed);
    work();
    counter.load(Ordering::Relaxed) - before
}

fn message(text: &str) -> String {
    format!(r#"{{"role":"user","content":"{text}"}}"#)
}

#[test]
fn an_append_takes_so_many_statements() {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("sessions.db")).unwrap();
    let session = store.create(&NewSession::new("/w")).unwrap();
    let append = |text: &str| {
        count(&COUNTER, || {
            session.append_message(message(text)).unwrap();
        })
    };
    trace(&store, |event| add(&COUNTER, &event));
    // The first gives the session its title.
    append("first");

    let (second, third) = (append("second"), append("third"));

    // The second takes the session out of the lists by age.
    assert_eq!(second, third + 2);
    assert_eq!(third, 9);
}

/// Sessions of 20 messages each.
fn write_sessions(root: &Path, sessions: usize) {
    for session in 0..sessions {
        let mut content = format!(
            r#"{{"type":"session","version":2,"id":"s-{session}","timestamp":"2026-01-01T00:00:00.000Z","cwd":"/w"}}"#
        );
        content.push('\n');
        let mut parent = "null".to_owned();
        for n in 0..20 {
            let id = format!("\"{:08x}\"", (session * 20 + n) * 2_654_435_761 % 4_294_967_291);
            content += &format!(
                r#"{{"type":"message","id":{id},"parentId":{parent},"timestamp":"2026-01-01T00:00:01.000Z","message":{{"role":"user","content":"text"}}}}"#
            );
            content.push('\n');
            parent = id;
        }
        let path = root.join(format!("sessions/--w--/{session}.jsonl"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

#[test]
fn a_new_file_of_20_messages_takes_so_many_statements() {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let of = |sessions: usize| {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        write_sessions(&root, sessions);
        let store = Store::open(folder.path().join("sessions.db")).unwrap();
        trace(&store, |event| add(&COUNTER, &event));
        count(&COUNTER, || {
            store.import(&root, &ImportOptions::new()).unwrap();
        })
    };

    let statements = (of(30) - of(10)) / 20;

    assert_eq!(statements, 33);
}

#[test]
fn a_line_of_a_copy_takes_so_many_statements() {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("sessions.db")).unwrap();
    let session = store.create(&NewSession::new("/w")).unwrap();
    let append = |number: usize| {
        for _ in 0..number {
            session.append_message(message(&"long ".repeat(40))).unwrap();
        }
    };
    append(10);
    trace(&store, |event| add(&COUNTER, &event));
    let copy = || {
        count(&COUNTER, || {
            session.clone_session().unwrap();
        })
    };

    copy();
    let of_10 = copy();
    append(20);
    let statements = (copy() - of_10) / 20;

    assert_eq!(statements, 2);
}

/// Steps of SQLite that an import takes of a call with so many answers.
fn steps_of_answers(answers: usize) -> i64 {
    /// Those of each statement so far.
    static STEPS: Mutex<BTreeMap<String, i64>> = Mutex::new(BTreeMap::new());
    let id = "0a000000-0000-4000-8000-000000000001";
    let record = |n: usize, kind: &str, content: &str| {
        let head = format!(r#""sessionId":"{id}","timestamp":"2026-01-01T00:00:01.000Z""#);
        let message = format!(r#"{{"role":"{kind}","id":"m{n}","content":[{content}]}}"#);
        let parent = if n == 0 { "null" } else { r#""u0""# };
        format!(
            "{{{head},\"uuid\":\"u{n}\",\"parentUuid\":{parent},\"type\":\"{kind}\",\"message\":{message}}}\n"
        )
    };
    let mut content = record(0, "assistant", r#"{"type":"tool_use","id":"t","name":"Read"}"#);
    for n in 1..=answers {
        content += &record(n, "user", r#"{"type":"tool_result","tool_use_id":"t","content":"x"}"#);
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("projects/-w")).unwrap();
    fs::write(root.join(format!("projects/-w/{id}.jsonl")), content).unwrap();
    let store = Store::open(folder.path().join("sessions.db")).unwrap();
    let conns = [store.connection().unwrap(), store.connection().unwrap()];
    for conn in &conns {
        let note = |event: TraceEvent<'_>| {
            if let TraceEvent::Profile(stmt, _) = event {
                let steps = i64::from(stmt.get_status(StatementStatus::VmStep));
                STEPS.lock().unwrap().insert(stmt.sql().into_owned(), steps);
            }
        };
        conn.trace_v2(TraceEventCodes::SQLITE_TRACE_PROFILE, Some(note));
    }
    drop(conns);
    store.import(&root, &ImportOptions::new()).unwrap();
    std::mem::take(&mut *STEPS.lock().unwrap()).into_values().sum()
}

#[test]
fn an_answer_of_a_call_takes_no_longer_for_those_before_it() {
    let [few, more, many] = [200, 400, 800].map(steps_of_answers);

    assert!(many - more < 3 * (more - few), "{few} {more} {many}");
}

#[test]
fn standings_are_read_again_only_when_somebody_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sessions.db");
    let [store, other] = [(); 2].map(|()| Store::open(&path).unwrap());
    let standings = || {
        let read = |conn: &Connection, memory: &Memory| memory.standings(conn, &[Index::Said]);
        store.read_remembering(read).unwrap()
    };

    let first = standings();
    assert!(Arc::ptr_eq(&first, &standings()));

    for writer in [&store, &other] {
        let before = standings();
        writer.create(&NewSession::new("/w")).unwrap();

        let after = standings();
        assert!(!Arc::ptr_eq(&before, &after));
        assert_eq!(after.behind().count(), before.behind().count() + 1);
        assert!(Arc::ptr_eq(&after, &standings()));
    }
}
