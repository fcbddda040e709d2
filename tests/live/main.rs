//! Live sessions: what the library promises of writing, beyond single records.

mod copies;
mod creation;
mod navigation;
mod support;
