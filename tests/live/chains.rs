//! Sessions that continue here, at their root, or at both.

use std::fs;

use sessile::{Error, ExportOptions, ImportOptions, ProblemKind};

use crate::support::{Fixture, at, ids, message};

const LOG: &str = "{\"type\":\"session\",\"version\":2,\"id\":\"given\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"cwd\":\"/w\"}\n\
    {\"type\":\"message\",\"id\":\"a\",\"timestamp\":\"2026-01-01T00:00:01.000Z\",\"message\":{\"role\":\"user\",\"content\":\"A\"}}\n";
const TORN: &str = "{\"type\":\"message\",\"id\":\"b\",\"parentId\":\"a\",\"timestamp\":\"2026-01-01T00:00:02.000Z\",\"message\":{\"role\":\"assistant\",\"content\":\"B\"}}";

fn import(fixture: &Fixture) -> sessile::ImportReport {
    let options = ImportOptions::new().format(sessile::Format::Kward);
    fixture.store.import(&fixture.dir.path().join("root"), &options).unwrap()
}

fn exported(fixture: &Fixture, name: &str, options: &ExportOptions) -> String {
    let out = fixture.dir.path().join(name);
    fixture.store.export(&out, options).unwrap();
    fs::read_to_string(out.join("sessions/--w--/given.jsonl")).unwrap()
}

#[test]
fn what_was_written_here_follows_what_was_imported() {
    let fixture = Fixture::of_log(LOG);
    let session = fixture.session("given");

    session.at(at(5)).append_message(message("assistant", "B", "b")).unwrap();

    let text = exported(&fixture, "out", &ExportOptions::new());
    assert!(text.starts_with(LOG));
    assert_eq!(text.lines().count(), 3);
    assert_eq!(exported(&fixture, "source", &ExportOptions::new().source_only(true)), LOG);
    assert!(fixture.store.verify(&fixture.dir.path().join("root")).unwrap().differences.is_empty());
    assert_eq!(fixture.path_ids(session.key()), ["a", "b"]);
    fixture.check();
}

#[test]
fn nothing_is_glued_to_a_last_line_without_an_end() {
    let fixture = Fixture::of_log(&format!("{LOG}{TORN}"));
    let session = fixture.session("given");

    session.append_message(message("user", "C", "c")).unwrap();

    assert!(
        exported(&fixture, "out", &ExportOptions::new()).starts_with(&format!("{LOG}{TORN}\n{{"))
    );
    assert_eq!(fixture.path_ids(session.key()), ["a", "b", "c"]);
    fixture.check();
    fixture.store.rebuild().unwrap();
    assert_eq!(fixture.path_ids(session.key()), ["a", "b", "c"]);
}

#[test]
fn problems_go_along_with_a_session_that_goes_on_here() {
    for (line, kind) in [
        ("torn {", ProblemKind::Malformed),
        (TORN.replace("\"parentId\":\"a\"", "\"parentId\":\"gone\"").as_str(), ProblemKind::Orphan),
        (LOG.lines().last().unwrap(), ProblemKind::DuplicateId),
    ] {
        let fixture = Fixture::of_log(&format!("{LOG}{line}\n"));
        let session = fixture.session("given");

        session.append_message(message("user", "C", "c")).unwrap();

        fixture.check();
        let problems = session.problems().unwrap();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!((problems[0].kind, problems[0].line), (kind, Some(3)));
    }
}

#[test]
fn a_file_rewritten_at_its_root_leaves_what_was_written_here() {
    let fixture = Fixture::of_log(LOG);
    let session = fixture.session("given");
    session.append_message(message("assistant", "here", "h")).unwrap();
    let file = fixture.dir.path().join("root/sessions/--w--/given.jsonl");
    fs::write(&file, LOG.replace("\"A\"", "\"changed\"")).unwrap();

    let report = import(&fixture);

    assert_eq!(report.rewritten, 1);
    assert!(report.problems.iter().any(|(kind, _)| *kind == ProblemKind::Diverged));
    assert_eq!(fixture.path_ids(session.key()), ["a", "h"]);
    assert!(exported(&fixture, "out", &ExportOptions::new()).starts_with(LOG));
    fixture.check();
}

#[test]
fn an_append_that_insists_on_its_leaf_fails_when_another_moved_it() {
    let fixture = Fixture::of_log(LOG);
    let session = fixture.session("given");
    session.append_message(message("assistant", "first", "b")).unwrap();

    let err = session.expecting(Some("a")).append_message(message("assistant", "late", "c"));

    assert!(matches!(err, Err(Error::LeafMoved { .. })), "{err:?}");
    assert_eq!(fixture.path_ids(session.key()), ["a", "b"]);
    fixture.check();
}

#[test]
fn or_it_becomes_a_sibling_where_that_is_asked_for() {
    let fixture = Fixture::of_log(LOG);
    let session = fixture.session("given");
    session.append_message(message("assistant", "first", "b")).unwrap();

    session.branching_from(Some("a")).append_message(message("assistant", "late", "c")).unwrap();

    assert_eq!(ids(&session.children("a").unwrap()), ["b", "c"]);
    assert_eq!(fixture.path_ids(session.key()), ["a", "c"]);
}

#[test]
fn what_cannot_be_one_valid_line_moves_nothing() {
    let fixture = Fixture::of_log(LOG);
    let session = fixture.session("given");
    let deep = format!("{{\"role\":\"user\",\"content\":{}{}}}", "[".repeat(99), "]".repeat(99));

    for refused in ["[]", "\"text\"", "{", "{\"content\":NaN}", "{\"content\":1e400}", &deep] {
        let err = session.append_message(refused);
        assert!(matches!(err, Err(Error::InvalidRecord(_))), "{refused}: {err:?}");
    }
    let known = session.append_message(message("user", "again", "a"));

    assert!(matches!(known, Err(Error::EntryExists { .. })), "{known:?}");
    assert!(matches!(session.branch("nowhere"), Err(Error::EntryNotFound { .. })));
    assert_eq!(fixture.path_ids(session.key()), ["a"]);
    assert_eq!(fixture.lines(&session).len(), 2);
}

#[test]
fn a_branch_to_the_empty_id_leaves_every_branch() {
    let fixture = Fixture::of_log(LOG);
    let session = fixture.session("given");

    session.branch("").unwrap();

    assert!(fixture.lines(&session)[2].contains("\"targetId\":null"));
    assert_eq!(session.info().unwrap().leaf, None);
}

#[test]
fn numbers_keys_and_half_surrogates_are_kept_as_they_were_spelt() {
    let fixture = Fixture::of_log(LOG);
    let session = fixture.session("given");

    session
        .append_message(r#"{ "z":1.50, "a":-0.0e+1, "content":"\ud83d\u00e9\/", "role":"user" }"#)
        .unwrap();

    let line = fixture.lines(&session).pop().unwrap();
    assert!(
        line.contains(
            r#""message":{"z":1.50,"a":-0.0e+1,"content":"\ud83dé/","role":"user","id":""#
        ),
        "{line}"
    );
}
