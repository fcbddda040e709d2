//! Sessions made of messages at once.

use sessile::{Error, NewSession, SessionFilter};

use crate::support::{Fixture, at, message};

#[test]
fn messages_become_one_chain_that_keeps_their_ids_and_spelling() {
    let fixture = Fixture::new();
    let odd = r#"{"id":"b","role":"assistant","content":"x","cost":1.50}"#;
    let messages = [&message("system", "rules", "s"), &message("user", "one", "a"), odd];

    let new = NewSession::new("/w").session_id("new").at(at(0));
    let session = fixture.store.create_with_messages(&new, &messages).unwrap();

    assert_eq!(fixture.path_ids(session.key()), ["a", "b"]);
    let lines = fixture.lines(&session);
    assert_eq!(lines.len(), 3);
    assert_eq!(
        lines[2],
        format!(
            "{{\"type\":\"message\",\"id\":\"b\",\"parentId\":\"a\",\
             \"timestamp\":\"2026-01-01T00:00:00.000Z\",\"message\":{odd}}}\n"
        )
    );
    fixture.check();
}

#[test]
fn one_message_that_is_refused_leaves_no_session() {
    let fixture = Fixture::new();
    let twice = message("user", "one", "a");

    let same_id = fixture.store.create_with_messages(&NewSession::new("/w"), &[&twice, &twice]);
    let no_object = fixture.store.create_with_messages(&NewSession::new("/w"), &["[]"]);

    assert!(matches!(same_id, Err(Error::EntryExists { .. })));
    assert!(matches!(no_object, Err(Error::InvalidRecord(_))));
    assert!(fixture.store.sessions(&SessionFilter::new()).unwrap().rows.is_empty());
    fixture.check();
}
