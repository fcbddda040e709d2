//! Seal: the lines of sessions that are not in daily use, packed where they stand.
//!
//! A line stays a row, so that whatever reads lines reads packed ones at the same one
//! place, and an append to a sealed session adds its line as it is: there is nothing to
//! undo. Blocks of many lines would be a third smaller again, but each would stand for
//! what copies refer to, a purge removes and a recovery saves: a line.

use std::collections::BTreeSet;

use rusqlite::{Connection, named_params};

use crate::error::Result;
use crate::format::projection;
use crate::model::{SessionKey, Timestamp};
use crate::session::not_found;
use crate::store::packing::{self, Packer};
use crate::store::{Store, Traces, generations, log, sessions};

/// Of zstd: 19 takes seven times as long for another 2 percent.
const LEVEL: i32 = 6;

/// Bytes of lines that one transaction packs.
const BATCH_BYTES: usize = 16 << 20;

/// Which sessions to seal: each that any of these names. Default: none.
#[derive(Clone, Debug, Default)]
#[must_use = "options do nothing until `seal`"]
pub struct SealOptions {
    sessions: Vec<SessionKey>,
    archived: bool,
    idle_since: Option<Timestamp>,
}

impl SealOptions {
    /// Names no session yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// This one.
    pub fn session(mut self, session: SessionKey) -> Self {
        self.sessions.push(session);
        self
    }

    /// Those in the archive.
    pub fn archived(mut self, archived: bool) -> Self {
        self.archived = archived;
        self
    }

    /// Those without activity at this time and since, in the archive or not.
    pub fn idle_since(mut self, time: Timestamp) -> Self {
        self.idle_since = Some(time);
        self
    }
}

/// What was packed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SealReport {
    /// Sessions that were looked at.
    pub sessions: u64,
    /// Lines that are packed now and were not before.
    pub lines: u64,
    /// Bytes of these lines.
    pub bytes: u64,
    /// Bytes that they take in the database now.
    pub packed: u64,
    /// Whether the space that they took is the file system's again.
    pub traces: Traces,
}

impl Store {
    /// Packs the lines of sessions by zstd, with their parts and the earlier generations
    /// of their files.
    ///
    /// Every byte is given back as before, by whatever reads it; to read a line takes some
    /// microseconds longer, and SQL reads its text by `line()` alone. A session that goes
    /// on gets its new lines as they are. What is packed already, too short to gain by
    /// it, or damaged stays as it is; so do documents.
    ///
    /// Each 16 MiB of lines are a transaction: interrupted, it leaves every line whole, packed
    /// or not. Then it writes the database anew, as [`prune`](Self::prune) does, if it packed
    /// anything. Where that was interrupted, the space is given back by a prune, or by the
    /// next call that packs something.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound), before anything is packed;
    /// [`Busy`](crate::Error::Busy) when another process writes for too long.
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
            sessions.append(&mut archived_or_idle(conn, options)?);
            let mut logs = BTreeSet::new();
            for session in &sessions {
                logs.append(&mut logs_of(conn, *session)?);
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

/// The files whose lines a session has, also those that are not its newest.
fn logs_of(conn: &Connection, session: SessionKey) -> Result<BTreeSet<i64>> {
    let (source, _) = sessions::place(conn, session)?.ok_or_else(|| not_found(session))?;
    let mut logs = BTreeSet::new();
    for path in projection::paths_of(conn, session)? {
        logs.extend(generations::generations(conn, source.source_id, &path)?);
    }
    Ok(logs)
}

/// Packs as much of the ranges of keys as one transaction does, and takes that from them.
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
