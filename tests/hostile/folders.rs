//! Odd names, links and special files.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Command;

use sessile::{ExportOptions, Store};

use crate::support::{TestStore, header, message};
use crate::{FILE, check_export, check_root, loose_problems, options_of_root};

fn session(id: &str) -> String {
    header(id) + &message("a", None, "hello")
}

#[test]
fn any_name_is_a_name() {
    let test = TestStore::quick();
    let names: [&[u8]; 8] = [
        b"a\nb.jsonl",
        b"\xFF\xFE.jsonl",
        b"..jsonl",
        b"...jsonl",
        b" .jsonl",
        b"\\.jsonl",
        b"%00;DROP TABLE files;--.jsonl",
        b"-rf.jsonl",
    ];
    for (n, name) in names.iter().enumerate() {
        let path = PathBuf::from("sessions/--w--").join(OsStr::from_bytes(name));
        test.write(path, session(&format!("s{n}")));
    }

    check_root(&test);

    for (n, name) in names.iter().enumerate() {
        // A program lists no hidden files; they are kept all the same.
        let is_session = test.store.find(&format!("s{n}")).is_ok();
        assert_eq!(is_session, !name.starts_with(b"."), "{}", name.escape_ascii());
    }
}

#[test]
fn pipes_sockets_and_devices_are_never_opened() {
    let test = TestStore::quick();
    test.write(FILE, session("one"));
    let folder = test.root.join("sessions/--w--");
    let mut expected = vec!["pipe.jsonl", "socket.jsonl"];
    // Whoever opened the pipe would wait for ever.
    assert!(Command::new("mkfifo").arg(folder.join("pipe.jsonl")).status().unwrap().success());
    let _socket = UnixListener::bind(folder.join("socket.jsonl")).unwrap();
    // A device that never ends; only some may make one.
    let mut mknod = Command::new("mknod");
    mknod.arg(folder.join("device.jsonl")).args(["c", "1", "5"]);
    if mknod.output().is_ok_and(|done| done.status.success()) {
        expected.insert(0, "device.jsonl");
    }

    test.import();

    assert_eq!(test.store.check().unwrap(), []);
    let found = loose_problems(&test);
    for name in &expected {
        fs::remove_file(folder.join(name)).unwrap();
    }
    check_export(&test);
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((file, kind), name) in found.iter().zip(expected) {
        assert!(file.contains(name), "{file}");
        assert_eq!(kind, "special-file");
    }
}

#[test]
fn hard_links_are_two_files() {
    let test = TestStore::quick();
    let path = test.write(FILE, session("one"));
    fs::hard_link(path, test.root.join("sessions/--w--/two.jsonl")).unwrap();

    check_root(&test);

    assert!(test.store.find("sessions/--w--/two.jsonl").is_ok());
}

#[test]
fn links_are_kept_as_links() {
    let test = TestStore::quick();
    test.write(FILE, session("one"));
    let outside = test.folder().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret.jsonl"), session("secret")).unwrap();
    let folder = test.root.join("sessions/--w--");
    symlink(outside.join("secret.jsonl"), folder.join("file.jsonl")).unwrap();
    symlink(&outside, folder.join("folder")).unwrap();
    symlink("nowhere", folder.join("dangling.jsonl")).unwrap();
    symlink("..", folder.join("circle")).unwrap();

    check_root(&test);

    assert!(test.store.find("secret").is_err());
    let found = loose_problems(&test);
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found.iter().all(|(_, kind)| kind == "link"), "{found:?}");
}

#[test]
fn a_root_may_hold_the_database_and_what_was_exported() {
    let test = TestStore::quick();
    test.write(FILE, session("one"));
    let db = test.root.join("sessions/sessions.db");
    let store = Store::open(&db).unwrap();

    for round in 0..3 {
        let report = store.import(&test.root, &options_of_root()).unwrap();
        assert_eq!(report.rewritten, 0);
        let out = test.root.join(format!("sessions/export-{round}"));
        let report = store.export(&out, &ExportOptions::new()).unwrap();
        // Each holds what the one before it wrote, and never itself.
        assert!(0 < report.files);
    }
    store.import(&test.root, &options_of_root()).unwrap();

    assert_eq!(store.check().unwrap(), []);
    assert_eq!(store.verify(&test.root).unwrap().differences, []);
    let bytes = session("one").into_bytes();
    assert_eq!(fs::read(test.root.join("sessions/export-2").join(FILE)).unwrap(), bytes);
}

#[test]
fn folders_six_hundred_deep_are_walked() {
    let test = TestStore::quick();
    test.write(
        PathBuf::from("sessions").join("d/".repeat(600)).join("deep.jsonl"),
        session("deep"),
    );

    check_root(&test);

    assert!(test.store.find("deep").is_ok());
}

#[test]
fn a_root_of_pipes_and_links_is_of_unknown_format() {
    let test = TestStore::quick();
    let folder = test.root.join("sessions/--w--");
    fs::create_dir_all(&folder).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        folder.join("pipe.jsonl"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    // What a link leads to tells nothing: it is not read.
    let outside = test.folder().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("a.jsonl"), header("one")).unwrap();
    symlink(&outside, folder.join("link")).unwrap();
    symlink(outside.join("a.jsonl"), folder.join("a.jsonl")).unwrap();

    let import = test.store.import(&test.root, &sessile::ImportOptions::new());

    assert!(matches!(import, Err(sessile::Error::UnknownFormat(_))));
}
