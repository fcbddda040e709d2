//! Many writers on one database, and writers that are killed.
//!
//! Small unless asked: `SESSILE_STRESS_OPERATIONS` and `SESSILE_STRESS_KILLS`
//! scale it. What counts is what was acknowledged: all of it is there, once.

mod crowd;
#[cfg(feature = "cli")]
mod kills;
mod support;
