//! Writes the Parquet files of an export: one for each table and partition.
//!
//! Rows are buffered in memory until a table and partition has enough for a row group. If
//! all buffers together are too large, the largest is written first. Files are in a staging
//! folder until all are complete and synced.

use std::collections::{BTreeMap, btree_map};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use parquet::file::writer::SerializedFileWriter;
use sha2::{Digest, Sha256};

use crate::columns::{Buffer, Value};
use crate::error::{Error, Result};
use crate::folder::create;
use crate::manifest::{Entry, Partition, hex};
use crate::place::Whole;
use crate::table::Table;

/// The size of a row group in bytes, before compression.
const GROUP: usize = 8 << 20;

/// The maximum size of all buffered rows in bytes.
const HELD: usize = 20 << 20;

/// The buffered bytes up to which an export compresses harder; this takes up to half a
/// second more.
const FEW: usize = 8 << 20;

/// The approximate maximum size of a file in bytes. Much larger files are slow to query.
const FILE: u64 = 128 << 20;

/// The table and partition that all rows of a file have.
type Key = (Table, Partition);

/// Rows for the writer thread.
struct Rows {
    key: Key,
    rows: Buffer,
    /// Whether they are few enough to be compressed harder.
    are_few: bool,
}

/// The files of one export.
pub(crate) struct Writer {
    aside: PathBuf,
    rows: BTreeMap<Partition, BTreeMap<Table, Buffer>>,
    held: usize,
    /// Compresses and writes row groups while more rows are added.
    thread: JoinHandle<Result<Vec<Whole>>>,
    full: SyncSender<Rows>,
}

struct Open {
    path: PathBuf,
    out: SerializedFileWriter<Hashed>,
    rows: u64,
}

/// Computes the digest and size of what is written.
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
    /// Writes into an existing folder. `mark` makes the digests of this export's files
    /// differ from those of other exports.
    pub(crate) fn begin(aside: &Path, mark: Option<&str>) -> Result<Self> {
        let (full, received) = sync_channel(0);
        let (folder, mark) = (aside.to_owned(), mark.map(str::to_owned));
        let thread = thread::Builder::new()
            .name("sessile-lake".to_owned())
            .spawn(move || write_all(&folder, mark.as_deref(), &received))
            .map_err(Error::io("write into", aside))?;
        let aside = aside.to_owned();
        Ok(Self { aside, rows: BTreeMap::new(), held: 0, thread, full })
    }

    /// Adds a row, with a value for each column of the table.
    pub(crate) fn push(
        &mut self,
        table: Table,
        partition: &Partition,
        row: &[Value<'_>],
    ) -> Result<()> {
        if !self.rows.contains_key(partition) {
            self.rows.insert(partition.clone(), BTreeMap::new());
        }
        let Some(tables) = self.rows.get_mut(partition) else { return Ok(()) };
        let rows = tables.entry(table).or_insert_with(|| Buffer::new(table));
        let before = rows.bytes();
        rows.push(row);
        self.held += rows.bytes() - before;
        if GROUP <= rows.bytes() {
            self.hand_over(&(table, partition.clone()), false)?;
        }
        while HELD <= self.held {
            let Some(key) = self.fullest() else { break };
            self.hand_over(&key, false)?;
        }
        Ok(())
    }

    /// The table and partition with the most buffered bytes.
    fn fullest(&self) -> Option<Key> {
        let all = self.rows.iter().flat_map(|(partition, tables)| {
            tables.iter().map(move |(table, rows)| (rows.bytes(), *table, partition))
        });
        let (_, table, partition) = all.max_by_key(|(bytes, ..)| *bytes)?;
        Some((table, partition.clone()))
    }

    /// Sends rows to the writer thread; blocks while that writes others.
    fn hand_over(&mut self, key: &Key, are_few: bool) -> Result<()> {
        let (table, partition) = key;
        let rows = self.rows.get_mut(partition).and_then(|tables| tables.get_mut(table));
        let Some(rows) = rows.filter(|rows| 0 < rows.rows()) else { return Ok(()) };
        self.held -= rows.bytes();
        let rows = std::mem::replace(rows, Buffer::new(key.0));
        // If the thread has ended, `finish` returns its error when it joins the thread.
        let gone = io::Error::other("the writer thread has ended");
        let rows = Rows { key: key.clone(), rows, are_few };
        self.full.send(rows).map_err(|_| Error::io("write into", &self.aside)(gone))
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes all buffered rows; returns the files, complete and synced, in the order in
    /// which they were closed.
    pub(crate) fn finish(mut self) -> Result<Vec<Whole>> {
        let are_few = self.held <= FEW;
        let mut keys: Vec<Key> = Vec::new();
        for (partition, tables) in &self.rows {
            keys.extend(tables.keys().map(|table| (*table, partition.clone())));
        }
        keys.sort();
        let handed_over = keys.iter().try_for_each(|key| self.hand_over(key, are_few));
        drop(self.full);
        let ended = self.thread.join().unwrap_or_else(|_| {
            Err(Error::io("write into", &self.aside)(io::Error::other(
                "the writer thread panicked",
            )))
        });
        let done = ended?;
        handed_over?;
        Ok(done)
    }
}

/// Writes each message as a row group; closes the files when the channel is closed.
fn write_all(aside: &Path, mark: Option<&str>, received: &Receiver<Rows>) -> Result<Vec<Whole>> {
    let mut open: BTreeMap<Key, Open> = BTreeMap::new();
    let (mut done, mut made) = (Vec::new(), 0);
    for Rows { key, mut rows, are_few } in received {
        let file = match open.entry(key.clone()) {
            btree_map::Entry::Occupied(file) => file.into_mut(),
            btree_map::Entry::Vacant(none) => {
                made += 1;
                none.insert(Open::new(key.0, aside.join(format!("{made:06}")), mark, are_few)?)
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
    fn new(table: Table, path: PathBuf, mark: Option<&str>, is_small: bool) -> Result<Self> {
        let file = create(&path).map_err(Error::io("write", &path))?;
        let hashed = Hashed {
            out: BufWriter::with_capacity(1 << 16, file),
            digest: Sha256::new(),
            bytes: 0,
        };
        let out = SerializedFileWriter::new(
            hashed,
            table.schema()?,
            Arc::new(table.properties(mark, is_small)?),
        )
        .map_err(|err| Error::parquet("write the table", table.name(), err))?;
        Ok(Self { path, out, rows: 0 })
    }

    fn close(self, (table, partition): &Key) -> Result<Whole> {
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
        Ok(Whole { path: self.path, entry })
    }
}
