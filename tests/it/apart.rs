//! Several sessions with one id, and which session a problem belongs to.

use std::process::{Command, Stdio};

use serde_json::Value;
use sessile::Error;

use crate::support::{TestStore, header, message};

/// Two files of one id, and one of another.
fn twins() -> TestStore {
    let test = TestStore::new();
    test.write("sessions/--v--/a.jsonl", [header("twin"), message("m", None, "first")].concat());
    test.write("sessions/--w--/b.jsonl", [header("twin"), message("m", None, "second")].concat());
    test.write("sessions/--w--/c.jsonl", [header("alone"), "torn{\n".to_owned()].concat());
    test.write("sessions/--w--/d.jsonl", "{\"type\":\"leaf\"}\n");
    test.import();
    test
}

fn lines(test: &TestStore, args: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_sessile"))
        .arg("--db")
        .arg(test.store.path())
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_session_has_a_name_that_no_other_has() {
    let test = twins();
    for file in ["sessions/--v--/a.jsonl", "sessions/--w--/b.jsonl", "sessions/--w--/d.jsonl"] {
        let session = test.store.find(file).unwrap();
        let name = session.unique_name().unwrap();
        assert!(name.ends_with(file), "{name}");
        assert_eq!(test.store.find(&name).unwrap().key(), session.key());
    }
    let alone = test.store.find("alone").unwrap();
    assert_eq!(alone.unique_name().unwrap(), "alone");
    assert!(matches!(test.store.find("twin"), Err(Error::AmbiguousSession { .. })));
    alone.purge().unwrap();
    assert!(alone.unique_name().unwrap_err().is_not_found());
}

#[test]
fn a_list_tells_rows_of_one_id_apart() {
    let test = twins();
    let rows: Vec<Value> = lines(&test, &["list", "--json"])
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let named = rows.iter().filter(|row| row.get("name").is_some()).count();
    assert_eq!((rows.len(), named), (4, 3));
    for row in rows.iter().filter(|row| row["session_id"] == "twin") {
        let shown = lines(&test, &["show", row["name"].as_str().unwrap()]).concat();
        assert!(shown.contains(row["title"].as_str().unwrap()), "{shown}");
    }

    let table = lines(&test, &["list"]).concat();
    assert!(table.contains("a.jsonl") && table.contains("b.jsonl") && !table.contains("c.jsonl"));
}

#[test]
fn a_problem_names_its_session() {
    let test = twins();
    let problems: Vec<Value> = lines(&test, &["problems", "--json"])
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |file: &str| {
        let found = problems.iter().find(|problem| problem["file"] == file).unwrap();
        found["session_id"].clone()
    };
    assert_eq!(of("sessions/--w--/c.jsonl"), "alone");
    assert_eq!(of("sessions/--w--/d.jsonl"), Value::Null);
    assert!(
        lines(&test, &["problems"]).iter().any(|line| line.contains("c.jsonl:2 (alone) malformed"))
    );
    assert_eq!(lines(&test, &["problems", "--json", "alone"]).len(), 1);
}
