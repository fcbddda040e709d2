//! Rows that are read again: by the next export, by import, and by verify.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::Row;
use sha2::{Digest, Sha256};

use crate::columns::Value;
use crate::manifest::Partition;

/// A SHA-256 digest.
pub(crate) type Sha = [u8; 32];

/// Interned words: they are few, and used by many rows.
#[derive(Default)]
pub(crate) struct Words {
    texts: HashSet<Arc<str>>,
    bytes: HashSet<Arc<[u8]>>,
}

impl Words {
    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&new));
        new
    }

    fn bytes(&mut self, bytes: &[u8]) -> Arc<[u8]> {
        if let Some(known) = self.bytes.get(bytes) {
            return Arc::clone(known);
        }
        let new: Arc<[u8]> = bytes.into();
        self.bytes.insert(Arc::clone(&new));
        new
    }
}

/// A file of a store: its row, and where its content is in the lake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileRow {
    /// The number of the export that wrote the row.
    pub(crate) export: i64,
    /// Whether the store no longer has the file.
    pub(crate) is_gone: bool,
    pub(crate) file_id: i64,
    /// The number by which lines and chunks refer to this content. It is never reused
    /// for another.
    pub(crate) chain: i64,
    pub(crate) source_id: i64,
    /// The format of the partition; so is the origin.
    pub(crate) format: Arc<str>,
    pub(crate) origin: Arc<str>,
    pub(crate) root: Arc<[u8]>,
    pub(crate) path: Vec<u8>,
    pub(crate) generation: i64,
    pub(crate) kind: Arc<str>,
    pub(crate) state: Arc<str>,
    pub(crate) mode: i64,
    pub(crate) mtime: i64,
    pub(crate) mtime_beyond: i64,
    pub(crate) inode: i64,
    pub(crate) size: i64,
    /// Lines of a log, including those of its base; chunks of a document.
    pub(crate) line_count: i64,
    pub(crate) sha256: Option<Sha>,
    pub(crate) link_target: Option<Vec<u8>>,
    pub(crate) read_at: i64,
    pub(crate) missing_at: Option<i64>,
    pub(crate) base_id: Option<i64>,
    pub(crate) base_count: i64,
    pub(crate) lost: i64,
    /// The digest of its own rows.
    pub(crate) rows_sha256: Option<Sha>,
    /// The CRC-32 of the last of its own rows.
    pub(crate) last_crc: Option<i64>,
}

impl FileRow {
    pub(crate) fn from_store(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            file_id: row.get("file_id")?,
            source_id: row.get("source_id")?,
            format: row.get::<_, String>("format")?.into(),
            origin: row.get::<_, String>("origin")?.into(),
            root: row.get::<_, Vec<u8>>("root")?.into(),
            path: row.get("path")?,
            generation: row.get("generation")?,
            kind: row.get::<_, String>("kind")?.into(),
            state: row.get::<_, String>("state")?.into(),
            mode: row.get("mode")?,
            mtime: row.get("mtime")?,
            mtime_beyond: row.get("mtime_beyond")?,
            inode: row.get("inode")?,
            size: row.get("size")?,
            line_count: row.get("line_count")?,
            sha256: row.get("sha256")?,
            link_target: row.get("link_target")?,
            read_at: row.get("read_at")?,
            missing_at: row.get("missing_at")?,
            base_id: row.get("base_id")?,
            base_count: row.get("base_count")?,
            lost: row.get("lost")?,
            ..Self::default()
        })
    }

    pub(crate) fn from_lake(words: &mut Words, of: &Partition, row: &[Value<'_>]) -> Option<Self> {
        let mut row = Fields(row.iter());
        let mut file = Self {
            format: words.text(&of.format),
            origin: words.text(&of.origin),
            export: row.int()?,
            is_gone: row.bool()?,
            file_id: row.int()?,
            chain: row.int()?,
            source_id: row.int()?,
            root: words.bytes(&row.either()?),
            path: row.either()?,
            generation: row.int()?,
            kind: words.text(&row.text()?),
            state: words.text(&row.text()?),
            mode: row.int()?,
            mtime: row.int()?,
            mtime_beyond: row.int()?,
            inode: row.int()?,
            size: row.int()?,
            line_count: row.int()?,
            sha256: row.sha()?,
            link_target: row.optional_bytes()?,
            read_at: row.int()?,
            missing_at: row.optional_int()?,
            base_id: row.optional_int()?,
            base_count: row.int()?,
            lost: row.int()?,
            rows_sha256: row.sha()?,
            last_crc: row.optional_int()?,
        };
        // Most files have no base, and the digest only once.
        file.rows_sha256 = file.rows_sha256.or(file.sha256);
        Some(file)
    }

    pub(crate) fn to_lake(&self) -> Vec<Value<'_>> {
        let rows_sha256 = self.rows_sha256.as_ref().filter(|_| self.rows_sha256 != self.sha256);
        let mut row = vec![
            self.export.into(),
            self.is_gone.into(),
            self.file_id.into(),
            self.chain.into(),
            self.source_id.into(),
        ];
        row.extend(either(&self.root));
        row.extend(either(&self.path));
        row.extend([
            self.generation.into(),
            Value::from(&*self.kind),
            Value::from(&*self.state),
            self.mode.into(),
            self.mtime.into(),
            self.mtime_beyond.into(),
            self.inode.into(),
            self.size.into(),
            self.line_count.into(),
            self.sha256.as_ref().map(|sha| &sha[..]).into(),
            self.link_target.as_ref().into(),
            self.read_at.into(),
            self.missing_at.into(),
            self.base_id.into(),
            self.base_count.into(),
            self.lost.into(),
            rows_sha256.map(|sha| &sha[..]).into(),
            self.last_crc.into(),
        ]);
        row
    }

    /// Whether the lake already has an equal row, ignoring when the file was last
    /// compared with its root.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let of = |row: &Self| Self { export: 0, read_at: 0, ..row.clone() };
        of(self) == of(other)
    }

    pub(crate) fn has_content(&self) -> bool {
        matches!(&*self.kind, "log" | "document")
    }

    /// The partition of the file's rows.
    pub(crate) fn partition(&self) -> Partition {
        Partition::new(&self.format, &self.origin, self.mtime)
    }

    /// The position of its first own row.
    pub(crate) fn first(&self) -> i64 {
        if &*self.kind == "log" { self.base_count } else { 0 }
    }
}

/// What an export needs to know of a session in the lake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SessionRow {
    pub(crate) is_gone: bool,
    pub(crate) session_key: i64,
    /// Rows of other versions do not count.
    pub(crate) version: i64,
    /// The format of the partition; so is the origin.
    pub(crate) format: String,
    pub(crate) origin: String,
    pub(crate) source_id: i64,
    pub(crate) path: Vec<u8>,
    pub(crate) file_id: Option<i64>,
    /// By which the next export determines what is new.
    pub(crate) held: Held,
}

/// What the lake holds of a session, by which the next export determines what is new.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// The digest of everything that the session is made from.
    pub(crate) stamp: Sha,
    /// The numbers of entries, usage, labels and events.
    pub(crate) counts: [i64; 4],
    /// The digest of these rows.
    pub(crate) rows_sha256: Sha,
}

/// Bytes of a digest, or of four counts.
const THIRD: usize = size_of::<Sha>();

impl Held {
    /// In one column, because in a small file each column costs more than its
    /// content.
    pub(crate) fn to_bytes(&self) -> [u8; 3 * THIRD] {
        let mut bytes = [0; 3 * THIRD];
        bytes[..THIRD].copy_from_slice(&self.stamp);
        bytes[THIRD..2 * THIRD].copy_from_slice(&self.rows_sha256);
        for (place, count) in bytes[2 * THIRD..].chunks_exact_mut(8).zip(self.counts) {
            place.copy_from_slice(&count.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: [u8; 3 * THIRD]) -> Self {
        let mut held = Self::default();
        held.stamp.copy_from_slice(&bytes[..THIRD]);
        held.rows_sha256.copy_from_slice(&bytes[THIRD..2 * THIRD]);
        for (count, place) in held.counts.iter_mut().zip(bytes[2 * THIRD..].chunks_exact(8)) {
            *count = place.iter().rev().fold(0, |count, byte| count << 8 | i64::from(*byte));
        }
        held
    }
}

/// The number of columns of a session that are for readers, and precede those of
/// [`SessionRow`].
const SHOWN: usize = 18;

/// The position of the path for readers. The path is only stored again as bytes if it
/// is not valid UTF-8.
const SHOWN_PATH: usize = 4 + 15;

impl SessionRow {
    pub(crate) fn from_lake(of: &Partition, row: &[Value<'_>]) -> Option<Self> {
        let mut fields = Fields(row.iter());
        let _export = fields.int()?;
        let (is_gone, session_key, version) = (fields.bool()?, fields.int()?, fields.int()?);
        let mut rest = Fields(row.get(4 + SHOWN..)?.iter());
        Some(Self {
            is_gone,
            session_key,
            version,
            format: of.format.clone(),
            origin: of.origin.clone(),
            source_id: rest.int()?,
            path: match (rest.optional_bytes()?, row.get(SHOWN_PATH)?) {
                (Some(bytes), _) => bytes,
                (None, Value::Text(path)) => path.as_bytes().to_vec(),
                (None, _) => return None,
            },
            file_id: rest.optional_int()?,
            held: Held::from_bytes(rest.bytes()?.try_into().ok()?),
        })
    }

    /// The values of the row, given `held` as bytes.
    pub(crate) fn to_lake<'a>(
        &'a self,
        export: i64,
        shown: &[Value<'a>; SHOWN],
        held: &'a [u8],
    ) -> Vec<Value<'a>> {
        let mut row =
            vec![export.into(), self.is_gone.into(), self.session_key.into(), self.version.into()];
        row.extend(shown);
        let is_shown = either(&self.path)[0] == row[SHOWN_PATH];
        row.extend([
            self.source_id.into(),
            Some(&self.path).filter(|_| !is_shown).into(),
            self.file_id.into(),
            Value::from(held),
        ]);
        row
    }
}

/// Takes the values of a row one by one; `None` for a value of another kind.
pub(crate) struct Fields<'a, 'v>(pub(crate) std::slice::Iter<'v, Value<'a>>);

impl Fields<'_, '_> {
    pub(crate) fn int(&mut self) -> Option<i64> {
        self.optional_int()?
    }

    pub(crate) fn optional_int(&mut self) -> Option<Option<i64>> {
        match self.0.next()? {
            Value::Int(number) => Some(Some(*number)),
            Value::Null => Some(None),
            _ => None,
        }
    }

    pub(crate) fn bool(&mut self) -> Option<bool> {
        match self.0.next()? {
            Value::Bool(is) => Some(*is),
            _ => None,
        }
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        self.optional_text()?
    }

    pub(crate) fn optional_text(&mut self) -> Option<Option<String>> {
        match self.0.next()? {
            Value::Text(text) => Some(Some((*text).to_owned())),
            Value::Null => Some(None),
            _ => None,
        }
    }

    pub(crate) fn bytes(&mut self) -> Option<Vec<u8>> {
        self.optional_bytes()?
    }

    pub(crate) fn optional_bytes(&mut self) -> Option<Option<Vec<u8>>> {
        match self.0.next()? {
            Value::Bytes(bytes) => Some(Some(bytes.to_vec())),
            Value::Null => Some(None),
            _ => None,
        }
    }

    fn sha(&mut self) -> Option<Option<Sha>> {
        match self.0.next()? {
            Value::Bytes(bytes) => Some(Some((*bytes).try_into().ok()?)),
            Value::Null => Some(None),
            _ => None,
        }
    }

    /// Bytes from the two columns that [`either`] fills.
    fn either(&mut self) -> Option<Vec<u8>> {
        match (self.0.next()?, self.0.next()?) {
            (Value::Text(text), Value::Null) => Some(text.as_bytes().to_vec()),
            (Value::Null, Value::Bytes(bytes)) => Some(bytes.to_vec()),
            _ => None,
        }
    }
}

/// Bytes as text, which every engine can read, if they are valid UTF-8; else as
/// bytes.
pub(crate) fn either(bytes: &[u8]) -> [Value<'_>; 2] {
    match std::str::from_utf8(bytes) {
        Ok(text) => [Value::Text(text), Value::Null],
        Err(_) => [Value::Null, Value::Bytes(bytes)],
    }
}

/// Adds a row to a digest, each value with its kind and length.
pub(crate) fn absorb(digest: &mut Sha256, row: &[Value<'_>]) {
    // Hashed at once: each call of `update` costs as much as a few dozen bytes.
    let mut bytes = Vec::with_capacity(256);
    let mut add = |kind: u8, value: &[u8]| {
        bytes.push(kind);
        bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
        bytes.extend_from_slice(value);
    };
    for value in row {
        match value {
            Value::Null => add(0, &[]),
            Value::Int(number) => add(1, &number.to_le_bytes()),
            Value::Real(number) => add(2, &number.to_le_bytes()),
            Value::Bool(is) => add(3, &[u8::from(*is)]),
            Value::Text(text) => add(4, text.as_bytes()),
            Value::Bytes(bytes) => add(5, bytes),
        }
    }
    digest.update(&bytes);
}

/// The part of a checksum in the store that depends on the row's key.
pub(crate) fn of_key(key: i64) -> u32 {
    crc32fast::hash(&key.to_be_bytes())
}
