//! Files that were moved below their root: they keep their chains and their
//! session.
//!
//! An import finds a moved file missing at one path and new at another. They are
//! the same file if they have the same inode and beginning, or, for logs, the same
//! digest. Documents are too often equal: a document must have moved with its
//! session, or have the same inode. A session that is a folder keeps its name,
//! which is its id. A log with other content continues the session with its id.
//! After the whole root was seen, the existing chain gets the path of the new file,
//! and the session's events stay.
//!
//! A session of several files moves as a whole, including files that changed on the
//! way, or that were only written here.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use rusqlite::Connection;

use super::chain::torn_line;
use super::losses::{self, LostLines};
use super::union::{self, Before};
use crate::error::{Error, Result};
use crate::fold;
use crate::format::projection::Touched;
use crate::format::rules::Sessions;
use crate::model::{Format, SessionKey, path_of};
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::packing::Packer;
use crate::store::{events, generations, log, problems, projections, sessions};

/// The context for finding moved files.
pub(super) struct Moves<'a> {
    pub(super) tx: &'a Connection,
    pub(super) source_id: i64,
    pub(super) format: Format,
    /// The newest file that was there before this import. A file that was already
    /// known beside the missing one is another file, even if they are equal.
    pub(super) settled: i64,
    pub(super) packer: &'a mut Packer,
    pub(super) touched: &'a mut Touched,
    pub(super) lost: Vec<(i64, LostLines)>,
}

/// The evidence that two files are the same, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Likeness {
    /// The same inode, and the same bytes or more.
    Inode,
    /// A log with the same bytes and name.
    DigestAndName,
    /// A log with the same bytes.
    Digest,
    /// A log whose session has the same id.
    Id,
    /// The same bytes and name, if the session moved.
    Weak,
}

/// Inodes and names of folders.
type Folders = HashSet<(i64, Vec<u8>)>;

/// A missing file, by its index, and a file that may be the same.
struct Candidate {
    likeness: Likeness,
    old: usize,
    new: FileRow,
}

/// What moved.
#[derive(Debug, Default)]
pub(super) struct Moved {
    /// The rows that the new paths had before.
    pub(super) adopted: Vec<i64>,
    /// What moved files have lost at the root, and the row that has the lines.
    pub(super) lost: Vec<(i64, LostLines)>,
}

impl Moves<'_> {
    /// Finds the files that moved, and gives them their history.
    pub(super) fn settle(mut self) -> Result<Moved> {
        let missing = generations::missing(self.tx, self.source_id)?;
        if missing.is_empty() {
            return Ok(Moved::default());
        }
        let (candidates, folders) = self.candidates(&missing)?;
        let (mut adopted, mut left) = (Vec::new(), HashSet::new());
        let (mut taken, mut units) = (HashSet::new(), BTreeMap::new());
        for Candidate { likeness, old, new } in candidates {
            let old_row = &missing[old];
            let (from, to) = (self.unit(&old_row.path), self.unit(&new.path));
            let is_along = from == to || units.get(&from) == Some(&to);
            if left.contains(&old)
                || taken.contains(&new.file_id)
                || likeness == Likeness::Weak && !is_along
                || !self.is_free(&new, &to)?
                || !self.take(old_row, &new)?
            {
                continue;
            }
            left.insert(old);
            taken.insert(new.file_id);
            adopted.push(new.file_id);
            units.entry(from).or_insert(to);
        }
        for (from, to) in units.iter().filter(|(from, to)| from != to) {
            self.move_unit(from, to)?;
        }
        let gone = left.iter().map(|old| &missing[*old].path[..]);
        self.remove_folders(&missing, &folders, gone)?;
        Ok(Moved { adopted, lost: self.lost })
    }

    fn unit(&self, path: &[u8]) -> Vec<u8> {
        self.format.layout().session_of(path).to_vec()
    }

    /// Existing files that may be one of the missing ones, and the inodes and names
    /// of existing folders.
    fn candidates(&self, missing: &[FileRow]) -> Result<(Vec<Candidate>, Folders)> {
        let (mut by_digest, mut by_inode) = (HashMap::new(), HashMap::new());
        let mut by_id = HashMap::new();
        for (n, old) in missing.iter().enumerate() {
            if let Some(id) =
                self.id_of(old, sessions::session_at(self.tx, self.source_id, &old.path)?)?
            {
                by_id.entry(id).or_insert_with(Vec::new).push(n);
            }
            if let Some(sha256) = &old.sha256 {
                by_digest.entry(&sha256[..]).or_insert_with(Vec::new).push(n);
            }
            by_inode.entry(old.inode).or_insert_with(Vec::new).push(n);
        }
        let (mut found, mut folders) = (Vec::new(), Folders::new());
        files::each_file(self.tx, self.source_id, files::imported_after, |new| {
            if new.missing_at.is_some() {
                return Ok(());
            }
            if new.kind == FileKind::Folder {
                folders.insert((new.inode, name(&new.path).to_vec()));
                return Ok(());
            }
            if new.file_id <= self.settled {
                return Ok(());
            }
            let none = Vec::new();
            let digest = new.sha256.as_deref().and_then(|sha256| by_digest.get(sha256));
            let inode = by_inode.get(&new.inode).filter(|_| new.inode != 0);
            let id = self.id_of(&new, sessions::session_of_file(self.tx, new.file_id)?)?;
            let id = id.and_then(|id| by_id.get(&id)).unwrap_or(&none);
            let both = digest.unwrap_or(&none).iter().chain(inode.unwrap_or(&none));
            for old in both.chain(id).copied().collect::<BTreeSet<usize>>() {
                if let Some(likeness) = self.likeness(&missing[old], &new, id.contains(&old))? {
                    found.push(Candidate { likeness, old, new: new.clone() });
                }
            }
            Ok(())
        })?;
        found.sort_by(|one, other| {
            let key = |candidate: &Candidate| (candidate.likeness, candidate.old);
            key(one).cmp(&key(other)).then_with(|| one.new.path.cmp(&other.new.path))
        });
        Ok((found, folders))
    }

    /// The id of a session that is one log, if it is this log.
    fn id_of(&self, log: &FileRow, session: Option<SessionKey>) -> Result<Option<String>> {
        match session.filter(|_| log.kind == FileKind::Log) {
            Some(session) if self.format.rules().sessions == Sessions::File => {
                sessions::session_id(self.tx, session)
            }
            _ => Ok(None),
        }
    }

    fn likeness(&self, old: &FileRow, new: &FileRow, has_id: bool) -> Result<Option<Likeness>> {
        let has_content = matches!(new.kind, FileKind::Log | FileKind::Document);
        // A file's place within its session identifies it: a file at another place
        // is another file.
        let layout = self.format.layout();
        let place = |path: &[u8]| path[layout.session_of(path).len()..].to_vec();
        if old.kind != new.kind || !has_content || place(&old.path) != place(&new.path) {
            return Ok(None);
        }
        // Sessions that have hardly begun have equal logs. Without headers, the
        // name of their folder tells them apart.
        let is_of = |path| name(layout.session_of(path)).to_vec();
        if self.format.rules().sessions == Sessions::Folder && is_of(&old.path) != is_of(&new.path)
        {
            return Ok(None);
        }
        let is_same = old.sha256 == new.sha256;
        let has_name = name(&old.path) == name(&new.path);
        let is_log = new.kind == FileKind::Log;
        Ok(if old.inode == new.inode && (is_same || is_log && begins(self.tx, old, new)?) {
            Some(Likeness::Inode)
        } else if is_same && is_log && 0 < new.size {
            Some(if has_name { Likeness::DigestAndName } else { Likeness::Digest })
        } else if has_id {
            Some(Likeness::Id)
        } else {
            (is_same && has_name).then_some(Likeness::Weak)
        })
    }

    /// Whether the new path is new, and has no events.
    fn is_free(&self, new: &FileRow, unit: &[u8]) -> Result<bool> {
        let session = sessions::session_at(self.tx, self.source_id, unit)?;
        let is_decided = match session {
            Some(session) => events::has_any(self.tx, session)?,
            None => false,
        };
        Ok(!is_decided && generations::rows(self.tx, self.source_id, &new.path)?.len() == 1)
    }

    /// Gives a missing file the new path; `false` if it has to stay as it is.
    fn take(&mut self, old: &FileRow, new: &FileRow) -> Result<bool> {
        if old.sha256 == new.sha256 || begins(self.tx, old, new)? {
            self.adopt(old, new)
        } else {
            self.succeed(old, new).map(|()| true)
        }
    }

    /// Makes a new file the next generation of a missing one.
    fn succeed(&mut self, old: &FileRow, new: &FileRow) -> Result<()> {
        let tx = self.tx;
        if let Some(session) = sessions::session_of_file(tx, new.file_id)? {
            sessions::delete_session(tx, session)?;
        }
        let shown = sessions::session_of_file(tx, old.file_id)?;
        let lost = losses::between(tx, old, new)?;
        files::update_file(tx, &FileRow { missing_at: None, ..old.clone() })?;
        generations::update_state(tx, old.file_id, FileState::Superseded)?;
        self.touched.add(self.format, old);
        self.touched.add(self.format, new);
        self.move_path(&old.path, &new.path)?;
        // The present content is the last generation.
        generations::move_file(tx, new.file_id, &new.path)?;
        let earlier = files::file_by_id(tx, old.file_id)?;
        let lines = lost.as_ref().map_or(0, |lost| lost.lines);
        generations::update_lost(tx, old.file_id, lines)?;
        if let Some(lost) = lost {
            let (file, generation) = (path_of(new.path.clone()), earlier.generation);
            self.lost.push((old.file_id, LostLines { file, generation, ..lost }));
        }
        losses::make_good(tx, new)?;
        match shown {
            Some(session) => {
                projections::delete_projection(tx, session)?;
                sessions::update_session_file(tx, session, new.file_id)
            }
            None => self.join(new, Before::Other(Some(&earlier))),
        }
    }

    /// Merges what moved with what continued here.
    fn join(&mut self, theirs: &FileRow, before: Before<'_>) -> Result<()> {
        let Some(ours) = union::ours(self.tx, theirs)? else { return Ok(()) };
        let (packer, touched) = (&mut *self.packer, &mut *self.touched);
        union::join(self.tx, self.format, theirs, ours, before, packer, touched)
    }

    /// Gives the chain of a missing file the new path and the further content of the
    /// new file; `false` if a damaged chain has to stay as it is.
    fn adopt(&mut self, old: &FileRow, new: &FileRow) -> Result<bool> {
        let tx = self.tx;
        let torn = match torn_line(tx, old) {
            Err(Error::Damaged(_)) => return Ok(false),
            torn => torn?,
        };
        if old.sha256 != new.sha256 {
            let first = old.line_count - u32::from(!torn.is_empty());
            log::delete_line(tx, log::key(old.file_id, first))?;
            for position in first..new.line_count {
                let line = log::line(tx, log::key(new.file_id, position))?;
                let key = log::key(old.file_id, position);
                log::insert_packed(tx, key, &line, self.packer)?;
            }
        }
        if let Some(session) = sessions::session_of_file(tx, new.file_id)? {
            sessions::delete_session(tx, session)?;
        }
        log::delete_content(tx, new.file_id)?;
        files::delete_file(tx, new.file_id)?;
        self.move_path(&old.path, &new.path)?;
        let moved = FileRow {
            file_id: old.file_id,
            line_count: if new.kind == FileKind::Log { new.line_count } else { old.line_count },
            missing_at: None,
            ..new.clone()
        };
        files::update_file(tx, &moved)?;
        generations::update_lost(tx, moved.file_id, 0)?;
        if old.sha256 != new.sha256 {
            losses::make_good(tx, &moved)?;
            self.join(&moved, Before::Shorter { file: old, torn: &torn })?;
        }
        self.touched.add(self.format, old);
        self.touched.add(self.format, &moved);
        self.touch_namesakes(&old.path)?;
        Ok(true)
    }

    /// Files whose name begins with that of a file that is gone may have belonged to
    /// its session.
    fn touch_namesakes(&mut self, path: &[u8]) -> Result<()> {
        if self.format.rules().sessions == Sessions::File {
            return Ok(());
        }
        let stem = path.iter().rposition(|byte| *byte == b'.').map_or(path, |dot| &path[..dot]);
        let beside = |end: &[u8]| [stem, end].concat();
        // '`' is the byte after '_'.
        for file in files::newest_between(self.tx, self.source_id, &beside(b"_"), &beside(b"`"))? {
            self.touched.add(self.format, &file);
        }
        Ok(())
    }

    /// Moves every chain of a path, and its problems, to another path.
    fn move_path(&self, from: &[u8], to: &[u8]) -> Result<()> {
        for file in generations::rows(self.tx, self.source_id, from)? {
            generations::move_file(self.tx, file.file_id, to)?;
        }
        problems::move_path(self.tx, self.source_id, from, to)
    }

    /// Moves what is left of a session, unless part of it is still at its place.
    fn move_unit(&mut self, from: &[u8], to: &[u8]) -> Result<()> {
        let (tx, source_id) = (self.tx, self.source_id);
        let below = [from, b"/"].concat();
        let mut left = generations::rows_below(tx, source_id, &below)?;
        // What was in a folder that had the path of a log is of other sessions.
        left.retain(|file| self.unit(&file.path) == from);
        let is_there =
            |file: &FileRow| file.state == FileState::Current && file.missing_at.is_none();
        if left.iter().any(is_there)
            || files::file(tx, source_id, from, FileState::Current)?.is_some_and(|f| is_there(&f))
        {
            return Ok(());
        }
        for file in left.iter().filter(|file| file.state != FileState::Partial) {
            self.move_along(file, &[to, &file.path[from.len()..]].concat())?;
        }
        if let Some(session) = sessions::session_at(tx, source_id, from)? {
            if let Some(other) = sessions::session_at(tx, source_id, to)? {
                sessions::delete_session(tx, other)?;
            }
            sessions::update_path(tx, session, to)?;
            if let Some((file, _)) = sessions::file_of(tx, session)?
                && self.format.rules().sessions == Sessions::File
            {
                fold::refold(tx, &file, self.format, session)?;
            }
        }
        Ok(())
    }

    /// Moves a file that was left behind by its session.
    fn move_along(&mut self, file: &FileRow, to: &[u8]) -> Result<()> {
        let (tx, source_id) = (self.tx, self.source_id);
        let there = files::file(tx, source_id, to, FileState::Current)?;
        self.touched.add(self.format, file);
        match file.state {
            FileState::Current if file.kind == FileKind::Folder && there.is_some() => {
                return files::delete_file(tx, file.file_id);
            }
            FileState::Current if there.is_some() => {
                generations::update_state(tx, file.file_id, FileState::Superseded)?;
            }
            FileState::Local if files::file(tx, source_id, to, FileState::Local)?.is_some() => {
                return Ok(());
            }
            _ => {}
        }
        generations::move_file(tx, file.file_id, to)?;
        self.touched.add(self.format, &FileRow { path: to.to_vec(), ..file.clone() });
        match there {
            Some(theirs) if file.state == FileState::Local => {
                self.join(&theirs, Before::Other(None))
            }
            _ => Ok(()),
        }
    }

    /// Removes folders that are gone because they or their contents moved.
    fn remove_folders<'p>(
        &self,
        missing: &[FileRow],
        there: &Folders,
        moved: impl Iterator<Item = &'p [u8]>,
    ) -> Result<()> {
        let mut above: HashSet<&[u8]> = HashSet::new();
        for path in moved {
            let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
            above.extend(slashes.map(|(slash, _)| &path[..slash]));
        }
        // Deeper folders come first.
        for folder in missing.iter().rev().filter(|file| file.kind == FileKind::Folder) {
            let is_moved =
                folder.inode != 0 && there.contains(&(folder.inode, name(&folder.path).to_vec()));
            let below = [&folder.path[..], b"/"].concat();
            if (is_moved || above.contains(&folder.path[..]))
                && generations::rows_below(self.tx, self.source_id, &below)?.is_empty()
                && files::newest(self.tx, self.source_id, &folder.path)?
                    .is_some_and(|now| now.file_id == folder.file_id)
            {
                files::delete_file(self.tx, folder.file_id)?;
            }
        }
        Ok(())
    }
}

pub(super) fn name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// Whether a log begins with all of another, which is not empty.
pub(super) fn begins(tx: &Connection, old: &FileRow, new: &FileRow) -> Result<bool> {
    if old.size == 0 || new.size < old.size || new.line_count < old.line_count {
        return Ok(false);
    }
    for position in 0..old.line_count {
        let [one, other] = [old, new].map(|file| log::line(tx, log::key(file.file_id, position)));
        let is_last = position + 1 == old.line_count;
        match (one, other) {
            (Ok(one), Ok(other)) if one == other || is_last && other.starts_with(&one) => {}
            (Err(err), _) | (_, Err(err)) if !err.is_of_content() => return Err(err),
            _ => return Ok(false),
        }
    }
    Ok(true)
}
