//! Merges of stores that have a file at different paths.

use std::fs;
use std::path::{Path, PathBuf};

use sessile::{Archived, ExportOptions, Format, ImportOptions, MergeOptions, SessionFilter, Store};

const THREAD: &str = "0199b000-0000-7000-8000-000000000001";
const NAME: &str = "rollout-2026-02-01T10-00-00-0199b000-0000-7000-8000-000000000001.jsonl";
const ASKED: &str = r#"{"timestamp":"2026-02-01T10:00:01.000Z","type":"event_msg","payload":{"type":"user_message","message":"q"}}"#;

fn active() -> PathBuf {
    Path::new("sessions/2026/02/01").join(NAME)
}

fn archive() -> PathBuf {
    Path::new("archived_sessions").join(NAME)
}

/// A machine: its root, and its store.
struct Machine {
    store: Store,
    dir: tempfile::TempDir,
    format: Format,
}

impl Machine {
    /// With one thread of Codex.
    fn new(path: &Path) -> Self {
        let machine = Self::empty(Format::Codex);
        let meta = format!(
            r#"{{"timestamp":"2026-02-01T10:00:00.000Z","type":"session_meta","payload":{{"id":"{THREAD}","timestamp":"2026-02-01T10:00:00.000Z","cwd":"/w","originator":"o","cli_version":"1","source":"cli"}}}}"#
        );
        let path = machine.write(path, &format!("{meta}\n{ASKED}\n"));
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        machine.import();
        machine
    }

    fn empty(format: Format) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("sessions.db")).unwrap();
        Self { store, dir, format }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn write(&self, path: impl AsRef<Path>, content: &str) -> PathBuf {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn import(&self) {
        self.store.import(self.root(), &ImportOptions::new().format(self.format)).unwrap();
    }

    fn merge(&self, other: &Self) {
        for is_change in [true, false] {
            let report = self.store.merge(other.store.path(), &MergeOptions::new()).unwrap();
            assert!(report.refused.is_empty() && report.kept.is_empty(), "{report:?}");
            assert!(is_change || !report.is_change(), "{report:?}");
            assert_eq!(self.store.check().unwrap(), []);
        }
        if self.root().exists() {
            assert!(self.store.verify(self.root()).unwrap().differences.is_empty());
        }
    }

    /// The files of the sessions, and whether each is archived.
    fn shown(&self) -> Vec<(PathBuf, bool)> {
        let filter = SessionFilter::new().archived(Archived::Included);
        let rows = self.store.sessions(&filter).unwrap().rows;
        let info =
            |row: &sessile::SessionRow| self.store.session(row.key).unwrap().info().unwrap().file;
        rows.iter().map(|row| (info(row), row.archived_at.is_some())).collect()
    }
}

#[test]
fn a_thread_that_was_archived_in_one_store_is_one_archived_thread_in_every_other() {
    let (laptop, desk, third) =
        (Machine::new(&active()), Machine::new(&active()), Machine::empty(Format::Codex));
    laptop.store.find(THREAD).unwrap().archive().unwrap();

    third.merge(&laptop);
    desk.merge(&laptop);
    laptop.merge(&desk);

    for machine in [&laptop, &desk, &third] {
        assert_eq!(machine.shown(), [(archive(), true)]);
    }
    desk.import();
    assert_eq!(desk.shown(), [(archive(), true)]);

    desk.store.find(THREAD).unwrap().unarchive().unwrap();
    for machine in [&laptop, &third] {
        machine.merge(&desk);
        assert_eq!(machine.shown(), [(active(), false)]);
    }
}

#[test]
fn a_thread_that_went_on_elsewhere_goes_on_in_the_archive() {
    let (laptop, desk) = (Machine::new(&active()), Machine::new(&active()));
    laptop.store.find(THREAD).unwrap().archive().unwrap();
    let path = desk.root().join(active());
    let log = fs::read_to_string(&path).unwrap();
    fs::write(&path, log + ASKED + "\n").unwrap();
    desk.import();

    laptop.merge(&desk);
    desk.merge(&laptop);

    for machine in [&laptop, &desk] {
        assert_eq!(machine.shown(), [(archive(), true)]);
        assert_eq!(machine.store.find(THREAD).unwrap().lines(0).unwrap().len(), 3);
    }
}

#[test]
fn a_thread_that_its_program_archived_on_one_machine_is_one_thread() {
    let (laptop, desk) = (Machine::new(&archive()), Machine::new(&active()));

    laptop.merge(&desk);
    desk.merge(&laptop);

    for machine in [&laptop, &desk] {
        assert_eq!(machine.shown(), [(archive(), true)]);
    }
}

#[test]
fn a_folder_that_has_the_name_of_an_earlier_log_is_taken_over_with_it() {
    let header = |id: &str| {
        format!(
            r#"{{"type":"session","version":3,"id":"{id}","timestamp":"2026-01-01T00:00:00.000Z","cwd":"/w"}}"#
        ) + "\n"
    };
    let (there, here) = (Machine::empty(Format::Pi), Machine::empty(Format::Pi));
    let path = there.write("sessions/--w--/one.jsonl", &header("one"));
    there.import();
    fs::remove_file(&path).unwrap();
    there.write("sessions/--w--/one.jsonl/inner.jsonl", &header("inner"));
    there.import();

    here.merge(&there);

    assert_eq!(here.shown().len(), 2);
    let out = here.dir.path().join("out");
    here.store.export(&out, &ExportOptions::new()).unwrap();
    let folder = out.join("sessions/--w--");
    assert_eq!(fs::read_to_string(folder.join("one.jsonl")).unwrap(), header("one"));
    let inner = fs::read_to_string(folder.join("one.kept.jsonl/inner.jsonl"));
    assert_eq!(inner.unwrap(), header("inner"));
}

#[test]
fn a_session_whose_path_a_folder_or_link_has_here_is_kept_beside_it() {
    let path = "sessions/--w--/one.jsonl";
    let log =
        |id| format!("{{\"type\":\"session\",\"version\":3,\"id\":\"{id}\",\"cwd\":\"/w\"}}\n");
    let laptop = Machine::empty(Format::Pi);
    laptop.write(path, &log("p"));
    let with_folder = Machine::empty(Format::Pi);
    with_folder.write(Path::new(path).join("below"), "");
    let with_link = Machine::empty(Format::Pi);
    let in_its_way = with_link.write(path, "");
    fs::remove_file(&in_its_way).unwrap();
    std::os::unix::fs::symlink("nowhere", in_its_way).unwrap();

    for machine in [&laptop, &with_folder, &with_link] {
        machine.write("sessions/--w--/two.jsonl", &log("both"));
        machine.import();
    }
    for machine in [with_folder, with_link] {
        let merge = || machine.store.merge(laptop.store.path(), &MergeOptions::new()).unwrap();
        let report = merge();

        assert_eq!((report.kept.len(), report.refused.len()), (1, 0), "{report:?}");
        assert!(machine.store.find("p").is_ok());
        assert!(!merge().is_change());
        assert_eq!(machine.store.check().unwrap(), []);
        assert!(machine.store.verify(machine.root()).unwrap().differences.is_empty());
    }
}
