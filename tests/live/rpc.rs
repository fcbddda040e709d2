//! `sessile rpc`, method by method from its table.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Fixture, SMALL};

pub(crate) fn schema() -> Vec<Value> {
    let output =
        Command::new(env!("CARGO_BIN_EXE_sessile")).args(["rpc", "--schema"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The reply to each line, from one process.
pub(crate) fn replies(fixture: &Fixture, lines: &[String]) -> Vec<Value> {
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
pub(crate) fn reply(fixture: &Fixture, method: &str, params: &Value) -> Value {
    replies(fixture, &[request(method, params)]).remove(0)
}

/// How a parameter is described, with its type.
fn described(param: &Value) -> String {
    let part = |name: &str| param[name].as_str().unwrap();
    let needed = if param["required"] == true { "" } else { ", optional" };
    let apart = param["not_with"].as_array().unwrap().iter();
    let apart: Vec<String> = apart.map(|name| format!("`{}`", name.as_str().unwrap())).collect();
    let about = match (part("about"), &apart[..]) {
        (about, []) => about.to_owned(),
        ("", apart) => format!("not with {}", apart.join(", ")),
        (about, apart) => format!("{about}; not with {}", apart.join(", ")),
    };
    let about = if about.is_empty() { about } else { format!(": {about}") };
    format!("- `{}` ({}{needed}){about}", part("name"), part("type"))
}

/// From how many methods on a parameter is described once for all of them.
const COMMON: usize = 4;

/// The methods as the documentation lists them, behind the parameters that several of
/// them have in common.
fn rendered() -> String {
    let methods = schema();
    let params = |method: &Value| method["params"].as_array().unwrap().clone();
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for param in methods.iter().flat_map(params) {
        *times.entry(described(&param)).or_default() += 1;
    }
    let common: Vec<&String> = times.iter().filter(|(_, n)| COMMON <= **n).map(|of| of.0).collect();
    let mut text = String::from(
        "\nMany methods have the following parameters in common, and only name them.\n\n",
    );
    common.iter().for_each(|line| writeln!(text, "{line}").unwrap());
    for method in &methods {
        let part = |name: &str| method[name].as_str().unwrap().to_owned();
        writeln!(text, "\n### `{}`\n\n{}\n", part("method"), part("about")).unwrap();
        let of_all: Vec<Value> = params(method);
        let (shared, own): (Vec<&Value>, Vec<&Value>) =
            of_all.iter().partition(|param| common.contains(&&described(param)));
        let shared = shared.iter().map(|param| format!("`{}`", param["name"].as_str().unwrap()));
        let shared: Vec<String> = shared.collect();
        if !shared.is_empty() {
            writeln!(text, "- common: {}", shared.join(", ")).unwrap();
        }
        own.iter().for_each(|param| writeln!(text, "{}", described(param)).unwrap());
        if !of_all.is_empty() {
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
fn an_id_of_null_is_answered_none_is_not_and_an_array_is_no_request() {
    let fixture = Fixture::new();
    let lines = [
        r#"{"jsonrpc":"2.0","id":null,"method":"list"}"#,
        r#"{"jsonrpc":"2.0","method":"list"}"#,
        r#"[[7,"list"]]"#,
    ];

    let replies = replies(&fixture, &lines.map(str::to_owned));

    assert_eq!(replies.len(), 2, "{replies:?}");
    assert_eq!((&replies[0]["id"], &replies[0]["result"]), (&Value::Null, &json!([])));
    assert_eq!(replies[1][0]["error"]["code"], -32600);
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

#[test]
fn an_entry_comes_with_the_message_that_it_adds_as_it_was_spelt() {
    let fixture = Fixture::new();
    let session = fixture.create("s");
    let asked = r#"{"role":"user","content":"one","n":1.50,"id":"a"}"#;
    session.append_message(asked).unwrap();
    session.append_message(r#"{"role":"assistant","content":"two","id":"b"}"#).unwrap();
    session.append_label_change("a", Some("here")).unwrap();
    let of = |method: &str, params: Value| {
        let mut params = params;
        params["session"] = "s".into();
        reply(&fixture, method, &params)["result"].clone()
    };

    let entry = of("entry", json!({ "entry_id": "a" }));
    assert_eq!(entry["message"]["content"], "one");
    assert_eq!((&entry["type"], &entry["label"]), (&"message".into(), &"here".into()));
    let path = of("path", json!({}));
    let said = |rows: &Value| -> Vec<String> {
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row["message"]["content"].as_str().unwrap_or("-").to_owned()).collect()
    };
    assert_eq!(said(&path), ["one", "two"]);
    assert_eq!(said(&of("path", json!({ "limit": 1 }))), ["two"]);
    assert_eq!(said(&of("children", json!({ "entry_id": "a" }))), ["two"]);
    assert_eq!(said(&of("entries_after", json!({ "line": 2 }))), ["two"]);
    assert_eq!(said(&of("leaves", json!({}))), ["two"]);
    let bare = of("path", json!({ "bodies": false }));
    assert!(bare[0].get("message").is_none() && bare[0]["id"] == "a", "{bare}");
    assert_eq!(of("entry", json!({ "entry_id": "nothing" })), Value::Null);
    let raw = raw_reply(&fixture, "entry", &json!({ "session": "s", "entry_id": "a" }));
    assert!(raw.contains(&format!("\"message\":{asked}")), "{raw}");
}

/// The reply to one request, as it was printed.
fn raw_reply(fixture: &Fixture, method: &str, params: &Value) -> String {
    let db = fixture.store.path();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sessile"))
        .args([OsStr::new("rpc"), OsStr::new("--db"), db.as_os_str()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(request(method, params).as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn an_entry_that_adds_several_messages_has_all_of_them() {
    let fixture = Fixture::new();
    let folder = fixture.dir.path().join("root/sessions/--w--");
    std::fs::create_dir_all(&folder).unwrap();
    let log = concat!(
        r#"{"type":"session","version":3,"id":"s","cwd":"/w"}"#,
        "\n",
        r#"{"type":"compaction","id":"c","parentId":null,"summary":"All.","systemMessage":{"role":"system","content":"Be brief."}}"#,
        "\n",
    );
    std::fs::write(folder.join("s.jsonl"), log).unwrap();
    let options = sessile::ImportOptions::new().format(sessile::Format::Pi);
    fixture.store.import(fixture.dir.path().join("root"), &options).unwrap();

    let entry = reply(&fixture, "entry", &json!({ "session": "s", "entry_id": "c" }));

    let entry = &entry["result"];
    let roles: Vec<&Value> =
        entry["messages"].as_array().unwrap().iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["system", "compactionSummary"]);
    assert_eq!(entry["message"]["summary"], "All.");
}

#[test]
fn what_a_request_puts_behind_an_entry_stands_there_wherever_the_leaf_is() {
    let fixture = Fixture::new();
    let message = |id: &str| json!({ "role": "user", "content": id, "id": id });
    let given = json!({ "cwd": "/w", "id": "s", "messages": [message("a"), message("b")] });
    let made = reply(&fixture, "create", &given);
    assert_eq!(made["result"]["session_id"], "s");

    let params = json!({ "session": "s", "message": message("c"), "parent": "a" });
    reply(&fixture, "append_message", &params);

    assert_eq!(fixture.path_ids(fixture.session("s").key()), ["a", "c"]);
}

#[test]
fn a_store_is_kept_by_requests() {
    let fixture = Fixture::small();
    let out = fixture.dir.path().join("out");
    let copy = fixture.dir.path().join("copy.db");
    let done = |method: &str, params: Value| {
        let reply = reply(&fixture, method, &params);
        assert!(reply.get("error").is_none(), "{method}: {reply}");
        reply["result"].clone()
    };

    assert_eq!(done("verify", json!({ "root": SMALL }))["differences"], json!([]));
    assert_eq!(done("check", json!({})), json!({ "findings": [], "foreign": [] }));
    assert!(
        0 < done("export", json!({ "out": out, "sessions": ["edge-97"] }))["files"]
            .as_u64()
            .unwrap()
    );
    assert!(out.join("sessions").is_dir());
    done("backup", json!({ "path": copy }));
    assert!(copy.is_file());
    assert_eq!(done("stats", json!({}))["sessions"], 9);
    done("remember", json!({ "session": "edge-97" }));
    let work_dir = fixture.session("edge-97").info().unwrap().work_dir.unwrap();
    assert_eq!(done("remembered", json!({ "work_dir": work_dir }))["session_id"], "edge-97");
    done("archive", json!({ "session": "edge-97" }));
    for (which, sessions) in [
        (json!({ "sessions": ["edge-01"] }), 1),
        (json!({ "archived": true }), 1),
        (json!({ "older_than": 1, "at": "1999-01-01T00:00:00Z" }), 0),
        (json!({}), 0),
    ] {
        assert_eq!(done("seal", which.clone())["sessions"], sessions, "{which}");
    }
    assert_eq!(done("check", json!({}))["findings"], json!([]));
    done("delete", json!({ "session": "edge-97" }));
    assert_eq!(done("list_trash", json!({}))[0]["session_id"], "edge-97");
    done("purge_all", json!({ "sessions": ["edge-97"] }));
    assert_eq!(done("list_trash", json!({})), json!([]));
    assert_eq!(done("forget_root", json!({ "root": SMALL }))["root"]["format"], "kward");
    assert_eq!(done("list", json!({ "all": true })), json!([]));
}

/// Where the library's own name is not the method's, or a parameter gives the same.
const OTHERWISE: &[(&str, &str)] = &[
    ("append_compaction", "compact"),
    ("archive_older_than", "archive_older_than"),
    ("at", "`at` of each method that writes"),
    ("branching_from", "`parent`"),
    ("clone_session", "clone"),
    ("context_at", "`messages` with `entry_id`"),
    ("create_with_lines", "create, append_lines"),
    ("create_with_messages", "`create` with `messages`"),
    ("each_line", "lines"),
    ("each_line_of_path", "lines, path"),
    ("each_problem", "problems"),
    ("each_usage", "usage"),
    ("earlier", "`generation` of each method that reads"),
    ("expecting", "`expect_leaf`"),
    ("fork_at_turn", "`fork` with `turn`"),
    ("fork_branch", "fork"),
    ("import_with", "import"),
    ("imported_root", "roots"),
    ("imported_roots", "roots"),
    ("info", "head"),
    ("last_of_branch", "path"),
    ("last_of_path", "path"),
    ("line_of", "lines"),
    ("messages_of", "entry"),
    ("metadata_of", "metadata"),
    ("path_to", "path"),
    ("prunable", "`prune` with `dry_run`"),
    ("rename_json", "rename"),
    ("roots", "root_entries"),
    ("session_files", "list"),
    ("session_id", "head"),
    ("sessions", "list"),
    ("tag_json", "tag"),
    ("text_of", "text"),
    ("trash", "delete, list_trash"),
    ("unique_name", "head"),
    ("update_runtime", "update_runtime"),
    ("with_id", "`id` of each method that writes"),
];

/// What a program in another language has no use for, or the command line is for.
const NOT_THERE: &[(&str, &str)] = &[
    ("attach", "a Recorder is a value of the process that holds it"),
    ("capture", "messages and path say it"),
    ("capture_after", "entries_after says it"),
    ("capture_path", "messages and path say it"),
    ("capture_tree", "tree_rows and path say it"),
    ("dump", "of a session, `info`; of all, `sessile dump` writes it line by line"),
    ("find", "each method that takes `session` does it"),
    ("foreign_objects", "`check` has them"),
    ("format", "`head` has it"),
    ("is_read_alone", "rpc opens no database that it cannot write"),
    ("key", "a key is of the process that has the store open"),
    ("kimi", "state, turns, undo_to_turn"),
    ("kward", "system_prompts, memory and what writes them"),
    ("on_network_file_system", "rpc says so itself"),
    ("open", "--db"),
    ("path", "of a store, --db; of a session, `path`"),
    ("pi", "append_entry"),
    ("query", "`sessile sql --json`"),
    ("query_first", "`sessile sql --json`"),
    ("session", "find"),
    ("snapshot", "each request reads one state"),
    ("watch", "entries_after, asked again, costs little"),
];

/// The public functions of the library's handles.
fn public_functions() -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![std::path::PathBuf::from("src")];
    while let Some(at) = todo.pop() {
        if at.is_dir() && !at.ends_with("src/bin") {
            todo.extend(std::fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        if at.extension().is_none_or(|end| end != "rs") {
            continue;
        }
        let source = std::fs::read_to_string(&at).unwrap();
        let mut is_handle = false;
        for line in source.lines() {
            if line.starts_with("impl ") || line.starts_with("impl<") {
                is_handle = ["impl Store {", "impl Session {"].contains(&line)
                    || ["Kimi<", "Kward<", "Pi<"]
                        .iter()
                        .any(|name| line.starts_with(&format!("impl {name}")));
            }
            let name = line.strip_prefix("    pub fn ").filter(|_| is_handle);
            found.extend(name.map(|name| name.split(['(', '<']).next().unwrap().to_owned()));
        }
    }
    found
}

#[test]
fn whatever_the_library_can_do_can_be_requested() {
    let functions = public_functions();
    assert!(100 < functions.len(), "{functions:?}");
    let schema = schema();
    let methods: Vec<&str> =
        schema.iter().map(|method| method["method"].as_str().unwrap()).collect();
    let is_known = |name: &str| {
        methods.contains(&name)
            || OTHERWISE.iter().chain(NOT_THERE).any(|(function, _)| *function == name)
    };

    let missing: Vec<&String> = functions.iter().filter(|name| !is_known(name)).collect();

    assert!(missing.is_empty(), "neither a method nor a reason why not: {missing:?}");
    for (name, _) in OTHERWISE.iter().chain(NOT_THERE) {
        assert!(
            functions.iter().any(|function| function == name),
            "{name} is no function any more"
        );
    }
}
