//! Live sessions: what the library promises of writing, beyond single records.

mod capture;
#[cfg(feature = "cli")]
mod commands;
mod copies;
mod creation;
mod lineage;
mod navigation;
mod recorder;
mod support;
mod watching;
