//! Where a lake is kept: immutable files, and a manifest that is replaced as a
//! whole.
//!
//! The code that reads and writes a lake does not know which kind of place it uses.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::manifest::{Entry, MAX_MANIFEST, is_digest};

/// A lake: a folder, or with the feature `s3` a bucket.
///
/// Any path converts into a lake: `export(db, "lake", …)`.
pub struct Lake(pub(crate) Box<dyn Place>);

impl<P: AsRef<Path>> From<P> for Lake {
    fn from(folder: P) -> Self {
        Self(Box::new(Folder::new(folder.as_ref())))
    }
}

/// The manifest's name; it is beside the tables.
pub(crate) const MANIFEST: &str = "manifest.json";

/// An empty file, by which an export ensures that it is the only one.
pub(crate) const LOCK: &str = "lock";

pub(crate) trait Place: Send + Sync {
    /// The name of the lake in errors.
    fn name(&self) -> &Path;

    /// The manifest; `None` if there is none.
    fn manifest(&self) -> Result<Option<Vec<u8>>>;

    /// Opens a file of so many bytes for reading from its beginning; `None` if there
    /// is none. A longer file may be truncated, but to more than that many bytes.
    fn open(&self, path: &str, bytes: u64) -> Result<Option<File>>;

    /// Announces which files are opened next, in this order. Where answers take long,
    /// several are requested at once.
    fn expect(&self, _files: Vec<(String, u64)>) {}

    /// Parquet files below the folders of the tables, whether or not the manifest
    /// names them.
    fn parquet(&self) -> Result<Vec<String>>;

    /// Begins an export.
    fn begin(&self) -> Result<Box<dyn Turn + '_>>;
}

impl dyn Place + '_ {
    /// The name of a file of the lake in errors.
    pub(crate) fn named(&self, path: &str) -> PathBuf {
        self.name().join(path)
    }

    /// Says which files are read next, all of them and in this order.
    pub(crate) fn will_read<'e>(&self, files: impl Iterator<Item = &'e Entry>) {
        self.expect(files.map(|entry| (entry.path(), entry.bytes)).collect());
    }
}

/// A file that is complete, but not in place yet.
pub(crate) struct Whole {
    /// Its path on this machine.
    pub(crate) path: PathBuf,
    pub(crate) entry: Entry,
}

/// An export in progress.
pub(crate) trait Turn {
    /// A folder on this machine for files that are not complete yet.
    fn aside(&self) -> &Path;

    /// A mark that only this export writes into its files, if two exports can run at
    /// once. So no two exports name the same file, and what one leaves behind belongs
    /// to no other.
    fn mark(&self) -> Option<&str>;

    /// The present manifest, which is to be replaced; `None` if there is none.
    fn manifest(&mut self) -> Result<Option<Vec<u8>>>;

    /// Whether the place is empty, except for what a killed first export left.
    fn is_empty(&self) -> Result<bool>;

    /// Removes files that a killed export named and no manifest does, at the latest
    /// when files are added: whoever reads all files would read them.
    fn remove_strays(&mut self, known: &HashSet<String>) -> Result<()>;

    /// Adds files with a manifest that names them. After an error the lake is as it
    /// was.
    fn add(&mut self, files: &[Whole], manifest: &[u8]) -> Result<()>;
}

/// Whether a file has a name that an export gives.
pub(crate) fn is_named_ours(path: &str) -> bool {
    let name = path.rsplit('/').next().and_then(|name| name.strip_suffix(".parquet"));
    name.is_some_and(is_digest)
}

/// The error for a manifest that would be too long to read.
pub(crate) fn too_long(path: PathBuf) -> Error {
    Error::damaged(
        path,
        format!("it is longer than {MAX_MANIFEST} bytes, the limit for a manifest"),
    )
}
