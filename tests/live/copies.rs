//! Copies keep everything; forks keep a path.

use sessile::{Error, ExportOptions, ImportOptions, RuntimeUpdate};

use crate::support::{Fixture, at, ids, message, talk};

#[test]
fn a_copy_keeps_all_branches_labels_memory_tools_and_prompts() {
    let fixture = Fixture::new();
    let session = fixture.create("original");
    talk(&session);
    session.append_label_change("c", Some("left")).unwrap();
    session
        .kward()
        .unwrap()
        .append_tool_execution(r#"{"id":"t","function":{"name":"bash"}}"#, "ok")
        .unwrap();
    session.kward().unwrap().append_system_prompt_snapshot("be kind", "attach").unwrap();
    session.kward().unwrap().update_memory_state("[1.50]", "null").unwrap();
    session.rename(Some("named")).unwrap();
    session.branch("c").unwrap();
    let before = fixture.lines(&session);

    let copy = session.with_id("copy").clone_session().unwrap();

    let lines = fixture.lines(&copy);
    assert_eq!(lines[1..], before[1..]);
    let info = copy.info().unwrap();
    assert_eq!(info.parent_session_id.as_deref(), Some("original"));
    assert_eq!(info.leaf.as_deref(), Some("c"));
    assert_eq!(info.title.as_deref(), Some("named"));
    assert_eq!(copy.tree().unwrap(), session.tree().unwrap());
    assert_eq!(fixture.lines(&session), before, "the source changed");
    fixture.check();
}

#[test]
fn the_header_of_a_copy_has_the_settings_of_now_and_the_parent() {
    let fixture = Fixture::new();
    let session = fixture.create("original");
    let runtime = RuntimeUpdate { provider: Some("p"), model: Some("m"), reasoning_effort: None };
    session.at(at(1)).update_runtime(runtime).unwrap();

    let copy = session.at(at(2)).with_id("copy").clone_session().unwrap();

    let file = session.info().unwrap().file.display().to_string();
    assert_eq!(
        fixture.lines(&copy)[0],
        format!(
            "{{\"type\":\"session\",\"version\":2,\"id\":\"copy\",\
             \"timestamp\":\"2026-01-01T00:00:02.000Z\",\"cwd\":\"/w\",\"provider\":\"p\",\
             \"model\":\"m\",\"parentId\":\"original\",\"parentPath\":\"{file}\"}}\n"
        )
    );
}

#[test]
fn a_copy_of_an_imported_session_lies_beside_it_and_changes_nothing_at_the_root() {
    let fixture = Fixture::small();
    let root = std::fs::canonicalize(crate::support::SMALL).unwrap();

    let copy = fixture.session("edge-97").at(at(5)).with_id("copy").clone_session().unwrap();

    let info = copy.info().unwrap();
    let file = info.file;
    assert_eq!(file, std::path::Path::new("sessions/--edge--/2026-01-01T00-00-05.000Z_copy.jsonl"));
    let parent = root.join("sessions/--edge--/97-branch-summary.jsonl");
    let stored = sessile::Stored::Text(parent.to_str().unwrap().to_owned());
    assert_eq!(info.parent_session_path, Some(stored));
    assert!(fixture.store.verify(&root).unwrap().differences.is_empty());
    let again = fixture.store.import(&root, &ImportOptions::new()).unwrap();
    assert_eq!((again.new, again.grown, again.rewritten, again.missing), (0, 0, 0, 0));
    let out = fixture.dir.path().join("out");
    fixture.store.export(&out, &ExportOptions::new()).unwrap();
    assert!(out.join(file).is_file());
    fixture.check();
}

#[test]
fn every_small_session_copies_with_its_tree_leaf_and_context() {
    let fixture = Fixture::small();
    let filter = sessile::SessionFilter::new();
    for row in fixture.store.sessions(&filter).unwrap().rows {
        let copy = fixture.store.session(row.key).unwrap().clone_session().unwrap();

        let store = &fixture.store;
        assert_eq!(copy.tree().unwrap(), store.session(row.key).unwrap().tree().unwrap());
        let leaf = |key| store.session(key).unwrap().info().unwrap().leaf;
        assert_eq!(leaf(copy.key()), leaf(row.key));
        let spoken = |key| {
            let context = store.session(key).unwrap().context().unwrap();
            context.into_iter().map(|message| message.entry_id).collect::<Vec<_>>()
        };
        assert_eq!(spoken(copy.key()), spoken(row.key));
    }
    fixture.check();
}

#[test]
fn torn_and_blank_lines_stay_behind_and_a_last_line_gets_its_end() {
    let header =
        r#"{"type":"session","version":2,"id":"given","timestamp":"2026-01-01T00:00:00Z"}"#;
    let entry = r#"{"type":"message","id":"a","message":{"role":"user","content":1.50}}"#;
    let last = r#"{ "type":"later", "kept" :  1e400}"#;
    let fixture = Fixture::of_log(&format!("{header}\n\n{{\"type\":\n[1]\n{entry}\n{last}"));

    let copy = fixture.session("given").clone_session().unwrap();

    assert_eq!(fixture.lines(&copy)[1..], [format!("{entry}\n"), format!("{last}\n")]);
    fixture.check();
}

#[test]
fn a_fork_takes_the_path_before_a_prompt_and_gives_its_text() {
    let fixture = Fixture::new();
    let session = fixture.create("original");
    talk(&session);
    session.rename(Some("named")).unwrap();
    session.append_label_change("b", Some("kept")).unwrap();
    session.append_label_change("d", Some("not kept")).unwrap();
    let before = fixture.lines(&session);

    let sessile::Fork { session: fork, text, .. } = session.with_id("fork").fork("c").unwrap();

    assert_eq!(text, "three\nlines");
    let path = fork.path().unwrap();
    assert_eq!(ids(&path), ["a", "b"]);
    assert_eq!(path[1].parent_id.as_deref(), Some("a"));
    assert_eq!(fork.tree().unwrap().len(), 2);
    let labels: Vec<String> = fork.labels().unwrap().into_iter().map(|label| label.label).collect();
    assert_eq!(labels, ["kept"]);
    assert_eq!(fork.info().unwrap().title.as_deref(), Some("named"));
    assert_eq!(fork.info().unwrap().parent_session_id.as_deref(), Some("original"));
    assert_eq!(fixture.lines(&session), before, "the source changed");
    fixture.check();
}

#[test]
fn a_fork_at_the_first_prompt_is_empty() {
    let fixture = Fixture::new();
    let session = fixture.create("original");
    talk(&session);

    let sessile::Fork { session: fork, text, .. } = session.fork("a").unwrap();

    assert_eq!(text, "one");
    assert_eq!(fork.info().unwrap().leaf, None);
    assert_eq!(fork.info().unwrap().entry_count, 0);
}

#[test]
fn a_fork_at_an_answer_ends_with_it() {
    let fixture = Fixture::new();
    let session = fixture.create("original");
    talk(&session);

    let sessile::Fork { session: fork, text, .. } = session.fork("b").unwrap();

    assert_eq!(text, "");
    assert_eq!(fixture.path_ids(fork.key()), ["a", "b"]);
}

#[test]
fn a_fork_of_the_branch_has_all_of_it() {
    let fixture = Fixture::new();
    let session = fixture.create("original");
    talk(&session);

    let fork = session.fork_branch().unwrap();

    assert_eq!(fixture.path_ids(fork.key()), ["a", "b", "d"]);
}

#[test]
fn a_fork_at_an_unknown_entry_is_refused_and_makes_nothing() {
    let fixture = Fixture::new();
    let session = fixture.create("original");
    talk(&session);

    let refused = session.fork("nowhere");

    assert!(matches!(refused, Err(Error::EntryNotFound { .. })));
    let filter = sessile::SessionFilter::new();
    assert_eq!(fixture.store.sessions(&filter).unwrap().rows.len(), 1);
}

#[test]
fn a_fork_keeps_what_a_compaction_keeps() {
    let fixture = Fixture::new();
    let session = fixture.create("original");
    talk(&session);
    let summary =
        r#"{"role":"compactionSummary","summary":"S","first_kept_entry_id":"b","id":"k"}"#;
    session.append_compaction(summary).unwrap();
    session.append_message(message("user", "on", "e")).unwrap();

    let sessile::Fork { session: fork, .. } = session.fork("e").unwrap();

    let context = fork.context().unwrap();
    let spoken: Vec<&str> = context.iter().map(|message| message.entry_id.as_str()).collect();
    assert_eq!(spoken, ["k", "b", "d"]);
}

#[test]
fn entries_of_version_1_get_the_ids_and_parents_that_their_places_gave() {
    let fixture = Fixture::small();
    let row = fixture.store.sessions(&sessile::SessionFilter::new()).unwrap().rows;
    let old = row
        .iter()
        .find(|row| {
            let info = fixture.store.session(row.key).unwrap().info().unwrap();
            info.file.to_string_lossy().contains("63-v1")
        })
        .unwrap();
    let path = fixture.path_ids(old.key);

    let sessile::Fork { session: fork, .. } =
        fixture.store.session(old.key).unwrap().fork(path.last().unwrap()).unwrap();

    let forked = fixture.path_ids(fork.key());
    assert!(!forked.is_empty());
    assert_eq!(forked[..], path[..forked.len()]);
    fixture.check();
}

#[test]
fn every_small_session_forks_at_each_entry_with_the_path_to_it() {
    let fixture = Fixture::small();
    let store = &fixture.store;
    for row in store.sessions(&sessile::SessionFilter::new()).unwrap().rows {
        for node in store.session(row.key).unwrap().tree().unwrap() {
            let mut path = store.session(row.key).unwrap().path_to(&node.id).unwrap();
            path.pop_if(|entry| entry.role.as_deref() == Some("user"));

            let sessile::Fork { session: fork, .. } =
                store.session(row.key).unwrap().fork(&node.id).unwrap();

            assert_eq!(
                fixture.path_ids(fork.key()),
                ids(&path),
                "{:?} {}",
                row.session_id,
                node.id
            );
        }
    }
    fixture.check();
}
