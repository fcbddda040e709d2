//! Exports sessions: their rows, and those of their entries, usage, labels and events.
//!
//! If a session only grew, its new rows are added. If rows that the lake has changed, as when
//! its tree changed, all of its rows are exported under a new version. Readers join by session
//! and version.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use sha2::{Digest, Sha256};

use super::Run;
use super::files::Files;
use super::parts::{PARTS, Parts, VERSION};
use super::text::sql_text;
use super::tree::{self, Tree};
use crate::columns::Value;
use crate::error::Result;
use crate::manifest::Partition;
use crate::rows::{Held, SessionRow, Sha, absorb};
use crate::table::Table;

impl Run<'_> {
    /// Exports sessions that are new or changed, with their new rows.
    pub(super) fn sessions(&mut self, files: &Files) -> Result<()> {
        let places: BTreeSet<(i64, &[u8], i64)> =
            files.iter().map(|(id, file)| (file.source_id, &file.path[..], *id)).collect();
        let mut there = HashSet::new();
        let mut stmt = self.conn.prepare(SESSIONS)?;
        let mut rows = stmt.query([])?;
        while let Some(row) = rows.next()? {
            let session = Session::read(row)?;
            there.insert(session.key);
            // If its log is damaged, the lake keeps what it has of the session.
            let Some(stamp) = stamp(self.conn, row, &session, &places, files)? else { continue };
            let known = self.state.sessions.get(&session.key).filter(|known| !known.is_gone);
            if known.is_none_or(|known| known.held.stamp != stamp) {
                self.session(&session, stamp, known, files)?;
            }
        }
        let mut gone: Vec<&SessionRow> = self
            .state
            .sessions
            .values()
            .filter(|known| !known.is_gone && !there.contains(&known.session_key))
            .collect();
        gone.sort_by_key(|known| known.session_key);
        for known in gone {
            self.report.gone += 1;
            self.gone_session(known)?;
        }
        Ok(())
    }

    /// Marks a session that the store no longer has; its columns for readers are empty.
    fn gone_session(&mut self, known: &SessionRow) -> Result<()> {
        let row = SessionRow { is_gone: true, ..known.clone() };
        let null = Value::Null;
        let empty = Value::Text("");
        let zero = Value::Int(0);
        let shown = [
            empty, null, null, null, null, null, null, null, zero, null, zero, null, null, null,
            empty, empty, zero, null,
        ];
        let partition = Partition::new(&row.format, &row.origin, sessile::Timestamp::now().0);
        let held = row.held.to_bytes();
        self.writer.push(Table::Sessions, &partition, &row.to_lake(self.number, &shown, &held))
    }

    fn session(
        &mut self,
        session: &Session,
        stamp: Sha,
        known: Option<&SessionRow>,
        files: &Files,
    ) -> Result<()> {
        let tree = tree::read(self.conn, session.key)?;
        let parts = Parts { conn: self.conn, session, tree: &tree, files };
        let mut goes_on = false;
        if let Some(known) = known {
            let mut rows = Rows::until(known.held.counts);
            parts.each(&mut self.words, |part, _, row| {
                rows.take(part, row);
                Ok(())
            })?;
            goes_on = known.origin == session.origin
                && rows.counts == known.held.counts
                && rows.finish() == known.held.rows_sha256;
        }
        let (version, held) = match known {
            Some(known) if goes_on => (known.version, known.held.counts),
            Some(known) => (known.version + 1, [0; 4]),
            None => (1, [0; 4]),
        };
        let mut partitions = Partitions { session, last: None };
        let mut rows = Rows::until([i64::MAX; 4]);
        let writer = &mut self.writer;
        parts.each(&mut self.words, |part, at, row| {
            let place = rows.counts[part];
            rows.take(part, row);
            if held[part] <= place {
                row[VERSION] = version.into();
                writer.push(PARTS[part], partitions.of(at), row)?;
            }
            Ok(())
        })?;
        let row = SessionRow {
            is_gone: false,
            session_key: session.key,
            version,
            format: session.format.clone(),
            origin: session.origin.clone(),
            source_id: session.source_id,
            path: session.path.clone(),
            file_id: session.file_id,
            held: Held { stamp, counts: rows.counts, rows_sha256: rows.finish() },
        };
        let held = row.held.to_bytes();
        let row = row.to_lake(self.number, &session.shown(&tree), &held);
        self.writer.push(Table::Sessions, partitions.of(None), &row)?;
        self.report.sessions += 1;
        Ok(())
    }
}

/// The partitions of a session's rows.
struct Partitions<'a> {
    session: &'a Session,
    /// The day of the last call, with its partition. Most rows are of the same day as the row
    /// before, and formatting a month takes longer than hashing the row.
    last: Option<(i64, Partition)>,
}

impl Partitions<'_> {
    /// The partition of a row, by its time in nanoseconds since 1970.
    fn of(&mut self, at: Option<i64>) -> &Partition {
        const DAY: i64 = 24 * 60 * 60 * 1_000_000_000;
        let Session { format, origin, created_at, modified_at, .. } = self.session;
        let at = at.or(*created_at).unwrap_or(*modified_at);
        let day = at.div_euclid(DAY);
        let last = self.last.take().filter(|(last, _)| *last == day);
        &self.last.insert(last.unwrap_or_else(|| (day, Partition::new(format, origin, at)))).1
    }
}

/// Counts rows and computes their digests, up to a maximum for each part.
struct Rows {
    most: [i64; 4],
    counts: [i64; 4],
    digests: [Sha256; 4],
}

impl Rows {
    fn until(most: [i64; 4]) -> Self {
        Self { most, counts: [0; 4], digests: Default::default() }
    }

    /// Adds a row. Its version is not set yet, so that the digest does not depend on it.
    fn take(&mut self, part: usize, row: &[Value<'_>]) {
        if self.counts[part] < self.most[part] {
            self.counts[part] += 1;
            absorb(&mut self.digests[part], row);
        }
    }

    fn finish(self) -> Sha {
        let mut all = Sha256::new();
        self.digests.into_iter().for_each(|digest| all.update(digest.finalize()));
        all.finalize().into()
    }
}

/// The digest of a session's own row, its files and its events, which tells whether the
/// session changed; `None` if the lake has none of its files.
fn stamp(
    conn: &Connection,
    row: &Row<'_>,
    session: &Session,
    places: &BTreeSet<(i64, &[u8], i64)>,
    files: &Files,
) -> Result<Option<Sha>> {
    let mut digest = Sha256::new();
    let mut is_there = session.file_id.is_some_and(|id| files.contains_key(&id));
    for n in 0..row.as_ref().column_count() {
        absorb(
            &mut digest,
            &[match row.get_ref(n)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(number) => number.into(),
                ValueRef::Real(number) => number.into(),
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.into(),
            }],
        );
    }
    let path = &session.path[..];
    for (source_id, at, id) in places.range((session.source_id, path, 0)..) {
        if *source_id != session.source_id || !at.starts_with(path) {
            break;
        }
        if at.len() == path.len() || at[path.len()] == b'/' {
            digest.update(files[id].digest);
            is_there |= session.file_id.is_none();
        }
    }
    let (events, last): (i64, Option<i64>) = conn
        .prepare_cached("SELECT count(*), max(event_id) FROM events WHERE session_key = ?1")?
        .query_row([session.key], |row| Ok((row.get(0)?, row.get(1)?)))?;
    absorb(&mut digest, &[events.into(), last.into()]);
    Ok(is_there.then(|| digest.finalize().into()))
}

const SESSIONS: &str = "
    SELECT list.session_key, list.session, list.format, list.name, list.title, list.first_message,
           list.work_dir, list.host, list.provider, list.model, list.messages, session.created_at,
           session.modified_at, session.archived_at, session.trashed_at, list.parent, list.root,
           coalesce(list.origin, 'local') AS origin, list.path, list.is_listed, session.source_id, session.path AS path_bytes,
           session.file_id, session.leaf_id, session.entry_count, session.last_entry_key
    FROM sessions AS session
    CROSS JOIN session_list AS list ON list.session_key = session.session_key
    ORDER BY session.session_key";

/// A session of the store.
pub(super) struct Session {
    pub(super) key: i64,
    id: String,
    format: String,
    origin: String,
    texts: [Option<String>; 7],
    messages: i64,
    created_at: Option<i64>,
    modified_at: i64,
    archived_at: Option<i64>,
    trashed_at: Option<i64>,
    parent: Option<String>,
    root: String,
    path_text: String,
    is_listed: i64,
    source_id: i64,
    path: Vec<u8>,
    file_id: Option<i64>,
}

impl Session {
    fn read(row: &Row<'_>) -> Result<Self> {
        let text = |column: &str| -> Result<Option<String>> {
            Ok(sql_text(row.get_ref(column)?).map(Cow::into_owned))
        };
        Ok(Self {
            key: row.get("session_key")?,
            id: text("session")?.unwrap_or_default(),
            format: text("format")?.unwrap_or_default(),
            origin: text("origin")?.unwrap_or_default(),
            texts: [
                text("name")?,
                text("title")?,
                text("first_message")?,
                text("work_dir")?,
                text("host")?,
                text("provider")?,
                text("model")?,
            ],
            messages: row.get("messages")?,
            created_at: row.get("created_at")?,
            modified_at: row.get("modified_at")?,
            archived_at: row.get("archived_at")?,
            trashed_at: row.get("trashed_at")?,
            parent: text("parent")?,
            root: text("root")?.unwrap_or_default(),
            path_text: text("path")?.unwrap_or_default(),
            is_listed: row.get("is_listed")?,
            source_id: row.get("source_id")?,
            path: row.get("path_bytes")?,
            file_id: row.get("file_id")?,
        })
    }

    /// The values of the columns for readers.
    fn shown(&self, tree: &Tree) -> [Value<'_>; 18] {
        let [name, title, first_message, work_dir, host, provider, model] =
            self.texts.each_ref().map(|text| Value::from(text.as_ref()));
        [
            Value::from(&self.id),
            name,
            title,
            first_message,
            work_dir,
            host,
            provider,
            model,
            self.messages.into(),
            micros(self.created_at).into(),
            micros(Some(self.modified_at)).into(),
            micros(self.archived_at).into(),
            micros(self.trashed_at).into(),
            self.parent.as_ref().into(),
            Value::from(&self.root),
            Value::from(&self.path_text),
            self.is_listed.into(),
            tree.leaf.into(),
        ]
    }
}

pub(super) fn micros(nanoseconds: Option<i64>) -> Option<i64> {
    nanoseconds.map(|nanoseconds| nanoseconds.div_euclid(1_000))
}
