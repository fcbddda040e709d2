//! Nothing damaged is passed on: what leaves a store is right, or it is named and left out.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use sessile::{
    Archived, Error, ExportOptions, NewSession, SessionFilter, Store, StoreOptions, Timestamp,
};

use crate::support::{
    TestStore, dump, fixture, header, message, mode, options, set_mode, set_mtime,
};

/// A store of every kind of chain, to be copied and damaged.
struct Whole {
    test: TestStore,
    path: PathBuf,
    /// What an export of it holds, by file.
    files: BTreeMap<PathBuf, Vec<u8>>,
    dump: Vec<String>,
}

impl Whole {
    /// With long lines packed, or not.
    fn new(level: Option<i32>) -> Self {
        let test = TestStore::quick();
        let path = test.folder().join("whole.db");
        let open =
            level.map_or(StoreOptions::new(), |level| StoreOptions::new().compression(level));
        let store = open.open(&path).unwrap();
        let long = "words of a long line, again and again. ".repeat(20);
        for name in ["one", "two", "six"] {
            let lines = header(name)
                + &message("a", None, &format!("{name} {long}"))
                + &message("b", Some("a"), name)
                + &message("c", Some("b"), &format!("{name} {long}"));
            test.write(format!("sessions/--w--/{name}.jsonl"), lines);
        }
        test.write("sessions/--w--/note.txt", "a document ".repeat(200_000));
        store.import(&test.root, &options()).unwrap();
        // One that goes on here, one that is only here, one that was rewritten at its root.
        let said = r#"{"role":"user","content":"said here"}"#;
        let two = store.live(store.find("two").unwrap()).unwrap().at(Timestamp(0));
        two.with_id("d").append_message(said).unwrap();
        for id in ["made", "mine"] {
            let new = NewSession::new("/made").session_id(id).at(Timestamp(0));
            let session = store.create(&new).unwrap().at(Timestamp(0));
            session.with_id("e").append_message(said).unwrap();
        }
        let six = header("six") + &message("z", None, "rewritten");
        set_mtime(&test.write("sessions/--w--/six.jsonl", six), 1_800_000_000, 0);
        store.import(&test.root, &options()).unwrap();
        store.import(&fixture("kimi/small"), &sessile::ImportOptions::new()).unwrap();
        let out = test.folder().join("out");
        store.export(&out, &ExportOptions::new()).unwrap();
        let dump = dump(&store).lines().map(str::to_owned).collect();
        drop(store);
        Self { files: files(&out), test, path, dump }
    }

    /// A copy, changed by `change`.
    fn damaged(&self, change: impl FnOnce(&Path)) -> Store {
        self.try_damaged(change).unwrap()
    }

    fn try_damaged(&self, change: impl FnOnce(&Path)) -> sessile::Result<Store> {
        let folder = self.test.folder();
        let copy = folder.join("copy.db");
        for name in ["copy.db", "copy.db-wal", "copy.db-shm"] {
            let _ = fs::remove_file(folder.join(name));
        }
        fs::copy(&self.path, &copy).unwrap();
        change(&copy);
        StoreOptions::new().read_only(true).open(&copy)
    }

    /// A copy, changed by SQL that changes something.
    fn changed(&self, sql: &str) -> Store {
        self.damaged(|copy| {
            let conn = Connection::open(copy).unwrap();
            conn.execute_batch(sql).unwrap();
            assert_ne!(conn.total_changes(), 0, "{sql}");
        })
    }

    /// Exports a copy: each file is right, or it is not there and is named.
    /// Returns which are not there; `None` where the export gave up.
    #[track_caller]
    fn check_export(&self, store: &Store, about: &str) -> Option<BTreeSet<PathBuf>> {
        let out = tempfile::tempdir_in(self.test.folder()).unwrap();
        let exported = store.export(out.path(), &ExportOptions::new());
        let found = files(out.path());
        for (path, bytes) in &found {
            assert!(self.files.get(path) == Some(bytes), "{about}: {}", path.display());
        }
        let missing: BTreeSet<PathBuf> =
            self.files.keys().filter(|path| !found.contains_key(*path)).cloned().collect();
        match exported {
            Ok(_) => assert_eq!(missing, BTreeSet::new(), "{about}"),
            Err(Error::Incomplete { failed, .. }) => assert!(!failed.is_empty(), "{about}"),
            Err(Error::Damaged(_) | Error::Sqlite(_)) => return None,
            Err(err) => panic!("{about}: {err:?}"),
        }
        Some(missing)
    }
}

/// The bytes of each file below a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let snapshot = crate::support::snapshot(folder).into_iter();
    snapshot
        .filter(|(path, _)| folder.join(path).is_file())
        .map(|(path, (_, _, bytes))| (path, bytes))
        .collect()
}

fn column(conn: &Connection, sql: &str) -> Vec<i64> {
    let mut stmt = conn.prepare(sql).unwrap();
    let rows = stmt.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

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
        let named = String::from_utf8(failed[0].file.clone()).unwrap();
        assert!(left_out[0].contains(&named), "{named}");
        assert!(failed[0].to_string().contains("line "), "{}", failed[0]);
    }
}

#[test]
fn no_read_of_a_damaged_line_gives_it_away() {
    let whole = Whole::new(None);
    let store = whole.changed(
        "UPDATE lines SET raw = CAST(replace(CAST(raw AS TEXT), 'one', 'two') AS BLOB)
         WHERE line_key IN (SELECT line_key FROM lines
                            WHERE line_key >> 32 = (SELECT file_id FROM sessions
                                                    WHERE session_id = 'one')
                            ORDER BY line_key LIMIT 1 OFFSET 3)",
    );
    let one = store.find("one").unwrap();
    let entry = store.entry(one, "c").unwrap().unwrap();
    let nothing = |_: u32, _: &[u8]| Ok(());
    for (name, result) in [
        ("context", store.context(one).map(drop)),
        ("line", store.line(&entry).map(drop)),
        ("each_line", store.each_line(one, nothing)),
        ("each_line_of_path", store.each_line_of_path(one, "c", nothing)),
        ("capture_branch", store.capture_branch(one).map(drop)),
        ("markdown", store.markdown(one, Timestamp(0)).map(drop)),
        ("tree_rows", store.tree_rows(one).map(drop)),
        ("dump_session", store.dump_session(one, &mut Vec::new())),
    ] {
        match result {
            Err(Error::Damaged(detail)) => {
                assert_eq!(
                    detail, "line 4 of sessions/--w--/one.jsonl does not match its checksum",
                    "{name}"
                );
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    assert_eq!(store.context(store.find("two").unwrap()).unwrap().len(), 4);
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

/// Reads everything there is; only what is right may come out.
#[track_caller]
fn check_commands(whole: &Whole, store: &Store, about: &str) {
    whole.check_export(store, about);
    let mut out = Vec::new();
    let dumped = store.dump(&mut out);
    for row in String::from_utf8_lossy(&out).lines() {
        assert!(serde_json::from_str::<serde::de::IgnoredAny>(row).is_ok(), "{about}: {row}");
    }
    let listed = store.sessions(&SessionFilter::new().archived(Archived::Included));
    let counted = store.stats();
    let problems = store.each_problem(None, |_, _| Ok(()));
    for (name, done) in [
        ("dump", dumped),
        ("list", listed.map(drop)),
        ("stats", counted.map(drop)),
        ("problems", problems),
    ] {
        assert!(matches!(done, Ok(()) | Err(Error::Incomplete { .. })), "{about}: {name} {done:?}");
    }
    match store.verify(&whole.test.root) {
        Ok(_) | Err(Error::Damaged(_) | Error::SourceNotFound(_)) => {}
        err => panic!("{about}: {err:?}"),
    }
}

#[test]
fn of_damaged_pages_nothing_wrong_is_exported() {
    let whole = Whole::new(None);
    let bytes = fs::read(&whole.path).unwrap();
    let conn = Connection::open(&whole.path).unwrap();
    let content = column(
        &conn,
        "SELECT pageno FROM dbstat
         WHERE name IN ('lines', 'chunks') AND pagetype = 'leaf'",
    );
    drop(conn);
    let pages = bytes.len() / 8192;
    let mut left = 0;
    for page in 1..pages {
        let about = format!("page {}", page + 1);
        let opened = whole.try_damaged(|copy| {
            let mut bytes = bytes.clone();
            bytes[page * 8192..][..8192].fill(0);
            fs::write(copy, bytes).unwrap();
        });
        // The schema takes several pages.
        let Ok(store) = opened else { continue };

        check_commands(&whole, &store, &about);

        if content.contains(&(page as i64 + 1)) {
            let missing = whole.check_export(&store, &about).expect(&about);
            assert!(missing.len() < whole.files.len(), "{about}: nothing is exported");
            assert!(!store.stats().unwrap().damaged.is_empty(), "{about}");
            left += 1;
        }
    }
    assert!(0 < left);
}

#[test]
fn of_flipped_bits_nothing_wrong_is_exported() {
    let whole = Whole::new(Some(3));
    let bytes = fs::read(&whole.path).unwrap();
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut refused = 0;
    for round in 0..150 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // The first page says whether it is a database of ours, and of which schema.
        let at = 8192 + (state >> 16) as usize % (bytes.len() - 8192);
        let bit = 1 << (state % 8);
        let opened = whole.try_damaged(|copy| {
            let mut flipped = bytes.clone();
            flipped[at] ^= bit;
            fs::write(copy, flipped).unwrap();
        });
        let Ok(store) = opened else { continue };

        let missing = whole.check_export(&store, &format!("round {round}: byte {at}"));

        refused += usize::from(missing.is_none_or(|missing| !missing.is_empty()));
    }
    assert!(20 < refused, "{refused}");
}

#[test]
fn lists_go_on_where_a_page_of_sessions_is_lost() {
    let test = TestStore::quick();
    for n in 0..200 {
        let name = format!("{n:03}");
        let lines = header(&name) + &message("a", None, &"title ".repeat(30)) + "broken\n";
        test.write(format!("sessions/--w--/{name}.jsonl"), lines);
    }
    test.import();
    let whole = test.folder().join("whole.db");
    test.store.backup(&whole).unwrap();
    for table in ["sessions", "problems"] {
        let mut bytes = fs::read(&whole).unwrap();
        let conn = Connection::open(&whole).unwrap();
        let leaf = "SELECT pageno FROM dbstat WHERE pagetype = 'leaf'";
        let leaves = column(&conn, &format!("{leaf} AND name = '{table}'"));
        assert!(2 < leaves.len(), "{table}");
        bytes[(leaves[1] as usize - 1) * 8192..][..8192].fill(0);
        let path = test.folder().join(format!("without-{table}.db"));
        fs::write(&path, bytes).unwrap();
        let store = StoreOptions::new().read_only(true).open(&path).unwrap();

        let page = store.sessions(&SessionFilter::new().limit(1_000)).unwrap();
        let mut problems = 0;
        let read = store.each_problem(None, |_, _| {
            problems += 1;
            Ok(())
        });
        let mut out = Vec::new();
        let dumped = store.dump(&mut out);

        assert!(100 < page.rows.len(), "{table}: {} sessions", page.rows.len());
        assert!(page.rows.is_sorted_by_key(|row| std::cmp::Reverse(row.modified_at)));
        assert_eq!(page.damaged.is_empty(), page.rows.len() == 200, "{table}");
        assert!(100 < problems, "{table}: {problems} problems");
        assert_eq!(read.is_ok(), problems == 200, "{table}");
        assert!(100 < out.split(|byte| *byte == b'\n').count(), "{table}");
        assert!(matches!(dumped, Err(Error::Incomplete { .. })), "{table}: {dumped:?}");
    }
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
