//! What files of a store are.

use super::named_enum;

named_enum! {
    /// What a file below a root is.
    #[non_exhaustive]
    pub enum FileKind {
        /// One whose lines are records.
        Log = "log",
        /// Any other, kept whole.
        Document = "document",
        /// A symbolic link.
        Link = "link",
        /// A folder.
        Folder = "folder",
    }
}

named_enum! {
    /// Which of the chains of a file it is.
    #[non_exhaustive]
    pub enum FileState {
        /// What its root held at the last import.
        Current = "current",
        /// One that an import has begun to read.
        Partial = "partial",
        /// What its root held before it was rewritten there.
        Superseded = "superseded",
        /// What was written here.
        Local = "local",
    }
}
