//! Every session of your AI agents in one SQLite file.
#![warn(missing_docs)]

mod check;
mod context;
mod dump;
mod error;
mod export;
mod fold;
mod format;
mod import;
mod model;
mod names;
mod store;
mod verify;

pub use check::Finding;
pub use context::Node;
pub use error::{Error, Result};
pub use export::{ExportOptions, ExportReport};
pub use import::{ImportOptions, ImportReport, Progress};
pub use model::{
    Entry, Format, Header, Label, Message, Problem, ProblemKind, SessionInfo, SessionKey, Stored,
    Timestamp,
};
pub use store::{
    Archived, Cursor, Durability, Page, SessionFilter, SessionRow, Store, StoreOptions,
};
pub use verify::{Difference, VerifyReport};
