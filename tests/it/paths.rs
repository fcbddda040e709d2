//! Any path names exactly one file, however it is spelt.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use sessile::{Error, Store, StoreOptions};

use crate::support::{fixture, snapshot};

/// Runs the command line in a folder, and ends it when it takes too long.
fn sessile(folder: &Path, args: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sessile"))
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        if end < Instant::now() {
            child.kill().unwrap();
            panic!("{args:?} waits for ever");
        }
        std::thread::yield_now();
    }
    child.wait_with_output().unwrap()
}

#[track_caller]
fn check_done(folder: &Path, args: &[&str]) -> String {
    let output = sessile(folder, args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn names_that_sqlite_takes_for_something_else_are_names() {
    for name in [
        ":memory:",
        "file:x.db",
        "file::memory:",
        "file::memory:?cache=shared",
        "file:x.db?mode=memory",
        "x.db?mode=ro",
        "x%2Edb",
        "x.db#fragment",
        "file:///x.db",
        "-x.db",
        " ",
    ] {
        // Below folders that are called as the URI would need it.
        let folder = tempfile::tempdir().unwrap();
        let db = format!("--db={name}");
        let root = fixture("kward/small");

        check_done(folder.path(), &[&db, "import", root.to_str().unwrap()]);
        check_done(folder.path(), &[&db, "verify", root.to_str().unwrap()]);
        let rows = check_done(folder.path(), &[&db, "list", "--json"]);
        check_done(folder.path(), &[&db, "check"]);
        let (backup, recovered) = (format!("{name}.b"), format!("{name}.r"));
        check_done(folder.path(), &[&db, "backup", "--", &backup]);
        check_done(folder.path(), &[&db, "recover", "--", &recovered]);

        for other in [&backup, &recovered] {
            let db = format!("--db={other}");
            assert_eq!(check_done(folder.path(), &[&db, "list", "--json"]), rows, "{other}");
        }
        let mut expected = [name, backup.as_str(), recovered.as_str()].map(|name| {
            // Slashes are folders, here as everywhere.
            Path::new(name).components().as_path().to_owned()
        });
        expected.sort();
        let found = snapshot(folder.path());
        let mut found: Vec<_> = found
            .into_iter()
            .filter(|(path, _)| folder.path().join(path).is_file())
            .map(|(path, _)| path)
            // What a reader needs beside a database.
            .filter(|path| {
                !["-wal", "-shm"].iter().any(|end| path.to_string_lossy().ends_with(end))
            })
            .collect();
        found.sort();
        assert_eq!(found, expected);
    }
}

#[test]
fn another_database_of_the_name_that_a_uri_would_mean_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    check_done(folder.path(), &["--db=x.db", "new", "--cwd", "/other"]);
    let before = fs::read(folder.path().join("x.db")).unwrap();

    check_done(folder.path(), &["--db=file:x.db", "new", "--cwd", "/one"]);

    assert_eq!(fs::read(folder.path().join("x.db")).unwrap(), before);
    assert_eq!(check_done(folder.path(), &["--db=x.db", "list", "--json"]).lines().count(), 1);
}

#[test]
fn an_empty_path_is_an_error() {
    for options in [StoreOptions::new(), StoreOptions::new().read_only(true)] {
        let err = options.open(Path::new("")).unwrap_err();

        assert!(matches!(err, Error::Io { .. }), "{err:?}");
        assert_eq!(err.to_string(), "cannot open \"\"");
    }
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo.db");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let socket = folder.path().join("socket.db");
    let _listener = UnixListener::bind(&socket).unwrap();
    let link = folder.path().join("link.db");
    symlink(&fifo, &link).unwrap();

    for path in [&fifo, &socket, &link, Path::new("/dev/null"), Path::new("/dev/zero")] {
        for args in [
            &["list"][..],
            &["check"],
            &["import", "."],
            &["new", "--cwd", "/w"],
            &["recover", "new.db"],
            &["backup", "new.db"],
        ] {
            let db = format!("--db={}", path.display());
            let output = sessile(folder.path(), &[&[db.as_str()], args].concat());

            assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(said.contains("not a regular file"), "{args:?}: {said}");
        }
    }
    assert!(!folder.path().join("new.db").exists());
}

#[test]
fn a_companion_that_is_no_regular_file_is_refused_at_once() {
    for end in ["-journal", "-wal", "-shm"] {
        for is_there in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let db = folder.path().join("s.db");
            if is_there {
                drop(Store::open(&db).unwrap());
            }
            // A link is looked through, as SQLite does.
            symlink(&db, folder.path().join("link.db")).unwrap();
            let companion = folder.path().join(format!("s.db{end}"));
            assert!(Command::new("mkfifo").arg(&companion).status().unwrap().success());

            for name in ["s.db", "link.db"].iter().take(if is_there { 2 } else { 1 }) {
                for command in [&["list"][..], &["new", "--cwd", "/w"]] {
                    let db = format!("--db={name}");
                    let output = sessile(folder.path(), &[&[db.as_str()], command].concat());

                    // To read where nothing is fails before.
                    if is_there || (command.len() == 3 && end != "-shm") {
                        let said = String::from_utf8_lossy(&output.stderr).into_owned();
                        let named = format!("s.db{end} is not a regular file");
                        assert!(said.contains(&named), "{command:?}: {said}");
                        assert_eq!(output.status.code(), Some(2), "{said}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_link_to_a_database_is_that_database() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("s.db");
    drop(Store::open(&db).unwrap());
    let link = folder.path().join("link.db");
    symlink("s.db", &link).unwrap();

    let store = Store::open(&link).unwrap();

    store.create(&sessile::NewSession::new("/w")).unwrap();
    drop(store);
    let reader = StoreOptions::new().read_only(true).open(&db).unwrap();
    assert_eq!(reader.sessions(&sessile::SessionFilter::new()).unwrap().rows.len(), 1);
    assert!(link.symlink_metadata().unwrap().is_symlink());
}

#[test]
fn a_path_that_is_too_long_for_sqlite_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("d".repeat(200)).join("e".repeat(200)).join("f".repeat(200));
    fs::create_dir_all(&deep).unwrap();

    let err = Store::open(&deep.join("s.db")).unwrap_err();

    assert!(matches!(err, Error::Unopenable { .. }), "{err:?}");
    assert!(err.to_string().contains("below 500 bytes"), "{err}");
    assert_eq!(fs::read_dir(&deep).unwrap().count(), 0);
}
