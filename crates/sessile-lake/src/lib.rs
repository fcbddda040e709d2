//! The sessions of a [`sessile`] store as Parquet files, and back byte for byte.

#![warn(missing_docs)]
#![warn(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::exit)]

mod columns;
mod content;
mod error;
mod export;
mod import;
mod manifest;
mod read;
mod rows;
mod state;
mod table;
mod verify;
mod write;

pub use error::{Error, Result};
pub use export::{ExportOptions, ExportReport, export};
pub use import::{ImportReport, import};
pub use verify::{Finding, VerifyReport, verify};
