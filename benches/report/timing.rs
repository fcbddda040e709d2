//! Two things in turns: what disturbs the machine disturbs both.

use std::time::{Duration, Instant};

use crate::Outcome;

/// Times of two things that took turns.
pub(crate) struct Turns {
    one: Vec<Duration>,
    other: Vec<Duration>,
}

/// Lets both run `rounds` times; each says how long what counts of it took.
pub(crate) fn in_turns(
    rounds: usize,
    mut one: impl FnMut() -> Outcome<Duration>,
    mut other: impl FnMut() -> Outcome<Duration>,
) -> Outcome<Turns> {
    let mut turns = Turns { one: Vec::new(), other: Vec::new() };
    for _ in 0..rounds {
        turns.one.push(one()?);
        turns.other.push(other()?);
    }
    Ok(turns)
}

impl Turns {
    /// How many times as long the one took: of medians, since both had the same disturbances.
    pub(crate) fn ratio(&self) -> f64 {
        median(&self.one).as_secs_f64() / median(&self.other).as_secs_f64()
    }

    pub(crate) fn one(&self) -> Duration {
        median(&self.one)
    }

    pub(crate) fn other(&self) -> Duration {
        median(&self.other)
    }
}

pub(crate) fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// How long it takes.
pub(crate) fn time<T>(what: impl FnOnce() -> Outcome<T>) -> Outcome<(Duration, T)> {
    let start = Instant::now();
    let value = what()?;
    Ok((start.elapsed(), value))
}

/// The median of so many rounds, after one that warms up.
pub(crate) fn repeat<T>(rounds: usize, mut what: impl FnMut() -> Outcome<T>) -> Outcome<Duration> {
    what()?;
    let mut times = Vec::new();
    for _ in 0..rounds {
        times.push(time(&mut what)?.0);
    }
    Ok(median(&times))
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
