//! Stores with packed lines: smaller, and otherwise the same.

use std::fs;

use sessile::{ExportOptions, Store, StoreOptions, recover};

use crate::support::{TestStore, dump, header, message, options, snapshot};

const FILE: &str = "sessions/--w--/one.jsonl";

/// A root of a session with short and long lines, the last torn, and a store that packs them.
fn packed() -> (TestStore, Store) {
    let test = TestStore::new();
    let long = "words of a long line, again and again. ".repeat(200);
    let torn = message("d", Some("c"), &long);
    test.write(
        FILE,
        header("one")
            + &message("a", None, &long)
            + &message("b", Some("a"), "short")
            + &message("c", Some("b"), &format!("{long}\r\n\u{0}\u{7f} é"))
            + &torn[..torn.len() - 3],
    );
    let store = StoreOptions::new().compression(3).open(&test.folder().join("packed.db")).unwrap();
    store.import(&test.root, &options()).unwrap();
    (test, store)
}

fn count(store: &Store, condition: &str) -> i64 {
    let conn = rusqlite::Connection::open(store.path()).unwrap();
    let sql = format!("SELECT count(*) FROM lines WHERE {condition}");
    conn.query_row(&sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn packed_lines_are_read_as_they_were() {
    let (test, store) = packed();
    test.import();

    assert_eq!((count(&store, "enc = 1"), count(&store, "enc = 0")), (4, 1));
    assert_eq!(store.check().unwrap(), []);
    assert_eq!(store.verify(&test.root).unwrap().differences, []);
    assert_eq!(dump(&store), test.dump());
    let session = store.find("one").unwrap();
    let same = test.store.find("one").unwrap();
    assert_eq!(session.context().unwrap(), same.context().unwrap());
    let mut lines = Vec::new();
    session
        .each_line_of_path("c", |_, line| {
            lines.extend_from_slice(line);
            Ok(())
        })
        .unwrap();
    assert!(fs::read(test.root.join(FILE)).unwrap().windows(lines.len()).any(|part| part == lines));
    let out = test.folder().join("out");
    store.export(&out, &ExportOptions::new()).unwrap();
    assert_eq!(snapshot(&out.join("sessions")), snapshot(&test.root.join("sessions")));
}

#[test]
fn a_packed_store_goes_on() {
    let (test, store) = packed();
    test.append(FILE, "\"}}\n".to_owned() + &message("e", Some("d"), &"more ".repeat(300)));

    let report = store.import(&test.root, &options()).unwrap();

    assert_eq!((report.grown, count(&store, "enc = 1")), (1, 6));
    assert_eq!(store.check().unwrap(), []);
    let session = store.find("one").unwrap();
    session.append_message(r#"{"role":"user","content":"x"}"#).unwrap();
    test.append(FILE, message("f", Some("e"), &"more ".repeat(300)));
    store.import(&test.root, &options()).unwrap();
    assert!(dump(&store).contains("\"leaf\":\"f\""));
    assert_eq!(store.check().unwrap(), []);
    store.rebuild().unwrap();
    assert_eq!(store.check().unwrap(), []);
}

#[test]
fn damage_to_a_packed_line_is_found() {
    for damage in [
        "UPDATE lines SET raw = substr(raw, 1, length(raw) - 1) WHERE enc = 1",
        "UPDATE lines SET enc = 0 WHERE enc = 1",
        "UPDATE lines SET enc = 1 WHERE enc = 0",
        "UPDATE lines SET raw = zeroblob(40) WHERE enc = 1",
    ] {
        let (test, store) = packed();
        let conn = rusqlite::Connection::open(store.path()).unwrap();
        conn.execute_batch(damage).unwrap();

        assert_ne!(store.check().unwrap(), [], "{damage}");
        let to = test.folder().join("recovered.db");
        let report = recover(store.path(), &to).unwrap();
        let lines: Vec<_> = report.incomplete.iter().map(|file| file.lines.len()).collect();
        assert!(lines.iter().all(|ranges| 0 < *ranges), "{damage}: {report:?}");
        for finding in Store::open(&to).unwrap().check().unwrap() {
            let is_named = report
                .incomplete
                .iter()
                .any(|file| finding.place == format!("file {}", file.file.display()));
            assert!(is_named, "{damage}: {finding:?}");
        }
    }
}
