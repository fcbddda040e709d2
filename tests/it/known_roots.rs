//! Roots: recognised by any path, forgotten, moved, imported again.

use std::fs;
use std::path::{Path, PathBuf};

use sessile::{
    Archived, Error, ExportOptions, Format, ImportOptions, ImportReport, SessionFilter, Timestamp,
};

use crate::support::{THEN, TestStore, header, message, set_mtime, snapshot};

/// A root with two work dirs of a session each.
fn two() -> TestStore {
    let test = TestStore::new();
    test.write("sessions/--v--/one.jsonl", [header("one"), message("a", None, "1")].concat());
    test.write("sessions/--w--/two.jsonl", [header("two"), message("b", None, "2")].concat());
    test
}

fn import(test: &TestStore, root: &Path) -> ImportReport {
    test.store.import(root, &ImportOptions::new().format(Format::Kward)).unwrap()
}

fn roots(test: &TestStore) -> Vec<PathBuf> {
    test.store.imported_roots().unwrap().into_iter().map(|root| root.root).collect()
}

fn count(test: &TestStore) -> usize {
    let all = SessionFilter::new().archived(Archived::Included);
    test.store.sessions(&all).unwrap().rows.len()
}

#[test]
fn a_root_inside_a_known_one_is_that_one() {
    let test = two();
    let whole = import(&test, &test.root);
    let before = test.dump();

    for inner in ["sessions", "sessions/--v--"] {
        let report = import(&test, &test.root.join(inner));
        assert_eq!(report.root, whole.root);
        assert_eq!((report.new, report.unchanged), (0, whole.new));
    }

    assert_eq!(roots(&test), [fs::canonicalize(&test.root).unwrap()]);
    assert_eq!(test.dump(), before);
    test.assert_sound();
}

#[test]
fn a_folder_is_a_root_by_sessions_of_its_own_and_not_by_any_log_or_by_what_lies_deeper() {
    let test = TestStore::new();
    fs::remove_dir(test.root.join("sessions")).unwrap();
    test.write("secret", "key");
    test.write("events.jsonl", "{\"event\":1}\n");
    let rollout = "rollout-2026-02-01T10-00-00-0199b000-0000-7000-8000-000000000000.jsonl";
    let session = "3c6da6fd-0000-4000-8000-000000000001";
    let below = test.write(format!("copies/day/{rollout}"), "{}\n");
    test.write(format!("copies/-w/{session}.jsonl"), format!("{{\"sessionId\":\"{session}\"}}\n"));
    test.write("copies/kward/one.jsonl", header("one"));

    let refused = test.store.import(&test.root, &ImportOptions::new()).unwrap_err();

    assert!(matches!(refused, Error::UnknownFormat(_)), "{refused:?}");
    assert_eq!(test.dump(), "");

    fs::rename(below, test.root.join(rollout)).unwrap();
    test.store.import(&test.root, &ImportOptions::new()).unwrap();
    assert_eq!(test.store.imported_roots().unwrap()[0].format, Format::Codex);
}

#[test]
fn known_roots_inside_a_new_one_become_part_of_it_with_all_that_was_done_here() {
    let test = two();
    test.write("sessions/--v--/notes.txt", "kept");
    test.write("sessions/--v--/torn.jsonl", [header("torn"), "{\"type\"".to_owned()].concat());
    import(&test, &test.root.join("sessions/--v--"));
    import(&test, &test.root.join("sessions/--w--"));
    assert_eq!(roots(&test).len(), 2);
    let keys = ["one", "two"].map(|id| test.store.find(id).unwrap().key());
    test.store.session(keys[0]).unwrap().rename(Some("named here")).unwrap();
    test.store.session(keys[1]).unwrap().at(Timestamp(1)).archive().unwrap();

    let report = import(&test, &test.root);

    assert_eq!(roots(&test), [fs::canonicalize(&test.root).unwrap()]);
    assert_eq!((report.rewritten, report.missing), (0, 0));
    assert_eq!(["one", "two"].map(|id| test.store.find(id).unwrap().key()), keys);
    let info = |n: usize| test.store.session(keys[n]).unwrap().info().unwrap();
    assert_eq!(info(0).title.as_deref(), Some("named here"));
    assert_eq!(info(0).file, Path::new("sessions/--v--/one.jsonl"));
    assert!(info(1).archived_at.is_some());
    assert_eq!(count(&test), 3);
    test.assert_sound();
    assert_eq!(import(&test, &test.root).new, 0);
    test.store.rebuild().unwrap();
    test.assert_sound();
    let out = test.folder().join("out");
    test.store.export(&out, &ExportOptions::new().source_only(true)).unwrap();
    let folders = |path: &&PathBuf| !path.ends_with("--v--");
    let there = snapshot(&test.root);
    let back = snapshot(&out);
    assert_eq!(
        back.keys().filter(folders).collect::<Vec<_>>(),
        there.keys().filter(folders).collect::<Vec<_>>()
    );
}

#[test]
fn a_dry_run_over_a_root_around_known_ones_says_what_an_import_does() {
    let test = two();
    import(&test, &test.root.join("sessions/--v--"));
    import(&test, &test.root.join("sessions/--w--"));
    test.store.find("two").unwrap().purge().unwrap();
    test.write("sessions/--v--/three.jsonl", header("three"));
    test.append("sessions/--v--/one.jsonl", &message("c", Some("a"), "3"));
    let (before, known) = (test.dump(), roots(&test));
    let options = ImportOptions::new().format(Format::Kward);

    let dry = test.store.import(&test.root, &options.clone().dry_run(true)).unwrap();

    assert_eq!((test.dump(), roots(&test)), (before, known));
    let report = import(&test, &test.root);
    let counts = |report: &ImportReport| {
        (report.new, report.grown, report.rewritten, report.unchanged, report.purged)
    };
    assert_eq!(counts(&dry), counts(&report));
    assert_eq!((dry.grown, dry.purged), (1, 1));
}

#[test]
fn a_path_that_stands_twice_below_a_root_is_moved_once() {
    let test = TestStore::new();
    let sessions = test.root.join("sessions");
    test.write("sessions/--w--/one.jsonl", header("one"));
    test.write("sessions/--w--/--w--/one.jsonl", header("inner"));
    import(&test, &sessions.join("--w--"));

    import(&test, &test.root);

    let file = |id: &str| test.store.find(id).unwrap().info().unwrap().file;
    assert_eq!(file("one"), Path::new("sessions/--w--/one.jsonl"));
    assert_eq!(file("inner"), Path::new("sessions/--w--/--w--/one.jsonl"));
    test.assert_sound();
}

#[test]
fn a_root_is_the_same_however_its_path_is_spelt() {
    let test = two();
    import(&test, &test.root);
    let link = test.folder().join("link");
    std::os::unix::fs::symlink(&test.root, &link).unwrap();
    let spelt = |end: &str| PathBuf::from(format!("{}{end}", test.root.display()));

    for root in
        [link.clone(), link.join("sessions"), spelt("/"), spelt("/."), spelt("/sessions/..")]
    {
        assert_eq!(import(&test, &root).new, 0, "{root:?}");
        assert_eq!(test.store.verify(&root).unwrap().differences, [], "{root:?}");
    }
    assert_eq!(roots(&test).len(), 1);
    assert_eq!(test.store.imported_root(&link).unwrap().unwrap().sessions, 2);
}

#[test]
fn a_part_of_a_known_root_is_verified_as_that_part() {
    let test = two();
    import(&test, &test.root);
    fs::remove_file(test.root.join("sessions/--w--/two.jsonl")).unwrap();

    let differences =
        |folder: &str| test.store.verify(&test.root.join(folder)).unwrap().differences.len();
    assert_eq!(
        [differences("sessions/--v--"), differences("sessions/--w--"), differences("")],
        [0, 1, 1]
    );
}

#[test]
fn a_format_that_contradicts_the_known_root_is_an_error_that_says_what_to_do() {
    let test = two();
    import(&test, &test.root);
    let before = test.dump();

    for root in ["", "sessions", "sessions/--v--"] {
        let refused = test
            .store
            .import(&test.root.join(root), &ImportOptions::new().format(Format::Pi))
            .unwrap_err();
        assert!(matches!(refused, Error::RootKnownAs { .. }), "{refused}");
        assert!(refused.to_string().contains("forget the root and import"), "{refused}");
    }
    assert_eq!(test.dump(), before);
    let outer = TestStore::new();
    outer.write("sessions/--w--/one.jsonl", header("one"));
    import(&outer, &outer.root.join("sessions"));
    let pi = ImportOptions::new().format(Format::Pi);
    let refused = outer.store.import(&outer.root, &pi).unwrap_err();
    assert!(matches!(refused, Error::RootKnownAs { .. }), "{refused}");
    assert_eq!(roots(&outer).len(), 1);
}

#[test]
fn a_known_root_that_is_empty_now_is_known_all_the_same() {
    for folder in ["", "sessions"] {
        let test = two();
        let root = test.root.join(folder);
        import(&test, &root);
        fs::remove_dir_all(test.root.join("sessions")).unwrap();
        fs::create_dir_all(&root).unwrap();

        let report = test.store.import(&root, &ImportOptions::new()).unwrap();

        assert!(2 <= report.missing, "{report:?}");
        assert_eq!(count(&test), 2);
        assert_eq!(test.store.check().unwrap(), []);
    }
}

#[test]
fn an_import_that_ended_before_its_first_file_is_gone_on_with() {
    let test = two();
    let root = fs::canonicalize(test.root.join("sessions")).unwrap();
    let path = root.to_str().unwrap().as_bytes();
    test.sqlite()
        .execute("INSERT INTO sources (root, format) VALUES (?1, 'kward')", [path])
        .unwrap();

    assert_eq!(import(&test, &root).sessions, 2);
    assert_eq!(import(&test, &root.join("--v--")).root, root);
}

#[test]
fn a_root_that_is_forgotten_is_gone_with_all_of_it_and_no_other() {
    let test = two();
    let other = test.folder().join("other");
    fs::create_dir_all(other.join("sessions/--w--")).unwrap();
    fs::write(other.join("sessions/--w--/x.jsonl"), header("x")).unwrap();
    import(&test, &test.root);
    import(&test, &other);
    let one = test.store.find("one").unwrap();
    one.rename(Some("named")).unwrap();
    one.at(Timestamp(1)).archive().unwrap();

    let sessile::ForgottenRoot { info: gone, traces, .. } =
        test.store.forget_root(&test.root).unwrap();
    assert_eq!(traces, sessile::Traces::Gone);

    assert_eq!((gone.sessions, gone.files, gone.changed), (2, 2, 1));
    assert_eq!(count(&test), 1);
    assert_eq!(test.store.check().unwrap(), []);
    assert!(test.root.join("sessions/--v--/one.jsonl").exists());
    assert!(matches!(test.store.verify(&test.root), Err(Error::SourceNotFound(_))));
    assert!(matches!(test.store.forget_root(&test.root), Err(Error::SourceNotFound(_))));
    import(&test, &test.root);
    let anew = test.store.find("one").unwrap().info().unwrap();
    assert_eq!((anew.name, anew.archived_at), (None, None));
    test.assert_sound();
}

#[test]
fn a_root_that_is_gone_from_the_disk_can_be_forgotten() {
    let test = two();
    import(&test, &test.root);
    fs::remove_dir_all(&test.root).unwrap();

    assert_eq!(test.store.forget_root(&test.root.join(".")).unwrap().info.sessions, 2);
    assert_eq!(test.store.imported_roots().unwrap(), []);
}

#[test]
fn a_home_that_moved_keeps_its_sessions() {
    let test = two();
    import(&test, &test.root);
    let key = test.store.find("one").unwrap();
    key.rename(Some("named")).unwrap();
    let new = test.folder().join("elsewhere/home");
    fs::create_dir_all(new.parent().unwrap()).unwrap();
    fs::rename(&test.root, &new).unwrap();

    let moved = test.store.move_root(&test.root, &new).unwrap();

    assert_eq!(moved.len(), 1);
    let report = import(&test, &new);
    assert_eq!((report.new, report.missing, report.bytes), (0, 0, 0));
    assert_eq!(test.store.find("one").unwrap().key(), key.key());
    assert_eq!(test.store.check().unwrap(), []);
    assert_eq!(test.store.verify(&new).unwrap().differences, []);
}

#[test]
fn every_root_below_a_folder_moves_with_it() {
    let test = TestStore::new();
    let old = test.folder().join("old");
    for name in ["a", "b"] {
        let folder = old.join(name).join("sessions/--w--");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("x.jsonl"), header(name)).unwrap();
        import(&test, &old.join(name));
    }
    let new = test.folder().join("new");
    fs::rename(&old, &new).unwrap();

    test.store.move_root(&old, &new).unwrap();

    let new = fs::canonicalize(&new).unwrap();
    assert_eq!(roots(&test), [new.join("a"), new.join("b")]);
}

#[test]
fn a_root_does_not_move_into_another() {
    let test = two();
    import(&test, &test.root);
    let other = test.folder().join("other");
    fs::create_dir_all(other.join("sessions/--w--")).unwrap();
    fs::write(other.join("sessions/--w--/x.jsonl"), header("x")).unwrap();
    import(&test, &other);

    for new in [other.clone(), other.join("sessions"), test.folder().to_owned()] {
        let refused = test.store.move_root(&test.root, &new).unwrap_err();
        assert!(matches!(refused, Error::RootKnown { .. }), "{refused}");
    }
    assert!(matches!(
        test.store.move_root(&test.folder().join("never"), &other),
        Err(Error::SourceNotFound(_))
    ));
    assert_eq!(roots(&test).len(), 2);
}

#[test]
fn a_change_that_keeps_size_and_time_is_found_when_every_file_is_read() {
    let test = two();
    import(&test, &test.root);
    let path = test.root.join("sessions/--w--/two.jsonl");
    let text = fs::read_to_string(&path).unwrap().replace("\"2\"", "\"3\"");
    fs::write(&path, text).unwrap();
    set_mtime(&path, THEN, 0);
    assert_eq!(import(&test, &test.root).rewritten, 0);
    assert_eq!(test.store.verify(&test.root).unwrap().differences.len(), 1);

    let options = ImportOptions::new().reread(true);
    let report = test.store.import(&test.root, &options).unwrap();

    assert_eq!((report.rewritten, report.new), (1, 0));
    test.assert_sound();
    let session = test.store.find("two").unwrap();
    assert!(session.context().unwrap()[0].json().contains("\"3\""));
    assert_eq!(test.store.import(&test.root, &options).unwrap().rewritten, 0);
}

#[test]
fn a_folder_that_holds_a_root_says_which() {
    let test = two();
    let refused = test.store.import(test.folder(), &ImportOptions::new()).unwrap_err();

    let Error::RootBelow { below, .. } = &refused else { panic!("{refused}") };
    assert_eq!(below, &[fs::canonicalize(&test.root).unwrap()]);
    assert!(refused.to_string().contains("did you mean"), "{refused}");
    assert_eq!(roots(&test), [] as [PathBuf; 0]);
}

#[test]
fn a_folder_without_sessions_is_said_to_have_none_of_the_format_that_was_named() {
    let test = TestStore::new();
    let empty = test.folder().join("empty");
    fs::create_dir(&empty).unwrap();

    let named = test.store.import(&empty, &ImportOptions::new().format(Format::Pi)).unwrap_err();
    assert!(named.to_string().contains("no sessions of pi"), "{named}");
    let unnamed = test.store.import(&empty, &ImportOptions::new()).unwrap_err();
    assert!(unnamed.to_string().contains("name the format"), "{unnamed}");
}
