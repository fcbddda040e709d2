//! Power cuts: writes that were not synced are lost or torn.
//!
//! The calls of one undisturbed run are replayed up to some moment, and what a
//! disk may hold then is opened.

use crate::disk::{Disk, Fate};
use crate::jobs::{self, Expected, Job};
use crate::shim::{self, Call, Op};
use crate::support::{Chance, Place, Tally, remove_tree, setting};
use crate::verdict;

/// A traced run, from which any number of power cuts is made.
struct Trace {
    place: Place,
    job: &'static Job,
    expected: Expected,
    before: Disk,
    calls: Vec<Call>,
}

impl Trace {
    fn of(job: &'static Job) -> Self {
        let place = job.place();
        let expected = job.expect(&place);
        place.begin_again();
        let before = Disk::of(&place.work);
        let outcome = shim::traced(job.run(&place), &place).outcome();
        assert!(outcome.is_done(), "{}: {outcome}", job.name);
        let calls = shim::log_of(&place);
        Self { place, job, expected, before, calls }
    }

    /// Cuts the power before a call, and says what was printed until then.
    fn cut(&self, at: usize, chance: &mut Chance, forgets: Option<&str>) -> (String, Vec<u8>) {
        let mut disk = self.before.clone();
        let mut printed = Vec::new();
        for call in &self.calls[..at] {
            disk.apply(call, forgets);
            if call.op == Op::Out {
                printed.extend_from_slice(&call.data);
            }
        }
        let fates = [
            Fate::Nothing,
            Fate::Everything,
            Fate::UpTo,
            Fate::Torn(512),
            Fate::Torn(4_096),
            Fate::Torn(4_096),
        ];
        let (data, names) = (*chance.of(&fates), *chance.of(&fates));
        remove_tree(&self.place.work);
        std::fs::create_dir(&self.place.work).unwrap();
        disk.crash(&self.place.work, data, names, chance);
        (format!("data {data:?}, names {names:?}"), printed)
    }

    fn judge(&self, is_done: bool, printed: &[u8]) -> Result<(), String> {
        verdict::after_a_cut(self.job, &self.place, &self.expected, is_done, printed)
    }

    /// Any moment; often the last ones, and the end.
    fn moment(&self, chance: &mut Chance) -> usize {
        let all = self.calls.len();
        match chance.below(6) {
            0 => all,
            1 => all - chance.below(all.min(20)),
            _ => chance.below(all) + 1,
        }
    }
}

#[test]
fn a_power_cut_loses_nothing_acknowledged() {
    if !shim::is_there() {
        return;
    }
    let mut tally = Tally::new("power cuts");
    let mut chance = Chance::new(3);
    let count = setting("SESSILE_FAULTS_CUTS", 60);
    let jobs: Vec<&'static Job> = jobs::all().into_iter().chain([jobs::RPC]).collect();
    for (n, job) in jobs.iter().enumerate() {
        let trace = Trace::of(job);
        // Each gets its share, and the first ones the rest.
        for _ in 0..(count + n) / jobs.len() {
            if tally.is_over() {
                break;
            }
            tally.round();
            let at = trace.moment(&mut chance);
            let (how, printed) = trace.cut(at, &mut chance, None);
            if let Err(why) = trace.judge(at == trace.calls.len(), &printed) {
                let place = format!("{} of {}", at, trace.calls.len());
                tally.find(format!("{}, cut at {place}, {how}: {why}", job.name));
            }
        }
    }
    tally.finish();
}

/// An import of many transactions: each is there as a whole or not at all, and
/// all are when it is done.
#[test]
fn a_power_cut_takes_whole_transactions_of_an_import_back() {
    if !shim::is_there() {
        return;
    }
    let mut tally = Tally::new("power cuts of an import of many files");
    let mut chance = Chance::new(5);
    let trace = Trace::of(jobs::MANY);
    for n in 0..setting("SESSILE_FAULTS_CUTS", 60).div_ceil(15) {
        if tally.is_over() {
            break;
        }
        tally.round();
        // What is printed last is that it is done; then the database is closed, which syncs it.
        let all = trace.calls.iter().rposition(|call| call.op == Op::Out).unwrap() + 1;
        // The last transactions lie in the last third.
        let at = if n % 2 == 0 { all } else { all - 1 - chance.below(all / 3) };
        let (how, printed) = trace.cut(at, &mut chance, None);
        if let Err(why) = trace.judge(at == all, &printed) {
            tally.find(format!("cut at {at} of {all}, {how}: {why}"));
        }
    }
    tally.finish();
}

/// The control: the same cuts, where one sync is ignored, must be seen to lose.
#[test]
fn without_the_sync_of_the_wal_a_power_cut_is_seen_to_lose() {
    if !shim::is_there() {
        return;
    }
    let trace = Trace::of(jobs::RPC);
    let mut chance = Chance::new(4);

    let lost = (0..30).any(|_| {
        let (_, printed) = trace.cut(trace.moment(&mut chance), &mut chance, Some("-wal"));
        trace.judge(false, &printed).is_err()
    });

    assert!(lost, "a WAL that is never synced loses nothing: the cuts prove nothing");
}
