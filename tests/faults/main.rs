//! Fault injection: everything outside the program fails, again and again.
//!
//! System calls fail, the power is cut, processes are killed, databases are
//! damaged, roots and requests are garbled; and random programs of all operations
//! of a store are compared with a model. A short form runs here; `scripts/soak`
//! runs the long one. `docs/reliability.md` says what is covered.
#![cfg(all(target_os = "linux", feature = "cli"))]

mod calls;
mod damage;
mod disk;
mod garble;
mod jobs;
mod kills;
#[path = "../odd/losses.rs"]
mod losses;
#[path = "../odd/claude.rs"]
mod odd_claude;
#[path = "../odd/codex.rs"]
mod odd_codex;
#[path = "../odd/kimi.rs"]
mod odd_kimi;
#[path = "../odd/kward.rs"]
mod odd_kward;
#[path = "../odd/pi.rs"]
mod odd_pi;
mod power;
mod requests;
mod roots;
mod schemas;
mod sequences;
mod shim;
mod states;
mod support;
mod verdict;
