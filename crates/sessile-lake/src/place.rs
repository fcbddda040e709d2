//! Where a lake stands: files that never change, and a manifest that is swapped as a whole.
//!
//! What reads and writes a lake does not know which of them it is.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::manifest::{Entry, MAX_MANIFEST, is_digest};

/// A lake: a folder, or with the feature `s3` what a bucket holds.
///
/// Whatever is a path is one: `export(db, "lake", …)`.
pub struct Lake(pub(crate) Box<dyn Place>);

impl<P: AsRef<Path>> From<P> for Lake {
    fn from(folder: P) -> Self {
        Self(Box::new(Folder::new(folder.as_ref())))
    }
}

/// A manifest is next to the tables.
pub(crate) const MANIFEST: &str = "manifest.json";

/// An empty file, by which an export proves that it has the lake to itself.
pub(crate) const LOCK: &str = "lock";

pub(crate) trait Place: Send + Sync {
    /// What errors call the lake.
    fn name(&self) -> &Path;

    /// The manifest; `None` where there is none.
    fn manifest(&self) -> Result<Option<Vec<u8>>>;

    /// A file with so many bytes, to be read from its beginning; `None` where there is none. Of a
    /// longer one there may be less, but more than so many bytes.
    fn open(&self, path: &str, bytes: u64) -> Result<Option<File>>;

    /// Says which files are opened next, and in which order: where an answer takes long, several
    /// are asked for at once.
    fn expect(&self, _files: Vec<(String, u64)>) {}

    /// Parquet files below the folders of the tables, whether the manifest names them or not.
    fn parquet(&self) -> Result<Vec<String>>;

    /// Begins an export.
    fn begin(&self) -> Result<Box<dyn Turn + '_>>;
}

impl dyn Place + '_ {
    /// What errors call a file of the lake.
    pub(crate) fn named(&self, path: &str) -> PathBuf {
        self.name().join(path)
    }

    /// Says which files are read next, all of them and in this order.
    pub(crate) fn will_read<'e>(&self, files: impl Iterator<Item = &'e Entry>) {
        self.expect(files.map(|entry| (entry.path(), entry.bytes)).collect());
    }
}

/// A file that is whole but for its name.
pub(crate) struct Whole {
    /// On this machine.
    pub(crate) path: PathBuf,
    pub(crate) entry: Entry,
}

/// An export into a lake.
pub(crate) trait Turn {
    /// A folder of this machine for files until they are whole.
    fn aside(&self) -> &Path;

    /// What no other export says in its files, where two can write at once: so no two name the
    /// same file, and what one of them leaves behind belongs to no other.
    fn mark(&self) -> Option<&str>;

    /// The manifest that is there now, in whose place another is put; `None` where there is none.
    fn manifest(&mut self) -> Result<Option<Vec<u8>>>;

    /// Whether nothing is there but what a killed first export left.
    fn is_empty(&self) -> Result<bool>;

    /// Removes, at the latest when files are added, those that a killed export named and no
    /// manifest does: who reads all files would read them.
    fn remove_strays(&mut self, known: &HashSet<String>) -> Result<()>;

    /// Adds files with a manifest that names them. An error says that the lake is as it was.
    fn add(&mut self, files: &[Whole], manifest: &[u8]) -> Result<()>;
}

/// Whether an export gave a file its name.
pub(crate) fn is_named_ours(path: &str) -> bool {
    let name = path.rsplit('/').next().and_then(|name| name.strip_suffix(".parquet"));
    name.is_some_and(is_digest)
}

/// Refuses a manifest that would not be read again.
pub(crate) fn too_long(path: PathBuf) -> Error {
    Error::damaged(path, format!("it is longer than {MAX_MANIFEST} bytes, as none is"))
}
