//! SQL queries of the caller's own.
//!
//! They run on a read-only connection that has functions for what no view can give:
//! lines that are packed or stored in another row, and the text of entries. The
//! functions use a second connection, because an SQLite function must not use the
//! connection that runs it.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error as SqlError};

use crate::context;
use crate::error::{Error, Result};
use crate::model::{Message, SessionKey};
use crate::store::{Store, log};

/// A value of a row, with SQLite's type.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// NULL.
    Null,
    /// An integer.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// Text; invalid UTF-8 is replaced by U+FFFD.
    Text(String),
    /// A blob.
    Blob(Vec<u8>),
}

impl Store {
    /// Runs a read-only SQL query and calls `each` for every row, with the column
    /// names, which it also returns. `docs/schema.md` describes the tables and views.
    ///
    /// The query cannot write. Two functions read the content of lines.
    /// `line(line_key)` returns a line byte for byte, even if it is packed or stored
    /// in another row; its type is text if it is valid UTF-8, else blob.
    /// `message_text(entry_key)` returns the text of an entry in any format. Both
    /// return NULL if there is no such line or entry.
    ///
    /// `each` must not use the store.
    ///
    /// # Errors
    ///
    /// [`InvalidSql`](Error::InvalidSql) if the SQL is not a query, is several
    /// statements, or would write; [`Damaged`](Error::Damaged) if a function reads
    /// bytes that do not match their checksum; any error that `each` returns.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/kward/small", &sessile::ImportOptions::new())?;
    /// let sql = "SELECT entry, message_text(entry_key) AS text
    ///            FROM entry_list WHERE session = 'edge-97' AND entry = 'a'";
    /// store.query(sql, |columns, cells| {
    ///     assert_eq!(columns, ["entry", "text"]);
    ///     assert_eq!(cells[1], sessile::Cell::Text("first".to_owned()));
    ///     Ok(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn query(
        &self,
        sql: &str,
        each: impl FnMut(&[String], &[Cell]) -> Result<()>,
    ) -> Result<Vec<String>> {
        self.query_first(sql, u64::MAX, each)
    }

    /// As [`query`](Self::query), for at most `limit` rows.
    ///
    /// # Errors
    ///
    /// Those of [`query`](Self::query).
    pub fn query_first(
        &self,
        sql: &str,
        limit: u64,
        mut each: impl FnMut(&[String], &[Cell]) -> Result<()>,
    ) -> Result<Vec<String>> {
        let conn = self.connection_of_its_own()?;
        let refused = Refused::default();
        add_functions(&conn, self.connection_of_its_own()?, &refused)?;
        let invalid = |err: SqlError| Error::InvalidSql(err.to_string());
        // SQLite would ignore everything after a NUL.
        if sql.contains('\0') {
            return Err(Error::InvalidSql("it has a NUL character".to_owned()));
        }
        let mut stmt = conn.prepare(sql).map_err(invalid)?;
        if !stmt.readonly() {
            return Err(Error::InvalidSql(
                "it would change the database; only queries that read are allowed".to_owned(),
            ));
        }
        if stmt.column_count() == 0 {
            // Without SQL in it there is nothing that SQLite could spell out.
            let reason = match stmt.expanded_sql() {
                None => "it is empty",
                Some(_) => "it is not a query; only queries that read are allowed",
            };
            return Err(Error::InvalidSql(reason.to_owned()));
        }
        let columns: Vec<String> = stmt.column_names().into_iter().map(str::to_owned).collect();
        let mut rows = stmt.query([]).map_err(invalid)?;
        let mut cells = Vec::with_capacity(columns.len());
        for _ in 0..limit {
            let Some(row) = rows.next().map_err(|err| refused.or(err))? else { break };
            cells.clear();
            for column in 0..columns.len() {
                cells.push(cell(row.get_ref(column)?));
            }
            each(&columns, &cells)?;
        }
        Ok(columns)
    }
}

/// The error that ended a function. SQLite keeps only its text, so the error itself
/// is kept here.
#[derive(Clone, Default)]
struct Refused(Arc<Mutex<Option<Error>>>);

impl Refused {
    fn note(&self, err: Error) -> SqlError {
        let text = err.to_string();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(err);
        SqlError::UserFunctionError(text.into())
    }

    /// The error of a function that failed while rows were read, else SQLite's own.
    fn or(&self, err: SqlError) -> Error {
        if let Some(refused) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return refused;
        }
        match err.sqlite_error_code() {
            Some(rusqlite::ErrorCode::Unknown) | None => Error::InvalidSql(err.to_string()),
            Some(_) => err.into(),
        }
    }
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Integer(number),
        ValueRef::Real(number) => Cell::Real(number),
        ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Cell::Blob(bytes.to_vec()),
    }
}

fn add_functions(conn: &Connection, lookups: Connection, refused: &Refused) -> Result<()> {
    let lookups = Arc::new(Mutex::new(lookups));
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
    for (name, give) in
        [("line", line as fn(&Connection, i64) -> Result<Value>), ("message_text", message_text)]
    {
        let (lookups, refused) = (Arc::clone(&lookups), refused.clone());
        conn.create_scalar_function(name, 1, flags, move |context: &Context<'_>| {
            let Some(key) = context.get::<Option<i64>>(0)? else { return Ok(Value::Null) };
            let lookups = lookups.lock().unwrap_or_else(PoisonError::into_inner);
            match give(&lookups, key) {
                Ok(value) => Ok(value),
                Err(err) if err.is_not_found() => Ok(Value::Null),
                Err(err) => Err(refused.note(err)),
            }
        })?;
    }
    Ok(())
}

fn line(conn: &Connection, key: i64) -> Result<Value> {
    let mut known = conn.prepare_cached("SELECT 1 FROM lines WHERE line_key = ?1")?;
    if !known.exists([key])? {
        return Ok(Value::Null);
    }
    Ok(match String::from_utf8(log::line(conn, key)?) {
        Ok(text) => Value::Text(text),
        Err(err) => Value::Blob(err.into_bytes()),
    })
}

/// The high half of an entry key is the session key.
fn message_text(conn: &Connection, key: i64) -> Result<Value> {
    let messages = context::messages_of_entry(conn, SessionKey(key >> 32), key)?;
    if messages.is_empty() {
        return Ok(Value::Null);
    }
    let texts: Vec<String> = messages.iter().map(Message::text).collect();
    Ok(Value::Text(texts.join("\n")))
}
