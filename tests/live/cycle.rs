//! The whole cycle, any number of times: the program writes, the store imports and
//! continues, its export is copied back, the program continues.
//!
//! On the way, files change places, are moved onto one another, lose lines and
//! are restored, or a folder has their name for a time.
//!
//! No line is lost, none is doubled, in the end both sides hold the same
//! entries, and what was decided of a session stays with it. `SESSILE_CYCLES` histories are tried; a few by default, and 10,000
//! by `scripts/cycles`.

mod exchanges;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseError};
use sessile::{
    Durability, ExportOptions, Format, ImportOptions, ProblemKind, Session, Store, StoreOptions,
    Timestamp,
};

/// Where a session lies, and another; of Kimi, its state lies beside it, of
/// Codex its name. Where
/// the name of a file or folder is the id, no other takes it.
const PATHS: [(Format, [&str; 2]); 5] = [
    (Format::Kward, ["sessions/--w--/given.jsonl", "sessions/--w--/other.jsonl"]),
    (
        Format::Pi,
        [
            "sessions/--w--/2026-05-01T00-00-00-000Z_given.jsonl",
            "sessions/--w--/2026-05-02T00-00-00-000Z_other.jsonl",
        ],
    ),
    (Format::Kimi, ["sessions/dd3464ad15e3938bd1128bd2347c29d6/given/context.jsonl", ""]),
    (Format::Claude, ["projects/-w/0a000000-0000-4000-8000-00000000000a.jsonl", ""]),
    (
        Format::Codex,
        [
            "sessions/2026/01/01/rollout-2026-01-01T00-00-00-0199a000-0001-7000-8000-000000000001.jsonl",
            "",
        ],
    ),
];

/// A message of Codex, as a line.
fn item(id: &str) -> String {
    format!(
        "{{\"timestamp\":\"2026-01-01T00:00:01.000Z\",\"type\":\"response_item\",\"payload\":{{\"type\":\"message\",\"role\":\"user\",\"content\":[{{\"type\":\"input_text\",\"text\":\"{id}\"}}]}}}}\n"
    )
}

const THEN: u64 = 1_767_225_600;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The program adds so many lines.
    Program(u8),
    /// It breaks off so many bytes into a line, and ends it when it goes on.
    ProgramBreaksOff(u8),
    /// It changes a setting, where that stands in a file of its own.
    ProgramSets,
    /// A message of ours; of Kimi, a title.
    Here,
    Name,
    Label,
    /// The leaf goes to one of the entries.
    Branch(u8),
    Import,
    /// What an export has is kept aside.
    Export,
    /// That goes to the root, if the program wrote nothing since.
    CarryOld,
    /// The root gets what an export has.
    CarryBack,
    Rebuild,
    /// The file and the other one change places; the program adds so many lines to both.
    Swap(u8),
    /// The other one is moved onto the file, which is restored in its place later.
    MoveOnto(u8),
    /// A folder has the file's name for a time.
    Folder,
    /// The file has so many of its lines for a time.
    Shorten(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..3_u8).prop_map(Step::Program),
        2 => (1..60_u8).prop_map(Step::ProgramBreaksOff),
        1 => Just(Step::ProgramSets),
        5 => Just(Step::Here),
        1 => Just(Step::Name),
        1 => Just(Step::Label),
        2 => any::<u8>().prop_map(Step::Branch),
        5 => Just(Step::Import),
        2 => Just(Step::Export),
        2 => Just(Step::CarryOld),
        2 => Just(Step::CarryBack),
        1 => Just(Step::Rebuild),
        2 => (0..3_u8).prop_map(Step::Swap),
        1 => (0..3_u8).prop_map(Step::MoveOnto),
        1 => Just(Step::Folder),
        1 => (0..6_u8).prop_map(Step::Shorten),
    ]
}

/// Both sides of a session.
struct Sides {
    store: Store,
    folder: tempfile::TempDir,
    format: Format,
    path: &'static str,
    /// Where the other session lies; nowhere, where it is empty.
    other: &'static str,
    /// Every whole line that either side wrote.
    lines: Vec<Vec<u8>>,
    /// What the program has not ended yet of a line.
    rest: Vec<u8>,
    /// That line, whole.
    broken: Vec<u8>,
    /// Lines that were never ended.
    begun: Vec<Vec<u8>>,
    /// What an export had, and the root's file then.
    aside: Option<(Vec<u8>, Vec<u8>)>,
    step: u64,
    /// Entries that the program made.
    made: u32,
}

impl Sides {
    fn new((format, [path, other]): (Format, [&'static str; 2])) -> Self {
        let folder = match Path::new("/dev/shm") {
            shm if shm.is_dir() => tempfile::tempdir_in(shm).unwrap(),
            _ => tempfile::tempdir().unwrap(),
        };
        let options = StoreOptions::new().durability(Durability::Normal);
        let store = options.open(&folder.path().join("sessions.db")).unwrap();
        let mut sides = Self {
            store,
            folder,
            format,
            path,
            other,
            lines: Vec::new(),
            rest: Vec::new(),
            broken: Vec::new(),
            begun: Vec::new(),
            aside: None,
            step: 0,
            made: 0,
        };
        sides.lines.extend(header(format, "given"));
        sides.put(sides.path, &sides.lines.concat());
        sides.program_adds(2);
        if !other.is_empty() {
            sides.put(other, &header(format, "other").unwrap());
            sides.other_goes_on();
        }
        sides.import();
        sides.session().set_metadata("of", 1).unwrap();
        if !other.is_empty() {
            sides.store.find("other").unwrap().set_metadata("of", 2).unwrap();
        }
        sides
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn at_root(&self) -> Vec<u8> {
        fs::read(self.root().join(self.path)).unwrap()
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        let at = self.root().join(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(&at, bytes).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(THEN + self.step);
        fs::File::open(&at).unwrap().set_modified(time).unwrap();
    }

    /// The file beside the log that holds what is decided.
    fn state(&self) -> Option<String> {
        match self.format {
            Format::Kimi => Some(self.path.replace("context.jsonl", "state.json")),
            Format::Codex => Some("session_index.jsonl".to_owned()),
            _ => None,
        }
    }

    fn id(&self) -> &'static str {
        match self.format {
            Format::Codex => "0199a000-0001-7000-8000-000000000001",
            _ => "given",
        }
    }

    /// A line as the program writes it: behind the last entry of its file.
    fn program_line(&mut self, last: &[u8]) -> Vec<u8> {
        self.made += 1;
        let id = format!("p{:06}", self.made);
        let parent = last_id(last);
        let parent = parent.map_or("null".to_owned(), |parent| format!("\"{parent}\""));
        let message = format!("{{\"role\":\"user\",\"content\":\"{id}\",\"timestamp\":1}}");
        let line = match self.format {
            Format::Kimi => format!("{{\"role\":\"user\",\"content\":\"{id}\"}}\n"),
            Format::Claude => format!(
                "{{\"parentUuid\":{parent},\"type\":\"user\",\"message\":{message},\"uuid\":\"{id}\",\"cwd\":\"/w\"}}\n"
            ),
            Format::Codex => item(&id),
            _ => format!(
                "{{\"type\":\"message\",\"id\":\"{id}\",\"parentId\":{parent},\"timestamp\":\"2026-01-01T00:00:01.000Z\",\"message\":{message}}}\n"
            ),
        };
        self.lines.push(line.clone().into_bytes());
        line.into_bytes()
    }

    fn program_adds(&mut self, count: u8) {
        let mut file = self.at_root();
        file.append(&mut self.rest);
        // Another process ended badly: the line is ended before the next.
        if !file.is_empty() && !file.ends_with(b"\n") {
            file.push(b'\n');
        }
        for _ in 0..count {
            let line = self.program_line(&file);
            file.extend(line);
        }
        self.put(self.path, &file);
    }

    fn program_breaks_off(&mut self, at: u8) {
        self.program_adds(0);
        let mut file = self.at_root();
        let line = self.program_line(&file);
        let (written, rest) = line.split_at(usize::from(at).min(line.len() - 1));
        self.broken.clone_from(&line);
        file.extend(written);
        self.rest = rest.to_vec();
        self.put(self.path, &file);
    }

    fn session(&self) -> Session {
        let at = Timestamp(i64::try_from(THEN + self.step).unwrap() * 1_000_000_000);
        self.store.find(self.name_of()).unwrap().at(at)
    }

    /// The id of the session, or its file.
    fn name_of(&self) -> &'static str {
        match self.format {
            Format::Claude => self.path,
            _ => self.id(),
        }
    }

    fn here(&mut self) {
        if self.format == Format::Kimi {
            return self.session().rename(Some(&format!("title {}", self.step))).unwrap();
        }
        let before = self.exported(self.path);
        let id = format!("h{:06}", self.step);
        let message = format!("{{\"role\":\"user\",\"content\":\"{id}\"}}");
        match self.format {
            Format::Codex => drop(self.session().append_record(item(&id).trim_end()).unwrap()),
            _ => drop(self.session().with_id(&id).append_message(&message).unwrap()),
        }
        self.note_written(&before);
    }

    fn name(&mut self) {
        let before = self.exported(self.path);
        self.session().rename(Some(&format!("name {}", self.step))).unwrap();
        self.note_written(&before);
    }

    fn label(&mut self) {
        let before = self.exported(self.path);
        let session = self.session();
        let target = session.tree().unwrap()[0].id.clone();
        let label = format!("label {}", self.step);
        session
            .with_id(&format!("l{:06}", self.step))
            .append_label_change(&target, Some(&label))
            .unwrap();
        self.note_written(&before);
    }

    fn branch(&mut self, to: u8) {
        let before = self.exported(self.path);
        let session = self.session();
        let nodes = session.tree().unwrap();
        let to = &nodes[usize::from(to) % nodes.len()].id;
        match session.branch(to) {
            Ok(()) | Err(sessile::Error::Unsupported(_)) => {}
            Err(err) => panic!("{err:?}"),
        }
        self.note_written(&before);
    }

    /// Notes the line that was added to what an export has.
    fn note_written(&mut self, before: &[u8]) {
        let after = self.exported(self.path);
        let mut kept = before.to_vec();
        if before != after && !kept.is_empty() && !kept.ends_with(b"\n") {
            kept.push(b'\n');
        }
        let added = after.strip_prefix(&kept[..]).unwrap();
        self.lines.extend(added.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec));
    }

    fn exported(&self, path: &str) -> Vec<u8> {
        let out = tempfile::tempdir_in(self.folder.path()).unwrap();
        self.store.export(out.path(), &ExportOptions::new()).unwrap();
        fs::read(out.path().join(path)).unwrap_or_default()
    }

    fn import(&self) {
        let now = Timestamp(i64::try_from(THEN + self.step + 1_000_000).unwrap() * 1_000_000_000);
        let options = ImportOptions::new().format(self.format).now(now);
        self.store.import(&self.root(), &options).unwrap();
    }

    fn carry(&mut self, bytes: &[u8]) {
        self.put(self.path, bytes);
        // The process that broke off finds another file, and does not go on with the line.
        if !std::mem::take(&mut self.rest).is_empty() {
            let broken = std::mem::take(&mut self.broken);
            self.lines.retain(|line| *line != broken);
            self.begun.push(broken);
        }
        if let Some(path) = self.state() {
            let state = self.exported(&path);
            if !state.is_empty() {
                self.put(&path, &state);
            }
        }
    }

    fn take(&mut self, step: Step) {
        self.step += 10;
        match step {
            Step::Program(count) => self.program_adds(count),
            Step::ProgramBreaksOff(at) => self.program_breaks_off(at),
            Step::ProgramSets => {
                if let Some(path) = self.state().filter(|_| self.format == Format::Kimi) {
                    let state = self.root().join(&path);
                    let state = fs::read_to_string(state).unwrap_or_else(|_| "{}".to_owned());
                    let mut state: serde_json::Value = serde_json::from_str(&state).unwrap();
                    state["plan_mode"] = self.step.is_multiple_of(20).into();
                    self.put(&path, state.to_string().as_bytes());
                }
            }
            Step::Here => self.here(),
            Step::Name => self.name(),
            Step::Label => self.label(),
            Step::Branch(to) => self.branch(to),
            Step::Import => self.import(),
            Step::Export => {
                self.import();
                self.aside = Some((self.exported(self.path), self.at_root()));
            }
            Step::CarryOld => {
                if let Some((bytes, _)) =
                    self.aside.take().filter(|(_, root)| *root == self.at_root())
                {
                    self.carry(&bytes);
                }
            }
            Step::CarryBack => {
                self.import();
                let bytes = self.exported(self.path);
                self.carry(&bytes);
            }
            Step::Rebuild => drop(self.store.rebuild().unwrap()),
            Step::Swap(count) => self.swap(count),
            Step::MoveOnto(count) => self.move_onto(count),
            Step::Folder => self.folder(),
            Step::Shorten(count) => self.shorten(count),
        }
    }

    /// What must be true after every step.
    fn look(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.store.check().unwrap(), []);
        let mut diverged = false;
        self.store
            .each_problem(|_, problem| {
                diverged |= problem.kind == ProblemKind::Diverged;
                Ok(())
            })
            .unwrap();
        prop_assert!(!diverged, "it diverged");
        let of = |session: &Session| session.metadata_of("of").unwrap().map(|said| said.json);
        prop_assert_eq!(of(&self.session()), Some("1".to_owned()));
        if !self.other.is_empty() {
            let other = self.store.find("other").unwrap();
            prop_assert_eq!(of(&other), Some("2".to_owned()));
            prop_assert_eq!(other.info().unwrap().file, Path::new(self.other));
        }
        Ok(())
    }

    /// What must be true once both sides have all.
    fn end(mut self) -> Result<(), TestCaseError> {
        self.step += 10;
        self.program_adds(0);
        self.take(Step::CarryBack);
        self.import();
        self.look()?;
        prop_assert_eq!(self.store.verify(&self.root()).unwrap().differences, []);

        let root = self.at_root();
        prop_assert_eq!(
            self.exported(self.path).escape_ascii().to_string(),
            root.escape_ascii().to_string()
        );
        let of_root: Vec<&[u8]> = root.split_inclusive(|byte| *byte == b'\n').collect();
        for line in &self.lines {
            let count = of_root.iter().filter(|of_root| **of_root == &line[..]).count();
            prop_assert_eq!(count, 1, "{}", line.escape_ascii());
        }
        // What stands there beside them are beginnings of lines that broke off.
        for line in of_root.iter().filter(|line| !self.lines.iter().any(|known| known == *line)) {
            let begun = line.strip_suffix(b"\n").unwrap();
            let is_begun =
                self.lines.iter().chain(&self.begun).any(|known| known.starts_with(begun));
            prop_assert!(is_begun, "nobody wrote {}", line.escape_ascii());
        }
        let fresh = Store::open(&self.folder.path().join("fresh.db")).unwrap();
        fresh.import(&self.root(), &ImportOptions::new().format(self.format)).unwrap();
        let ids = |store: &Store| -> BTreeSet<String> {
            let session = store.find(self.name_of()).unwrap();
            session.tree().unwrap().into_iter().map(|node| node.id).collect()
        };
        prop_assert_eq!(ids(&self.store), ids(&fresh));
        let other = fs::read(self.root().join(self.other)).unwrap_or_default();
        prop_assert_eq!(self.exported(self.other), other);
        let name = |store: &Store| store.find(self.name_of()).unwrap().info().unwrap().title;
        prop_assert_eq!(name(&self.store), name(&fresh));
        Ok(())
    }
}

/// The first line of a session's log, where it has one.
fn header(format: Format, id: &str) -> Option<Vec<u8>> {
    let rest = match format {
        Format::Kward => "\"version\":2,\"cwd\":\"/w\"",
        Format::Pi => "\"version\":3,\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"cwd\":\"/w\"",
        Format::Codex => {
            let id = "0199a000-0001-7000-8000-000000000001";
            let line = format!(
                "{{\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"type\":\"session_meta\",\"payload\":{{\"id\":\"{id}\"}}}}\n"
            );
            return Some(line.into_bytes());
        }
        _ => return None,
    };
    Some(format!("{{\"type\":\"session\",\"id\":\"{id}\",{rest}}}\n").into_bytes())
}

/// The entry that the program found last in its file.
fn last_id(file: &[u8]) -> Option<String> {
    let lines = file.split_inclusive(|byte| *byte == b'\n').rev();
    let mut entries =
        lines.filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
    let entry = entries.find(|line| line["type"] == "message" || !line["uuid"].is_null())?;
    entry["id"].as_str().or(entry["uuid"].as_str()).map(str::to_owned)
}

/// The same few in every run, or so many new ones.
fn cases() -> ProptestConfig {
    let config = match std::env::var("SESSILE_CYCLES") {
        Ok(cases) => ProptestConfig::with_cases(cases.parse().unwrap()),
        Err(_) => ProptestConfig { cases: 24, rng_seed: RngSeed::Fixed(1), ..Default::default() },
    };
    ProptestConfig { failure_persistence: None, ..config }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_line_is_lost_and_none_is_doubled_however_often_it_goes_round(
        place in prop::sample::select(&PATHS[..]),
        steps in proptest::collection::vec(step(), 1..24),
    ) {
        let mut sides = Sides::new(place);
        for step in steps {
            sides.take(step);
            sides.look()?;
        }
        sides.end()?;
    }
}
