//! What is written here can be opened by its program: every writing method, checked
//! by the rules of the session's program.

use std::collections::HashSet;

use serde_json::{Value, json};
use sessile::{Error, ExportOptions, Format, ImportOptions, NewSession, RuntimeUpdate, Session};

use crate::support::{Fixture, at};

fn new(fixture: &Fixture, format: Format) -> Session {
    let new = NewSession::new("/w").format(format).session_id("one").at(at(0));
    fixture.store.create(&new).unwrap().at(at(1))
}

fn records(fixture: &Fixture, session: &Session) -> Vec<Value> {
    let lines = fixture.lines(session);
    assert!(lines.iter().all(|line| line.ends_with('\n')));
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Opens a session as pi does: its loader, its list, its context and its footer.
#[track_caller]
fn open_with_pi(records: &[Value]) -> f64 {
    let header = &records[0];
    assert_eq!((&header["type"], &header["version"]), (&json!("session"), &json!(3)));
    assert!(
        header["id"].is_string() && header["timestamp"].is_string() && header["cwd"].is_string()
    );
    let mut ids = HashSet::new();
    let mut cost = 0.0;
    for record in &records[1..] {
        let text = |key: &str| assert!(record[key].is_string(), "{key} of {record}");
        ["type", "id", "timestamp"].into_iter().for_each(text);
        assert!(record["parentId"].is_null() || ids.contains(record["parentId"].as_str().unwrap()));
        assert!(ids.insert(record["id"].as_str().unwrap()), "{record}");
        match record["type"].as_str().unwrap() {
            "message" => cost += show_in_pi(&record["message"]),
            "compaction" => {
                text("summary");
                assert!(record["tokensBefore"].is_number(), "{record}");
            }
            "branch_summary" => ["fromId", "summary"].into_iter().for_each(text),
            "label" => {
                assert!(ids.contains(record["targetId"].as_str().unwrap()), "{record}");
                assert!(record.get("label").is_none_or(Value::is_string), "{record}");
            }
            "session_info" => text("name"),
            "model_change" => ["provider", "modelId"].into_iter().for_each(text),
            "thinking_level_change" => text("thinkingLevel"),
            "custom_message" => text("customType"),
            _ => {}
        }
    }
    cost
}

/// What pi reads of a message without asking; returns what the footer adds up.
#[track_caller]
fn show_in_pi(message: &Value) -> f64 {
    let is_text = |key: &str| message[key].is_string();
    assert!(message["timestamp"].is_number(), "{message}");
    let has_blocks = message["content"]
        .as_array()
        .is_some_and(|blocks| blocks.iter().all(|block| block["type"].is_string()));
    match message["role"].as_str().unwrap() {
        "user" | "custom" => assert!(has_blocks || is_text("content"), "{message}"),
        "assistant" => {
            assert!(has_blocks, "{message}");
            for key in ["api", "provider", "model", "stopReason"] {
                assert!(is_text(key), "{message}");
            }
            let usage = &message["usage"];
            for key in ["input", "output", "cacheRead", "cacheWrite"] {
                assert!(usage[key].is_number(), "{message}");
            }
            return usage["cost"]["total"].as_f64().unwrap();
        }
        "toolResult" => {
            assert!(has_blocks && message["isError"].is_boolean(), "{message}");
            assert!(is_text("toolCallId") && is_text("toolName"), "{message}");
        }
        "bashExecution" => assert!(is_text("command") && is_text("output"), "{message}"),
        role => panic!("pi shows no {role}"),
    }
    0.0
}

#[test]
fn pi_opens_what_every_method_writes() {
    let fixture = Fixture::new();
    let session = new(&fixture, Format::Pi);
    let say = |message: Value| session.append_message(message.to_string()).unwrap();

    session.append_message(r#"{"role":"assistant","content":"before any model"}"#).unwrap();
    let settings =
        RuntimeUpdate { provider: Some("p"), model: Some("m"), reasoning_effort: Some("high") };
    session.update_runtime(settings).unwrap();
    let question = say(json!({"role": "user", "content": "why?"}));
    say(json!({"role": "assistant", "content": "so", "api": "x"}));
    say(json!({"role": "assistant", "content": [{"type": "text", "text": "and so"}]}));
    say(json!({"role": "assistant", "content": [], "usage": {"cost": {"total": 0.5}}}));
    say(json!({"role": "toolResult", "toolCallId": "t", "toolName": "n", "content": "done"}));
    say(json!({"role": "bashExecution", "command": "ls", "output": ""}));
    say(json!({"role": "custom", "customType": "x", "content": "c"}));
    session.append_label_change(&question, Some("start")).unwrap();
    session.append_label_change(&question, None).unwrap();
    session.rename(Some("two\nlines")).unwrap();
    session.rename(None).unwrap();
    session.append_branch_summary(Some(&question), None, None, "null").unwrap();
    session.append_compaction(r#"{"summary":"all of it"}"#).unwrap();
    session
        .pi()
        .unwrap()
        .append_entry("message", r#"{"message":{"role":"assistant","content":"raw"}}"#)
        .unwrap();
    session
        .pi()
        .unwrap()
        .append_entry("custom_message", r#"{"customType":"x","content":"c"}"#)
        .unwrap();

    assert_eq!(open_with_pi(&records(&fixture, &session)), 0.5);
    let copies = [
        session.clone_session().unwrap(),
        session.fork(&question).unwrap().session,
        session.fork_branch().unwrap(),
    ];
    for copy in &copies {
        open_with_pi(&records(&fixture, copy));
    }
}

#[test]
fn an_answer_for_pi_comes_from_the_model_that_the_session_talks_to() {
    let fixture = Fixture::new();
    let session = new(&fixture, Format::Pi);
    let settings = RuntimeUpdate { provider: Some("p"), model: Some("m"), reasoning_effort: None };
    let answer = |text: &str, api: &str| {
        let message = format!("{{\"role\":\"assistant\",\"content\":\"{text}\"{api}}}");
        session.append_message(&message).unwrap();
        let message = records(&fixture, &session).pop().unwrap()["message"].take();
        ["api", "provider", "model"].map(|key| message[key].as_str().unwrap().to_owned())
    };

    assert_eq!(answer("one", ""), ["unknown", "unknown", "unknown"]);
    session.update_runtime(settings).unwrap();
    assert_eq!(answer("two", ",\"api\":\"x\""), ["x", "p", "m"]);
    assert_eq!(answer("three", ""), ["x", "p", "m"]);
    session
        .append_message(r#"{"role":"assistant","content":[],"provider":"q","model":"o"}"#)
        .unwrap();
    assert_eq!(answer("four", ""), ["x", "q", "o"]);
}

#[test]
fn what_pi_could_not_open_is_refused_and_writes_nothing() {
    let fixture = Fixture::new();
    let session = new(&fixture, Format::Pi);

    for refused in [
        session.append_message(r#"{"role":"user","content":null}"#),
        session.append_message(r#"{"role":"assistant","content":7}"#),
        session.append_message(r#"{"role":"assistant","content":"x","usage":{"input":"7"}}"#),
        session.pi().unwrap().append_entry("message", r#"{"message":null}"#),
        session.pi().unwrap().append_entry("session_info", r#"{"name":["x"]}"#),
        session.append_compaction(r#"{"firstKeptEntryId":"a"}"#),
    ] {
        let Err(Error::InvalidRecord(reason)) = refused else { panic!("{refused:?}") };
        assert!(reason.contains("pi could not open the session"), "{reason}");
    }
    assert_eq!(records(&fixture, &session).len(), 1);
}

/// Reads a session as Kward's `load` does: what would raise there fails here.
#[track_caller]
fn open_with_kward(records: &[Value]) {
    assert!(records[0]["id"].as_str().is_some_and(|id| !id.is_empty()));
    let mut ids = HashSet::new();
    for record in records {
        assert!(record["timestamp"].is_string(), "{record}");
        match record["type"].as_str().unwrap() {
            "session" => assert_eq!(record["version"], 2),
            "message" | "compaction" => {
                assert_eq!(record["message"]["id"], record["id"], "{record}");
                assert!(ids.insert(record["id"].clone()), "{record}");
            }
            "branch_summary" => {
                assert!(record["details"].is_object() && ids.insert(record["id"].clone()));
            }
            "leaf" => {
                assert!(record["targetId"].is_null() || ids.contains(&record["targetId"]));
            }
            "label" => assert!(record["label"].is_null() || record["label"].is_string()),
            "session_info" => {
                assert!(record.get("name").is_none_or(|name| name.is_null() || name.is_string()));
            }
            "memory_state" => assert!(record["sessionMemories"].is_array(), "{record}"),
            "system_prompt" => assert!(record["hash"].as_str().unwrap().starts_with("sha256:")),
            "tool_execution_end" => {
                assert!(record["args"].is_object() && record["result"]["content"].is_string());
            }
            record_type => panic!("Kward writes no {record_type}"),
        }
        // The parent of a header is another session.
        if let Some(parent) = record.get("parentId").filter(|_| record["type"] != "session") {
            assert!(ids.contains(parent), "{record}");
        }
    }
}

#[test]
fn kward_opens_what_every_method_writes() {
    let fixture = Fixture::new();
    let session = new(&fixture, Format::Kward);
    let question = session.append_message(r#"{"role":"user","content":"why?"}"#).unwrap();
    session.append_message(r#"{"role":"assistant","content":"so"}"#).unwrap();
    session.append_message(r#"{"role":"assistant","content":null,"id":null}"#).unwrap();
    session.kward().unwrap().append_tool_execution("{}", "done").unwrap();
    session
        .kward()
        .unwrap()
        .append_tool_execution(r#"{"id":1,"function":{"arguments":"["}}"#, "")
        .unwrap();
    session.kward().unwrap().append_system_prompt_snapshot("be kind", "attach").unwrap();
    session.append_label_change(&question, Some("start")).unwrap();
    session.append_label_change(&question, None).unwrap();
    session.rename(Some("named")).unwrap();
    session.rename(None).unwrap();
    session.update_runtime(RuntimeUpdate { model: Some("m"), ..Default::default() }).unwrap();
    session.kward().unwrap().update_memory_state("7", "null").unwrap();
    session.branch(&question).unwrap();
    session.append_branch_summary(Some(&question), None, None, "null").unwrap();
    session.reset_leaf().unwrap();
    session.append_message(r#"{"role":"user","content":"anew"}"#).unwrap();
    session.append_compaction(r#"{"role":"compactionSummary","summary":"s"}"#).unwrap();

    open_with_kward(&records(&fixture, &session));
    let copies = [
        session.clone_session().unwrap(),
        session.fork(&question).unwrap().session,
        session.fork_branch().unwrap(),
    ];
    for copy in &copies {
        open_with_kward(&records(&fixture, copy));
    }
}

/// Reads `state.json` as Kimi's model does: a value of another type and all of it is lost.
#[track_caller]
fn open_with_kimi(state: &Value) {
    let is_number = |value: &Value| value.is_null() || value.is_number();
    assert!(state["custom_title"].is_null() || state["custom_title"].is_string(), "{state}");
    assert!(state["archived"].is_boolean() && is_number(&state["archived_at"]), "{state}");
    assert!(state["title_generated"].is_boolean(), "{state}");
    assert!(state["title_generate_attempts"].is_u64(), "{state}");
    assert!(is_number(&state["wire_mtime"]), "{state}");
    for list in ["todos", "additional_dirs"] {
        assert!(state[list].is_array(), "{state}");
    }
}

#[test]
fn kimi_opens_what_every_method_writes() {
    let fixture = Fixture::new();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/kimi/small");
    fixture.store.import(root, &ImportOptions::new()).unwrap();
    let session = fixture.session("1111");
    let state = |session: &Session| -> Value {
        let out = tempfile::tempdir().unwrap();
        let options = ExportOptions::new().session(session.key());
        fixture.store.export(&out.path().join("out"), &options).unwrap();
        let folder = session.info().unwrap().file;
        let path = out.path().join("out").join(folder).join("state.json");
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };

    session.rename(Some("named")).unwrap();
    open_with_kimi(&state(&session));
    session.at(at(5)).archive().unwrap();
    open_with_kimi(&state(&session));
    session.at(at(6)).unarchive().unwrap();
    session.rename(None).unwrap();
    open_with_kimi(&state(&session));
    open_with_kimi(&state(&session.kimi().unwrap().fork_at_turn(0).unwrap().session));
    open_with_kimi(&state(&session.fork_branch().unwrap()));
    for refused in [session.append_message("{}"), session.append_compaction("{}")] {
        assert!(matches!(refused, Err(Error::Unsupported(_))), "{refused:?}");
    }
}
