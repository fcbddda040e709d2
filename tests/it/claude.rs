//! Claude Code's rules: as its SDK answers, and better where that fails.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use sessile::{
    Error, ExportOptions, Format, ImportOptions, NewSession, ProblemKind, SessionFilter, Timestamp,
};

use crate::support::{THEN, TestStore, fixture, set_mtime, snapshot};

const ID: &str = "0a000000-0000-4000-8000-000000000001";

fn imported() -> TestStore {
    TestStore::of_fixture("claude/small")
}

/// A root with one transcript of these records.
fn of_records(records: &[Value]) -> TestStore {
    let test = TestStore::new();
    test.write(format!("projects/-w/{ID}.jsonl"), lines(records));
    test.store.import(&test.root, &options()).unwrap();
    test
}

fn options() -> ImportOptions {
    ImportOptions::new().format(Format::Claude)
}

fn lines(records: &[Value]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

fn node(kind: &str, uuid: &str, parent: Option<&str>, message: impl Into<Value>) -> Value {
    let message = message.into();
    json!({
        "parentUuid": parent, "isSidechain": false, "type": kind, "message": message,
        "uuid": uuid, "timestamp": "2026-01-01T00:00:01.000Z", "cwd": "/w", "sessionId": ID
    })
}

fn said(uuid: &str, parent: Option<&str>, text: &str) -> Value {
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

    assert_eq!((usage.input, usage.output, usage.cache_read), (Some(10), Some(7), Some(5)));
    assert_eq!(session.info().unwrap().model.unwrap().to_text(), "opus");
    let tools: Vec<(String, String, Option<i64>, bool)> = test
        .sqlite()
        .prepare("SELECT tool_call_id, tool_name, result_key & 0xFFFFFFFF, is_error FROM tool_executions ORDER BY line_key")
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
fn what_is_written_stands_as_the_program_writes_it() {
    let test = TestStore::new();
    let at = |seconds: i64| Timestamp((THEN + seconds) * 1_000_000_000);
    let new = NewSession::new("/home/me/a.b").format(Format::Claude).session_id(ID).at(at(0));
    let session = test.store.create(&new).unwrap();
    let out = |name: &str| {
        let out = test.folder().join(name);
        test.store.export(&out, &ExportOptions::new()).unwrap();
        let file = out.join(format!("projects/-home-me-a-b/{ID}.jsonl"));
        fs::read_to_string(file).ok()
    };
    assert_eq!(session.info().unwrap().work_dir.as_deref(), Some("/home/me/a.b"));
    assert_eq!(out("none"), None);
    assert!(matches!(session.rename(Some("t")), Err(Error::InvalidRecord(_))));

    let question = r#"{"role":"user","content":"What?"}"#;
    session.at(at(1)).with_id("q").append_message(question).unwrap();
    let answer = r#"{"role":"assistant","content":[{"type":"text","text":"That."}]}"#;
    session.at(at(2)).with_id("a").append_message(answer).unwrap();
    session.rename(Some(" A title\n")).unwrap();
    session.tag("e\u{301}\u{200b}").unwrap();

    let around = format!(
        r#""userType":"external","entrypoint":"sdk","cwd":"/home/me/a.b","sessionId":"{ID}"}}"#
    );
    let expected = [
        format!(
            r#"{{"parentUuid":null,"isSidechain":false,"type":"user","message":{question},"uuid":"q","timestamp":"2026-01-01T00:00:01.000Z",{around}"#
        ),
        format!(
            r#"{{"parentUuid":"q","isSidechain":false,"message":{answer},"type":"assistant","uuid":"a","timestamp":"2026-01-01T00:00:02.000Z",{around}"#
        ),
        format!(r#"{{"type":"custom-title","customTitle":"A title","sessionId":"{ID}"}}"#),
        format!(r#"{{"type":"tag","tag":"é","sessionId":"{ID}"}}"#),
    ];
    assert_eq!(out("all").unwrap(), expected.join("\n") + "\n");
    let row = test.row(ID);
    assert_eq!((&row["title"], &row["tag"]), (&json!("A title"), &json!("é")));
    assert_eq!(session.tags().unwrap(), ["é"]);
    assert!(matches!(session.rename(Some(" \u{1f}")), Err(Error::InvalidRecord(_))));
    assert!(matches!(session.rename(None), Err(Error::Unsupported(_))));
    assert!(matches!(session.tag("\u{feff}"), Err(Error::InvalidRecord(_))));
    session.clear_tags().unwrap();
    assert_eq!(test.row(ID)["tag"], Value::Null);
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn a_record_with_a_uuid_is_written_once() {
    let test = of_records(&[said("a", None, "x")]);
    let session = test.store.find(ID).unwrap();
    let record = said("b", Some("a"), "y");

    assert_eq!(session.append_record(&record).unwrap(), 2);
    assert_eq!(session.append_record(&record).unwrap(), 2);
    // What is said otherwise is another record of the same node.
    assert_eq!(session.append_record(said("b", Some("a"), "z")).unwrap(), 3);
    let flat = r#"{"type":"mode","mode":"plan"}"#;
    assert_eq!(session.append_record(flat).unwrap(), 4);
    assert_eq!(session.append_record(flat).unwrap(), 5);
    assert_eq!(test.row(ID)["branch"], json!(["a", "b"]));
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn an_append_behind_a_torn_line_begins_a_new_one() {
    let test = TestStore::new();
    let torn = lines(&[said("a", None, "x")]) + "{\"type\":\"us";
    test.write(format!("projects/-w/{ID}.jsonl"), &torn);
    test.store.import(&test.root, &options()).unwrap();

    test.store.find(ID).unwrap().rename(Some("t")).unwrap();

    let out = test.folder().join("out");
    test.store.export(&out, &ExportOptions::new()).unwrap();
    let written = fs::read_to_string(out.join(format!("projects/-w/{ID}.jsonl"))).unwrap();
    assert_eq!(
        written,
        format!(
            "{torn}\n{{\"type\":\"custom-title\",\"customTitle\":\"t\",\"sessionId\":\"{ID}\"}}\n"
        )
    );
    assert_eq!(test.row(ID)["title"], "t");
}

#[test]
fn a_fork_has_new_ids_and_says_where_it_comes_from() {
    let progress = json!({"type": "progress", "uuid": "p", "parentUuid": A, "data": {}});
    let branch = said("00000000-0000-4000-8000-00000000000c", Some(A), "other");
    let side = json!({"type": "user", "uuid": "s", "parentUuid": null, "isSidechain": true});
    let raw = said(B, Some("p"), "line\u{2028}break");
    let test = of_records(&[said(A, None, "x"), progress, side, raw, branch]);
    let session = test.store.find(ID).unwrap().at(Timestamp(THEN * 1_000_000_000));

    let fork = session.fork(B).unwrap().session;

    let row = test.row(&fork.session_id().unwrap().unwrap());
    assert_eq!(row["title"], "x (fork)");
    assert_eq!(row["parent_session_id"], ID);
    assert_eq!(row["tree"].as_array().unwrap().len(), 2);
    assert_eq!(row["context"][1]["message"]["content"], "line\u{2028}break");
    let mut origins = Vec::new();
    fork.each_line(|_, line| {
        let record: Value = serde_json::from_slice(line).unwrap();
        assert_eq!(record["sessionId"], row["session_id"]);
        origins.push(record["forkedFrom"]["messageUuid"].clone());
        Ok(())
    })
    .unwrap();
    assert_eq!(origins, [json!(A), json!(B), Value::Null]);
    let all = session.fork_branch().unwrap();
    assert_eq!(all.tree().unwrap().len(), 3);
    assert!(matches!(session.fork("s"), Err(Error::InvalidRecord(_))));
    let unknown = "00000000-0000-4000-8000-00000000000f";
    assert!(matches!(session.fork(unknown), Err(Error::EntryNotFound { .. })));
    assert_eq!(test.store.check().unwrap(), []);
}

const A: &str = "00000000-0000-4000-8000-00000000000a";
const B: &str = "00000000-0000-4000-8000-00000000000b";

#[test]
fn a_leaf_that_was_moved_here_holds_until_the_next_entry() {
    let test = of_records(&[said("a", None, "x"), said("b", Some("a"), "y")]);
    let session = test.store.find(ID).unwrap();

    session.branch("a").unwrap();
    assert_eq!(test.row(ID)["branch"], json!(["a"]));
    session.rename(Some("t")).unwrap();
    assert_eq!(test.row(ID)["branch"], json!(["a"]));
    let next = session.append_message(r#"{"role":"user","content":"z"}"#).unwrap();

    assert_eq!(test.row(ID)["branch"], json!(["a", next]));
    session.reset_leaf().unwrap();
    let root = session.append_message(r#"{"role":"user","content":"z"}"#).unwrap();
    assert_eq!(test.row(ID)["branch"], json!([root]));
    assert_eq!(test.store.check().unwrap(), []);
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
fn an_append_reads_nothing_of_what_stands_before_it() {
    let part = |uuid: &str, parent: &str, id: &str, call: &str| {
        let content = json!([{"type": "tool_use", "id": call, "name": "Read"}]);
        node("assistant", uuid, Some(parent), json!({"id": id, "content": content}))
    };
    let answer = |uuid: &str, parent: &str, call: &str| {
        let content = json!([{"type": "tool_result", "tool_use_id": call}]);
        node("user", uuid, Some(parent), json!({"content": content}))
    };
    let beside = |kind: &str, uuid: &str, parent: &str| json!({"type": kind, "uuid": uuid, "parentUuid": parent});
    // Two calls at once, of which the second answer went on.
    let test = of_records(&[
        said("a", None, "x"),
        part("b", "a", "m", "t"),
        part("c", "b", "m", "u"),
        answer("d", "c", "u"),
        answer("e", "b", "t"),
    ]);
    assert_eq!(test.row(ID)["branch"], json!(["a", "b", "c", "d", "e"]));
    let session = test.store.find(ID).unwrap();
    session.append_record(said("f", Some("e"), "first of a local chain")).unwrap();
    // Seen in a fold from the first record on, and only there.
    test.sqlite().execute("UPDATE entries SET created_at = 7 WHERE entry_id = 'a'", []).unwrap();

    for record in [
        said("g", Some("f"), "more"),
        part("h", "g", "n", "v"),
        part("i", "h", "n", "w"),
        answer("j", "i", "w"),
        beside("progress", "k", "j"),
        beside("attachment", "l", "k"),
        said("m", Some("l"), "and more"),
        json!({"type": "mode", "mode": "plan"}),
        beside("system", "n", "a"),
    ] {
        session.append_record(&record).unwrap();
    }
    let last = session.append_message(r#"{"role":"user","content":"typed"}"#).unwrap();

    let branch = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", &last];
    assert_eq!(test.row(ID)["branch"], json!(branch));
    assert_eq!(test.row(ID)["message_count"], 12);
    let touched: i64 = test
        .sqlite()
        .query_row("SELECT created_at FROM entries WHERE entry_id = 'a'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(touched, 7);
    test.store.rebuild().unwrap();
    assert_eq!(test.row(ID)["branch"], json!(branch));
    assert_eq!(test.store.check().unwrap(), []);
}
