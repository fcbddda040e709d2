//! Buffers rows by column before they are written.

use std::io::Write;

use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::Result as ParquetResult;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};

use crate::error::{Error, Result};
use crate::table::{Column, Kind, Table};

/// A value of a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Int(i64),
    Real(f64),
    Bool(bool),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Self::Int(number.into())
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl From<bool> for Value<'_> {
    fn from(is: bool) -> Self {
        Self::Bool(is)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a Vec<u8>> for Value<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Buffered rows of a table, by column.
pub(crate) struct Buffer {
    table: Table,
    columns: Vec<Data>,
    rows: usize,
    bytes: usize,
}

/// The values of a column.
struct Data {
    values: Values,
    /// The definition levels of an optional column: 1 for a value, 0 for NULL.
    levels: Vec<i16>,
}

enum Values {
    Int(Vec<i64>),
    Real(Vec<f64>),
    Bool(Vec<bool>),
    /// The concatenated bytes of all values, and the end of each.
    Bytes(Vec<u8>, Vec<usize>),
}

impl Values {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Int | Kind::Time => Self::Int(Vec::new()),
            Kind::Real => Self::Real(Vec::new()),
            Kind::Bool => Self::Bool(Vec::new()),
            Kind::Text | Kind::Bytes => Self::Bytes(Vec::new(), Vec::new()),
        }
    }

    /// Adds a value; returns whether it is of the column's kind.
    fn push(&mut self, value: Value<'_>) -> bool {
        match (self, value) {
            (Self::Int(values), Value::Int(number)) => values.push(number),
            (Self::Real(values), Value::Real(number)) => values.push(number),
            (Self::Bool(values), Value::Bool(is)) => values.push(is),
            (Self::Bytes(bytes, ends), Value::Text(text)) => {
                bytes.extend_from_slice(text.as_bytes());
                ends.push(bytes.len());
            }
            (Self::Bytes(bytes, ends), Value::Bytes(more)) => {
                bytes.extend_from_slice(more);
                ends.push(bytes.len());
            }
            _ => return false,
        }
        true
    }
}

impl Buffer {
    pub(crate) fn new(table: Table) -> Self {
        let data = |column: &Column| Data { values: Values::of(column.kind), levels: Vec::new() };
        Self { table, columns: table.columns().iter().map(data).collect(), rows: 0, bytes: 0 }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Approximately how much memory the rows take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a row, with a value for each column.
    pub(crate) fn push(&mut self, row: &[Value<'_>]) {
        let columns = self.table.columns();
        debug_assert_eq!(row.len(), columns.len(), "{}", self.table.name());
        for ((data, column), value) in self.columns.iter_mut().zip(columns).zip(row) {
            self.bytes += match value {
                Value::Text(text) => text.len() + 8,
                Value::Bytes(bytes) => bytes.len() + 8,
                _ => 8,
            };
            let is_there = *value != Value::Null;
            if column.is_optional() {
                data.levels.push(i16::from(is_there));
            }
            if is_there || !column.is_optional() {
                let is_pushed = data.values.push(*value);
                debug_assert!(is_pushed, "{}.{}: {value:?}", self.table.name(), column.name);
            }
        }
        self.rows += 1;
    }

    /// Writes the rows as one row group, and clears the buffer.
    pub(crate) fn flush<W: Write + Send>(
        &mut self,
        out: &mut SerializedFileWriter<W>,
    ) -> Result<()> {
        let rows = std::mem::replace(self, Self::new(self.table));
        let failed = |err| Error::parquet("write the table", rows.table.name(), err);
        let mut group = out.next_row_group().map_err(failed)?;
        for data in rows.columns {
            let Some(mut column) = group.next_column().map_err(failed)? else { break };
            data.write(&mut column).map_err(failed)?;
            column.close().map_err(failed)?;
        }
        group.close().map_err(failed)?;
        Ok(())
    }
}

impl Data {
    fn write(self, column: &mut SerializedColumnWriter<'_>) -> ParquetResult<()> {
        let levels = (!self.levels.is_empty()).then_some(&self.levels[..]);
        match self.values {
            Values::Int(values) => column.typed::<Int64Type>().write_batch(&values, levels, None),
            Values::Real(values) => column.typed::<DoubleType>().write_batch(&values, levels, None),
            Values::Bool(values) => column.typed::<BoolType>().write_batch(&values, levels, None),
            Values::Bytes(bytes, ends) => {
                // All values share one allocation.
                let whole = ByteArray::from(bytes);
                let starts = std::iter::once(0).chain(ends.iter().copied());
                let values: Vec<ByteArray> =
                    starts.zip(&ends).map(|(start, end)| whole.slice(start, end - start)).collect();
                column.typed::<ByteArrayType>().write_batch(&values, levels, None)
            }
        }
        .map(drop)
    }
}
