//! A session that continues here and at its root is one session.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use sessile::{
    Error, ExportOptions, Format, ImportOptions, ImportReport, ProblemKind, Session, Store,
    Timestamp,
};

use crate::support::at;

const FILE: &str = "sessions/--w--/2026-05-01T00-00-00-000Z_given.jsonl";
const HEADER: &str = "{\"type\":\"session\",\"version\":3,\"id\":\"given\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"cwd\":\"/w\"}\n";

/// A line of pi, as its program would write it.
fn line(id: &str, parent: &str) -> String {
    let parent = if parent.is_empty() { "null".to_owned() } else { format!("\"{parent}\"") };
    format!(
        "{{\"type\":\"message\",\"id\":\"{id}\",\"parentId\":{parent},\"timestamp\":\"2026-01-01T00:00:01.000Z\",\"message\":{{\"role\":\"user\",\"content\":\"{id}\",\"timestamp\":1}}}}\n"
    )
}

/// A root of pi, and the store that it is imported into.
struct Pair {
    store: Store,
    dir: tempfile::TempDir,
    file: PathBuf,
    time: u64,
}

impl Pair {
    fn new(log: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("sessions.db")).unwrap();
        let file = dir.path().join("root").join(FILE);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let mut pair = Self { store, dir, file, time: 0 };
        pair.write(log);
        pair
    }

    /// Writes the root's file, and imports it.
    fn write(&mut self, log: impl AsRef<[u8]>) -> ImportReport {
        fs::write(&self.file, log).unwrap();
        self.time += 10;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600 + self.time);
        fs::File::open(&self.file).unwrap().set_modified(time).unwrap();
        self.import()
    }

    fn grow(&mut self, tail: &str) -> ImportReport {
        self.write(self.at_root() + tail)
    }

    fn import(&self) -> ImportReport {
        let options = ImportOptions::new().format(Format::Pi);
        let report = self.store.import(&self.dir.path().join("root"), &options).unwrap();
        assert_eq!(self.store.check().unwrap(), []);
        assert_eq!(self.store.verify(&self.dir.path().join("root")).unwrap().differences, []);
        report
    }

    fn at_root(&self) -> String {
        fs::read_to_string(&self.file).unwrap()
    }

    /// What an export has.
    fn ours(&self) -> String {
        self.exported(&ExportOptions::new())
    }

    fn exported(&self, options: &ExportOptions) -> String {
        let out = tempfile::tempdir().unwrap();
        self.store.export(out.path(), options).unwrap();
        fs::read_to_string(out.path().join(FILE)).unwrap()
    }

    fn session(&self) -> Session {
        self.store.find("given").unwrap()
    }

    /// Says something here, and returns its line.
    fn say(&self, id: &str) -> String {
        let before = self.ours();
        let message = serde_json::json!({"role": "user", "content": id}).to_string();
        self.session().at(at(5)).with_id(id).append_message(&message).unwrap();
        let after = self.ours();
        let before = if before.ends_with('\n') { before } else { before + "\n" };
        after.strip_prefix(&before).unwrap().to_owned()
    }

    fn leaf(&self) -> Option<String> {
        self.session().info().unwrap().leaf
    }

    fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self
            .store
            .session(self.session().key())
            .unwrap()
            .tree()
            .unwrap()
            .into_iter()
            .map(|n| n.id)
            .collect();
        ids.sort();
        ids
    }

    fn is_diverged(&self) -> bool {
        let problems = self.session().problems().unwrap();
        problems.iter().any(|problem| problem.kind == ProblemKind::Diverged)
    }
}

fn log() -> String {
    [HEADER, &line("s1", ""), &line("s2", "s1")].concat()
}

#[test]
fn what_both_sides_say_stands_in_the_order_in_which_it_came() {
    let mut pair = Pair::new(&log());
    let l1 = pair.say("l1");
    pair.write(pair.ours());
    let l2 = pair.say("l2");
    let p1 = line("p1", "l1");

    let report = pair.grow(&p1);

    assert_eq!(report.grown, 1);
    assert_eq!(pair.ours(), [&log()[..], &l1, &l2, &p1].concat());
    assert_eq!(pair.exported(&ExportOptions::new().source_only(true)), pair.at_root());
    assert_eq!(pair.ids(), ["l1", "l2", "p1", "s1", "s2"]);
    assert_eq!(pair.leaf().as_deref(), Some("p1"));
    assert!(!pair.is_diverged());
    let before = pair.ours();
    pair.import();
    assert_eq!(pair.ours(), before);
    pair.store.rebuild().unwrap();
    assert_eq!(pair.store.check().unwrap(), []);
}

#[test]
fn a_name_given_here_leaves_the_session_open_to_its_program() {
    let mut pair = Pair::new(&log());
    pair.session().rename(Some("A name")).unwrap();

    for n in 3..6 {
        pair.grow(&line(&format!("s{n}"), &format!("s{}", n - 1)));
    }

    assert_eq!(pair.leaf().as_deref(), Some("s5"));
    assert_eq!(pair.session().info().unwrap().title.as_deref(), Some("A name"));
}

#[test]
fn a_session_carried_back_to_its_root_goes_on_from_there() {
    let mut pair = Pair::new(&log());
    pair.say("l1");

    pair.write(pair.ours());

    assert_eq!(pair.exported(&ExportOptions::new().source_only(true)), pair.ours());
    let p1 = line("p1", "l1");
    pair.grow(&p1);
    let l2 = pair.say("l2");
    assert!(pair.ours().ends_with(&(p1 + &l2)));
    assert!(!pair.is_diverged());
}

#[test]
fn what_was_carried_back_before_both_went_on_comes_once() {
    let mut pair = Pair::new(&log());
    let l1 = pair.say("l1");
    let carried = pair.ours();
    pair.grow(&line("p1", "s2"));
    let l2 = pair.say("l2");

    // Its earlier export, with what the program wrote behind it.
    pair.write(carried.clone() + &line("p2", "l1"));

    let p1 = line("p1", "s2");
    assert_eq!(pair.ours(), [&log()[..], &l1, &p1, &l2, &line("p2", "l1")].concat());
    assert!(!pair.is_diverged());
}

#[test]
fn an_earlier_export_with_which_the_program_went_on_adds_what_is_new() {
    let mut pair = Pair::new(&log());
    let l1 = pair.say("l1");
    let carried = pair.ours();
    let l2 = pair.say("l2");

    // To the last import, all of it is new.
    let report = pair.write(carried + &line("p1", "l1"));

    assert_eq!(report.grown, 1);
    assert_eq!(pair.ours(), [&log()[..], &l1, &l2, &line("p1", "l1")].concat());
}

#[test]
fn a_line_that_the_root_completes_comes_whole_behind_ours() {
    let whole = line("s3", "s2");
    let (torn, rest) = whole.split_at(50);
    let mut pair = Pair::new(&(log() + torn));
    let l1 = pair.say("l1");
    assert_eq!(pair.ours(), [&log()[..], torn, "\n", &l1].concat());

    pair.grow(rest);

    assert_eq!(pair.ours(), [&log()[..], torn, "\n", &l1, &whole].concat());
    assert_eq!(pair.ids(), ["l1", "s1", "s2", "s3"]);
}

#[test]
fn a_line_that_the_root_only_ends_comes_once() {
    let whole = line("s3", "s2");
    for before in [&whole[..whole.len() - 1], &whole[..50]] {
        let mut pair = Pair::new(&log());
        let l1 = pair.say("l1");
        pair.grow(before);
        let l2 = pair.say("l2");

        pair.grow(&format!("\n{}", line("s4", "s2")));

        let ended = [before, "\n"].concat();
        assert_eq!(pair.ours(), [&log()[..], &l1, &ended, &l2, &line("s4", "s2")].concat());
    }
}

#[test]
fn a_copy_of_ours_that_breaks_off_adds_nothing_until_it_goes_on() {
    let mut pair = Pair::new(&log());
    pair.say("l1");
    let ours = pair.ours();
    let broken = &ours[..ours.len() - 9];

    pair.write(broken);
    assert_eq!(pair.ours(), ours);

    // The program ends the line before it goes on.
    pair.grow(&format!("\n{}", line("p1", "s2")));
    let fragment = broken.lines().last().unwrap();
    assert_eq!(pair.ours(), [&ours, fragment, "\n", &line("p1", "s2")].concat());
}

#[test]
fn bytes_that_were_changed_in_place_are_told_and_later_lines_still_come() {
    let mut pair = Pair::new(&log());
    let l1 = pair.say("l1");
    let changed = log().replace("\"content\":\"s1\"", "\"content\":\"other\"");

    let report = pair.write(&changed);

    assert_eq!(report.rewritten, 1);
    assert!(report.problems.iter().any(|(kind, _)| *kind == ProblemKind::Diverged));
    assert_eq!(pair.ours(), log() + &l1);
    pair.grow(&line("p1", "s2"));
    assert!(pair.is_diverged());
    assert_eq!(pair.ours(), [&log()[..], &l1, &line("p1", "s2")].concat());
    pair.write(pair.ours());
    assert!(!pair.is_diverged());
}

#[test]
fn a_backup_that_goes_on_joins_what_it_lacks() {
    let mut pair = Pair::new(&log());
    let (l1, p1, p2) = (pair.say("l1"), line("p1", "s2"), line("p2", "s2"));
    pair.grow(&p1);
    for damage in [&b""[..], &[0; 300], HEADER.as_bytes()] {
        pair.write(damage);
        assert_eq!(pair.ours(), [&log()[..], &l1, &p1].concat());
    }

    pair.write(log());
    assert_eq!(pair.ours(), [&log()[..], &l1, &p1].concat());
    pair.write(log() + &p2);
    assert_eq!(pair.ours(), [&log()[..], &l1, &p1, &p2].concat());
    assert!(!pair.is_diverged());
    pair.write([&log()[..], &p1, &p2, &line("p3", "p2")].concat());
    assert!(pair.ours().ends_with(&[&p1[..], &p2, &line("p3", "p2")].concat()));
}

#[test]
fn a_handle_that_expects_a_leaf_which_an_import_moved_is_told() {
    let mut pair = Pair::new(&log());
    pair.say("l1");
    let expecting = pair.session().expecting(Some("l1"));

    pair.grow(&line("p1", "s2"));

    let late = expecting.append_message(r#"{"role":"user","content":"late"}"#);
    assert!(matches!(late, Err(Error::LeafMoved { .. })), "{late:?}");
}

#[test]
fn a_session_made_here_is_one_with_its_file_at_the_root() {
    let mut pair = Pair::new(&log());
    let copy = pair.session().with_id("copy").clone_session().unwrap();
    let file = copy.info().unwrap().file;
    pair.file = pair.dir.path().join("root").join(&file);
    let out = tempfile::tempdir().unwrap();
    pair.store.export(out.path(), &ExportOptions::new()).unwrap();
    let made = fs::read_to_string(out.path().join(&file)).unwrap();
    let message = r#"{"role":"user","content":"here"}"#;
    copy.with_id("l1").append_message(message).unwrap();

    pair.write(made.clone() + &line("p1", "s2"));

    let ids: Vec<String> = copy.tree().unwrap().into_iter().map(|node| node.id).collect();
    assert_eq!(ids.len(), 4, "{ids:?}");
    assert!(!pair.is_diverged());
    assert_eq!(copy.info().unwrap().leaf.as_deref(), Some("p1"));
    assert_eq!(copy.at(Timestamp(0)).info().unwrap().session_id.as_deref(), Some("copy"));
}

#[test]
fn a_log_of_another_session_in_its_place_is_not_joined_however_it_grows() {
    let mut pair = Pair::new(&log());
    pair.say("l1");
    let (ours, session) = (pair.ours(), pair.session());
    let other = log().replacen("\"id\":\"", "\"id\":\"other-", 1);
    assert_ne!(other, log());

    pair.write(&other);
    pair.grow(&line("p1", "s2"));

    assert_eq!(pair.ours(), other + &line("p1", "s2"));
    let file = session.info().unwrap().file.to_str().unwrap().to_owned();
    assert_eq!(file, FILE.replace("given", "given.kept"));
    let out = tempfile::tempdir().unwrap();
    pair.store.export(out.path(), &ExportOptions::new()).unwrap();
    assert_eq!(fs::read_to_string(out.path().join(file)).unwrap(), ours);
    assert!(!pair.is_diverged());
}
