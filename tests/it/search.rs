//! Search: whatever the index holds, the result is what the log contains.

use std::collections::BTreeSet;
use std::fs;

use serde_json::json;
use sessile::{
    Error, ImportOptions, NewSession, Search, SearchPage, Store, StoreOptions, Timestamp,
};

use crate::support::{TestStore, header, message};

const FILE: &str = "sessions/--w--/one.jsonl";

/// Ids of the entries that a search finds.
#[track_caller]
pub(crate) fn found(store: &Store, search: &Search) -> Vec<String> {
    let page = store.search(search).unwrap();
    assert_eq!(page.damaged, [""; 0]);
    ids(page)
}

pub(crate) fn ids(page: SearchPage) -> Vec<String> {
    page.hits.into_iter().map(|hit| hit.entry_id).collect()
}

#[track_caller]
pub(crate) fn check(store: &Store, query: &str, expected: &[&str]) {
    assert_eq!(found(store, &Search::words(query).limit(0)), expected, "{query}");
}

/// A store whose index somebody may not write: it reads what that lacks.
pub(crate) fn read_only(test: &TestStore) -> Store {
    StoreOptions::new().read_only(true).create(false).open(test.store.path()).unwrap()
}

/// What the index takes in the database, and how far it goes.
fn index(test: &TestStore) -> (i64, i64, i64) {
    let sql = "SELECT (SELECT count(*) FROM message_search_data),
                      (SELECT sum(length(block)) FROM message_search_data)
                      + (SELECT sum(length(block)) FROM tool_search_data),
                      (SELECT count(*) FROM search_marks)";
    test.sqlite().query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap()
}

/// How often a word stands in the pages of the index; one that begins as no other does, since the
/// index keeps of each word what differs from the one before.
fn in_pages(test: &TestStore, word: &str) -> i64 {
    let sql = "SELECT count(*)
               FROM message_search_data
               WHERE instr(block, CAST(?1 AS BLOB)) <> 0";
    test.sqlite().query_row(sql, [word], |row| row.get(0)).unwrap()
}

/// a → b → c, and d beside c.
fn talk() -> String {
    [
        header("one"),
        message("a", None, "Where is the frobnicator config?"),
        message("b", Some("a"), "In getSession, near 使用配置."),
        message("c", Some("b"), "the café is closed"),
        message("d", Some("b"), "frobnicator, again"),
    ]
    .concat()
}

#[test]
fn entries_are_found_by_what_they_say_on_every_branch() {
    let (test, _) = TestStore::of_file(talk());

    check(&test.store, "frobnicator", &["d", "a"]);
    check(&test.store, "FROBNICATOR config", &["a"]);
    check(&test.store, "\"is the frobnicator\"", &["a"]);
    check(&test.store, "\"frobnicator is\"", &[]);
    check(&test.store, "frob*", &["d", "a"]);
    check(&test.store, "frob", &[]);
    check(&test.store, "frobnicator NOT again", &["a"]);
    check(&test.store, "cafe OR again", &["d", "c"]);
    check(&test.store, "使用", &["b"]);
    check(&test.store, "配", &["b"]);
    check(&test.store, "用使", &[]);
    check(&test.store, "session", &["b"]);
    check(&test.store, "getsession", &["b"]);
    check(&test.store, "getSession", &["b"]);
    test.assert_sound();
}

#[test]
fn every_format_is_searched() {
    let test = TestStore::new();
    for root in ["kward/small", "pi/small", "kimi/small", "claude/small", "codex/small"] {
        test.store.import(&crate::support::fixture(root), &ImportOptions::new()).unwrap();
    }
    let formats = |store: &Store| -> BTreeSet<&str> {
        let page = store.search(&Search::words("a* OR h* OR f* OR t*").limit(0)).unwrap();
        page.hits.iter().map(|hit| hit.format.name()).collect()
    };

    assert_eq!(formats(&read_only(&test)), formats(&test.store));
    assert_eq!(formats(&test.store), BTreeSet::from(["claude", "codex", "kimi", "kward", "pi"]));
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn a_long_history_is_found_as_a_scan_finds_it() {
    let test = TestStore::quick();
    // Several pieces, which a thread of its own makes ready, with short sessions between.
    for (file, messages) in [("a", 400), ("b", 1), ("c", 0), ("d", 600), ("e", 2)] {
        let mut log = header(file);
        for n in 0..messages {
            let text = format!("{} frobnicator{n} {}", n % 7, "words between them ".repeat(100));
            log += &message(&format!("{file}{n}"), None, &text);
        }
        test.write(format!("sessions/--w--/{file}.jsonl"), log);
    }
    test.import();

    let searches = ["frobnicator0", "frobnicator399", "frobnicator5* NOT 3", "\"6 frobnicator\"*"]
        .map(|query| Search::words(query).limit(0));
    let scanned = searches.each_ref().map(|search| found(&read_only(&test), search));
    assert_eq!(index(&test).2, 0);

    for (search, scanned) in searches.iter().zip(scanned) {
        let page = test.store.search(search).unwrap();

        assert_eq!((page.scanned, ids(page)), (0, scanned), "{search:?}");
    }
    test.assert_sound();
}

#[test]
fn a_hit_says_where_it_stands() {
    let (test, session) = TestStore::of_file(talk());

    let page = test.store.search(&Search::words("config")).unwrap();

    let hit = &page.hits[0];
    assert_eq!((hit.session, hit.line, &hit.entry_id[..]), (session, 2, "a"));
    assert_eq!(hit.session_id.as_deref(), Some("one"));
    assert_eq!(hit.file, FILE);
    assert_eq!(hit.role.as_deref(), Some("user"));
    assert_eq!(hit.at, Timestamp::parse("2026-01-01T00:00:01Z"));
    assert_eq!(hit.snippet, "Where is the frobnicator config?");
    assert_eq!(&hit.snippet[hit.marks[0].clone()], "config");
}

#[test]
fn a_session_is_found_by_its_title_whatever_it_is_now() {
    let (test, session) = TestStore::of_file(talk());
    let session = test.store.session(session).unwrap();
    let titled = |search: &Search| -> Vec<String> {
        let page = test.store.search(search).unwrap();
        let read = read_only(&test).search(search).unwrap();
        assert_eq!(page.titles, read.titles, "{search:?}");
        let shown = page.titles.iter().map(|title| {
            let marked = title.marks.iter().map(|mark| &title.snippet[mark.clone()]);
            format!("{}: {}", title.session_id.as_deref().unwrap(), marked.collect::<String>())
        });
        shown.collect()
    };
    let plans = || Search::words("plans");
    assert_eq!(titled(&plans()), [""; 0]);

    session.rename(Some("Café plans, 使用 getSession")).unwrap();

    for query in ["plans", "cafe", "用", "session", "plans NOT frobnicator", "\"cafe plans\""] {
        assert_eq!(titled(&Search::words(query)).len(), 1, "{query}");
    }
    assert_eq!(titled(&plans()), ["one: plans"]);
    assert_eq!(titled(&Search::literal("fé pl")), ["one: fé pl"]);
    assert_eq!(titled(&Search::pattern("pl.n")), ["one: plan"]);
    assert_eq!(found(&test.store, &plans()), [""; 0]);
    for other in [plans().role("user"), plans().tool("grep"), plans().model("x"), plans().tag("t")]
    {
        assert_eq!(titled(&other), [""; 0], "{other:?}");
    }
    assert_eq!(titled(&plans().since(Timestamp::parse("2099-01-01T00:00:00Z").unwrap())), [""; 0]);
    test.assert_sound();

    session.rename(Some("ideas")).unwrap();
    assert_eq!(titled(&plans()), [""; 0]);
    assert_eq!(titled(&Search::words("IDEAS").tools().ranked()), ["one: ideas"]);
    test.assert_sound();
    session.trash().unwrap();
    assert_eq!(titled(&Search::words("ideas")), [""; 0]);
}

#[test]
fn imports_and_appends_write_nothing_for_the_index() {
    let (test, session) = TestStore::of_file(talk());
    assert_eq!(index(&test).2, 0);
    check(&test.store, "again", &["d"]);
    let before = index(&test);

    let session = test.store.session(session).unwrap();
    session.append_message(r#"{"role":"user","content":"appended","id":"e"}"#).unwrap();
    test.write("sessions/--w--/two.jsonl", header("two") + &message("x", None, "imported"));
    test.import();

    assert_eq!(index(&test), before);
    check(&test.store, "appended OR imported", &["e", "x"]);
    assert_ne!(index(&test), before);
}

#[test]
fn an_append_to_the_oldest_session_is_found() {
    let test = TestStore::new();
    let old = test.store.create(&NewSession::new("/w").session_id("old").at(Timestamp(1))).unwrap();
    for n in 0..5 {
        let id = format!("new{n}");
        test.store.create(&NewSession::new("/w").session_id(&id)).unwrap();
    }
    check(&test.store, "needle", &[]);

    old.at(Timestamp(2)).append_message(r#"{"role":"user","content":"needle","id":"n"}"#).unwrap();

    check(&test.store, "needle", &["n"]);
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn a_store_that_is_only_read_reads_what_the_index_lacks() {
    let (test, session) = TestStore::of_file(talk());
    check(&read_only(&test), "frobnicator", &["d", "a"]);
    assert_eq!(index(&test).2, 0);
    check(&test.store, "frobnicator", &["d", "a"]);
    let session = test.store.session(session).unwrap();
    session.append_message(r#"{"role":"user","content":"frobnicator tail","id":"e"}"#).unwrap();

    let page = read_only(&test).search(&Search::words("frobnicator").limit(0)).unwrap();

    assert_eq!(page.scanned, 1);
    assert_eq!(ids(page), ["e", "d", "a"]);
    let snapshot = test.store.snapshot().unwrap();
    assert_eq!(ids(snapshot.search(&Search::words("tail")).unwrap()), ["e"]);
}

#[test]
fn while_another_writes_a_search_reads_what_the_index_lacks() {
    let (test, _) = TestStore::of_file(talk());
    let other = test.sqlite();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    check(&test.store, "frobnicator", &["d", "a"]);

    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(index(&test).2, 0);
}

#[test]
fn two_that_search_and_one_that_writes_do_not_disturb_one_another() {
    let (test, session) = TestStore::of_file(talk());
    let open = || StoreOptions::new().create(false).open(test.store.path()).unwrap();

    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let store = open();
                for _ in 0..30 {
                    check(&store, "frobnicator NOT new", &["d", "a"]);
                }
            });
        }
        let session = open().session(session).unwrap();
        for n in 0..30 {
            let message =
                json!({"role": "user", "content": "frobnicator new", "id": format!("n{n}")});
            session.append_message(message).unwrap();
        }
    });

    assert_eq!(found(&test.store, &Search::words("new").limit(0)).len(), 30);
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn of_an_entry_that_a_later_line_replaces_only_the_later_is_found() {
    let (test, _) = TestStore::of_file(talk());
    check(&test.store, "again", &["d"]);

    test.append(FILE, message("d", Some("b"), "something else"));
    test.import();

    check(&test.store, "again", &[]);
    check(&test.store, "else", &["d"]);
    test.assert_sound();
}

#[test]
fn of_a_file_that_was_rewritten_only_what_it_holds_now_is_found() {
    let (test, session) = TestStore::of_file(talk());
    check(&test.store, "again", &["d"]);
    fs::remove_file(test.root.join(FILE)).unwrap();
    test.write(
        FILE,
        header("one") + &message("a", None, "short") + &message("b", Some("a"), "now"),
    );
    test.import();

    assert_eq!(found(&read_only(&test), &Search::words("again")), [""; 0]);
    check(&test.store, "again", &[]);
    check(&test.store, "now", &["b"]);
    let earlier = test.store.earlier(session, 1).unwrap();
    check(&earlier, "again", &["d"]);
    check(&earlier, "now", &[]);
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn what_is_purged_leaves_no_word_in_the_index() {
    let (test, session) = TestStore::of_file(talk());
    test.write("sessions/--w--/two.jsonl", header("two") + &message("x", None, "frobnicator"));
    test.import();
    check(&test.store, "frobnicator", &["x", "d", "a"]);
    assert_ne!(in_pages(&test, "where"), 0);

    test.store.session(session).unwrap().purge().unwrap();

    assert_eq!(in_pages(&test, "where"), 0);
    check(&test.store, "frobnicator", &["x"]);
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn what_is_pruned_leaves_no_word_in_the_index() {
    let (test, _) = TestStore::of_file(talk());
    check(&test.store, "config", &["a"]);
    test.write(FILE, header("one") + &message("a", None, "another"));
    test.import();

    test.store.prune().unwrap();

    assert_eq!(in_pages(&test, "where"), 0);
    check(&test.store, "another", &["a"]);
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn a_root_that_is_forgotten_is_found_no_more() {
    let (test, _) = TestStore::of_file(talk());
    check(&test.store, "config", &["a"]);

    test.store.forget_root(&test.root).unwrap();

    check(&test.store, "config", &[]);
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn a_rebuild_drops_the_index_and_a_search_makes_it_anew() {
    let (test, _) = TestStore::of_file(talk());
    check(&test.store, "config", &["a"]);

    test.store.rebuild().unwrap();

    assert_eq!((in_pages(&test, "where"), index(&test).2), (0, 0));
    check(&test.store, "config", &["a"]);
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn a_damaged_index_is_a_finding_and_no_wrong_answer() {
    for (damage, is_noticed) in [
        ("DELETE FROM message_search WHERE rowid & 0xFFFFFFFF = 0", true),
        ("INSERT INTO message_search (message_search) VALUES ('delete-all')", true),
        ("UPDATE message_search_data SET block = zeroblob(length(block)) WHERE id > 10", true),
        // Words that are nowhere lead to no hit.
        ("INSERT INTO message_search (rowid, prose) VALUES (0x100000009, 'config')", true),
        (
            "DELETE FROM message_search WHERE rowid & 0xFFFFFFFF = 3;
             INSERT INTO message_search (rowid, prose) VALUES (1 << 32 | 3, 'config')",
            false,
        ),
    ] {
        let (test, _) = TestStore::of_file(talk());
        check(&test.store, "config", &["a"]);
        test.sqlite().execute_batch(damage).unwrap();

        let page = test.store.search(&Search::words("config")).unwrap();

        assert_eq!(page.damaged.is_empty(), !is_noticed, "{damage}");
        assert_eq!(ids(page), ["a"], "{damage}");
        assert_ne!(test.store.check().unwrap(), [], "{damage}");
        test.store.rebuild().unwrap();
        check(&test.store, "config", &["a"]);
        test.assert_sound();
    }
}

#[test]
fn a_line_that_cannot_be_read_is_told_and_keeps_nothing_else_back() {
    let (test, _) = TestStore::of_file(talk());
    test.sqlite()
        .execute("UPDATE lines SET raw = x'00' WHERE line_key & 0xFFFFFFFF = 2", [])
        .unwrap();

    for _ in 0..2 {
        let page = test.store.search(&Search::words("frobnicator").limit(0)).unwrap();

        assert_eq!(page.damaged.len(), 1, "{:?}", page.damaged);
        assert_eq!(ids(page), ["d", "a"]);
    }
}

#[test]
fn texts_are_found_as_they_are_spelt_and_by_patterns() {
    let (test, _) = TestStore::of_file(talk());

    assert_eq!(found(&test.store, &Search::literal("nicator c")), ["a"]);
    assert_eq!(found(&test.store, &Search::literal("Nicator")), [""; 0]);
    assert_eq!(found(&test.store, &Search::literal("config?")), ["a"]);
    assert_eq!(found(&test.store, &Search::pattern("^frob.*again$")), ["d"]);
    assert_eq!(found(&test.store, &Search::pattern("(?i)FROB")), ["d", "a"]);
    assert_eq!(index(&test).2, 0);
    assert_eq!(test.store.search(&Search::literal("x")).unwrap().scanned, 1);
}

#[test]
fn what_nothing_can_be_found_by_is_refused() {
    let (test, _) = TestStore::of_file(talk());
    for search in [
        Search::words(""),
        Search::words("-->"),
        Search::words("NOT one"),
        Search::literal(""),
        Search::pattern("("),
    ] {
        let refused = test.store.search(&search);

        assert!(matches!(refused, Err(Error::InvalidQuery(_))), "{search:?}");
    }
}

#[test]
fn of_a_text_longer_than_16_mebibytes_words_of_its_beginning_are_found_and_any_text_of_all() {
    let test = TestStore::new();
    let text = format!("alpha {} omega", "words ".repeat(3 << 20));
    test.write(FILE, header("one") + &message("a", None, &text));
    test.import();
    let read_only = read_only(&test);

    for store in [&read_only, &test.store] {
        check(store, "alpha", &["a"]);
        check(store, "omega", &[]);
        assert_eq!(found(store, &Search::literal("omega")), ["a"]);
    }
}
