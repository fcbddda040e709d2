//! Determines where something of another store belongs here.

use rusqlite::Connection;

use super::logs::first_line;
use super::{Pair, documents};
use crate::error::{Error, Result};
use crate::format::rules::Sessions;
use crate::model::{Format, Timestamp};
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::sources::{self, Source};
use crate::store::{generations, purged, roots, sessions};

/// The sources here that a source of another store may share files with.
pub(super) struct Partner {
    /// The source for what is in none of them yet.
    first: Source,
    others: Vec<Source>,
}

/// The source here for the same root: one with the same path, or one that has a log
/// of it; else the store's own. If the other store names an origin, only sources of
/// that origin are considered.
pub(super) fn partner(conn: &Connection, theirs: &Connection, source: &Source) -> Result<Partner> {
    let mut sources = sources::all(conn)?;
    sources.retain(|one| one.format == source.format);
    let (mut here, mut others): (Vec<Source>, Vec<Source>) =
        sources.into_iter().partition(|one| match source.origin.as_str() {
            "" => !one.root.is_empty() || one.origin.is_empty(),
            origin => one.origin == origin,
        });
    let same = here.iter().position(|one| one.root == source.root);
    let found = match same {
        Some(n) if !here[n].root.is_empty() => Some(n),
        same => sharing(conn, theirs, source, &here)?
            .or(same)
            // What is in no root there may come from one that is here.
            .or_else(|| (source.root.is_empty() && !here.is_empty()).then_some(0)),
    };
    let first = match found {
        Some(n) => here.remove(n),
        // A session that only the other store has belongs to no root of this
        // machine.
        None => {
            let source_id = sources::of_origin(conn, source.format, &source.origin)?;
            sources::by_id(conn, source_id)?
        }
    };
    here.append(&mut others);
    Ok(Partner { first, others: here })
}

fn sharing(
    conn: &Connection,
    theirs: &Connection,
    source: &Source,
    here: &[Source],
) -> Result<Option<usize>> {
    if here.is_empty() {
        return Ok(None);
    }
    let (mut after, mut by_path) = (Vec::new(), None);
    loop {
        let page = files::newest_after(theirs, source.source_id, &after, super::PAGE)?;
        let Some(last) = page.last().filter(|last| after < last.path) else { return Ok(by_path) };
        after.clone_from(&last.path);
        for file in page.iter().filter(|file| file.kind == FileKind::Log && 0 < file.line_count) {
            for (n, one) in here.iter().enumerate() {
                let Some(ours) = files::newest(conn, one.source_id, &file.path)? else { continue };
                if is_same_log((conn, &ours), (theirs, file)).unwrap_or(false) {
                    return Ok(Some(n));
                }
                by_path = by_path.or(Some(n).filter(|_| ours.kind == FileKind::Log));
            }
        }
    }
}

/// Whether two logs belong to the same session, by their first lines.
pub(super) fn is_same_log(
    ours: (&Connection, &FileRow),
    theirs: (&Connection, &FileRow),
) -> Result<bool> {
    if ours.1.kind != FileKind::Log {
        return Ok(false);
    }
    let (ours, theirs) = (first_line(ours.0, ours.1)?, first_line(theirs.0, theirs.1)?);
    // A log without lines is the beginning of any log.
    Ok(ours.is_none() || theirs.is_none() || ours == theirs)
}

/// Where a log belongs.
pub(super) enum LogPlace {
    /// To this log, at this path.
    Here(FileRow),
    /// Something else has the path, which may have the log as a generation.
    Other(FileRow),
    /// The path is free.
    Free(i64, Vec<u8>),
}

impl Partner {
    /// Removes the source if nothing was added to it.
    pub(super) fn end(&self, tx: &Connection) -> Result<()> {
        let Source { source_id, root, .. } = &self.first;
        // A source with purged sessions is kept, so that these stay away.
        let is_used =
            files::has_any(tx, *source_id)? || !purged::of_source(tx, *source_id)?.is_empty();
        if root.is_empty() && !is_used { roots::delete(tx, &self.first) } else { Ok(()) }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Source> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Logs about many sessions in sources of other origins: what they say about
    /// sessions that both stores have also applies here.
    pub(super) fn elsewhere(
        &self,
        tx: &Connection,
        format: Format,
        path: &[u8],
    ) -> Result<Vec<FileRow>> {
        if self.first.origin.is_empty() || !format.layout().is_shared(path) {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for source in &self.others {
            found.extend(files::newest(tx, source.source_id, path)?);
        }
        found.retain(|ours| ours.kind == FileKind::Log);
        Ok(found)
    }

    /// The place of a log.
    pub(super) fn log(
        &self,
        tx: &Connection,
        pair: &Pair<'_>,
        file: &FileRow,
        theirs: &Connection,
    ) -> Result<LogPlace> {
        // A session that was displaced by another has such a path.
        let path = match pair.format.rules().sessions {
            Sessions::File => generations::without_kept(&file.path),
            Sessions::Folder => file.path.clone(),
        };
        if pair.format.layout().is_shared(&path) {
            let source_id = self.first.source_id;
            return Ok(match files::newest(tx, source_id, &path)? {
                // It is about many sessions, so its first line does not matter.
                Some(ours) if ours.kind == FileKind::Log => LogPlace::Here(ours),
                Some(there) => LogPlace::Other(there),
                None => LogPlace::Free(source_id, path),
            });
        }
        for source in self.all() {
            if let Some(ours) = same_at(tx, pair, source, &path, file, theirs)? {
                return Ok(LogPlace::Here(ours));
            }
        }
        for source in self.all() {
            if let Some(ours) = files::newest(tx, source.source_id, &path)?
                && ours.kind == FileKind::Log
                && pair.has_same_id((tx, &ours), (theirs, file))?
            {
                return Ok(LogPlace::Other(ours));
            }
        }
        let source_id = self.owner(tx, pair.format, &path)?;
        Ok(match files::newest(tx, source_id, &path)? {
            Some(there) => LogPlace::Other(there),
            None => LogPlace::Free(source_id, path),
        })
    }

    /// The source for something that is not a log which exists here: that of its
    /// session, if it is known.
    pub(super) fn owner(&self, tx: &Connection, format: Format, path: &[u8]) -> Result<i64> {
        let layout = format.layout();
        let folder = layout.session_of(path);
        if folder != path {
            for source in self.all() {
                if sessions::session_at(tx, source.source_id, folder)?.is_some() {
                    return Ok(source.source_id);
                }
            }
        }
        for id in layout.sessions_of_path(path, false) {
            for session in sessions::sessions_by_id(tx, &id)? {
                let place = sessions::place(tx, session)?.map(|(source, _)| source.source_id);
                if let Some(source) = self.all().find(|one| Some(one.source_id) == place) {
                    return Ok(source.source_id);
                }
            }
        }
        Ok(self.first.source_id)
    }

    /// Whether another source has the same document, which belongs to no particular
    /// session.
    pub(super) fn has_document(
        &self,
        tx: &Connection,
        format: Format,
        file: &FileRow,
        theirs: &Connection,
    ) -> Result<bool> {
        // A document about sessions belongs beside them.
        if format.layout().is_shared(&file.path) {
            return Ok(false);
        }
        for source in &self.others {
            if let Some(ours) = files::newest(tx, source.source_id, &file.path)?
                && ours.kind == FileKind::Document
                && ours.size == file.size
                && documents::digest(tx, &ours)? == documents::digest(theirs, file)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The log of the same session in a source, at its path or kept beside it.
fn same_at(
    tx: &Connection,
    pair: &Pair<'_>,
    source: &Source,
    path: &[u8],
    file: &FileRow,
    theirs: &Connection,
) -> Result<Option<FileRow>> {
    let mut n = 0;
    loop {
        let at = if n == 0 { path.to_vec() } else { generations::kept_path(path, n) };
        match files::newest(tx, source.source_id, &at)? {
            Some(ours) if is_same_log((tx, &ours), (theirs, file))? => return Ok(Some(ours)),
            Some(_) => {}
            None if n == 0 => {}
            None => return Ok(None),
        }
        if pair.format.rules().sessions == Sessions::Folder {
            return Ok(None);
        }
        n += 1;
    }
}

/// A free path beside one that another session has.
pub(super) fn beside(tx: &Connection, source_id: i64, path: &[u8]) -> Result<Vec<u8>> {
    let mut n = 1;
    loop {
        let kept = generations::kept_path(path, n);
        if generations::rows(tx, source_id, &kept)?.is_empty()
            && sessions::session_at(tx, source_id, &kept)?.is_none()
        {
            return Ok(kept);
        }
        n += 1;
    }
}

/// Why a file cannot be placed here; `None` if an import could have found it.
pub(super) fn refusal(pair: &Pair<'_>, file: &FileRow) -> Option<&'static str> {
    let is_name = |name: &[u8]| !matches!(name, b"" | b"." | b"..") && name.len() <= MAX_NAME;
    if file.path.contains(&0) || !file.path.split(|byte| *byte == b'/').all(is_name) {
        return Some("its path points outside its root, or cannot be written");
    }
    let layout = pair.format.layout();
    let top = file.path.split(|byte| *byte == b'/').next().unwrap_or_default();
    let is_covered = layout.covered().iter().any(|covered| covered.as_bytes() == top);
    let is_log = layout.is_log(&generations::without_kept(&file.path));
    match file.kind {
        FileKind::Log if !is_log => Some("no program of its format has a log at that path"),
        FileKind::Document if !is_covered && !is_log && !is_inner(pair, layout.covered()) => {
            Some("no import reads a file from that path")
        }
        _ => None,
    }
}

/// Whether a root may be a folder of sessions itself, so that paths begin below that
/// folder.
fn is_inner(pair: &Pair<'_>, covered: &[&str]) -> bool {
    let root = pair.source.root.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let is_in = |top: &&str| {
        let folder = [b"/", top.as_bytes(), b"/"].concat();
        pair.source.root.windows(folder.len()).any(|part| part == folder)
    };
    covered.iter().any(|top| top.as_bytes() == root) || covered.iter().any(is_in)
}

/// The longest file name, in bytes.
const MAX_NAME: usize = 255;

/// Creates the folders that lead to a path.
pub(super) fn folders(
    tx: &Connection,
    format: Format,
    source_id: i64,
    path: &[u8],
    now: Timestamp,
    writing: &mut super::Writing,
) -> Result<()> {
    let source = sources::by_id(tx, source_id)?;
    for (slash, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        let folder = &path[..slash];
        match files::newest(tx, source_id, folder)? {
            Some(there) if there.kind == FileKind::Folder => continue,
            Some(_) => {
                return Err(Error::Damaged("a part of its path is not a folder".to_owned()));
            }
            None => {}
        }
        let row = FileRow {
            kind: FileKind::Folder,
            // No import compares the store's own source with a disk.
            state: if source.root.is_empty() { FileState::Current } else { FileState::Local },
            mode: 0o700,
            mtime: Timestamp(0).into(),
            ..blank(source_id, folder.to_vec(), now)
        };
        files::insert_file(tx, &row)?;
        writing.add(format, &row);
    }
    Ok(())
}

/// The row of an empty log that is written here.
pub(super) fn blank(source_id: i64, path: Vec<u8>, now: Timestamp) -> FileRow {
    FileRow {
        file_id: 0,
        source_id,
        path,
        generation: 0,
        kind: FileKind::Log,
        state: FileState::Local,
        mode: 0o600,
        mtime: now.into(),
        inode: 0,
        size: 0,
        line_count: 0,
        sha256: None,
        link_target: None,
        read_at: now,
        missing_at: None,
        base_id: None,
        base_count: 0,
        lost: 0,
    }
}
