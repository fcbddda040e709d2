//! Usage: what was reported, each message once.

use std::fs;
#[cfg(feature = "cli")]
use std::process::Command;

#[cfg(feature = "cli")]
use serde_json::Value;
use serde_json::json;
use sessile::{ImportOptions, Store};

use crate::support::{TestStore, line};

/// An answer that reports its tokens, and its cost where that is given.
fn answer(id: &str, minute: u32, model: &str, input: u64, cost: Option<f64>) -> String {
    let mut usage = json!({"input": input, "output": 10, "cacheRead": 5, "cacheWrite": 1});
    if let Some(cost) = cost {
        usage["cost"] = json!({"total": cost});
    }
    line(&json!({
        "type": "message", "id": id, "parentId": null,
        "timestamp": format!("2026-01-02T00:{minute:02}:00.000Z"),
        "message": {"role": "assistant", "content": [], "provider": "p", "model": model, "usage": usage}
    }))
}

fn header(id: &str, day: u32, cwd: &str) -> String {
    line(&json!({"type": "session", "version": 3, "id": id, "cwd": cwd,
                 "timestamp": format!("2026-01-{day:02}T00:00:00.000Z")}))
}

/// A session, and one that begins as it does: of its three messages, one is its own.
fn store() -> TestStore {
    let test = TestStore::new();
    let shared = answer("a", 1, "gpt-5", 1_000_000, None) + &answer("b", 2, "mine", 7, Some(0.5));
    let own = answer("c", 3, "mine", 9, None);
    let root = test.folder().join("pi");
    fs::create_dir_all(root.join("sessions")).unwrap();
    // The copy comes first, by its name.
    fs::write(root.join("sessions/1.jsonl"), header("copy", 3, "/two") + &shared + &own).unwrap();
    fs::write(root.join("sessions/2.jsonl"), header("first", 2, "/one") + &shared).unwrap();
    let options = ImportOptions::new().format(sessile::Format::Pi);
    test.store.import(&root, &options).unwrap();
    test
}

fn ids(store: &Store) -> Vec<(String, String)> {
    let mut found = Vec::new();
    store
        .each_usage(&sessile::UsageFilter::new(), |record| {
            found.push((record.session_id.unwrap(), record.entry_id.to_string()));
            Ok(())
        })
        .unwrap();
    found
}

#[test]
fn a_message_that_several_sessions_hold_counts_once_where_it_was_said_first() {
    let test = store();
    let pair = |session: &str, entry: &str| (session.to_owned(), entry.to_owned());
    let expected = [pair("first", "a"), pair("first", "b"), pair("copy", "c")];
    assert_eq!(ids(&test.store), expected);

    test.store.find("copy").unwrap().clone_session().unwrap();

    assert_eq!(ids(&test.store), expected);
}

#[test]
fn what_codex_copies_into_a_fork_counts_once_and_in_the_fork_where_its_source_is_not_here() {
    let id = |n: u32| format!("0199a000-000{n}-7000-8000-00000000000{n}");
    let rollout = |n: u32, records: &[(&str, serde_json::Value)]| {
        let mut lines = String::new();
        for (at, record) in records {
            let (record_type, payload) = match record.get("cwd") {
                Some(_) => ("session_meta", record),
                None => ("event_msg", record),
            };
            lines += &line(&json!({"timestamp": format!("2026-01-0{n}T00:00:{at}Z"),
                                   "type": record_type, "payload": payload}));
        }
        (format!("sessions/2026/01/0{n}/rollout-2026-01-0{n}T00-00-00-{}.jsonl", id(n)), lines)
    };
    let meta = |n: u32, from: Option<u32>| {
        json!({"id": id(n), "timestamp": format!("2026-01-0{n}T00:00:00.000Z"), "cwd": "/w",
               "originator": "o", "cli_version": "1", "source": "cli", "forked_from_id": from.map(id)})
    };
    // What a model is asked next costs the same in both.
    let told = |total: u32| {
        let of = |tokens: u32| json!({"input_tokens": tokens, "total_tokens": tokens});
        json!({"type": "token_count",
               "info": {"total_token_usage": of(total), "last_token_usage": of(100)}})
    };
    let source = [
        ("00.100", meta(1, None)),
        ("01.000", told(100)),
        ("02.000", told(200)),
        ("03.000", told(300)),
    ];
    let fork = [
        ("00.500", meta(2, Some(1))),
        ("00.500", meta(1, None)),
        ("00.501", told(100)),
        ("00.501", told(100)),
        ("00.502", told(200)),
        ("02.000", told(300)),
    ];
    let counted = |files: &[(String, String)]| {
        let test = TestStore::new();
        for (path, lines) in files {
            test.write(path, lines);
        }
        test.store.import(&test.root, &ImportOptions::new()).unwrap();
        test.assert_sound();
        let mut counted: Vec<String> = ids(&test.store).into_iter().map(|(id, _)| id).collect();
        counted.sort();
        counted
    };
    let (source, fork) = (rollout(1, &source), rollout(2, &fork));

    assert_eq!(counted(&[source, fork.clone()]), [id(1), id(1), id(1), id(2)]);
    assert_eq!(counted(&[fork]), [id(2), id(2), id(2)]);
}

#[test]
fn two_messages_that_report_the_same_are_two() {
    let test = TestStore::new();
    let root = test.folder().join("pi");
    fs::create_dir_all(root.join("sessions")).unwrap();
    let said = answer("a", 1, "m", 7, None) + &answer("b", 1, "m", 7, None);
    fs::write(root.join("sessions/1.jsonl"), header("one", 2, "/one") + &said).unwrap();
    test.store.import(&root, &ImportOptions::new().format(sessile::Format::Pi)).unwrap();

    assert_eq!(ids(&test.store).len(), 2);
}

#[cfg(feature = "cli")]
#[test]
fn usage_is_added_up_and_what_has_no_price_is_named() {
    let test = store();
    let run = |args: &[&str]| -> (Vec<Value>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sessile"));
        let command = command.arg("--db").arg(test.store.path()).args(["usage", "--json"]);
        let output = command.args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let rows = String::from_utf8(output.stdout).unwrap();
        let rows = rows.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
        (rows, String::from_utf8(output.stderr).unwrap())
    };

    let (rows, said) = run(&[]);
    assert_eq!(
        rows,
        [
            // A million tokens, ten that were written, five and one of a cache.
            json!({"model": "gpt-5", "messages": 1, "input": 1_000_000, "output": 10, "cache_read": 5,
                   "cache_write": 1, "cost": 1.250101875, "unpriced_messages": 0}),
            json!({"model": "mine", "messages": 2, "input": 16, "output": 20, "cache_read": 10,
                   "cache_write": 2, "cost": 0.5, "unpriced_messages": 1}),
        ]
    );
    assert!(said.contains("there is no price for mine: 1 message;"), "{said}");

    let prices = test.folder().join("prices.json");
    let list = json!({"as_of": "2026-01-01", "currency": "EUR",
                      "per_million_tokens": {"mine": {"input": 1_000_000, "output": 0}}});
    fs::write(&prices, list.to_string()).unwrap();
    let (rows, said) = run(&["--prices", prices.to_str().unwrap(), "--by", "session"]);
    // Of a cache, tokens cost as others where the list does not say.
    assert_eq!((&rows[0]["session_id"], &rows[0]["cost"]), (&json!("copy"), &json!(15.0)));
    assert!(said.contains("there is no price for gpt-5"), "{said}");

    assert_eq!(run(&["--by", "day"]).0.len(), 1);
    assert_eq!(run(&["--by", "program"]).0[0]["messages"], 3);
    assert_eq!(run(&["--by", "work-dir"]).0.len(), 2);
    assert_eq!(run(&["--since", "2026-01-02T00:03:00Z", "--by", "program"]).0[0]["messages"], 1);
    assert_eq!(run(&["--since", "1h"]).0.len(), 0);
}
