//! Exports the sessions of a [`sessile`] store as Parquet files, and imports them
//! back byte for byte.
//!
//! [`export`] adds to a folder, the lake, what it does not hold of a store yet;
//! [`import`] makes a store of a lake; [`verify`] compares a lake with its digests.
//! `docs/lake.md` describes the tables, with queries for DuckDB, ClickHouse and
//! Spark.
//!
//! - `table`, `columns`, `write`, `read`: Parquet, without meaning.
//! - `manifest`: the list of files.
//! - `rows`, `state`, `content`: what a lake contains, for code that reads it.
//! - `export`, `import`, `verify`.
//!
//! The store is read and written by SQL, as `docs/schema.md` describes it: the log
//! and the events, from which [`rebuild`](sessile::Store::rebuild) folds everything
//! else.
//!
//! # Examples
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let db = dir.path().join("sessions.db");
//! use sessile::{ImportOptions, Store};
//! use sessile_lake::{ExportOptions, export, import, verify};
//!
//! let store = Store::open(&db)?;
//! store.import("../../fixtures/kward/small", &ImportOptions::new())?;
//! let lake = dir.path().join("lake");
//! assert!(0 < export(&db, &lake, &ExportOptions::new())?.lines);
//! assert_eq!(export(&db, &lake, &ExportOptions::new())?.files, 0);
//! assert!(verify(&lake)?.findings.is_empty());
//!
//! import(&lake, dir.path().join("back.db"))?;
//! let back = Store::open(dir.path().join("back.db"))?;
//! assert!(back.verify("../../fixtures/kward/small")?.differences.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(missing_docs)]
#![warn(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::exit)]

#[cfg(feature = "s3")]
mod ahead;
#[cfg(feature = "s3")]
mod bucket;
mod columns;
mod content;
mod error;
mod export;
mod folder;
mod import;
mod manifest;
mod place;
mod read;
mod replace;
mod rows;
mod state;
mod table;
mod verify;
mod write;

#[cfg(feature = "s3")]
pub use bucket::Bucket;
pub use error::{Error, Result};
pub use export::{ExportOptions, ExportReport, export};
pub use import::{ImportReport, import};
#[cfg(feature = "s3")]
pub use object_store;
pub use place::Lake;
pub use verify::{Finding, VerifyReport, verify};
