//! A database is damaged: what is read from it is right, or an error.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use crate::states::{Known, State, head};
use crate::support::{
    Chance, Outcome, Place, Run, Tally, Tree, copy_fixture, remove_tree, setting, tree,
};

/// A sound store of every format, and what is read from it.
pub(crate) struct Sound {
    pub(crate) place: Place,
    bytes: Vec<u8>,
    page_size: usize,
    /// The pages of each table and index.
    pages: BTreeMap<String, Vec<usize>>,
    answers: HashMap<&'static str, Vec<u8>>,
    exported: Tree,
    /// The same without what was written here.
    source: Tree,
    state: State,
}

/// Commands that only read, and print what is in the store.
const READERS: &[&str] = &["dump", "list --json --all", "show edge-97", "log --raw long"];

impl Sound {
    pub(crate) fn new() -> Self {
        let place = Place::new();
        for name in ["kward/small", "pi/small", "kimi/small", "claude/small"] {
            let root = place.root.join(name);
            copy_fixture(name, &root);
            if name == "kward/small" {
                crate::jobs::long_lines(&root);
            }
            place.done(["import", "--compress", root.to_str().unwrap()]);
        }
        place.done(["append", "edge-01", "--user", "said here"]);
        place.done(["append", "edge-97", "--user", &"said here, and long ".repeat(300)]);
        place.done(["label", "--force", "edge-17", "a", "here"]);
        // All of it in one file, whatever the last process left beside it.
        let conn = rusqlite::Connection::open(&place.db).unwrap();
        conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        conn.close().unwrap();
        place.keep();
        let bytes = fs::read(&place.db).unwrap();
        let (page_size, pages) = pages(&place.db);
        let mut answers = HashMap::new();
        for reader in READERS {
            answers.insert(*reader, place.done(reader.split(' ')).stdout);
        }
        place.done(["export", place.beside("sound").to_str().unwrap()]);
        let exported = tree(&place.beside("sound"));
        place.done(["export", "--source", place.beside("source").to_str().unwrap()]);
        let source = tree(&place.beside("source"));
        let dump = String::from_utf8(answers["dump"].clone()).unwrap();
        let state = State::of(&dump, &Known::of(&dump));
        Self { place, bytes, page_size, pages, answers, exported, source, state }
    }

    fn export(&self) -> (Outcome, Tree) {
        let out = self.place.work.join("out");
        remove_tree(&out);
        let outcome = self.place.run(["export", out.to_str().unwrap()]);
        (outcome, tree(&out))
    }

    /// Reads all that can be read, and says what is wrong with it.
    ///
    /// Exit 0 means right bytes. A table that is folded from the log may be
    /// wrong without a reader's notice, but never without that of `check`.
    pub(crate) fn read(&self, tally: &mut Tally) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut unseen = Vec::new();
        for reader in READERS {
            let outcome = self.place.run(reader.split(' '));
            if let Some(why) = outcome.misbehaved() {
                // The others would only hang as long.
                return vec![why];
            }
            if outcome.is_done() && outcome.stdout != self.answers[reader] {
                // The log itself is checked at each read.
                if reader.starts_with("log") {
                    wrong.push(format!("{outcome}, and another answer"));
                } else {
                    unseen.push(format!("{outcome}, and another answer"));
                }
            }
        }
        let (outcome, files) = self.export();
        wrong.extend(outcome.misbehaved());
        match self.differs(&files, outcome.is_done()) {
            Some((true, why)) => wrong.push(format!("{outcome}: {why}")),
            Some((false, why)) if outcome.is_done() => unseen.push(format!("{outcome}: {why}")),
            _ => {}
        }
        let check = self.place.run(["check"]);
        wrong.extend(check.misbehaved());
        if check.is_done() {
            wrong.extend(unseen.into_iter().map(|why| format!("check is clean, but {why}")));
        } else if !unseen.is_empty() {
            tally.note("wrong tables that check named");
        }
        wrong
    }

    /// The first file that is not as it was, and whether its bytes are others.
    fn differs(&self, files: &Tree, is_done: bool) -> Option<(bool, String)> {
        for (path, facts) in files {
            let name = path.display();
            let is_aside =
                name.to_string().contains(".sessile-") || name.to_string().contains("damaged");
            match self.exported.get(path) {
                _ if is_aside => {}
                None => return Some((false, format!("{name} is of another name"))),
                // Where the row of what was written here is lost, the rest is said to be.
                Some(_) if !is_done && self.source.get(path).is_some_and(|s| s.2 == facts.2) => {}
                Some(right) if right.2 != facts.2 => {
                    return Some((true, format!("{name} has wrong bytes")));
                }
                Some(right) if right != facts => {
                    return Some((false, format!("{name} has another mode or time")));
                }
                Some(_) => {}
            }
        }
        let lost = self.exported.keys().find(|path| is_done && !files.contains_key(*path))?;
        Some((false, format!("{} is not there", lost.display())))
    }

    /// A recovered store is whole, or says what is not.
    fn recover(&self) -> Vec<String> {
        let new = self.place.work.join("new.db");
        let outcome = self.place.run(["recover", new.to_str().unwrap()]);
        let mut wrong: Vec<String> = outcome.misbehaved().into_iter().collect();
        if !new.exists() {
            // Of less than half, there may be nothing to read.
            let left = fs::metadata(&self.place.db).unwrap().len();
            if outcome.code() != Some(2) || self.bytes.len() as u64 / 2 < left {
                wrong.push(format!("no new store: {outcome}"));
            }
            return wrong;
        }
        match crate::states::look(&self.place, &new) {
            Err(why) if outcome.code() == Some(1) => wrong.extend(self.incomplete(&new, &why)),
            Err(why) => wrong.push(format!("the new store: {why}")),
            Ok(dump) if outcome.is_done() => {
                let known = Known::of(&String::from_utf8_lossy(&self.answers["dump"]));
                if let Some(why) = State::of(&dump, &known).differs_from(&self.state) {
                    wrong.push(format!("{SEEMS_WHOLE}, but {why}: {outcome}"));
                }
            }
            Ok(_) => {}
        }
        let out = self.place.work.join("recovered");
        let export = Run::on(&self.place, &new, ["export", out.to_str().unwrap()]).outcome();
        wrong.extend(export.misbehaved());
        let said = outcome.text() + &outcome.stderr;
        for (path, facts) in tree(&out) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_right = self.exported.get(&path).is_none_or(|right| right.2 == facts.2);
            if !is_right && !said.contains(&*name) {
                wrong.push(format!("recover presents {name} as whole: {}", head(&said)));
            }
        }
        wrong
    }

    /// A store that was recovered in part: `check` names what its files lack, and nothing else.
    fn incomplete(&self, new: &Path, why: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        let check = Run::on(&self.place, new, ["check"]).outcome();
        let is_known = |line: &str| line.starts_with("file ") || line.starts_with("path ");
        if check.code() != Some(1) || !check.text().lines().all(is_known) {
            wrong.push(format!("the new store: {why}"));
        }
        wrong.extend(Run::on(&self.place, new, ["dump"]).outcome().misbehaved());
        wrong
    }

    fn page(&self, page: usize) -> std::ops::Range<usize> {
        (page - 1) * self.page_size..page * self.page_size
    }

    /// A page of some table: small tables get as much as large ones.
    fn any_page(&self, chance: &mut Chance) -> (&str, usize) {
        let of_text = ["lines", "chunks", "files", "sqlite_schema"];
        let name = match chance.below(3) {
            0 => *chance.of(&of_text),
            _ => self.pages.keys().nth(chance.below(self.pages.len())).unwrap(),
        };
        (name, *chance.of(&self.pages[name]))
    }

    /// Damages a copy of the bytes, and says how.
    fn damaged(&self, kind: Kind, chance: &mut Chance) -> (Vec<u8>, String) {
        let mut bytes = self.bytes.clone();
        let (table, page) = self.any_page(chance);
        let mut how = format!("{kind:?} page {page} of {table}");
        match kind {
            Kind::Flip => {
                let range = self.page(page);
                // Most of a page may be empty: a byte that means something.
                let full: Vec<usize> = range.clone().filter(|at| bytes[*at] != 0).collect();
                let at = if chance.one_in(8) || full.is_empty() {
                    range.start + chance.below(range.len())
                } else {
                    *chance.of(&full)
                };
                let bits = 1 + chance.below(255) as u8;
                bytes[at] ^= bits;
                how = format!("byte {at} ^ {bits} ({table}, page {page} + {})", at - range.start);
            }
            Kind::Zero => bytes[self.page(page)].fill(0),
            Kind::Noise => {
                let start = self.page(page).start + chance.below(self.page_size);
                let end = self.page(page).end;
                bytes[start..end].iter_mut().for_each(|byte| *byte = chance.below(256) as u8);
            }
            Kind::Swap => {
                let (_, other) = self.any_page(chance);
                let first = bytes[self.page(page)].to_vec();
                bytes.copy_within(self.page(other), self.page(page).start);
                bytes[self.page(other)].copy_from_slice(&first);
                how += &format!(" and {other}");
            }
            Kind::Cut => {
                let last = chance.below(bytes.len());
                let len = if chance.one_in(2) { last } else { last - last % self.page_size };
                bytes.truncate(len);
                how = format!("cut to {len} of {} bytes", self.bytes.len());
            }
        }
        (bytes, how)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Flip,
    Zero,
    Noise,
    Swap,
    Cut,
}

fn pages(db: &Path) -> (usize, BTreeMap<String, Vec<usize>>) {
    let conn = rusqlite::Connection::open(db).unwrap();
    let page_size: i64 = conn.query_row("PRAGMA page_size", [], |row| row.get(0)).unwrap();
    let mut pages: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut stmt = conn.prepare("SELECT name, pageno FROM dbstat").unwrap();
    let rows = stmt.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?))).unwrap();
    for row in rows {
        let (name, page) = row.unwrap();
        pages.entry(name).or_default().push(page as usize);
    }
    (page_size as usize, pages)
}

fn attack(part: &'static str, kinds: &[Kind], seed: u64, count: usize) {
    let mut tally = Tally::new(part);
    let mut chance = Chance::new(seed);
    let sound = Sound::new();
    while tally.rounds() < count && !tally.is_over() {
        tally.round();
        let kind = kinds[tally.rounds() % kinds.len()];
        let (bytes, how) = sound.damaged(kind, &mut chance);
        remove_tree(&sound.place.work);
        fs::create_dir(&sound.place.work).unwrap();
        fs::write(&sound.place.db, bytes).unwrap();
        let mut wrong = sound.recover();
        wrong.extend(sound.read(&mut tally));
        let is_fact = FACTS.iter().any(|table| how.contains(table));
        for why in wrong {
            if is_fact && (why.starts_with("check is clean") || why.contains(SEEMS_WHOLE)) {
                tally.note("facts that nothing proves");
            } else {
                tally.find(format!("{how}: {why}"));
            }
        }
    }
    tally.finish();
}

/// Tables of which nothing else in the store says the same: where a file lies,
/// its mode and time, and what was decided here.
const FACTS: &[&str] = &["(sources,", "(files,", "(events,", "of sources", "of files", "of events"];

/// What is said of a recovered store that is another, though nothing was found missing.
const SEEMS_WHOLE: &str = "nothing is said to be missing";

#[test]
fn a_flipped_byte_is_never_passed_on() {
    attack("flips", &[Kind::Flip], 7, setting("SESSILE_FAULTS_FLIPS", 20));
}

#[test]
fn a_damaged_page_is_never_passed_on() {
    let kinds = [Kind::Zero, Kind::Noise, Kind::Swap, Kind::Cut];
    attack("damaged pages", &kinds, 8, setting("SESSILE_FAULTS_PAGES", 10));
}

/// A file that is still written has no digest: that each line is its own has to be seen.
#[test]
fn a_search_that_is_led_astray_never_gives_lines_of_another_file() {
    /// The first byte of a page that holds keys and the pages below them.
    const INTERIOR: u8 = 5;
    let mut tally = Tally::new("keys that lead astray");
    let sound = Sound::new();
    for page in &sound.pages["lines"] {
        let start = sound.page(*page).start;
        if sound.bytes[start] != INTERIOR {
            continue;
        }
        let content = u16::from_be_bytes([sound.bytes[start + 5], sound.bytes[start + 6]]);
        for at in start + usize::from(content)..sound.page(*page).end {
            tally.round();
            let mut bytes = sound.bytes.clone();
            bytes[at] ^= 0x54;
            fs::write(&sound.place.db, bytes).unwrap();
            let (outcome, files) = sound.export();
            let wrong = sound.differs(&files, outcome.is_done()).map(|(_, why)| why);
            for why in outcome.misbehaved().into_iter().chain(wrong) {
                tally.find(format!("byte {at}: {outcome}: {why}"));
            }
        }
    }
    assert_ne!(tally.rounds(), 0, "the log fits in one page");
    tally.finish();
}

/// Files that a run made, beside those that it may.
pub(crate) fn strangers(place: &Place, allowed: &[&str]) -> BTreeSet<PathBuf> {
    let is_allowed = |path: &Path| {
        let name = path.to_string_lossy();
        allowed.iter().any(|begin| name.starts_with(begin))
    };
    tree(&place.work).into_keys().filter(|path| !is_allowed(path)).collect()
}
