//! The attack: what can go wrong outside the program goes wrong, again and again.
//!
//! Calls of the system fail, the power goes, processes are killed, databases
//! are damaged, roots and requests are garbled. A short form runs here;
//! `scripts/soak` runs the long one. `docs/reliability.md` says what is shown.
#![cfg(all(target_os = "linux", feature = "cli"))]

mod calls;
mod damage;
mod disk;
mod garble;
mod jobs;
mod kills;
mod power;
mod requests;
mod roots;
mod schemas;
mod shim;
mod states;
mod support;
mod verdict;
