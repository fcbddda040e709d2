//! Pages over the command line and rpc: each says where the next one begins.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use sessile::{Format, NewSession, Page, SessionFilter, Store, Timestamp};

use crate::support::{TestStore, header, message, options};

/// Sessions `s0` to `s6`, each with the word `needle`; three have another spelling of
/// their work dir.
fn store() -> TestStore {
    let test = TestStore::new();
    (0..7).for_each(|n| add(&test, n));
    test
}

fn add(test: &TestStore, n: i64) {
    let at = Timestamp((1_767_225_600 + n) * 1_000_000_000);
    let id = format!("s{n}");
    let work_dir = if n < 3 { "/w/" } else { "/w" };
    let session = test.store.create(&NewSession::new(work_dir).session_id(&id).at(at)).unwrap();
    session.at(at).append_message(r#"{"role":"user","content":"needle"}"#).unwrap();
}

fn run(test: &TestStore, args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sessile"))
        .args(["--db", test.store.path().to_str().unwrap()])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn reply(test: &TestStore, method: &str, params: &Value) -> Value {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let output = run(test, &["rpc"], &request.to_string());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn with(params: &Value, more: &Value) -> Value {
    let mut params = params.clone();
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    params
}

fn id(row: &Value) -> String {
    row["session_id"].as_str().unwrap().to_owned()
}

/// The lists that have pages, with the parameters of each.
fn lists() -> Vec<(&'static str, Value)> {
    vec![
        ("list", json!({})),
        ("list", json!({ "work_dir": "/w" })),
        ("list", json!({ "query": "needle" })),
        ("list", json!({ "format": "kward" })),
        ("list_trash", json!({})),
        ("search", json!({ "text": "needle" })),
        ("search", json!({ "text": "needle", "fixed": true })),
        ("search", json!({ "text": "needle", "rank": true })),
    ]
}

/// The sessions of each page, and from which place to which it went.
fn pages(test: &TestStore, method: &str, params: &Value) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut after = Value::Null;
    loop {
        let asked = with(params, &json!({ "paged": true, "limit": 3, "after": after }));
        let page = &reply(test, method, &asked)["result"];
        let rows = page["rows"].as_array().unwrap_or_else(|| panic!("{method} {asked}: {page}"));
        found.push(rows.iter().map(id).collect());
        after = page["next"].clone();
        assert!(after.is_null() || after.is_string(), "{method} {asked}: {page}");
        if after.is_null() {
            return found;
        }
    }
}

#[test]
fn every_list_of_rpc_says_where_its_next_page_begins() {
    let test = store();

    for (method, params) in lists() {
        if method == "list_trash" {
            (0..7).for_each(|n| test.store.find(&format!("s{n}")).unwrap().trash().unwrap());
        }
        let pages = pages(&test, method, &params);
        if method == "list_trash" {
            (0..7).for_each(|n| test.store.find(&format!("s{n}")).unwrap().restore().unwrap());
        }

        let lengths: Vec<usize> = pages.iter().map(Vec::len).collect();
        assert_eq!(lengths, [3, 3, 1], "{method} {params}");
        let all: BTreeSet<String> = pages.concat().into_iter().collect();
        assert_eq!(all.len(), 7, "{method} {params}: {pages:?}");
    }
}

#[test]
fn a_page_of_rpc_without_a_place_is_an_array_as_the_command_prints_it() {
    let test = store();

    for (method, params) in lists().iter().filter(|(method, _)| *method != "list_trash") {
        let whole = reply(&test, method, params)["result"].clone();
        let paged =
            reply(&test, method, &with(params, &json!({ "paged": true })))["result"].clone();

        assert_eq!(whole.as_array().map(Vec::len), Some(7), "{method} {params}");
        assert_eq!(paged, json!({ "rows": whole, "next": null }), "{method} {params}");
    }
}

#[test]
fn a_page_after_a_place_does_not_shift_when_sessions_come() {
    let test = store();
    let asked = json!({ "paged": true, "limit": 3 });
    let first = reply(&test, "list", &asked)["result"].clone();

    (7..9).for_each(|n| add(&test, n));
    let second = &reply(&test, "list", &with(&asked, &json!({ "after": first["next"] })))["result"];

    let ids: Vec<String> = second["rows"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(ids, ["s3", "s2", "s1"]);
}

#[test]
fn a_place_of_another_list_and_what_is_no_place_are_refused_by_rpc_and_the_commands() {
    let test = store();
    let next = |method: &str, params: Value| {
        let page = reply(&test, method, &with(&params, &json!({ "paged": true, "limit": 1 })));
        page["result"]["next"].as_str().unwrap().to_owned()
    };
    let of_list = next("list", json!({}));
    let of_search = next("search", json!({ "text": "needle" }));
    let of_rank = next("search", json!({ "text": "needle", "rank": true }));

    for (method, params, args) in [
        ("list", json!({ "after": of_search }), vec!["list", "--after", &of_search]),
        ("list_trash", json!({ "after": of_search }), vec!["list", "--trash", "--after", &of_rank]),
        ("list", json!({ "after": "" }), vec!["list", "--after="]),
        ("list", json!({ "after": "1.2.zz" }), vec!["list", "--after", "1.2.zz"]),
        (
            "list",
            json!({ "after": of_list, "sort": "title" }),
            vec!["list", "--sort", "title", "--after", &of_list],
        ),
        (
            "search",
            json!({ "text": "needle", "after": of_list }),
            vec!["search", "--after", &of_list, "needle"],
        ),
        (
            "search",
            json!({ "text": "needle", "after": of_rank }),
            vec!["search", "--after", &of_rank, "needle"],
        ),
    ] {
        let error = &reply(&test, method, &params)["error"];
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains("cursor"), "{method} {params}: {error}");
        let output = run(&test, &args, "");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains("cursor"), "{args:?}: {said}");
    }
}

#[test]
fn the_command_list_names_the_place_at_which_its_next_page_begins() {
    let test = store();

    for args in [
        &["list"][..],
        &["list", "--json"],
        &["list", "--work-dir", "/w"],
        &["list", "--since", "2000-01-01"],
        &["list", "--since", "2000-01-01", "--json"],
    ] {
        let mut found = 0;
        let mut after: Option<String> = None;
        loop {
            let place = after.iter().flat_map(|after| ["--after", after]);
            let asked: Vec<&str> =
                args.iter().copied().chain(["--limit", "3"]).chain(place).collect();
            let output = run(&test, &asked, "");
            assert!(output.status.success(), "{asked:?}: {output:?}");
            found += String::from_utf8(output.stdout).unwrap().lines().count();
            let said = String::from_utf8(output.stderr).unwrap();
            let Some((_, next)) = said.trim_end().split_once("--after ") else { break };
            after = Some(next.to_owned());
        }
        assert_eq!(found, 7, "{args:?}");
        assert!(after.is_some(), "{args:?}");
    }
}

#[test]
fn the_trash_has_pages_like_any_list() {
    let test = store();
    (0..7).for_each(|n| test.store.find(&format!("s{n}")).unwrap().trash().unwrap());

    let mut filter = SessionFilter::new().limit(2);
    let mut found = Vec::new();
    while let page = test.store.trash(&filter).unwrap()
        && found.len() < 20
    {
        found.extend(page.rows.into_iter().filter_map(|row| row.session_id));
        let Some(next) = page.next else { break };
        filter = filter.after(next);
    }

    assert_eq!(found, ["s6", "s5", "s4", "s3", "s2", "s1", "s0"]);
}

#[test]
fn the_trash_says_of_a_session_what_lists_say() {
    let test = TestStore::new();
    let path = test.write("sessions/--w--/one.jsonl", header("one") + &message("a", None, "x"));
    let from_desk = options().origin("desk");
    test.store.import(&test.root, &from_desk).unwrap();
    std::fs::remove_file(path).unwrap();
    test.store.import(&test.root, &from_desk).unwrap();
    let session = test.store.find("one").unwrap();
    session.tag("x").unwrap();
    session.append_message(r#"{"role":"user","content":"here"}"#).unwrap();
    let listed = &test.store.sessions(&SessionFilter::new()).unwrap().rows[0];
    let marks = [listed.has_losses, listed.is_continued_here, listed.is_absent];
    assert_eq!((listed.origin.as_deref(), marks), (Some("desk"), [true, true, true]));

    session.trash().unwrap();

    let in_trash = &test.store.trash(&SessionFilter::new()).unwrap().rows[0];
    let json = |row| serde_json::to_value(row).unwrap();
    assert_eq!(json(in_trash), json(listed));
}

#[test]
fn a_list_of_a_program_or_a_time_has_pages_like_any_other() {
    let test = store();
    for n in 7..10 {
        let new = NewSession::new("/w").format(Format::Pi).session_id(&format!("p{n}"));
        test.store.create(&new.at(Timestamp(n * 1_000_000_000))).unwrap();
    }
    let ids = |filter: SessionFilter,
               select: fn(&Store, &SessionFilter) -> sessile::Result<Page>| {
        let (mut filter, mut ids) = (filter.limit(2), Vec::new());
        loop {
            let page = select(&test.store, &filter).unwrap();
            ids.extend(page.rows.into_iter().filter_map(|row| row.session_id));
            let Some(next) = page.next else { return ids };
            filter = filter.after(next);
        }
    };
    let all = test.store.sessions(&SessionFilter::new()).unwrap().rows;
    let times: Vec<Timestamp> = all.iter().map(|row| row.modified_at).collect();
    let named = |from: usize, to: usize| -> Vec<String> {
        all[from..to].iter().filter_map(|row| row.session_id.clone()).collect()
    };

    let filter = SessionFilter::new;
    for trashed in [false, true] {
        let select = if trashed { Store::trash } else { Store::sessions };
        if trashed {
            all.iter().for_each(|row| test.store.session(row.key).unwrap().trash().unwrap());
        }
        assert_eq!(ids(filter().format(Format::Pi), select), ["p9", "p8", "p7"]);
        assert_eq!(ids(filter().until(times[3]), select), named(3, 10));
        assert_eq!(ids(filter().since(times[6]), select), named(0, 7));
        assert_eq!(ids(filter().since(times[6]).until(times[2]), select), named(2, 7));
        assert_eq!(ids(filter().since(times[2]).until(times[6]), select), Vec::<String>::new());
    }
}
