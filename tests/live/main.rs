//! Live sessions: what the library promises of writing, beyond single records.

mod copies;
mod support;
