//! Lists: their order, their pages, their filters.

use sessile::{
    Archived, Cursor, Format, ImportOptions, NewSession, Page, Session, SessionFilter, SessionInfo,
    SessionKey, SessionRow, Timestamp,
};

use crate::support::{TestStore, header, line, message};

fn filter() -> SessionFilter {
    SessionFilter::new()
}

fn session_ids(page: &Page) -> Vec<&str> {
    page.rows.iter().map(|row| row.session_id.as_deref().unwrap_or("-")).collect()
}

/// Sessions of three times, several of each, one of each without a header.
fn many() -> TestStore {
    let test = TestStore::new();
    for time in 1..=3 {
        let activity = |id: &str| {
            message(id, None, "hello").replace("00:00:01.000Z", &format!("00:00:0{time}.000Z"))
        };
        for n in 0..7 {
            let id = format!("s{time}{n}");
            test.write(format!("sessions/--w--/{id}.jsonl"), header(&id) + &activity("a"));
        }
        test.write(format!("sessions/--w--/none{time}.jsonl"), activity("a"));
        test.write(
            format!("sessions/--w--/twin{time}.jsonl"),
            header(&format!("s{time}3")) + &activity("a"),
        );
    }
    test.import();
    test
}

#[test]
fn the_newest_come_first_and_of_equal_times_the_larger_id() {
    let test = many();

    let page = test.store.sessions(&filter()).unwrap();

    let mut expected = Vec::new();
    for time in ["3", "2", "1"] {
        expected.extend(["6", "5", "4", "3", "3", "2", "1", "0"].map(|n| format!("s{time}{n}")));
        expected.push("-".to_owned());
    }
    assert_eq!(session_ids(&page), expected);
    assert_eq!(page.next, None);
}

#[test]
fn pages_show_every_session_exactly_once() {
    let test = many();
    let all: Vec<_> =
        test.store.sessions(&filter()).unwrap().rows.iter().map(|row| row.key).collect();
    for base in [filter(), filter().work_dir("/work")] {
        let expected: Vec<_> =
            test.store.sessions(&base.clone()).unwrap().rows.iter().map(|row| row.key).collect();
        for limit in [1, 2, 3, 7, 26, 27, 28] {
            let mut found = Vec::new();
            let mut next = base.clone().limit(limit);
            loop {
                let page = test.store.sessions(&next).unwrap();
                assert!(page.rows.len() as u64 <= limit);
                found.extend(page.rows.iter().map(|row| row.key));
                let Some(cursor) = page.next else { break };
                next = next.after(cursor);
            }

            assert_eq!(found, expected, "{limit}");
        }
    }
    assert_eq!(all.len(), 27);
}

#[test]
fn pages_tell_a_session_without_an_id_from_one_whose_id_is_empty() {
    let test = TestStore::new();
    for (n, head) in [header(""), String::new(), header(""), String::new()].iter().enumerate() {
        test.write(format!("sessions/--w--/{n}.jsonl"), head.to_owned() + &message("a", None, "x"));
    }
    // To pi, an empty id is one.
    test.store.import(&test.root, &ImportOptions::new().format(Format::Pi)).unwrap();

    let mut found = Vec::new();
    let mut next = filter().limit(1);
    while let Page { rows, next: Some(cursor), .. } = test.store.sessions(&next).unwrap() {
        found.extend(rows.into_iter().map(|row| row.session_id));
        next = next.after(cursor.to_string().parse().unwrap());
    }

    let empty = || Some(String::new());
    // The last page has no next one.
    assert_eq!(found, [empty(), empty(), None]);
}

#[test]
fn a_cursor_is_written_down_and_read_back() {
    let test = many();
    for limit in 1..27 {
        let next = test.store.sessions(&filter().limit(limit)).unwrap().next.unwrap();

        let read: Cursor = next.to_string().parse().unwrap();

        assert_eq!(read, next);
        let json = serde_json::to_string(&next).unwrap();
        assert_eq!(serde_json::from_str::<Cursor>(&json).unwrap(), next);
        assert!(next.to_string().chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c)));
    }
    for text in ["", "1", "1.", "x.2", "1.2.0", "1.2.zz", "1.2.ff", "1.2.+1", "1.2.c3a9.00"] {
        assert!(text.parse::<Cursor>().is_err(), "{text}");
    }
}

#[test]
fn a_cursor_stays_valid_while_sessions_come() {
    let test = many();
    let first = test.store.sessions(&filter().limit(5)).unwrap();
    let all = test.store.sessions(&filter()).unwrap();

    test.write("sessions/--w--/new.jsonl", header("zz-new") + &message("a", None, "x"));
    test.append(
        "sessions/--w--/s10.jsonl",
        "{\"type\":\"leaf\",\"timestamp\":\"2026-01-01T09:00:00Z\"}\n",
    );
    test.import();
    let rest = test.store.sessions(&filter().after(first.next.unwrap())).unwrap();

    let mut expected = session_ids(&all)[5..].to_vec();
    expected.retain(|id| *id != "s10");
    let mut found = session_ids(&rest);
    found.retain(|id| *id != "zz-new");
    assert_eq!(found, expected);
}

#[test]
fn an_offset_skips_and_zero_is_the_default_limit() {
    let test = many();
    let all = test.store.sessions(&filter()).unwrap();

    for (offset, limit, expected) in [
        (0, 2, 0..2),
        (3, 2, 3..5),
        (25, 9, 25..27),
        (27, 9, 27..27),
        (u64::MAX, 9, 27..27),
        (0, 0, 0..27),
    ] {
        let page = test.store.sessions(&filter().offset(offset).limit(limit)).unwrap();

        assert_eq!(session_ids(&page), session_ids(&all)[expected], "{offset} {limit}");
    }
    assert_eq!(test.store.sessions(&filter().limit(u64::MAX)).unwrap().rows.len(), 27);
}

/// Three titles, and the first of them in another work dir.
fn titled() -> TestStore {
    let test = TestStore::new();
    for (id, title, work_dir) in [
        ("a", "Straße nach ÖSTERREICH", "/home/Ünal/work"),
        ("b", "100% of_it", "/home/b"),
        ("c", "plain", "/home/b"),
    ] {
        let lines = header(id).replace("/work", work_dir) + &message("m", None, title);
        test.write(format!("sessions/--w--/{id}.jsonl"), lines);
    }
    test.import();
    test
}

#[test]
fn a_query_finds_title_and_work_dir_in_whatever_case() {
    let test = titled();
    for (query, expected) in [
        ("österreich", &["a"][..]),
        ("  ÖSTERREICH\n", &["a"]),
        ("STRASSE", &[]),
        ("ünal", &["a"]),
        ("ÜNAL/WORK", &["a"]),
        ("home", &["c", "b", "a"]),
        ("PLAIN", &["c"]),
        ("%", &["b"]),
        ("_", &["b"]),
        ("f_i", &["b"]),
        ("in/home", &[]),
        ("nowhere", &[]),
    ] {
        let page = test.store.sessions(&filter().query(query)).unwrap();

        assert_eq!(session_ids(&page), expected, "{query:?}");
    }
}

#[test]
fn a_blank_query_is_none() {
    let test = titled();
    for query in ["", " ", "\t\n\u{3000}"] {
        let page = test.store.sessions(&filter().query(query)).unwrap();

        assert_eq!(session_ids(&page), ["c", "b", "a"], "{query:?}");
    }
}

#[test]
fn a_work_dir_is_matched_whole() {
    let test = titled();
    for (work_dir, expected) in [
        ("/home/b", &["c", "b"][..]),
        ("/home", &[]),
        ("/home/B", &[]),
        ("/home/Ünal/work", &["a"]),
    ] {
        let page = test.store.sessions(&filter().work_dir(work_dir)).unwrap();

        assert_eq!(session_ids(&page), expected, "{work_dir}");
    }
    let page = test.store.sessions(&filter().work_dir("/home/b").query("plain")).unwrap();
    assert_eq!(session_ids(&page), ["c"]);
}

#[test]
fn nothing_is_archived_yet() {
    let test = titled();

    let only = test.store.sessions(&filter().archived(Archived::Only)).unwrap();
    let included = test.store.sessions(&filter().archived(Archived::Included)).unwrap();

    assert_eq!((only.rows.len(), included.rows.len()), (0, 3));
}

#[test]
fn a_row_shows_what_the_session_is() {
    let rename = line(&serde_json::json!({"type": "session_info", "name": "named"}));
    let (test, session) =
        TestStore::of_file(header("one") + &message("a", None, "first") + &rename);

    let page = test.store.sessions(&filter()).unwrap();

    let row = &page.rows[0];
    assert_eq!(row.key, session);
    assert_eq!(row.session_id.as_deref(), Some("one"));
    assert_eq!(row.title.as_deref(), Some("named"));
    assert_eq!(row.work_dir.as_deref(), Some("/work"));
    assert_eq!(row.modified_at.to_string(), "2026-01-01T00:00:01.000Z");
    assert_eq!(row.message_count, 1);
}

#[test]
fn a_session_at_the_end_of_time_is_listed() {
    let late = "{\"type\":\"leaf\",\"timestamp\":\"99999-01-01T00:00:00Z\",\"targetId\":null}\n";
    let (test, _) = TestStore::of_file(header("one") + late);
    test.write("sessions/--w--/two.jsonl", header("two") + late);
    test.write("sessions/--w--/none.jsonl", late);
    test.import();

    let first = test.store.sessions(&filter().limit(2)).unwrap();
    let rest = test.store.sessions(&filter().after(first.next.clone().unwrap())).unwrap();

    assert_eq!(session_ids(&first), ["two", "one"]);
    assert_eq!(session_ids(&rest), ["-"]);
}

#[test]
fn a_query_finds_whatever_holds_it() {
    let titles = [
        "100 % of _all_ \"quoted\" 'words'",
        "ÄÖÜ straße İstanbul ΣΊΣΥΦΟΣ",
        "日本語のテキスト 👩‍👩‍👧‍👦 é",
        "AND OR NOT NEAR(a b) text:a* ^b {c} - +",
        "a\u{0}b\u{1}c tab\tend",
        "aaaaaaaa",
        "ab",
    ];
    let test = TestStore::new();
    // Twice as many as one title, so that some queries are of many sessions.
    for (n, title) in titles.iter().chain(&titles).chain(["aaaa"; 9].iter()).enumerate() {
        let id = format!("s{n}");
        let lines = header(&id) + &message("a", None, title);
        test.write(format!("sessions/--w--/{id}.jsonl"), lines);
    }
    test.import();
    let all = test.store.sessions(&filter()).unwrap().rows;
    let texts: Vec<String> = all
        .iter()
        .map(|row| format!("{}\u{1f}/work", row.title.as_deref().unwrap_or("")).to_lowercase())
        .collect();
    let mut queries: Vec<String> =
        vec!["nowhere".to_owned(), "aaaaaaaaa".to_owned(), "ork".to_owned()];
    for title in titles {
        let characters: Vec<char> = title.chars().collect();
        for length in [1, 2, 3, 4, 9, 20, 40] {
            queries.extend(characters.windows(length).map(String::from_iter));
        }
    }
    for query in queries {
        let wanted = query.trim().to_lowercase();
        for limit in [1, 3, 100] {
            let page = test.store.sessions(&filter().query(&query).limit(limit)).unwrap();

            let expected = all.iter().zip(&texts).filter(|(_, text)| text.contains(&wanted));
            let expected: Vec<_> =
                expected.map(|(row, _)| row.key).take(limit.try_into().unwrap()).collect();
            let found: Vec<_> = page.rows.iter().map(|row| row.key).collect();
            assert_eq!(found, expected, "{query:?}");
        }
    }
    test.assert_sound();
}

/// Words in all titles, in many, in some, in a run of old sessions, and one that
/// only seems to be where its parts are.
const WORDS: [&str; 5] = ["everywhere", "frequent", "seldom", "bygone", "eryverwhe"];

fn title(n: u32) -> String {
    let has = [true, n.is_multiple_of(3), n % 29 == 5, n < 60, n % 5 == 1];
    let words = WORDS.iter().zip(has).filter(|(_, has)| *has).map(|(word, _)| *word);
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_pages_of_a_query_are_those_of_the_list_without_the_others() {
    let test = TestStore::quick();
    for n in 0..400 {
        let work = format!("/work{}", n % 4);
        let lines = header(&format!("s{n:03}")).replace("/work", &work)
            + &message("a", None, &title(n))
                .replace("00:00:01", &format!("0{}:{:02}:01", n / 60, n % 60));
        test.write(format!("sessions/--w--/{n:03}.jsonl"), lines);
    }
    test.import();
    for n in (0..400).step_by(7) {
        let session = test.store.find(&format!("s{n:03}")).unwrap();
        session.at(Timestamp(1)).archive().unwrap();
    }
    // Some went on lately.
    for n in (3..400).step_by(17) {
        let session = test.store.find(&format!("s{n:03}")).unwrap();
        let at = Timestamp(1_767_225_600_000_000_000 + n * 60_000_000_000);
        session.at(at).append_message(r#"{"role":"user","content":"more"}"#).unwrap();
    }
    for archived in [Archived::Without, Archived::Only, Archived::Included] {
        for work_dir in [None, Some("/work1")] {
            let mut list = filter().archived(archived);
            list = work_dir.iter().fold(list, SessionFilter::work_dir);
            let all = test.store.sessions(&list.clone().limit(400)).unwrap().rows;
            for word in WORDS {
                let holds = |row: &&SessionRow| row.title.as_ref().unwrap().contains(word);
                let expected: Vec<_> = all.iter().filter(holds).map(|row| row.key).collect();
                for limit in [1, 9, 50, 399] {
                    let page = list.clone().query(word).limit(limit);
                    assert_eq!(all_pages(&test, page.clone()), expected, "{word} by {limit}");

                    let offset = test.store.sessions(&page.offset(limit + 2)).unwrap();
                    let keys: Vec<_> = offset.rows.iter().map(|row| row.key).collect();
                    let (skip, take) = (limit as usize + 2, limit as usize);
                    let wanted: Vec<_> = expected.iter().copied().skip(skip).take(take).collect();
                    assert_eq!(keys, wanted, "{word} behind {skip}");
                    assert_eq!(offset.next.is_some(), skip + take < expected.len());
                }
            }
        }
    }
}

fn all_pages(test: &TestStore, mut filter: SessionFilter) -> Vec<SessionKey> {
    let mut keys = Vec::new();
    loop {
        let page = test.store.sessions(&filter).unwrap();
        keys.extend(page.rows.iter().map(|row| row.key));
        let Some(next) = page.next else { return keys };
        filter = filter.after(next);
    }
}

#[test]
fn a_query_follows_the_title() {
    let test = TestStore::new();
    let session = test.store.create(&sessile::NewSession::new("/work")).unwrap();
    let found = |query: &str| test.store.sessions(&filter().query(query)).unwrap().rows.len();
    session.append_message(r#"{"role":"user","content":"the first words"}"#).unwrap();
    assert_eq!((found("first words"), found("second")), (1, 0));

    session.rename(Some("second name")).unwrap();
    assert_eq!((found("first words"), found("second")), (0, 1));

    session.rename(None).unwrap();
    assert_eq!((found("first words"), found("second")), (1, 0));
    assert_eq!(test.store.check().unwrap(), []);

    session.at(sessile::Timestamp::now()).trash().unwrap();
    session.purge().unwrap();
    assert_eq!(found("first words"), 0);
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn a_list_says_how_a_session_stands_to_its_root() {
    let (test, session) = TestStore::of_file([header("one"), message("a", None, "x")].concat());
    let standing = || -> Vec<(String, [bool; 3])> {
        let rows = test.store.sessions(&SessionFilter::new()).unwrap().rows;
        let standing = rows.into_iter().map(|row| {
            let marks = [row.is_continued_here, row.is_absent, row.is_shadowed];
            (row.session_id.unwrap(), marks)
        });
        standing.collect()
    };
    let one = |marks| ("one".to_owned(), marks);
    assert_eq!(standing(), [one([false, false, false])]);

    let handle = test.store.session(session).unwrap();
    handle.append_message(r#"{"role":"user","content":"here"}"#).unwrap();
    assert_eq!(standing(), [one([true, false, false])]);

    let path = test.root.join("sessions/--w--/one.jsonl");
    std::fs::remove_file(&path).unwrap();
    test.import();
    assert_eq!(standing(), [one([true, true, false])]);
    handle.purge().unwrap();

    test.write("sessions/--w--/two.jsonl", [header("two"), message("a", None, "x")].concat());
    test.import();
    test.write("sessions/--w--/two.jsonl", [header("three"), message("b", None, "y")].concat());
    test.import();
    let shadowed: Vec<bool> = standing().iter().map(|(_, marks)| marks[2]).collect();
    assert_eq!(shadowed.iter().filter(|is_shadowed| **is_shadowed).count(), 1, "{:?}", standing());
}

/// Checks each page of the sessions that a filter lets through, which are these, against their own times.
#[track_caller]
fn check_pages(test: &TestStore, base: &SessionFilter, mut expected: Vec<SessionInfo>) {
    let place = |info: &SessionInfo| (info.modified_at, info.session_id.clone(), info.key);
    expected.sort_by_key(|info| std::cmp::Reverse(place(info)));
    let expected: Vec<_> = expected.iter().map(|info| info.key).collect();

    assert_eq!(all_pages(test, base.clone().limit(7)), expected);
    for offset in [0, 1, 5, 31, 32, 33, 40, 66, 99] {
        let page = test.store.sessions(&base.clone().offset(offset).limit(9)).unwrap();
        let found: Vec<_> = page.rows.iter().map(|row| row.key).collect();
        let wanted: Vec<_> = expected.iter().copied().skip(offset as usize).take(9).collect();
        assert_eq!(found, wanted, "{offset}");
    }
}

#[test]
fn sessions_that_go_on_stand_in_every_list_by_their_time() {
    let test = many();
    let mut sessions: Vec<Session> = (0..48)
        .map(|n| test.store.create(&NewSession::new(["/work", "/other", "/a"][n % 3])).unwrap())
        .collect();
    let imported = test.store.sessions(&filter()).unwrap().rows;
    sessions.extend(imported.iter().step_by(3).map(|row| test.store.session(row.key).unwrap()));
    for session in sessions.iter().step_by(11) {
        session.archive().unwrap();
    }
    let infos = || -> Vec<SessionInfo> {
        let filter = filter().archived(Archived::Included).limit(0);
        all_pages(&test, filter)
            .into_iter()
            .map(|key| test.store.session(key).unwrap().info().unwrap())
            .collect()
    };

    // More sessions go on than are kept beside the lists; times go forth and back.
    for step in 0..240 {
        let at = Timestamp(1_767_225_600_000_000_000 + (step * 37 % 240) * 20_000_000);
        let session = &sessions[(step * 31 % 64) as usize % sessions.len()];
        session
            .at(at)
            .append_message(format!(r#"{{"role":"user","content":"number {step}"}}"#))
            .unwrap();
        if step % 16 != 0 {
            continue;
        }
        let infos = infos();
        assert_eq!(infos.len(), 75);
        let of = |keep: &dyn Fn(&SessionInfo) -> bool| -> Vec<SessionInfo> {
            infos.iter().filter(|info| keep(info)).cloned().collect()
        };
        let is_live = |info: &SessionInfo| info.archived_at.is_none();
        check_pages(&test, &filter().archived(Archived::Included), infos.clone());
        check_pages(&test, &filter(), of(&is_live));
        check_pages(&test, &filter().archived(Archived::Only), of(&|info| !is_live(info)));
        let is_work = |info: &SessionInfo| info.work_dir.as_deref() == Some("/work");
        check_pages(&test, &filter().work_dir("/work"), of(&|info| is_live(info) && is_work(info)));
        let is_found =
            |info: &SessionInfo| info.title.as_ref().is_some_and(|t| t.contains("number"));
        check_pages(&test, &filter().query("number"), of(&|info| is_live(info) && is_found(info)));
    }

    assert_eq!(test.store.check().unwrap(), []);
}
