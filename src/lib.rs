//! Every session of your AI agents in one SQLite file.
#![warn(missing_docs)]

mod context;
mod error;
mod fold;
mod format;
mod import;
mod model;
mod store;

pub use context::Node;
pub use error::{Error, Result};
pub use import::{ImportOptions, ImportReport, Progress};
pub use model::{
    Entry, Format, Header, Label, Message, Problem, ProblemKind, SessionInfo, SessionKey, Stored,
    Timestamp,
};
pub use store::{Archived, Cursor, Durability, Page, SessionFilter, SessionRow, Store, StoreOptions};
