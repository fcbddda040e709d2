//! The trash as a list.

use rusqlite::{Connection, named_params};

use super::Store;
use super::filter::SessionFilter;
use super::listing::{self, Page, SessionRow};
use crate::error::Result;

impl Store {
    /// Lists the sessions in the trash, including archived ones, in the order of
    /// [`sessions`](Self::sessions), and in pages as there.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](crate::Error::InvalidRecord) if a metadata value of the filter is not JSON.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// # use sessile::{NewSession, SessionFilter};
    /// let session = store.create(&NewSession::new("/home/me/project"))?;
    /// session.trash()?;
    ///
    /// assert_eq!(store.trash(&SessionFilter::new())?.rows[0].key, session.key());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn trash(&self, filter: &SessionFilter) -> Result<Page> {
        self.read(|conn| select_trash(conn, filter))
    }
}

fn select_trash(conn: &Connection, filter: &SessionFilter) -> Result<Page> {
    let among = filter.narrowing.sessions(conn)?;
    let among = among.map(|keys| serde_json::Value::from_iter(keys).to_string());
    let mut stmt = conn.prepare_cached(
        // The trash is small and rarely listed: an index for it would cost every
        // import.
        "SELECT session.session_key, session.format, session.session_id, session.title,
                dir.path AS work_dir, session.archived_at, session.modified_at,
                session.message_count
         FROM sessions AS session
         LEFT JOIN work_dirs AS dir ON dir.work_dir_id = session.work_dir_id
         WHERE session.trashed_at IS NOT NULL
           AND (:query IS NULL OR instr(session.search_text, :query) > 0)
           AND (:work_dir IS NULL OR rtrim(dir.path, '/') = :work_dir)
           AND (:among IS NULL OR session.session_key IN (SELECT value FROM json_each(:among)))
           AND session.modified_at BETWEEN :since AND :modified_at
           AND (:format IS NULL OR session.format = :format)
           AND (session.modified_at, ifnull(session.session_id, 0), session.session_key)
             < (:modified_at, ifnull(:session_id, 0), :session_key)
         ORDER BY session.modified_at DESC, session.session_id DESC, session.session_key DESC
         LIMIT :limit OFFSET :offset",
    )?;
    let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX - 1);
    let (modified_at, session_id, session_key) = filter.start();
    let rows = stmt.query_map(
        named_params! {
            ":query": filter.query,
            ":work_dir": filter.work_dir,
            ":among": among,
            ":format": filter.format,
            ":since": filter.since,
            ":modified_at": modified_at,
            ":session_id": session_id,
            ":session_key": session_key,
            // One row more than asked for tells whether there is a next page.
            ":limit": limit.saturating_add(1),
            ":offset": i64::try_from(filter.offset).unwrap_or(i64::MAX),
        },
        listing::row_from_row,
    )?;
    let mut rows: Vec<SessionRow> = rows.collect::<Result<_, _>>()?;
    let next = listing::cut(&mut rows, limit);
    let damaged = listing::complete(conn, &mut rows)?;
    Ok(Page { rows, next, damaged })
}
