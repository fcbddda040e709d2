//! Purged sessions are not imported again until that is asked for.

use std::fs;
use std::path::PathBuf;

use sessile::{Error, Format, ImportOptions, ImportReport, MergeOptions, NewSession, Store};

use crate::support::{Fixture, at, message};

/// A store, and a root with the files of sessions.
struct Case {
    fixture: Fixture,
    root: PathBuf,
}

impl Case {
    fn new(files: &[(&str, &str)]) -> Self {
        let fixture = Fixture::new();
        let root = fixture.dir.path().join("root");
        let case = Self { fixture, root };
        for (path, content) in files {
            case.write(path, content);
        }
        case.import(false);
        case
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn import(&self, again: bool) -> ImportReport {
        let options = ImportOptions::new().format(Format::Kward).again(again);
        self.fixture.store.import(&self.root, &options).unwrap()
    }

    fn purge(&self, name: &str) {
        self.fixture.store.find(name).unwrap().purge().unwrap();
    }

    #[track_caller]
    fn assert_away(&self, name: &str) {
        let report = self.import(false);
        assert!(1 <= report.purged, "{report:?}");
        let found = self.fixture.store.find(name);
        assert!(matches!(found, Err(Error::SessionNotFound(_))), "{found:?}");
        assert_eq!(self.fixture.store.verify(&self.root).unwrap().differences, []);
        self.fixture.check();
    }
}

fn log(id: &str, text: &str) -> String {
    format!(
        "{{\"type\":\"session\",\"version\":2,\"id\":\"{id}\",\"cwd\":\"/w\"}}\n\
         {{\"type\":\"message\",\"id\":\"a\",\"message\":{}}}\n",
        message("user", text, "a")
    )
}

#[test]
fn a_purged_session_stays_away_while_its_root_has_it() {
    let case = Case::new(&[
        ("sessions/--w--/one.jsonl", &log("one", "text")),
        ("sessions/--w--/two.jsonl", &log("two", "text")),
    ]);
    case.purge("one");

    case.assert_away("one");
    assert_eq!(case.import(false).purged, 1);
    assert_eq!(case.fixture.store.verify(&case.root).unwrap().purged, 1);
    assert!(case.fixture.store.find("two").is_ok());
}

#[test]
fn a_recovered_store_still_knows_what_was_purged() {
    let mut case = Case::new(&[
        ("sessions/--w--/one.jsonl", &log("one", "text")),
        ("sessions/--w--/two.jsonl", &log("two", "text")),
    ]);
    case.purge("one");
    let target = case.fixture.dir.path().join("recovered.db");

    sessile::recover(case.fixture.store.path(), &target).unwrap();
    case.fixture.store = sessile::Store::open(&target).unwrap();

    case.assert_away("one");
    assert!(case.fixture.store.find("two").is_ok());
}

#[test]
fn it_stays_away_when_its_file_has_grown_or_moved() {
    let case = Case::new(&[("sessions/--w--/one.jsonl", &log("one", "text"))]);
    case.purge("one");

    case.write("sessions/--w--/one.jsonl", &(log("one", "text") + "{\"type\":\"leaf\"}\n"));
    case.assert_away("one");
    fs::create_dir_all(case.root.join("sessions/--v--")).unwrap();
    fs::rename(
        case.root.join("sessions/--w--/one.jsonl"),
        case.root.join("sessions/--v--/moved.jsonl"),
    )
    .unwrap();
    case.assert_away("one");
}

#[test]
fn another_session_in_the_same_file_is_no_purged_one() {
    let case = Case::new(&[("sessions/--w--/one.jsonl", &log("one", "text"))]);
    case.purge("one");

    case.write("sessions/--w--/one.jsonl", &log("other", "text"));

    assert_eq!(case.import(false).purged, 0);
    assert!(case.fixture.store.find("other").is_ok());
}

#[test]
fn a_session_without_an_id_is_known_by_its_bytes() {
    let file = "sessions/--w--/nameless.jsonl";
    let case = Case::new(&[(file, "{\"type\":\"leaf\"}\n")]);
    case.purge(file);
    case.assert_away(file);
    case.write(file, "{\"type\":\"leaf\"}\n{\"type\":\"note\"}\n");
    case.assert_away(file);

    case.write(file, "{\"type\":\"lead\"}\n{\"type\":\"note\"}\n");
    assert_eq!(case.import(false).purged, 0);
    assert!(case.fixture.store.find(file).is_ok());
    case.purge(file);
    case.write(file, "{\"type\":\"lead\"}\n");
    assert_eq!(case.import(false).purged, 0);
    assert!(case.fixture.store.find(file).is_ok());
}

#[test]
fn a_header_made_of_the_files_name_tells_too() {
    let file = "sessions/--w--/2026-01-02T03-04-05.678Z_0a1b2c3d-0000-4000-8000-00000000000c.jsonl";
    let record = |text: &str| {
        format!(
            "{{\"type\":\"message\",\"id\":\"a\",\"message\":{}}}\n",
            message("user", text, "a")
        )
    };
    let case = Case::new(&[(file, &record("one"))]);
    case.purge("0a1b");

    case.write(file, &record("longer than one"));

    case.assert_away("0a1b");
}

#[test]
fn it_comes_back_when_it_is_asked_for_and_is_not_away_any_more() {
    let case = Case::new(&[("sessions/--w--/one.jsonl", &log("one", "text"))]);
    case.purge("one");
    let options = ImportOptions::new().format(Format::Kward).again(true);
    let dry = case.fixture.store.import(&case.root, &options.clone().dry_run(true)).unwrap();
    assert_eq!((dry.new, dry.purged), (1, 0));
    case.assert_away("one");

    let report = case.import(true);

    assert_eq!((report.new, report.sessions, report.purged), (1, 1, 0));
    assert!(case.fixture.store.find("one").is_ok());
    assert_eq!(case.import(false).purged, 0);
    case.fixture.check();
}

#[test]
fn what_was_purged_of_a_part_stays_away_from_the_whole_and_is_forgotten_with_the_root() {
    let case = Case::new(&[("sessions/--w--/one.jsonl", &log("one", "text"))]);
    let store = &case.fixture.store;
    store.forget_root(&case.root).unwrap();
    let part = case.root.join("sessions/--w--");
    store.import(&part, &ImportOptions::new().format(Format::Kward)).unwrap();
    case.purge("one");

    case.assert_away("one");
    store.forget_root(&case.root).unwrap();
    assert_eq!(case.import(false).purged, 0);
    assert!(store.find("one").is_ok());
}

#[test]
fn what_went_on_here_is_purged_and_stays_away_like_the_rest() {
    let case = Case::new(&[("sessions/--w--/one.jsonl", &log("one", "text"))]);
    case.fixture.session("one").at(at(1)).rename(Some("named")).unwrap();
    case.purge("one");

    case.assert_away("one");
}

const COPY: &str = "sessions/--w--/copy.jsonl";

/// A session and a copy of it, which was purged.
fn with_purged_copy() -> Case {
    let case = Case::new(&[("sessions/--w--/one.jsonl", &log("one", "text"))]);
    fs::copy(case.root.join("sessions/--w--/one.jsonl"), case.root.join(COPY)).unwrap();
    case.import(false);
    case.fixture.session("sessions/--w--/one.jsonl").tag("kept").unwrap();
    case.purge(COPY);
    case
}

#[test]
fn the_one_that_was_kept_moves_and_grows_and_its_purged_copy_stays_away() {
    let case = with_purged_copy();
    assert_eq!(case.import(false).purged, 1);
    let moved = "sessions/--w--/moved.jsonl";
    fs::rename(case.root.join("sessions/--w--/one.jsonl"), case.root.join(moved)).unwrap();
    let grown = log("one", "text") + "{\"type\":\"leaf\",\"targetId\":\"a\"}\n";
    case.write(moved, &grown);

    let report = case.import(false);

    assert_eq!((report.purged, report.moved, report.missing), (1, 1, 0), "{report:?}");
    let session = case.fixture.session("one");
    assert_eq!(session.info().unwrap().file, std::path::Path::new(moved));
    assert_eq!(session.tags().unwrap(), ["kept"]);
    assert_eq!(case.fixture.store.verify(&case.root).unwrap().differences, []);
    // The copy moves, and stays away.
    fs::rename(case.root.join(COPY), case.root.join("sessions/--w--/other.jsonl")).unwrap();
    assert_eq!(case.import(false).purged, 1);
    assert!(case.fixture.store.find("one").is_ok());
}

#[test]
fn the_one_that_was_kept_is_restored_and_its_purged_copy_stays_away() {
    let case = with_purged_copy();
    fs::remove_file(case.root.join("sessions/--w--/one.jsonl")).unwrap();
    case.import(false);
    // Another inode, at another place.
    case.write("sessions/--v--/one.jsonl", &log("one", "text"));

    let report = case.import(false);

    assert_eq!((report.purged, report.moved), (1, 1), "{report:?}");
    assert_eq!(case.fixture.session("one").tags().unwrap(), ["kept"]);
}

#[test]
fn a_session_of_several_files_that_was_kept_grows_beside_its_purged_copy() {
    let fixture = Fixture::new();
    let root = fixture.dir.path().join("root");
    let [kept, copy] = ["dd3464ad15e3938bd1128bd2347c29d6", "0123456789abcdef0123456789abcdef"]
        .map(|folder| root.join("sessions").join(folder).join("given"));
    for folder in [&kept, &copy] {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("context.jsonl"), "{\"role\":\"user\",\"content\":\"q\"}\n").unwrap();
    }
    let import = || {
        let options = ImportOptions::new().format(Format::Kimi);
        let report = fixture.store.import(&root, &options).unwrap();
        fixture.check();
        report
    };
    import();
    let name = "sessions/0123456789abcdef0123456789abcdef/given";
    fixture.store.find(name).unwrap().purge().unwrap();
    fs::write(kept.join("context_1.jsonl"), "{\"role\":\"user\",\"content\":\"z\"}\n").unwrap();

    let report = import();

    assert_eq!((report.new, report.purged), (1, 1), "{report:?}");
    assert_eq!(fixture.store.verify(&root).unwrap().differences, []);
    fs::rename(kept.parent().unwrap(), root.join("sessions/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))
        .unwrap();
    let report = import();
    assert_eq!((report.purged, report.missing), (1, 0), "{report:?}");
    assert!(fixture.store.find("given").is_ok());
}

#[test]
fn a_purged_session_that_is_moved_onto_another_stays_away_and_the_other_is_kept() {
    let (one, two) = ("sessions/--w--/one.jsonl", "sessions/--w--/two.jsonl");
    let case = Case::new(&[(one, &log("one", "secret")), (two, &log("two", "text"))]);
    case.fixture.session("two").tag("kept").unwrap();
    case.purge("one");
    fs::rename(case.root.join(one), case.root.join(two)).unwrap();

    let report = case.import(false);

    assert_eq!((report.purged, report.missing), (1, 1), "{report:?}");
    assert!(matches!(case.fixture.store.find("one"), Err(Error::SessionNotFound(_))));
    assert_eq!(case.fixture.session("two").tags().unwrap(), ["kept"]);
    let verified = case.fixture.store.verify(&case.root).unwrap();
    assert_eq!((verified.purged, verified.differences.len()), (1, 1));
    case.write(two, &log("two", "text"));
    assert_eq!(case.import(false).purged, 0);
    assert_eq!(case.fixture.store.verify(&case.root).unwrap().differences, []);
    assert_eq!(case.fixture.session("two").problems().unwrap(), []);
}

#[test]
fn one_that_was_kept_stays_however_like_a_purged_one_it_is() {
    let (one, two) = ("sessions/--w--/one.jsonl", "sessions/--w--/two.jsonl");
    let nameless = "{\"type\":\"leaf\"}\n";
    for content in [nameless, &log("same", "text")] {
        let case = Case::new(&[(one, content), (two, content)]);
        case.purge(one);
        // Its time changes, then its content.
        for content in [content.to_owned(), content.to_owned() + nameless] {
            case.write(two, &content);
            let report = case.import(false);
            assert_eq!((report.purged, report.missing), (1, 0), "{report:?}");
        }
        assert!(case.fixture.store.find(two).is_ok());
    }
}

#[test]
fn a_log_without_an_id_that_was_kept_moves_and_grows_and_its_purged_copy_stays_away() {
    let (one, copy) = ("sessions/--w--/one.jsonl", "sessions/--w--/copy.jsonl");
    let nameless = "{\"type\":\"leaf\"}\n";
    let case = Case::new(&[(one, nameless), (copy, nameless)]);
    case.fixture.session(one).tag("kept").unwrap();
    case.purge(copy);
    let moved = "sessions/--w--/moved.jsonl";
    fs::rename(case.root.join(one), case.root.join(moved)).unwrap();
    case.write(moved, &nameless.repeat(2));

    let report = case.import(false);

    assert_eq!((report.purged, report.moved, report.missing), (1, 1, 0), "{report:?}");
    assert_eq!(case.fixture.session(moved).tags().unwrap(), ["kept"]);
}

#[test]
fn a_session_that_was_made_here_stays_away_when_another_store_still_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str| Store::open(folder.path().join(name)).unwrap();
    let (here, there) = (open("here.db"), open("there.db"));
    let new = NewSession::new("/w").format(Format::Pi).session_id("made");
    let session = here.create(&new).unwrap();
    session.append_message(r#"{"role":"user","content":"x","timestamp":1}"#).unwrap();
    there.merge(here.path(), &MergeOptions::new()).unwrap();

    here.find("made").unwrap().purge().unwrap();

    for _ in 0..2 {
        let report = here.merge(there.path(), &MergeOptions::new()).unwrap();
        assert_eq!((report.new, report.purged), (0, 1));
        assert!(here.find("made").is_err());
        assert!(here.check().unwrap().is_empty());
    }
    let recovered = folder.path().join("recovered.db");
    sessile::recover(here.path(), &recovered).unwrap();
    let recovered = Store::open(&recovered).unwrap();
    assert_eq!(recovered.merge(there.path(), &MergeOptions::new()).unwrap().purged, 1);
}
