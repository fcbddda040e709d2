//! Raw lines in and out, several messages at once, and popped messages.

use std::fs;

use serde_json::json;
use sessile::{Error, ExportOptions, Format, ImportOptions, NewSession};

use crate::support::{Fixture, message};

const ID: &str = "0c000000-0000-4000-8000-00000000000c";

fn claude(fixture: &Fixture) -> sessile::Session {
    let new = NewSession::new("/w").format(Format::Claude).session_id(ID);
    fixture.store.create(&new).unwrap()
}

fn said(uuid: &str, parent: &str, text: &str) -> String {
    format!(
        r#"{{ "type":"user", "uuid":"{uuid}","parentUuid":"{parent}", "n":1.50,"message":{{"role":"user","content":"{text}"}}}}"#
    )
}

#[test]
fn lines_are_kept_byte_for_byte_and_given_back() {
    let fixture = Fixture::new();
    let session = claude(&fixture);
    let given = [said("a", "", "\\u00e9\\ud83d"), r#"{"type":"mode" }"#.to_owned()];

    assert_eq!(session.append_lines(&given).unwrap(), [1, 2]);

    let kept: Vec<_> = given.iter().map(|line| format!("{line}\n").into_bytes()).collect();
    assert_eq!(session.lines(0).unwrap(), kept);
    assert_eq!(session.lines(1).unwrap(), kept[1..]);
    assert_eq!(fixture.lines(&session).concat().into_bytes(), kept.concat());
    // What was given back can be given again.
    assert_eq!(session.append_lines(&kept[..1]).unwrap(), [1]);
    fixture.check();
}

#[test]
fn the_lines_behind_one_are_the_rest_of_all_of_them() {
    let fixture = Fixture::small();
    let session = fixture.session("edge-97");
    let compare = || {
        let all = session.lines(0).unwrap();
        for after in 0..=all.len() + 1 {
            let rest = all.get(after..).unwrap_or_default();
            assert_eq!(session.lines(after as u32).unwrap(), rest, "{after}");
        }
        all.len()
    };
    let imported = compare();
    // From here on, the imported lines are referred to.
    session.append_messages([message("user", "x", "1"), message("user", "y", "2")]).unwrap();
    assert_eq!(compare(), imported + 2);
}

#[test]
fn a_uuid_is_kept_once_in_a_call_and_over_calls_whatever_its_record() {
    let fixture = Fixture::new();
    let session = claude(&fixture);
    let flat = r#"{"type":"content-replacement","uuid":"f"}"#.to_owned();
    let title = r#"{"type":"custom-title","customTitle":"t"}"#.to_owned();

    let first = [said("a", "", "x"), flat.clone(), said("a", "", "y"), title.clone()];
    assert_eq!(session.append_lines(&first).unwrap(), [1, 2, 1, 3]);
    let again = [said("a", "", "z"), said("b", "a", "x"), flat, title];
    assert_eq!(session.append_lines(&again).unwrap(), [1, 4, 2, 5]);

    assert_eq!(session.lines(0).unwrap().len(), 5);
    assert_eq!(session.context().unwrap()[0].text(), "x");
    fixture.check();
}

#[test]
fn a_line_that_is_refused_is_named_and_nothing_is_written() {
    let fixture = Fixture::new();
    let session = claude(&fixture);
    for (bad, reason) in [
        (&b"{\"a\":"[..], "not JSON"),
        (b"[1]", "object"),
        (b"{\"a\":\xff}", "not UTF-8"),
        (b"{}\n{}", "a line feed inside"),
        (b"{\"a\":NaN}", "not finite"),
    ] {
        let lines = [b"{\"type\":\"mode\"}", bad];

        let refused = session.append_lines(lines).unwrap_err();

        let Error::InvalidRecord(said) = &refused else { panic!("{refused:?}") };
        assert!(said.starts_with("line 2: ") && said.contains(reason), "{said}");
        assert_eq!(session.lines(0).unwrap().len(), 0);
    }
    let new = NewSession::new("/w").session_id("new");
    assert!(fixture.store.create_with_lines(&new, ["{}", "1"]).is_err());
    assert!(fixture.store.find("new").unwrap_err().is_not_found());
}

#[test]
fn a_batch_of_lines_folds_as_the_same_lines_one_by_one() {
    let fixture = Fixture::small();
    let mut compared = 0;
    for row in fixture.store.sessions(&sessile::SessionFilter::new()).unwrap().rows {
        let session = fixture.store.session(row.key).unwrap();
        if session.info().unwrap().version.is_none_or(|version| version.to_text() != "2") {
            continue;
        }
        let lines = session.lines(0).unwrap();
        let whole = fixture.dir.path().join("whole.db");
        let _ = fs::remove_file(&whole);
        let store = sessile::Store::open(&whole).unwrap();
        let new = NewSession::new("/w").session_id("of-lines");
        let batch = store.create_with_lines(&new, &lines[1..]);
        let Ok(batch) = batch else { continue };
        let single = store.create(&NewSession::new("/w").session_id("by-line")).unwrap();
        for line in &lines[1..] {
            single.append_lines([line]).unwrap();
        }
        assert_eq!(
            format!("{:?}", batch.path().unwrap().iter().map(|e| &e.id).collect::<Vec<_>>()),
            format!("{:?}", single.path().unwrap().iter().map(|e| &e.id).collect::<Vec<_>>()),
        );
        assert_eq!(batch.lines(1).unwrap(), single.lines(1).unwrap());
        assert_eq!(store.check().unwrap(), []);
        compared += 1;
    }
    assert!(3 < compared, "{compared}");
}

#[test]
fn lines_for_a_leaf_that_moved_are_a_conflict() {
    let fixture = Fixture::new();
    let session = claude(&fixture);
    session.append_lines([said("a", "", "x")]).unwrap();

    let refused = session.expecting(None).append_lines([said("b", "a", "y")]).unwrap_err();

    assert!(refused.is_conflict(), "{refused}");
    assert_eq!(session.expecting(Some("a")).append_lines([said("b", "a", "y")]).unwrap(), [2]);
}

#[test]
fn a_record_is_refused_where_another_leaf_is_expected_if_it_is_an_entry() {
    let fixture = Fixture::new();
    for session in [claude(&fixture), fixture.create("kward")] {
        let first = match session.format() {
            Format::Kward => message("user", "x", "a"),
            _ => said("a", "", "x"),
        };
        let first = match session.format() {
            Format::Kward => format!(r#"{{"type":"message","id":"a","message":{first}}}"#),
            _ => first,
        };
        session.append_record(&first).unwrap();
        let before = session.lines(0).unwrap().len();
        let late = session.expecting(None);

        let again = first.replace("\"a\"", "\"b\"");
        assert!(late.append_record(&again).unwrap_err().is_conflict(), "{again}");
        assert_eq!(session.lines(0).unwrap().len(), before);

        late.append_record(r#"{"type":"beside","the":"tree"}"#).unwrap();
        session.expecting(Some("a")).append_record(&again).unwrap();
        fixture.check();
    }
}

#[test]
fn a_session_lies_in_the_file_that_was_chosen() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let of = |project: &str| format!("projects/{project}/{ID}.jsonl");
    let agent = format!("projects/tenant 1/{ID}/subagents/agent-x.jsonl");
    let make = |file: &str, line: &str| {
        store.create_with_lines(&NewSession::in_file(Format::Claude, file), [line]).unwrap()
    };

    let first = make(&of("tenant 1"), &said("a", "", "one"));
    let other = make(&of("other"), &said("a", "", "two"));
    make(
        &agent,
        r#"{"type":"user","uuid":"s","isSidechain":true,"message":{"role":"user","content":"side"}}"#,
    );

    let found = store.find(&format!(":{}", of("tenant 1"))).unwrap();
    assert_eq!(found.key(), first.key());
    assert_eq!(other.context().unwrap()[0].text(), "two");
    let files = store.session_files(Format::Claude, "projects/tenant 1").unwrap();
    let names: Vec<_> = files.iter().map(|row| (row.file.clone(), row.lines)).collect();
    assert_eq!(names, [(of("tenant 1"), 1), (agent.clone(), 1)]);
    // A list shows the newest file of an id, and no sub-agent.
    let rows = store.sessions(&sessile::SessionFilter::new()).unwrap().rows;
    assert_eq!(rows.len(), 1);
    let mut dumped = Vec::new();
    first.dump(&mut dumped).unwrap();
    let dumped: serde_json::Value = serde_json::from_slice(&dumped).unwrap();
    assert_eq!(dumped["subagents"][0]["file"], agent);
    let again = NewSession::in_file(Format::Claude, &of("other"));
    assert!(store.create(&again).unwrap_err().is_conflict());
    fixture.check();

    let out = fixture.dir.path().join("out");
    store.export(&out, &ExportOptions::new()).unwrap();
    assert_eq!(fs::read(out.join(of("other"))).unwrap(), other.lines(0).unwrap().concat());
    assert!(out.join(agent).is_file());
}

/// Where the sessions of a Claude Code folder lie, in a root that is the folder or one in it.
fn files_in(root: &std::path::Path, imported: &std::path::Path, path: &str) -> Vec<(String, u32)> {
    let fixture = Fixture::new();
    fs::create_dir_all(root).unwrap();
    for (file, uuid) in [
        (format!("projects/-a/{ID}.jsonl"), "a"),
        (format!("projects/-a/{ID}/subagents/agent-x.jsonl"), "b"),
        (format!("projects/-a-b/{ID}.jsonl"), "c"),
    ] {
        let file = root.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, said(uuid, "", "x") + "\n").unwrap();
    }
    fixture.store.import(imported, &ImportOptions::new().format(Format::Claude)).unwrap();
    let rows = fixture.store.session_files(Format::Claude, path).unwrap();
    let imported = imported.canonicalize().unwrap();
    assert!(rows.iter().all(|row| row.root == imported.to_str().unwrap()));
    rows.into_iter().map(|row| (row.file, row.lines)).collect()
}

#[test]
fn files_are_found_by_their_place_in_the_programs_folder_whatever_part_of_it_is_the_root() {
    let dir = tempfile::tempdir().unwrap();
    // The name of the last one is that of a folder in it.
    for name in ["config", "projects"] {
        let root = dir.path().join(name);
        let (main, agent) = (
            format!("projects/-a/{ID}.jsonl"),
            format!("projects/-a/{ID}/subagents/agent-x.jsonl"),
        );
        for imported in [root.clone(), root.join("projects"), root.join("projects/-a")] {
            let find = |path: &str| files_in(&root, &imported, path);
            assert_eq!(
                find("projects/-a"),
                [(main.clone(), 1), (agent.clone(), 1)],
                "{imported:?}"
            );
            assert_eq!(find(&main), [(main.clone(), 1)]);
            assert_eq!(find(&format!("projects/-a/{ID}")), [(agent.clone(), 1)]);
            assert_eq!(find("projects/-b"), []);
        }
    }
}

#[test]
fn files_of_every_root_are_found_the_stores_own_first_and_those_in_the_trash_say_so() {
    let fixture = Fixture::new();
    let root = fixture.dir.path().join("root");
    let file = format!("projects/a/{ID}.jsonl");
    fs::create_dir_all(root.join("projects/a")).unwrap();
    fs::write(root.join(&file), said("a", "", "x") + "\n").unwrap();
    fixture.store.import(&root, &ImportOptions::new()).unwrap();
    let imported = fixture.session(ID);
    imported.append_lines([said("b", "a", "y")]).unwrap();
    let own = fixture.store.create(&NewSession::in_file(Format::Claude, &file)).unwrap();
    imported.trash().unwrap();

    let rows = fixture.store.session_files(Format::Claude, &file).unwrap();

    let keys: Vec<_> = rows.iter().map(|row| (row.key, row.trashed_at.is_some())).collect();
    assert_eq!(keys, [(own.key(), false), (imported.key(), true)]);
    assert_eq!((rows[0].lines, rows[1].lines), (0, 2));
    assert_eq!(rows[0].root, "");
}

#[test]
fn what_describes_a_sub_agent_is_given_as_it_stands_beside_its_file() {
    let fixture = Fixture::new();
    let root = fixture.dir.path().join("root");
    let folder = root.join(format!("projects/a/{ID}/subagents"));
    fs::create_dir_all(&folder).unwrap();
    let told = r#"{ "agentType":"Explore", "toolUseId":"toolu_1"}"#;
    for (agent, meta) in
        [("good", Some(format!(" {told}\n"))), ("bad", Some("[1]".into())), ("x", None)]
    {
        fs::write(folder.join(format!("agent-{agent}.jsonl")), said("a", "", "x") + "\n").unwrap();
        if let Some(meta) = meta {
            fs::write(folder.join(format!("agent-{agent}.meta.json")), meta).unwrap();
        }
    }
    fixture.store.import(&root, &ImportOptions::new().format(Format::Claude)).unwrap();
    let of = |agent: &str| {
        let file = format!("projects/a/{ID}/subagents/agent-{agent}.jsonl");
        fixture.store.find(&file).unwrap().description().unwrap()
    };

    assert_eq!(of("good").as_deref(), Some(told));
    assert_eq!((of("bad"), of("x")), (None, None));
}

#[test]
fn a_file_that_leads_elsewhere_makes_no_session() {
    let fixture = Fixture::new();
    for file in [
        format!("projects/../{ID}.jsonl"),
        format!("projects//{ID}.jsonl"),
        format!("/projects/a/{ID}.jsonl"),
        "projects/a/b.jsonl".to_owned(),
        format!("projects/a\n/{ID}.jsonl"),
        format!("projects/{}/{ID}.jsonl", "x".repeat(256)),
    ] {
        let new = NewSession::in_file(Format::Claude, &file);
        assert!(matches!(fixture.store.create(&new), Err(Error::InvalidRecord(_))), "{file}");
    }
    let new = NewSession::in_file(Format::Kward, "sessions/a/x.jsonl");
    assert!(matches!(fixture.store.create(&new), Err(Error::InvalidRecord(_))));
}

#[test]
fn messages_are_appended_all_or_none_in_order() {
    let fixture = Fixture::new();
    let session = fixture.create("s");

    let ids = session
        .append_messages([message("user", "one", "a"), message("assistant", "two", "b")])
        .unwrap();

    assert_eq!(ids, ["a", "b"]);
    assert_eq!(fixture.path_ids(session.key()), ["a", "b"]);
    let twice = [message("user", "x", "c"), message("user", "y", "c")];
    assert!(matches!(session.append_messages(twice), Err(Error::EntryExists { .. })));
    let refused = session.append_messages([message("user", "x", "c"), "1".to_owned()]);
    assert!(matches!(refused, Err(Error::InvalidRecord(said)) if said.starts_with("message 2: ")));
    let moved = session.expecting(Some("a")).append_messages([message("user", "x", "c")]);
    assert!(moved.unwrap_err().is_conflict());
    let beside = session.branching_from(Some("a"));
    let ids = beside.append_messages([message("user", "x", "c"), message("user", "y", "d")]);
    assert_eq!(ids.unwrap(), ["c", "d"]);
    assert_eq!(fixture.path_ids(session.key()), ["a", "c", "d"]);
    assert_eq!(session.append_messages(Vec::<&str>::new()).unwrap(), Vec::<String>::new());
    fixture.check();
}

#[test]
fn messages_of_pi_and_claude_follow_one_another_too() {
    let fixture = Fixture::new();
    for format in [Format::Pi, Format::Claude] {
        let session = fixture.store.create(&NewSession::new("/w").format(format)).unwrap();
        let ids = session
            .append_messages([
                json!({"role": "user", "content": "one"}),
                json!({"role": "user", "content": "two"}),
            ])
            .unwrap();
        assert_eq!(fixture.path_ids(session.key()), ids);
    }
    fixture.check();
}

#[test]
fn a_message_that_is_popped_stays_in_the_tree() {
    let fixture = Fixture::new();
    let session = fixture.create("s");
    session.append_messages([message("user", "one", "a"), message("user", "two", "b")]).unwrap();

    assert_eq!(session.pop_message().unwrap().unwrap().text(), "two");
    session.append_message(message("user", "three", "c")).unwrap();
    assert_eq!(fixture.path_ids(session.key()), ["a", "c"]);
    assert_eq!(session.pop_message().unwrap().unwrap().text(), "three");
    assert_eq!(session.pop_message().unwrap().unwrap().text(), "one");
    assert_eq!(session.pop_message().unwrap(), None);
    assert_eq!(session.context().unwrap().len(), 0);

    assert_eq!(session.leaves().unwrap().len(), 2);
    fixture.check();
}

#[test]
fn a_session_is_purged_with_its_sub_agents_and_its_file_may_be_made_again() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let file = format!("projects/p/{ID}.jsonl");
    let agent = format!("projects/p/{ID}/subagents/agent-x.jsonl");
    let make = |file: &str| {
        let new = NewSession::in_file(Format::Claude, file);
        store.create_with_lines(&new, [said("a", "", "x")]).unwrap().key()
    };
    let (whole, part) = (make(&file), make(&agent));

    store.purge_all(&[part, whole]).unwrap();

    assert_eq!(store.session_files(Format::Claude, "projects").unwrap(), []);
    assert!(store.purge_all(&[whole]).unwrap_err().is_not_found());
    make(&agent);
    make(&file);
    fixture.check();
}
