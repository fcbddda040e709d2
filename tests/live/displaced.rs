//! Decisions about a session stay with the session, whatever happens to its path.

use std::fs;
use std::path::{Path, PathBuf};

use sessile::{ExportOptions, Format, ImportOptions, ImportReport, ProblemKind, Session, Store};

use crate::support::{at, message};

const ONE: &str = "sessions/--w--/one.jsonl";
const TWO: &str = "sessions/--w--/two.jsonl";
const THREE: &str = "sessions/--w--/three.jsonl";

/// A log of Kward or pi; without an id, one without a header.
fn log(format: Format, id: Option<&str>, texts: &[&str]) -> String {
    let header = match (format, id) {
        (_, None) => String::new(),
        (Format::Pi, Some(id)) => format!(
            "{{\"type\":\"session\",\"version\":3,\"id\":\"{id}\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"cwd\":\"/w\"}}\n"
        ),
        (_, Some(id)) => {
            format!("{{\"type\":\"session\",\"version\":2,\"id\":\"{id}\",\"cwd\":\"/w\"}}\n")
        }
    };
    let mut log = header;
    let mut parent = "null".to_owned();
    for text in texts {
        log += &line(text, &parent);
        parent = format!("\"{text}\"");
    }
    log
}

fn line(text: &str, parent: &str) -> String {
    format!(
        "{{\"type\":\"message\",\"id\":\"{text}\",\"parentId\":{parent},\"timestamp\":\"2026-01-01T00:00:01.000Z\",\"message\":{{\"role\":\"user\",\"content\":\"{text}\",\"timestamp\":1}}}}\n"
    )
}

/// A root with two sessions, and the store that it is imported into.
struct Root {
    store: Store,
    dir: tempfile::TempDir,
    format: Format,
}

impl Root {
    /// Two logs, tagged `one` and `two`.
    fn of(format: Format, ids: [Option<&str>; 2]) -> (Self, [Session; 2]) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("sessions.db")).unwrap();
        let root = Self { store, dir, format };
        root.write(ONE, &log(format, ids[0], &["a1", "a2"]));
        root.write(TWO, &log(format, ids[1], &["b1", "b2"]));
        root.import();
        let sessions = [ONE, TWO].map(|path| root.store.find(path).unwrap());
        sessions[0].tag("one").unwrap();
        sessions[1].tag("two").unwrap();
        (root, sessions)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join("root").join(path)
    }

    fn write(&self, path: &str, log: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), log).unwrap();
    }

    fn grow(&self, path: &str, text: &str) {
        let log = fs::read_to_string(self.at(path)).unwrap();
        // In place: the inode stays.
        fs::write(self.at(path), log + &line(text, "null")).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.at(from), self.at(to)).unwrap();
    }

    fn swap(&self) {
        self.rename(ONE, "aside");
        self.rename(TWO, ONE);
        self.rename("aside", TWO);
    }

    fn import(&self) -> ImportReport {
        let options = ImportOptions::new().format(self.format);
        let report = self.store.import(&self.dir.path().join("root"), &options).unwrap();
        assert_eq!(self.store.check().unwrap(), []);
        let mut differences = self.store.verify(&self.dir.path().join("root")).unwrap().differences;
        differences.retain(|difference| difference.detail != "is no longer at the root");
        assert_eq!(differences, []);
        self.store.rebuild().unwrap();
        assert_eq!(self.store.check().unwrap(), []);
        report
    }

    fn export(&self) -> Vec<(String, String)> {
        let out = tempfile::tempdir().unwrap();
        self.store.export(out.path(), &ExportOptions::new()).unwrap();
        let folder = out.path().join("sessions/--w--");
        let mut files: Vec<(String, String)> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (name(&path), fs::read_to_string(&path).unwrap()))
            .collect();
        files.sort();
        files
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn file(session: &Session) -> String {
    session.info().unwrap().file.to_str().unwrap().to_owned()
}

fn said(session: &Session) -> Vec<String> {
    session.tree().unwrap().into_iter().map(|node| node.id).collect()
}

/// The pairs of ids that two logs may have: their own, one, or none.
const IDS: [[Option<&str>; 2]; 3] = [[Some("one"), Some("two")], [Some("one"), None], [None, None]];

const FORMATS: [Format; 2] = [Format::Kward, Format::Pi];

#[test]
fn two_files_that_changed_places_keep_their_sessions() {
    for (format, ids) in FORMATS.iter().flat_map(|format| IDS.map(|ids| (*format, ids))) {
        let (root, [one, two]) = Root::of(format, ids);
        one.trash().unwrap();
        two.at(at(0)).archive().unwrap();

        root.swap();
        let report = root.import();

        assert_eq!((report.moved, report.missing, report.lost.len()), (2, 0, 0), "{report:?}");
        assert_eq!((file(&one), file(&two)), (TWO.to_owned(), ONE.to_owned()));
        assert_eq!((said(&one), said(&two)), (ids_of("a"), ids_of("b")));
        assert_eq!(
            (one.tags().unwrap(), two.tags().unwrap()),
            (vec!["one".into()], vec!["two".into()])
        );
        let [one, two] = [&one, &two].map(|session| session.info().unwrap());
        assert!(one.trashed_at.is_some() && two.trashed_at.is_none());
        assert!(one.archived_at.is_none() && two.archived_at.is_some());
    }
}

fn ids_of(letter: &str) -> Vec<String> {
    vec![format!("{letter}1"), format!("{letter}2")]
}

#[test]
fn two_that_changed_places_and_went_on_in_both_worlds_are_what_they_were() {
    for format in FORMATS {
        let (root, [one, two]) = Root::of(format, IDS[0]);
        one.at(at(5)).with_id("h1").append_message(message("user", "here", "h1")).unwrap();

        root.swap();
        root.grow(TWO, "a3");
        root.import();
        root.grow(ONE, "b3");
        root.grow(TWO, "a4");
        root.import();

        let mut found = said(&one);
        found.sort();
        assert_eq!(found, ["a1", "a2", "a3", "a4", "h1"]);
        let mut found = said(&two);
        found.sort();
        assert_eq!(found, ["b1", "b2", "b3"]);
        for session in [one, two] {
            let kinds: Vec<ProblemKind> =
                session.problems().unwrap().into_iter().map(|problem| problem.kind).collect();
            assert_eq!(kinds, []);
        }
    }
}

#[test]
fn two_that_were_copied_over_one_another_and_went_on_are_known_by_their_ids() {
    let (root, [one, two]) = Root::of(Format::Kward, IDS[0]);
    let (a, b) =
        (fs::read_to_string(root.at(ONE)).unwrap(), fs::read_to_string(root.at(TWO)).unwrap());

    root.write(ONE, &(b + &line("b3", "null")));
    root.write(TWO, &(a + &line("a3", "null")));
    root.import();

    assert_eq!((file(&one), file(&two)), (TWO.to_owned(), ONE.to_owned()));
    assert!(said(&one).contains(&"a3".to_owned()) && said(&two).contains(&"b3".to_owned()));
}

#[test]
fn a_file_moved_onto_another_takes_its_session_along_and_leaves_the_others_beside() {
    for format in FORMATS {
        let (root, [one, two]) = Root::of(format, IDS[0]);
        two.trash().unwrap();
        two.at(at(5)).with_id("h2").append_message(message("user", "here", "h2")).unwrap();

        root.rename(ONE, TWO);
        let report = root.import();

        assert_eq!((report.moved, report.missing), (1, 1), "{report:?}");
        assert_eq!(report.lost.iter().map(|lost| lost.lines).sum::<u32>(), 3);
        assert_eq!((file(&one), said(&one)), (TWO.to_owned(), ids_of("a")));
        assert_eq!(one.tags().unwrap(), ["one"]);
        assert!(one.info().unwrap().trashed_at.is_none());
        assert_eq!(file(&two), "sessions/--w--/two.kept.jsonl");
        assert_eq!(said(&two), ["b1", "b2", "h2"]);
        assert_eq!(two.tags().unwrap(), ["two"]);
        assert!(two.info().unwrap().trashed_at.is_some());
        let kinds: Vec<ProblemKind> =
            two.problems().unwrap().into_iter().map(|problem| problem.kind).collect();
        assert_eq!(kinds, [ProblemKind::Vanished]);
        two.restore().unwrap();
        let exported = root.export();
        assert_eq!(exported.len(), 2);
        assert_eq!(exported[0].1, log(format, Some("one"), &["a1", "a2"]));
        assert!(exported[1].1.starts_with(&log(format, Some("two"), &["b1", "b2"])));

        // What it was comes back, elsewhere and with more.
        root.write(THREE, &log(format, Some("two"), &["b1", "b2", "b3"]));
        let report = root.import();

        assert_eq!((report.moved, report.missing), (1, 0), "{report:?}");
        assert_eq!(file(&two), THREE);
        assert!(["b3", "h2"].iter().all(|id| said(&two).contains(&(*id).to_owned())));
        assert_eq!(two.problems().unwrap(), []);
    }
}

#[test]
fn a_log_of_another_session_in_the_place_of_one_that_went_on_here_begins_its_own() {
    let (root, [one, _]) = Root::of(Format::Kward, IDS[0]);
    one.at(at(5)).with_id("h1").append_message(message("user", "here", "h1")).unwrap();

    root.write(ONE, &log(Format::Kward, Some("other"), &["c1"]));
    let report = root.import();

    assert_eq!((report.new, report.rewritten), (1, 0), "{report:?}");
    let other = root.store.find(ONE).unwrap();
    assert_eq!(other.session_id().unwrap().as_deref(), Some("other"));
    assert_eq!(other.tags().unwrap(), [] as [&str; 0]);
    assert_eq!(said(&one), ["a1", "a2", "h1"]);
    assert_eq!(one.tags().unwrap(), ["one"]);
    // Again, and back.
    root.write(ONE, &log(Format::Kward, Some("third"), &["d1"]));
    root.import();
    assert_eq!(said(&other), ["c1"]);
    root.write(ONE, &log(Format::Kward, Some("one"), &["a1", "a2"]));
    root.import();
    assert_eq!((file(&one), said(&one)), (ONE.to_owned(), ids_with("a", "h1")));
}

fn ids_with(letter: &str, more: &str) -> Vec<String> {
    [ids_of(letter), vec![more.to_owned()]].concat()
}

#[test]
fn an_emptied_file_that_another_was_moved_onto_keeps_its_session() {
    let (root, [one, two]) = Root::of(Format::Kward, IDS[0]);
    root.write(TWO, "");
    root.import();
    assert_eq!(two.session_id().unwrap().as_deref(), Some("two"));

    root.rename(ONE, TWO);
    root.import();

    assert_eq!((file(&one), one.tags().unwrap()), (TWO.to_owned(), vec!["one".to_owned()]));
    assert_eq!(two.tags().unwrap(), ["two"]);
    assert_eq!(two.session_id().unwrap().as_deref(), Some("two"));
}

#[test]
fn a_missing_session_goes_on_with_the_log_of_its_id_whatever_that_holds() {
    let (root, [one, _]) = Root::of(Format::Pi, IDS[0]);
    fs::remove_file(root.at(ONE)).unwrap();
    root.import();

    root.write(THREE, &log(Format::Pi, Some("one"), &["a1", "x2"]));
    let report = root.import();

    assert_eq!((report.moved, report.new, report.missing), (1, 0, 0), "{report:?}");
    assert_eq!(
        (file(&one), said(&one)),
        (THREE.to_owned(), vec!["a1".to_owned(), "x2".to_owned()])
    );
    assert_eq!(one.tags().unwrap(), ["one"]);
    assert_eq!(report.lost.len(), 1);
    let lost = &report.lost[0];
    assert_eq!((lost.file.as_path(), lost.lines), (Path::new(THREE), 1));
    let earlier = root.store.earlier(one.key(), lost.generation).unwrap();
    assert_eq!(said(&earlier.session(one.key()).unwrap()), ids_of("a"));
}

#[test]
fn a_file_that_was_moved_and_linked_to_is_where_it_was_moved() {
    for (is_link, grows, ids) in
        [(true, false, IDS[0]), (true, true, IDS[0]), (false, false, IDS[2]), (false, true, IDS[1])]
    {
        let (root, [one, _]) = Root::of(Format::Kward, ids);
        root.rename(ONE, "aside");
        let to = if is_link { THREE.to_owned() } else { format!("{ONE}/inside.jsonl") };
        if is_link {
            std::os::unix::fs::symlink("three.jsonl", root.at(ONE)).unwrap();
        } else {
            fs::create_dir(root.at(ONE)).unwrap();
        }
        root.rename("aside", &to);
        if grows {
            root.grow(&to, "a3");
        }

        let report = root.import();

        assert_eq!((report.moved, report.missing, report.lost.len()), (1, 0, 0), "{report:?}");
        assert_eq!((file(&one), one.tags().unwrap()), (to, vec!["one".to_owned()]));
        assert_eq!(said(&one).len(), 2 + usize::from(grows));
        assert_eq!(one.generations().unwrap().len(), 1);
        assert_eq!(root.import().moved, 0);
    }
}

#[test]
fn a_file_that_was_linked_to_and_went_on_here_is_where_it_was_moved() {
    let (root, [one, _]) = Root::of(Format::Pi, IDS[0]);
    one.at(at(5)).with_id("h1").append_message(message("user", "here", "h1")).unwrap();
    root.rename(ONE, THREE);
    std::os::unix::fs::symlink("three.jsonl", root.at(ONE)).unwrap();
    root.grow(THREE, "a3");

    root.import();

    assert_eq!(file(&one), THREE);
    let mut found = said(&one);
    found.sort();
    assert_eq!(found, ["a1", "a2", "a3", "h1"]);
}

#[test]
fn a_log_that_has_its_id_from_its_name_has_it_where_it_is_kept() {
    let (root, [one, _]) = Root::of(Format::Pi, IDS[0]);
    let id = "019a0000-0000-7000-8000-000000000001";
    let named = format!("sessions/--w--/2026-05-01T00-00-00-000Z_{id}.jsonl");
    root.write(&named, &log(Format::Pi, None, &["n1"]));
    root.import();
    let session = root.store.find(id).unwrap();

    root.rename(ONE, &named);
    root.import();

    assert_eq!((file(&one), one.tags().unwrap()), (named, vec!["one".to_owned()]));
    assert_eq!(session.session_id().unwrap().as_deref(), Some(id));
    assert_eq!(said(&session), ["n1"]);
}

#[test]
fn a_copy_that_is_moved_back_onto_its_original_is_the_original() {
    for format in FORMATS {
        let (root, [one, _]) = Root::of(format, IDS[0]);
        for lost in [None, Some(""), Some("\0\0\0")] {
            root.write(THREE, &log(format, Some("one"), &["a1"]));
            lost.into_iter().for_each(|content| root.write(ONE, content));
            root.import();

            root.rename(THREE, ONE);
            let report = root.import();

            assert_eq!((report.moved, report.missing), (0, 1), "{lost:?}: {report:?}");
            assert_eq!((file(&one), said(&one)), (ONE.to_owned(), vec!["a1".to_owned()]));
            assert_eq!(one.tags().unwrap(), ["one"]);
        }
    }
}

/// Copies of one log that are rewritten in turn are the copies that they were.
#[test]
fn copies_that_take_over_what_others_held_stay_where_they_are() {
    let (root, [one, _]) = Root::of(Format::Kward, IDS[0]);
    let old = |text: &str| log(Format::Kward, Some("one"), &["a1", text]);
    root.write("sessions/--w--/copy-1.jsonl", &old("c1"));
    root.write("sessions/--w--/copy-2.jsonl", &old("c2"));
    root.import();
    let copies = ["sessions/--w--/copy-1.jsonl", "sessions/--w--/copy-2.jsonl"];
    let sessions = copies.map(|path| root.store.find(path).unwrap());

    root.write(copies[1], &old("c1"));
    root.write(copies[0], &old("a2"));
    root.write(ONE, &old("new"));
    let report = root.import();

    assert_eq!((report.moved, report.new, report.rewritten), (0, 0, 3), "{report:?}");
    assert_eq!(sessions.each_ref().map(file), copies.map(str::to_owned));
    assert_eq!((file(&one), one.tags().unwrap()), (ONE.to_owned(), vec!["one".to_owned()]));
}

#[test]
fn three_that_changed_places_in_a_ring_keep_their_sessions() {
    for ids in IDS {
        let (root, [one, two]) = Root::of(Format::Pi, ids);
        root.write(THREE, &log(Format::Pi, ids[0].map(|_| "three"), &["c1", "c2"]));
        root.import();
        let three = root.store.find(THREE).unwrap();
        three.tag("three").unwrap();

        root.rename(ONE, "aside");
        root.rename(THREE, ONE);
        root.rename(TWO, THREE);
        root.rename("aside", TWO);
        let report = root.import();

        assert_eq!((report.moved, report.missing, report.lost.len()), (3, 0, 0), "{report:?}");
        let files = [&one, &two, &three].map(file);
        assert_eq!(files, [TWO, THREE, ONE].map(str::to_owned));
        let tags = [&one, &two, &three].map(|session| session.tags().unwrap());
        assert_eq!(tags, [["one"], ["two"], ["three"]]);
    }
}

#[test]
fn a_file_that_took_the_place_of_one_that_was_deleted_leaves_it_beside() {
    for ids in IDS {
        let (root, [one, two]) = Root::of(Format::Kward, ids);
        fs::remove_file(root.at(ONE)).unwrap();
        root.rename(TWO, ONE);

        root.import();

        assert_eq!((file(&two), two.tags().unwrap()), (ONE.to_owned(), vec!["two".to_owned()]));
        assert_eq!((said(&one), one.tags().unwrap()), (ids_of("a"), vec!["one".to_owned()]));
        assert_eq!(file(&one), "sessions/--w--/one.kept.jsonl");
    }
}
