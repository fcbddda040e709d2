//! Processes are killed at any moment: what they acknowledged is there, and the
//! next one finishes the job.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::jobs::{self, Job, line};
use crate::states::{Known, State, head};
use crate::support::{Chance, Outcome, Place, Run, Tally, set_modified, setting, then};
use crate::verdict;

/// What one transaction of an import takes at most.
const BATCH: usize = 16 << 20;

#[test]
fn a_kill_leaves_what_was_acknowledged_and_the_next_run_finishes() {
    let mut tally = Tally::new("kills");
    let mut chance = Chance::new(5);
    let count = setting("SESSILE_FAULTS_KILLS", 60);
    let jobs: Vec<&'static Job> = jobs::all().into_iter().chain([jobs::RPC]).collect();
    for (n, job) in jobs.iter().enumerate() {
        let place = job.place();
        let expected = job.expect(&place);
        place.begin_again();
        let started = Instant::now();
        job.run(&place).outcome();
        let took = started.elapsed();
        let end = tally.rounds() + (count + n) / jobs.len();
        while tally.rounds() < end && !tally.is_over() {
            place.begin_again();
            let after = some_of(took, &mut chance);
            let run = job.run(&place).start();
            std::thread::sleep(after);
            let outcome = run.kill();
            count_kill(&outcome, &mut tally);
            let verdict =
                verdict::after_a_cut(job, &place, &expected, outcome.is_done(), &outcome.stdout);
            if let Err(why) = verdict {
                tally.find(format!("{}, killed after {after:?} of {took:?}: {why}", job.name));
            }
        }
    }
    tally.finish();
}

/// A kill that came when all was done is none.
fn count_kill(outcome: &Outcome, tally: &mut Tally) {
    match outcome.code() {
        None => tally.round(),
        Some(_) => tally.note("came too late"),
    }
}

/// Any moment of a run.
fn some_of(took: Duration, chance: &mut Chance) -> Duration {
    Duration::from_micros(chance.below(took.as_micros() as usize) as u64)
}

/// How a large file comes to be what is imported.
#[derive(Clone, Copy, Debug)]
enum Large {
    New,
    Grown,
    Rewritten,
    Truncated,
    Packed,
}

const LARGE: [Large; 5] =
    [Large::New, Large::Grown, Large::Rewritten, Large::Truncated, Large::Packed];

/// A large file below a root, and a store that knows an earlier form of it, if any.
struct LargeFile {
    place: Place,
    kind: Large,
    bytes: usize,
    before: State,
    after: State,
    took: Duration,
}

impl LargeFile {
    fn new(kind: Large, chance: &mut Chance) -> Self {
        let place = Place::new();
        // Some batches, and what is left: never much, for that is where it went wrong.
        let batches = 1 + chance.below(setting("SESSILE_FAULTS_BATCHES", 1));
        let bytes = BATCH * batches + chance.below(4 << 20);
        let text = lines(bytes, 0, chance);
        let path = path(&place);
        let import = |time| {
            set_modified(&path, then(time));
            place.done(["import", place.root.to_str().unwrap()]);
        };
        let earlier = match kind {
            Large::New | Large::Packed => None,
            Large::Grown => Some(text[..cut(&text, chance)].to_owned()),
            Large::Rewritten => Some(lines(bytes, 1, chance)),
            Large::Truncated => Some(text.clone() + &lines(1 << 20, 2, chance)),
        };
        if let Some(earlier) = &earlier {
            jobs::write(&path, earlier);
            import(0);
        }
        jobs::write(&path, &text);
        set_modified(&path, then(10));
        place.keep();
        let before = listed(&place);
        let started = Instant::now();
        let mut file =
            Self { place, kind, bytes, before, after: State::default(), took: Duration::ZERO };
        let outcome = file.import().outcome();
        assert!(outcome.is_done(), "{outcome}");
        file.took = started.elapsed();
        file.after = listed(&file.place);
        file
    }

    fn import(&self) -> Run<'_> {
        let args = ["import", "--compress", self.place.root.to_str().unwrap()];
        match self.kind {
            Large::Packed => Run::new(&self.place, args),
            _ => Run::new(&self.place, [args[0], args[2]]),
        }
    }

    /// Kills the import once or a few times, and has it finished.
    fn try_kill(&self, chance: &mut Chance, tally: &mut Tally) -> Result<(), String> {
        self.place.begin_again();
        for _ in 0..1 + chance.below(4) / 3 {
            let after = some_of(self.took, chance);
            let run = self.import().start();
            std::thread::sleep(after);
            count_kill(&run.kill(), tally);
            self.proven("killed")?;
            if let Some(why) = listed(&self.place).differs_from_both(&self.before, &self.after) {
                return Err(format!("killed after {after:?} of {:?}: {why}", self.took));
            }
        }
        let again = self.import().outcome();
        if !again.is_done() {
            return Err(format!("again: {again}"));
        }
        self.proven("again")?;
        let verify = self.place.run(["verify", self.place.root.to_str().unwrap()]);
        if !verify.is_done() {
            return Err(format!("again: {verify}: {}", head(&verify.text())));
        }
        match listed(&self.place).differs_from(&self.after) {
            Some(why) => Err(format!("again: {why}")),
            None => Ok(()),
        }
    }

    fn proven(&self, when: &str) -> Result<(), String> {
        if !self.place.db.exists() {
            return Ok(());
        }
        let check = self.place.run(["check"]);
        if check.is_done() {
            Ok(())
        } else {
            Err(format!("{when}: {check}: {}", head(&check.text())))
        }
    }
}

#[test]
fn a_large_file_whose_import_is_killed_is_finished_whole() {
    let mut tally = Tally::new("kills in large files");
    let mut chance = Chance::new(6);
    let count = setting("SESSILE_FAULTS_LARGE_KILLS", 5);
    let each = count.div_ceil(LARGE.len()).min(10);
    while tally.rounds() < count && !tally.is_over() {
        for kind in LARGE {
            let file = LargeFile::new(kind, &mut chance);
            let end = tally.rounds() + each;
            while tally.rounds() < end && !tally.is_over() {
                if let Err(why) = file.try_kill(&mut chance, &mut tally) {
                    tally.find(format!("{kind:?} of {} bytes: {why}", file.bytes));
                }
            }
        }
    }
    tally.finish();
}

fn path(place: &Place) -> PathBuf {
    place.root.join("sessions/--w--/large.jsonl")
}

/// A session of about so many bytes; `turn` makes its lines other ones.
fn lines(bytes: usize, turn: usize, chance: &mut Chance) -> String {
    let mut text = match turn {
        2 => String::new(),
        _ => String::from(
            "{\"type\":\"session\",\"version\":2,\"id\":\"large\",\
             \"timestamp\":\"2026-01-01T00:00:00.000Z\",\"cwd\":\"/w\"}\n",
        ),
    };
    let said = "what was said, and more of it; ".repeat(700);
    let mut n = 0;
    while text.len() < bytes {
        text += &line(&format!("t{turn}m{n}"), &said[..500 + chance.below(20_000)]);
        n += 1;
    }
    text
}

/// The end of some line.
fn cut(text: &str, chance: &mut Chance) -> usize {
    let at = 1_000 + chance.below(text.len() - 1_000);
    text[..at].rfind('\n').unwrap() + 1
}

/// What a list says: a file that is not whole is not in it, or as it was.
fn listed(place: &Place) -> State {
    if !place.db.exists() {
        return State::default();
    }
    let list = place.run(["list", "--json", "--all"]);
    State::of(&list.text(), &Known::default())
}
