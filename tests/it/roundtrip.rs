//! An export has exactly the bytes that were imported.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use sessile::{Error, ExportOptions, Failure, ProblemKind};

use crate::support::{
    THEN, TestStore, fixture, header, make_pipe, message, options, set_mode, set_mtime, snapshot,
};

/// Everything odd that a root may hold.
fn odd_root() -> TestStore {
    let test = TestStore::new();
    let base = header("odd") + &message("a", None, "first") + &message("b", Some("a"), "second");
    for (n, bytes) in [
        base.clone().into_bytes(),
        base.trim_end().as_bytes().to_vec(),
        base.replace('\n', "\r\n").into_bytes(),
        [base.as_bytes(), b"\0\0\n\xFF\xFE\n\n\n{\"type\":"].concat(),
        b"\xEF\xBB\xBF{}\n".to_vec(),
        b"\n".to_vec(),
        b"\r".to_vec(),
        b"".to_vec(),
        vec![b'x'; 3 << 20],
    ]
    .iter()
    .enumerate()
    {
        test.write(format!("sessions/--w--/{n}.jsonl"), bytes);
    }
    test.write("sessions/--w--/note.md", b"stray\0\xFF");
    test.write("sessions/--w--/half.jsonl.tmp", &base[..40]);
    test.write("sessions/--w--/empty", b"");
    test.write("sessions/--w--/line\nbreak.jsonl", &base);
    test.write(Path::new("sessions/--w--").join(OsStr::from_bytes(b"\xFF\xFE.jsonl")), &base);
    test.write("sessions/.hidden/.jsonl", &base);
    test.write("sessions/top.jsonl", &base);
    test.write("sessions/large.bin", vec![0xA5; (5 << 20) + 17]);
    fs::create_dir_all(test.root.join("sessions/empty/deeper")).unwrap();
    set_mode(&test.root.join("sessions/empty"), 0o555);
    for (n, (seconds, nanoseconds, mode)) in
        [(THEN, 123_456_789, 0o600), (-7, 1, 0o444), (0, 0, 0o755), (4_102_444_800, 999, 0o000)]
            .into_iter()
            .enumerate()
    {
        let path = test.write(format!("sessions/times/{n}.jsonl"), &base);
        set_mtime(&path, seconds, nanoseconds);
        set_mode(&path, mode);
    }
    symlink("0.jsonl", test.root.join("sessions/--w--/link.jsonl")).unwrap();
    symlink("/nowhere/at all", test.root.join("sessions/dangling")).unwrap();
    symlink("../..", test.root.join("sessions/up")).unwrap();
    symlink(OsStr::from_bytes(b"\xFF"), test.root.join("sessions/bytes")).unwrap();
    test
}

#[test]
fn an_odd_root_comes_out_as_it_went_in() {
    let test = odd_root();
    let before = snapshot(&test.root);

    test.import();
    let out = test.folder().join("out");
    test.store.export(&out, &ExportOptions::new()).unwrap();

    assert_eq!(snapshot(&out), before);
    assert_eq!(snapshot(&test.root), before);
    test.assert_sound();
}

#[test]
fn fixtures_come_out_as_they_went_in() {
    for name in ["kward/small", "kward/edge"] {
        let test = TestStore::of_fixture(name);
        let out = test.folder().join("out");

        test.store.export(&out, &ExportOptions::new()).unwrap();

        assert_eq!(snapshot(&out), snapshot(&fixture(name)));
    }
}

#[test]
fn a_second_import_changes_nothing_and_reads_nothing() {
    let test = odd_root();
    // What is younger than the clock's grain, or of the future, is read again to be sure.
    fs::remove_file(test.root.join("sessions/times/3.jsonl")).unwrap();
    let first = test.import();
    let before = test.dump();

    let second = test.import();

    assert_eq!(second.unchanged, first.new);
    assert_eq!((second.new, second.grown, second.rewritten, second.missing), (0, 0, 0, 0));
    assert_eq!((second.sessions, second.lines, second.bytes), (0, 0, 0));
    assert_eq!(second.problems, first.problems);
    assert_eq!(test.dump(), before);
    test.assert_sound();
}

#[test]
fn a_dry_run_reports_the_same_and_writes_nothing() {
    let test = odd_root();

    let dry = test.store.import(&test.root, &options().dry_run(true)).unwrap();
    let rows = test.dump();
    let wet = test.import();

    assert_eq!(rows, "");
    assert_eq!((dry.new, dry.lines, dry.bytes), (wet.new, wet.lines, wet.bytes));
}

#[test]
fn a_link_is_a_problem_and_is_not_followed() {
    let test = odd_root();

    let report = test.import();

    assert!(report.problems.contains(&(ProblemKind::Link, 4)), "{:?}", report.problems);
    assert!(matches!(test.store.find("sessions/--w--/link.jsonl"), Err(Error::SessionNotFound(_))));
}

#[test]
fn a_pipe_is_a_problem_and_is_not_opened() {
    let test = TestStore::new();
    test.write("sessions/--w--/one.jsonl", header("one"));
    let pipe = test.root.join("sessions/--w--/pipe.jsonl");
    make_pipe(&pipe);

    let report = test.import();

    assert_eq!(report.problems, [(ProblemKind::SpecialFile, 1)]);
    test.assert_sound();
}

/// What happens to a file between import and verification.
type Change = fn(&Path);

#[test]
fn each_kind_of_difference_is_found() {
    let cases: [(&str, Change); 9] = [
        ("differs at byte 3", |path| change_byte(path, 2)),
        ("continues after byte", |path| add(path, b"x")),
        ("differs at byte", |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
            set_mtime(path, THEN, 0);
        }),
        ("the mode is 640", |path| set_mode(path, 0o640)),
        ("the modification time is", |path| set_mtime(path, THEN, 1)),
        ("no longer at the root", |path| fs::remove_file(path).unwrap()),
        ("was not imported", |path| fs::write(path.with_file_name("extra"), "").unwrap()),
        ("is a folder now", |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
        ("is a link now", |path| {
            fs::remove_file(path).unwrap();
            symlink("elsewhere", path).unwrap();
        }),
    ];
    for name in ["one.jsonl", "note.txt"] {
        for (detail, change) in cases {
            let test = TestStore::new();
            let path = test.write(format!("sessions/--w--/{name}"), header("one") + "torn");
            set_mode(&path, 0o600);
            test.import();
            test.assert_sound();

            change(&path);
            let differences = test.store.verify(&test.root).unwrap().differences;

            assert_eq!(differences.len(), 1, "{detail}: {differences:?}");
            assert!(differences[0].detail.contains(detail), "{detail}: {differences:?}");
        }
    }
}

fn change_byte(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
    set_mtime(path, THEN, 0);
}

fn add(path: &Path, bytes: &[u8]) {
    let whole = [&fs::read(path).unwrap(), bytes].concat();
    fs::write(path, whole).unwrap();
    set_mtime(path, THEN, 0);
}

#[test]
fn links_and_folders_that_differ_are_found() {
    let test = TestStore::new();
    let link = test.root.join("sessions/link");
    symlink("here", &link).unwrap();
    let folder = test.root.join("sessions/folder");
    fs::create_dir(&folder).unwrap();
    set_mode(&folder, 0o700);
    test.import();
    test.assert_sound();

    fs::remove_file(&link).unwrap();
    symlink("there", &link).unwrap();
    set_mode(&folder, 0o750);
    let mut differences = test.store.verify(&test.root).unwrap().differences;

    differences.sort_by(|one, other| one.file.cmp(&other.file));
    let found: Vec<_> = differences
        .iter()
        .map(|found| (found.file.to_string_lossy().into_owned(), found.detail.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("sessions/folder".to_owned(), "the mode is 750, imported was 700"),
            ("sessions/link".to_owned(), "the link leads elsewhere"),
        ]
    );
}

#[test]
fn a_root_that_was_never_imported_has_no_source() {
    let test = TestStore::new();

    let err = test.store.verify(&test.root).unwrap_err();

    assert!(matches!(err, Error::SourceNotFound(_)), "{err:?}");
}

#[test]
fn export_refuses_a_target_that_holds_anything() {
    let test = TestStore::of_fixture("kward/small");
    let out = test.folder().join("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("mine"), "keep").unwrap();
    let before = snapshot(&out);

    let err = test.store.export(&out, &ExportOptions::new()).unwrap_err();

    assert!(matches!(err, Error::TargetNotEmpty(_)), "{err:?}");
    assert_eq!(snapshot(&out), before);

    let err = test.store.export(&out.join("mine"), &ExportOptions::new()).unwrap_err();
    assert!(matches!(err, Error::TargetNotEmpty(_)), "{err:?}");
}

#[test]
fn export_fills_an_empty_folder() {
    let test = TestStore::of_fixture("kward/small");
    let out = test.folder().join("out");
    fs::create_dir(&out).unwrap();

    test.store.export(&out, &ExportOptions::new()).unwrap();

    assert_eq!(snapshot(&out), snapshot(&fixture("kward/small")));
}

#[test]
fn export_never_leaves_its_target() {
    for path in ["../x", "/tmp/sessile-x", "a/../../x", "sessions/../../x", "..", ".", "a//b"] {
        let test = TestStore::of_fixture("kward/small");
        let around = test.folder().join("around");
        fs::create_dir(&around).unwrap();
        for kind in ["log", "link", "folder"] {
            test.sqlite()
                .execute(
                    "UPDATE files
                     SET path = CAST(?1 AS BLOB), kind = ?2,
                         link_target = CASE WHEN ?2 = 'link' THEN x'2F' END,
                         sha256 = CASE WHEN ?2 = 'log' THEN x'00' END
                     WHERE file_id = (SELECT max(file_id) FROM files)",
                    [path, kind],
                )
                .unwrap();
            let out = around.join(kind);

            let result = test.store.export(&out, &ExportOptions::new());

            match result.unwrap_err() {
                Error::Incomplete { failed, .. } => {
                    assert!(matches!(failed[..], [Failure { error: Error::UnsafePath(_), .. }]));
                }
                err => panic!("{path} {kind}: {err:?}"),
            }
            fs::remove_dir_all(&out).unwrap();
            assert!(snapshot(&around).is_empty(), "{path}");
        }
    }
}

#[test]
fn a_link_in_the_database_redirects_no_file() {
    let test = TestStore::of_fixture("kward/small");
    let outside = test.folder().join("outside");
    fs::create_dir(&outside).unwrap();
    test.sqlite()
        .execute(
            "UPDATE files
             SET kind = 'link', link_target = CAST(?1 AS BLOB), sha256 = NULL
             WHERE kind = 'folder' AND path = CAST('sessions/--edge--' AS BLOB)",
            [outside.to_str().unwrap()],
        )
        .unwrap();

    let result = test.store.export(&test.folder().join("out"), &ExportOptions::new());

    assert!(snapshot(&outside).is_empty());
    assert!(result.is_err(), "{result:?}");
}

#[test]
fn several_roots_come_out_side_by_side() {
    let test = TestStore::of_fixture("kward/small");
    test.write("sessions/--w--/one.jsonl", header("one"));
    test.import();
    let out = test.folder().join("out");

    test.store.export(&out, &ExportOptions::new()).unwrap();

    let mut names: Vec<_> =
        fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let small = names.iter().position(|name| name.to_str().unwrap().ends_with("small")).unwrap();
    assert_eq!(names.len(), 2);
    assert_eq!(snapshot(&out.join(&names[small])), snapshot(&fixture("kward/small")));
    assert_eq!(snapshot(&out.join(&names[1 - small])), snapshot(&test.root));
}

#[test]
fn one_session_comes_out_alone() {
    let test = TestStore::of_fixture("kward/small");
    let out = test.folder().join("out");
    let session = test.store.find("edge-97").unwrap();

    let report = test.store.export(&out, &ExportOptions::new().session(session.key())).unwrap();

    let file = "sessions/--edge--/97-branch-summary.jsonl";
    assert_eq!(report.files, 1);
    assert_eq!(
        fs::read(out.join(file)).unwrap(),
        fs::read(fixture("kward/small").join(file)).unwrap()
    );
}
