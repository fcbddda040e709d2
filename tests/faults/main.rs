//! The attack: what is to hold whatever happens to the store and around it.

#[path = "../odd/kimi.rs"]
mod odd_kimi;
#[path = "../odd/kward.rs"]
mod odd_kward;
#[path = "../odd/pi.rs"]
mod odd_pi;
mod sequences;
