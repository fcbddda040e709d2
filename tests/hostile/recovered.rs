//! Databases damaged at random, by a seed, and what is recovered from them.
//!
//! SQLite itself says, of the sound database, which pages each line stands on.
//! `SESSILE_DAMAGES` says how many databases are damaged; 25 by default.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rusqlite::Connection;
use sessile::{
    Durability, ImportOptions, NewSession, RecoverReport, Store, StoreOptions, Timestamp, recover,
};

use crate::support::{TestStore, dump, fixture, header, line, message, options};

const PAGE: usize = 8_192;

/// Small steps of a well-known generator: the same for the same seed, everywhere.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// A store with everything that recover copies: packed lines, chains with and
/// without a base, earlier generations, documents, decisions, problems that
/// belong to no session, roots of four formats.
pub(crate) fn full() -> TestStore {
    let test = TestStore::quick();
    for name in ["kward/small", "kward/edge", "kimi/small", "pi/small", "claude/small"] {
        test.store.import(&fixture(name), &ImportOptions::new()).unwrap();
    }
    for n in 0..12 {
        let mut lines = header(&format!("s{n}"));
        for id in ["a", "b", "c", "d", "e", "f"] {
            lines += &message(id, None, &format!("{id}{n} {}", "some text ".repeat(n * 40)));
        }
        test.write(format!("sessions/--w--/{n}.jsonl"), lines);
    }
    test.write("sessions/--w--/note.txt", "a document ".repeat(120_000));
    std::os::unix::fs::symlink("nowhere", test.root.join("sessions/--w--/link.jsonl")).unwrap();
    let packing = StoreOptions::new().compression(3).durability(Durability::Normal);
    packing.open(test.store.path()).unwrap().import(&test.root, &options()).unwrap();
    test.write("sessions/--w--/0.jsonl", header("s0") + &message("z", None, "rewritten"));
    test.import();
    for (n, text) in [(1, "here"), (2, "there"), (3, "everywhere")] {
        let live = test.store.find(&format!("s{n}")).unwrap();
        for _ in 0..3 {
            live.append_message(format!(r#"{{"role":"user","content":"{text}"}}"#)).unwrap();
        }
    }
    // Its base goes on at the root, too.
    test.append("sessions/--w--/1.jsonl", message("g", Some("f"), &"beyond ".repeat(50)));
    test.import();
    let made = NewSession::new("/made").session_id("made").at(Timestamp(0));
    test.store.create(&made).unwrap();
    test.store.find("s4").unwrap().at(Timestamp(5)).archive().unwrap();
    test.store.find("s5").unwrap().at(Timestamp(6)).trash().unwrap();
    let odd = line(&serde_json::json!({"type": "odd"})) + "{torn";
    test.write("sessions/--w--/odd.jsonl", header("odd") + &odd);
    test.import();
    test.write("sessions/--w--/7.jsonl", header("s7") + &message("z", None, "rewritten"));
    test.import();
    test
}

/// Removes so much that whole pages become free; they keep what was on them.
fn free_pages(test: &TestStore) {
    let many: String =
        (0..300).map(|n| message(&format!("m{n}"), None, &"y ".repeat(150))).collect();
    test.write("sessions/--w--/many.jsonl", header("many") + &many);
    test.import();
    test.write("sessions/--w--/many.jsonl", header("many") + &message("z", None, "rewritten"));
    test.import();
    test.store.prune().unwrap();
}

/// What a store holds: lines by key, and files by id.
struct Contents {
    lines: BTreeMap<i64, Vec<u8>>,
    files: BTreeMap<i64, FileOf>,
}

/// The root, the path, and whose lines it begins with: a file and how many.
type FileOf = (Vec<u8>, Vec<u8>, Option<i64>, i64);

impl Contents {
    fn of(path: &Path) -> Self {
        let conn = Connection::open(path).unwrap();
        let mut stmt = conn.prepare("SELECT line_key, raw, enc FROM lines").unwrap();
        let rows = stmt.query_map([], |row| {
            let (raw, enc): (Vec<u8>, i64) = (row.get(1)?, row.get(2)?);
            Ok((row.get(0)?, sessile::unpack_line(enc, &raw).unwrap().into_owned()))
        });
        let lines = rows.unwrap().map(Result::unwrap).collect();
        let mut stmt = conn
            .prepare(
                "SELECT file_id, root, path, base_id, base_count
                 FROM files JOIN sources USING (source_id)",
            )
            .unwrap();
        let rows = stmt.query_map([], |row| {
            Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        });
        Self { lines, files: rows.unwrap().map(Result::unwrap).collect() }
    }

    /// The bytes of a log.
    fn bytes(&self, file_id: i64) -> Vec<u8> {
        let (_, _, base, count) = &self.files[&file_id];
        let base = base.map(|base| base << 32..(base << 32) + count);
        let own = file_id << 32..(file_id + 1) << 32;
        let keys = base.into_iter().chain([own]);
        keys.flat_map(|keys| self.lines.range(keys)).flat_map(|(_, raw)| raw.clone()).collect()
    }
}

/// The pages that each line stands on, by SQLite's own statistics: its leaf, then its overflow.
fn pages_of_lines(path: &Path) -> BTreeMap<i64, Vec<usize>> {
    let conn = Connection::open(path).unwrap();
    let mut stmt = conn.prepare("SELECT line_key FROM lines ORDER BY line_key").unwrap();
    let keys: Vec<i64> =
        stmt.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut stmt = conn
        .prepare("SELECT path, pageno, pagetype, ncell FROM dbstat WHERE name = 'lines'")
        .unwrap();
    let rows: Vec<(String, usize, String, usize)> = stmt
        .query_map([], |row| {
            Ok((
                row.get(0)?,
                row.get::<_, i64>(1)? as usize,
                row.get(2)?,
                row.get::<_, i64>(3)? as usize,
            ))
        })
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut leaves: Vec<_> = rows.iter().filter(|row| row.2 == "leaf").collect();
    leaves.sort();
    let mut keys = keys.into_iter();
    let mut found = BTreeMap::new();
    for (leaf, page, _, cells) in leaves {
        for cell in 0..*cells {
            let prefix = format!("{leaf}{cell:03x}+");
            let overflow = rows.iter().filter(|row| row.0.starts_with(&prefix)).map(|row| row.1);
            found.insert(keys.next().unwrap(), [*page].into_iter().chain(overflow).collect());
        }
    }
    assert!(keys.next().is_none());
    found
}

/// Damages the bytes of a database; returns how.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) -> String {
    let pages = bytes.len() / PAGE;
    let count = 1 + random.below(4);
    let of = |page: usize| page * PAGE..(page + 1) * PAGE;
    let kind = random.below(10);
    match kind {
        0 | 1 => {
            for _ in 0..count {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
        }
        2 => (0..count).for_each(|_| bytes[of(random.below(pages))].fill(0)),
        3 => {
            for _ in 0..count {
                let page = of(random.below(pages));
                bytes[page].iter_mut().for_each(|byte| *byte = random.next() as u8);
            }
        }
        4 | 5 => {
            for _ in 0..count {
                let (one, other) = (random.below(pages), random.below(pages));
                let kept = bytes[of(one)].to_vec();
                bytes.copy_within(of(other), one * PAGE);
                bytes[of(other)].copy_from_slice(&kept);
            }
        }
        6 => bytes.truncate((1 + random.below(pages - 1)) * PAGE),
        7 => bytes.truncate(100 + random.below(bytes.len() - 100)),
        8 => {
            for _ in 0..count {
                bytes[random.below(100)] = random.next() as u8;
            }
        }
        _ => bytes[of(0)].fill(0),
    }
    let names = ["flips", "flips", "zeroed", "noise", "swapped", "swapped", "pages cut off"];
    names
        .get(kind)
        .unwrap_or(&["cut off", "header", "first page zeroed"][kind.saturating_sub(7).min(2)])
        .to_string()
}

/// What everybody who recovers relies on.
#[track_caller]
fn check_recovered(
    target: &Path,
    original: &Contents,
    report: &RecoverReport,
    what: &str,
) -> Contents {
    let found = Contents::of(target);
    for (key, raw) in &found.lines {
        let (file, position) = (key >> 32, key & 0xFFFF_FFFF);
        assert_eq!(original.lines.get(key), Some(raw), "{what}: line {position} of file {file}");
    }
    let incomplete: BTreeSet<(&[u8], &[u8])> = report
        .incomplete
        .iter()
        .map(|file| (file.root.as_os_str().as_bytes(), file.file.as_os_str().as_bytes()))
        .collect();
    for (file_id, (root, path, ..)) in &found.files {
        if incomplete.contains(&(&root[..], &path[..])) {
            continue;
        }
        let shown = format!("{what}: {}", path.escape_ascii());
        let (old_root, old_path, ..) = &original.files[file_id];
        let is_root_lost = root.starts_with(b"/recovered/") && !report.doubts.is_empty();
        assert!(root == old_root || is_root_lost, "{shown}: {}", root.escape_ascii());
        assert_eq!(path, old_path, "{shown}");
        assert!(found.bytes(*file_id) == original.bytes(*file_id), "{shown}");
    }
    let missing = original.files.iter().find(|(file_id, _)| !found.files.contains_key(file_id));
    if let Some((_, (root, path, ..))) = missing {
        let is_said = incomplete.contains(&(&root[..], &path[..])) || !report.doubts.is_empty();
        assert!(is_said, "{what}: {} is missing, unsaid", path.escape_ascii());
    }
    let store = Store::open(target).unwrap();
    for finding in store.check().unwrap() {
        let is_said = incomplete
            .iter()
            .any(|(_, file)| finding.place == format!("file {}", String::from_utf8_lossy(file)));
        assert!(is_said, "{what}: {finding:?}, and {:?}", report.incomplete);
    }
    for file in &report.incomplete {
        let name = file.file.display().to_string();
        let is_recorded = dump(&store).lines().any(|row| {
            row.contains(r#""kind":"lost""#) && row.contains(&serde_json::json!(name).to_string())
        });
        assert!(is_recorded, "{what}: {name}");
    }
    found
}

fn rounds() -> RangeInclusive<u64> {
    let rounds = std::env::var("SESSILE_DAMAGES").ok().and_then(|rounds| rounds.parse().ok());
    1..=rounds.unwrap_or(25)
}

/// Every line whose pages are as they were has been found.
fn check_intact_lines(
    bytes: &[u8],
    damaged: &[u8],
    places: &BTreeMap<i64, Vec<usize>>,
    found: &Contents,
    what: &str,
) {
    let anywhere: HashSet<&[u8]> = damaged.chunks_exact(PAGE).collect();
    let page_of =
        |bytes: &[u8], page: usize| bytes.get((page - 1) * PAGE..page * PAGE).map(<[u8]>::to_vec);
    for (key, pages) in places {
        // A leaf may have moved; its chain has to be where it says.
        let leaf = page_of(bytes, pages[0]).unwrap();
        let is_intact = anywhere.contains(&leaf[..])
            && pages[1..].iter().all(|page| page_of(damaged, *page) == page_of(bytes, *page));
        assert!(
            !is_intact || found.lines.contains_key(key),
            "{what}: line {} of file {}, on page {}",
            key & 0xFFFF_FFFF,
            key >> 32,
            pages[0]
        );
    }
}

#[test]
fn what_stands_on_intact_pages_is_recovered_in_its_place_and_no_more_is_called_whole() {
    let test = full();
    free_pages(&test);
    let whole = test.folder().join("whole.db");
    test.store.backup(&whole).unwrap();
    test.sqlite().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let with_free = test.store.path();
    let bases = [&whole, with_free].map(|path| (fs::read(path).unwrap(), pages_of_lines(path)));
    let original = Contents::of(&whole);
    let before = test.dump();

    for seed in rounds() {
        let mut random = Random::new(seed);
        let has_free = random.below(3) == 0;
        let (bytes, places) = &bases[usize::from(has_free)];
        let mut damaged = bytes.clone();
        let what = format!("seed {seed}, {}", damage(&mut damaged, &mut random));
        if has_free {
            // Without the first page, nothing tells which pages are free.
            let first = damaged.len().min(PAGE);
            damaged[..first].copy_from_slice(&bytes[..first]);
        }
        let path = test.folder().join("damaged.db");
        fs::write(&path, &damaged).unwrap();
        let target = test.folder().join("recovered.db");

        let report = match recover(&path, &target) {
            Ok(report) => report,
            // What has no page left is no database.
            Err(err) if damaged.len() < 4 * PAGE => {
                assert_eq!(err.kind(), "NotADatabase", "{what}");
                continue;
            }
            Err(err) => panic!("{what}: {err:?}"),
        };

        assert!(fs::read(&path).unwrap() == damaged, "{what}");
        let found = check_recovered(&target, &original, &report, &what);
        check_intact_lines(bytes, &damaged, places, &found, &what);
        let is_flipped = what.ends_with("flips") || what.ends_with("noise");
        if report.is_whole() && !is_flipped {
            assert!(dump(&Store::open(&target).unwrap()) == before, "{what}");
        }
        remove(&target);
    }
}

#[test]
fn a_damaged_write_ahead_log_gives_no_wrong_line() {
    let test = full();
    let original = Contents::of(test.store.path());
    let beside = |path: &Path, end: &str| format!("{}{end}", path.display());
    let log = fs::read(beside(test.store.path(), "-wal")).unwrap();
    let bytes = fs::read(test.store.path()).unwrap();
    let path = test.folder().join("damaged.db");
    let target = test.folder().join("recovered.db");
    let mut whole = 0;

    for seed in rounds().take(10) {
        let mut random = Random::new(seed);
        let mut damaged = log.clone();
        if seed != 1 {
            for _ in 0..1 + random.below(3) {
                let at = random.below(damaged.len());
                damaged[at] ^= 1 << random.below(8);
            }
        }
        fs::write(&path, &bytes).unwrap();
        fs::write(beside(&path, "-wal"), &damaged).unwrap();

        let report = recover(&path, &target).unwrap();

        whole += u64::from(report.is_whole());
        check_recovered(&target, &original, &report, &format!("seed {seed}"));
        remove(&target);
    }
    assert!(1 <= whole, "the log without damage is read");
}

pub(crate) fn remove(path: &Path) {
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{end}", path.display()));
    }
}
