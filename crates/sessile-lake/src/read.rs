//! Reads files of a lake: first proves their digest, then reads row by row.

use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::file::reader::{FileReader, RowGroupReader};
use parquet::file::serialized_reader::SerializedFileReader;
use sha2::{Digest, Sha256};

use crate::columns::Value;
use crate::error::{Error, Result};
use crate::manifest::{Entry, hex};
use crate::place::Place;
use crate::table::{Column, Kind, Table};

/// Rows that are read at a time.
const BATCH: usize = 1024;

/// The most bytes of a row group or page that are decompressed; a line has up to 1
/// GB.
const MAX_GROUP: i64 = 4 << 30;

/// Proves that a file is the one that was written.
pub(crate) fn prove(lake: &dyn Place, entry: &Entry) -> Result<File> {
    let path = lake.named(&entry.path());
    let damaged = |reason: &str| Error::damaged(&path, reason);
    let file = lake.open(&entry.path(), entry.bytes)?;
    let mut file = file.ok_or_else(|| damaged("it is missing"))?;
    let metadata = file.metadata().map_err(Error::io("read", &path))?;
    if !metadata.is_file() || metadata.len() != entry.bytes {
        return Err(damaged("its size is not that in the manifest"));
    }
    let mut digest = Sha256::new();
    let mut piece = vec![0; 1 << 18];
    loop {
        match file.read(&mut piece).map_err(Error::io("read", &path))? {
            0 => break,
            length => digest.update(&piece[..length]),
        }
    }
    if hex(&digest.finalize()) == entry.sha256 {
        Ok(file)
    } else {
        Err(damaged("it does not match its digest"))
    }
}

/// Proves a file, and calls `each` for every row.
pub(crate) fn each_row(
    lake: &dyn Place,
    entry: &Entry,
    mut each: impl FnMut(&[Value<'_>]) -> Result<()>,
) -> Result<()> {
    let file = prove(lake, entry)?;
    let path = lake.named(&entry.path());
    let damaged = |reason: String| Error::damaged(&path, reason);
    let open = || SerializedFileReader::new(file).map_err(|err| err.to_string());
    let reader = guarded(open).map_err(damaged)?;
    let metadata = reader.metadata();
    if !is_schema_of(entry.table, metadata.file_metadata().schema_descr()) {
        return Err(damaged(format!(
            "its columns are not those of the table {}",
            entry.table.name()
        )));
    }
    let groups = metadata.row_groups();
    let rows: i64 = groups.iter().map(|group| group.num_rows().max(0)).fold(0, i64::saturating_add);
    if u64::try_from(rows) != Ok(entry.rows) {
        return Err(damaged("its number of rows is not that in the manifest".to_owned()));
    }
    if groups.iter().any(|group| !(0..MAX_GROUP).contains(&group.total_byte_size())) {
        return Err(damaged("a page in it is larger than any that an export writes".to_owned()));
    }
    for (n, group) in groups.iter().enumerate() {
        let mut left = usize::try_from(group.num_rows()).unwrap_or(0);
        let open = || {
            let group = reader.get_row_group(n).map_err(|err| err.to_string())?;
            Columns::open(entry.table, &*group)
        };
        let mut columns = guarded(open).map_err(damaged)?;
        while 0 < left {
            let read = guarded(|| columns.read(left.min(BATCH))).map_err(damaged)?;
            for row in 0..read {
                each(&columns.row(row).map_err(damaged)?)?;
            }
            left -= read;
        }
    }
    Ok(())
}

/// Runs code that reads Parquet, and turns its panics into errors. The library panics
/// at some malicious files, which must not end the program.
fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err("it is not a readable Parquet file".to_owned()))
}

fn is_schema_of(table: Table, schema: &parquet::schema::types::SchemaDescriptor) -> bool {
    let Ok(ours) = table.schema() else { return false };
    schema.root_schema().get_fields() == ours.get_fields()
}

/// Reads the rows of a row group, column by column.
struct Columns(Vec<Slot>);

/// A column, and the values that were read.
struct Slot {
    column: &'static Column,
    reader: Reader,
    /// For a nullable column: 1 for each row that has a value.
    levels: Vec<i16>,
    /// For a nullable column: the index of each row's value among those that exist.
    places: Vec<usize>,
}

enum Reader {
    Int(ColumnReaderImpl<Int64Type>, Vec<i64>),
    Real(ColumnReaderImpl<DoubleType>, Vec<f64>),
    Bool(ColumnReaderImpl<BoolType>, Vec<bool>),
    Bytes(ColumnReaderImpl<ByteArrayType>, Vec<ByteArray>),
}

impl Columns {
    fn open(table: Table, group: &dyn RowGroupReader) -> Result<Self, String> {
        let mut slots = Vec::new();
        for (n, column) in table.columns().iter().enumerate() {
            let reader = match group.get_column_reader(n).map_err(|err| err.to_string())? {
                ColumnReader::Int64ColumnReader(reader) => Reader::Int(reader, Vec::new()),
                ColumnReader::DoubleColumnReader(reader) => Reader::Real(reader, Vec::new()),
                ColumnReader::BoolColumnReader(reader) => Reader::Bool(reader, Vec::new()),
                ColumnReader::ByteArrayColumnReader(reader) => Reader::Bytes(reader, Vec::new()),
                _ => return Err(format!("its column {} has another type", column.name)),
            };
            slots.push(Slot { column, reader, levels: Vec::new(), places: Vec::new() });
        }
        Ok(Self(slots))
    }

    /// Reads up to `most` rows of each column; returns how many.
    fn read(&mut self, most: usize) -> Result<usize, String> {
        let mut rows = None;
        for slot in &mut self.0 {
            let read = slot.read(most)?;
            if read == 0 || *rows.get_or_insert(read) != read {
                return Err(format!("its column {} has fewer rows than others", slot.column.name));
            }
        }
        Ok(rows.unwrap_or(0))
    }

    fn row(&self, row: usize) -> Result<Vec<Value<'_>>, String> {
        self.0.iter().map(|slot| slot.value(row)).collect()
    }
}

impl Slot {
    fn read(&mut self, most: usize) -> Result<usize, String> {
        let levels = &mut self.levels;
        levels.clear();
        let rows = match &mut self.reader {
            Reader::Int(reader, values) => fill(reader, values, levels, most),
            Reader::Real(reader, values) => fill(reader, values, levels, most),
            Reader::Bool(reader, values) => fill(reader, values, levels, most),
            Reader::Bytes(reader, values) => fill(reader, values, levels, most),
        }?;
        self.places.clear();
        let mut next = 0;
        for level in &self.levels {
            self.places.push(next);
            next += usize::from(*level == 1);
        }
        Ok(rows)
    }

    fn value(&self, row: usize) -> Result<Value<'_>, String> {
        let mut place = row;
        if self.column.is_optional() {
            if self.levels.get(row) != Some(&1) {
                return Ok(Value::Null);
            }
            place = self.places[row];
        }
        let value = match &self.reader {
            Reader::Int(_, values) => values.get(place).copied().map(Value::Int),
            Reader::Real(_, values) => values.get(place).copied().map(Value::Real),
            Reader::Bool(_, values) => values.get(place).copied().map(Value::Bool),
            Reader::Bytes(_, values) => {
                match (self.column.kind, values.get(place).map(ByteArray::data)) {
                    (Kind::Text, Some(bytes)) => std::str::from_utf8(bytes).ok().map(Value::Text),
                    (_, bytes) => bytes.map(Value::Bytes),
                }
            }
        };
        value.ok_or_else(|| {
            format!("its column {} has a missing value, or one of another type", self.column.name)
        })
    }
}

fn fill<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    values: &mut Vec<T::T>,
    levels: &mut Vec<i16>,
    most: usize,
) -> Result<usize, String> {
    values.clear();
    let (mut rows, mut stalled) = (0, 0);
    // The reader may stop at the end of a page.
    while rows < most && stalled < 2 {
        let read = reader.read_records(most - rows, Some(levels), None, values);
        let (records, _, _) = read.map_err(|err| err.to_string())?;
        stalled = if records == 0 { stalled + 1 } else { 0 };
        rows += records;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use sha2::{Digest, Sha256};

    use super::each_row;
    use crate::columns::Value;
    use crate::error::Error;
    use crate::folder::Folder;
    use crate::manifest::{Entry, Partition, hex};
    use crate::place::Place;
    use crate::table::Table;
    use crate::write::Writer;

    #[test]
    fn a_file_that_was_made_to_harm_is_damaged_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Folder::new(folder.path());
        let mut turn = lake.begin().unwrap();
        let partition = Partition::new("pi", "local", 0);
        let mut writer = Writer::begin(turn.aside(), None).unwrap();
        for n in 0..500 {
            let text = format!("line {n} of many");
            let row = [Value::Int(1), Value::Int(n), Value::from(&text), Value::Null];
            writer.push(Table::Lines, &partition, &row).unwrap();
        }
        let files = writer.finish().unwrap();
        turn.add(&files, b"").unwrap();
        let written = &files[0].entry;
        let at = |entry: &Entry| folder.path().join(entry.path());
        let bytes = fs::read(at(written)).unwrap();
        let mut random = 1_u32;
        let mut next = |below: usize| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 8) as usize % below
        };
        let mut refused = 0;
        for _ in 0..1_000 {
            let mut changed = bytes.clone();
            for _ in 0..=next(3) {
                // Most of a file is lines; its metadata is at the end.
                let near_end = changed.len() - 1 - next(changed.len().min(900));
                let at = if next(2) == 0 { near_end } else { next(changed.len()) };
                changed[at] = [0, 0x7F, 0x80, 0xFF, next(256) as u8][next(5)];
            }
            let entry = Entry {
                sha256: hex(&Sha256::digest(&changed)),
                bytes: changed.len() as u64,
                ..written.clone()
            };
            fs::write(at(&entry), &changed).unwrap();
            match each_row(&lake, &entry, |_| Ok(())) {
                Ok(()) => {}
                Err(Error::Damaged { .. }) => refused += 1,
                Err(err) => panic!("{err}"),
            }
            fs::remove_file(at(&entry)).unwrap();
        }
        assert!(200 < refused, "{refused}");
    }
}
