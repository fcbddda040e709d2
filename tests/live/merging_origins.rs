//! A store says of which machine or person each session is, also after a merge.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use sessile::{ExportOptions, ImportOptions, MergeOptions, SessionFilter, Store};

use crate::support::at;

/// A file of pi, which its program would write for a session of this id.
fn log(id: &str, entries: &[&str]) -> String {
    let header = format!(
        "{{\"type\":\"session\",\"version\":3,\"id\":\"{id}\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"cwd\":\"/w\"}}\n"
    );
    let line = |id: &&str| {
        format!(
            "{{\"type\":\"message\",\"id\":\"{id}\",\"parentId\":null,\"timestamp\":\"2026-01-01T00:00:01.000Z\",\"message\":{{\"role\":\"user\",\"content\":\"{id}\",\"timestamp\":1}}}}\n"
        )
    };
    header + &entries.iter().map(line).collect::<String>()
}

/// A store with one root, which is at the same path for each of them.
struct Machine {
    store: Store,
    root: PathBuf,
    origin: Option<&'static str>,
}

impl Machine {
    fn new(dir: &Path, name: &str, origin: Option<&'static str>) -> Self {
        let store = Store::open(dir.join(name).with_extension("db")).unwrap();
        Self { store, root: dir.join("root"), origin }
    }

    /// Two that say whose their sessions are.
    fn laptop_and_desk(dir: &Path) -> [Self; 2] {
        ["laptop", "desk"].map(|name| Self::new(dir, name, Some(name)))
    }

    /// Imports what the root holds.
    fn import_root(&self) {
        let mut options = ImportOptions::new();
        if let Some(origin) = self.origin {
            options = options.origin(origin);
        }
        self.store.import(&self.root, &options).unwrap();
        assert_eq!(self.store.verify(&self.root).unwrap().differences, []);
    }

    /// Imports these sessions as all that the root holds.
    fn import(&self, sessions: &[(&str, &[&str])]) {
        let folder = self.root.join("sessions/--w--");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for (id, entries) in sessions {
            fs::write(
                folder.join(format!("2026-05-01T00-00-00-000Z_{id}.jsonl")),
                log(id, entries),
            )
            .unwrap();
        }
        self.import_root();
    }

    #[track_caller]
    fn merge(&self, other: &Self, options: &MergeOptions) {
        let report = self.store.merge(other.store.path(), options).unwrap();
        assert!(report.refused.is_empty() && report.kept.is_empty(), "{report:?}");
        assert_eq!(self.store.check().unwrap(), []);
        assert!(!self.store.merge(other.store.path(), options).unwrap().is_change());
    }

    fn origin_of(&self, id: &str) -> Option<String> {
        self.store.find(id).unwrap().info().unwrap().origin
    }

    fn ids_of(&self, origin: &str) -> Vec<String> {
        let rows = self.store.sessions(&SessionFilter::new().origin(origin)).unwrap().rows;
        let mut ids: Vec<String> = rows.into_iter().filter_map(|row| row.session_id).collect();
        ids.sort();
        ids
    }
}

#[test]
fn sessions_of_two_machines_keep_their_origins_though_their_roots_have_one_path() {
    let dir = tempfile::tempdir().unwrap();
    let [laptop, desk] = Machine::laptop_and_desk(dir.path());
    laptop.import(&[("one", &["a"])]);
    desk.import(&[("two", &["b"])]);

    laptop.merge(&desk, &MergeOptions::new());
    desk.merge(&laptop, &MergeOptions::new());

    for store in [&laptop, &desk] {
        assert_eq!(store.origin_of("one").as_deref(), Some("laptop"));
        assert_eq!(store.origin_of("two").as_deref(), Some("desk"));
        assert_eq!(store.ids_of("desk"), ["two"]);
        assert_eq!(store.ids_of("laptop"), ["one"]);
        assert_eq!(store.ids_of(""), [""; 0]);
    }
    let roots = laptop.store.imported_roots().unwrap();
    let origins: Vec<_> =
        roots.iter().map(|root| (root.origin.as_deref(), root.sessions)).collect();
    assert_eq!(origins, [(Some("desk"), 1), (Some("laptop"), 1)]);
}

#[test]
fn a_merge_names_what_the_other_store_leaves_unnamed_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let here = Machine::new(dir.path(), "here", None);
    let third = Machine::new(dir.path(), "third", Some("third"));
    let desk = Machine::new(dir.path(), "desk", None);
    third.import(&[("three", &["c"])]);
    desk.import(&[("two", &["b"])]);
    desk.merge(&third, &MergeOptions::new());
    here.import(&[("one", &["a"])]);

    here.merge(&desk, &MergeOptions::new().origin(" desk "));

    assert_eq!(here.origin_of("one"), None);
    assert_eq!(here.origin_of("two").as_deref(), Some("desk"));
    assert_eq!(here.origin_of("three").as_deref(), Some("third"));
    assert_eq!(here.ids_of(""), ["one"]);
}

#[test]
fn a_session_that_both_have_stays_one_and_of_its_root() {
    let dir = tempfile::tempdir().unwrap();
    let [laptop, desk] = Machine::laptop_and_desk(dir.path());
    laptop.import(&[("both", &["a"]), ("one", &["x"])]);
    desk.import(&[("both", &["a", "b"]), ("two", &["y"])]);

    laptop.merge(&desk, &MergeOptions::new());

    let session = laptop.store.find("both").unwrap();
    assert_eq!(session.info().unwrap().origin.as_deref(), Some("laptop"));
    assert_eq!(session.entries_after(0, 10).unwrap().len(), 2);
    assert_eq!(laptop.ids_of("desk"), ["two"]);
}

#[test]
fn an_import_says_whose_a_root_is_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    let unnamed = Machine::new(dir.path(), "store", None);
    unnamed.import(&[("one", &["a"])]);
    assert_eq!(unnamed.origin_of("one"), None);
    assert_eq!(unnamed.store.sessions(&SessionFilter::new()).unwrap().rows[0].origin, None);

    let named = Machine { origin: Some("laptop"), ..unnamed };
    named.import(&[("one", &["a"])]);
    assert_eq!(named.origin_of("one").as_deref(), Some("laptop"));
    // One that says nothing leaves it.
    let unnamed = Machine { origin: None, ..named };
    unnamed.import(&[("one", &["a", "b"])]);
    let rows = unnamed.store.sessions(&SessionFilter::new()).unwrap().rows;
    assert_eq!(rows[0].origin.as_deref(), Some("laptop"));

    for name in ["", " ", "a\nb", &"x".repeat(201)] {
        let options = ImportOptions::new().origin(name);
        let err = unnamed.store.import(&unnamed.root, &options).unwrap_err();
        assert!(err.to_string().contains("origin"), "{err}");
    }
}

#[test]
fn what_came_from_another_machine_is_exported_beside_what_is_here() {
    let dir = tempfile::tempdir().unwrap();
    let [laptop, desk] = Machine::laptop_and_desk(dir.path());
    laptop.import(&[("one", &["a"])]);
    desk.import(&[("two", &["b"])]);
    laptop.merge(&desk, &MergeOptions::new());
    laptop.store.find("two").unwrap().at(at(5)).rename(Some("renamed here")).unwrap();

    let out = dir.path().join("out");
    laptop.store.export(&out, &ExportOptions::new()).unwrap();

    let folders: Vec<_> = fs::read_dir(&out).unwrap().map(|one| one.unwrap().file_name()).collect();
    assert_eq!(folders.len(), 2, "{folders:?}");
    let text = |folder: &str, id: &str| {
        let file = format!("{folder}/sessions/--w--/2026-05-01T00-00-00-000Z_{id}.jsonl");
        fs::read_to_string(out.join(file)).unwrap()
    };
    assert!(text("01-desk", "two").starts_with(&log("two", &["b"])));
    assert_eq!(text("02-root", "one"), log("one", &["a"]));
}

#[test]
fn a_recovered_store_still_knows_whose_sessions_are() {
    let dir = tempfile::tempdir().unwrap();
    let [laptop, desk] = Machine::laptop_and_desk(dir.path());
    laptop.import(&[("one", &["a"])]);
    desk.import(&[("two", &["b"])]);
    laptop.merge(&desk, &MergeOptions::new());

    let copy = dir.path().join("recovered.db");
    sessile::recover(laptop.store.path(), &copy).unwrap();

    let recovered = Machine { store: Store::open(&copy).unwrap(), ..laptop };
    assert_eq!(recovered.origin_of("one").as_deref(), Some("laptop"));
    assert_eq!(recovered.origin_of("two").as_deref(), Some("desk"));
    assert_eq!(recovered.store.check().unwrap(), []);
}

#[test]
fn a_session_with_another_first_line_is_a_generation_and_no_second_session() {
    let dir = tempfile::tempdir().unwrap();
    let [laptop, desk] = Machine::laptop_and_desk(dir.path());
    desk.import(&[("one", &["a"])]);
    let file = laptop.root.join("sessions/--w--/2026-05-01T00-00-00-000Z_one.jsonl");
    let changed = log("one", &["a"]).replacen("\"cwd\":\"/w\"", "\"cwd\":\"/elsewhere\"", 1);
    fs::write(&file, changed).unwrap();
    laptop.import_root();

    let report = laptop.store.merge(desk.store.path(), &MergeOptions::new()).unwrap();

    assert_eq!(report.kept.len(), 1);
    assert_eq!(report.kept[0].generation, Some(2));
    assert_eq!(laptop.origin_of("one").as_deref(), Some("laptop"));
    assert_eq!(laptop.ids_of("desk"), [""; 0]);
    assert!(!laptop.store.merge(desk.store.path(), &MergeOptions::new()).unwrap().is_change());
}

#[test]
fn two_that_have_the_same_files_take_nothing_over_whatever_their_format() {
    for fixture in [
        "fixtures/claude/small",
        "fixtures/kimi/small",
        "fixtures/kward/small",
        "fixtures/codex/small",
        "fixtures/pi/small",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let [laptop, desk] = Machine::laptop_and_desk(dir.path())
            .map(|machine| Machine { root: fixture.into(), ..machine });
        laptop.import_root();
        desk.import_root();
        let sessions = laptop.store.imported_root(fixture).unwrap().unwrap().sessions;

        laptop.merge(&desk, &MergeOptions::new());
        desk.merge(&laptop, &MergeOptions::new());
        let report = laptop.store.merge(desk.store.path(), &MergeOptions::new()).unwrap();

        assert!(!report.is_change(), "{fixture}: {report:?}");
        for (store, other) in [(&laptop, "desk"), (&desk, "laptop")] {
            assert_eq!(store.ids_of(other), [""; 0], "{fixture}");
            assert_eq!(store.store.imported_root(fixture).unwrap().unwrap().sessions, sessions);
            // Of what speaks of many sessions, each keeps its own beside them.
            let files: u64 = store
                .store
                .imported_roots()
                .unwrap()
                .iter()
                .filter(|one| one.root.as_os_str().is_empty())
                .map(|one| one.files)
                .sum();
            assert!(files <= 1, "{fixture}: {files}");
        }
    }
}

#[test]
fn a_file_beside_a_session_goes_where_the_session_is() {
    const ID: &str = "00000001-0000-4000-8000-000000000001";
    let dir = tempfile::tempdir().unwrap();
    let [laptop, desk] = Machine::laptop_and_desk(dir.path());
    let project = laptop.root.join("projects/-w");
    fs::create_dir_all(project.join(ID).join("tool-results")).unwrap();
    let line = format!(
        "{{\"type\":\"user\",\"uuid\":\"u1\",\"parentUuid\":null,\"sessionId\":\"{ID}\",\"cwd\":\"/w\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"message\":{{\"role\":\"user\",\"content\":\"said\"}}}}\n"
    );
    fs::write(project.join(format!("{ID}.jsonl")), line).unwrap();
    laptop.import_root();
    fs::write(project.join(ID).join("tool-results/t1.txt"), "answered").unwrap();
    desk.import_root();

    laptop.merge(&desk, &MergeOptions::new());

    let roots = laptop.store.imported_roots().unwrap();
    assert_eq!(roots.len(), 1, "{roots:?}");
    let out = dir.path().join("out");
    laptop.store.export(&out, &ExportOptions::new()).unwrap();
    let file = out.join("projects/-w").join(ID).join("tool-results/t1.txt");
    assert_eq!(fs::read_to_string(file).unwrap(), "answered");
}

#[test]
fn an_origin_that_nobody_could_give_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let [laptop, desk] = Machine::laptop_and_desk(dir.path());
    laptop.import(&[("one", &["a"])]);
    desk.import(&[("two", &["b"])]);
    let conn = Connection::open(desk.store.path()).unwrap();
    conn.execute("UPDATE sources SET origin = ?1", ["\u{1b}[31m".repeat(100)]).unwrap();

    laptop.merge(&desk, &MergeOptions::new().origin("elsewhere"));

    assert_eq!(laptop.origin_of("two").as_deref(), Some("elsewhere"));
}
