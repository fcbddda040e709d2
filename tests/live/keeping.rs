//! Archive, trash, purge, moved work dirs and the session used last in one.

use sessile::{Archived, Error, ExportOptions, ImportOptions, SessionFilter, Store};

use crate::support::{Fixture, SMALL, at, message};

fn listed(store: &Store, archived: Archived) -> Vec<String> {
    let page = store.sessions(&SessionFilter::new().archived(archived)).unwrap();
    page.rows.iter().filter_map(|row| row.session_id.clone()).collect()
}

fn has(ids: &[String], id: &str) -> bool {
    ids.iter().any(|known| known == id)
}

#[test]
fn an_archived_session_is_listed_only_where_it_is_asked_for() {
    let fixture = Fixture::small();
    let session = fixture.store.find("edge-97").unwrap();

    session.at(at(10)).archive().unwrap();

    assert!(!has(&listed(&fixture.store, Archived::Without), "edge-97"));
    assert_eq!(listed(&fixture.store, Archived::Only), ["edge-97"]);
    assert_eq!(listed(&fixture.store, Archived::Included).len(), 9);
    assert_eq!(session.info().unwrap().archived_at, Some(at(10)));
    fixture.check();
}

#[test]
fn age_archives_what_was_not_touched_for_whole_days() {
    let fixture = Fixture::new();
    for (id, last) in [("young", 86_400 * 2 + 1), ("old", 86_400 * 2)] {
        let session = fixture.create(id);
        session.at(at(last)).append_message(message("user", "hello", "m")).unwrap();
    }

    let archived = fixture.store.archive_older_than(15, at(86_400 * 17)).unwrap();

    assert_eq!(archived, 1);
    assert_eq!(listed(&fixture.store, Archived::Only), ["old"]);
}

#[test]
fn what_was_taken_out_of_the_archive_does_not_age_back_into_it() {
    let fixture = Fixture::small();
    let session = fixture.store.find("edge-97").unwrap();
    session.at(at(10)).archive().unwrap();

    session.at(at(20)).unarchive().unwrap();
    fixture.store.archive_older_than(1, at(86_400 * 1_000)).unwrap();

    assert_eq!(listed(&fixture.store, Archived::Without), ["edge-97"]);
    fixture.check();
}

#[test]
fn the_trash_is_out_of_sight_until_it_is_restored() {
    let fixture = Fixture::small();
    let session = fixture.store.find("edge-97").unwrap();
    let out = fixture.dir.path().join("out");

    session.at(at(10)).trash().unwrap();

    assert!(!has(&listed(&fixture.store, Archived::Included), "edge-97"));
    fixture.store.export(&out, &ExportOptions::new()).unwrap();
    assert!(!out.join("sessions/--edge--/97-branch-summary.jsonl").exists());
    assert!(fixture.store.verify(SMALL).unwrap().differences.is_empty());
    fixture.check();
    session.at(at(20)).restore().unwrap();
    assert!(has(&listed(&fixture.store, Archived::Without), "edge-97"));
}

#[test]
fn a_purge_leaves_no_byte_of_a_session() {
    let fixture = Fixture::new();
    let session = fixture.create("secret");
    session.append_message(message("user", "the-secret-word", "m")).unwrap();
    fixture.create("other").append_message(message("user", "hello", "m")).unwrap();

    session.purge().unwrap();

    assert!(fixture.store.find("secret").is_err());
    fixture.check();
    for entry in std::fs::read_dir(fixture.dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let found = bytes.windows(15).any(|window| window == b"the-secret-word");
        assert!(!found);
    }
}

#[test]
fn only_a_session_that_was_never_used_deletes_itself() {
    let fixture = Fixture::new();
    let unused = fixture.create("unused");
    unused.kward().unwrap().append_system_prompt_snapshot("be brief", "attach").unwrap();
    let named = fixture.create("named");
    named.rename(Some("kept")).unwrap();
    let used = fixture.create("used");
    used.append_message(message("user", "hello", "m")).unwrap();
    used.reset_leaf().unwrap();

    let deleted = [&unused, &named, &used].map(|session| session.delete_if_unused().unwrap());

    assert_eq!(deleted, [true, false, false]);
    assert_eq!(listed(&fixture.store, Archived::Without).len(), 2);
}

#[test]
fn a_moved_work_dir_takes_its_sessions_along() {
    let fixture = Fixture::small();

    let moved = fixture.store.relink("/edge", "/moved", at(10)).unwrap();

    let rows = fixture.store.sessions(&SessionFilter::new().work_dir("/moved")).unwrap().rows;
    assert_eq!((moved, rows.len()), (9, 9));
    let found = fixture.store.sessions(&SessionFilter::new().query("MOVED")).unwrap().rows;
    assert_eq!(found.len(), 9);
    fixture.check();
    // A later import does not take it back.
    fixture.store.rebuild().unwrap();
    assert_eq!(
        fixture.store.sessions(&SessionFilter::new().work_dir("/edge")).unwrap().rows.len(),
        0
    );
}

#[test]
fn the_last_session_of_a_work_dir_is_remembered() {
    let fixture = Fixture::small();
    let (one, other) = (fixture.session("edge-01").key(), fixture.session("edge-97").key());

    fixture.store.session(one).unwrap().at(at(10)).remember().unwrap();
    fixture.store.session(other).unwrap().at(at(11)).remember().unwrap();

    let remembered = |work_dir| fixture.store.remembered(work_dir).unwrap().map(|last| last.key());
    assert_eq!(remembered("/edge"), Some(other));
    assert_eq!(remembered("/elsewhere"), None);
    fixture.store.session(other).unwrap().at(at(12)).trash().unwrap();
    assert_eq!(remembered("/edge"), Some(one));
}

#[test]
fn an_imported_pointer_names_the_last_session() {
    let fixture = Fixture::new();
    let folder = fixture.dir.path().join("root/sessions/--edge--");
    std::fs::create_dir_all(&folder).unwrap();
    for file in ["01-plain.jsonl", "97-branch-summary.jsonl"] {
        std::fs::copy(format!("{SMALL}/sessions/--edge--/{file}"), folder.join(file)).unwrap();
    }
    let pointer = "{\n  \"path\": \"/old/home/sessions/--edge--/97-branch-summary.jsonl\"\n}\n";
    std::fs::write(folder.join("last_session.json"), pointer).unwrap();

    fixture.store.import(&fixture.dir.path().join("root"), &ImportOptions::new()).unwrap();

    let last = fixture.store.remembered("/edge").unwrap().unwrap();
    assert_eq!(last.key(), fixture.store.find("edge-97").unwrap().key());
}

#[test]
fn a_purged_session_is_missing_to_those_who_still_have_its_key() {
    let fixture = Fixture::small();
    let session = fixture.create("last");
    let (store, key) = (&fixture.store, session.key());
    store.session(key).unwrap().purge().unwrap();
    fixture.create("next");

    let errors = [
        store.session(key).unwrap_err(),
        session.info().unwrap_err(),
        session.path().unwrap_err(),
        session.context().unwrap_err(),
        session.tree().unwrap_err(),
        session.at(at(1)).archive().unwrap_err(),
        session.append_message(message("user", "x", "x")).unwrap_err(),
        session.delete_if_unused().unwrap_err(),
        session.clone_session().unwrap_err(),
    ];

    for err in errors {
        assert!(matches!(err, Error::SessionNotFound(_)), "{err:?}");
    }
}
