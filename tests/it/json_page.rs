//! docs/json.md: it lists what the commands print.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use sessile::Store;

use crate::support::fixture;

const PAGE: &str = include_str!("../../docs/json.md");

fn sessile(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_sessile")).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What stands in back quotes.
fn quoted(text: &str) -> BTreeSet<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The rows of the page's tables: commands, and what is said of their keys.
fn rows() -> Vec<(BTreeSet<&'static str>, &'static str)> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row[1..].split_once('|').unwrap())
        .map(|(commands, keys)| (quoted(commands), keys))
        .collect()
}

#[test]
fn every_command_that_prints_json_is_on_the_page() {
    let listed: BTreeSet<&str> = rows().into_iter().flat_map(|(commands, _)| commands).collect();
    let help = sessile(&["--help"]);
    let lines = help.lines().filter_map(|line| line.strip_prefix("  "));
    let commands = lines.filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));

    let with_json: BTreeSet<&str> = commands
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| sessile(&["help", command]).contains("--json"))
        .collect();

    assert!(10 < with_json.len(), "{with_json:?}");
    assert_eq!(listed, with_json);
}

#[test]
fn every_key_of_a_list_is_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("sessions.db");
    let store = Store::open(&db).unwrap();
    for root in ["demo/pi", "codex/small"] {
        store.import(fixture(root), &sessile::ImportOptions::new()).unwrap();
    }
    drop(store);
    let by = ["day", "model", "session", "work-dir", "program"];
    let usages = by.map(|by| vec!["usage", "--by", by]);
    let calls = [vec!["list"], vec!["roots"], vec!["problems"], vec!["stats"], vec!["check"]];

    for call in usages.into_iter().chain(calls) {
        let page = rows();
        let (_, keys) = page.iter().find(|(commands, _)| commands.contains(call[0])).unwrap();
        let printed = sessile(&[&["--db", db.to_str().unwrap()][..], &call, &["--json"]].concat());
        assert!(!printed.is_empty(), "{call:?}");
        for line in printed.lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            for key in row.as_object().unwrap().keys() {
                assert!(quoted(keys).contains(key.as_str()), "{call:?}: {key}");
            }
        }
    }
}
