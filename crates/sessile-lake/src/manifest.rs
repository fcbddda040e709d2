//! The manifest: the files of a lake, export by export, with their digests.
//!
//! It is the only file that is ever replaced, and it is replaced as a whole. An
//! export that is killed before that leaves the lake as it was.

use serde::{Deserialize, Serialize};
use sessile::Timestamp;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::place::{MANIFEST, Place};
use crate::table::Table;

const VERSION: u64 = 1;

/// No number in a lake is this large, so numbers below it can be incremented.
pub(crate) const MAX_NUMBER: i64 = 1 << 53;

/// The longest manifest that is read; 200,000 files have one of 60 MB.
pub(crate) const MAX_MANIFEST: u64 = 256 << 20;

/// The content of a lake.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manifest {
    pub(crate) exports: Vec<Export>,
}

/// What one export added.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Export {
    /// Counted from 1.
    pub(crate) number: i64,
    /// An RFC 3339 time.
    pub(crate) at: String,
    /// The first number that is not used for a chain.
    pub(crate) next_chain: i64,
    pub(crate) files: Vec<Entry>,
}

/// A file of a lake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub(crate) struct Entry {
    pub(crate) table: Table,
    pub(crate) partition: Partition,
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
}

/// What the rows of a file have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Partition {
    pub(crate) format: String,
    pub(crate) origin: String,
    /// For example 2026-05.
    pub(crate) month: String,
}

/// A file as the manifest spells it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    path: String,
    bytes: u64,
    rows: u64,
}

/// The name of the partition for sessions without an origin.
const LOCAL: &str = "local";

impl Partition {
    /// The partition for a time, in nanoseconds since 1970.
    pub(crate) fn new(format: &str, origin: &str, at: i64) -> Self {
        let origin = if origin.is_empty() { LOCAL } else { origin };
        let month = Timestamp(at).to_string().get(..7).unwrap_or("1970-01").to_owned();
        Self { format: format.to_owned(), origin: origin.to_owned(), month }
    }
}

impl Entry {
    /// The path below the lake.
    pub(crate) fn path(&self) -> String {
        let Partition { format, origin, month } = &self.partition;
        let (table, sha256) = (self.table.name(), &self.sha256);
        format!(
            "{table}/format={}/origin={}/month={month}/{sha256}.parquet",
            escaped(format),
            escaped(origin)
        )
    }
}

impl From<Entry> for Written {
    fn from(entry: Entry) -> Self {
        Self { path: entry.path(), bytes: entry.bytes, rows: entry.rows }
    }
}

impl TryFrom<Written> for Entry {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let refused = || format!("{:?} is not a path of a lake", written.path);
        let mut parts = written.path.split('/');
        let mut part = |before: &str| {
            parts.next().and_then(|part| part.strip_prefix(before)).map(str::to_owned)
        };
        let (table, format, origin) = (part(""), part("format="), part("origin="));
        let (month, name) = (part("month="), part(""));
        let entry = (|| {
            Some(Self {
                table: Table::named(&table?)?,
                partition: Partition {
                    format: unescaped(&format?)?,
                    origin: unescaped(&origin?)?,
                    month: month.filter(|month| is_month(month))?,
                },
                sha256: name?
                    .strip_suffix(".parquet")
                    .filter(|digest| is_digest(digest))?
                    .to_owned(),
                bytes: written.bytes,
                rows: written.rows,
            })
        })();
        // A path in another spelling, or with something appended, is rejected.
        entry.filter(|entry| entry.path() == written.path).ok_or_else(refused)
    }
}

fn is_month(text: &str) -> bool {
    text.len() == 7
        && text
            .bytes()
            .enumerate()
            .all(|(n, byte)| if n == 4 { byte == b'-' } else { byte.is_ascii_digit() })
}

pub(crate) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A value in the name of a folder, escaped as Hive does.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'@' => {
                text.push(char::from(byte));
            }
            _ => text += &format!("%{byte:02X}"),
        }
    }
    text
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        bytes.push(match first {
            b'%' => {
                let (digits, behind) = rest.split_at_checked(2)?;
                rest = behind;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            byte => *byte,
        });
    }
    String::from_utf8(bytes).ok().filter(|value| !value.is_empty())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |four: u8| char::from_digit(four.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xF)]).collect()
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    sessile_lake: u64,
    /// The digest of the exports as compact JSON.
    sha256: String,
    exports: Vec<Export>,
}

fn digest(exports: &[Export]) -> Result<String, serde_json::Error> {
    Ok(hex(&Sha256::digest(serde_json::to_vec(exports)?)))
}

impl Manifest {
    /// Parses the manifest of a lake.
    pub(crate) fn parse(lake: &dyn Place, text: &[u8]) -> Result<Self> {
        let path = lake.named(MANIFEST);
        let damaged = |err: serde_json::Error| Error::damaged(&path, err.to_string());
        let version = |whole: &serde_json::Value| {
            whole.get("sessile_lake").and_then(serde_json::Value::as_u64)
        };
        let whole: Whole = match serde_json::from_slice(text) {
            Ok(whole) => whole,
            Err(err) => match serde_json::from_slice(text).ok().as_ref().and_then(version) {
                Some(version) if VERSION < version => {
                    return Err(Error::TooNew { lake: lake.name().to_owned(), version });
                }
                _ => return Err(damaged(err)),
            },
        };
        if whole.sessile_lake != VERSION {
            return Err(Error::TooNew {
                lake: lake.name().to_owned(),
                version: whole.sessile_lake,
            });
        }
        if digest(&whole.exports).map_err(damaged)? != whole.sha256 {
            return Err(Error::damaged(&path, "it does not match its digest"));
        }
        let is_in_order = (1..).zip(&whole.exports).all(|(number, export)| {
            export.number == number && (1..MAX_NUMBER).contains(&export.next_chain)
        });
        if !is_in_order {
            return Err(Error::damaged(&path, "its exports are in no order"));
        }
        Ok(Self { exports: whole.exports })
    }

    /// The manifest; an error if the place is not a lake.
    pub(crate) fn open(lake: &dyn Place) -> Result<Self> {
        match lake.manifest()? {
            Some(text) => Self::parse(lake, &text),
            None => Err(Error::NotALake(lake.name().to_owned())),
        }
    }

    /// The text of the manifest.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec_pretty(&Whole {
            sessile_lake: VERSION,
            sha256: digest(&self.exports)?,
            exports: self.exports.clone(),
        })
    }

    /// All files, in the order in which their rows were written.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Entry> {
        self.exports.iter().flat_map(|export| &export.files)
    }

    /// The first number that is not used for a chain.
    pub(crate) fn next_chain(&self) -> i64 {
        self.exports.last().map_or(1, |export| export.next_chain)
    }

    pub(crate) fn files_of(&self, table: Table) -> impl Iterator<Item = &Entry> {
        self.files().filter(move |file| file.table == table)
    }

    /// Those that hold lines and chunks.
    pub(crate) fn files_of_content(&self) -> impl Iterator<Item = &Entry> {
        self.files().filter(|file| file.table.is_content())
    }
}
