//! `sessile rpc` by its table of methods.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Fixture, SMALL};

fn schema() -> Vec<Value> {
    let output =
        Command::new(env!("CARGO_BIN_EXE_sessile")).args(["rpc", "--schema"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The reply to each line, from one process.
fn replies(fixture: &Fixture, lines: &[String]) -> Vec<Value> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sessile"))
        .arg("rpc")
        .arg("--db")
        .arg(fixture.store.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.join("\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let replies = String::from_utf8(output.stdout).unwrap();
    replies.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn request(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": method, "method": method, "params": params }).to_string()
}

/// The reply to one request.
fn reply(fixture: &Fixture, method: &str, params: &Value) -> Value {
    replies(fixture, &[request(method, params)]).remove(0)
}

/// The methods as the documentation lists them.
fn rendered() -> String {
    let mut text = String::new();
    for method in schema() {
        let part = |name: &str| method[name].as_str().unwrap().to_owned();
        writeln!(text, "\n### `{}`\n\n{}\n", part("method"), part("about")).unwrap();
        for param in method["params"].as_array().unwrap() {
            let part = |name: &str| param[name].as_str().unwrap();
            let needed = if param["required"] == true { "" } else { ", optional" };
            let about = if part("about").is_empty() { "" } else { ": " };
            let (name, kind) = (part("name"), part("type"));
            writeln!(text, "- `{name}` ({kind}{needed}){about}{}", part("about")).unwrap();
        }
        if !method["params"].as_array().unwrap().is_empty() {
            text.push('\n');
        }
        writeln!(text, "Result: {}.", part("result")).unwrap();
    }
    text
}

/// `SESSILE_WRITE_DOCS=1` writes the list anew.
#[test]
fn the_documentation_lists_the_methods_that_there_are() {
    let document = std::fs::read_to_string("docs/rpc.md").unwrap();
    let (intro, listed) = document.split_once("\n## Methods\n").unwrap();
    let rendered = rendered();

    if std::env::var_os("SESSILE_WRITE_DOCS").is_some() {
        std::fs::write("docs/rpc.md", format!("{intro}\n## Methods\n{rendered}")).unwrap();
        return eprintln!("skipped: docs/rpc.md was written anew");
    }
    assert_eq!(listed, rendered, "docs/rpc.md is out of date: run this with SESSILE_WRITE_DOCS=1");
}

#[test]
fn a_parameter_that_is_not_known_is_refused_and_nothing_is_written() {
    let fixture = Fixture::small();
    let message = json!({ "role": "user", "content": "x" });
    let params = json!({ "session": "edge-97", "message": message, "expect_laef": "no" });

    let refused = reply(&fixture, "append_message", &params);

    assert_eq!(refused["error"]["code"], -32602);
    let said = refused["error"]["message"].as_str().unwrap();
    assert!(said.contains("no parameter \"expect_laef\"; it takes session, at"), "{said}");
    let context = fixture.session("edge-97").context().unwrap();
    assert!(context.iter().all(|message| message.text() != "x"));
}

#[test]
fn what_a_method_requires_it_refuses_to_do_without() {
    let fixture = Fixture::small();
    for method in schema() {
        let name = method["method"].as_str().unwrap();
        let needs = |param: &&Value| param["required"] == true;
        let Some(missing) = method["params"].as_array().unwrap().iter().find(needs) else {
            continue;
        };

        let refused = reply(&fixture, name, &json!({}));

        let said = refused["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(refused["error"]["code"], -32602, "{name}: {refused}");
        assert!(said.contains(" is missing"), "{name} without {missing}: {said}");
    }
}

#[test]
fn the_requests_of_a_batch_are_answered_in_order_and_each_by_itself() {
    let fixture = Fixture::small();
    let batch = format!(
        "[{}, {}, 7, {}, {}]",
        request("tag", &json!({ "session": "edge-97", "tag": "one" })),
        request("info", &json!({ "session": "nobody" })),
        json!({ "method": "tag", "params": { "session": "edge-97", "tag": "two" } }),
        request("tags", &json!({ "session": "edge-97" })),
    );

    let answered = replies(&fixture, &[batch, "[]".to_owned(), "[1,".to_owned()]);

    let batch = answered[0].as_array().unwrap();
    assert_eq!(batch.len(), 4, "{batch:?}");
    assert_eq!(batch[0]["result"], Value::Null);
    assert_eq!(batch[1]["error"]["data"]["kind"], "SessionNotFound");
    assert_eq!(batch[2]["error"]["code"], -32600);
    assert_eq!(batch[3]["result"], json!(["one", "two"]));
    assert_eq!(answered[1]["error"]["code"], -32600);
    assert_eq!(answered[2]["error"]["code"], -32700);
}

#[test]
fn a_root_is_imported_and_listed_by_requests() {
    let fixture = Fixture::new();
    let root = json!({ "root": SMALL });

    let dry = reply(&fixture, "import", &json!({ "root": SMALL, "dry_run": true }));
    let imported = reply(&fixture, "import", &root);
    let again = reply(&fixture, "import", &root);
    let roots = reply(&fixture, "roots", &json!({}));
    let missing = reply(&fixture, "import", &json!({ "root": "/no/such/root" }));

    assert_eq!(dry["result"]["new"], imported["result"]["new"]);
    assert_eq!(imported["result"]["sessions"], 9);
    assert_eq!((&again["result"]["new"], &again["result"]["lines"]), (&0.into(), &0.into()));
    assert_eq!(roots["result"][0]["format"], "kward");
    assert_eq!(missing["error"]["data"]["kind"], "RootNotFound");
}

#[test]
fn labels_and_leaves_are_given_as_the_library_has_them() {
    let fixture = Fixture::small();
    let session = fixture.session("edge-97");
    let leaf = session.leaves().unwrap()[0].id.to_string();
    session.append_label_change(&leaf, Some("here")).unwrap();

    let labels = reply(&fixture, "labels", &json!({ "session": "edge-97" }));
    let leaves = reply(&fixture, "leaves", &json!({ "session": "edge-97" }));

    let last = labels["result"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["entry_id"], &last["label"]), (&leaf.clone().into(), &"here".into()));
    assert_eq!(leaves["result"][0]["id"], leaf);
}

#[test]
fn lines_are_given_and_taken_as_they_are() {
    let fixture = Fixture::new();
    let id = "0c000000-0000-4000-8000-00000000000c";
    let line = r#"{"type":"user", "uuid":"a","message":{"role":"user","content":"x"}}"#;
    let made = reply(&fixture, "create", &json!({ "format": "claude", "id": id, "cwd": "/w" }));
    assert_eq!(made["result"]["session_id"], id);

    let lines = json!({ "session": id, "lines": [line, line, "{}"] });
    assert_eq!(reply(&fixture, "append_lines", &lines)["result"]["lines"], json!([1, 1, 2]));
    let given = reply(&fixture, "lines", &json!({ "session": id }));
    assert_eq!(given["result"], json!([format!("{line}\n"), "{}\n"]));
    let rest = reply(&fixture, "lines", &json!({ "session": id, "after": 1 }));
    assert_eq!(rest["result"], json!(["{}\n"]));
    let refused = reply(&fixture, "append_lines", &json!({ "session": id, "lines": ["{}", "no"] }));
    assert_eq!(refused["error"]["data"]["kind"], "InvalidRecord");
    let said = refused["error"]["message"].as_str().unwrap();
    assert!(said.contains("line 2"), "{said}");
}

#[test]
fn messages_go_in_at_once_and_the_last_is_taken_back() {
    let fixture = Fixture::new();
    fixture.create("s");
    let messages = [("user", "one"), ("assistant", "two")]
        .map(|(role, text)| json!({ "role": role, "content": text, "id": text }));

    let added =
        reply(&fixture, "append_messages", &json!({ "session": "s", "messages": messages }));
    let popped = reply(&fixture, "pop_message", &json!({ "session": "s" }));

    assert_eq!(added["result"]["entry_ids"], json!(["one", "two"]));
    assert_eq!(popped["result"]["message"], messages[1]);
    assert_eq!(fixture.session("s").context().unwrap().len(), 1);
}
