//! Merging two stores gives the same from either side.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use sessile::{
    ExportOptions, Format, ImportOptions, MergeOptions, MergeReport, Session, SessionFilter, Store,
};

use crate::support::at;

const FILE: &str = "sessions/--w--/2026-05-01T00-00-00-000Z_given.jsonl";
pub(crate) const HEADER: &str = "{\"type\":\"session\",\"version\":3,\"id\":\"given\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"cwd\":\"/w\"}\n";

/// A line of pi, as its program would write it.
pub(crate) fn line(id: &str, parent: &str, second: u32) -> String {
    let parent = if parent.is_empty() { "null".to_owned() } else { format!("\"{parent}\"") };
    format!(
        "{{\"type\":\"message\",\"id\":\"{id}\",\"parentId\":{parent},\"timestamp\":\"2026-01-01T00:00:{second:02}.000Z\",\"message\":{{\"role\":\"user\",\"content\":\"{id} with some words, so that the line is worth sharing\",\"timestamp\":1}}}}\n"
    )
}

/// A machine: its root, and its store.
pub(crate) struct Machine {
    pub(crate) store: Store,
    dir: tempfile::TempDir,
}

impl Machine {
    pub(crate) fn new(log: &str) -> Self {
        let machine = Self::empty();
        machine.write(FILE, log);
        machine.import();
        machine
    }

    fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("sessions.db")).unwrap();
        Self { store, dir }
    }

    fn root(&self) -> std::path::PathBuf {
        self.dir.path().join("root")
    }

    fn write(&self, file: &str, content: &str) {
        let path = self.root().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn import(&self) {
        let options = ImportOptions::new().format(Format::Pi).reread(true);
        self.store.import(self.root(), &options).unwrap();
        self.prove();
    }

    /// The store is sound, and knows its root to the byte.
    #[track_caller]
    pub(crate) fn prove(&self) {
        assert_eq!(self.store.check().unwrap(), []);
        if self.root().exists() {
            assert_eq!(self.store.verify(self.root()).unwrap().differences, []);
        }
    }

    #[track_caller]
    fn merge(&self, other: &Self) -> MergeReport {
        let report = self.store.merge(other.store.path(), &MergeOptions::new()).unwrap();
        self.prove();
        let again = self.store.merge(other.store.path(), &MergeOptions::new()).unwrap();
        assert!(!again.is_change(), "{again:?}");
        assert!(report.refused.is_empty(), "{report:?}");
        report
    }

    pub(crate) fn session(&self) -> Session {
        self.store.find("given").unwrap()
    }

    fn exported(&self, file: &str) -> String {
        fs::read_to_string(self.exports().join(file)).unwrap()
    }

    fn exports(&self) -> std::path::PathBuf {
        let out = self.dir.path().join("out");
        let _ = fs::remove_dir_all(&out);
        self.store.export(&out, &ExportOptions::new()).unwrap();
        out
    }
}

#[test]
fn what_is_new_is_taken_over_to_the_byte() {
    let log = HEADER.to_owned() + &line("s1", "", 1);
    let (desk, laptop) = (Machine::empty(), Machine::new(&log));

    let report = desk.merge(&laptop);

    assert_eq!((report.new, report.lines), (1, 2));
    assert_eq!(desk.exported(FILE), log);
    assert_eq!(desk.session().info().unwrap().leaf.as_deref(), Some("s1"));
}

#[test]
fn equal_logs_are_left_alone_and_the_longer_goes_on() {
    let start = HEADER.to_owned() + &line("s1", "", 1);
    let more = start.clone() + &line("s2", "s1", 2);
    let (desk, laptop, other) = (Machine::new(&start), Machine::new(&more), Machine::new(&start));

    assert_eq!(desk.merge(&other).unchanged, 1);
    let report = desk.merge(&laptop);
    assert_eq!((report.longer, report.lines), (1, 1));
    assert_eq!(laptop.merge(&other).unchanged, 1);

    assert_eq!(desk.exported(FILE), more);
    assert_eq!(desk.session().info().unwrap().leaf.as_deref(), Some("s2"));
}

#[test]
fn where_both_went_on_time_decides_and_both_show_the_same() {
    let start = HEADER.to_owned() + &line("s1", "", 1);
    let desk = Machine::new(&(start.clone() + &line("d1", "s1", 2) + &line("d2", "d1", 5)));
    let laptop = Machine::new(&(start.clone() + &line("l1", "s1", 3) + &line("l2", "l1", 4)));
    let expected = start
        + &line("d1", "s1", 2)
        + &line("l1", "s1", 3)
        + &line("l2", "l1", 4)
        + &line("d2", "d1", 5);

    let report = desk.merge(&laptop);
    laptop.merge(&desk);

    assert_eq!((report.united, report.lines), (1, 2));
    assert_eq!(desk.exported(FILE), expected);
    assert_eq!(laptop.exported(FILE), expected);
    assert_eq!(desk.session().tree().unwrap().len(), 5);
}

#[test]
fn the_root_goes_on_after_a_merge() {
    let start = HEADER.to_owned() + &line("s1", "", 1);
    let (desk, laptop) = (
        Machine::new(&(start.clone() + &line("d1", "s1", 2))),
        Machine::new(&(start.clone() + &line("l1", "s1", 3))),
    );
    desk.merge(&laptop);

    desk.write(FILE, &(start.clone() + &line("d1", "s1", 2) + &line("d2", "d1", 6)));
    desk.import();
    let expected = start + &line("d1", "s1", 2) + &line("l1", "s1", 3) + &line("d2", "d1", 6);
    assert_eq!(desk.exported(FILE), expected);

    // What is exported and copied back is the root's again.
    desk.write(FILE, &expected);
    desk.import();
    assert_eq!(desk.exported(FILE), expected);
    assert!(!desk.store.merge(laptop.store.path(), &MergeOptions::new()).unwrap().is_change());
}

#[test]
fn a_root_that_gets_what_was_merged_before_says_nothing_twice() {
    let log = HEADER.to_owned() + &line("s1", "", 1);
    let (desk, laptop) = (Machine::empty(), Machine::new(&log));
    desk.write("sessions/--w--/other.jsonl", &HEADER.replace("given", "other"));
    desk.import();
    desk.merge(&laptop);

    let own = desk.store.sessions(&SessionFilter::new()).unwrap().rows.len();
    assert_eq!(own, 2);
    laptop.merge(&desk);
    assert!(!desk.store.merge(laptop.store.path(), &MergeOptions::new()).unwrap().is_change());
}

#[test]
fn a_line_that_breaks_off_is_completed_by_the_other_store() {
    let start = HEADER.to_owned() + &line("s1", "", 1);
    let whole = start.clone() + &line("s2", "s1", 2) + &line("s3", "s2", 3);
    for cut in [start.len() + 9, start.len() + line("s2", "s1", 2).len() - 1] {
        let (desk, laptop) = (Machine::new(&whole[..cut]), Machine::new(&whole));

        desk.merge(&laptop);
        laptop.merge(&desk);

        assert_eq!(desk.exported(FILE), whole, "{cut}");
        assert_eq!(laptop.exported(FILE), whole, "{cut}");
    }
}

#[test]
fn a_log_of_another_session_is_kept_beside() {
    let log = HEADER.to_owned() + &line("s1", "", 1);
    let other = HEADER.replace("given", "other") + &line("o1", "", 2);
    let (desk, laptop) = (Machine::new(&log), Machine::new(&other));

    let report = desk.merge(&laptop);

    assert_eq!(report.kept.len(), 1);
    assert_eq!(desk.exported(FILE), log);
    assert_eq!(desk.exported(&FILE.replace(".jsonl", ".kept.jsonl")), other);
    assert_eq!(desk.store.find("other").unwrap().tree().unwrap().len(), 1);
    laptop.merge(&desk);
    assert_eq!(laptop.store.find("given").unwrap().tree().unwrap().len(), 1);
    assert!(!desk.store.merge(laptop.store.path(), &MergeOptions::new()).unwrap().is_change());
}

#[test]
fn a_header_changed_in_place_is_a_generation_and_is_named() {
    let log = HEADER.to_owned() + &line("s1", "", 1);
    let other = HEADER.replace("\"/w\"", "\"/v\"") + &line("o1", "", 2);
    let (desk, laptop) = (Machine::new(&log), Machine::new(&other));

    let report = desk.merge(&laptop);

    let generation = report.kept[0].generation.unwrap();
    assert_eq!(report.kept[0].file, Path::new(FILE));
    assert_eq!(desk.exported(FILE), log);
    let earlier = desk.store.earlier(desk.session().key(), generation).unwrap();
    let ids: Vec<String> = earlier
        .session(desk.session().key())
        .unwrap()
        .tree()
        .unwrap()
        .into_iter()
        .map(|node| node.id)
        .collect();
    assert_eq!(ids, ["o1"]);
}

#[test]
fn what_was_decided_is_united_by_what_it_says() {
    let log = HEADER.to_owned() + &line("s1", "", 1) + &line("s2", "s1", 2);
    let (desk, laptop) = (Machine::new(&log), Machine::new(&log));
    let say = |machine: &Machine, second, value: u32| {
        let session = machine.session().at(at(second));
        session.set_metadata("ticket", value).unwrap();
        session.tag(&format!("tag{second}")).unwrap();
        session.append_label_change("s1", Some(&format!("label{second}"))).unwrap();
    };
    say(&desk, 10, 1);
    say(&laptop, 20, 2);
    desk.session().at(at(30)).archive().unwrap();
    laptop.session().at(at(40)).branch("s1").unwrap();

    desk.merge(&laptop);
    laptop.merge(&desk);

    for machine in [&desk, &laptop] {
        let session = machine.session();
        assert_eq!(session.metadata_of("ticket").unwrap().unwrap().value(), serde_json::json!(2));
        assert_eq!(session.tags().unwrap(), ["tag10", "tag20"]);
        assert!(session.info().unwrap().archived_at.is_some());
        assert_eq!(session.labels().unwrap()[0].label.to_string(), "label20");
    }
    assert_eq!(desk.exported(FILE), laptop.exported(FILE));
}

#[test]
fn a_leaf_that_was_moved_without_a_record_stays_there_among_other_lines() {
    let start = HEADER.to_owned() + &line("s1", "", 1);
    let desk = Machine::new(&(start.clone() + &line("d1", "s1", 5)));
    let laptop = Machine::new(&(start + &line("l1", "s1", 3)));
    desk.session().at(at(40)).branch("s1").unwrap();

    desk.merge(&laptop);
    laptop.merge(&desk);

    for machine in [&desk, &laptop] {
        assert_eq!(machine.session().info().unwrap().leaf.as_deref(), Some("s1"));
    }
}

#[test]
fn what_was_purged_here_stays_away() {
    let log = HEADER.to_owned() + &line("s1", "", 1);
    let (desk, laptop) = (Machine::new(&log), Machine::new(&log));
    desk.session().purge().unwrap();

    let report = desk.store.merge(laptop.store.path(), &MergeOptions::new()).unwrap();

    assert_eq!(report.purged, 1);
    assert!(desk.store.find("given").is_err());
}

#[test]
fn a_folder_is_merged_as_a_store_of_its_own() {
    let log = HEADER.to_owned() + &line("s1", "", 1);
    let (desk, laptop) = (Machine::empty(), Machine::new(&log));

    let report = desk.store.merge(laptop.root(), &MergeOptions::new()).unwrap();

    assert_eq!(report.new, 1);
    desk.prove();
    assert_eq!(desk.exported(FILE), log);
    assert!(!desk.merge(&laptop).is_change());
    // Nothing is left of the store aside.
    let left = fs::read_dir(desk.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().starts_with('.')));
}

#[test]
fn nothing_is_stored_twice() {
    let mut start = HEADER.to_owned();
    (0..200).for_each(|n| start += &line(&format!("s{n}"), "", 1));
    let desk = Machine::new(&(start.clone() + &line("d1", "s1", 9)));
    let laptop = Machine::new(&(start + &line("l1", "s1", 3)));

    // Our last line comes behind theirs now, and its bytes are where they were.
    desk.merge(&laptop);

    let conn = Connection::open(desk.store.path()).unwrap();
    let held: i64 =
        conn.query_row("SELECT count(*) FROM lines WHERE enc <> 2", [], |row| row.get(0)).unwrap();
    assert_eq!(held, 203);
}

/// Changes the other store by hand, and merges it.
#[track_caller]
fn check_refused(sql: &str, reason: &str) {
    let log = HEADER.to_owned() + &line("s1", "", 1);
    let good = HEADER.replace("given", "good") + &line("g1", "", 1);
    let (desk, laptop) = (Machine::empty(), Machine::new(&log));
    laptop.write("sessions/--w--/good.jsonl", &good);
    laptop.import();
    laptop.session().at(at(9)).tag("a").unwrap();
    Connection::open(laptop.store.path()).unwrap().execute_batch(sql).unwrap();

    let report = desk.store.merge(laptop.store.path(), &MergeOptions::new()).unwrap();

    assert!(report.refused.iter().any(|one| one.reason.contains(reason)), "{sql}: {report:?}");
    desk.prove();
    assert_eq!(desk.exported("sessions/--w--/good.jsonl"), good);
}

#[test]
fn the_other_store_is_not_believed() {
    let given = "(SELECT file_id FROM files WHERE path LIKE '%given.jsonl')";
    let path = |path: &str| {
        format!("UPDATE files SET path = CAST('{path}' AS BLOB) WHERE file_id = {given}")
    };
    check_refused(&path("../../.ssh/x.jsonl"), "points outside");
    check_refused(&path("sessions/./x.jsonl"), "points outside");
    check_refused(&path("/etc/x.jsonl"), "points outside");
    check_refused(&path("sessions/--w--/good.jsonl/x.jsonl"), "not a folder");
    check_refused(&path("auth.json"), "has a log at that path");
    let line = format!("WHERE line_key >> 32 = {given} AND line_key & 0xFFFF = 1");
    check_refused(&format!("UPDATE lines SET checksum = 1 {line}"), "checksum");
    check_refused(&format!("DELETE FROM lines {line}"), "missing");
    check_refused("UPDATE events SET kind = 'label', value = 'x'", "not in the form");
    check_refused("UPDATE events SET kind = 'branch', value = '{'", "not in the form");
}

#[test]
fn what_is_no_store_is_refused_whole() {
    let desk = Machine::empty();
    let note = desk.dir.path().join("note.txt");
    fs::write(&note, "no database").unwrap();

    assert!(desk.store.merge(&note, &MergeOptions::new()).is_err());
    assert!(desk.store.merge(desk.dir.path().join("nowhere.db"), &MergeOptions::new()).is_err());
    let log = HEADER.to_owned() + &line("s1", "", 1);
    let laptop = Machine::new(&log);
    let sql = "CREATE TRIGGER t AFTER INSERT ON files BEGIN SELECT 1; END";
    Connection::open(laptop.store.path()).unwrap().execute_batch(sql).unwrap();
    assert!(desk.store.merge(laptop.store.path(), &MergeOptions::new()).is_err());
    desk.prove();
}

/// Files below a folder by path, with what they hold.
fn tree(folder: &Path) -> std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> {
    let (mut found, mut todo) = (std::collections::BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(at) = todo.pop() {
        if at.is_symlink() {
            continue;
        }
        if at.is_dir() {
            todo.extend(fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        found.insert(at.strip_prefix(folder).unwrap().to_owned(), fs::read(&at).unwrap());
    }
    found
}

#[test]
fn every_format_is_merged_whole_half_and_again() {
    for format in ["kward", "kimi", "pi", "claude", "codex"] {
        let fixture = Path::new("fixtures").join(format).join("small");
        let (whole, half, empty) = (Machine::empty(), Machine::empty(), Machine::empty());
        whole.store.import(&fixture, &ImportOptions::new()).unwrap();
        for (path, content) in tree(&fixture) {
            let is_log = path.extension().is_some_and(|end| end == "jsonl");
            let lines: Vec<&[u8]> = content.split_inclusive(|byte| *byte == b'\n').collect();
            let cut = if is_log { lines.len().div_ceil(2) } else { lines.len() };
            let to = half.root().join(&path);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(to, lines[..cut].concat()).unwrap();
        }
        half.store.import(half.root(), &ImportOptions::new()).unwrap();

        for machine in [&empty, &half] {
            let report = machine.merge(&whole);
            assert!(report.kept.iter().all(|kept| kept.generation.is_some()), "{report:?}");
        }
        // One that was empty has all, but for the ends of last lines.
        let ended = |files: std::collections::BTreeMap<_, Vec<u8>>| -> Vec<(_, Vec<u8>)> {
            let end = |content: Vec<u8>| content.trim_ascii_end().to_vec();
            files.into_iter().map(|(path, content)| (path, end(content))).collect()
        };
        let expected = ended(tree(&whole.exports()));
        assert_eq!(ended(tree(&empty.exports())), expected, "{format}");
        assert_eq!(count(&empty), count(&whole), "{format}");
        assert_eq!(count(&half), count(&whole), "{format}");
    }
}

/// How many sessions and entries there are.
fn count(machine: &Machine) -> (i64, i64) {
    let conn = Connection::open(machine.store.path()).unwrap();
    let count = |table: &str| {
        conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    (count("sessions"), count("entries"))
}

/// The logs of a fixture, each with lines of its own behind it.
fn went_on(fixture: &Path, mark: &str) -> Machine {
    let machine = Machine::empty();
    for (path, mut content) in tree(fixture) {
        if path.extension().is_some_and(|end| end == "jsonl") {
            if !content.ends_with(b"\n") {
                content.push(b'\n');
            }
            content.extend((1..4).flat_map(|n| {
                let at = if mark == "a" { n } else { n + 1 };
                format!(
                    "{{\"timestamp\":\"2027-01-01T00:00:0{at}.000Z\",\"said\":\"{mark}{n}\"}}\n"
                )
                .into_bytes()
            }));
        }
        let to = machine.root().join(&path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, content).unwrap();
    }
    machine.store.import(machine.root(), &ImportOptions::new()).unwrap();
    machine
}

#[test]
fn logs_of_every_format_that_both_went_on_with_are_one_and_the_root_goes_on() {
    for format in ["kward", "kimi", "pi", "claude", "codex"] {
        let fixture = Path::new("fixtures").join(format).join("small");
        let (one, two) = (went_on(&fixture, "a"), went_on(&fixture, "b"));

        let report = one.merge(&two);
        two.merge(&one);

        assert!(0 < report.united, "{format}: {report:?}");
        let logs = |machine: &Machine| {
            let mut files = tree(&machine.exports());
            files.retain(|path, _| path.extension().is_some_and(|end| end == "jsonl"));
            files
        };
        let (ours, theirs) = (logs(&one), logs(&two));
        assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "{format}");
        let is_log = |path: &Path| {
            !matches!(
                path.file_name().unwrap().to_str(),
                Some("history.jsonl" | "session_index.jsonl")
            )
        };
        for (path, content) in ours.iter().filter(|(path, _)| is_log(path)) {
            assert_eq!(content.len(), theirs[path].len(), "{format}: {}", path.display());
            assert!(*content == theirs[path], "{format}: {}", path.display());
        }
        // What the root's program writes next comes, too.
        for (path, content) in tree(&one.root()) {
            if path.extension().is_some_and(|end| end == "jsonl") {
                let more = [&content[..], b"{\"said\":\"later\"}\n"].concat();
                fs::write(one.root().join(path), more).unwrap();
            }
        }
        one.store.import(one.root(), &ImportOptions::new().reread(true)).unwrap();
        one.prove();
        // What Kimi rewrites counts as the root has it, until it is merged again.
        let again = one.merge(&two);
        assert!(format == "kimi" || !again.is_change(), "{format}: {again:?}");
    }
}
