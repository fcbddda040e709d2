//! A conversation type without knowledge of storage.

use sessile::{Recorder, RuntimeUpdate};

use crate::support::{Fixture, message};

/// Everything that can happen to a conversation.
fn converse(recorder: &mut dyn Recorder) {
    recorder.message(message("user", "one", "a").into()).unwrap();
    recorder.tool_execution(r#"{"id":"t","function":{"name":"bash"}}"#.into(), "ok").unwrap();
    recorder.runtime(RuntimeUpdate { model: Some("m"), ..Default::default() }).unwrap();
    recorder.system_message("be brief").unwrap();
    recorder.compaction(r#"{"role":"compactionSummary","summary":"S","id":"k"}"#.into()).unwrap();
}

#[test]
fn an_attached_session_records_what_happens() {
    let fixture = Fixture::new();
    let session = fixture.create("s");
    let mut recorder = session.attach("be kind").unwrap();

    converse(&mut recorder);

    let lines = fixture.lines(&session);
    let kinds: Vec<&str> = lines[1..].iter().map(|line| line.split('"').nth(3).unwrap()).collect();
    let expected = [
        "system_prompt",
        "message",
        "tool_execution_end",
        "session_info",
        "system_prompt",
        "compaction",
    ];
    assert_eq!(kinds, expected);
    assert!(lines[1].contains(r#""reason":"attach""#), "{}", lines[1]);
    assert!(lines[5].contains(r#""reason":"changed""#), "{}", lines[5]);
    fixture.check();
}

#[test]
fn a_format_without_such_records_has_the_messages() {
    let fixture = Fixture::new();
    let new = sessile::NewSession::new("/w").format(sessile::Format::Pi);
    let session = fixture.store.create(&new).unwrap();
    let mut recorder = session.attach("be kind").unwrap();

    recorder.message(r#"{"role":"user","content":"one"}"#.into()).unwrap();
    recorder.tool_execution(r#"{"id":"t","function":{"name":"bash"}}"#.into(), "ok").unwrap();
    recorder.system_message("be brief").unwrap();

    assert_eq!(fixture.lines(&session).len(), 2);
}

#[test]
fn attaching_again_with_the_same_prompt_writes_nothing() {
    let fixture = Fixture::new();
    let session = fixture.create("s");
    let _first = session.attach("be kind").unwrap();
    let before = fixture.lines(&session);

    let _again = session.attach("be kind").unwrap();
    let _silent = session.attach("").unwrap();

    assert_eq!(fixture.lines(&session), before);
}
