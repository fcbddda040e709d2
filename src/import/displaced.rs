//! Sessions whose path at their root was taken by another session.
//!
//! A path does not identify a session. If two files were exchanged, or one was
//! moved over another, the header tells whose log a path holds now; without a
//! header, the bytes tell, if another path had them before. The previous session is
//! kept under another path and marked as missing from its root, with its
//! generations, what was written here and its events. If its file is elsewhere at
//! the root, it has moved there, like any file that is missing at one path and new
//! at another.

use std::collections::{BTreeSet, HashMap};

use rusqlite::Connection;

use super::moved;
use crate::error::Result;
use crate::fold;
use crate::format::rules::{HeaderPlace, Sessions};
use crate::model::{Format, Timestamp};
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::{generations, log, sessions};

/// Whether a log has replaced the log of another session, according to their headers.
pub(super) fn is_of_another(
    tx: &Connection,
    format: Format,
    now: &FileRow,
    before: &FileRow,
) -> Result<bool> {
    if format.rules().sessions != Sessions::File || now.kind != FileKind::Log {
        return Ok(false);
    }
    // If a link had the path, the local chain that was kept tells whose log it was.
    let local = files::file(tx, now.source_id, &now.path, FileState::Local)?;
    let before = local.as_ref().unwrap_or(before);
    if before.kind != FileKind::Log {
        return Ok(false);
    }
    let (old, new) = (id_of_log(tx, format, before)?, id_of_header(tx, format, now)?);
    Ok(old.is_some() && new.is_some() && old != new)
}

fn id_of_header(tx: &Connection, format: Format, log: &FileRow) -> Result<Option<String>> {
    Ok(fold::header_of(tx, format, log)?.and_then(|header| header.session_id))
}

/// The id of a log by its header, or by its header before it was rewritten.
fn id_of_log(tx: &Connection, format: Format, log: &FileRow) -> Result<Option<String>> {
    match id_of_header(tx, format, log)? {
        None => Ok(fold::earlier_header(tx, format, log)?.and_then(|header| header.session_id)),
        id => Ok(id),
    }
}

/// Gives a log, or a link or folder, its path, and the session that had the path
/// another one.
pub(super) fn displace(
    tx: &Connection,
    format: Format,
    there: &FileRow,
    now: Timestamp,
) -> Result<()> {
    let (source_id, path) = (there.source_id, &there.path);
    let kept = kept_path(tx, source_id, path)?;
    let mut earlier = generations::rows(tx, source_id, path)?;
    earlier.retain(|file| file.file_id != there.file_id && file.state != FileState::Partial);
    for file in &earlier {
        generations::move_file(tx, file.file_id, &kept)?;
    }
    let is_log = |file: &&FileRow| file.kind == FileKind::Log;
    let mut local = earlier.iter().filter(is_log).find(|file| file.state == FileState::Local);
    let last = earlier.iter().filter(is_log).rfind(|file| file.state == FileState::Superseded);
    if let Some(last) = last {
        let gone = FileRow { missing_at: Some(now), ..last.clone() };
        files::update_file(tx, &gone)?;
        generations::update_state(tx, last.file_id, FileState::Current)?;
        generations::update_lost(tx, last.file_id, 1)?;
    }
    if let Some(ours) = local {
        // The local chain does not lack lines of a file that is another session's.
        generations::update_lost(tx, ours.file_id, 0)?;
    }
    // Beside a link, the chain only kept the lines.
    let only_kept = local.filter(|ours| {
        ours.base_count == ours.line_count && ours.base_id == last.map(|last| last.file_id)
    });
    local = local.filter(|_| only_kept.is_none());
    if let Some(session) = sessions::session_at(tx, source_id, path)?
        && let Some(shown) = local.or(last)
    {
        sessions::update_session_file(tx, session, shown.file_id)?;
        sessions::update_path(tx, session, &kept)?;
        fold::refold(tx, &files::file_by_id(tx, shown.file_id)?, format, session)?;
    }
    if let Some(kept) = only_kept {
        log::delete_content(tx, kept.file_id)?;
        files::delete_file(tx, kept.file_id)?;
    }
    if there.kind != FileKind::Log {
        return Ok(());
    }
    let session = sessions::insert_session(tx, there, format)?;
    fold::refold(tx, there, format, session)
}

/// A free path beside one that another session has taken.
fn kept_path(conn: &Connection, source_id: i64, path: &[u8]) -> Result<Vec<u8>> {
    let mut n = 1;
    loop {
        let kept = generations::kept_path(path, n);
        if generations::rows(conn, source_id, &kept)?.is_empty()
            && sessions::session_at(conn, source_id, &kept)?.is_none()
        {
            return Ok(kept);
        }
        n += 1;
    }
}

/// Logs that were rewritten, and what they held before, to detect an exchange of two
/// files that no header tells apart. Also logs that were replaced by a link or
/// folder, for a file that was moved and linked to.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    rewritten: Vec<Rewritten>,
    replaced: Vec<Rewritten>,
}

#[derive(Debug)]
struct Rewritten {
    before: FileRow,
    now: FileRow,
}

/// What a rewritten log holds: the former content of a missing file, or of a
/// rewritten one at this position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FormerContent {
    Missing,
    Before(usize),
}

impl Exchanges {
    /// Adds a file that was rewritten.
    pub(super) fn add(&mut self, before: &FileRow, now: &FileRow) {
        if before.kind != FileKind::Log || before.size == 0 {
            return;
        }
        let one = Rewritten { before: before.clone(), now: now.clone() };
        match now.kind {
            FileKind::Log if 0 < now.size => self.rewritten.push(one),
            FileKind::Link | FileKind::Folder => self.replaced.push(one),
            FileKind::Log | FileKind::Document => {}
        }
    }

    /// The files that have the path of a session that is elsewhere now: logs with the
    /// former content of another path, and links or folders in place of a log whose
    /// content is in a file later than `newest`.
    pub(super) fn found(
        mut self,
        tx: &Connection,
        source: (i64, Format),
        newest: i64,
        now: Timestamp,
    ) -> Result<Vec<FileRow>> {
        let rules = source.1.rules();
        if rules.sessions != Sessions::File {
            return Ok(Vec::new());
        }
        // If the file name is the session's id, the session is the one of that
        // name.
        let is_named = rules.header == HeaderPlace::FileName;
        if is_named {
            self.rewritten.clear();
        }
        let mut found = self.exchanged(tx, source, now)?;
        if self.replaced.is_empty() {
            return Ok(found);
        }
        let mut new = Vec::new();
        generations::each_log_after(tx, source.0, newest, |log| {
            new.push(log);
            Ok(())
        })?;
        for Rewritten { before, now } in self.replaced {
            let id = id_of_log(tx, source.1, &before)?;
            for log in &new {
                let is_like = before.sha256 == log.sha256
                    || before.inode == log.inode && moved::begins(tx, &before, log)?
                    || id.is_some() && id == id_of_session(tx, log)?;
                if is_like && (!is_named || moved::name(&before.path) == moved::name(&log.path)) {
                    found.push(now);
                    break;
                }
            }
        }
        Ok(found)
    }

    /// The logs with the former content of another path.
    fn exchanged(
        &mut self,
        tx: &Connection,
        (source_id, format): (i64, Format),
        now: Timestamp,
    ) -> Result<Vec<FileRow>> {
        // A file that was rewritten in place has not moved; another file like it is
        // a copy.
        let mut without_id = Vec::new();
        for one in std::mem::take(&mut self.rewritten) {
            if !one.keeps_id(tx, format)? {
                without_id.push(one);
            }
        }
        self.rewritten = without_id;
        if self.rewritten.is_empty() {
            return Ok(Vec::new());
        }
        let mut missing = generations::missing_since(tx, source_id, now)?;
        missing.retain(|file| file.kind == FileKind::Log && 0 < file.size);
        let held = self.former_content(tx, &missing)?;
        let mut found = BTreeSet::new();
        for (n, held) in held.iter().enumerate() {
            match held {
                Some(FormerContent::Missing) => drop(found.insert(n)),
                Some(FormerContent::Before(other)) => found.extend([n, *other]),
                None => {}
            }
        }
        Ok(found.into_iter().map(|n| self.rewritten[n].now.clone()).collect())
    }

    /// For each log, the file with whose former content it begins, if that is
    /// another's.
    fn former_content(
        &self,
        tx: &Connection,
        missing: &[FileRow],
    ) -> Result<Vec<Option<FormerContent>>> {
        let befores = self.rewritten.iter().enumerate();
        let befores = befores.map(|(n, one)| (FormerContent::Before(n), &one.before));
        let missing = missing.iter().map(|file| (FormerContent::Missing, file));
        let (mut by_digest, mut by_inode) = (HashMap::new(), HashMap::new());
        for (held, file) in befores.chain(missing) {
            by_digest.entry(file.sha256.as_deref()).or_insert_with(Vec::new).push(held);
            let of_inode: &mut Vec<_> = by_inode.entry(file.inode).or_default();
            of_inode.push((held, file));
        }
        let mut found = Vec::with_capacity(self.rewritten.len());
        for (n, one) in self.rewritten.iter().enumerate() {
            let same = by_digest.get(&one.now.sha256.as_deref()).into_iter().flatten();
            let mut of = same.copied().find(|held| *held != FormerContent::Before(n));
            let inode = by_inode.get(&one.now.inode).filter(|_| one.now.inode != 0);
            for (held, file) in inode.into_iter().flatten() {
                let is_another = of.is_none() && *held != FormerContent::Before(n);
                if is_another && moved::begins(tx, file, &one.now)? {
                    of = Some(*held);
                }
            }
            found.push(of);
        }
        Ok(found)
    }
}

impl Rewritten {
    fn keeps_id(&self, tx: &Connection, format: Format) -> Result<bool> {
        let now = id_of_header(tx, format, &self.now)?;
        Ok(now.is_some() && now == id_of_log(tx, format, &self.before)?)
    }
}

fn id_of_session(tx: &Connection, log: &FileRow) -> Result<Option<String>> {
    match sessions::session_of_file(tx, log.file_id)? {
        Some(session) => sessions::session_id(tx, session),
        None => Ok(None),
    }
}
