//! Seal: compresses the lines of sessions that are not in daily use, in place.
//!
//! A line stays a row of its own. So all readers handle packed lines in the one
//! place that reads lines, and an append to a sealed session adds an unpacked line
//! without undoing anything. Blocks of many lines would be a third smaller again,
//! but copies, purges and recovery all work line by line.

use std::collections::BTreeSet;

use rusqlite::{Connection, named_params};

use crate::error::Result;
use crate::format::projection;
use crate::model::{SessionKey, Timestamp, as_object};
use crate::store::packing::{self, Packer};
use crate::store::{Store, Traces, generations, log, sessions};

/// The zstd level. Level 19 takes seven times as long for another 2 percent.
const LEVEL: i32 = 6;

/// Bytes of lines that one transaction packs.
const BATCH_BYTES: usize = 16 << 20;

/// Which sessions to seal: the union of all that are selected. Default: none.
#[derive(Clone, Debug, Default)]
#[must_use = "options do nothing until `seal`"]
pub struct SealOptions {
    sessions: Vec<SessionKey>,
    archived: bool,
    idle_since: Option<Timestamp>,
}

impl SealOptions {
    /// Selects no session.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds this session.
    pub fn session(mut self, session: SessionKey) -> Self {
        self.sessions.push(session);
        self
    }

    /// Adds the archived sessions.
    pub fn archived(mut self, archived: bool) -> Self {
        self.archived = archived;
        self
    }

    /// Adds the sessions without activity at or after this time, archived or not.
    pub fn idle_since(mut self, time: Timestamp) -> Self {
        self.idle_since = Some(time);
        self
    }
}

/// What was packed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SealReport {
    /// Sessions that were examined.
    pub sessions: u64,
    /// Lines that this call packed.
    pub lines: u64,
    /// Bytes of these lines, unpacked.
    pub bytes: u64,
    /// Bytes that they take in the database now.
    pub packed: u64,
    /// Whether the space that was saved has returned to the file system.
    pub traces: Traces,
}

as_object! { SealReport { sessions, lines, bytes, packed, traces, } }

impl Store {
    /// Compresses the lines of sessions with zstd: those of all of a session's files,
    /// including earlier generations.
    ///
    /// Every reader still gets the same bytes. Reading a line takes some microseconds
    /// longer, and SQL reads its text only through `line()`. Lines that are appended
    /// later are stored unpacked. Lines that are packed already, too short to gain,
    /// or damaged stay as they are, and so do documents.
    ///
    /// Each 16 MiB of lines is one transaction: if it is interrupted, every line is
    /// complete, packed or not. If it packed anything, it then rewrites the database,
    /// as [`prune`](Self::prune) does. If that step was interrupted, a prune, or the
    /// next call that packs something, returns the space.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound), before anything is packed;
    /// [`Busy`](crate::Error::Busy) if another process writes for longer than the
    /// busy timeout.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use sessile::{ImportOptions, SealOptions, Store};
    ///
    /// let store = Store::open(dir.path().join("sessions.db"))?;
    /// store.import("fixtures/kward/small", &ImportOptions::new())?;
    /// let session = store.find("edge-97")?;
    /// let lines = session.lines(0)?;
    ///
    /// let report = store.seal(&SealOptions::new().session(session.key()))?;
    /// assert!(report.packed < report.bytes);
    /// assert_eq!(session.lines(0)?, lines);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn seal(&self, options: &SealOptions) -> Result<SealReport> {
        let (sessions, logs) = self.read(|conn| {
            let mut sessions = BTreeSet::from_iter(options.sessions.iter().copied());
            sessions.extend(archived_or_idle(conn, options)?);
            let mut logs = BTreeSet::new();
            for session in &sessions {
                logs.extend(logs_of(conn, *session)?);
            }
            Ok((sessions.len() as u64, logs))
        })?;
        let mut left: Vec<[i64; 2]> = logs.into_iter().rev().map(log::keys).collect();
        let mut packer = Packer::new(Some(LEVEL))?;
        let mut report = SealReport { sessions, ..SealReport::default() };
        while !left.is_empty() {
            self.write(|tx| pack(tx, &mut left, &mut packer, &mut report))?;
        }
        if report.lines != 0 {
            report.traces = self.remove_traces();
        }
        Ok(report)
    }
}

fn archived_or_idle(conn: &Connection, options: &SealOptions) -> Result<BTreeSet<SessionKey>> {
    let mut stmt = conn.prepare_cached(
        "SELECT session_key
         FROM sessions
         WHERE (:archived AND archived_at IS NOT NULL)
            OR modified_at < :idle_since",
    )?;
    let rows = stmt.query_map(
        named_params! { ":archived": options.archived, ":idle_since": options.idle_since },
        |row| row.get("session_key"),
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// All logs of a session, earlier generations included.
fn logs_of(conn: &Connection, session: SessionKey) -> Result<BTreeSet<i64>> {
    let (source, _) =
        sessions::place(conn, session)?.ok_or_else(|| sessions::not_found(session))?;
    let mut logs = BTreeSet::new();
    for path in projection::paths_of(conn, session)? {
        logs.extend(generations::generations(conn, source.source_id, &path)?);
    }
    Ok(logs)
}

/// Packs one transaction's share of the key ranges, and removes it from them.
fn pack(
    tx: &Connection,
    left: &mut Vec<[i64; 2]>,
    packer: &mut Packer,
    report: &mut SealReport,
) -> Result<()> {
    let mut room = BATCH_BYTES;
    while let Some([first, last]) = left.pop() {
        let (packed, next) = packing::pack_lines(tx, [first, last], &mut room, packer)?;
        report.lines += packed.lines;
        report.bytes += packed.bytes;
        report.packed += packed.stored;
        if let Some(next) = next {
            left.push([next, last]);
            break;
        }
    }
    Ok(())
}
