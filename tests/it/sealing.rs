//! Sealed sessions: smaller, and otherwise the same.

use std::fs;

use sessile::{
    Error, ExportOptions, ImportOptions, SealOptions, Search, Store, StoreOptions, Timestamp,
    Traces,
};

use crate::support::{TestStore, dump, fixture, header, message, snapshot};

const ONE: &str = "sessions/--w--/one.jsonl";
const TWO: &str = "sessions/--w--/two.jsonl";

/// Everybody, since all were idle then.
fn all() -> SealOptions {
    SealOptions::new().idle_since(Timestamp(i64::MAX))
}

fn by_id(test: &TestStore, id: &str) -> SealOptions {
    SealOptions::new().session(test.store.find(id).unwrap().key())
}

fn count(store: &Store, condition: &str) -> u64 {
    let conn = rusqlite::Connection::open(store.path()).unwrap();
    let sql = format!("SELECT count(*) FROM lines WHERE {condition}");
    let count: i64 = conn.query_row(&sql, [], |row| row.get(0)).unwrap();
    count.unsigned_abs()
}

/// Two sessions of long lines, the second of which ends in the middle of one.
fn two_sessions() -> TestStore {
    let test = TestStore::new();
    let text = "words of a long line, again and again. ".repeat(20);
    for (file, id) in [(ONE, "one"), (TWO, "two")] {
        let entries = message("a", None, &text) + &message("b", Some("a"), &text);
        test.write(file, header(id) + &entries);
    }
    let torn = message("c", Some("b"), &text);
    test.append(TWO, &torn[..torn.len() - 3]);
    test.import();
    test
}

#[test]
fn whatever_reads_a_sealed_store_of_any_format_finds_it_as_it_was() {
    for name in
        ["kward/small", "kward/edge", "kimi/small", "pi/small", "claude/small", "codex/small"]
    {
        let test = TestStore::new();
        let root = fixture(name);
        test.store.import(&root, &ImportOptions::new()).unwrap();
        let export = |store: &Store, out: &str| {
            let out = test.folder().join(out);
            store.export(&out, &ExportOptions::new()).unwrap();
            snapshot(&out)
        };
        let packed_before = count(&test.store, "enc = 1");
        let (before, files) = (test.dump(), export(&test.store, "before"));

        let report = test.store.seal(&all()).unwrap();

        assert!(0 < report.lines && report.packed * 4 < report.bytes * 3, "{name}: {report:?}");
        let packed = count(&test.store, "enc = 1");
        assert_eq!(packed - packed_before, report.lines, "{name}");
        assert_eq!(report.traces, Traces::Gone);
        assert_eq!(test.store.check().unwrap(), [], "{name}");
        assert_eq!(test.dump(), before, "{name}");
        assert_eq!(export(&test.store, "after"), files, "{name}");
        assert_eq!(test.store.verify(&root).unwrap().differences, [], "{name}");
        test.store.rebuild().unwrap();
        assert_eq!(test.dump(), before, "{name}");
        let again = test.store.seal(&all()).unwrap();
        assert_eq!((again.sessions, again.lines), (report.sessions, 0), "{name}");
        let copy = test.folder().join("recovered.db");
        assert!(sessile::recover(test.store.path(), &copy).unwrap().is_whole(), "{name}");
        assert_eq!(dump(&Store::open(&copy).unwrap()), before, "{name}");
    }
}

#[test]
fn only_what_is_named_is_sealed() {
    let test = two_sessions();

    let report = test.store.seal(&by_id(&test, "two")).unwrap();

    // The line without an end may go on, so that it stays as it is.
    assert_eq!((report.sessions, report.lines), (1, 3));
    assert_eq!(count(&test.store, "enc = 0"), 4);
    assert_eq!(test.store.seal(&SealOptions::new().archived(true)).unwrap().sessions, 0);
    test.store.find("one").unwrap().archive().unwrap();
    let report = test.store.seal(&SealOptions::new().archived(true)).unwrap();
    assert_eq!((report.sessions, report.lines), (1, 3));
    let long_ago = SealOptions::new().idle_since(Timestamp(0));
    assert_eq!(test.store.seal(&long_ago).unwrap().sessions, 0);
    let twice = by_id(&test, "one").session(test.store.find("one").unwrap().key()).archived(true);
    assert_eq!(test.store.seal(&twice).unwrap().sessions, 1);
}

#[test]
fn a_session_that_is_not_there_leaves_the_others_as_they_are() {
    let test = two_sessions();
    let gone = test.store.find("two").unwrap();
    gone.purge().unwrap();

    let options = by_id(&test, "one").session(gone.key());

    assert!(matches!(test.store.seal(&options), Err(Error::SessionNotFound(_))));
    assert_eq!(count(&test.store, "enc = 1"), 0);
}

#[test]
fn a_sealed_session_goes_on_here_and_in_its_program() {
    let test = two_sessions();
    test.store.seal(&all()).unwrap();

    test.append(TWO, "\"}}\n".to_owned() + &message("d", Some("c"), "behind the seal"));
    assert_eq!(test.import().grown, 1);
    let one = test.store.find("one").unwrap();
    one.append_message(r#"{"role":"user","content":"said here"}"#).unwrap();
    one.clone_session().unwrap();

    assert_eq!(test.store.check().unwrap(), []);
    let again = test.import();
    assert_eq!((again.grown, again.rewritten), (0, 0));
    for words in ["behind", "said here", "words of a long line"] {
        assert_ne!(test.store.search(&Search::words(words)).unwrap().hits, [], "{words}");
    }
    test.store.seal(&all()).unwrap();
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn an_earlier_generation_is_sealed_with_its_session() {
    let test = two_sessions();
    let text = "other words in its place. ".repeat(40);
    test.write(ONE, header("one") + &message("z", None, &text));
    assert_eq!(test.import().rewritten, 1);

    assert_eq!(test.store.seal(&by_id(&test, "one")).unwrap().lines, 5);
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn a_copy_refers_to_sealed_lines_and_outlives_them() {
    let test = two_sessions();
    let one = test.store.find("one").unwrap();
    let copy = one.clone_session().unwrap();
    let lines = copy.lines(0).unwrap();

    test.store.seal(&all()).unwrap();
    assert!(0 < count(&test.store, "enc = 2"));
    one.purge().unwrap();

    assert_eq!(copy.lines(0).unwrap(), lines);
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn a_damaged_line_is_left_for_check_to_tell() {
    let test = two_sessions();
    let damage = "UPDATE lines SET checksum = checksum + 1
                  WHERE line_key = (SELECT min(line_key) FROM lines)";
    test.sqlite().execute_batch(damage).unwrap();
    let findings = test.store.check().unwrap();
    assert_ne!(findings, []);

    assert_eq!(test.store.seal(&all()).unwrap().lines, 5);
    assert_eq!(test.store.check().unwrap(), findings);
}

#[test]
fn the_space_of_what_was_sealed_is_the_file_systems_again() {
    let test = TestStore::new();
    for n in 0..40 {
        let mut log = header(&format!("s{n}"));
        for m in 0..100 {
            log +=
                &message(&format!("m{m}"), None, &format!("{n} {m} some words more. ").repeat(20));
        }
        test.write(format!("sessions/--w--/s{n}.jsonl"), log);
    }
    let store = StoreOptions::new().open(&test.folder().join("full.db")).unwrap();
    store.import(&test.root, &crate::support::options()).unwrap();
    let size = || fs::metadata(store.path()).unwrap().len();
    store.prune().unwrap();
    let before = size();

    let report = store.seal(&all()).unwrap();

    let given_back = before - size();
    assert!((report.bytes - report.packed) * 9 < given_back * 10, "{report:?}, {given_back} back");
}
