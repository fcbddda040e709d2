//! Kimi's share directory, as its command line wrote it from the first release to 1.52.
//!
//! A session is a folder of files: the context that the model sees, the wire
//! that the user saw, a state, sub-agents. Text is what Python reads: lines end
//! at LF, CRLF and CR, JSON may hold NaN, integers of any length and half
//! surrogate pairs.

pub(crate) mod context;
pub(crate) mod layout;
mod lax;
pub(crate) mod text;
