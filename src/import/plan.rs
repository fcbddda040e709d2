//! How a file goes on from what the store holds of it: decided here, and nowhere else.
//!
//! What goes into a chain that is there already and what is written from its
//! first byte are different types, each with one road into the log, so that
//! neither can be taken for the other.

use crate::store::files::{FileKind, FileRow};

/// What the store holds of a path.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// What stands there now, of whatever kind.
    pub(super) current: Option<FileRow>,
    /// The beginning of a large file, which an interrupted import left.
    pub(super) partial: Option<FileRow>,
}

/// Which of what is known the file on disk begins with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heads {
    pub(super) current: bool,
    pub(super) partial: bool,
}

/// How a file goes on.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// It holds what it held.
    Same(Box<FileRow>),
    Once(Once),
    Large(Large),
}

/// Written in one transaction.
#[derive(Clone, Debug)]
pub(super) enum Once {
    New,
    /// The tail follows.
    Grown(Box<FileRow>),
    /// All of it follows, and takes the place of this.
    Rewritten(Box<FileRow>),
}

/// Written batch by batch into a chain that nothing shows before it is complete.
#[derive(Clone, Debug)]
pub(super) struct Large {
    /// What it takes the place of.
    pub(super) base: Option<Box<FileRow>>,
    pub(super) left: Left,
}

/// What an interrupted import left of a large file.
#[derive(Clone, Debug)]
pub(super) enum Left {
    Nothing,
    /// Its beginning; the rest follows.
    Beginning(Box<FileRow>),
    /// Something else, which goes; all of the file follows.
    Other(Box<FileRow>),
}

/// What the report counts a file as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    New,
    Grown,
    Rewritten,
}

impl Once {
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

impl Way {
    /// The chain that what follows goes on from.
    pub(super) fn goes_on(&self) -> Option<&FileRow> {
        match self {
            Self::Once(Once::Grown(base)) => Some(base),
            Self::Large(Large { left: Left::Beginning(partial), .. }) => Some(partial),
            Self::Same(_) | Self::Once(_) | Self::Large(_) => None,
        }
    }
}

/// Decides how a file of this kind and size goes on; up to `whole` bytes are written at once.
pub(super) fn decide(kind: FileKind, size: u64, known: Known, heads: Heads, whole: u64) -> Way {
    let Known { current, partial } = known;
    let (current, partial) = (current.map(Box::new), partial.map(Box::new));
    match (current, partial) {
        (Some(current), _) if heads.current && current.size == size => Way::Same(current),
        // A document has no tail: its pieces are of one size. What was emptied may
        // be of another session by now, and what it held stays its own.
        (Some(current), _) if heads.current && kind == FileKind::Log && !is_emptied(&current) => {
            Way::Once(Once::Grown(current))
        }
        (base, Some(partial)) if heads.partial => {
            Way::Large(Large { base, left: Left::Beginning(partial) })
        }
        (base, left) if whole < size => {
            Way::Large(Large { base, left: left.map_or(Left::Nothing, Left::Other) })
        }
        (Some(base), _) => Way::Once(Once::Rewritten(base)),
        (None, _) => Way::Once(Once::New),
    }
}

/// Whether a file lost all that it held before.
fn is_emptied(file: &FileRow) -> bool {
    file.size == 0 && 1 < file.generation
}
