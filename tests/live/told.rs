//! What is reported of messages, records and entries, in every format.

use serde_json::{Value, json};
use sessile::{Compaction, Error, Format, NewSession, Part, Session};

use crate::support::{Fixture, message};

fn new(fixture: &Fixture, format: Format) -> Session {
    fixture.store.create(&NewSession::new("/w").format(format)).unwrap()
}

/// The calls and results of a conversation, in order.
fn told(session: &Session) -> Vec<(String, String)> {
    let context = session.context().unwrap();
    let parts = context.iter().flat_map(sessile::Message::parts);
    parts
        .filter_map(|part| match part {
            Part::ToolCall(call) => Some((call.id, format!("{} {}", call.name, call.arguments))),
            Part::ToolResult { call_id, text } => Some((call_id, text)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_tool_loop_comes_back_with_ids_and_arguments() {
    let fixture = Fixture::new();
    let expected = [
        ("c1".to_owned(), r#"read {"path":"a","n":2}"#.to_owned()),
        ("c1".to_owned(), "Hello.".to_owned()),
    ];

    let kward = new(&fixture, Format::Kward);
    let call = r#"{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"read","arguments":"{\"path\":\"a\", \"n\":2}"}}]}"#;
    kward.append_message(call).unwrap();
    kward
        .append_message(r#"{"role":"tool","tool_call_id":"c1","name":"read","content":"Hello."}"#)
        .unwrap();
    assert_eq!(told(&kward), expected);
    assert_eq!(kward.context().unwrap()[1].text(), "Hello.");

    let pi = new(&fixture, Format::Pi);
    let call = r#"{"role":"assistant","content":[{"type":"toolCall","id":"c1","name":"read","arguments":{"path":"a","n":2}}]}"#;
    pi.append_message(call).unwrap();
    pi.append_message(
        r#"{"role":"toolResult","toolCallId":"c1","toolName":"read","content":"Hello."}"#,
    )
    .unwrap();
    assert_eq!(told(&pi), expected);
}

#[test]
fn arguments_that_are_cut_or_missing_are_json_all_the_same() {
    let fixture = Fixture::new();
    let session = new(&fixture, Format::Kward);
    for arguments in [json!("{\"path\": \"a"), json!(""), Value::Null] {
        let call = json!({"id": "c", "function": {"name": "read", "arguments": arguments}});
        session
            .append_message(json!({"role": "assistant", "content": null, "tool_calls": [call]}))
            .unwrap();
    }

    let arguments: Vec<String> =
        told(&session).into_iter().map(|(_, call)| call["read ".len()..].to_owned()).collect();

    assert_eq!(arguments, [r#""{\"path\": \"a""#, "{}", "{}"]);
}

#[test]
fn what_a_compaction_keeps_is_there_or_it_is_refused() {
    for format in [Format::Kward, Format::Pi] {
        let fixture = Fixture::new();
        let session = new(&fixture, format);
        let say =
            |text: &str| session.append_message(json!({"role": "user", "content": text})).unwrap();
        let first = say("one");
        let left = say("aside");
        session.branch(&first).unwrap();
        let kept = say("two");
        let before = fixture.lines(&session);

        for elsewhere in ["nowhere", left.as_str()] {
            let refused = session.compact(&Compaction::new("S").keep_from(elsewhere));
            let Err(Error::InvalidRecord(reason)) = refused else { panic!("{refused:?}") };
            assert!(reason.contains(elsewhere), "{reason}");
        }
        for without in [r#"{"role":"compactionSummary"}"#, "{}"] {
            let refused = session.append_compaction(without);
            let Err(Error::InvalidRecord(reason)) = refused else { panic!("{refused:?}") };
            assert!(reason.contains("summary, first"), "{reason}");
        }
        assert_eq!(fixture.lines(&session), before);

        let details = json!({"read_files": ["a"]});
        session
            .compact(&Compaction::new("S").keep_from(&kept).tokens_before(7).details(details))
            .unwrap();

        let texts: Vec<String> =
            session.context().unwrap().iter().map(sessile::Message::text).collect();
        assert_eq!(texts, ["S", "two"]);
        let line: Value = serde_json::from_str(fixture.lines(&session).last().unwrap()).unwrap();
        let said = if format == Format::Pi { &line } else { &line["message"] };
        assert_eq!(said["details"], json!({"read_files": ["a"]}));
        session.compact(&Compaction::new("All.")).unwrap();
        assert_eq!(session.context().unwrap().len(), 1);
        fixture.check();
    }
}

#[test]
fn records_beside_the_tree_are_read_back() {
    let fixture = Fixture::new();
    let session = new(&fixture, Format::Kward);
    let kward = session.kward().unwrap();
    assert_eq!(kward.system_prompts().unwrap(), []);
    assert_eq!(kward.memory().unwrap().memories, "[]");

    kward.append_system_prompt_snapshot("Be kind.", "attach").unwrap();
    let last = kward.append_system_prompt_snapshot("Be brief.", "changed").unwrap();
    kward.update_memory_state("[1.50]", json!({"at": 1})).unwrap();
    kward.update_memory_state("[2.50]", "null").unwrap();

    let prompts = kward.system_prompts().unwrap();
    let told: Vec<(&str, &str)> =
        prompts.iter().map(|prompt| (&prompt.content[..], &prompt.reason[..])).collect();
    assert_eq!(told, [("Be kind.", "attach"), ("Be brief.", "changed")]);
    assert_eq!(prompts[1].hash, last.hash);
    assert!(prompts[1].created_at.is_some());
    let memory = kward.memory().unwrap();
    assert_eq!((&memory.memories[..], &memory.last_retrieval[..]), ("[2.50]", "null"));
}

#[test]
fn what_is_said_on_a_branch_is_read_without_going_there() {
    let fixture = Fixture::new();
    let session = fixture.create("s");
    session.append_message(message("user", "one", "a")).unwrap();
    session.append_message(message("assistant", "yes", "b")).unwrap();
    session.compact(&Compaction::new("S").keep_from("b")).unwrap();
    session.branch("a").unwrap();
    session.append_message(message("assistant", "no", "c")).unwrap();

    let said = |id: &str| -> Vec<String> {
        session.context_at(id).unwrap().iter().map(sessile::Message::text).collect()
    };
    assert_eq!(said("c"), ["one", "no"]);
    assert_eq!(said("b"), ["one", "yes"]);
    let end = &session.abandoned().unwrap()[0];
    assert_eq!(said(&end.id), ["S", "yes"]);
    assert_eq!(session.text_of(&end.id).unwrap(), "S");
    assert_eq!(session.text_of("c").unwrap(), "no");
    assert_eq!(session.messages_of("c").unwrap(), session.context().unwrap()[1..]);
    assert!(session.context_at("x").unwrap_err().is_not_found());
    assert!(session.text_of("x").unwrap_err().is_not_found());
    assert_eq!(session.find_entry("c").unwrap().parent_id.as_deref(), Some("a"));
}
