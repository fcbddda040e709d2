//! Transcripts of Claude Code that are written here, as the program and its SDK write them.

use std::fs;

use serde_json::{Value, json};
use sessile::{Compaction, Error, ExportOptions, Format, NewSession, Timestamp};

use crate::claude::{ID, lines, node, of_records, options, said};
use crate::support::{THEN, TestStore};

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

#[test]
fn a_compaction_is_a_boundary_and_the_summary_below_it() {
    let test = of_records(&[said("a", None, "x"), said("b", Some("a"), "y")]);
    let session = test.store.find(ID).unwrap().at(Timestamp((THEN + 9) * 1_000_000_000));
    let new = Compaction::new("x, then y").tokens_before(12);
    let kept = session.compact(&new.clone().keep_from("b"));
    assert!(matches!(kept, Err(Error::InvalidRecord(_))), "{kept:?}");

    let summary = session.with_id("s").compact(&new).unwrap();
    session.with_id("c").append_message(json!({"role": "user", "content": "z"})).unwrap();

    assert_eq!(summary, "s");
    let row = test.row(ID);
    let texts: Vec<&Value> =
        row["context"].as_array().unwrap().iter().map(|one| &one["message"]["content"]).collect();
    assert_eq!(texts, ["x, then y", "z"]);
    assert_eq!((&row["title"], &row["message_count"]), (&json!("x"), &json!(2)));
    let mut written = Vec::new();
    session
        .each_line(|number, line| {
            written.extend((number > 2).then(|| String::from_utf8(line.to_vec()).unwrap()));
            Ok(())
        })
        .unwrap();
    let boundary: Value = serde_json::from_str(&written[0]).unwrap();
    let uuid = boundary["uuid"].as_str().unwrap();
    let envelope = format!(
        r#""timestamp":"2026-01-01T00:00:09.000Z","userType":"external","entrypoint":"sdk","cwd":"/w","sessionId":"{ID}"}}"#
    );
    let expected = [
        format!(
            r#"{{"parentUuid":null,"logicalParentUuid":"b","isSidechain":false,"type":"system","subtype":"compact_boundary","content":"Conversation compacted","level":"info","compactMetadata":{{"trigger":"manual","preTokens":12}},"uuid":"{uuid}",{envelope}"#
        ),
        format!(
            r#"{{"parentUuid":"{uuid}","isSidechain":false,"type":"user","message":{{"role":"user","content":"x, then y"}},"isVisibleInTranscriptOnly":true,"isCompactSummary":true,"uuid":"s",{envelope}"#
        ),
    ];
    assert_eq!(written[..2].iter().map(|line| line.trim_end()).collect::<Vec<_>>(), expected);
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn a_fork_of_an_agent_is_where_its_program_finds_sessions() {
    let test = of_records(&[said("a", None, "x")]);
    let agent = format!("projects/-w/{ID}/subagents/agent-c.jsonl");
    test.write(&agent, lines(&[said("b", None, "y")]));
    test.store.import(&test.root, &options()).unwrap();

    let fork = test.store.find(&agent).unwrap().clone_session().unwrap();

    let id = fork.session_id().unwrap().unwrap();
    let file = format!("projects/-w/{id}.jsonl");
    assert_eq!(fork.info().unwrap().file.to_str(), Some(&file[..]));
    let out = test.folder().join("out");
    test.store.export(&out, &ExportOptions::new()).unwrap();
    let fresh = test.another("fresh.db");
    fresh.import(&out, &options()).unwrap();
    assert_eq!(fresh.find(&id).unwrap().context().unwrap().len(), 1);
}
