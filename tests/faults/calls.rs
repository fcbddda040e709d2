//! The Nth call of a command fails: the store is as before or as after, and
//! the same command finishes the job.

use crate::jobs::{self, Expected, Job, Kind};
use crate::shim::{self, Call, Mode, Op};
use crate::states::{State, head, leftovers, look};
use crate::support::{Chance, Outcome, Place, Tally, setting};
use crate::verdict;

#[test]
fn a_call_that_fails_leaves_the_state_before_or_after() {
    if !shim::is_there() {
        return;
    }
    let mut tally = Tally::new("fault points");
    let mut chance = Chance::new(1);
    let jobs = jobs::all();
    // The short form takes some of each command's.
    let each = setting("SESSILE_FAULTS_POINTS", 140).div_ceil(jobs.len());
    for job in jobs {
        let place = job.place();
        let expected = job.expect(&place);
        for (call, mode) in points(job, &place, each, &mut chance) {
            if tally.is_over() {
                break;
            }
            tally.round();
            if let Err(why) = try_point(job, &place, &expected, &call, mode, &mut tally) {
                let name = call.name();
                tally.find(format!("{}, {mode:?} at {} ({name}): {why}", job.name, call.number));
            }
        }
    }
    tally.finish();
}

/// Chance seldom meets these: a command removes one folder, at its end.
#[test]
fn a_folder_that_cannot_be_removed_at_once_is_not_left_behind() {
    if !shim::is_there() {
        return;
    }
    let mut tally = Tally::new("removals of folders");
    for job in jobs::all() {
        let place = job.place();
        let expected = job.expect(&place);
        let every = points(job, &place, usize::MAX, &mut Chance::new(1));
        for (call, mode) in every {
            if call.op != Op::Rmdir || mode != Mode::EioOnce {
                continue;
            }
            tally.round();
            if let Err(why) = try_point(job, &place, &expected, &call, mode, &mut tally) {
                tally.find(format!("{} at {} ({}): {why}", job.name, call.number, call.name()));
            }
        }
    }
    tally.finish();
}

#[test]
fn what_was_acknowledged_before_a_call_failed_is_there() {
    if !shim::is_there() {
        return;
    }
    let mut tally = Tally::new("fault points of rpc");
    let place = Place::new();
    jobs::RPC.expect(&place);
    let mut chance = Chance::new(2);
    let count = setting("SESSILE_FAULTS_POINTS", 140) / 8;
    for (call, mode) in points(jobs::RPC, &place, count, &mut chance) {
        tally.round();
        place.begin_again();
        let outcome = shim::failing(jobs::RPC.run(&place), &place, call.number, mode).outcome();
        let name = format!("rpc, {mode:?} at {} ({})", call.number, call.name());
        if let Some(why) = outcome.misbehaved() {
            tally.find(format!("{name}: {why}"));
        }
        match look(&place, &place.db) {
            Err(why) => tally.find(format!("{name}: {why}")),
            Ok(dump) => {
                let lost = jobs::missing(&jobs::acknowledged(&outcome.stdout), &dump);
                if !lost.is_empty() {
                    tally.find(format!("{name}: acknowledged and lost: {lost:?}"));
                }
                if let Some(why) = refused_and_there(&outcome, &dump) {
                    tally.find(format!("{name}: {why}"));
                }
            }
        }
    }
    tally.finish();
}

/// A request that was refused left nothing, unless its error says that it may have.
fn refused_and_there(outcome: &Outcome, dump: &str) -> Option<String> {
    let text = outcome.text();
    let refused = text.lines().filter(|line| line.contains(r#""error":"#));
    for line in refused.filter(|line| !line.contains("may have")) {
        let reply: serde_json::Value = serde_json::from_str(line).ok()?;
        let id = format!("\"ack{}\"", reply["id"]);
        if dump.contains(&id) {
            return Some(format!("refused, and {id} is there: {}", head(line)));
        }
    }
    None
}

/// Calls of a job's undisturbed run, and ways to fail; a selection, where there are more.
fn points(job: &Job, place: &Place, count: usize, chance: &mut Chance) -> Vec<(Call, Mode)> {
    place.begin_again();
    let outcome = shim::counted(job.run(place), place).outcome();
    assert!(outcome.is_done(), "{}: {outcome}", job.name);
    let mut all = Vec::new();
    for call in shim::log_of(place).into_iter().filter(|call| 0 < call.number) {
        all.extend(modes(call.op).iter().map(|mode| (call.clone(), *mode)));
    }
    // The last calls decide more than the many writes before them.
    let mut chosen = Vec::new();
    while chosen.len() < count && !all.is_empty() {
        let last = all.len() - 1;
        let at = if chance.one_in(4) {
            last - last.min(chance.below(12))
        } else {
            chance.below(last + 1)
        };
        chosen.push(all.remove(at));
    }
    chosen
}

fn modes(op: Op) -> &'static [Mode] {
    match op {
        Op::Write => {
            &[Mode::EioOnce, Mode::NoSpaceOnce, Mode::Half, Mode::FullFrom, Mode::DeadFrom]
        }
        Op::Create | Op::Mkdir | Op::Rename | Op::Link | Op::Symlink => {
            &[Mode::EioOnce, Mode::NoSpaceOnce, Mode::FullFrom, Mode::DeadFrom]
        }
        _ => &[Mode::EioOnce, Mode::DeadFrom],
    }
}

fn try_point(
    job: &Job,
    place: &Place,
    expected: &Expected,
    call: &Call,
    mode: Mode,
    tally: &mut Tally,
) -> Result<(), String> {
    place.begin_again();
    let outcome = shim::failing(job.run(place), place, call.number, mode).outcome();
    if let Some(why) = outcome.misbehaved() {
        return Err(why);
    }
    if !shim::log_of(place).iter().any(|call| call.injected) {
        // Threads took another way, and made fewer calls.
        tally.note("not reached");
    }
    let dump = look(place, &place.db).map_err(|why| format!("{why}, after {outcome}"))?;
    let state = State::of(&dump, &expected.known);
    check_state(job, expected, &state, &outcome)?;
    verdict::made(job, place, expected, outcome.is_done())
        .map_err(|why| format!("{why}, after {outcome}"))?;
    // Where not even the removal works, nobody can clean up.
    let may_leave = call.op == Op::Unlink || mode == Mode::DeadFrom;
    let left = leftovers(&place.work);
    if !may_leave && !left.is_empty() {
        return Err(format!("left behind {left:?}, after {outcome}"));
    }
    verdict::finishes(job, place, expected, &state).map_err(|why| format!("{why}, after {outcome}"))
}

fn check_state(
    job: &Job,
    expected: &Expected,
    state: &State,
    outcome: &Outcome,
) -> Result<(), String> {
    let Expected { before, after, .. } = expected;
    if outcome.is_done() {
        // What of the root could not be read is said, and comes with the next import.
        let is_said = job.name.starts_with("import") && outcome.text().contains("unreadable");
        return match state.differs_from(after) {
            Some(why) if !is_said => Err(format!("exit 0, but {why}")),
            _ => Ok(()),
        };
    }
    if let Some(why) = state.differs_from_both(before, after) {
        return Err(format!("{why}, after {outcome}"));
    }
    let is_one = matches!(job.kind, Kind::Once);
    if is_one && state == after && !verdict::says_unknown(outcome) {
        return Err(format!("it failed, and happened all the same: {outcome}"));
    }
    Ok(())
}
