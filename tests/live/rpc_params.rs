//! What `sessile rpc` makes of parameters: none is ignored, none is guessed.

use serde_json::{Value, json};

use crate::rpc::{replies, reply, schema};
use crate::support::Fixture;

/// A value for a parameter, by its type.
fn value_of(param: &Value) -> Value {
    match param["type"].as_str().unwrap() {
        "integer" => json!(0),
        "boolean" => json!(true),
        "object" | "any" => json!({ "role": "user", "content": "x" }),
        "array" | "array of objects" => json!([{ "role": "user", "content": "x" }]),
        "array of strings" => json!(["{}"]),
        "time" => json!("2026-01-02T03:04:05Z"),
        _ => json!("x"),
    }
}

fn params(method: &Value) -> &[Value] {
    method["params"].as_array().unwrap()
}

fn has(method: &Value, name: &str) -> bool {
    params(method).iter().any(|param| param["name"] == name)
}

/// What a method requires, of this session.
fn required(method: &Value, session: &str) -> Value {
    let mut given = json!({});
    for param in params(method).iter().filter(|param| param["required"] == true) {
        let name = param["name"].as_str().unwrap();
        given[name] = if name == "session" { session.into() } else { value_of(param) };
    }
    given
}

fn error(reply: &Value) -> &str {
    reply["error"]["message"].as_str().unwrap_or_else(|| panic!("not refused: {reply}"))
}

/// A session of a format with a tree, in which a message is active.
fn session(fixture: &Fixture, format: &str) -> String {
    let made = reply(fixture, "create", &json!({ "format": format, "cwd": "/w" }));
    let id = made["result"]["session_id"].as_str().unwrap().to_owned();
    let message = json!({ "role": "user", "content": "first" });
    reply(fixture, "append_message", &json!({ "session": id, "message": message }));
    id
}

#[test]
fn whichever_method_takes_an_expected_leaf_writes_nothing_behind_another() {
    let fixture = Fixture::new();
    let guarded: Vec<Value> =
        schema().into_iter().filter(|method| has(method, "expect_leaf")).collect();
    assert!(!guarded.is_empty());
    for format in ["kward", "pi"] {
        let id = session(&fixture, format);
        let lines = fixture.session(&id).lines(0).unwrap();
        for method in &guarded {
            let name = method["method"].as_str().unwrap();
            if name == "append_entry" && format != "pi" {
                continue;
            }
            let mut given = required(method, &id);
            given["expect_leaf"] = "elsewhere".into();
            if name == "compact" {
                given["summary"] = "all".into();
            }

            let refused = reply(&fixture, name, &given);

            assert_eq!(refused["error"]["data"]["kind"], "LeafMoved", "{format}: {name}");
        }
        assert_eq!(fixture.session(&id).lines(0).unwrap(), lines);
    }
}

#[test]
fn lines_of_every_format_are_not_appended_behind_another_leaf() {
    let fixture = Fixture::new();
    let meta = json!({
        "timestamp": "2026-02-01T10:00:00.100Z",
        "type": "session_meta",
        "payload": {
            "id": "0199a000-0001-7000-8000-000000000001",
            "timestamp": "2026-02-01T10:00:00.000Z",
            "cwd": "/w", "originator": "o", "cli_version": "1", "source": "cli",
        },
    });
    for create in [
        json!({ "format": "codex", "record": meta }),
        json!({ "format": "claude", "cwd": "/w" }),
        json!({ "format": "kward", "cwd": "/w" }),
        json!({ "format": "pi", "cwd": "/w" }),
    ] {
        let made = reply(&fixture, "create", &create);
        let id = made["result"]["session_id"].as_str().unwrap();
        let lines = fixture.session(id).lines(0).unwrap();
        let given = json!({ "session": id, "lines": ["{}"], "expect_leaf": "elsewhere" });

        let refused = reply(&fixture, "append_lines", &given);

        assert_eq!(refused["error"]["data"]["kind"], "LeafMoved", "{create}");
        assert_eq!(fixture.session(id).lines(0).unwrap(), lines);
    }
}

#[test]
fn a_guard_is_refused_where_it_would_not_guard() {
    let fixture = Fixture::small();
    for method in schema().iter().filter(|method| !has(method, "expect_leaf")) {
        let name = method["method"].as_str().unwrap();
        let mut given = required(method, "edge-97");
        given["expect_leaf"] = "elsewhere".into();

        let refused = reply(&fixture, name, &given);

        assert!(error(&refused).contains("no parameter \"expect_leaf\""), "{name}: {refused}");
    }
    assert!(fixture.session("edge-97").info().unwrap().archived_at.is_none());
}

#[test]
fn parameters_that_contradict_each_other_are_refused() {
    let fixture = Fixture::new();
    let mut pairs = 0;
    for method in &schema() {
        let name = method["method"].as_str().unwrap();
        for param in params(method) {
            for other in param["not_with"].as_array().unwrap() {
                let (one, other) = (param["name"].as_str().unwrap(), other.as_str().unwrap());
                let mut given = required(method, "nobody");
                for param in
                    params(method).iter().filter(|of| of["name"] == one || of["name"] == other)
                {
                    given[param["name"].as_str().unwrap()] = value_of(param);
                }

                let refused = reply(&fixture, name, &given);

                let said = format!("{name} takes");
                assert!(error(&refused).starts_with(&said), "{refused}");
                assert!(error(&refused).ends_with("not both"), "{refused}");
                pairs += 1;
            }
        }
    }
    assert!(20 < pairs, "{pairs}");
}

#[test]
fn a_parameter_that_is_forgotten_destroys_nothing() {
    let fixture = Fixture::new();
    let id = session(&fixture, "kward");
    let leaf = fixture.session(&id).info().unwrap().leaf.unwrap();
    let lines = [
        ("rename", json!({ "name": "Kept" })),
        ("tag", json!({ "tag": "kept" })),
        ("append_label_change", json!({ "entry_id": leaf, "label": "kept" })),
    ];
    for (method, mut given) in lines {
        given["session"] = id.clone().into();
        assert!(reply(&fixture, method, &given).get("error").is_none(), "{method}");
    }

    for method in ["rename", "tag", "branch", "append_label_change"] {
        let given = match method {
            "append_label_change" => json!({ "session": id, "entry_id": leaf }),
            _ => json!({ "session": id }),
        };
        let refused = reply(&fixture, method, &given);
        assert!(error(&refused).ends_with(" is missing"), "{method}: {refused}");
    }

    let session = fixture.session(&id);
    assert_eq!(session.info().unwrap().title.as_deref(), Some("Kept"));
    assert_eq!(session.info().unwrap().leaf, Some(leaf));
    assert_eq!(session.tags().unwrap(), ["kept"]);
    assert_eq!(session.labels().unwrap().len(), 1);
    reply(&fixture, "rename", &json!({ "session": id, "name": null }));
    reply(&fixture, "clear_tags", &json!({ "session": id }));
    assert_eq!(session.info().unwrap().name, None);
    assert!(session.tags().unwrap().is_empty());
}

#[test]
fn only_what_is_in_the_trash_is_purged_unless_the_request_says_otherwise() {
    let fixture = Fixture::small();
    for (method, named) in [
        ("purge", json!({ "session": "edge-97" })),
        ("purge_all", json!({ "sessions": ["edge-97"] })),
    ] {
        let refused = reply(&fixture, method, &named);
        assert!(error(&refused).contains("is not in the trash"), "{refused}");
    }
    assert!(fixture.store.find("edge-97").is_ok());

    reply(&fixture, "purge", &json!({ "session": "edge-97", "force": true }));
    assert!(fixture.store.find("edge-97").is_err());
    reply(&fixture, "delete", &json!({ "session": "edge-01" }));
    reply(&fixture, "purge", &json!({ "session": "edge-01" }));
    assert!(fixture.store.find("edge-01").is_err());
}

#[test]
fn a_line_that_is_not_json_is_said_to_be_none() {
    let fixture = Fixture::new();
    let lines = ["hello", r#"{"method":7}"#].map(str::to_owned);

    let replies = replies(&fixture, &lines);

    assert!(error(&replies[0]).starts_with("the line is not JSON"), "{replies:?}");
    assert!(error(&replies[1]).starts_with("not a request"), "{replies:?}");
}
