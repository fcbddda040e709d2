//! How plain types are stored in columns.
//!
//! Hidden from the crate's documentation: callers are promised no type of the
//! SQLite library.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use super::events::EventKind;
use super::files::{FileKind, FileState};
use crate::model::{Format, Header, ProblemKind, SessionKey, Span, Stored, Timestamp};

#[doc(hidden)]
impl ToSql for Timestamp {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

#[doc(hidden)]
impl FromSql for Timestamp {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(Self)
    }
}

#[doc(hidden)]
impl ToSql for SessionKey {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

#[doc(hidden)]
impl FromSql for SessionKey {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(Self)
    }
}

/// The start and the length in the line, in the two halves of an integer.
impl ToSql for Span {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from((i64::from(self.start) << 32) | i64::from(self.length)))
    }
}

impl FromSql for Span {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let span = value.as_i64()?;
        let half = |half: i64| u32::try_from(half).map_err(FromSqlError::other);
        Ok(Self { start: half(span >> 32)?, length: half(span & 0xFFFF_FFFF)? })
    }
}

/// TEXT for a string, a BLOB of JSON for any other value.
#[doc(hidden)]
impl ToSql for Stored {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Json(json) => ValueRef::Blob(json.as_bytes()),
        }))
    }
}

#[doc(hidden)]
impl FromSql for Stored {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Blob(json) => std::str::from_utf8(json)
                .map(|json| Self::Json(json.to_owned()))
                .map_err(FromSqlError::other),
            _ => value.as_str().map(|text| Self::Text(text.to_owned())),
        }
    }
}

macro_rules! named {
    ($($name:ty),*) => {
        $(
            #[doc(hidden)]
            impl ToSql for $name {
                fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                    Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.name().as_bytes())))
                }
            }

            #[doc(hidden)]
            impl FromSql for $name {
                fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                    Self::from_name(value.as_str()?).ok_or(FromSqlError::InvalidType)
                }
            }
        )*
    };
}

named!(Format, Header, ProblemKind, FileKind, FileState, EventKind);
