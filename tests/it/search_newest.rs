//! Newest hits first, reading no more than a page needs.

use std::collections::BTreeSet;

use rusqlite::Connection;
use serde_json::json;
use sessile::{Search, Store, Timestamp};

use crate::search::{check, found, read_only};
use crate::support::{TestStore, header, line, message};

/// Sessions, and entries of each that say the same word: more than are named at once.
const SESSIONS: u64 = 250;
const ENTRIES: u64 = 20;

/// Times go forwards and backwards, in sessions and among them; some sessions
/// have none, and in some an entry has none.
fn time(session: u64, entry: u64) -> Option<String> {
    let step_back = [0, 0, 1_200, 1_700][session as usize % 4] * (entry % 3);
    let second = 1_000_000 + session * 7919 % SESSIONS * 60 + entry * 1_100 - step_back;
    let has_none = session % 10 == 8 || session % 10 == 9 && entry == 7;
    let at = Timestamp((second * 1_000 + session) as i64 * 1_000_000);
    (!has_none).then(|| at.to_string())
}

fn session(n: u64) -> String {
    let entry = |entry: u64| {
        let said = if (n + entry).is_multiple_of(50) { "rare word" } else { "word" };
        line(&json!({
            "type": "message", "id": format!("{n}-{entry}"), "parentId": null,
            "timestamp": time(n, entry),
            "message": {"role": "user", "content": format!("a {said}")},
        }))
    };
    [header(&format!("s{n}"))].into_iter().chain((0..ENTRIES).map(entry)).collect()
}

/// A store of these sessions.
fn store() -> TestStore {
    let test = TestStore::quick();
    for n in 0..SESSIONS {
        test.write(format!("sessions/--w{n}--/{n}.jsonl"), session(n));
    }
    test.import();
    test
}

/// What a search finds, page by page.
fn in_pages(store: &Store, search: &Search, pages: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut search = search.clone().limit(20);
    for _ in 0..pages {
        let page = store.search(&search).unwrap();
        assert_eq!(page.damaged, [""; 0]);
        found.extend(page.hits.into_iter().map(|hit| hit.entry_id));
        match page.next {
            Some(next) => search = search.after(next),
            None => break,
        }
    }
    found
}

#[test]
fn pages_of_the_newest_are_those_of_a_scan() {
    let test = store();
    let scanned = |search: &Search| found(&read_only(&test), &search.clone().limit(0));
    let word = Search::words("word");
    let since = Timestamp(1_018_000 * 1_000_000_000);
    let some = Search::words("word").since(since);
    let rare = Search::words("rare");
    let expected = [scanned(&word), scanned(&some), scanned(&rare)];
    assert_eq!(expected[0].len() as u64, SESSIONS * ENTRIES);
    assert_eq!(expected[0].iter().collect::<BTreeSet<_>>().len(), expected[0].len());
    assert!(20 < expected[1].len() && expected[1].len() < expected[0].len());

    let store = &test.store;
    assert_eq!(in_pages(store, &word, 40), expected[0][..800]);
    assert_eq!(in_pages(store, &some, usize::MAX), expected[1]);
    assert_eq!(in_pages(store, &rare, usize::MAX), expected[2]);
    assert_eq!(found(store, &word.limit(0)), expected[0]);
    test.assert_sound();
}

#[test]
fn what_a_search_takes_in_is_written_at_once() {
    let test = TestStore::quick();
    for n in 0..40 {
        test.write(format!("sessions/--w{n}--/{n}.jsonl"), session(n));
    }
    test.import();

    check(&test.store, "nowhere", &[]);

    // The number of a part of the index stands in the upper bits of its pages.
    let parts = |conn: &Connection| -> i64 {
        let sql = "SELECT count(DISTINCT id >> 37) FROM message_search_data WHERE 10 < id";
        conn.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(parts(&test.sqlite()), 1);
}

#[test]
fn an_index_that_says_wrong_times_is_found() {
    let (test, _) = TestStore::of_file([header("one"), message("a", None, "word")].concat());
    check(&test.store, "word", &["a"]);
    test.assert_sound();

    test.sqlite().execute_batch("UPDATE search_marks SET step_back = 5").unwrap();

    let findings = test.store.check().unwrap();
    assert!(findings.iter().any(|finding| finding.detail.contains("times")), "{findings:?}");
}

#[test]
fn a_title_that_differs_in_capitals_alone_is_found_by_its_own_words() {
    let (test, key) = TestStore::of_file([header("one"), message("a", None, "word")].concat());
    let titles = |query: &str| test.store.search(&Search::words(query)).unwrap().titles.len();
    let session = test.store.session(key).unwrap();

    session.rename(Some("getSession")).unwrap();
    assert_eq!((titles("session"), titles("getsession")), (1, 1));
    session.rename(Some("getsession")).unwrap();

    assert_eq!((titles("session"), titles("getsession")), (0, 1));
    test.assert_sound();
}

#[test]
fn a_search_without_a_limit_finds_titles_behind_others() {
    let test = TestStore::quick();
    for (n, name) in [(1, "other"), (2, "word"), (3, "other")] {
        let named = json!({
            "type": "session_info", "id": "n", "parentId": null, "timestamp": format!("2026-01-0{n}T00:00:00.000Z"),
            "name": name,
        });
        let log = [header(&format!("s{n}")), line(&named)].concat();
        test.write(format!("sessions/--w{n}--/{n}.jsonl"), log);
    }
    test.import();

    let found = read_only(&test).search(&Search::words("word").limit(0)).unwrap();

    assert_eq!(found.titles.len(), 1);
}
