//! `sessile sql`, and reading where nothing can be written.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use sessile::{Error, ImportOptions, Store};

use crate::support::{TestStore, fixture};

fn sql(db: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessile"));
    command.arg("--db").arg(db).arg("sql").args(args).stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
fn answer(db: &Path, args: &[&str]) -> String {
    let output = sql(db, args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn rows_are_objects_in_the_order_of_columns_or_have_tabs_between() {
    let test = TestStore::of_fixture("kward/small");
    let query = "SELECT 'b' AS z, 1 AS a, 2.5 AS m, NULL AS n, x'00ff' AS x, 'a\tb\\' AS t";

    let json = answer(test.store.path(), &["--json", query]);
    let tabs = answer(test.store.path(), &[query]);

    assert_eq!(
        json,
        "{\"z\":\"b\",\"a\":1,\"m\":2.5,\"n\":null,\"x\":\"00ff\",\"t\":\"a\\tb\\\\\"}\n"
    );
    assert_eq!(tabs, "b\t1\t2.5\t\t00ff\ta\\tb\\\\\n");
    assert_eq!(answer(test.store.path(), &["SELECT 1 WHERE 0"]), "");
}

#[test]
fn two_columns_of_one_name_are_no_object() {
    let test = TestStore::of_fixture("kward/small");
    let query = "SELECT 1 AS a, 2 AS b, 3 AS b";

    let refused = sql(test.store.path(), &["--json", query]);

    assert_eq!((refused.status.code(), &refused.stdout[..]), (Some(2), &b""[..]));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("two columns are named b"), "{said}");
    assert_eq!(answer(test.store.path(), &[query]), "1\t2\t3\n");
}

#[test]
fn a_query_reads_and_nothing_else() {
    let test = TestStore::of_fixture("kward/small");
    let aside = test.root.join("aside.db");
    for query in [
        "DELETE FROM sessions",
        "CREATE TABLE mine (x)",
        "PRAGMA user_version = 7",
        &format!("VACUUM INTO '{}'", aside.display()),
        "SELECT 1; DELETE FROM sessions",
        "SELEC 1",
    ] {
        let output = sql(test.store.path(), &[query]);
        assert_eq!(output.status.code(), Some(2), "{query}: {output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("invalid query"), "{query}: {said}");
    }
    assert!(!aside.exists());
    assert_eq!(test.store.check().unwrap(), []);
}

#[test]
fn lines_that_are_packed_or_held_by_another_row_are_read_by_functions() {
    let test = TestStore::new();
    let long = "long ".repeat(400);
    let log = format!(
        "{{\"type\":\"session\",\"version\":3,\"id\":\"s\",\"cwd\":\"/w\"}}\n\
         {{\"type\":\"message\",\"id\":\"a\",\"message\":{{\"role\":\"user\",\"content\":\"{long}\"}}}}\n\
         {{\"type\":\"label\",\"id\":\"l\",\"targetId\":\"a\",\"label\":\"x\"}}\n"
    );
    test.write("sessions/--w--/s.jsonl", &log);
    let store = sessile::StoreOptions::new().compression(3).open(test.store.path()).unwrap();
    store.import(&test.root, &ImportOptions::new().format(sessile::Format::Pi)).unwrap();
    store.find("s").unwrap().with_id("copy").clone_session().unwrap();
    let enc = answer(store.path(), &["SELECT group_concat(DISTINCT enc) FROM lines"]);
    assert!(enc.contains('1') && enc.contains('2'), "{enc}");

    let texts = "SELECT message_text(entry_key) FROM entry_list WHERE entry = 'a'";
    let lines = "SELECT line(line_key) FROM lines ORDER BY line_key LIMIT 3";

    assert_eq!(answer(store.path(), &[texts]), format!("{long}\n{long}\n"));
    let read = answer(store.path(), &[lines]).replace("\\n", "");
    assert_eq!(read, log);
    let none = "SELECT line(1), message_text(-1), message_text(NULL),
                       (SELECT message_text(entry_key) FROM entry_list WHERE entry = 'l')";
    assert_eq!(answer(store.path(), &[none]), "\t\t\t\n");
}

#[test]
fn a_damaged_line_is_named_and_not_passed_on() {
    let test = TestStore::new();
    test.write(
        "sessions/--w--/s.jsonl",
        "{\"type\":\"session\",\"version\":3,\"id\":\"s\",\"cwd\":\"/w\"}\n",
    );
    test.store.import(&test.root, &ImportOptions::new().format(sessile::Format::Pi)).unwrap();
    test.sqlite()
        .execute("UPDATE lines SET raw = CAST(replace(raw, '/w', '/x') AS BLOB)", [])
        .unwrap();

    let refused = sql(test.store.path(), &["SELECT line(line_key) FROM lines"]);
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(2), 0));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("s.jsonl") && said.contains("line 1"), "{said}");
    let caught = test.store.query("SELECT line(line_key) FROM lines", |_, _| Ok(()));
    assert!(matches!(caught, Err(Error::Damaged(_))));
}

/// What nobody but root may write to.
fn close(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Runs as one who may write nothing: as nobody, where the tests are root's.
pub(crate) fn as_nobody(db: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessile"));
    command.arg("--db").arg(db).args(args);
    if rustix::process::getuid().is_root() {
        command.uid(65_534).gid(65_534);
    }
    command.output().unwrap()
}

/// Whether others may run what is built here.
pub(crate) fn can_be_nobody() -> bool {
    let program = Path::new(env!("CARGO_BIN_EXE_sessile"));
    let is_open = |folder: &Path| {
        folder.metadata().is_ok_and(|folder| folder.permissions().mode() & 0o001 != 0)
    };
    !rustix::process::getuid().is_root()
        || program.ancestors().all(|at| at.as_os_str().is_empty() || is_open(at))
}

#[test]
fn a_database_where_nothing_can_be_written_is_read_and_that_is_said() {
    if !can_be_nobody() {
        return eprintln!("skipped: root's folders are closed to others");
    }
    let folder = tempfile::tempdir().unwrap();
    close(folder.path(), 0o755);
    let (closed, live) = (folder.path().join("closed"), folder.path().join("live.db"));
    let opened = || Store::open(&live).unwrap();
    opened().import(fixture("demo/pi"), &ImportOptions::new()).unwrap();
    for with_journal in [false, true] {
        fs::create_dir(&closed).unwrap();
        let db = closed.join("s.db");
        if with_journal {
            let store = opened();
            store.find("6ad4149a").unwrap().rename(Some("In the journal")).unwrap();
            fs::copy(&live, &db).unwrap();
            fs::copy(folder.path().join("live.db-wal"), closed.join("s.db-wal")).unwrap();
            close(&closed.join("s.db-wal"), 0o444);
        } else {
            // Whoever closes it last leaves no journal.
            fs::copy(&live, &db).unwrap();
        }
        close(&db, 0o444);
        close(&closed, 0o555);

        let listed = as_nobody(&db, &["list"]);
        let checked = as_nobody(&db, &["check"]);
        let found = as_nobody(&db, &["search", "token"]);
        let written = as_nobody(&db, &["rename", "6ad4149a", "x"]);

        close(&closed, 0o755);
        let files = fs::read_dir(&closed).unwrap().count();
        fs::remove_dir_all(&closed).unwrap();
        let said = String::from_utf8_lossy(&listed.stderr).into_owned();
        assert!(listed.status.success(), "{said}");
        assert!(said.contains("no process has it open, so it is read without locks"), "{said}");
        let title = if with_journal { "In the journal" } else { "The lost last token" };
        assert!(String::from_utf8_lossy(&listed.stdout).contains(title), "{listed:?}");
        assert!(checked.status.success() && found.status.success(), "{checked:?} {found:?}");
        assert_eq!(written.status.code(), Some(2), "{written:?}");
        assert_eq!(files, 1 + usize::from(with_journal));
    }
}

#[test]
fn a_database_that_another_has_open_is_not_read_without_its_locks() {
    if !can_be_nobody() {
        return eprintln!("skipped: root's folders are closed to others");
    }
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("s.db");
    let store = Store::open(&db).unwrap();
    close(folder.path(), 0o555);
    close(&db, 0o444);

    let output = as_nobody(&db, &["list"]);

    close(folder.path(), 0o755);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("no process has it open"), "{said}");
    drop(store);
}

#[test]
fn the_library_tells_what_is_no_query() {
    let test = TestStore::of_fixture("kward/small");

    for sql in ["SELECT", "", " -- what?", "BEGIN", "SELECT 1\0", "DELETE FROM sessions"] {
        let err = test.store.query(sql, |_, _| Ok(())).unwrap_err();

        assert!(matches!(err, Error::InvalidSql(_)), "{sql:?}: {err:?}");
    }
}
