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
//! The log is the truth: every line of a session file is a row with its exact
//! bytes. All other tables are a fold over the log, written in the same
//! transaction, and can be folded again to check them.
//!
//! # Examples
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let root = std::path::Path::new("fixtures/kward/small");
//! use sessile::{ImportOptions, SessionFilter, Store};
//!
//! let store = Store::open(dir.path().join("sessions.db"))?;
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
//! A [`Format`] is a pure module that says what the lines of a program mean, and a
//! projection.
//!
//! - **Kward** (versions 1 and 2): a file is a session; everything can be written,
//!   in Kward's bytes, see [`Session::kward`].
//! - **Kimi** (to 1.52): a folder of files is a session, see [`Session::kimi`].
//!   Contexts that were cleared, compacted or reverted are branches of one tree,
//!   whose entry ids are made from their content; sub-agents have trees of their
//!   own.
//! - **pi** (versions 1 to 3): a file is a session, and each of its records is an
//!   entry, see [`Session::pi`] and [`Session::usage`].
//! - **Claude Code** (1.0 to 2.1): a transcript is a session; its sub-agents are
//!   sessions that lists leave out. Which branch is the conversation is determined
//!   from the whole transcript. The results of parallel tool calls, which are
//!   beside the path, are put back, so [`Session::path`] may hold more entries than
//!   [`Session::path_to`] its leaf.
//! - **Codex** (April 2025 to 0.171): a rollout is a session; those that another
//!   file of their thread has superseded are sessions that lists leave out.
//!   Rollbacks and reverts are branches. Names, the archive and compressed files are
//!   understood; a compressed file that is written to becomes a plain one.
//!
//! The operations of Kimi's own session store, and their equivalents here:
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
//! # Which format for my own program?
//!
//! A program of your own keeps its sessions in the format of one of these programs,
//! which can then open an [export](Store::export) of them.
//!
//! - **Kward** is the [default](Format::default()). Messages are any JSON objects,
//!   and their ids are given or generated. There are records for labels, names, a
//!   moved leaf and, through [`Session::kward`], the system prompt, tool executions
//!   and memory.
//! - **pi**, if pi is to open the sessions. A message must be one that pi reads;
//!   anything else is an [entry](Pi::append_entry).
//! - **Claude Code**, if that program or its Agent SDK is to open the sessions. A
//!   message is of a user or an assistant; [`Session::append_record`] takes any
//!   other record.
//! - A **Kimi** session can only be made by Kimi, or by forking an existing one.
//!
//! What the files have no place for, an application keeps beside the session, in
//! any format: [metadata](Session::set_metadata) and [tags](Session::tag).
//!
//! # Messages
//!
//! A message is a JSON object, and [`Session::append_message`] takes it in the
//! shape of the session's format. Reading returns a [`Message`]: the object as
//! [`json`](Message::json) or [`value`](Message::value), and its content in a form
//! common to all formats, as [`role`](Message::role), [`text`](Message::text) and
//! [`parts`](Message::parts): text, thinking, images, [tool calls](ToolCall) with
//! id, name and arguments, and tool results with the id of the call they answer.
//!
//! | | Kward | pi | Kimi (read only) |
//! |---|---|---|---|
//! | says | `role` (`user`, `assistant`, `system`), `content`: text, or a list of parts such as `{"type": "text", "text": …}` | the same; an assistant's `content` is always a list, text is made one | the same |
//! | thinks | `reasoning_summary`, or a part `{"type": "thinking", "thinking": …}` | a part `{"type": "thinking", "thinking": …}` | a part `{"type": "think", "think": …}` |
//! | calls tools | `tool_calls`: `[{"id", "function": {"name", "arguments"}}]`, or a part `{"type": "toolCall", "id", "name", "arguments"}` | a part `{"type": "toolCall", "id", "name", "arguments"}` | `tool_calls` |
//! | answers a call | `role` `tool`, `tool_call_id`, `name`, `content` | `role` `toolResult`, `toolCallId`, `toolName`, `content` | `role` `tool`, `tool_call_id`, `content` |
//! | what is added | `id`, where there is none | what pi reads without asking: `timestamp`, `usage`, `api`, `provider`, `model`, `stopReason`, `isError` | |
//! | system prompt | [`Kward::append_system_prompt_snapshot`] | a message of role `system` | `_system_prompt` in its context |
//!
//! A message of Claude Code has content as in the Anthropic API: `tool_use` and
//! `tool_result` blocks, thinking in `thinking`. The id of its entry is not one of
//! its keys. A message of Kward needs none of these keys, and any other keys are
//! kept as they are. [`Session::compact`] writes a [`Compaction`] in the keys of
//! the format; [`Session::append_compaction`] takes these keys:
//!
//! | format | keys | what is kept |
//! |---|---|---|
//! | Kward | of the message: `role` (`compactionSummary`), `summary`, `first_kept_entry_id`, `tokens_before`, `from_hook`, `details` | the messages from `first_kept_entry_id` on; none without it |
//! | pi | of the entry: `summary`, `firstKeptEntryId`, `tokensBefore`, `details` | the entries from `firstKeptEntryId` on, system messages apart; none without it |
//! | Claude Code | `summary`, and of the boundary before it: `compactMetadata` (`trigger`, `preTokens`, …), which details are added to | nothing: its SDK begins at the boundary, and a compaction that is to keep something is refused |
//!
//! # Recipes
//!
//! Continue the newest session of a work dir, or create one:
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
//! use sessile::{NewSession, SessionFilter};
//!
//! let resume = |work_dir: &str| -> sessile::Result<sessile::Session> {
//!     let newest = SessionFilter::new().work_dir(work_dir).limit(1);
//!     match store.sessions(&newest)?.rows.first() {
//!         Some(row) => store.session(row.key),
//!         None => store.create(&NewSession::new(work_dir)),
//!     }
//! };
//! let begun = resume("/home/me/project")?;
//!
//! assert_eq!(resume("/home/me/project/")?.key(), begun.key());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Record a tool call and its result, and find the calls without a result, as after
//! a crash:
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
//! # let session = store.create(&sessile::NewSession::new("/home/me/project"))?;
//! use serde_json::json;
//! use sessile::Part;
//!
//! let call = |id: &str, path: &str| {
//!     json!({"id": id, "type": "function",
//!            "function": {"name": "read", "arguments": json!({"path": path}).to_string()}})
//! };
//! session.append_message(json!({"role": "assistant", "content": null,
//!     "tool_calls": [call("c1", "a.txt"), call("c2", "b.txt")]}))?;
//! session.append_message(
//!     json!({"role": "tool", "tool_call_id": "c1", "name": "read", "content": "Hello."}))?;
//!
//! let mut open = Vec::new();
//! for part in session.context()?.iter().flat_map(|message| message.parts()) {
//!     match part {
//!         Part::ToolCall(call) => open.push(call),
//!         Part::ToolResult { call_id, .. } => open.retain(|call| call.id != call_id),
//!         _ => {}
//!     }
//! }
//! assert_eq!(open.len(), 1);
//! assert_eq!(open[0].arguments_value()["path"], "b.txt");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Read one branch of several: [`Session::leaves`] returns the ends of all
//! branches, [`Session::context_at`] the messages of one branch,
//! [`Session::path_to`] its entries.
//!
//! Follow a session live, whoever writes it: [`Store::watch`] detects at next to no
//! cost that something was written, and [`Session::entries_after`] returns what.
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
//! # let session = store.create(&sessile::NewSession::new("/home/me/project"))?;
//! let mut watch = store.watch()?;
//! let mut seen = 0;
//! # session.append_message(r#"{"role":"user","content":"What is a leaf?"}"#)?;
//! # for _ in 0..1 {
//! // In a loop, with a pause:
//! if watch.changed()? {
//!     for entry in session.entries_after(seen, 100)? {
//!         println!("{}: {}", entry.role.as_deref().unwrap_or("-"), session.text_of(&entry.id)?);
//!         seen = entry.line;
//!     }
//! }
//! # }
//! # assert_eq!(seen, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Tell errors apart by what to do about them:
//!
//! - [`is_busy`](Error::is_busy): nothing happened, and the same call may succeed
//!   later. The store has already waited for the [busy
//!   timeout](StoreOptions::busy_timeout).
//! - [`is_conflict`](Error::is_conflict): another writer came first. Read again
//!   ([`context`](Session::context), if the leaf moved) and decide anew.
//! - [`is_not_found`](Error::is_not_found): there is nothing of this name.
//! - [`CommitUnknown`](Error::CommitUnknown): check whether the change is there
//!   before you repeat it. If you choose the id ([`Session::with_id`]), repeating
//!   an append that was written is a conflict, never a second entry.
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
//! # let session = store.create(&sessile::NewSession::new("/home/me/project"))?;
//! let answer = |text: &str| -> sessile::Result<String> {
//!     loop {
//!         let leaf = session.info()?.leaf;
//!         let message = serde_json::json!({"role": "assistant", "content": text});
//!         match session.expecting(leaf.as_deref()).append_message(message) {
//!             Err(err) if err.is_conflict() => {} // read what came between, and ask anew
//!             Err(err) if err.is_busy() => {} // wait a little
//!             done => return done,
//!         }
//!     }
//! };
//! answer("The active entry.")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What always holds
//!
//! - Nothing is reformatted: numbers keep their spelling, keys their order, and
//!   torn lines stay torn. An export is a concatenation of lines.
//! - What cannot be understood is a [`Problem`] with its position. What follows it
//!   is read all the same, and no file affects another's session.
//! - A root is read, never written, and symbolic links are not followed.
//! - One public method is one transaction. `Ok` means durable; an error means that
//!   nothing happened. Only the methods that can take long, [`Store::import`],
//!   [`Store::merge`], [`Store::rebuild`], [`Store::prune`] and [`Store::seal`], use several
//!   transactions, each of which leaves a consistent store.
//! - Damaged data is never returned: a line is compared with its checksum whenever
//!   it is read, and an exported file with its digest, too. A mismatch is
//!   [`Error::Damaged`], and does not affect anything else.
//! - Reading writes nothing, except that a search brings its index up to date.
//!   There is no cache to go stale: a list is an index read.
//! - Nothing expires, and nothing is deleted unless a call asks for it.
//! - The library prints nothing and reads no environment. It reads the clock only
//!   where a caller can pass the time instead.
//!
//! # Words
//!
//! Of sessions:
//!
//! - *session*: one conversation; *entry*: a node of its tree (a message is one
//!   kind of entry).
//! - *line*: the bytes of a line in a file; *record*: what a line means.
//! - *leaf*: the active entry, to which the next append adds a child; *to branch*:
//!   to make another entry the leaf. [`Session::leaves`] returns all entries
//!   without children, usually including the leaf.
//! - *path*: the entries from a root of the tree to an entry; *active branch*: the
//!   path to the leaf.
//! - *context*: the messages that a program would continue with, in which a
//!   *compaction* replaces what it summarises.
//! - *turn*: a prompt and everything up to the next prompt.
//! - *label*: a name that a user gave to an entry; *tag*: a keyword of a session;
//!   *metadata*: values that an application keeps for a session.
//! - *clone*: a new session with everything that another has; *fork*: a new session
//!   with the path to an entry of another.
//! - *archive*: lists leave the session out; *trash*: exports do, too; *purge*: it
//!   is deleted for good.
//! - *work dir*: the directory that a session worked in.
//!
//! Of the store:
//!
//! - *root* or *source*: a folder that session files were imported from.
//! - *log*: a session file as rows, one per line; *chain*: a sequence of lines that
//!   make up one version of a file. A session that continued here has a local
//!   chain.
//! - *generation*: the content of a file between two rewrites.
//! - *unit*: the files that make up one session.
//! - *fold*: the function from lines to tables; *projection*: a table that it
//!   makes; *head*: the row with a session's summary.
//! - *run*: consecutive entries, each the parent of the next.
//! - *event*: a decision made here that no session file holds.
//! - *problem*: something that could not be understood, with its position.
//!
//! Times are UTC; sizes are bytes. Types that are read from a store implement
//! `serde::Serialize`: times as RFC 3339, names as the command line spells them,
//! paths as text, and a [`Message`] as an object with the key `message`.

#![warn(missing_docs)]
#![warn(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::exit)]

mod capture;
mod chain;
mod check;
mod context;
#[cfg(test)]
mod counts;
#[cfg(test)]
mod counts_beside;
mod dump;
mod earlier;
mod error;
mod export;
mod fold;
mod format;
mod import;
mod lineage;
mod merge;
mod model;
mod names;
mod prune;
mod query;
mod recover;
mod roots;
mod seal;
mod search;
mod session;
mod stats;
mod store;
mod tree_rows;
mod usage;
mod verify;

pub use capture::{CapturedBranch, CapturedEntry, CapturedTree};
pub use check::{Finding, ForeignObject};
pub use context::Node;
pub use earlier::Generation;
pub use error::{Error, Failure, Result};
pub use export::{Aside, ExportOptions, ExportReport};
pub use format::handles::*;
pub use format::{Part, ResultFile, ToolCall};
pub use import::{ImportOptions, ImportReport, LossCause, LostLines, Progress};
pub use lineage::SessionNode;
pub use merge::{KeptAside, MergeOptions, MergeReport, Refused};
pub use model::{
    Compaction, Entry, FileKind, FileState, Format, Header, Json, Label, Message, Metadata,
    Problem, ProblemKind, RuntimeUpdate, SessionInfo, SessionKey, Stored, Timestamp, Turn, Usage,
};
pub use prune::{Prunable, PruneReport};
pub use query::Cell;
pub use recover::{Incomplete, RecoverReport, recover};
pub use roots::{ForgottenRoot, MovedRoot, RootInfo};
pub use seal::{SealOptions, SealReport};
pub use search::{Hit, Search, SearchCursor, SearchPage, TitleHit};
pub use session::{
    Fork, LabelChange, NewSession, PromptSnapshot, Recorder, RewindPoint, Session, Snapshot,
};
pub use stats::{FileCount, ObjectSize, Stats};
pub use store::{
    Archived, Cursor, Durability, Page, SessionFile, SessionFilter, SessionRow, Store,
    StoreOptions, Traces, Watch, unpack_line,
};
pub use tree_rows::TreeRow;
pub use usage::{UsageFilter, UsageRecord};
pub use verify::{Difference, VerifyReport};

/// The README's example runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
