//! Damaged data is never returned: what leaves a store is right, or reported and
//! left out.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use rusqlite::Connection;
use sessile::{Error, ExportOptions, Store, Timestamp};

use crate::support::{TestStore, dump, header, mode, set_mode};
use crate::whole::{Whole, column, files};

/// Lines that an export needs: of chains that are current or begun here, and of their bases.
const NEEDED: &str = "
    FROM lines
    WHERE line_key >> 32 IN (SELECT file_id FROM files WHERE state IN ('current', 'local'))";

#[test]
fn whatever_is_done_to_a_line_its_file_is_not_exported_and_all_others_are() {
    for level in [None, Some(3)] {
        let whole = Whole::new(level);
        let conn = Connection::open(&whole.path).unwrap();
        // Where lines are packed, those that are.
        let enc = i64::from(level.is_some());
        let keys = column(&conn, &format!("SELECT line_key {NEEDED} AND enc = {enc}"));
        drop(conn);
        assert!(3 < keys.len());
        for key in keys {
            for change in [
                "UPDATE lines SET raw = CAST(x'00' || substr(raw, 2) AS BLOB)",
                "UPDATE lines SET raw = substr(raw, 1, length(raw) - 1)",
                "UPDATE lines SET raw = x''",
                "UPDATE lines SET checksum = checksum + 1",
                "UPDATE lines SET checksum = checksum - 4294967296",
                "UPDATE lines SET enc = 1 - enc",
                "UPDATE lines SET line_key = line_key + 1000",
                "DELETE FROM lines",
            ] {
                let sql = format!("{change} WHERE line_key = {key}");

                let store = whole.changed(&sql);

                let missing = whole.check_export(&store, &sql).unwrap();
                assert_eq!(missing.len(), 1, "{sql}: {missing:?}");
            }
        }
    }
}

#[test]
fn lines_in_one_another_s_place_are_not_exported() {
    for level in [None, Some(3)] {
        let whole = Whole::new(level);
        let conn = Connection::open(&whole.path).unwrap();
        let files = column(&conn, &format!("SELECT DISTINCT line_key >> 32 {NEEDED}"));
        drop(conn);
        let mut swapped = 0;
        for (n, one) in files.iter().enumerate() {
            for other in files.iter().skip(n + 1).step_by(3) {
                for position in 0..3 {
                    let (one, other) = ((one << 32) + position, (other << 32) + position);
                    let sql = format!(
                        "UPDATE lines SET line_key = 1 WHERE line_key = {one};
                         UPDATE lines SET line_key = {one} WHERE line_key = {other};
                         UPDATE lines SET line_key = {other} WHERE line_key = 1;"
                    );
                    let conn = Connection::open(&whole.path).unwrap();
                    let both = format!(
                        "SELECT count(*), count(DISTINCT raw)
                         FROM lines WHERE line_key IN ({one}, {other})"
                    );
                    let counts: (i64, i64) =
                        conn.query_row(&both, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
                    drop(conn);
                    if counts.0 < 2 {
                        continue;
                    }
                    swapped += 1;

                    let store = whole.changed(&sql);

                    let missing = whole.check_export(&store, &sql).unwrap();
                    assert_eq!(missing.len(), 2, "{sql}: {missing:?}");
                    let mut out = Vec::new();
                    let dumped = store.dump(&mut out);
                    let rows = String::from_utf8(out).unwrap();
                    assert!(rows.lines().all(|row| whole.dump.iter().any(|of| of == row)), "{sql}");
                    let all = rows.lines().count() == whole.dump.len();
                    assert_eq!(dumped.is_ok(), all, "{sql}");
                }
            }
        }
        assert!(20 < swapped, "{swapped}");
    }
}

#[test]
fn whatever_is_done_to_a_document_it_is_not_exported_and_all_else_is() {
    let whole = Whole::new(None);
    let conn = Connection::open(&whole.path).unwrap();
    let keys = column(&conn, "SELECT chunk_key FROM chunks");
    drop(conn);
    assert!(4 < keys.len());
    for key in keys {
        for change in [
            "UPDATE chunks SET raw = CAST(x'00' || substr(raw, 2) AS BLOB)",
            "UPDATE chunks SET checksum = checksum + 1",
            "UPDATE chunks SET chunk_key = chunk_key + 1000",
            "DELETE FROM chunks",
        ] {
            let sql = format!("{change} WHERE chunk_key = {key}");

            let store = whole.changed(&sql);

            let missing = whole.check_export(&store, &sql).unwrap();
            assert_eq!(missing.len(), 1, "{sql}: {missing:?}");
        }
    }
}

#[test]
fn a_file_that_is_not_as_long_as_it_was_is_not_exported() {
    let whole = Whole::new(None);
    let conn = Connection::open(&whole.path).unwrap();
    let of_content = "kind IN ('log', 'document') AND state IN ('current', 'local')";
    let ids = column(&conn, &format!("SELECT file_id FROM files WHERE {of_content}"));
    drop(conn);
    for id in ids {
        for change in [
            "UPDATE files SET size = size + 1",
            "UPDATE files SET line_count = line_count + 1",
            "UPDATE files SET line_count = line_count - 1",
            "UPDATE files SET base_count = base_count - 1",
            "UPDATE files SET sha256 = zeroblob(32)",
        ] {
            let sql = format!(
                "{change} WHERE file_id = {id} AND ('{change}' NOT LIKE '%base%' OR base_count > 0)
                 AND ('{change}' NOT LIKE '%sha256%' OR sha256 IS NOT NULL)"
            );
            let mut count = 0;
            let store = whole.damaged(|copy| {
                count = Connection::open(copy).unwrap().execute(&sql, []).unwrap();
            });

            let missing = whole.check_export(&store, &sql).unwrap();

            // A chain that a local one stands for is not exported by itself.
            assert!(missing.len() <= count, "{sql}: {missing:?}");
            let conn = Connection::open(&whole.path).unwrap();
            let is_shadowed = format!("SELECT 1 FROM files WHERE base_id = {id}");
            let is_shadowed = conn.prepare(&is_shadowed).unwrap().exists([]).unwrap();
            assert!(is_shadowed || missing.len() == count, "{sql}: {missing:?}");
        }
    }
}

#[test]
fn a_session_that_cannot_be_read_keeps_no_other_out_of_a_dump() {
    let whole = Whole::new(Some(3));
    let conn = Connection::open(&whole.path).unwrap();
    // The last messages of branches: each is in its session's context.
    let keys = column(
        &conn,
        "SELECT max(line_key) FROM lines
         WHERE line_key >> 32 IN (SELECT file_id FROM sessions) GROUP BY line_key >> 32",
    );
    drop(conn);
    for key in keys {
        let sql = format!("UPDATE lines SET checksum = 0 WHERE line_key = {key}");
        let store = whole.changed(&sql);
        let mut out = Vec::new();

        let err = store.dump(&mut out).unwrap_err();

        let Error::Incomplete { done, failed } = err else { panic!("{sql}: {err:?}") };
        let rows: Vec<String> =
            String::from_utf8(out).unwrap().lines().map(str::to_owned).collect();
        let left_out: Vec<&String> = whole.dump.iter().filter(|row| !rows.contains(row)).collect();
        assert_eq!((left_out.len(), failed.len()), (1, 1), "{sql}: {failed:?}");
        assert_eq!(rows.len() + 1, whole.dump.len());
        assert!(done as usize <= rows.len());
        let named = failed[0].file.display().to_string();
        assert!(left_out[0].contains(&named), "{named}");
        assert!(failed[0].to_string().contains("line "), "{}", failed[0]);
    }
}

#[test]
fn no_read_of_a_damaged_or_missing_line_gives_anything_for_it() {
    let line = "(SELECT line_key FROM lines
                 WHERE line_key >> 32 = (SELECT file_id FROM sessions WHERE session_id = 'one')
                 ORDER BY line_key LIMIT 1 OFFSET 3)";
    for (damage, detail) in [
        (
            "UPDATE lines SET raw = CAST(replace(CAST(raw AS TEXT), 'one', 'two') AS BLOB)",
            "does not match its checksum",
        ),
        ("DELETE FROM lines", "is missing"),
    ] {
        let whole = Whole::new(None);
        let store = whole.changed(&format!("{damage} WHERE line_key = {line}"));
        let one = store.find("one").unwrap();
        let entry = one.entry("c").unwrap().unwrap();
        let nothing = |_: u32, _: &[u8]| Ok(());
        for (name, result) in [
            ("context", one.context().map(drop)),
            ("line", one.line_of(&entry).map(drop)),
            ("each_line", one.each_line(nothing)),
            ("each_line_of_path", one.each_line_of_path("c", nothing)),
            ("capture_branch", one.capture().map(drop)),
            ("markdown", one.markdown(Timestamp(0)).map(drop)),
            ("tree_rows", one.tree_rows().map(drop)),
            ("dump_session", one.dump(&mut Vec::new())),
        ] {
            match result {
                Err(Error::Damaged(found)) => {
                    let expected = format!("line 4 of sessions/--w--/one.jsonl {detail}");
                    assert_eq!(found, expected, "{name}");
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        assert_eq!(store.find("two").unwrap().context().unwrap().len(), 4);
    }
}

#[test]
fn what_is_left_of_a_damaged_file_is_written_under_a_name_that_says_so() {
    let whole = Whole::new(None);
    // A file of the root is called as the damaged one would be.
    let store = whole.changed(
        "UPDATE files SET path = CAST('sessions/--w--/one.jsonl.damaged' AS BLOB)
         WHERE path = CAST('sessions/--w--/note.txt' AS BLOB);
         UPDATE chunks SET checksum = 0;
         DELETE FROM lines
         WHERE line_key = 1 + (SELECT file_id << 32 FROM sessions WHERE session_id = 'one')",
    );
    let out = whole.test.folder().join("left");

    let err = store.export(&out, &ExportOptions::new().damaged(true)).unwrap_err();

    let Error::Incomplete { failed, .. } = err else { panic!("{err:?}") };
    let named: Vec<String> = failed.iter().map(ToString::to_string).collect();
    assert!(
        named.iter().any(|text| text.ends_with("line 2 of sessions/--w--/one.jsonl is missing"))
    );
    let found = files(&out);
    let of = |name: &str| {
        let mut found = found.iter().filter(|(path, _)| path.ends_with(name));
        found.next().map(|(_, bytes)| bytes.clone())
    };
    let whole_file = fs::read(whole.test.root.join("sessions/--w--/one.jsonl")).unwrap();
    let lines: Vec<&[u8]> = whole_file.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!((of("one.jsonl"), of("one.jsonl.damaged")), (None, None));
    assert_eq!(of("one.jsonl.damaged-2"), Some([lines[0], lines[2], lines[3]].concat()));
    let document = "a document ".repeat(200_000).into_bytes();
    assert_eq!(of("one.jsonl.damaged.damaged"), Some(document));
}

#[test]
fn a_name_that_no_file_system_takes_keeps_no_other_back() {
    for name in [format!("sessions/--w--/{}.jsonl", "x".repeat(300)), "x/".repeat(3_000) + "x"] {
        let whole = Whole::new(None);
        let store = whole.changed(&format!(
            "UPDATE files SET path = CAST('{name}' AS BLOB)
             WHERE path = CAST('sessions/--w--/one.jsonl' AS BLOB)"
        ));

        let missing = whole.check_export(&store, "a long name").unwrap();

        assert_eq!(missing.len(), 1, "{missing:?}");
    }
}

#[test]
fn what_is_exported_runs_as_nobody_else() {
    let test = TestStore::quick();
    let file = test.write("sessions/--w--/one.jsonl", header("one"));
    set_mode(&file, 0o7755);
    set_mode(&test.root.join("sessions/--w--"), 0o7755);
    test.import();
    let out = test.folder().join("out");

    test.store.export(&out, &ExportOptions::new()).unwrap();

    assert_eq!(mode(&out.join("sessions/--w--/one.jsonl")), 0o755);
    assert_eq!(mode(&out.join("sessions/--w--")), 0o755);
}

#[test]
fn a_backup_may_lie_in_a_folder_of_any_name() {
    let test = TestStore::quick();
    test.write("sessions/--w--/one.jsonl", header("one"));
    test.import();
    for name in [&b"\xFF\xFE"[..], b"file:x?mode=memory", b"'quoted'"] {
        let folder = test.folder().join(OsStr::from_bytes(name));
        fs::create_dir(&folder).unwrap();
        let copy = folder.join("copy.db");

        test.store.backup(&copy).unwrap();

        let readable = test.folder().join("readable.db");
        fs::copy(&copy, &readable).unwrap();
        assert_eq!(dump(&Store::open(&readable).unwrap()), test.dump());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }
}
