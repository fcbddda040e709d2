//! Decides how a file continues what the store holds of it.
//!
//! Appending to an existing chain and writing a new one are different types, each
//! with a single path into the log, so that they cannot be confused.

use crate::store::files::{FileKind, FileRow};

/// What the store holds of a path.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownFile {
    /// The current file, of any kind.
    pub(super) current: Option<FileRow>,
    /// The partial chain of a large file, from an interrupted import.
    pub(super) partial: Option<FileRow>,
}

/// Which of the known chains the file on disk begins with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heads {
    pub(super) current: bool,
    pub(super) partial: bool,
}

/// How a file continues.
#[derive(Clone, Debug)]
pub(super) enum Continuation {
    /// It did not change.
    Same(Box<FileRow>),
    SingleTransaction(SingleTransaction),
    Large(Large),
}

/// A file that is written in one transaction.
#[derive(Clone, Debug)]
pub(super) enum SingleTransaction {
    New,
    /// Only the tail follows.
    Grown(Box<FileRow>),
    /// The whole file follows, and replaces this one.
    Rewritten(Box<FileRow>),
}

/// A file that is written batch by batch, into a chain that is invisible until it is
/// complete.
#[derive(Clone, Debug)]
pub(super) struct Large {
    /// The file that it replaces.
    pub(super) base: Option<Box<FileRow>>,
    pub(super) left: Leftover,
}

/// The partial chain of a large file.
#[derive(Clone, Debug)]
pub(super) enum Leftover {
    Nothing,
    /// It is the beginning of the file; the rest follows.
    Beginning(Box<FileRow>),
    /// It is something else, and is removed; the whole file follows.
    Other(Box<FileRow>),
}

/// How the report counts a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    New,
    Grown,
    Rewritten,
}

impl SingleTransaction {
    pub(super) fn base(&self) -> Option<&FileRow> {
        match self {
            Self::New => None,
            Self::Grown(base) | Self::Rewritten(base) => Some(base),
        }
    }

    pub(super) fn counted(&self) -> Counted {
        match self {
            Self::New => Counted::New,
            Self::Grown(_) => Counted::Grown,
            Self::Rewritten(_) => Counted::Rewritten,
        }
    }
}

impl Large {
    pub(super) fn counted(&self) -> Counted {
        if self.base.is_some() { Counted::Rewritten } else { Counted::New }
    }
}

impl Continuation {
    /// The chain that the new content continues.
    pub(super) fn continues(&self) -> Option<&FileRow> {
        match self {
            Self::SingleTransaction(SingleTransaction::Grown(base)) => Some(base),
            Self::Large(Large { left: Leftover::Beginning(partial), .. }) => Some(partial),
            Self::Same(_) | Self::SingleTransaction(_) | Self::Large(_) => None,
        }
    }
}

/// Decides how a file of this kind and size continues; files up to `whole` bytes are
/// written in one transaction.
pub(super) fn decide(
    kind: FileKind,
    size: u64,
    known: KnownFile,
    heads: Heads,
    whole: u64,
) -> Continuation {
    let KnownFile { current, partial } = known;
    let (current, partial) = (current.map(Box::new), partial.map(Box::new));
    match (current, partial) {
        (Some(current), _) if heads.current && current.size == size => Continuation::Same(current),
        // A document has no tail: its chunks have a fixed size. An emptied file may
        // belong to another session by now, so it does not continue its former
        // content.
        (Some(current), _) if heads.current && kind == FileKind::Log && !is_emptied(&current) => {
            Continuation::SingleTransaction(SingleTransaction::Grown(current))
        }
        (base, Some(partial)) if heads.partial => {
            Continuation::Large(Large { base, left: Leftover::Beginning(partial) })
        }
        (base, left) if whole < size => Continuation::Large(Large {
            base,
            left: left.map_or(Leftover::Nothing, Leftover::Other),
        }),
        (Some(base), _) => Continuation::SingleTransaction(SingleTransaction::Rewritten(base)),
        (None, _) => Continuation::SingleTransaction(SingleTransaction::New),
    }
}

/// Whether a file lost all of its content.
fn is_emptied(file: &FileRow) -> bool {
    file.size == 0 && 1 < file.generation
}
