//! Files of a lake on their way to the disk: one for each table and partition, named by its content.
//!
//! Rows are held in memory until there are enough of them for a row group, or until all that
//! is held is too much; the fullest then goes first. Files lie in a folder aside until all
//! are whole and synced; what a killed export leaves there, the next one removes.

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use parquet::file::writer::SerializedFileWriter;
use sha2::{Digest, Sha256};

use crate::columns::{Buffer, Value};
use crate::error::{Error, Result};
use crate::manifest::{Entry, Partition, hex};
use crate::table::Table;

/// Bytes of a row group, before they are compressed.
const GROUP: usize = 8 << 20;

/// Bytes of all rows that are held.
const HELD: usize = 20 << 20;

/// Bytes of a file, about: one that is much longer takes long to be looked into.
const FILE: u64 = 128 << 20;

/// What the rows of a file have in common.
type Key = (Table, Partition);

/// The files of one export.
pub(crate) struct Writer {
    aside: PathBuf,
    rows: BTreeMap<Key, Buffer>,
    held: usize,
    /// Compresses and writes, while more rows come.
    thread: JoinHandle<Result<Vec<Done>>>,
    full: SyncSender<(Key, Buffer)>,
}

/// A file that is whole but for its name.
struct Done {
    path: PathBuf,
    entry: Entry,
}

struct Open {
    path: PathBuf,
    out: SerializedFileWriter<Hashed>,
    rows: u64,
}

/// Reckons the digest of what is written.
struct Hashed {
    out: BufWriter<File>,
    digest: Sha256,
    bytes: u64,
}

impl Write for Hashed {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let written = self.out.write(piece)?;
        self.digest.update(&piece[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Writer {
    pub(crate) fn begin(aside: PathBuf) -> Result<Self> {
        match fs::remove_dir_all(&aside) {
            Ok(()) => {}
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            Err(err) => return Err(Error::io("remove", &aside)(err)),
        }
        make_folder(&aside)?;
        let (full, received) = sync_channel(0);
        let folder = aside.clone();
        let thread = thread::Builder::new()
            .name("sessile-lake".to_owned())
            .spawn(move || write_all(&folder, &received))
            .map_err(Error::io("write into", &aside))?;
        Ok(Self { aside, rows: BTreeMap::new(), held: 0, thread, full })
    }

    /// Adds a row, a value for each column of the table.
    pub(crate) fn push(
        &mut self,
        table: Table,
        partition: &Partition,
        row: &[Value<'_>],
    ) -> Result<()> {
        let key = (table, partition.clone());
        let rows = self.rows.entry(key.clone()).or_insert_with(|| Buffer::new(table));
        let before = rows.bytes();
        rows.push(row);
        self.held += rows.bytes() - before;
        if GROUP <= rows.bytes() {
            self.hand_over(&key)?;
        }
        while HELD <= self.held {
            let fullest = self.rows.iter().max_by_key(|(_, rows)| rows.bytes());
            let Some((key, _)) = fullest else { break };
            let key = key.clone();
            self.hand_over(&key)?;
        }
        Ok(())
    }

    /// Gives rows to the thread that writes; waits while it has others.
    fn hand_over(&mut self, key: &Key) -> Result<()> {
        let Some(rows) = self.rows.get_mut(key).filter(|rows| 0 < rows.rows()) else {
            return Ok(());
        };
        self.held -= rows.bytes();
        let rows = std::mem::replace(rows, Buffer::new(key.0));
        // Where it has ended, it says why when it is joined.
        let gone = io::Error::other("the thread that writes has ended");
        self.full.send((key.clone(), rows)).map_err(|_| Error::io("write into", &self.aside)(gone))
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Gives each file its place in the lake, and says which they are, in the order in which their rows came.
    pub(crate) fn finish(mut self, lake: &Path) -> Result<Vec<Entry>> {
        let keys: Vec<Key> = self.rows.keys().cloned().collect();
        let handed_over = keys.iter().try_for_each(|key| self.hand_over(key));
        drop(self.full);
        let ended = self.thread.join().unwrap_or_else(|_| {
            Err(Error::io("write into", &self.aside)(io::Error::other(
                "the thread that writes has failed",
            )))
        });
        let done = ended?;
        handed_over?;
        let mut entries = Vec::with_capacity(done.len());
        let mut folders = BTreeSet::new();
        for Done { path, entry } in done {
            let target = lake.join(entry.path());
            let folder = target.parent().unwrap_or(lake);
            make_folder(folder)?;
            // One of this name has this content.
            fs::rename(&path, &target).map_err(Error::io("write", &target))?;
            let above = folder.ancestors().take_while(|above| above.starts_with(lake));
            folders.extend(above.map(Path::to_owned));
            entries.push(entry);
        }
        folders.iter().try_for_each(|folder| sync_folder(folder))?;
        fs::remove_dir_all(&self.aside).map_err(Error::io("remove", &self.aside))?;
        Ok(entries)
    }
}

/// Writes what comes as row groups, and ends the files when no more does.
fn write_all(aside: &Path, received: &Receiver<(Key, Buffer)>) -> Result<Vec<Done>> {
    let mut open: BTreeMap<Key, Open> = BTreeMap::new();
    let (mut done, mut made) = (Vec::new(), 0);
    for (key, mut rows) in received {
        let file = match open.entry(key.clone()) {
            btree_map::Entry::Occupied(file) => file.into_mut(),
            btree_map::Entry::Vacant(none) => {
                made += 1;
                none.insert(Open::new(key.0, aside.join(format!("{made:06}")))?)
            }
        };
        file.rows += rows.rows() as u64;
        rows.flush(&mut file.out)?;
        if FILE <= file.out.bytes_written() as u64
            && let Some(file) = open.remove(&key)
        {
            done.push(file.close(&key)?);
        }
    }
    for (key, file) in open {
        done.push(file.close(&key)?);
    }
    Ok(done)
}

impl Open {
    fn new(table: Table, path: PathBuf) -> Result<Self> {
        let file = create(&path).map_err(Error::io("write", &path))?;
        let hashed = Hashed {
            out: BufWriter::with_capacity(1 << 16, file),
            digest: Sha256::new(),
            bytes: 0,
        };
        let out = SerializedFileWriter::new(hashed, table.schema()?, Arc::new(table.properties()?))
            .map_err(|err| Error::parquet("write the table", table.name(), err))?;
        Ok(Self { path, out, rows: 0 })
    }

    fn close(self, (table, partition): &Key) -> Result<Done> {
        let hashed = self.out.into_inner();
        let hashed = hashed.map_err(|err| Error::parquet("write the table", table.name(), err))?;
        let Hashed { out, digest, bytes } = hashed;
        let file =
            out.into_inner().map_err(|err| Error::io("write", &self.path)(err.into_error()))?;
        file.sync_all().map_err(Error::io("write", &self.path))?;
        let entry = Entry {
            table: *table,
            partition: partition.clone(),
            sha256: hex(&digest.finalize()),
            bytes,
            rows: self.rows,
        };
        Ok(Done { path: self.path, entry })
    }
}

/// A new file, for its owner alone, as a store is.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes a folder with those that lead to it, for its owner alone, as a store is.
pub(crate) fn make_folder(path: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(Error::io("make the folder", path))
}

pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(Error::io("write into", path))
}
