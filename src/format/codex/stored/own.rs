//! The metadata in a rollout, and its role among the files of its thread.

use std::cmp::Reverse;

use rusqlite::Connection;

use super::packed;
use super::place::{self, Rollout, line_key, readable};
use super::tables::{self, KnownRollout};
use crate::error::Result;
use crate::format::codex::layout;
use crate::format::codex::meta::{Meta, Mode};
use crate::format::codex::record::{self, Body, Problem};
use crate::format::json;
use crate::model::{ProblemKind, SessionKey, Timestamp};
use crate::store::files::FileRow;
use crate::store::log;

/// A rollout with its metadata.
#[derive(Clone, Debug)]
pub(crate) struct ParsedRollout {
    pub(crate) known: KnownRollout,
    pub(crate) meta: Meta,
    /// Whether a line contains the metadata; otherwise only the name does.
    pub(crate) has_header: bool,
    /// Whether it is a single document.
    pub(crate) is_document: bool,
    /// The lines that are read.
    pub(crate) log: FileRow,
    /// Problems of the header, with the position of its line.
    pub(crate) problems: Vec<(Option<u32>, Problem)>,
}

impl ParsedRollout {
    /// When copying from the forked thread began: that thread's first record follows
    /// ours. `None` if nothing was copied.
    pub(crate) fn copied_at(&self, conn: &Connection) -> Result<Option<Timestamp>> {
        if self.meta.forked_from.is_none() || self.log.line_count < 2 {
            return Ok(None);
        }
        let line = match log::line(conn, line_key(&self.log, 1)) {
            Err(err) if err.is_of_content() => return Ok(None),
            line => line?,
        };
        let record = record::parse(&line).record;
        let record = record.filter(|record| match record.body {
            Body::Meta(payload) => record::owned(payload, "id") != self.meta.thread_id,
            _ => false,
        });
        Ok(record.and_then(|record| record.at()))
    }

    /// Reads a rollout; `None` if nothing of it exists.
    pub(crate) fn read(
        conn: &Connection,
        session: SessionKey,
        rollout: &Rollout,
    ) -> Result<Option<Self>> {
        let Some(file) = rollout.main() else { return Ok(None) };
        let log = readable(conn, file)?;
        let mut found = Found::default();
        let is_document = layout::form(&rollout.place) == Some(layout::Form::Document);
        if log.line_count == 0 && file.kind == crate::store::files::FileKind::Document {
            let damage = place::damage(conn, file)?;
            let damage = damage.map(|detail| (ProblemKind::UnreadableFile, detail));
            found.problems.extend(damage.map(|problem| (None, problem)));
        }
        if is_document {
            found.read_document(conn, &log)?;
        } else {
            found.read_header(conn, &log)?;
        }
        let name = layout::name(&rollout.place);
        let has_header = found.meta.is_some();
        if !has_header && !found.is_unreadable() {
            let detail = "no session_meta; the id was taken from the file's name, and Codex cannot read the file";
            found.problems.push((None, (ProblemKind::Header, detail.to_owned())));
        }
        if found.meta.as_ref().is_some_and(|meta| meta.mode == Mode::Bare) {
            let detail = "written before 0.32; Codex of today does not read the file";
            found.problems.push((None, (ProblemKind::Unreadable, detail.to_owned())));
        }
        let is_readable = !found.is_unreadable();
        let meta = found.meta.unwrap_or_else(|| Meta { source: "vscode", ..Meta::default() });
        let of_name = name.thread_id.clone().filter(|_| is_readable);
        let thread_id = meta.thread_id.clone().or(of_name);
        let physical_id = name.segment_id.clone().or_else(|| thread_id.clone());
        let known = KnownRollout {
            session,
            source_id: file.source_id,
            place: rollout.place.clone(),
            name: layout::name_of(&rollout.place).to_vec(),
            file_id: log.file_id,
            thread_id,
            segment_id: name.segment_id,
            physical_id,
            meta_at: meta.began_at.or(name.at),
            is_archived: layout::is_archived(&rollout.place),
            mode: meta.mode,
            base: meta.base.clone(),
            base_file: None,
            base_is_whole: true,
        };
        Ok(Some(Self { known, meta, has_header, is_document, log, problems: found.problems }))
    }

    /// Whether one of it and another file of its thread continues the other. That is
    /// not so for two that represent the same file.
    pub(crate) fn is_continued_by(&self, other: &KnownRollout) -> bool {
        let own = &self.known;
        own.name != other.name && (own.segment_id.is_some() || other.segment_id.is_some())
    }

    /// The other files of its thread, and whether one of them is the head.
    pub(crate) fn thread(&self, conn: &Connection) -> Result<Thread> {
        let mut files = match &self.known.thread_id {
            Some(thread_id) => tables::of_thread(conn, self.known.source_id, thread_id)?,
            None => Vec::new(),
        };
        files.retain(|known| known.session != self.known.session);
        // Depends on the root only, never on the order in which files were
        // imported.
        files.sort_by(|one, other| order(one).cmp(&order(other)));
        files.push(self.known.clone());
        let head = head(&without_gone_copies(conn, &files)?).map(|known| known.session);
        let first_at = files.iter().filter_map(|known| known.meta_at).min();
        let is_double = self.known.segment_id.is_none()
            && files.iter().filter(|known| known.segment_id.is_none()).count() > 1;
        files.pop();
        let is_superseded = head.is_some_and(|head| head != self.known.session);
        Ok(Thread { others: files, is_superseded, is_double, first_at })
    }
}

/// The files of a thread, seen from one of them.
pub(crate) struct Thread {
    pub(crate) others: Vec<KnownRollout>,
    pub(crate) is_superseded: bool,
    /// Whether several files represent what should be one.
    pub(crate) is_double: bool,
    /// When the first of them was begun.
    pub(crate) first_at: Option<Timestamp>,
}

/// The files without those that are gone from their root and have an equivalent
/// there: what the program continues counts, not what is kept from before.
fn without_gone_copies(conn: &Connection, files: &[KnownRollout]) -> Result<Vec<KnownRollout>> {
    if files.len() < 2 {
        return Ok(files.to_vec());
    }
    let (mut gone, mut there) = (Vec::new(), Vec::new());
    for known in files {
        let is_gone = match tables::path(conn, known.session)? {
            Some(path) => Rollout::at(conn, known.source_id, &path)?.is_gone(),
            None => false,
        };
        if is_gone { &mut gone } else { &mut there }.push(known.clone());
    }
    gone.retain(|one| there.iter().all(|other| one.segment_id != other.segment_id));
    there.extend(gone);
    Ok(there)
}

/// The head of a thread: an active file if there is one; among those that were not
/// made by a revert, the one with the latest name; among the rest, the one that was
/// begun last.
fn head(files: &[KnownRollout]) -> Option<&KnownRollout> {
    let is_active = files.iter().any(|known| !known.is_archived);
    let there = || files.iter().filter(move |known| known.is_archived != is_active);
    let first = there()
        .filter(|known| known.segment_id.is_none())
        .max_by_key(|known| (&known.name, Reverse(&known.place)));
    let segments = there().filter(|known| known.segment_id.is_some());
    segments.chain(first).max_by_key(|known| order(known))
}

/// The order in which files were begun. For the same time and name, the first by
/// place counts as the later.
fn order(known: &KnownRollout) -> (Option<Timestamp>, &[u8], Reverse<&[u8]>) {
    (known.meta_at, &known.name, Reverse(&known.place))
}

#[derive(Default)]
struct Found {
    meta: Option<Meta>,
    problems: Vec<(Option<u32>, Problem)>,
}

impl Found {
    fn is_unreadable(&self) -> bool {
        self.problems.iter().any(|(_, (kind, _))| *kind == ProblemKind::UnreadableFile)
    }

    /// Reads the first `session_meta`, wherever it is, or the older header in the
    /// first line.
    fn read_header(&mut self, conn: &Connection, log: &FileRow) -> Result<()> {
        let mut is_first = true;
        for position in 0..log.line_count {
            let line = match log::line(conn, line_key(log, position)) {
                Err(err) if err.is_of_content() => continue,
                line => line?,
            };
            if is_first && let Some(meta) = bare_header(&line) {
                self.meta = Some(meta);
                return Ok(());
            }
            let parsed = record::parse(&line);
            if let Some(Body::Meta(payload)) = parsed.record.map(|record| record.body) {
                let mut problems = Vec::new();
                self.meta = Some(Meta::read(payload, &mut problems));
                let place = Some(position);
                if !is_first {
                    let detail = "other lines are before it; Codex cannot read the file";
                    problems.push((ProblemKind::Header, detail.to_owned()));
                }
                self.problems.extend(problems.into_iter().map(|problem| (place, problem)));
                return Ok(());
            }
            is_first &= line.trim_ascii().is_empty();
        }
        Ok(())
    }

    fn read_document(&mut self, conn: &Connection, log: &FileRow) -> Result<()> {
        if log.line_count == 0 {
            return Ok(());
        }
        let document = log::line(conn, line_key(log, 0))?;
        self.meta = json::scan(&document).ok().and_then(|(value, _)| packed::meta_of_april(value));
        Ok(())
    }
}

/// The metadata in the first line of a file without envelopes.
fn bare_header(line: &[u8]) -> Option<Meta> {
    let (value, _) = json::scan(line).ok()?;
    if value.get("type").is_some() {
        return None;
    }
    Meta::read_bare(value)
}

/// How the turns of a rollout are told.
pub(crate) fn telling(meta: &Meta) -> crate::format::codex::turns::Telling {
    use crate::format::codex::turns::{Bare, Legacy, Paginated, Telling};
    match meta.mode {
        Mode::Legacy => Telling::Legacy(Legacy::default()),
        Mode::Paginated => Telling::Paginated(Paginated::new(meta.own_history)),
        Mode::Bare => Telling::Bare(Bare::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(session: i64, name: &str, segment: bool, at: i64, is_archived: bool) -> KnownRollout {
        KnownRollout {
            session: SessionKey(session),
            source_id: 1,
            place: format!("sessions/{session}/{name}").into_bytes(),
            name: name.as_bytes().to_vec(),
            file_id: session,
            thread_id: Some("t".to_owned()),
            segment_id: segment.then(|| name.to_owned()),
            physical_id: None,
            meta_at: Some(Timestamp(at)),
            is_archived,
            mode: Mode::Legacy,
            base: None,
            base_file: None,
            base_is_whole: true,
        }
    }

    #[test]
    fn a_thread_goes_on_in_its_head() {
        let first = known(1, "a", false, 1, false);
        let later = known(2, "b", false, 0, false);
        let archived = known(3, "c", true, 9, true);
        let segment = known(4, "d", true, 2, false);
        let twin = known(5, "b", false, 0, false);
        let head_of = |files: &[&KnownRollout]| {
            let files: Vec<KnownRollout> = files.iter().map(|known| (*known).clone()).collect();
            head(&files).unwrap().session.0
        };
        assert_eq!(head_of(&[&first, &later]), 2);
        assert_eq!(head_of(&[&first, &archived]), 1);
        assert_eq!(head_of(&[&archived]), 3);
        assert_eq!(head_of(&[&first, &segment]), 4);
        assert_eq!(head_of(&[&twin, &later]), 2);
    }
}
