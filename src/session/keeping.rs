//! Keeping sessions: archive, trash, purge, moved work dirs, and the session used
//! last.
//!
//! If a format's files have no place for such a decision, it is an event. Nothing
//! here happens unless a call asks for it.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::Connection;

use super::{Session, unnamed};
use crate::chain::{decide, strip};
use crate::error::{Error, Result};
use crate::fold;
use crate::format::projection::{self, Touched};
use crate::format::stored_text;
use crate::model::{Header, ProblemKind, SessionKey, Timestamp};
use crate::store::events::{self, EventKind};
use crate::store::files::FileState;
use crate::store::purged::Purged;
use crate::store::sources::{self, Source};
use crate::store::{
    Store, Traces, entries, files, generations, heads, log, problems, purged, sessions,
};

const DAY: i64 = 86_400_000_000_000;

impl Store {
    /// Archives every session that was inactive for this many whole days at `now`,
    /// except those that were taken out of the archive before. Returns how many were
    /// archived.
    ///
    /// # Errors
    ///
    /// [`Busy`](crate::Error::Busy) if another process writes for longer than the
    /// busy timeout.
    pub fn archive_older_than(&self, days: u32, now: Timestamp) -> Result<u64> {
        self.write(|tx| {
            let before = now.0.saturating_sub(i64::from(days).saturating_mul(DAY));
            let mut archived = 0;
            for session in events::sessions_to_archive(tx, Timestamp(before))? {
                archived +=
                    Session::find(self, tx, session)?.at(now).change_in(tx, |live, writing| {
                        if !live.may_age(tx, session)? {
                            return Ok(0);
                        }
                        live.archive(writing).map(|()| 1)
                    })?;
            }
            Ok(archived)
        })
    }

    /// Purges several sessions, all or none, as [`Session::purge`] does.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    pub fn purge_all(&self, sessions: &[SessionKey]) -> Result<Traces> {
        // A session that is named twice is purged once.
        let sessions: BTreeSet<SessionKey> = sessions.iter().copied().collect();
        self.write(|tx| {
            let is_there = |session| Ok::<_, Error>(sessions::place(tx, session)?.is_some());
            for session in &sessions {
                if !is_there(*session)? {
                    return Err(sessions::not_found(*session));
                }
            }
            for session in &sessions {
                // Purging a session may have purged a sub-agent that was named,
                // too.
                if is_there(*session)? {
                    purge(tx, *session)?;
                }
            }
            Ok(())
        })?;
        Ok(self.remove_traces())
    }

    /// Changes the work dir of every session in `from` to `to`, for a work dir that
    /// was moved. Session files do not change. Returns how many sessions there are; 0
    /// if `from` is not known.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](crate::Error::InvalidRecord) if `to` is empty;
    /// [`Busy`](crate::Error::Busy) if another process writes for longer than the
    /// busy timeout.
    pub fn relink(&self, from: &str, to: &str, at: Timestamp) -> Result<u64> {
        if to.is_empty() {
            return Err(Error::InvalidRecord("a work dir needs a path".to_owned()));
        }
        self.write(|tx| {
            let moved = events::sessions_of_work_dir(tx, from)?;
            let mut sources = BTreeSet::new();
            for session in &moved {
                decide(tx, *session, EventKind::Relink, at, Some(to))?;
                sources.extend(sessions::place(tx, *session)?.map(|(source, _)| source.source_id));
            }
            // A session with a recovered header takes the work dir of its
            // neighbours, if they agree.
            sources.iter().try_for_each(|source_id| fold::settle_recovered(tx, *source_id))?;
            Ok(moved.len() as u64)
        })
    }

    /// Returns the session that was [remembered](Session::remember) last in a work
    /// dir, unless it is in the trash. If there is none, returns the session that an
    /// imported `last_session.json` names for the work dir; `None` if there is none
    /// either.
    ///
    /// The work dir must be spelt as the sessions spell it; a trailing slash is
    /// ignored.
    pub fn remembered(&self, work_dir: impl AsRef<Path>) -> Result<Option<Session>> {
        let work_dir = work_dir.as_ref().to_string_lossy();
        let work_dir = match work_dir.trim_end_matches('/') {
            "" => "/",
            work_dir => work_dir,
        };
        self.read(|conn| {
            let found = match events::remembered(conn, work_dir)? {
                None => imported_pointer(conn, work_dir)?,
                found => found,
            };
            found.map(|key| Session::find(self, conn, key)).transpose()
        })
    }
}

impl Session {
    /// Archives the session: lists leave it out unless asked for archived ones.
    /// Archiving it again updates the time.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    pub fn archive(&self) -> Result<()> {
        self.change(|live, writing| live.archive(writing))
    }

    /// Takes the session out of the archive.
    /// [`archive_older_than`](Store::archive_older_than) then leaves it alone; only
    /// [`archive`](Self::archive) archives it again.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    pub fn unarchive(&self) -> Result<()> {
        self.change(|live, writing| live.unarchive(writing))
    }

    /// Moves the session to the trash: lists and exports leave it out. It stays there
    /// until it is restored or purged.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    pub fn trash(&self) -> Result<()> {
        self.decide(EventKind::Trash)
    }

    /// Takes the session out of the trash.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    pub fn restore(&self) -> Result<()> {
        self.decide(EventKind::Restore)
    }

    /// Remembers the session as the one used last in its work dir, see
    /// [`Store::remembered`].
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    pub fn remember(&self) -> Result<()> {
        self.decide(EventKind::Remember)
    }

    /// Deletes the session for good: every generation of its file, every line, and
    /// every trace of them in the database's files. Clones and forks keep what they
    /// copied.
    ///
    /// A file at an imported root is not touched. Its id and digest are remembered,
    /// so that importing the root again does not bring the session back unless that
    /// is [asked for](crate::ImportOptions::again).
    ///
    /// Afterwards the database is rewritten, so that no copy of the text is left in
    /// unused parts of pages. This takes as long as writing the whole database twice,
    /// and as much space beside it and in the folder for temporary files; other
    /// writers wait for it. To purge several sessions, [`Store::purge_all`] does it
    /// once. If it cannot be done, for example because of a reader, which is not
    /// waited for, the session is purged all the same, and the result says what is
    /// left.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    pub fn purge(&self) -> Result<Traces> {
        self.store.purge_all(&[self.key])
    }

    /// Moves the session to the trash if it was never used: it has no name, no
    /// message of a user, assistant or tool, and nothing that could not be
    /// understood. Returns whether it did.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    pub fn delete_if_unused(&self) -> Result<bool> {
        self.store.write(|tx| {
            let unused = is_unused(tx, self.key)?;
            if unused {
                decide(tx, self.key, EventKind::Trash, self.time(), None)?;
            }
            Ok(unused)
        })
    }

    fn decide(&self, kind: EventKind) -> Result<()> {
        self.store.write(|tx| decide(tx, self.key, kind, self.time(), None))
    }
}

/// The session that the pointer file in a work dir's folder names.
fn imported_pointer(conn: &Connection, work_dir: &str) -> Result<Option<SessionKey>> {
    let mut seen = BTreeSet::new();
    for session in events::sessions_of_work_dir(conn, work_dir)? {
        let Some((source, path)) = sessions::place(conn, session)? else { continue };
        let slash = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let folder = &path[..slash];
        if !seen.insert((source.source_id, folder.to_vec())) {
            continue;
        }
        let named = source.format.live().last_session(conn, &source, folder, work_dir)?;
        if named.is_some() {
            return Ok(named);
        }
    }
    Ok(None)
}

fn purge(tx: &Connection, session: SessionKey) -> Result<()> {
    let paths = projection::paths_of(tx, session)?;
    let (source, path) =
        sessions::place(tx, session)?.ok_or_else(|| sessions::not_found(session))?;
    remember_purged(tx, &source, session, &path)?;
    let mut touched = Touched::default();
    source.format.projection().note_dependents(tx, session, &mut touched)?;
    let session_id = sessions::session_id(tx, session)?;
    sessions::delete_session(tx, session)?;
    for path in paths.iter().filter(|path| source.format.layout().is_part(path)) {
        let Some(part) = sessions::session_at(tx, source.source_id, path)? else { continue };
        remember_purged(tx, &source, part, path)?;
        sessions::delete_session(tx, part)?;
    }
    // A file that this session had displaced may be shown now.
    let (mut derived, mut chains) = (Vec::new(), Vec::new());
    for path in &paths {
        if let Some(file) = files::newest(tx, source.source_id, path)? {
            touched.add(source.format, &file);
        }
        problems::delete_path_problems(tx, source.source_id, path)?;
        for file_id in generations::generations(tx, source.source_id, path)? {
            let begins_with_another = files::file_by_id(tx, file_id)?.base_id.is_some();
            if begins_with_another { derived.push(file_id) } else { chains.push(file_id) }
        }
    }
    // A chain that begins with another's lines must go before that one, wherever it
    // is.
    for file_id in derived.into_iter().chain(chains) {
        log::delete_content(tx, file_id)?;
        files::delete_file(tx, file_id)?;
    }
    if let Some(session_id) = session_id
        && sessions::sessions_by_id(tx, &session_id)?.is_empty()
    {
        unnamed::forget(tx, &source, &session_id, &mut touched)?;
    }
    if source.root.is_empty() {
        for path in &paths {
            delete_empty_folders(tx, source.source_id, path)?;
        }
    }
    touched.settle(tx, source.source_id)?;
    fold::settle_recovered(tx, source.source_id)
}

/// Remembers the purged session, if a root or another store may still have it.
fn remember_purged(
    tx: &Connection,
    source: &Source,
    session: SessionKey,
    path: &[u8],
) -> Result<()> {
    let session_id = sessions::session_id(tx, session)?;
    let imported = files::file(tx, source.source_id, path, FileState::Current)?;
    let inode = imported.as_ref().map(|file| file.inode);
    let content = imported.and_then(|file| Some((file.size, file.sha256?)));
    if session_id.is_none() && content.is_none() {
        return Ok(());
    }
    purged::insert(tx, source.source_id, &Purged { session_id, content, inode })
}

/// Removes the empty folders that lead to a path which was made here.
fn delete_empty_folders(tx: &Connection, source_id: i64, path: &[u8]) -> Result<()> {
    let slashes = path.iter().enumerate().rev().filter(|(_, byte)| **byte == b'/');
    for (slash, _) in slashes {
        let folder = &path[..slash];
        // '0' is the byte after '/'.
        let (above, below) = ([folder, b"/"].concat(), [folder, b"0"].concat());
        if !files::newest_between(tx, source_id, &above, &below)?.is_empty() {
            break;
        }
        for file_id in generations::generations(tx, source_id, folder)? {
            files::delete_file(tx, file_id)?;
        }
    }
    Ok(())
}

fn is_unused(conn: &Connection, session: SessionKey) -> Result<bool> {
    let head = heads::head(conn, session)?;
    let is_named = head.name.is_some_and(|name| !strip(&stored_text(&name)).is_empty());
    if head.header != Header::Stored || is_named || entries::has_conversation(conn, session)? {
        return Ok(false);
    }
    let Some(file) = projection::log_of(conn, session)? else { return Ok(false) };
    let source = sources::by_id(conn, file.source_id)?;
    let mut understood = true;
    log::each_line(conn, &file, |_, raw| {
        let is_lost = |kind| matches!(kind, ProblemKind::Malformed | ProblemKind::NotARecord);
        understood &= !raw.trim_ascii().is_empty();
        understood &=
            !source.format.meaning().parse(raw).problems.iter().any(|(kind, _)| is_lost(*kind));
        Ok(())
    })?;
    Ok(understood)
}
