//! Lists, searches and usage select the same sessions by the same filters.

#[cfg(feature = "cli")]
use std::io::Write;
#[cfg(feature = "cli")]
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sessile::{ImportOptions, Search, SessionFilter, UsageFilter};

use crate::support::{TestStore, line};

/// The session of Claude.
const FOUR: &str = "44444444-4444-4444-8444-444444444444";

/// A session of pi that says one thing, and reports what that cost.
fn of_pi(id: &str, cwd: &str) -> String {
    let header = json!({"type": "session", "version": 3, "id": id, "cwd": cwd,
                        "timestamp": "2026-01-01T00:00:00.000Z"});
    let usage = json!({"input": 7, "output": 1, "cacheRead": 0, "cacheWrite": 0});
    let said = json!({"type": "message", "id": format!("e-{id}"), "parentId": null,
                      "timestamp": "2026-01-01T00:01:00.000Z",
                      "message": {"role": "assistant", "model": "m", "provider": "p",
                                  "content": [{"type": "text", "text": "needle"}],
                                  "usage": usage}});
    line(&header) + &line(&said)
}

/// The same of Claude, which lists no session without a prompt.
fn of_claude(cwd: &str) -> String {
    let record = |role: &str, uuid: &str, parent: Option<&str>, message: Value| {
        line(&json!({"type": role, "uuid": uuid, "parentUuid": parent, "sessionId": FOUR,
                     "cwd": cwd, "timestamp": "2026-01-01T00:01:00.000Z", "version": "2.1.0",
                     "isSidechain": false, "userType": "external", "message": message}))
    };
    let answer = json!({"role": "assistant", "model": "m", "id": "msg_1", "type": "message",
                        "content": [{"type": "text", "text": "needle"}],
                        "usage": {"input_tokens": 7, "output_tokens": 1}});
    record("user", "u", None, json!({"role": "user", "content": "Hello"}))
        + &record("assistant", "a", Some("u"), answer)
}

/// Three sessions of pi and one of Claude, of two machines, tagged and told of.
fn store() -> TestStore {
    let test = TestStore::new();
    let pi = |id: &str| format!("sessions/--w--/{id}.jsonl");
    for (origin, file, log) in [
        (Some("laptop"), pi("one"), of_pi("one", "/w/a")),
        (Some("laptop"), pi("two"), of_pi("two", "/w/b")),
        (Some("desk"), pi("three"), of_pi("three", "/w/a")),
        (None, format!("projects/-w-a/{FOUR}.jsonl"), of_claude("/w/a")),
    ] {
        let root = test.folder().join(origin.unwrap_or("claude"));
        std::fs::create_dir_all(root.join(&file).parent().unwrap()).unwrap();
        std::fs::write(root.join(file), log).unwrap();
        let options = ImportOptions::new();
        let options = origin.map_or(options.clone(), |origin| options.origin(origin));
        test.store.import(&root, &options).unwrap();
    }
    for id in ["one", "three"] {
        test.store.find(id).unwrap().tag("shared").unwrap();
    }
    test.store.find("two").unwrap().set_metadata("ticket", "17").unwrap();
    test
}

fn sorted(ids: impl IntoIterator<Item = Option<String>>) -> Vec<String> {
    let mut ids: Vec<String> = ids.into_iter().map(Option::unwrap).collect();
    ids.sort();
    ids
}

#[test]
fn the_library_narrows_lists_searches_and_sums_alike() {
    let test = store();
    let store = &test.store;
    let check = |list: SessionFilter, search: Search, usage: UsageFilter, expected: &[&str]| {
        let rows = store.sessions(&list).unwrap().rows;
        assert_eq!(sorted(rows.into_iter().map(|row| row.session_id)), expected);
        let hits = store.search(&search).unwrap().hits;
        assert_eq!(sorted(hits.into_iter().map(|hit| hit.session_id)), expected, "{search:?}");
        let mut counted = Vec::new();
        store
            .each_usage(&usage, |record| {
                counted.push(record.session_id);
                Ok(())
            })
            .unwrap();
        assert_eq!(sorted(counted), expected, "{usage:?}");
    };
    let all = || (SessionFilter::new(), Search::words("needle"), UsageFilter::new());

    let (list, search, usage) = all();
    check(list, search, usage, &[FOUR, "one", "three", "two"]);
    let (list, search, usage) = all();
    let of = "laptop";
    check(list.origin(of), search.origin(of), usage.origin(of), &["one", "two"]);
    let (list, search, usage) = all();
    check(list.origin(""), search.origin(""), usage.origin(""), &[FOUR]);
    let (list, search, usage) = all();
    let (list, search) = (list.origin(of).tag("shared"), search.origin(of).tag("shared"));
    check(list, search, usage.origin(of).tag("shared"), &["one"]);
    let (list, search, usage) = all();
    let (list, search) = (list.metadata("ticket", "17"), search.metadata("ticket", "17"));
    check(list, search, usage.metadata("ticket", "17"), &["two"]);
}

#[cfg(feature = "cli")]
#[test]
fn commands_and_rpc_narrow_lists_searches_and_sums_alike() {
    let test = store();
    let told: &[(&[&str], Value, &[&str])] = &[
        (&["--origin", "laptop"], json!({"origin": "laptop"}), &["one", "two"]),
        (&["--origin="], json!({"origin": ""}), &[FOUR]),
        (&["--origin", "nobody"], json!({"origin": "nobody"}), &[]),
        (&["--tag", "shared"], json!({"tags": "shared"}), &["one", "three"]),
        (
            &["--tag=shared", "--origin=desk"],
            json!({"tags": ["shared"], "origin": "desk"}),
            &["three"],
        ),
        (&["--where", "ticket=17"], json!({"metadata": {"ticket": 17}}), &["two"]),
        (&["--format", "claude"], json!({"format": "claude"}), &[FOUR]),
        (&["--work-dir", "/w/a"], json!({"work_dir": "/w/a"}), &[FOUR, "one", "three"]),
        (&["--since", "2100-01-01"], json!({"since": "2100-01-01"}), &[]),
        (
            &["--until", "2100-01-01"],
            json!({"until": "2100-01-01"}),
            &[FOUR, "one", "three", "two"],
        ),
    ];
    for (args, params, expected) in told {
        let with = |more: Value| {
            let mut params = params.clone();
            params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            params
        };
        for (command, method, params) in [
            (&["list"][..], "list", with(json!({}))),
            (&["search", "needle"], "search", with(json!({"text": "needle"}))),
            (&["usage", "--by", "session"], "usage", with(json!({"by": "session"}))),
        ] {
            let by_command = rows(&run(&test, &[command, &["--json"], args].concat(), ""));
            assert_eq!(by_command, *expected, "{command:?} {args:?}");
            let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
            let reply: Value =
                serde_json::from_str(&run(&test, &["rpc"], &request.to_string())).unwrap();
            let lines = reply["result"].as_array().unwrap_or_else(|| panic!("{request}: {reply}"));
            let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
            assert_eq!(rows(&lines.join("\n")), *expected, "{request}");
        }
    }
}

/// What a command prints.
#[cfg(feature = "cli")]
fn run(test: &TestStore, args: &[&str], input: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sessile"))
        .args(["--db", test.store.path().to_str().unwrap()])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The sessions of these objects.
#[cfg(feature = "cli")]
fn rows(lines: &str) -> Vec<String> {
    let id = |line| serde_json::from_str::<Value>(line).unwrap()["session_id"].clone();
    sorted(lines.lines().map(|line| id(line).as_str().map(str::to_owned)))
}
