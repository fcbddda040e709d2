//! Search: filters, order and pages.

use serde_json::json;
use sessile::{Archived, ImportOptions, Search, Timestamp};

use crate::search::{check, found, ids, read_only};
use crate::support::{TestStore, header, line, message};

/// Two sessions, of two hours.
fn filtered() -> TestStore {
    let test = TestStore::new();
    for (n, (id, cwd)) in [("one", "/one"), ("two", "/two")].into_iter().enumerate() {
        let said = |minute: usize, id: &str, parent: &str, message: serde_json::Value| {
            line(&json!({
                "type": "message", "id": id, "parentId": parent, "message": message,
                "timestamp": format!("2026-01-0{}T00:{minute:02}:00.000Z", n + 1)
            }))
        };
        let log = [
            line(&json!({"type": "session", "version": 2, "id": id, "cwd": cwd,
                         "timestamp": "2026-01-01T00:00:00.000Z", "model": format!("model-{n}")})),
            said(1, "q", "", json!({"role": "user", "content": "needle"})),
            said(
                2,
                "a",
                "q",
                json!({"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "needle thought"},
                    {"type": "text", "text": "needle"},
                    {"type": "toolCall", "id": "c", "name": "grep", "arguments": {"q": "needle call"}}
                ]}),
            ),
            said(
                3,
                "t",
                "a",
                json!({"role": "tool", "name": "grep", "content": "needle result",
                                     "tool_call_id": "c"}),
            ),
            said(4, "s", "q", json!({"role": "user", "content": "needle aside"})),
            line(
                &json!({"type": "leaf", "targetId": "t", "timestamp": "2026-01-01T00:00:00.000Z"}),
            ),
        ];
        test.write(format!("sessions/--w--/{id}.jsonl"), log.concat());
    }
    test.import();
    test
}

#[test]
fn what_is_asked_for_narrows_a_search() {
    let test = filtered();
    let needle = || Search::words("needle").limit(0);
    let one = test.store.find("one").unwrap();
    let check = |search: Search, expected: &[&str]| {
        assert_eq!(found(&test.store, &search), expected, "{search:?}");
        assert_eq!(ids(read_only(&test).search(&search).unwrap()), expected, "{search:?}");
    };

    check(needle(), &["s", "a", "q", "s", "a", "q"]);
    check(needle().session(one.key()), &["s", "a", "q"]);
    check(needle().session(one.key()).tools(), &["s", "t", "a", "q"]);
    check(needle().work_dir("/two").active_branch(), &["a", "q"]);
    check(needle().work_dir("/two/").role("assistant"), &["a"]);
    check(needle().work_dir("/two").role("TOOL").role("user"), &["s", "t", "q"]);
    check(needle().work_dir("/none"), &[]);
    check(needle().tool("Grep").session(one.key()), &["t", "a"]);
    check(needle().tool("sed"), &[]);
    check(needle().model("MODEL-1").role("assistant"), &["a"]);
    check(Search::words("thought"), &[]);
    check(Search::words("thought").thinking().session(one.key()), &["a"]);
    check(needle().format(sessile::Format::Pi), &[]);
    let at = |text| Timestamp::parse(text).unwrap();
    check(needle().since(at("2026-01-02T00:02:00Z")), &["s", "a"]);
    check(needle().until(at("2026-01-01T00:01:00Z")), &["q"]);
    one.tag("kept").unwrap();
    check(needle().tag("kept").role("assistant"), &["a"]);
    one.archive().unwrap();
    check(needle().archived(Archived::Only).role("assistant"), &["a"]);
    check(needle().archived(Archived::Without), &["s", "a", "q"]);
    one.trash().unwrap();
    check(needle(), &["s", "a", "q"]);
}

#[test]
fn what_tools_say_is_an_index_of_its_own_for_those_who_ask() {
    let test = filtered();
    let rows = |table: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM {table}_docsize");
        test.sqlite().query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    check(&test.store, "needle NOT aside", &["a", "q", "a", "q"]);
    assert_eq!((rows("message_search"), rows("tool_search")), (6, 0));

    // A word in what is said and one in what is called, of one message.
    let both = Search::words("needle call").tools().limit(0);
    assert_eq!(found(&test.store, &both), ["a", "a"]);
    assert_eq!((rows("message_search"), rows("tool_search")), (6, 4));
    let without = Search::words("needle NOT grep").tools().limit(0);
    assert_eq!(found(&test.store, &without), ["s", "t", "q", "s", "t", "q"]);
    assert_eq!(found(&test.store, &both.clone().ranked()).len(), 2);
    assert_eq!(found(&test.store, &Search::words("result OR aside").tools().ranked()).len(), 4);

    test.sqlite().execute_batch("DELETE FROM tool_search WHERE rowid & 0xFFFFFFFF = 1").unwrap();
    assert_eq!(found(&test.store, &Search::words("needle").limit(0)).len(), 6);
    let page = test.store.search(&both).unwrap();
    assert_eq!((page.damaged.len(), ids(page)), (1, vec!["a".to_owned(), "a".to_owned()]));
    assert_ne!(test.store.check().unwrap(), []);
}

#[test]
fn pages_follow_one_another() {
    let test = filtered();
    for ranked in [false, true] {
        let search = || {
            let search = Search::words("needle").limit(2);
            if ranked { search.ranked() } else { search }
        };
        let all = ids(test.store.search(&search().limit(0)).unwrap());
        let mut paged = Vec::new();
        let mut page = test.store.search(&search()).unwrap();
        loop {
            let next = page.next.clone();
            paged.extend(ids(page));
            let Some(next) = next else { break };
            let next = next.to_string().parse().unwrap();
            page = test.store.search(&search().after(next)).unwrap();
        }

        assert_eq!((paged.len(), paged), (6, all));
    }
    assert!("x1".parse::<sessile::SearchCursor>().is_err());
}

#[test]
fn a_place_of_a_list_in_another_order_is_refused() {
    let test = filtered();
    let by_time = || Search::words("needle").limit(2);
    let by_rank = || by_time().ranked();
    let next = |search: &Search| test.store.search(search).unwrap().next.unwrap();

    let refused = [
        test.store.search(&by_time().after(next(&by_rank()))),
        test.store.search(&by_rank().after(next(&by_time()))),
    ];

    for answer in refused {
        assert!(matches!(answer, Err(sessile::Error::InvalidQuery(_))), "{answer:?}");
    }
}

#[test]
fn the_most_telling_come_first_when_asked_for() {
    let (test, _) = TestStore::of_file(
        [
            header("one"),
            message("a", None, "needle needle needle"),
            message("b", Some("a"), &format!("needle {}", "hay ".repeat(200))),
        ]
        .concat(),
    );

    check(&test.store, "needle", &["b", "a"]);
    assert_eq!(found(&test.store, &Search::words("needle").ranked()), ["a", "b"]);
}

#[test]
fn what_tools_answered_is_found_where_it_stands_in_a_message_of_the_user() {
    let test = TestStore::new();
    let record = |id: &str, parent: &str, role: &str, content: serde_json::Value| {
        line(&json!({
            "type": role, "uuid": id, "parentUuid": parent, "sessionId": "s", "cwd": "/w",
            "timestamp": "2026-01-01T00:00:01.000Z", "message": {"role": role, "content": content}
        }))
    };
    let call = json!([{"type": "tool_use", "id": "c", "name": "Grep", "input": {"q": "x"}}]);
    let answer = json!([{"type": "tool_result", "tool_use_id": "c", "content": "needle result"}]);
    let log = [
        record("a", "", "user", json!("needle")),
        record("b", "a", "assistant", call),
        record("c", "b", "user", answer),
    ];
    let root = test.folder().join("claude");
    let path = root.join("projects/-w/11111111-1111-4111-8111-111111111111.jsonl");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, log.concat()).unwrap();
    let options = sessile::ImportOptions::new().format(sessile::Format::Claude);
    test.store.import(&root, &options).unwrap();

    assert_eq!(found(&test.store, &Search::words("needle").role("tool")), ["c"]);
    assert_eq!(found(&test.store, &Search::words("needle").role("user")), ["a"]);
    assert_eq!(found(&test.store, &Search::words("needle").tool("Grep")), ["c"]);
    assert_eq!(found(&test.store, &Search::words("needle").tool("Read")), [""; 0]);
    assert_eq!(found(&test.store, &Search::words("x").tool("Grep")), ["b"]);
}

#[test]
fn what_a_tool_answered_is_passed_over_where_tools_are_not_asked_for() {
    let mut test = TestStore::new();
    let said = |id: &str, message: serde_json::Value| {
        line(&json!({"type": "message", "id": id, "parentId": null, "message": message,
                     "timestamp": "2026-01-01T00:00:00.000Z"}))
    };
    let answer =
        json!([{"type": "text", "text": "needle"}, {"type": "thinking", "thinking": "hay"}]);
    let log = [
        line(&json!({"type": "session", "version": 3, "id": "one", "cwd": "/one",
                     "timestamp": "2026-01-01T00:00:00.000Z"})),
        said("u", json!({"role": "user", "content": "needle"})),
        said("t", json!({"role": "toolResult", "toolCallId": "c", "content": answer})),
    ];
    test.root = test.folder().join("pi");
    test.write("sessions/--w--/one.jsonl", log.concat());
    test.store.import(&test.root, &ImportOptions::new()).unwrap();
    let check = |search: Search, expected: &[&str]| {
        assert_eq!(ids(read_only(&test).search(&search).unwrap()), expected, "{search:?}");
        assert_eq!(found(&test.store, &search), expected, "{search:?}");
        assert_eq!(ids(read_only(&test).search(&search).unwrap()), expected, "{search:?}");
    };

    // Whatever kind of block it stands in, a tool's answer is no thought of the model.
    check(Search::words("hay").thinking(), &[]);
    check(Search::words("hay").thinking().tools(), &["t"]);
    check(Search::words("needle"), &["u"]);
    check(Search::words("needle").tools(), &["t", "u"]);
    test.assert_sound();

    // Its line is not even read.
    test.store.rebuild().unwrap();
    let damage = "UPDATE lines SET checksum = checksum + 1 WHERE line_key = (SELECT max(line_key) FROM lines)";
    test.sqlite().execute(damage, []).unwrap();
    check(Search::words("needle"), &["u"]);
    assert_eq!(test.store.search(&Search::words("needle").tools()).unwrap().damaged.len(), 1);
}
