//! A lake in a folder.
//!
//! Files are renamed into place when they are complete and synced; the manifest
//! likewise, last. An export holds a lock on the folder, so that there is only one
//! at a time.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::manifest::MAX_MANIFEST;
use crate::place::{LOCK, MANIFEST, Place, Turn, Whole, is_named_ours, too_long};
use crate::table::Table;

/// The folder for files that are not complete yet.
const ASIDE: &str = ".export";

/// The name of a manifest that is not complete yet.
const NEW_MANIFEST: &str = ".manifest.json.new";

pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }
}

impl Place for Folder {
    fn name(&self) -> &Path {
        &self.0
    }

    fn manifest(&self) -> Result<Option<Vec<u8>>> {
        let path = self.0.join(MANIFEST);
        let Some(file) = there(File::open(&path)).map_err(Error::io("read", &path))? else {
            return Ok(None);
        };
        let mut text = Vec::new();
        file.take(MAX_MANIFEST + 1).read_to_end(&mut text).map_err(Error::io("read", &path))?;
        if text.len() as u64 <= MAX_MANIFEST { Ok(Some(text)) } else { Err(too_long(path)) }
    }

    fn open(&self, path: &str, _: u64) -> Result<Option<File>> {
        let path = self.0.join(path);
        there(File::open(&path)).map_err(Error::io("read", &path))
    }

    fn parquet(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let mut folders: Vec<PathBuf> =
            Table::ALL.iter().map(|table| self.0.join(table.name())).collect();
        while let Some(folder) = folders.pop() {
            let failed = || Error::io("read", &folder);
            let Some(listed) = there(fs::read_dir(&folder)).map_err(failed())? else { continue };
            for item in listed {
                let item = item.map_err(failed())?;
                let path = item.path();
                if item.file_type().map_err(failed())?.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|end| end == "parquet") {
                    let below = path.strip_prefix(&self.0).unwrap_or(&path);
                    found.push(below.to_string_lossy().into_owned());
                }
            }
        }
        Ok(found)
    }

    fn begin(&self) -> Result<Box<dyn Turn + '_>> {
        let lock = lock(&self.0)?;
        let aside = self.0.join(ASIDE);
        there(fs::remove_dir_all(&aside)).map_err(Error::io("remove", &aside))?;
        make_folder(&aside)?;
        Ok(Box::new(FolderTurn { folder: self, aside, _lock: lock }))
    }
}

/// Locks the folder against other exports.
fn lock(folder: &Path) -> Result<File> {
    make_folder(folder)?;
    let path = folder.join(LOCK);
    let file =
        File::options().create(true).append(true).open(&path).map_err(Error::io("write", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Busy(folder.to_owned())),
        Err(TryLockError::Error(err)) => Err(Error::io("lock", &path)(err)),
    }
}

struct FolderTurn<'a> {
    folder: &'a Folder,
    aside: PathBuf,
    _lock: File,
}

impl Drop for FolderTurn<'_> {
    fn drop(&mut self) {
        // What cannot be removed is left to the next export.
        let _ = fs::remove_dir_all(&self.aside);
    }
}

impl Turn for FolderTurn<'_> {
    fn aside(&self) -> &Path {
        &self.aside
    }

    fn mark(&self) -> Option<&str> {
        None
    }

    fn manifest(&mut self) -> Result<Option<Vec<u8>>> {
        self.folder.manifest()
    }

    fn is_empty(&self) -> Result<bool> {
        let lake = &self.folder.0;
        for name in names(lake)? {
            let is_ours = match Table::named(&name) {
                // Another program may have a folder with such a name.
                Some(_) => {
                    names(&lake.join(&name))?.iter().all(|below| below.starts_with("format="))
                }
                None => matches!(name.as_str(), LOCK | ASIDE | NEW_MANIFEST),
            };
            if !is_ours {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn remove_strays(&mut self, known: &HashSet<String>) -> Result<()> {
        for path in self.folder.parquet()? {
            if is_named_ours(&path) && !known.contains(&path) {
                let path = self.folder.0.join(path);
                there(fs::remove_file(&path)).map_err(Error::io("remove", &path))?;
            }
        }
        Ok(())
    }

    fn add(&mut self, files: &[Whole], manifest: &[u8]) -> Result<()> {
        let lake = &self.folder.0;
        let mut folders = BTreeSet::new();
        for Whole { path, entry } in files {
            let target = lake.join(entry.path());
            let folder = target.parent().unwrap_or(lake);
            make_folder(folder)?;
            // A file with this name has this content, so it may be replaced.
            fs::rename(path, &target).map_err(Error::io("write", &target))?;
            let above = folder.ancestors().take_while(|above| above.starts_with(lake));
            folders.extend(above.map(Path::to_owned));
        }
        folders.iter().try_for_each(|folder| sync_folder(folder))?;
        let (aside, path) = (lake.join(NEW_MANIFEST), lake.join(MANIFEST));
        there(fs::remove_file(&aside)).map_err(Error::io("remove", &aside))?;
        let mut file = create(&aside).map_err(Error::io("write", &aside))?;
        file.write_all(manifest)
            .and_then(|()| file.sync_all())
            .map_err(Error::io("write", &aside))?;
        fs::rename(&aside, &path).map_err(Error::io("write", &path))?;
        sync_folder(lake)
    }
}

/// `None` if the file or folder does not exist.
fn there<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        done => done.map(Some),
    }
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let listed = fs::read_dir(folder).map_err(Error::io("read", folder))?;
    let name = |item: io::Result<fs::DirEntry>| {
        Ok(item.map_err(Error::io("read", folder))?.file_name().to_string_lossy().into_owned())
    };
    listed.map(name).collect()
}

/// Creates a file for the owner only, like a store.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Creates a folder and its missing parents, for the owner only, like a store.
fn make_folder(path: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(Error::io("create the folder", path))
}

fn sync_folder(path: &Path) -> Result<()> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(Error::io("write into", path))
}
