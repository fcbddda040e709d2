//! A lake in a bucket: objects of an object store, named like the files of a
//! folder.
//!
//! A bucket cannot be locked. Each export reads the manifest with its version,
//! uploads files under names that no other export uses, and replaces the manifest
//! on the condition that it still has that version. Of two exports at once, one is
//! rejected. An export deletes files that existed before its own replacement and
//! are in no manifest: the export that uploaded them is rejected by now, or was
//! killed.

use std::collections::HashSet;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path as Key;
use object_store::{
    Error as ObjectError, ObjectStore, ObjectStoreExt, PutMode, PutPayload, UpdateVersion,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::ahead::Ahead;
use crate::error::{Error, Result};
use crate::manifest::MAX_MANIFEST;
use crate::place::{LOCK, Lake, MANIFEST, Place, Turn, Whole, is_named_ours, too_long};
use crate::table::Table;

/// Bytes of a file that are uploaded at once, and held in memory meanwhile.
const PART: u64 = 8 << 20;

/// Files that are uploaded or deleted at once.
const AT_ONCE: usize = 4;

/// A lake in a bucket. It converts into a [`Lake`].
///
/// Its calls block while they wait for the object store on a runtime of their own. Do
/// not make them from an asynchronous task.
pub struct Bucket {
    objects: Objects,
    ahead: Mutex<Ahead>,
    runtime: Runtime,
}

/// The objects of a lake.
#[derive(Clone)]
struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Key,
    /// What errors call the lake.
    name: PathBuf,
    scratch: PathBuf,
}

impl Bucket {
    /// The objects of a store whose names begin with a prefix and a `/`; all objects
    /// if the prefix is empty.
    ///
    /// # Errors
    ///
    /// [`Io`](Error::Io) if the prefix is invalid, or threads cannot be created.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: &str) -> Result<Self> {
        let name = PathBuf::from(format!("{store}/{prefix}"));
        let odd = |err| Error::io("read", &name)(io::Error::new(io::ErrorKind::InvalidInput, err));
        let prefix = Key::parse(prefix).map_err(odd)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::io("connect to", &name))?;
        let objects = Objects { store, prefix, name, scratch: std::env::temp_dir() };
        Ok(Self { objects, ahead: Mutex::default(), runtime })
    }

    /// Sets the name of the lake in errors. Default: that of the object store, and
    /// the prefix.
    pub fn named(mut self, name: impl Into<PathBuf>) -> Self {
        self.objects.name = name.into();
        self
    }

    /// Sets a folder on this machine for files before they are uploaded, with as much
    /// space as an export adds to the lake. Default: the system's temporary folder.
    pub fn scratch(mut self, folder: impl Into<PathBuf>) -> Self {
        self.objects.scratch = folder.into();
        self
    }
}

impl Objects {
    fn key(&self, path: &str) -> Key {
        let whole = match self.prefix.as_ref() {
            "" => path.to_owned(),
            prefix => format!("{prefix}/{path}"),
        };
        // Taken literally: what a partition escapes must not be escaped again.
        Key::parse(&whole).unwrap_or_else(|_| Key::from(whole))
    }

    /// Converts an error of the object store.
    fn failed(&self, action: &'static str, path: &str) -> impl FnOnce(ObjectError) -> Error {
        let at = Error::io(action, self.name.join(path));
        move |err| at(err.into())
    }

    async fn read_manifest(&self) -> Result<Option<(Vec<u8>, UpdateVersion)>> {
        let failed = || self.failed("read", MANIFEST);
        let found = match self.store.get(&self.key(MANIFEST)).await {
            Err(ObjectError::NotFound { .. }) => return Ok(None),
            found => found.map_err(failed())?,
        };
        if MAX_MANIFEST < found.meta.size {
            return Err(too_long(self.name.join(MANIFEST)));
        }
        let meta = &found.meta;
        let version = UpdateVersion { e_tag: meta.e_tag.clone(), version: meta.version.clone() };
        Ok(Some((found.bytes().await.map_err(failed())?.to_vec(), version)))
    }

    /// The names of all objects with the prefix, below it.
    async fn names(&self) -> Result<Vec<String>> {
        let below = (!self.prefix.as_ref().is_empty()).then_some(&self.prefix);
        let depth = self.prefix.parts().count();
        let name = |key: &Key| -> String {
            let parts: Vec<String> =
                key.as_ref().split('/').skip(depth).map(str::to_owned).collect();
            parts.join("/")
        };
        let listed = self.store.list(below).map_ok(|meta| name(&meta.location));
        // Some tools create an object for the prefix itself, which has no name
        // below it.
        let named = listed.try_filter(|name| std::future::ready(!name.is_empty()));
        named.try_collect().await.map_err(self.failed("list", ""))
    }

    async fn download(&self, path: &str, bytes: u64) -> Result<Option<File>> {
        let failed = || self.failed("read", path);
        let aside = || Error::io("write into", &self.scratch);
        let found = match self.store.get(&self.key(path)).await {
            Err(ObjectError::NotFound { .. }) => return Ok(None),
            found => found.map_err(failed())?,
        };
        let mut file = tempfile::tempfile_in(&self.scratch).map_err(aside())?;
        let mut pieces = found.into_stream();
        let mut read = 0;
        while read <= bytes
            && let Some(piece) = pieces.try_next().await.map_err(failed())?
        {
            file.write_all(&piece).map_err(aside())?;
            read += piece.len() as u64;
        }
        io::Seek::rewind(&mut file).map_err(aside())?;
        Ok(Some(file))
    }

    async fn upload(&self, file: &Whole) -> Result<()> {
        let path = file.entry.path();
        let (key, failed) = (self.key(&path), || self.failed("write", &path));
        let read = || Error::io("read", &file.path);
        let mut from = File::open(&file.path).map_err(read())?;
        let mut part = || -> Result<PutPayload> {
            let mut bytes = Vec::new();
            (&mut from).take(PART).read_to_end(&mut bytes).map_err(read())?;
            Ok(bytes.into())
        };
        if file.entry.bytes <= PART {
            return self.store.put(&key, part()?).await.map(drop).map_err(failed());
        }
        let mut upload = self.store.put_multipart(&key).await.map_err(failed())?;
        for _ in 0..file.entry.bytes.div_ceil(PART) {
            if let Err(err) = upload.put_part(part()?).await {
                // If this fails, the parts take space, but belong to no lake.
                let _ = upload.abort().await;
                return Err(failed()(err));
            }
        }
        upload.complete().await.map(drop).map_err(failed())
    }

    /// Deletes files, ignoring failures: they are in no manifest, and the next export
    /// tries again.
    async fn delete(&self, paths: impl IntoIterator<Item = String>) {
        let keys: Vec<_> = paths.into_iter().map(|path| Ok(self.key(&path))).collect();
        self.store.delete_stream(stream::iter(keys).boxed()).for_each(|_| async {}).await;
    }

    /// Whether the server honours conditional writes. A server that does not know
    /// conditions would write anyway.
    async fn keeps_conditions(&self) -> Result<bool> {
        let key = self.key(LOCK);
        let put = async |mode: PutMode| match self
            .store
            .put_opts(&key, PutPayload::new(), mode.into())
            .await
        {
            Ok(_) => Ok(true),
            Err(ObjectError::AlreadyExists { .. } | ObjectError::Precondition { .. }) => Ok(false),
            Err(ObjectError::NotImplemented { .. } | ObjectError::NotSupported { .. }) => Ok(true),
            Err(err) => Err(self.failed("write", LOCK)(err)),
        };
        // The first export creates the lock file.
        if put(PutMode::Create).await? && put(PutMode::Create).await? {
            return Ok(false);
        }
        let other = UpdateVersion { e_tag: Some(r#""of nothing""#.to_owned()), version: None };
        Ok(!put(PutMode::Update(other)).await?)
    }
}

impl Bucket {
    /// What is expected; whoever panicked while it held that left it whole.
    fn lock(&self) -> MutexGuard<'_, Ahead> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Bucket> for Lake {
    fn from(bucket: Bucket) -> Self {
        Self(Box::new(bucket))
    }
}

impl Place for Bucket {
    fn name(&self) -> &Path {
        &self.objects.name
    }

    fn manifest(&self) -> Result<Option<Vec<u8>>> {
        let read = self.runtime.block_on(self.objects.read_manifest())?;
        Ok(read.map(|(text, _)| text))
    }

    fn open(&self, path: &str, bytes: u64) -> Result<Option<File>> {
        let start = |path: String, bytes| {
            let objects = self.objects.clone();
            self.runtime.spawn(async move { objects.download(&path, bytes).await })
        };
        let expected = self.lock().take(path, start);
        self.runtime.block_on(async {
            match expected {
                Some(download) => download.await.map_err(|err| {
                    Error::io("read", self.objects.name.join(path))(io::Error::other(err))
                })?,
                None => self.objects.download(path, bytes).await,
            }
        })
    }

    fn expect(&self, files: Vec<(String, u64)>) {
        self.lock().expect(files);
    }

    fn parquet(&self) -> Result<Vec<String>> {
        let mut names = self.runtime.block_on(self.objects.names())?;
        names.retain(|name| name.ends_with(".parquet") && is_of_table(name));
        Ok(names)
    }

    fn begin(&self) -> Result<Box<dyn Turn + '_>> {
        let aside = tempfile::Builder::new()
            .prefix(".sessile-lake-")
            .tempdir_in(&self.objects.scratch)
            .map_err(Error::io("write into", &self.objects.scratch))?;
        let random = || RandomState::new().hash_one(0);
        let mark = format!("{:016x}{:016x}", random(), random());
        Ok(Box::new(BucketTurn { bucket: self, aside, mark, version: None, strays: Vec::new() }))
    }
}

fn is_of_table(name: &str) -> bool {
    name.split_once('/')
        .is_some_and(|(table, below)| Table::named(table).is_some() && below.starts_with("format="))
}

struct BucketTurn<'a> {
    bucket: &'a Bucket,
    aside: TempDir,
    mark: String,
    /// The version of the manifest that was read.
    version: Option<UpdateVersion>,
    /// Files to delete once no export can name them any more.
    strays: Vec<String>,
}

impl Turn for BucketTurn<'_> {
    fn aside(&self) -> &Path {
        self.aside.path()
    }

    fn mark(&self) -> Option<&str> {
        Some(&self.mark)
    }

    fn manifest(&mut self) -> Result<Option<Vec<u8>>> {
        let Some((text, version)) =
            self.bucket.runtime.block_on(self.bucket.objects.read_manifest())?
        else {
            return Ok(None);
        };
        self.version = Some(version);
        Ok(Some(text))
    }

    fn is_empty(&self) -> Result<bool> {
        let names = self.bucket.runtime.block_on(self.bucket.objects.names())?;
        Ok(names.iter().all(|name| name == LOCK || is_of_table(name)))
    }

    fn remove_strays(&mut self, known: &HashSet<String>) -> Result<()> {
        self.strays = self.bucket.parquet()?;
        self.strays.retain(|path| is_named_ours(path) && !known.contains(path));
        Ok(())
    }

    fn add(&mut self, files: &[Whole], manifest: &[u8]) -> Result<()> {
        self.bucket.runtime.block_on(self.upload_all(files, manifest))
    }
}

impl BucketTurn<'_> {
    async fn upload_all(&mut self, files: &[Whole], manifest: &[u8]) -> Result<()> {
        let objects = &self.bucket.objects;
        if !objects.keeps_conditions().await? {
            return Err(Error::NoConditions(objects.name.clone()));
        }
        let uploads = stream::iter(files).map(|file| objects.upload(file));
        let done = match uploads.buffer_unordered(AT_ONCE).try_collect().await {
            Ok(()) => self.swap(manifest).await,
            Err(err) => Err(err),
        };
        objects
            .delete(match &done {
                Ok(()) => std::mem::take(&mut self.strays),
                // If in doubt, the manifest may name them.
                Err(Error::Busy(_)) => files.iter().map(|file| file.entry.path()).collect(),
                Err(_) => Vec::new(),
            })
            .await;
        done
    }

    async fn swap(&mut self, manifest: &[u8]) -> Result<()> {
        let objects = &self.bucket.objects;
        let mode = self.version.clone().map_or(PutMode::Create, PutMode::Update);
        let payload = PutPayload::from(manifest.to_vec());
        match objects.store.put_opts(&objects.key(MANIFEST), payload, mode.into()).await {
            Ok(_) => Ok(()),
            Err(ObjectError::AlreadyExists { .. } | ObjectError::Precondition { .. }) => {
                // The answer to an earlier attempt may have been lost, and this is
                // the answer to the second.
                match objects.read_manifest().await? {
                    Some((text, _)) if text == manifest => Ok(()),
                    _ => Err(Error::Busy(objects.name.clone())),
                }
            }
            Err(err) => Err(objects.failed("write", MANIFEST)(err)),
        }
    }
}
