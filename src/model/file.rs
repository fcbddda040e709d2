//! Kinds and states of a store's files.

use super::named_enum;

named_enum! {
    /// What kind of file is below a root.
    #[non_exhaustive]
    pub enum FileKind {
        /// A file whose lines are records.
        Log = "log",
        /// Any other file, stored whole.
        Document = "document",
        /// A symbolic link.
        Link = "link",
        /// A folder.
        Folder = "folder",
    }
}

named_enum! {
    /// The state of one generation of a file.
    #[non_exhaustive]
    pub enum FileState {
        /// The content at the root at the last import.
        Current = "current",
        /// A large file that an import has not read completely.
        Partial = "partial",
        /// The content at the root before it was rewritten there.
        Superseded = "superseded",
        /// A file that was written here.
        Local = "local",
    }
}
