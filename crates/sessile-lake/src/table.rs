//! The tables of a lake and their columns, for writing and for checking files that
//! are read.

use std::sync::Arc;

use parquet::basic::{
    Compression, ConvertedType, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical,
    ZstdLevel,
};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::{ColumnPath, Type, TypePtr};

use crate::error::{Error, Result};

/// The kind of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An integer, usually close to that of the row before.
    Int,
    Real,
    Bool,
    /// Microseconds since 1970, UTC without a time zone: not every engine reads finer
    /// times, or zones.
    Time,
    Text,
    Bytes,
}

pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    is_optional: bool,
}

const fn col(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, is_optional: false }
}

const fn opt(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, is_optional: true }
}

/// A table of a lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Table {
    Lines,
    Chunks,
    Files,
    Sessions,
    Entries,
    Usage,
    Labels,
    Events,
    Store,
}

use Kind::{Bool, Bytes, Int, Real, Text, Time};

const LINES: &[Column] =
    &[col("chain", Int), col("line", Int), opt("text", Text), opt("bytes", Bytes)];

const CHUNKS: &[Column] = &[col("chain", Int), col("chunk", Int), col("bytes", Bytes)];

const FILES: &[Column] = &[
    col("export", Int),
    col("is_gone", Bool),
    col("file_id", Int),
    col("chain", Int),
    col("source_id", Int),
    opt("root", Text),
    opt("root_bytes", Bytes),
    opt("path", Text),
    opt("path_bytes", Bytes),
    col("generation", Int),
    col("kind", Text),
    col("state", Text),
    col("mode", Int),
    col("mtime", Int),
    col("mtime_beyond", Int),
    col("inode", Int),
    col("size", Int),
    col("line_count", Int),
    opt("sha256", Bytes),
    opt("link_target", Bytes),
    col("read_at", Int),
    opt("missing_at", Int),
    opt("base_id", Int),
    col("base_count", Int),
    col("lost", Int),
    opt("rows_sha256", Bytes),
    opt("last_crc", Int),
];

const SESSIONS: &[Column] = &[
    col("export", Int),
    col("is_gone", Bool),
    col("session_key", Int),
    col("version", Int),
    col("session", Text),
    opt("name", Text),
    opt("title", Text),
    opt("first_message", Text),
    opt("work_dir", Text),
    opt("host", Text),
    opt("provider", Text),
    opt("model", Text),
    col("messages", Int),
    opt("created_at", Time),
    col("modified_at", Time),
    opt("archived_at", Time),
    opt("trashed_at", Time),
    opt("parent", Text),
    col("root", Text),
    col("path", Text),
    col("is_listed", Int),
    opt("leaf", Int),
    col("source_id", Int),
    opt("path_bytes", Bytes),
    opt("file_id", Int),
    col("held", Bytes),
];

const ENTRIES: &[Column] = &[
    col("session_key", Int),
    col("version", Int),
    col("entry", Int),
    opt("parent", Int),
    col("depth", Int),
    col("is_active", Bool),
    col("id", Text),
    col("type", Text),
    opt("role", Text),
    opt("created_at", Time),
    opt("chain", Int),
    opt("line", Int),
    opt("start", Int),
    opt("length", Int),
];

const USAGE: &[Column] = &[
    col("session_key", Int),
    col("version", Int),
    col("entry", Int),
    opt("created_at", Time),
    opt("provider", Text),
    opt("model", Text),
    opt("input", Int),
    opt("output", Int),
    opt("cache_read", Int),
    opt("cache_write", Int),
    opt("total_tokens", Int),
    opt("cost", Real),
    opt("copied_from", Text),
];

const LABELS: &[Column] = &[
    col("session_key", Int),
    col("version", Int),
    opt("entry", Int),
    col("target", Text),
    opt("label", Text),
    opt("labelled_at", Text),
];

const EVENTS: &[Column] = &[
    col("session_key", Int),
    col("version", Int),
    col("event_id", Int),
    col("kind", Text),
    col("at_ns", Int),
    opt("value", Text),
];

const STORE: &[Column] = &[col("export", Int), col("kind", Text), col("json", Text)];

impl Table {
    pub(crate) const ALL: [Self; 9] = [
        Self::Lines,
        Self::Chunks,
        Self::Files,
        Self::Sessions,
        Self::Entries,
        Self::Usage,
        Self::Labels,
        Self::Events,
        Self::Store,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lines => "lines",
            Self::Chunks => "chunks",
            Self::Files => "files",
            Self::Sessions => "sessions",
            Self::Entries => "entries",
            Self::Usage => "usage",
            Self::Labels => "labels",
            Self::Events => "events",
            Self::Store => "store",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// Whether it holds what files consist of, and not what is said of them.
    pub(crate) fn is_content(self) -> bool {
        matches!(self, Self::Lines | Self::Chunks)
    }

    pub(crate) fn columns(self) -> &'static [Column] {
        match self {
            Self::Lines => LINES,
            Self::Chunks => CHUNKS,
            Self::Files => FILES,
            Self::Sessions => SESSIONS,
            Self::Entries => ENTRIES,
            Self::Usage => USAGE,
            Self::Labels => LABELS,
            Self::Events => EVENTS,
            Self::Store => STORE,
        }
    }

    pub(crate) fn schema(self) -> Result<TypePtr> {
        let fields: Vec<TypePtr> = self
            .columns()
            .iter()
            .map(|column| column.field().map(Arc::new))
            .collect::<Result<_>>()?;
        let schema = Type::group_type_builder(self.name()).with_fields(fields).build();
        Ok(Arc::new(
            schema.map_err(|err| Error::parquet("create the schema of", self.name(), err))?,
        ))
    }

    /// The writer properties: the mark of the export, and a higher compression level
    /// if there is little to write.
    pub(crate) fn properties(self, mark: Option<&str>, is_small: bool) -> Result<WriterProperties> {
        let zstd = |level: i32| match ZstdLevel::try_new(level) {
            Ok(level) => Ok(Compression::ZSTD(level)),
            Err(err) => Err(Error::parquet("write", self.name(), err)),
        };
        // Page indexes and statistics would be a fifth of a small lake, so they are
        // left out where no engine uses them.
        let mut properties = WriterProperties::builder()
            .set_created_by("sessile-lake".to_owned())
            .set_key_value_metadata(
                mark.map(|mark| vec![KeyValue::new("export".to_owned(), mark.to_owned())]),
            )
            .set_compression(zstd(if is_small { LEVEL_OF_SMALL } else { LEVEL })?)
            .set_data_page_size_limit(PAGE)
            .set_offset_index_disabled(true)
            .set_statistics_enabled(EnabledStatistics::None);
        for column in self.columns() {
            let path = || ColumnPath::from(column.name);
            if column.is_filtered() {
                properties =
                    properties.set_column_statistics_enabled(path(), EnabledStatistics::Chunk);
            }
            let encoding = match column.kind {
                Kind::Int | Kind::Time => Encoding::DELTA_BINARY_PACKED,
                Kind::Bytes => Encoding::DELTA_LENGTH_BYTE_ARRAY,
                Kind::Text if self.is_unlike(column) => Encoding::DELTA_LENGTH_BYTE_ARRAY,
                Kind::Real | Kind::Bool | Kind::Text => continue,
            };
            properties = properties
                .set_column_dictionary_enabled(path(), false)
                .set_column_encoding(path(), encoding);
        }
        Ok(properties.build())
    }

    /// Whether there are few rows, or hardly any equal values, so that a dictionary
    /// would only add to the size.
    fn is_unlike(self, column: &Column) -> bool {
        matches!(self, Self::Lines | Self::Files | Self::Sessions | Self::Store)
            || column.name == "id"
    }
}

/// The zstd level. With a higher one, writing the rows takes longer than reading them
/// from the store.
const LEVEL: i32 = 6;

/// The zstd level if there is little to write; it takes eight times as long.
const LEVEL_OF_SMALL: i32 = 15;

/// The unit of compression: repetitions are only found within it.
const PAGE: usize = 4 << 20;

impl Column {
    fn field(&self) -> Result<Type> {
        let repetition = if self.is_optional { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        let field =
            Type::primitive_type_builder(self.name, self.physical()).with_repetition(repetition);
        let field = match self.kind {
            Kind::Int | Kind::Real | Kind::Bool | Kind::Bytes => field,
            Kind::Time => {
                field.with_logical_type(Some(LogicalType::timestamp(false, TimeUnit::MICROS)))
            }
            Kind::Text => field
                .with_logical_type(Some(LogicalType::String))
                .with_converted_type(ConvertedType::UTF8),
        };
        field.build().map_err(|err| Error::parquet("create the schema of", self.name, err))
    }

    fn physical(&self) -> Physical {
        match self.kind {
            Kind::Int | Kind::Time => Physical::INT64,
            Kind::Real => Physical::DOUBLE,
            Kind::Bool => Physical::BOOLEAN,
            Kind::Text | Kind::Bytes => Physical::BYTE_ARRAY,
        }
    }

    pub(crate) fn is_optional(&self) -> bool {
        self.is_optional
    }

    /// Whether queries skip parts of a file by the column's minimum and maximum.
    fn is_filtered(&self) -> bool {
        matches!(self.name, "session_key" | "chain" | "created_at")
    }
}
