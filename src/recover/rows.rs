//! Decodes rows of our tables from the values of a record.
//!
//! The values determine the table of a row: if the schema is lost, there is nothing
//! else to tell tables apart.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::record::Value;
use crate::error::Result;
use crate::model::{Format, ProblemKind, Timestamp};
use crate::store::events::EventKind;
use crate::store::file_time::FileTime;
use crate::store::files::{FileKind, FileRow, FileState};
use crate::store::purged::Purged;
use crate::store::sources::Source;
use crate::store::{log, packing, sharing};

/// Tables whose content cannot be folded from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    Sources,
    Files,
    Lines,
    Chunks,
    Events,
    Problems,
    /// Sessions are folded, except for their keys, which events refer to.
    Sessions,
    Purged,
}

impl Table {
    pub(super) const ALL: [Self; 8] = [
        Self::Sources,
        Self::Files,
        Self::Lines,
        Self::Chunks,
        Self::Events,
        Self::Problems,
        Self::Sessions,
        Self::Purged,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sources => "sources",
            Self::Files => "files",
            Self::Lines => "lines",
            Self::Chunks => "chunks",
            Self::Events => "events",
            Self::Problems => "problems",
            Self::Sessions => "sessions",
            Self::Purged => "purged",
        }
    }
}

/// The largest id of a file or session, since line and entry keys have no more bits
/// for it.
pub(super) const MAX_ID: i64 = i32::MAX as i64;

/// The columns of our tables, taken from a new database.
pub(super) struct Columns {
    of_table: BTreeMap<Table, Vec<String>>,
    /// The names of all tables.
    tables: BTreeSet<String>,
}

impl Columns {
    pub(super) fn read(conn: &Connection) -> Result<Self> {
        let mut of_table = BTreeMap::new();
        for table in Table::ALL {
            let mut stmt =
                conn.prepare_cached("SELECT name FROM pragma_table_info(?1) ORDER BY cid")?;
            let names = stmt.query_map([table.name()], |row| row.get("name"))?;
            of_table.insert(table, names.collect::<rusqlite::Result<_>>()?);
        }
        let mut stmt = conn.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
        let names = stmt.query_map([], |row| row.get("name"))?;
        let tables = names.collect::<rusqlite::Result<_>>()?;
        Ok(Self { of_table, tables })
    }

    /// Whether one of our tables has this name.
    pub(super) fn is_ours(&self, table: &str) -> bool {
        self.tables.contains(table)
    }

    /// The row of a table, if it has the right number of values.
    pub(super) fn row<'r>(
        &'r self,
        table: Table,
        key: i64,
        values: &'r [Value<'r>],
    ) -> Option<Row<'r>> {
        let columns = self.of_table.get(&table)?;
        // The rowid is stored beside the record, in which its column is NULL.
        let is_row = values.len() == columns.len() && values.first() == Some(&Value::Null);
        (is_row && 0 <= key).then_some(Row { columns, key, values })
    }
}

pub(super) struct Row<'r> {
    columns: &'r [String],
    pub(super) key: i64,
    values: &'r [Value<'r>],
}

impl<'r> Row<'r> {
    fn value(&self, column: &str) -> Option<Value<'r>> {
        let place = self.columns.iter().position(|name| name == column)?;
        self.values.get(place).copied()
    }

    fn integer(&self, column: &str) -> Option<i64> {
        match self.value(column)? {
            Value::Integer(number) => Some(number),
            _ => None,
        }
    }

    fn count(&self, column: &str) -> Option<u32> {
        u32::try_from(self.integer(column)?).ok()
    }

    fn text(&self, column: &str) -> Option<&'r str> {
        match self.value(column)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn blob(&self, column: &str) -> Option<&'r [u8]> {
        match self.value(column)? {
            Value::Blob(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// `Some(None)` if the column is NULL, `None` if its value is invalid.
    fn optional<T>(
        &self,
        column: &str,
        read: impl Fn(&Self, &str) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.value(column)? {
            Value::Null => Some(None),
            _ => read(self, column).map(Some),
        }
    }
}

/// The stored bytes of a line or chunk that matches its checksum.
pub(super) struct Stored<'r> {
    pub(super) raw: &'r [u8],
    pub(super) enc: i64,
    pub(super) checksum: u32,
}

impl Stored<'_> {
    /// The row that holds its bytes, if that is another.
    pub(super) fn holder(&self) -> Option<i64> {
        sharing::holder(self.enc, self.raw)
    }

    /// The bytes of the line, if they match its checksum.
    pub(super) fn bytes(&self, key: i64) -> Option<std::borrow::Cow<'_, [u8]>> {
        let bytes = packing::unpack(self.enc, self.raw).ok()?;
        (log::checksum(key, &bytes) == self.checksum).then_some(bytes)
    }
}

pub(super) fn line<'r>(row: &Row<'r>) -> Option<Stored<'r>> {
    let checksum = row.count("checksum")?;
    Some(Stored { raw: row.blob("raw")?, enc: row.integer("enc")?, checksum })
}

pub(super) fn chunk<'r>(row: &Row<'r>) -> Option<Stored<'r>> {
    Some(Stored { raw: row.blob("raw")?, enc: 0, checksum: row.count("checksum")? })
}

pub(super) fn source(row: &Row<'_>) -> Option<Source> {
    let format = Format::from_name(row.text("format")?)?;
    let (root, origin) =
        (row.blob("root")?.to_vec(), row.text("origin").unwrap_or_default().to_owned());
    Some(Source { source_id: row.key, root, format, origin })
}

pub(super) fn file(row: &Row<'_>) -> Option<FileRow> {
    let file = FileRow {
        file_id: row.key,
        source_id: row.integer("source_id")?,
        path: row.blob("path")?.to_vec(),
        generation: row.integer("generation")?,
        kind: FileKind::from_name(row.text("kind")?)?,
        state: FileState::from_name(row.text("state")?)?,
        mode: row.count("mode")?,
        mtime: FileTime::from_columns(
            Timestamp(row.integer("mtime")?),
            row.integer("mtime_beyond")?,
        ),
        inode: row.integer("inode")?,
        size: u64::try_from(row.integer("size")?).ok()?,
        line_count: row.count("line_count")?,
        sha256: row.optional("sha256", Row::blob)?.map(<[u8]>::to_vec),
        link_target: row.optional("link_target", Row::blob)?.map(<[u8]>::to_vec),
        read_at: Timestamp(row.integer("read_at")?),
        missing_at: row.optional("missing_at", Row::integer)?.map(Timestamp),
        base_id: row.optional("base_id", Row::integer)?,
        base_count: row.count("base_count")?,
        lost: row.count("lost")?,
    };
    let is_content = matches!(file.kind, FileKind::Log | FileKind::Document);
    let is_sound = 0 < file.file_id
        && file.file_id <= MAX_ID
        && 0 < file.source_id
        && (file.kind == FileKind::Link) == file.link_target.is_some()
        && (is_content && file.state != FileState::Local) == file.sha256.is_some()
        && file.base_count <= file.line_count
        && file.base_id != Some(file.file_id);
    is_sound.then_some(file)
}

/// What events and reports need of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SessionRow {
    pub(super) source_id: i64,
    pub(super) path: Vec<u8>,
    pub(super) file_id: Option<i64>,
    pub(super) format: Format,
    pub(super) session_id: Option<String>,
}

pub(super) fn session(row: &Row<'_>) -> Option<SessionRow> {
    (1..=MAX_ID).contains(&row.key).then_some(())?;
    Some(SessionRow {
        source_id: row.integer("source_id")?,
        path: row.blob("path")?.to_vec(),
        file_id: row.optional("file_id", Row::integer)?,
        format: Format::from_name(row.text("format")?)?,
        session_id: row.optional("session_id", Row::text)?.map(str::to_owned),
    })
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EventRow {
    pub(super) session: i64,
    pub(super) kind: EventKind,
    pub(super) at: Timestamp,
    pub(super) value: Option<String>,
}

pub(super) fn event(row: &Row<'_>) -> Option<EventRow> {
    Some(EventRow {
        session: row.integer("session_key")?,
        kind: EventKind::from_name(row.text("kind")?)?,
        at: Timestamp(row.integer("at")?),
        value: row.optional("value", Row::text)?.map(str::to_owned),
    })
}

/// A purged session, and its source.
pub(super) fn purged(row: &Row<'_>) -> Option<(i64, Purged)> {
    let size = row.optional("size", Row::integer)?.map(i64::unsigned_abs);
    let sha256 = row.optional("sha256", Row::blob)?.map(<[u8]>::to_vec);
    let session_id = row.optional("session_id", Row::text)?.map(str::to_owned);
    let inode = row.optional("inode", Row::integer)?;
    Some((row.integer("source_id")?, Purged { session_id, content: size.zip(sha256), inode }))
}

/// A problem. Problems are folded, unless they belong to no session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProblemRow {
    pub(super) source_id: i64,
    pub(super) file_id: Option<i64>,
    pub(super) session: Option<i64>,
    pub(super) path: Vec<u8>,
    pub(super) line: Option<u32>,
    pub(super) kind: ProblemKind,
    pub(super) detail: String,
}

pub(super) fn problem(row: &Row<'_>) -> Option<ProblemRow> {
    Some(ProblemRow {
        source_id: row.integer("source_id")?,
        file_id: row.optional("file_id", Row::integer)?,
        session: row.optional("session_key", Row::integer)?,
        path: row.blob("path")?.to_vec(),
        line: row.optional("line", Row::count)?,
        kind: ProblemKind::from_name(row.text("kind")?)?,
        detail: row.text("detail")?.to_owned(),
    })
}

/// The name of a file in an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) source_id: i64,
    pub(super) path: Vec<u8>,
    pub(super) generation: i64,
}

/// An entry of the index by path and generation: the file's id and name.
pub(super) fn name(values: &[Value<'_>]) -> Option<(i64, Name)> {
    match *values {
        [
            Value::Integer(source_id),
            Value::Blob(path),
            Value::Integer(generation),
            Value::Integer(file_id),
        ] => Some((file_id, Name { source_id, path: path.to_vec(), generation })),
        _ => None,
    }
}

/// An entry of the index by path and state: the file's id and state.
pub(super) fn state(values: &[Value<'_>]) -> Option<(i64, FileState)> {
    match *values {
        [Value::Integer(_), Value::Blob(_), Value::Text(state), Value::Integer(file_id)] => {
            Some((file_id, FileState::from_name(state)?))
        }
        _ => None,
    }
}

/// An entry of the index of roots: the source's id, path and format.
pub(super) fn root(values: &[Value<'_>]) -> Option<(i64, (Vec<u8>, Format))> {
    match *values {
        [Value::Blob(root), Value::Text(format), Value::Integer(source_id)] => {
            Some((source_id, (root.to_vec(), Format::from_name(format)?)))
        }
        _ => None,
    }
}
