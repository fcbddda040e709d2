//! Tests from outside: each module is a subject, each test a promise.

mod branches;
mod check;
#[cfg(feature = "cli")]
mod cli;
mod concurrency;
mod growth;
mod kward;
mod layers;
mod listing;
mod migrations;
mod open;
mod packing;
mod properties;
mod roundtrip;
mod support;
