//! A store, its roots, and what must be true of them.

mod checks;
mod decisions;
mod threads;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sessile::{
    Durability, ExportOptions, Format, ImportOptions, NewSession, SessionKey, Store, StoreOptions,
    Timestamp,
};
use tempfile::TempDir;

use super::program::Step;
use super::roots::{CLAUDE, CODEX, Displaced, Files, KIMI, KWARD, PI, Root, THEN};
use threads::Threads;

/// A promise that was broken, in words.
pub(super) type Outcome<T = ()> = Result<T, String>;

pub(super) struct World {
    folder: TempDir,
    store: Store,
    /// Of Kward, pi, Kimi; the store's own, which lies nowhere; of Claude Code and Codex.
    roots: [Root; 6],
    /// How many steps were taken; also counts the names of what is made on the way.
    step: u64,
    made: u64,
    effects: u64,
    /// Files that vanished, by root.
    gone: Vec<(usize, &'static str, Vec<u8>)>,
    decided: BTreeMap<SessionKey, Decided>,
    /// Sessions of which anything was decided here, by root and file.
    touched: BTreeSet<(usize, String)>,
    /// What the last import may have displaced, by root.
    displaced: Vec<(usize, Displaced)>,
    threads: Threads,
}

/// What stands at the roots when a program begins.
const SOUND: [(usize, &str, &str); 8] = [
    (
        0,
        KWARD[0],
        "{\"type\":\"session\",\"version\":2,\"id\":\"one\",\"cwd\":\"/w\"}\n\
         {\"type\":\"message\",\"id\":\"e1\",\"message\":{\"role\":\"user\",\"content\":\"q\"}}\n\
         {\"type\":\"message\",\"id\":\"e2\",\"parentId\":\"e1\",\"message\":{\"role\":\"assistant\",\"content\":\"a\"}}\n",
    ),
    (
        1,
        PI[0],
        "{\"type\":\"session\",\"version\":3,\"id\":\"p\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"cwd\":\"/w\"}\n\
         {\"type\":\"model_change\",\"id\":\"e1\",\"parentId\":null,\"provider\":\"p\",\"modelId\":\"m\"}\n\
         {\"type\":\"message\",\"id\":\"e2\",\"parentId\":\"e1\",\"message\":{\"role\":\"user\",\"content\":\"q\"}}\n",
    ),
    (2, KIMI[0], "{\"work_dirs\": [{\"path\": \"/home/me/alpha\"}]}"),
    (
        2,
        KIMI[5],
        "{\"role\":\"user\",\"content\":\"q\"}\n{\"role\":\"assistant\",\"content\":\"a\"}\n",
    ),
    (
        2,
        KIMI[9],
        "{\"timestamp\": 1, \"message\": {\"type\": \"TurnBegin\", \"payload\": {\"user_input\": \"q\"}}}\n",
    ),
    (2, KIMI[10], "{\"custom_title\": \"t\"}"),
    (
        4,
        CLAUDE[0],
        "{\"type\":\"user\",\"uuid\":\"e1\",\"parentUuid\":null,\"cwd\":\"/w\",\"message\":{\"role\":\"user\",\"content\":\"q\"}}\n\
         {\"type\":\"assistant\",\"uuid\":\"e2\",\"parentUuid\":\"e1\",\"message\":{\"role\":\"assistant\",\"content\":\"a\"}}\n",
    ),
    (
        5,
        CODEX[0],
        "{\"timestamp\":\"2026-01-02T03:04:05.000Z\",\"type\":\"session_meta\",\"payload\":{\"id\":\"019b8d4f-0000-7000-8000-00000000000a\",\"timestamp\":\"2026-01-02T03:04:05.000Z\",\"cwd\":\"/w\",\"originator\":\"o\",\"cli_version\":\"0\"}}\n\
         {\"timestamp\":\"2026-01-02T03:04:06.000Z\",\"type\":\"event_msg\",\"payload\":{\"type\":\"user_message\",\"message\":\"q\"}}\n",
    ),
];

/// What was decided of a session.
#[derive(Debug, Default)]
struct Decided {
    is_trashed: bool,
    is_archived: Option<bool>,
    name: Option<Option<String>>,
    labels: BTreeMap<String, Option<String>>,
}

/// What a step may change of what the store exports.
enum Change {
    Nothing,
    /// At most so many lines more in a file.
    Lines(usize, String, usize),
    /// States that were written here, by what stands at their root.
    States,
    /// The state of a session below a folder of Kimi's.
    State(usize),
    /// Lines of Codex were written, or its files moved.
    Threads,
    /// Files that were not there before, below a root.
    NewFiles(usize),
    /// Files are gone.
    Purged(BTreeSet<(usize, String)>),
}

impl World {
    pub(super) fn new() -> Self {
        let folder = match Path::new("/dev/shm") {
            shm if shm.is_dir() => tempfile::tempdir_in(shm).unwrap(),
            _ => tempfile::tempdir().unwrap(),
        };
        let at = folder.path();
        let roots = [
            Root::new(at, "kward", Format::Kward, &KWARD),
            Root::new(at, "pi", Format::Pi, &PI),
            Root::new(at, "kimi", Format::Kimi, &KIMI),
            Root::new(at, "sessile", Format::Kward, &[]),
            Root::new(at, "claude", Format::Claude, &CLAUDE),
            Root::new(at, "codex", Format::Codex, &CODEX),
        ];
        let mut world = Self {
            store: open(&at.join("sessions.db")),
            folder,
            roots,
            step: 0,
            made: 0,
            effects: 0,
            gone: Vec::new(),
            decided: BTreeMap::new(),
            touched: BTreeSet::new(),
            displaced: Vec::new(),
            threads: Threads::default(),
        };
        for (root, path, bytes) in SOUND {
            world.roots[root].write(path, bytes.into(), 0);
        }
        world.import();
        let mut all = world.exported(&ExportOptions::new());
        world.look_at_threads(&Change::States, &mut all).unwrap();
        world
    }

    pub(super) fn steps(&self) -> u64 {
        self.step
    }

    /// Steps that changed something at a root or in the store.
    pub(super) fn effects(&self) -> u64 {
        self.effects
    }

    /// Takes a step, and looks at everything.
    pub(super) fn take(&mut self, step: &Step) -> Outcome {
        self.step += 1;
        let before = (dump(&self.store), self.roots.each_ref().map(|root| root.disk.clone()));
        let change = self.change(step)?;
        let after = (dump(&self.store), self.roots.each_ref().map(|root| root.disk.clone()));
        self.effects += u64::from(before != after);
        self.look(change)?;
        if matches!(step, Step::Import) {
            self.compare_with_fresh()?;
        }
        Ok(())
    }

    fn change(&mut self, step: &Step) -> Outcome<Change> {
        let n = self.step;
        match step {
            Step::Import => {
                self.import();
                return Ok(Change::States);
            }
            Step::Prune => drop(self.store.prune().map_err(failed)?),
            Step::Rebuild => drop(self.store.rebuild().map_err(failed)?),
            Step::Backup => {
                let copy = self.name("backup.db");
                self.store.backup(&copy).map_err(failed)?;
                self.store = open(&copy);
            }
            Step::Recover => self.recover()?,
            Step::Create => {
                let id = format!("made{n}");
                let new = NewSession::new("/w").session_id(&id).at(self.now());
                self.store.create(&new).map_err(failed)?;
                return Ok(Change::NewFiles(3));
            }
            Step::Decide(session, decision) => return self.decide(*session, decision),
            _ => self.change_root(step),
        }
        Ok(Change::Nothing)
    }

    /// What happens at a root.
    fn change_root(&mut self, step: &Step) {
        let n = self.step;
        match step {
            Step::Write((root, path), bytes) => self.roots[*root].write(path, bytes.0.clone(), n),
            Step::Grow((root, path), bytes) => {
                let root = &mut self.roots[*root];
                let before = root.disk.get(*path).cloned().unwrap_or_default();
                root.write(path, [before, bytes.0.clone()].concat(), n);
            }
            Step::Truncate((root, path), at) => {
                let root = &mut self.roots[*root];
                if let Some(mut bytes) = root.disk.get(*path).cloned() {
                    bytes.truncate(at.index(bytes.len() + 1));
                    root.write(path, bytes, n);
                }
            }
            Step::CarryBack((root, path), bytes) => {
                let root = &mut self.roots[*root];
                if let Some(ours) = root.current().remove(*path) {
                    root.write(path, [ours, bytes.0.clone()].concat(), n);
                }
            }
            Step::Vanish((root, path)) => {
                let bytes = self.roots[*root].remove(path);
                self.gone.extend(bytes.map(|bytes| (*root, *path, bytes)));
            }
            Step::Move((root, path), to) => {
                let root = &mut self.roots[*root];
                let to = *to.get(root.paths);
                root.rename(path, to);
            }
            Step::ComeBack => {
                if let Some((root, path, bytes)) = self.gone.pop() {
                    self.roots[root].write(path, bytes, n);
                }
            }
            Step::Rotate(bytes) => {
                let (context, rotated) = (KIMI[5], KIMI[6]);
                let root = &mut self.roots[2];
                if root.disk.contains_key(context) && !root.disk.contains_key(rotated) {
                    root.rename(context, rotated);
                    root.write(context, bytes.0.clone(), n);
                }
            }
            _ => {}
        }
    }

    fn recover(&mut self) -> Outcome {
        let target = self.name("recovered.db");
        let report = sessile::recover(self.store.path(), &target).map_err(failed)?;
        let recovered = open(&target);
        same("a recovered store dumps", &dump(&self.store), &dump(&recovered))?;
        if report.is_whole() {
            self.store = recovered;
            Ok(())
        } else {
            Err(format!("recover misses something of a sound store: {report:?}"))
        }
    }

    fn import(&mut self) {
        self.import_into(&self.store);
        let known = self.roots[2].imported.clone();
        self.displaced.clear();
        self.unname_threads();
        self.note_taken_places();
        for root in 0..self.roots.len() {
            let (changed, displaced) = self.roots[root].import();
            self.displaced.extend(displaced.into_iter().map(|one| (root, one)));
            for path in changed {
                // Its program may have given it another name or label since.
                let decided = self.decided.entry(self.key(root, &path)).or_default();
                decided.name = None;
                decided.labels.clear();
            }
        }
        let is_other = |(path, bytes): (&String, &Vec<u8>)| {
            known.get(path) != Some(bytes)
                && (path.ends_with("state.json") || !known.contains_key(path))
        };
        if self.roots[2].imported.iter().any(is_other) {
            // A folder may now hold the state of what was a flat file, as Kimi has
            // it; and a state that was changed at its root, too, is a union.
            for (key, decided) in &mut self.decided {
                let session = self.store.session(*key);
                if session.map_or(true, |session| session.format() == Format::Kimi) {
                    (decided.is_archived, decided.name) = (None, None);
                }
            }
        }
    }

    fn import_into(&self, store: &Store) {
        for root in self.roots.iter().filter(|root| !root.paths.is_empty()) {
            let options = ImportOptions::new().again(true).format(root.format).now(self.now());
            store.import(&root.at, &options).unwrap();
        }
    }

    /// Long after the time of every file.
    fn now(&self) -> Timestamp {
        Timestamp(i64::try_from((THEN + 1_000_000 + self.step) * 1_000_000_000).unwrap())
    }

    /// A path that nothing has yet.
    fn name(&mut self, end: &str) -> PathBuf {
        self.made += 1;
        self.folder.path().join(format!("{}-{end}", self.made))
    }
}

fn open(path: &Path) -> Store {
    StoreOptions::new().durability(Durability::Normal).compression(3).open(path).unwrap()
}

fn dump(store: &Store) -> String {
    let mut out = Vec::new();
    store.dump(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn failed(err: sessile::Error) -> String {
    format!("it failed: {err:?}")
}

/// Says at the first line where two texts differ.
fn same(what: &str, expected: &str, found: &str) -> Outcome {
    if expected == found {
        return Ok(());
    }
    let mut lines = expected.lines().zip(found.lines());
    let (expected, found) = lines
        .find(|(expected, found)| expected != found)
        .unwrap_or(("so many lines", "other lines more"));
    Err(format!("{what} otherwise\n  expected {expected}\n  found    {found}"))
}

/// Paths of the files of a root, as an export lays them out.
type Exported = BTreeMap<(usize, String), Vec<u8>>;

fn by_root(root: usize, files: Files) -> impl Iterator<Item = ((usize, String), Vec<u8>)> {
    files.into_iter().map(move |(path, bytes)| ((root, path), bytes))
}
