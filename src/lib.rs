//! Every session of your AI agents in one SQLite file, and the JSONL files they
//! came from back byte for byte.
//!
//! ```text
//!   ~/.pi    ── import ──▶  log          every physical line, exact bytes
//!                            │ fold
//!                            ▼
//!                           tables       sessions, entries, labels, …  ──▶ list, tree, context
//!   out/     ◀── export ──  log          concatenated again
//! ```
//!
//! The log is the truth: a line of a session file is a row with its bytes,
//! whatever they are. Everything that can be asked is a fold over it, written in
//! the same transaction, and can be folded again to prove it.
//!
//! # Examples
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let root = std::path::Path::new("fixtures/kward/small");
//! use sessile::{ImportOptions, SessionFilter, Store};
//!
//! let store = Store::open(&dir.path().join("sessions.db"))?;
//! store.import(root, &ImportOptions::new())?;
//! assert!(store.verify(root)?.differences.is_empty());
//!
//! let newest = &store.sessions(&SessionFilter::new())?.rows[0];
//! let session = store.session(newest.key)?;
//! for message in session.context()? {
//!     println!("{}: {}", message.role(), message.text());
//! }
//! for entry in session.path()? {
//!     println!("{} {} {:?}", entry.id, entry.entry_type, entry.label);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Formats
//!
//! A [`Format`] is a pure module that says what lines mean, and a projection.
//!
//! - **Kward** (versions 1 and 2): a file is a session; everything can be
//!   written, in Kward's bytes.
//! - **Kimi** (to 1.52): a folder of files is a session, see [`Session::kimi`]. Contexts that were
//!   cleared, compacted or reverted are branches of one tree, whose entries
//!   have ids made of their content; sub-agents have trees of their own.
//! - **pi** (versions 1 to 3): a file is a session, all of whose records are
//!   entries, see [`Session::pi`] and [`Session::usage`].
//!
//! What Kimi's own session store does is here, too:
//!
//! | there | here |
//! |---|---|
//! | `load_all_sessions`, `load_all_sessions_cached`, `load_sessions_page` | [`Store::sessions`]: by limit and offset, or by cursor at any depth |
//! | `invalidate_sessions_cache` | nothing to do: a list is an index read, never stale |
//! | `load_session_by_id` | [`Store::find`], [`Store::session`] |
//! | `load_session_metadata` | [`Kimi::state`]: legacy metadata merged, nothing written |
//! | `save_session_metadata` | [`Session::rename`], [`Session::archive`], [`Session::unarchive`] |
//! | `run_auto_archive` | [`Store::archive_older_than`]: when you say so |
//! | `fork_session`, `/undo` | [`Kimi::fork_at_turn`], [`Session::clone_session`], [`Kimi::undo_to_turn`] |
//! | `enumerate_turns` | [`Kimi::turns`] |
//! | `/export` | [`Session::markdown`] |
//! | `DELETE` | [`Session::trash`], and [`Session::purge`] |
//!
//! # What always holds
//!
//! - Nothing is printed again: numbers keep their spelling, keys their order,
//!   torn lines their tear. An export is a concatenation.
//! - What cannot be understood is a [`Problem`] with its position; what stands
//!   after it is read all the same, and no file affects another's session.
//! - A root is read, never written, and no link is followed.
//! - One public method is one transaction. `Ok` means durable, an error means
//!   that nothing happened. Only [`Store::import`], [`Store::rebuild`] and
//!   [`Store::prune`], which can take long, are several, each of which leaves a
//!   whole store.
//! - Nothing damaged is passed on: a line is compared with its checksum wherever
//!   it is read, an exported file with its digest, too. What does not match is
//!   [`Error::Damaged`], and keeps nothing else back.
//! - Reading writes nothing. There is no cache: a list is an index read.
//! - Nothing expires. Nothing is deleted because somebody looked.
//! - The library prints nothing and reads no environment; the clock only where
//!   a caller could have given the time.
//!
//! # Words
//!
//! - *session*: one conversation; *entry*: a node of its tree, of which a
//!   message is one kind.
//! - *line*: bytes in a file; *record*: what a line means.
//! - *leaf*: the active entry; *path*: the entries from a root to one;
//!   *branch*: the path to the leaf.
//! - *context*: the messages that a program would go on with, where a
//!   *compaction* stands for what it summarises.
//! - *label*: a name that a user gave an entry.
//! - *root* or *source*: a folder that session files were imported from.
//! - *work dir*: the directory that a session worked in.
//!
//! Times are UTC; sizes are bytes.

#![warn(missing_docs)]
#![warn(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::exit)]

mod capture;
mod chain;
mod check;
mod context;
mod dump;
mod earlier;
mod error;
mod export;
mod fold;
mod format;
mod import;
mod lineage;
mod model;
mod names;
mod prune;
mod recover;
mod roots;
mod session;
mod stats;
mod store;
mod tree_rows;
mod verify;

pub use capture::{CapturedBranch, CapturedEntry};
pub use check::{Finding, ForeignObject};
pub use context::Node;
pub use earlier::Generation;
pub use error::{Error, Failure, Result};
pub use export::{ExportOptions, ExportReport};
pub use format::Part;
pub use format::handles::*;
pub use import::{ImportOptions, ImportReport, LossCause, LostLines, Progress};
pub use lineage::SessionNode;
pub use model::{
    Entry, Format, Header, Json, Label, Message, Metadata, Problem, ProblemKind, SessionInfo,
    SessionKey, Stored, Timestamp, Turn, Usage,
};
pub use prune::{Prunable, PruneReport};
pub use recover::{Incomplete, RecoverReport, recover};
pub use roots::RootInfo;
pub use session::{
    Fork, LabelChange, NewSession, PromptSnapshot, Recorder, RewindPoint, RuntimeUpdate, Session,
    Snapshot,
};
pub use stats::{FileCount, ObjectSize, Stats};
pub use store::{
    Archived, Cursor, Durability, Page, SessionFilter, SessionRow, Store, StoreOptions, Traces,
    Watch,
};
pub use tree_rows::TreeRow;
pub use verify::{Difference, VerifyReport};

/// The README's example runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
