//! How many steps what is done takes beside many others of its kind: counts, which no load of a machine moves.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::StatementStatus;
use rusqlite::trace::{TraceEvent, TraceEventCodes};

use crate::{Format, NewSession, Session, Store, Timestamp};

thread_local! {
    /// Those of each statement of this thread so far.
    static STEPS: RefCell<BTreeMap<String, i64>> = const { RefCell::new(BTreeMap::new()) };
}

/// Steps of SQLite that `work` takes, on connections whose counters begin with it.
fn steps(folder: &Path, work: impl FnOnce(&Store)) -> i64 {
    let store = Store::open(folder.join("sessions.db")).unwrap();
    let conns = [store.connection().unwrap(), store.connection().unwrap()];
    for conn in &conns {
        let note = |event: TraceEvent<'_>| {
            if let TraceEvent::Profile(stmt, _) = event {
                let steps = i64::from(stmt.get_status(StatementStatus::VmStep));
                STEPS.with_borrow_mut(|all| all.insert(stmt.sql().into_owned(), steps));
            }
        };
        conn.trace_v2(TraceEventCodes::SQLITE_TRACE_PROFILE, Some(note));
    }
    drop(conns);
    STEPS.take();
    work(&store);
    STEPS.take().into_values().sum()
}

/// Steps of `work` on a session with so many events; `None` if sessions of its format
/// are not made and written like this.
fn beside_events(
    events: usize,
    new: &NewSession,
    work: impl FnOnce(&Store, &Session),
) -> Option<i64> {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("sessions.db")).unwrap();
    let session = store.create(new).ok()?;
    session.append_message(r#"{"role":"user","content":"text"}"#).ok()?;
    let values = (0..events).map(|n| (format!("key {n}"), "1"));
    session.set_all_metadata(values).unwrap();
    Some(steps(folder.path(), |store| work(store, &store.session(session.key()).unwrap())))
}

#[test]
fn a_decision_takes_no_longer_for_the_metadata_of_its_session() {
    type Work = fn(&Store, &Session);
    let works: [(&str, Work); 6] = [
        ("archive", |_, session| session.archive().unwrap()),
        ("unarchive", |_, session| session.unarchive().unwrap()),
        ("trash", |_, session| session.trash().unwrap()),
        ("restore", |_, session| session.restore().unwrap()),
        ("remember", |_, session| session.remember().unwrap()),
        ("relink", |store, _| {
            assert_eq!(store.relink("/w", "/v", Timestamp(0)).unwrap(), 1);
        }),
    ];
    for (name, work) in works {
        let new = NewSession::new("/w");
        let [few, many] = [10, 1_010].map(|events| beside_events(events, &new, work).unwrap());

        assert!(0 < few && many - few < 500, "{name}: {few} {many}");
    }
}

#[test]
fn an_append_takes_no_longer_for_the_metadata_of_its_session() {
    let append = |_: &Store, session: &Session| {
        session.append_message(r#"{"role":"user","content":"more"}"#).unwrap();
    };
    let mut tried = 0;
    for format in Format::ALL {
        let new = NewSession::new("/w").format(*format);
        let [few, many] = [10, 1_010].map(|events| beside_events(events, &new, append));
        let (Some(few), Some(many)) = (few, many) else { continue };

        assert!(0 < few && many - few < 500, "{format:?}: {few} {many}");
        tried += 1;
    }
    assert!(3 <= tried, "{tried}");
}

/// Steps of an append to a sub-agent of an answer whose call's id so many answered calls have.
fn beside_calls(calls: usize) -> i64 {
    let id = "0a000000-0000-4000-8000-000000000001";
    let record = |n: usize, kind: &str, content: &str| {
        let head = format!(
            r#""sessionId":"{id}","isSidechain":true,"agentId":"a1","timestamp":"2026-01-01T00:00:01.000Z""#
        );
        let message = format!(r#"{{"role":"{kind}","id":"m{n}","content":[{content}]}}"#);
        let parent = n.checked_sub(1).map_or("null".to_owned(), |n| format!(r#""u{n}""#));
        format!(
            r#"{{{head},"uuid":"u{n}","parentUuid":{parent},"type":"{kind}","message":{message}}}"#
        )
    };
    let answer = r#"{"type":"tool_result","tool_use_id":"t","content":"x"}"#;
    let turns = (0..calls).flat_map(|n| {
        let call = r#"{"type":"tool_use","id":"t","name":"Read"}"#;
        [record(2 * n, "assistant", call), record(2 * n + 1, "user", answer)]
    });
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("sessions.db")).unwrap();
    let path = format!("projects/-w/{id}/subagents/agent-a1.jsonl");
    let turns: Vec<String> = turns.collect();
    // The format that has such a file.
    let made = Format::ALL.iter().find_map(|format| {
        store.create_with_lines(&NewSession::in_file(*format, &path), &turns).ok()
    });
    let session = made.unwrap();
    let known = "SELECT count(*) FROM tool_executions WHERE result_key IS NOT NULL";
    let known: i64 = store.connection().unwrap().query_row(known, [], |row| row.get(0)).unwrap();
    assert_eq!(known, calls as i64);
    let further = record(2 * calls, "user", answer);
    steps(folder.path(), |store| {
        store.session(session.key()).unwrap().append_lines([further]).unwrap();
    })
}

#[test]
fn an_answer_takes_no_longer_for_the_answered_calls_of_its_id() {
    let [few, many] = [20, 320].map(beside_calls);

    assert!(0 < few && many - few < 500, "{few} {many}");
}
