//! Random programs over the roots of four formats and the one store that holds them.
//!
//! After each step the store proves itself, is folded again beside, and is
//! compared with a simple model: of each file the bytes, of each session what
//! was decided. A program that fails is shrunk and printed.
//!
//! `SESSILE_SEQUENCES` programs of `SESSILE_STEPS` steps are tried from the
//! seed `SESSILE_SEED` on; a few by default.

mod program;
mod roots;
mod union;
mod world;

use std::cell::Cell;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::support::Tally;

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(number) => number.parse().unwrap_or_else(|_| panic!("{name} is no number: {number}")),
        Err(_) => default,
    }
}

#[test]
fn after_each_step_of_a_random_program_the_store_is_what_its_model_says() {
    let (first, count) = (number("SESSILE_SEED", 0), number("SESSILE_SEQUENCES", 12));
    let length = number("SESSILE_STEPS", 20) as usize;
    let mut tally = Tally::new("random programs");
    let mut done = 0;
    for seed in first..first + count {
        if tally.is_over() {
            break;
        }
        done += run(seed, length);
        tally.round();
        if (seed - first) % 100 == 99 {
            eprintln!("{} programs", seed - first + 1);
        }
    }
    let steps = tally.rounds() as u64 * length as u64;
    assert!(steps / 2 < done, "of {steps} steps {done} had an effect");
    (0..done).for_each(|_| tally.note("steps with an effect"));
    tally.finish();
}

/// Runs one program, which is made of the seed alone; returns how many steps had an effect.
fn run(seed: u64, length: usize) -> u64 {
    let done = Cell::new(0);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config {
        failure_persistence: None,
        max_shrink_iters: 100_000,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let programs = proptest::collection::vec(program::step(), length);
    let program = programs.new_tree(&mut runner).unwrap();
    let run = runner.run_one(program, |steps| {
        let mut world = world::World::new();
        for step in &steps {
            world.take(step).map_err(|wrong| {
                TestCaseError::fail(format!("after step {} ({step:?}): {wrong}", world.steps()))
            })?;
        }
        done.set(world.effects());
        Ok(())
    });
    match run {
        Ok(_) => done.get(),
        Err(TestError::Fail(reason, steps)) => {
            let steps: Vec<String> = steps.iter().map(|step| format!("  {step:?}\n")).collect();
            let steps = steps.concat();
            panic!("SESSILE_SEED={seed} SESSILE_STEPS={length} fails {reason}\nSteps:\n{steps}");
        }
        Err(TestError::Abort(reason)) => panic!("SESSILE_SEED={seed}: {reason}"),
    }
}
