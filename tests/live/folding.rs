//! Folding incrementally gives the same as folding the whole log.

use std::fs;

use sessile::{Format, ImportOptions, SessionFilter, Store};

use crate::support::{Fixture, at};

const HEADER: &str = "{\"type\":\"session\",\"version\":3,\"id\":\"one\",\"timestamp\":\"2026-05-01T00:00:00.000Z\",\"cwd\":\"/w\"}\n";
const ENTRY: &str = "{\"type\":\"model_change\",\"id\":\"a\",\"parentId\":null,\"provider\":\"p\",\"modelId\":\"m\"}\n\
    {\"type\":\"custom\",\"id\":\"b\",\"parentId\":\"a\"}\n";
const WITHOUT_ID: &str = "{\"type\":\"note\"}\n";

fn import(fixture: &Fixture, format: Format) {
    let root = fixture.dir.path().join("root");
    fixture.store.import(&root, &ImportOptions::new().format(format)).unwrap();
}

fn write(fixture: &Fixture, path: &str, text: &str) {
    let path = fixture.dir.path().join("root").join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn dump(store: &Store) -> String {
    let mut out = Vec::new();
    store.dump(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[track_caller]
fn check_same_when_folded_anew(fixture: &Fixture) {
    fixture.check();
    let live = dump(&fixture.store);
    fixture.store.rebuild().unwrap();
    assert_eq!(dump(&fixture.store), live);
    fixture.check();
}

/// A pi session of these lines.
fn of_pi(lines: &str) -> Fixture {
    let fixture = Fixture::new();
    write(&fixture, "sessions/--w--/one.jsonl", &format!("{HEADER}{lines}"));
    import(&fixture, Format::Pi);
    fixture
}

/// A session of Kward with one entry.
fn of_kward() -> Fixture {
    Fixture::of_log(
        "{\"type\":\"session\",\"version\":2,\"id\":\"given\",\"cwd\":\"/w\"}\n\
         {\"type\":\"message\",\"id\":\"a\",\"message\":{\"role\":\"user\",\"content\":\"a\"}}\n",
    )
}

#[test]
fn an_entry_without_an_id_leaves_the_leaf_where_it_was_moved() {
    for leaf in [None, Some("a")] {
        let fixture = of_pi(ENTRY);
        let session = fixture.session("one");
        match leaf {
            Some(leaf) => session.branch(leaf).unwrap(),
            None => session.reset_leaf().unwrap(),
        }

        session.append_record(WITHOUT_ID).unwrap();

        assert_eq!(session.info().unwrap().leaf.as_deref(), leaf);
        check_same_when_folded_anew(&fixture);
        session.append_message(r#"{"role":"user","content":"q"}"#).unwrap();
        session.append_record(WITHOUT_ID).unwrap();
        assert_ne!(session.info().unwrap().leaf.as_deref(), leaf);
        check_same_when_folded_anew(&fixture);
    }
}

#[test]
fn a_file_that_grew_by_an_entry_without_an_id_leaves_the_leaf_where_it_was_moved() {
    let fixture = of_pi(ENTRY);
    fixture.session("one").reset_leaf().unwrap();

    write(&fixture, "sessions/--w--/one.jsonl", &format!("{HEADER}{ENTRY}{WITHOUT_ID}"));
    import(&fixture, Format::Pi);

    assert_eq!(fixture.session("one").info().unwrap().leaf, None);
    check_same_when_folded_anew(&fixture);
}

#[test]
fn a_leaf_that_was_moved_before_its_file_was_rewritten_is_that_of_the_file_again() {
    let fixture = of_pi(&format!("{ENTRY}{}", "{\"type\":\"custom\",\"id\":\"c\"}\n".repeat(3)));
    let session = fixture.session("one");
    session.reset_leaf().unwrap();
    write(&fixture, "sessions/--w--/one.jsonl", &format!("{HEADER}{ENTRY}"));

    import(&fixture, Format::Pi);

    assert_eq!(session.info().unwrap().leaf.as_deref(), Some("b"));
    for _ in 0..5 {
        let id = session.append_message(r#"{"role":"user","content":"q"}"#).unwrap();
        assert_eq!(session.info().unwrap().leaf, Some(id));
        check_same_when_folded_anew(&fixture);
    }
}

#[test]
fn a_leaf_that_was_moved_stays_when_a_chain_begins_here() {
    for end in ["", "\n"] {
        let fixture = of_pi(&format!("{ENTRY}{{\"type\":\"custom\",\"id\":\"c\"}}{end}"));
        let session = fixture.session("one");
        session.branch("a").unwrap();

        session.append_record(WITHOUT_ID).unwrap();

        assert_eq!(session.info().unwrap().leaf.as_deref(), Some("a"));
        check_same_when_folded_anew(&fixture);
    }
}

#[test]
fn a_leaf_is_moved_where_there_is_no_line() {
    let fixture = Fixture::new();
    write(&fixture, "sessions/--w--/one.jsonl", "");
    import(&fixture, Format::Pi);
    let session = fixture.session("sessions/--w--/one.jsonl");

    session.reset_leaf().unwrap();

    check_same_when_folded_anew(&fixture);
    write(&fixture, "sessions/--w--/one.jsonl", &format!("{HEADER}{ENTRY}"));
    import(&fixture, Format::Pi);
    assert_eq!(session.info().unwrap().leaf.as_deref(), Some("b"));
    check_same_when_folded_anew(&fixture);
}

#[test]
fn a_leaf_that_named_no_entry_finds_one_whose_id_is_made() {
    let fixture = of_kward();
    let session = fixture.session("given");
    session.append_record(r#"{"type":"leaf","targetId":"message:1"}"#).unwrap();
    assert_eq!(session.info().unwrap().message_count, 0);

    session.append_record(r#"{"type":"message","message":{"role":"user","content":"b"}}"#).unwrap();

    assert_eq!(session.info().unwrap().leaf.as_deref(), Some("message:1"));
    assert_eq!(fixture.path_ids(session.key()), ["a", "message:1"]);
    assert_eq!(session.info().unwrap().message_count, 2);
    check_same_when_folded_anew(&fixture);
}

#[test]
fn queries_find_titles_with_a_nul_when_the_index_is_made_anew() {
    let fixture = of_kward();
    fixture.session("given").rename(Some("before\0behind")).unwrap();

    fixture.store.rebuild().unwrap();

    fixture.check();
    for query in ["behind", "before\0behind"] {
        let found = fixture.store.sessions(&SessionFilter::new().query(query)).unwrap().rows;
        assert_eq!(found.len(), 1, "{query:?}");
    }
}

#[test]
fn a_recovered_header_follows_its_neighbours_work_dir_wherever_that_goes() {
    const RECOVERED: &str =
        "sessions/--w--/2026-01-02T03-04-05.678Z_0a1b2c3d-0000-4000-8000-00000000000c.jsonl";
    let header = |id: &str, cwd: &str| {
        format!("{{\"type\":\"session\",\"version\":2,\"id\":\"{id}\",\"cwd\":\"{cwd}\"}}\n")
    };
    let message =
        "{\"type\":\"message\",\"id\":\"a\",\"message\":{\"role\":\"user\",\"content\":\"q\"}}\n";
    let folder = || {
        let fixture = Fixture::new();
        write(&fixture, RECOVERED, message);
        write(&fixture, "sessions/--w--/one.jsonl", &header("one", "/one"));
        write(&fixture, "sessions/--w--/two.jsonl", &header("two", "/two"));
        import(&fixture, Format::Kward);
        assert_eq!(fixture.session(RECOVERED).info().unwrap().work_dir, None);
        fixture
    };

    let fixture = folder();
    fixture.store.relink("/one", "/two", at(1)).unwrap();
    assert_eq!(fixture.session(RECOVERED).info().unwrap().work_dir.as_deref(), Some("/two"));
    check_same_when_folded_anew(&fixture);

    let fixture = folder();
    fixture.store.session(fixture.session("one").key()).unwrap().purge().unwrap();
    assert_eq!(fixture.session(RECOVERED).info().unwrap().work_dir.as_deref(), Some("/two"));
    check_same_when_folded_anew(&fixture);
}
