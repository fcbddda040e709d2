//! Merges of files about many sessions.

use std::fs;
use std::path::Path;

use sessile::{
    ExportOptions, Format, ImportOptions, MergeOptions, MergeReport, SessionFilter, Store,
};

/// A machine: its root, and its store.
struct Machine {
    store: Store,
    dir: tempfile::TempDir,
    format: Format,
}

impl Machine {
    fn new(format: Format, files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("sessions.db")).unwrap();
        let machine = Self { store, dir, format };
        machine.goes_on(files);
        machine
    }

    /// Its program writes files, which are imported.
    fn goes_on(&self, files: &[(&str, &str)]) {
        let root = self.dir.path().join("root");
        for (path, content) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let options = ImportOptions::new().format(self.format).reread(true);
        self.store.import(&root, &options).unwrap();
        self.prove();
    }

    #[track_caller]
    fn prove(&self) {
        assert_eq!(self.store.check().unwrap(), []);
        assert_eq!(self.store.verify(self.dir.path().join("root")).unwrap().differences, []);
    }

    #[track_caller]
    fn merge(&self, other: &Self) -> MergeReport {
        let report = self.store.merge(other.store.path(), &MergeOptions::new()).unwrap();
        self.prove();
        assert!(report.refused.is_empty() && report.kept.is_empty(), "{report:?}");
        let again = self.store.merge(other.store.path(), &MergeOptions::new()).unwrap();
        assert!(!again.is_change(), "{again:?}");
        report
    }

    fn exported(&self, file: &str) -> String {
        let out = self.dir.path().join("out");
        let _ = fs::remove_dir_all(&out);
        self.store.export(&out, &ExportOptions::new()).unwrap();
        find(&out, file).unwrap()
    }

    /// Id, title and work dir of each session, by id.
    fn sessions(&self) -> Vec<(String, String, String)> {
        let filter = SessionFilter::new().limit(100);
        let mut rows: Vec<_> = self
            .store
            .sessions(&filter)
            .unwrap()
            .rows
            .into_iter()
            .map(|row| {
                let id = row.session_id.unwrap_or_default();
                (id, row.title.unwrap_or_default(), row.work_dir.unwrap_or_default())
            })
            .collect();
        rows.sort();
        rows
    }
}

/// What a file of this name holds, wherever it lies below a folder.
fn find(folder: &Path, name: &str) -> Option<String> {
    let direct = fs::read_to_string(folder.join(name)).ok();
    direct.or_else(|| {
        let folders = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        folders.filter(|path| path.is_dir()).find_map(|path| find(&path, name))
    })
}

const ONE: &str = "019b8d5f-005f-7000-8000-000000000001";
const TWO: &str = "019b8d5f-005f-7000-8000-000000000002";
const THREE: &str = "019b8d5f-005f-7000-8000-000000000003";

fn name(id: &str, name: &str, second: u32) -> String {
    format!(
        "{{\"id\":\"{id}\",\"thread_name\":\"{name}\",\"updated_at\":\"2026-01-01T00:00:{second:02}Z\"}}\n"
    )
}

fn rollout(id: &str) -> (String, String) {
    let path = format!("sessions/2026/01/01/rollout-2026-01-01T00-00-00-{id}.jsonl");
    let at = "2026-01-01T00:00:00.000Z";
    let content = format!(
        "{{\"timestamp\":\"{at}\",\"type\":\"session_meta\",\"payload\":{{\"id\":\"{id}\",\"timestamp\":\"{at}\",\"cwd\":\"/w\",\"originator\":\"o\",\"cli_version\":\"0.171.0\",\"source\":\"cli\"}}}}\n\
         {{\"timestamp\":\"{at}\",\"type\":\"event_msg\",\"payload\":{{\"type\":\"user_message\",\"message\":\"said\"}}}}\n"
    );
    (path, content)
}

/// A root of Codex with threads, and an index of names.
fn codex(threads: &[&str], index: &str) -> Machine {
    let rollouts: Vec<_> = threads.iter().map(|id| rollout(id)).collect();
    let mut files: Vec<(&str, &str)> =
        rollouts.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect();
    files.push(("session_index.jsonl", index));
    Machine::new(Format::Codex, &files)
}

#[test]
fn names_that_codex_threads_got_on_two_machines_are_in_one_index_by_time() {
    // Of one thread the name from here is the later, of another that from there.
    let here = name(ONE, "here", 1) + &name(TWO, "here", 2) + &name(ONE, "here, later", 5);
    let there = name(ONE, "there", 3) + &name(TWO, "there, later", 4) + &name(THREE, "there", 6);
    let (desk, laptop) = (codex(&[ONE, TWO], &here), codex(&[ONE, TWO, THREE], &there));

    let report = desk.merge(&laptop);
    laptop.merge(&desk);

    assert_eq!((report.new, report.united), (1, 1));
    for machine in [&desk, &laptop] {
        let titles: Vec<_> = machine.sessions().into_iter().map(|(_, title, _)| title).collect();
        assert_eq!(titles, ["here, later", "there, later", "there"]);
    }
    assert_eq!(desk.exported("session_index.jsonl"), laptop.exported("session_index.jsonl"));
    // The program at the root names on.
    desk.goes_on(&[("session_index.jsonl", &(here + &name(TWO, "at last", 9)))]);
    assert_eq!(desk.sessions()[1].1, "at last");
    assert_eq!(desk.exported("session_index.jsonl").lines().count(), 7);
    assert!(!desk.store.merge(laptop.store.path(), &MergeOptions::new()).unwrap().is_change());
}

const FIRST: &str = "11111111-1111-4111-8111-111111111111";
const SECOND: &str = "22222222-2222-4222-8222-222222222222";

/// A root of Kimi with sessions in work dirs, by the folders that Kimi gives them.
fn kimi(sessions: &[(&str, &str, &str)]) -> Machine {
    let mut registry = Vec::new();
    let mut files = Vec::new();
    for (work_dir, folder, id) in sessions {
        registry.push(format!("    {{\n      \"path\": \"{work_dir}\",\n      \"kaos\": \"local\",\n      \"last_session_id\": \"{id}\"\n    }}"));
        let path = format!("sessions/{folder}/{id}/context.jsonl");
        files.push((path, format!("{{\"role\":\"user\",\"content\":\"in {work_dir}\"}}\n")));
    }
    let registry = format!("{{\n  \"work_dirs\": [\n{}\n  ]\n}}", registry.join(",\n"));
    files.push(("kimi.json".to_owned(), registry));
    let files: Vec<(&str, &str)> =
        files.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect();
    Machine::new(Format::Kimi, &files)
}

/// The MD5 of a path, as Kimi names the folder of its sessions.
const OF_A: &str = "4b24918b77d02ba73f3f0be652ed7127";
const OF_B: &str = "b7ae5476d1b37100e0a886489fa0980b";
const OF_C: &str = "849b80efda0d0bcacc0d1c1c744d1737";

#[test]
fn work_dirs_that_kimi_registered_on_two_machines_are_all_known() {
    let (desk, laptop) = (
        kimi(&[("/w/a", OF_A, FIRST), ("/w/b", OF_B, FIRST)]),
        kimi(&[("/w/a", OF_A, FIRST), ("/w/c", OF_C, SECOND)]),
    );

    let report = desk.merge(&laptop);
    laptop.merge(&desk);

    assert_eq!((report.new, report.united), (1, 1));
    for machine in [&desk, &laptop] {
        let dirs: Vec<_> = machine.sessions().into_iter().map(|(_, _, dir)| dir).collect();
        let mut sorted = dirs.clone();
        sorted.sort();
        assert_eq!(sorted, ["/w/a", "/w/b", "/w/c"]);
    }
    // The program at the root registers on.
    let content = fs::read_to_string(desk.dir.path().join("root/kimi.json")).unwrap();
    let content = content.replace("\n  ]", ",\n    {\"path\": \"/w/d\"}\n  ]");
    desk.goes_on(&[("kimi.json", &content)]);
    let registry = desk.exported("kimi.json");
    assert!(registry.contains("/w/c") && registry.contains("/w/d"), "{registry}");
}

#[test]
fn a_name_of_a_thread_that_two_origins_have_counts_in_both() {
    let (desk, laptop) =
        (codex(&[ONE, TWO], &name(ONE, "one", 1)), codex(&[ONE], &name(ONE, "one, later", 5)));
    for (machine, origin) in [(&desk, "desk"), (&laptop, "laptop")] {
        let options = ImportOptions::new().origin(origin);
        machine.store.import(machine.dir.path().join("root"), &options).unwrap();
    }

    desk.merge(&laptop);
    laptop.merge(&desk);

    for machine in [&desk, &laptop] {
        assert_eq!(machine.sessions()[0].1, "one, later");
        assert_eq!(machine.sessions().len(), 2);
    }
}
