//! Decides whether what a disturbed run left is right.

use std::path::Path;

use crate::jobs::{Expected, Job, Kind, acknowledged, missing};
use crate::states::{State, look};
use crate::support::{Outcome, Place, remove_tree, tree};

/// Judges a store after a run that did not end by itself: a kill, a power cut.
///
/// `is_done` says that it had ended well; `printed` is what it had answered.
pub(crate) fn after_a_cut(
    job: &Job,
    place: &Place,
    expected: &Expected,
    is_done: bool,
    printed: &[u8],
) -> Result<(), String> {
    let dump = look(place, &place.db)?;
    let lost = missing(&acknowledged(printed), &dump);
    if !lost.is_empty() {
        return Err(format!("acknowledged and lost: {lost:?}"));
    }
    let state = State::of(&dump, &expected.known);
    let wrong = match is_done {
        true => state.differs_from(&expected.after),
        // Six transactions: what was acknowledged is known, the rest may be either.
        false if job.name == "rpc" => None,
        false => state.differs_from_both(&expected.before, &expected.after),
    };
    if let Some(why) = wrong {
        return Err(format!("{why}; done: {is_done}"));
    }
    // Files are complete when the command is done; a store is when it has its name.
    if is_done || job.kind == Kind::Store {
        made(job, place, expected, is_done)?;
    }
    finishes(job, place, expected, &state)
}

/// The same command again, undisturbed, comes to the same as it would have.
pub(crate) fn finishes(
    job: &Job,
    place: &Place,
    expected: &Expected,
    state: &State,
) -> Result<(), String> {
    let is_there = *state == expected.after;
    match job.kind {
        Kind::Once if is_there || job.name == "rpc" => return Ok(()),
        // What is purged cannot be named once more.
        Kind::Again if is_there && job.name == "purge" => return Ok(()),
        Kind::Files | Kind::Store => remove_tree(&job.out(place)),
        _ => {}
    }
    let again = job.run(place).outcome();
    // Of several, one may be purged already.
    if job.name == "purge" && again.code() == Some(1) {
        return Ok(());
    }
    if !again.is_done() {
        return Err(format!("again: {again}"));
    }
    let dump = look(place, &place.db).map_err(|why| format!("again: {why}"))?;
    if let Some(why) = State::of(&dump, &expected.known).differs_from(&expected.after) {
        return Err(format!("again: {why}"));
    }
    made(job, place, expected, true).map_err(|why| format!("again: {why}"))
}

/// What the run left in `out`: files complete under their names, or another store.
pub(crate) fn made(
    job: &Job,
    place: &Place,
    expected: &Expected,
    is_done: bool,
) -> Result<(), String> {
    let out = job.out(place);
    match job.kind {
        Kind::Again | Kind::Once => Ok(()),
        Kind::Files => {
            let found = tree(&out);
            let is_aside = |path: &Path| path.to_string_lossy().contains(".sessile-");
            for (path, facts) in found.iter().filter(|(path, _)| !is_aside(path)) {
                if expected.files.get(path).is_none_or(|right| right.2 != facts.2) {
                    return Err(format!("{} has wrong bytes", path.display()));
                }
            }
            match expected.files.keys().find(|path| !found.contains_key(*path)) {
                Some(path) if is_done => Err(format!("{} is not there", path.display())),
                _ => Ok(()),
            }
        }
        Kind::Store if out.exists() => {
            let dump = look(place, &out).map_err(|why| format!("the new store: {why}"))?;
            match State::of(&dump, &expected.known).differs_from(&expected.before) {
                Some(why) => Err(format!("the new store: {why}")),
                None => Ok(()),
            }
        }
        Kind::Store if is_done => Err("there is no new store".to_owned()),
        Kind::Store => Ok(()),
    }
}

/// Whether a failure says that it may have happened all the same.
pub(crate) fn says_unknown(outcome: &Outcome) -> bool {
    outcome.stderr.contains("may have")
}
