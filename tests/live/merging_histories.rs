//! Random histories of three stores: merged in any order, they end up the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;
use sessile::{
    ExportOptions, Format, ImportOptions, MergeOptions, NewSession, Session, SessionFilter, Store,
};

use crate::support::at;

/// Histories of a run; `SESSILE_MERGES` asks for more.
fn rounds() -> u64 {
    std::env::var("SESSILE_MERGES").ok().and_then(|n| n.parse().ok()).unwrap_or(3)
}

struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize
    }
}

const FILE: &str = "sessions/--w--/2026-05-01T00-00-00-000Z_first.jsonl";

/// Three stores with a common past, and the roots that they go on importing.
struct World {
    /// Open as long as the world is: to open one takes longer than a step.
    stores: Vec<Store>,
    dir: tempfile::TempDir,
    random: Random,
    clock: i64,
    said: u32,
    /// Whether each store goes by a clock of its own.
    skewed: bool,
    /// What the root of each store is called on its machine.
    roots: [&'static str; 3],
    /// Whether each store says whose its root is.
    named: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut world = Self {
            stores: vec![Store::open(dir.path().join("0.db")).unwrap()],
            dir,
            random,
            clock: 0,
            said: 0,
            skewed: seed.is_multiple_of(3),
            roots: ["root"; 3],
            named: seed.is_multiple_of(2),
        };
        fs::create_dir_all(world.root(0).join(FILE).parent().unwrap()).unwrap();
        let header = "{\"type\":\"session\",\"version\":3,\"id\":\"first\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"cwd\":\"/w\"}\n";
        fs::write(world.root(0).join(FILE), header).unwrap();
        for _ in 0..world.random.below(4) {
            world.grow(0, 0);
        }
        world.import(0);
        for _ in 0..world.random.below(6) {
            world.step(0);
        }
        for other in 1..3 {
            // Some stores have a past in common, some only the root's.
            if world.random.below(4) != 0 {
                world.stores[0].backup(world.db(other)).unwrap();
            } else {
                world.roots[other] = ["", "desk", "laptop"][other];
            }
            world.stores.push(Store::open(world.db(other)).unwrap());
            let to = world.root(other).join(FILE);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(world.root(0).join(FILE), to).unwrap();
            world.import(other);
        }
        world
    }

    fn db(&self, n: usize) -> PathBuf {
        self.dir.path().join(format!("{n}.db"))
    }

    fn root(&self, n: usize) -> PathBuf {
        self.dir.path().join(format!("root{n}"))
    }

    fn import(&self, n: usize) {
        self.import_into(&self.stores[n], n);
    }

    /// Imports the root of a store, at its path on that machine.
    fn import_into(&self, store: &Store, n: usize) {
        let mut options = ImportOptions::new().format(Format::Pi).reread(true);
        if self.named {
            options = options.origin(["home", "desk", "laptop"][n]);
        }
        let there = self.dir.path().join(self.roots[n]);
        fs::rename(self.root(n), &there).unwrap();
        store.import(&there, &options).unwrap();
        assert_eq!(store.verify(&there).unwrap().differences, []);
        fs::rename(there, self.root(n)).unwrap();
    }

    fn tick(&mut self, n: usize) -> i64 {
        self.clock += 1;
        if self.skewed { self.clock + [0, 50, -20][n] } else { self.clock }
    }

    /// The root's program adds to its file.
    fn grow(&mut self, n: usize, second: i64) {
        self.said += 1;
        let id = self.said;
        let at = at(second);
        let line = format!(
            "{{\"type\":\"message\",\"id\":\"r{id}\",\"parentId\":null,\"timestamp\":\"{at}\",\"message\":{{\"role\":\"user\",\"content\":\"r{id}\",\"timestamp\":1}}}}\n"
        );
        let file = self.root(n).join(FILE);
        let content = fs::read_to_string(&file).unwrap() + &line;
        fs::write(file, content).unwrap();
    }

    fn some_session(&mut self, store: &Store) -> Session {
        let rows = store.sessions(&SessionFilter::new().limit(50)).unwrap().rows;
        match rows.len() {
            0 => store.find("first").unwrap(),
            many => store.session(rows[self.random.below(many)].key).unwrap(),
        }
    }

    fn step(&mut self, n: usize) {
        let second = self.tick(n);
        if self.random.below(8) == 0 {
            self.grow(n, second);
            return self.import(n);
        }
        let store = self.stores[n].clone();
        let session = self.some_session(&store).at(at(second));
        self.said += 1;
        let id = format!("m{}", self.said);
        let entries = session.entries_after(0, 1_000).unwrap();
        let entry = match entries.len() {
            0 => None,
            many => Some(entries[self.random.below(many)].id.clone()),
        };
        let value = self.random.below(4);
        match self.random.below(11) {
            0..=3 => {
                let message = serde_json::json!({"role": "user", "content": id});
                // Now and then at the time of what another store did last.
                let session = session.at(at(second - value as i64 % 2));
                session.with_id(&id).append_message(message).map(drop)
            }
            4 => session.rename(Some(&format!("name {value}"))),
            5 => session.set_metadata(["a", "b"][value % 2], value as u32).map(drop),
            6 if value == 0 => session.untag("t1").map(drop),
            6 => session.tag(&format!("t{value}")).map(drop),
            7 if value < 2 => session.archive(),
            7 => session.unarchive(),
            8 => entry.map_or(Ok(()), |entry| session.branch(&entry)),
            9 => entry.map_or(Ok(()), |entry| {
                session.append_label_change(&entry, Some(&format!("l{value}"))).map(drop)
            }),
            _ => {
                let format = [Format::Pi, Format::Kward][value % 2];
                let new = NewSession::new("/w").session_id(&id).at(at(second)).format(format);
                store.create(&new).map(drop)
            }
        }
        .unwrap();
    }

    /// A copy of a store that merges others, one after the other; with each that it merges twice.
    fn merged(&self, name: &str, order: &[usize]) -> Store {
        let target = self.dir.path().join(name);
        self.stores[order[0]].backup(&target).unwrap();
        let store = Store::open(&target).unwrap();
        for other in &order[1..] {
            let report = store.merge(self.db(*other), &MergeOptions::new()).unwrap();
            assert!(report.refused.is_empty() && report.kept.is_empty(), "{report:?}");
            assert!(!store.merge(self.db(*other), &MergeOptions::new()).unwrap().is_change());
        }
        assert_eq!(store.check().unwrap(), []);
        store
    }
}

/// What a store has, wherever it has it.
#[derive(Debug, PartialEq, Eq)]
struct Facts {
    lines: BTreeSet<(String, String)>,
    rows: BTreeSet<String>,
}

/// The files below a folder, by their names alone, and what they hold.
fn files(folder: PathBuf) -> Vec<(String, String)> {
    let (mut files, mut todo) = (Vec::new(), vec![folder]);
    while let Some(at) = todo.pop() {
        if at.is_dir() {
            todo.extend(fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let name = at.file_name().unwrap().to_string_lossy().into_owned();
        files.push((name, fs::read_to_string(&at).unwrap()));
    }
    files.sort();
    files
}

fn facts(store: &Store) -> Facts {
    let mut lines = BTreeSet::new();
    for (name, content) in bytes(store) {
        lines.extend(content.lines().map(|line| (name.clone(), line.to_owned())));
    }
    let conn = Connection::open(store.path()).unwrap();
    let mut rows = BTreeSet::new();
    for sql in [
        "SELECT json_array('entry', session_id, quote(entry_id)) FROM entries JOIN sessions USING (session_key)",
        "SELECT json_array('label', session_id, quote(target_id), quote(label)) FROM labels JOIN sessions USING (session_key)",
        "SELECT json_array('metadata', session_id, key, value) FROM metadata JOIN sessions USING (session_key)",
        "SELECT json_array('tag', session_id, tag) FROM session_tags JOIN sessions USING (session_key)",
        "SELECT json_array('session', session_id, archived_at, quote(name)) FROM sessions",
        "SELECT json_array('event', session_id, kind, at, iif(kind = 'branch', value ->> 0, value)) FROM events JOIN sessions USING (session_key)",
    ] {
        let mut stmt = conn.prepare(sql).unwrap();
        let found = stmt.query_map([], |row| row.get(0)).unwrap();
        rows.extend(found.map(Result::<String, _>::unwrap));
    }
    Facts { lines, rows }
}

/// The content of each file, by its name: the bytes that an export has.
fn bytes(store: &Store) -> Vec<(String, String)> {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("out");
    store.export(&folder, &ExportOptions::new()).unwrap();
    files(folder)
}

fn check_history(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..6 + world.random.below(20) {
        let n = world.random.below(3);
        world.step(n);
        if world.random.below(12) == 0 {
            let other = (n + 1 + world.random.below(2)) % 3;
            world.stores[n].merge(world.db(other), &MergeOptions::new()).unwrap();
        }
    }
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let merged: Vec<Store> = orders
        .iter()
        .enumerate()
        .map(|(n, order)| world.merged(&format!("merged{n}.db"), order))
        .collect();
    let expected = facts(&merged[0]);
    for (store, order) in merged.iter().zip(orders).skip(1) {
        assert_eq!(facts(store), expected, "history {seed}, order {order:?}");
    }
    // Two that merge each other show the same bytes.
    let (one, two) = (world.merged("one.db", &[0, 1]), world.merged("two.db", &[1, 0]));
    assert_eq!(bytes(&one), bytes(&two), "history {seed}");
    // The root that a store imports next finds what it left.
    world.grow(0, 900);
    world.import_into(&merged[0], 0);
    assert_eq!(merged[0].check().unwrap(), []);
    assert!(
        !merged[0].merge(world.db(1), &MergeOptions::new()).unwrap().is_change(),
        "history {seed}"
    );
}

#[test]
fn any_order_of_merges_ends_with_the_same() {
    let start = std::env::var("SESSILE_MERGES_FROM").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    (start..start + rounds()).for_each(check_history);
}
