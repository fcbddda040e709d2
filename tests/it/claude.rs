//! Claude Code's rules: the results of its SDK, and better ones where that fails.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use sessile::{ExportOptions, Format, ImportOptions, ProblemKind, SessionFilter};

use crate::support::{THEN, TestStore, fixture, set_mtime, snapshot};

pub(crate) const ID: &str = "0a000000-0000-4000-8000-000000000001";

fn imported() -> TestStore {
    TestStore::of_fixture("claude/small")
}

/// A root with one transcript of these records.
pub(crate) fn of_records(records: &[Value]) -> TestStore {
    let test = TestStore::new();
    test.write(format!("projects/-w/{ID}.jsonl"), lines(records));
    test.store.import(&test.root, &options()).unwrap();
    test
}

pub(crate) fn options() -> ImportOptions {
    ImportOptions::new().format(Format::Claude)
}

pub(crate) fn lines(records: &[Value]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

pub(crate) fn node(
    kind: &str,
    uuid: &str,
    parent: Option<&str>,
    message: impl Into<Value>,
) -> Value {
    let message = message.into();
    json!({
        "parentUuid": parent, "isSidechain": false, "type": kind, "message": message,
        "uuid": uuid, "timestamp": "2026-01-01T00:00:01.000Z", "cwd": "/w", "sessionId": ID
    })
}

pub(crate) fn said(uuid: &str, parent: Option<&str>, text: &str) -> Value {
    node("user", uuid, parent, json!({"role": "user", "content": text}))
}

/// Ids of the rows of a list.
fn listed(test: &TestStore) -> Vec<String> {
    let rows = test.store.sessions(&SessionFilter::new()).unwrap().rows;
    rows.into_iter().filter_map(|row| row.session_id).collect()
}

fn kinds(row: &Value) -> Vec<(String, Value)> {
    let problems = row["problems"].as_array().unwrap().iter();
    problems
        .map(|problem| (problem["kind"].as_str().unwrap().to_owned(), problem["line"].clone()))
        .collect()
}

fn uuids(messages: &Value) -> Value {
    messages.as_array().unwrap().iter().map(|message| message["uuid"].clone()).collect()
}

#[test]
fn every_recorded_answer_of_the_sdk_is_given() {
    let test = imported();
    let recorded = fs::read_to_string(fixture("claude/recorded.jsonl")).unwrap();
    let mut seen = 0;
    for recorded in recorded.lines() {
        let recorded: Value = serde_json::from_str(recorded).unwrap();
        let file = recorded["file"].as_str().unwrap();
        let row = test.row(file);
        for (name, expected) in recorded.as_object().unwrap() {
            let given = match name.as_str() {
                "messages" => uuids(&row["context"]),
                "tree" => {
                    let nodes = row["tree"].as_array().unwrap().iter();
                    nodes.map(|node| json!([node["id"], node["depth"], node["children"]])).collect()
                }
                "subagents" => continue,
                name => row[name].clone(),
            };
            assert_eq!(&given, expected, "{name} of {file}");
            seen += 1;
        }
        for (agent, expected) in row["subagents"]
            .as_array()
            .unwrap()
            .iter()
            .zip(recorded["subagents"].as_array().unwrap())
        {
            let told = ["agent_id", "file", "parent_tool_use_id", "parent_agent_id"];
            assert_eq!(told.map(|key| agent[key].clone())[..], expected.as_array().unwrap()[..4]);
            if !expected[4].is_null() {
                assert_eq!(uuids(&agent["context"]), expected[4]);
            }
        }
    }
    assert!(300 < seen, "{seen}");
}

#[test]
fn a_root_is_told_by_its_files_and_comes_out_as_it_went_in() {
    for below in ["", "projects", "projects/-home-dev-edge"] {
        let test = TestStore::new();
        let root = fixture("claude/small").join(below);
        test.store.import(&root, &ImportOptions::new()).unwrap();
        let out = test.folder().join("out");
        test.store.export(&out, &ExportOptions::new()).unwrap();

        assert_eq!(snapshot(&out), snapshot(&root), "{below}");
        assert_eq!(test.store.imported_roots().unwrap()[0].format, Format::Claude);
        assert_eq!(test.store.verify(&root).unwrap().differences, []);
        assert_eq!(test.store.check().unwrap(), []);
        assert_eq!(
            test.store.find("00000095-0000-4000-8000-00000000e095").unwrap().path().unwrap().len(),
            2
        );
    }
}

#[test]
fn a_dump_has_one_row_a_transcript_and_shows_agents_within() {
    let test = imported();
    let rows: Vec<Value> = test
        .dump()
        .lines()
        .map(|row| serde_json::from_str(row).unwrap())
        .filter(|row: &Value| !row["session_id"].is_null())
        .collect();
    let recorded = fs::read_to_string(fixture("claude/recorded.jsonl")).unwrap();
    assert_eq!(rows.len(), recorded.lines().count());
    assert!(listed(&test).iter().all(|id| !id.starts_with("agent-")));

    // What is wrong with an agent or what describes it is said with its session.
    let row = test.row("00000107-0000-4000-8000-00000000e107");
    let files: Vec<&str> =
        row["problems"].as_array().unwrap().iter().filter_map(|one| one["file"].as_str()).collect();
    for name in ["agent-bad.jsonl", "agent-bad.meta.json", "agent-good.meta.json"] {
        assert!(files.iter().any(|file| file.ends_with(name)), "{name} in {files:?}");
    }
    // An agent's tree is its own.
    let agent = test.store.find("agent-0a0b0c0d").unwrap();
    assert_eq!(agent.path().unwrap().len(), agent.context().unwrap().len());
    let parent = agent.info().unwrap().parent_session_id;
    assert_eq!(parent.as_deref(), Some("00000095-0000-4000-8000-00000000e095"));
}

#[test]
fn what_belongs_to_no_session_is_said_until_it_does() {
    let test = TestStore::new();
    let agent = said("a", None, "x");
    let folder = format!("projects/-w/{ID}");
    test.write("projects/-w/agent-0b.jsonl", lines(std::slice::from_ref(&agent)));
    test.write(format!("{folder}/subagents/agent-c.jsonl"), lines(&[agent]));
    test.store.import(&test.root, &options()).unwrap();
    let loose = || {
        let mut found = Vec::new();
        test.store
            .each_problem(|_, problem| {
                let file = problem.file.display().to_string();
                found.push((file, problem.kind));
                Ok(())
            })
            .unwrap();
        found
    };
    assert_eq!(
        loose(),
        [
            (folder.clone(), ProblemKind::Header),
            (format!("{folder}/subagents/agent-c.jsonl"), ProblemKind::Orphan),
            ("projects/-w/agent-0b.jsonl".to_owned(), ProblemKind::Orphan),
        ]
    );

    test.write(format!("{folder}.jsonl"), lines(&[said("b", None, "y")]));
    test.store.import(&test.root, &options()).unwrap();
    assert_eq!(loose(), []);
    assert_eq!(test.row(ID)["subagents"].as_array().unwrap().len(), 2);

    test.store.find(ID).unwrap().purge().unwrap();
    assert_eq!(test.dump(), "");
    assert!(test.store.find("agent-c").is_err());
    test.store.import(&test.root, &options()).unwrap();
    assert_eq!(listed(&test), Vec::<String>::new());
}

#[test]
fn a_sidecar_is_a_problem_while_it_is_broken() {
    let test = of_records(&[said("a", None, "x")]);
    let agent = format!("projects/-w/{ID}/subagents/agent-c");
    test.write(format!("{agent}.jsonl"), lines(&[said("b", None, "y")]));
    let sidecar = test.write(format!("{agent}.meta.json"), "{\"toolUseId\":");
    test.store.import(&test.root, &options()).unwrap();
    let row = test.row(ID);
    assert_eq!(kinds(&row), [("unreadable-by-original".to_owned(), Value::Null)]);
    assert_eq!(row["subagents"][0]["parent_tool_use_id"], Value::Null);
    assert_eq!(test.store.check().unwrap(), []);

    fs::write(&sidecar, r#"{"toolUseId":"t","parentAgentId":"p"}"#).unwrap();
    test.store.import(&test.root, &options()).unwrap();
    let row = test.row(ID);
    assert_eq!(kinds(&row), []);
    let agent = &row["subagents"][0];
    assert_eq!(
        (&agent["parent_tool_use_id"], &agent["parent_agent_id"]),
        (&json!("t"), &json!("p"))
    );
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn a_sidecar_that_is_moved_away_is_no_problem_any_more() {
    for agent in [format!("projects/-w/{ID}/subagents/agent-c"), "projects/-w/agent-0b".into()] {
        let test = of_records(&[said("a", None, "x")]);
        let mut said = said("b", None, "y");
        said["sessionId"] = json!(ID);
        test.write(format!("{agent}.jsonl"), lines(&[said]));
        let sidecar = test.write(format!("{agent}.meta.json"), "");
        test.store.import(&test.root, &options()).unwrap();
        assert_eq!(kinds(&test.row(ID)), [("unreadable-by-original".to_owned(), Value::Null)]);

        let result = test.write(format!("projects/-w/{ID}/tool-results/other.txt"), "");
        fs::rename(sidecar, result.with_file_name("t.txt")).unwrap();
        fs::remove_file(result).unwrap();
        test.store.import(&test.root, &options()).unwrap();
        assert_eq!(kinds(&test.row(ID)), []);
        test.assert_sound();
    }
}

#[test]
fn of_two_files_of_one_id_lists_show_the_newer() {
    let test = of_records(&[said("a", None, "one")]);
    let other = test.write(format!("projects/-v/{ID}.jsonl"), lines(&[said("b", None, "two")]));
    set_mtime(&other, THEN + 10, 0);
    test.store.import(&test.root, &options()).unwrap();
    let titles = || -> Vec<String> {
        let rows = test.store.sessions(&SessionFilter::new()).unwrap().rows;
        rows.into_iter().filter_map(|row| row.title).collect()
    };
    assert_eq!(titles(), ["two"]);
    assert_eq!(test.dump().lines().count(), 2);

    // The other goes on and is newer.
    let older = test.root.join(format!("projects/-w/{ID}.jsonl"));
    set_mtime(&older, THEN + 20, 0);
    test.store.import(&test.root, &options()).unwrap();
    assert_eq!(titles(), ["one"]);

    let one = test.store.find(&format!("projects/-w/{ID}.jsonl")).unwrap();
    one.trash().unwrap();
    assert_eq!(titles(), ["two"]);
    one.restore().unwrap();
    assert_eq!(titles(), ["one"]);
    one.purge().unwrap();
    assert_eq!(titles(), ["two"]);
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn an_empty_uuid_is_one_like_any_other() {
    let first = said("a", None, "first");
    let last = node("assistant", "", Some("a"), json!({"role": "assistant", "content": "last"}));
    let path = format!("projects/-w/{ID}.jsonl");
    let check = |test: &TestStore| {
        let row = test.row(&path);
        assert_eq!((&row["leaf"], &row["message_count"]), (&json!(""), &json!(2)));
        assert_eq!((&row["branch"], uuids(&row["context"])), (&json!(["a", ""]), json!(["a", ""])));
        test.assert_sound();
    };
    check(&of_records(&[first.clone(), last.clone()]));
    let grown = of_records(std::slice::from_ref(&first));
    grown.write(&path, lines(&[first, last]));
    grown.store.import(&grown.root, &options()).unwrap();
    check(&grown);
}

#[test]
fn unknown_records_are_kept_and_said_once_a_type() {
    let odd = json!({"type": "unheard-of", "n": 1});
    let test = of_records(&[said("a", None, "x"), odd.clone(), json!({"type": "mode"}), odd]);

    let row = test.row(ID);

    assert_eq!(kinds(&row), [("unknown-type".to_owned(), json!(2))]);
    assert!(row["problems"][0]["detail"].as_str().unwrap().starts_with("2 records"));
}

#[test]
fn a_response_is_counted_once_though_it_stands_on_several_lines() {
    let part = |uuid: &str, parent: &str, output: u32| {
        let usage =
            json!({"input_tokens": 10, "output_tokens": output, "cache_read_input_tokens": 5});
        let message = json!({
            "id": "m", "model": "opus", "role": "assistant", "usage": usage,
            "content": [{"type": "tool_use", "id": format!("t{uuid}"), "name": "Read"}]
        });
        let mut record = node("assistant", uuid, Some(parent), message);
        record["requestId"] = "r".into();
        record
    };
    let answer = node(
        "user",
        "d",
        Some("c"),
        json!({"content": [{"type": "tool_result", "tool_use_id": "tc", "is_error": true}]}),
    );
    let test = of_records(&[said("a", None, "x"), part("b", "a", 1), part("c", "b", 7), answer]);
    let session = test.store.find(ID).unwrap();

    let usage = session.usage().unwrap();
    // Neither a fork nor a copy under the old ids is paid for again.
    session.clone_session().unwrap();
    let copy = fs::read(test.root.join(format!("projects/-w/{ID}.jsonl"))).unwrap();
    test.write("projects/-w/0a000000-0000-4000-8000-000000000002.jsonl", copy);
    test.store.import(&test.root, &options()).unwrap();
    let mut outputs = Vec::new();
    test.store
        .each_usage(&sessile::UsageFilter::new(), |record| {
            outputs.push(record.usage.output);
            Ok(())
        })
        .unwrap();
    assert_eq!(outputs, [Some(7)]);

    assert_eq!((usage.input, usage.output, usage.cache_read), (Some(10), Some(7), Some(5)));
    assert_eq!(session.info().unwrap().model.unwrap().to_text(), "opus");
    let tools: Vec<(String, String, Option<i64>, bool)> = test
        .sqlite()
        .prepare("SELECT tool_call_id, tool_name, result_key & 0xFFFFFFFF, is_error FROM tool_executions WHERE session_key = 1 ORDER BY line_key")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let read = || "Read".to_owned();
    assert_eq!(
        tools,
        [("tb".to_owned(), read(), None, false), ("tc".to_owned(), read(), Some(3), true)]
    );
}

#[test]
fn what_a_session_is_made_of_goes_with_it() {
    let test = imported();
    let session = test.store.find("00000107-0000-4000-8000-00000000e107").unwrap();
    let files = |name: &str, options: &ExportOptions| -> BTreeMap<_, _> {
        let out = test.folder().join(name);
        test.store.export(&out, options).unwrap();
        let found = snapshot(&out).into_iter();
        found.filter(|(_, (mode, ..))| mode & 0o170_000 == 0o100_000).collect()
    };

    let one = files("one", &ExportOptions::new().session(session.key()));
    assert_eq!(one.len(), 5);
    session.trash().unwrap();
    let rest = files("rest", &ExportOptions::new());
    assert!(one.keys().all(|path| !rest.contains_key(path)));
}

#[test]
fn the_agents_of_a_session_tell_whose_a_root_is_however_many_come_before_a_transcript() {
    let test = TestStore::new();
    let record = json!({"type": "user", "uuid": "a", "sessionId": ID, "isSidechain": true});
    // More than are examined of a folder.
    for agent in 0..300 {
        test.write(
            format!("projects/-w/{ID}/subagents/agent-{agent:08x}.jsonl"),
            lines(std::slice::from_ref(&record)),
        );
    }

    test.store.import(&test.root, &ImportOptions::new()).unwrap();

    assert_eq!(test.store.imported_roots().unwrap()[0].format, Format::Claude);
}
