//! The text of values that the store keeps as bytes or numbers, as the store's views show it.

use std::borrow::Cow;
use std::collections::HashMap;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::error::Result;
use crate::manifest::hex;

/// The value of an SQLite column; invalid UTF-8 is replaced by U+FFFD.
pub(super) fn sql_text(value: ValueRef<'_>) -> Option<Cow<'_, str>> {
    match value {
        ValueRef::Null => None,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes)),
        ValueRef::Integer(number) => Some(number.to_string().into()),
        ValueRef::Real(number) => Some(number.to_string().into()),
    }
}

/// An id as the view `entry_list` shows it: as hex digits if it is stored as bytes, with dashes
/// if it is a UUID.
pub(super) fn id_text(id: ValueRef<'_>) -> Option<Cow<'_, str>> {
    let ValueRef::Blob(bytes) = id else { return sql_text(id) };
    let Some(uuid) = bytes.get(..16).filter(|_| bytes.len() == 17) else {
        return Some(hex(bytes).into());
    };
    let digits = hex(uuid);
    let mut text = String::with_capacity(36);
    for (n, digit) in digits.chars().enumerate() {
        if matches!(n, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    Some(text.into())
}

/// The words for the types and roles of entries that are stored as numbers.
///
/// They are read from the store's view, once for each number.
#[derive(Default)]
pub(super) struct Words(HashMap<i64, String>);

impl Words {
    /// Reads the words for an entry's type and role, unless they are known.
    pub(super) fn learn(
        &mut self,
        conn: &Connection,
        entry_key: i64,
        [kind, role]: [ValueRef<'_>; 2],
    ) -> Result<()> {
        let is_new = |value| matches!(value, ValueRef::Integer(n) if !self.0.contains_key(&n));
        if !is_new(kind) && !is_new(role) {
            return Ok(());
        }
        let mut stmt =
            conn.prepare_cached("SELECT type, role FROM entry_list WHERE entry_key = ?1")?;
        let mut rows = stmt.query([entry_key])?;
        if let Some(row) = rows.next()? {
            for (n, value) in [kind, role].into_iter().enumerate() {
                if let (ValueRef::Integer(number), Some(word)) = (value, sql_text(row.get_ref(n)?))
                {
                    self.0.insert(number, word.into_owned());
                }
            }
        }
        Ok(())
    }

    /// The text of a type or role.
    pub(super) fn text<'a>(&'a self, value: ValueRef<'a>) -> Option<Cow<'a, str>> {
        match value {
            ValueRef::Integer(number) => self.0.get(&number).map(|word| word.as_str().into()),
            other => sql_text(other),
        }
    }
}
