//! Logs: merges each log of the other store into ours.

use std::borrow::Cow;

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::place::{self, LogPlace};
use super::report::KeptAside;
use super::unite::{Item, Piece, unite};
use super::{Merge, Pair, Writing};
use crate::error::{Error, Result};
use crate::fold;
use crate::format::rules::Sessions;
use crate::model::{Format, Parent, Record, path_of};
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::{generations, log, sessions, sharing};

impl Merge<'_> {
    pub(super) fn log(
        &mut self,
        tx: &Connection,
        pair: &Pair<'_>,
        theirs: &FileRow,
        writing: &mut Writing,
    ) -> Result<()> {
        if self.is_purged(tx, pair.format, theirs)? {
            self.report.purged += 1;
            return Ok(());
        }
        for ours in pair.partner.elsewhere(tx, pair.format, &theirs.path)? {
            self.both(tx, pair.format, &ours, theirs, writing)?;
        }
        match pair.partner.log(tx, pair, theirs, self.theirs)? {
            LogPlace::Here(ours) => {
                self.place_session(pair, theirs, ours.source_id, &ours.path);
                self.both(tx, pair.format, &ours, theirs, writing)
            }
            LogPlace::Free(source_id, path) => {
                self.place_session(pair, theirs, source_id, &path);
                self.report.new += 1;
                self.new_log(tx, pair.format, (source_id, path), theirs, writing)
            }
            LogPlace::Other(ours) => self.other(tx, pair, &ours, theirs, writing),
        }
    }

    /// Takes over a log whose path something else has here.
    fn other(
        &mut self,
        tx: &Connection,
        pair: &Pair<'_>,
        ours: &FileRow,
        theirs: &FileRow,
        writing: &mut Writing,
    ) -> Result<()> {
        let is_folder = pair.format.rules().sessions == Sessions::Folder;
        let is_same = match ours.kind {
            FileKind::Folder | FileKind::Link if is_folder => {
                let reason = "a folder or link is at its path in this store";
                return Err(Error::Damaged(reason.to_owned()));
            }
            FileKind::Folder | FileKind::Link => false,
            FileKind::Document => true,
            FileKind::Log => is_folder || pair.has_same_id((tx, ours), (self.theirs, theirs))?,
        };
        if is_same {
            self.place_session(pair, theirs, ours.source_id, &ours.path);
            return self.generation(tx, ours, theirs);
        }
        let path = place::beside(tx, ours.source_id, &ours.path)?;
        self.place_session(pair, theirs, ours.source_id, &path);
        self.report.kept.push(KeptAside {
            file: path_of(theirs.path.clone()),
            kept_as: path_of(path.clone()),
            generation: None,
        });
        self.new_log(tx, pair.format, (ours.source_id, path), theirs, writing)
    }

    /// Whether a log belongs to a session that was purged here and does not exist any
    /// more.
    fn is_purged(&self, tx: &Connection, format: Format, theirs: &FileRow) -> Result<bool> {
        if !self.purged.iter().any(|(of, _)| *of == format) {
            return Ok(false);
        }
        let layout = format.layout();
        let mut ids = layout.sessions_of_path(&theirs.path, false);
        if ids.is_empty() && format.rules().sessions == Sessions::File {
            let path = generations::without_kept(&theirs.path);
            let header = fold::header_of(self.theirs, format, theirs)?;
            let header = header.or_else(|| layout.header_from_name(&path));
            ids.extend(header.and_then(|header| header.session_id));
        }
        for id in ids {
            if self.purged.contains(&(format, id.clone()))
                && sessions::sessions_by_id(tx, &id)?.is_empty()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn new_log(
        &mut self,
        tx: &Connection,
        format: Format,
        (source_id, path): (i64, Vec<u8>),
        theirs: &FileRow,
        writing: &mut Writing,
    ) -> Result<()> {
        place::folders(tx, format, source_id, &path, self.now, writing)?;
        let mut file = FileRow {
            mode: theirs.mode & 0o777,
            mtime: theirs.mtime,
            ..place::blank(source_id, path, self.now)
        };
        file = files::insert_next(tx, file)?;
        let mut cut = Cut::new(format);
        log::each_piece_of_whole(self.theirs, theirs, |raw| {
            cut.take(raw)?;
            let line = with_terminator(format, raw);
            log::insert_packed(tx, log::key_of(&file, file.line_count), &line, &mut self.packer)?;
            file.size += line.len() as u64;
            file.line_count += 1;
            Ok(())
        })?;
        self.report.lines += u64::from(file.line_count);
        files::update_progress(tx, &file)?;
        if format.rules().sessions == Sessions::File {
            let session = sessions::insert_session(tx, &file, format)?;
            fold::refold(tx, &file, format, session)?;
        }
        writing.add(format, &file);
        Ok(())
    }

    /// Merges two logs of one session.
    fn both(
        &mut self,
        tx: &Connection,
        format: Format,
        ours: &FileRow,
        theirs: &FileRow,
        writing: &mut Writing,
    ) -> Result<()> {
        if ours.sha256.is_some() && ours.sha256 == theirs.sha256 && ours.size == theirs.size {
            self.report.unchanged += 1;
            return Ok(());
        }
        let ends = Ends::find((tx, ours), (self.theirs, theirs))?;
        let order: Vec<Piece> = if ends.common == ends.theirs {
            Vec::new()
        } else if ends.common == ends.ours {
            (ends.common..ends.theirs).map(|n| Piece::Theirs(n as usize)).collect()
        } else {
            let (here, there) = (tx, self.theirs);
            let our_items = items(here, format, ours, ends.common..ends.ours)?;
            let their_items = items(there, format, theirs, ends.common..ends.theirs)?;
            let pieces = unite(&our_items, &their_items).unwrap_or_default();
            pieces.into_iter().map(|piece| piece.behind(ends.common)).collect()
        };
        let new = order.iter().filter(|piece| matches!(piece, Piece::Theirs(_))).count();
        if order.is_empty() {
            self.report.unchanged += 1;
            return Ok(());
        }
        let is_longer = ends.common == ends.ours;
        *(if is_longer { &mut self.report.longer } else { &mut self.report.united }) += 1;
        self.report.lines += new as u64;
        self.write(tx, format, (ours, ends.common), theirs, &order, writing)
    }

    /// Writes a local chain: the common beginning, then these lines.
    fn write(
        &mut self,
        tx: &Connection,
        format: Format,
        (ours, common): (&FileRow, u32),
        theirs: &FileRow,
        order: &[Piece],
        writing: &mut Writing,
    ) -> Result<()> {
        let session = match sessions::session_of_file(tx, ours.file_id)? {
            Some(session) => Some(session),
            None => sessions::session_at(tx, ours.source_id, &ours.path)?,
        };
        let mut file = begin(tx, ours, common, order, theirs)?;
        let kept = file.line_count;
        let mut cut = Cut::new(format);
        let front = (kept..common).map(|n| Piece::Ours(n as usize));
        let rest = order.iter().copied().skip(kept.saturating_sub(common) as usize);
        for piece in front.chain(rest) {
            let key = log::key_of(&file, file.line_count);
            let size = match piece {
                Piece::Ours(n) => {
                    let of = log::key_of(ours, position(n));
                    let raw = log::line(tx, of)?;
                    match with_terminator(format, &raw) {
                        Cow::Borrowed(raw) => sharing::insert(tx, key, of, raw)?,
                        Cow::Owned(line) => log::insert_line(tx, key, &line)?,
                    }
                    with_terminator(format, &raw).len()
                }
                Piece::Theirs(n) => {
                    let raw = log::line(self.theirs, log::key_of(theirs, position(n)))?;
                    cut.line(&raw)?;
                    let line = with_terminator(format, &raw);
                    log::insert_packed(tx, key, &line, &mut self.packer)?;
                    line.len()
                }
            };
            file.size += size as u64;
            file.line_count += 1;
        }
        files::update_progress(tx, &file)?;
        if let Some(session) = session.filter(|_| format.rules().sessions == Sessions::File) {
            sessions::update_session_file(tx, session, file.file_id)?;
            fold::refold(tx, &file, format, session)?;
        }
        if ours.state == FileState::Local && ours.file_id != file.file_id {
            log::delete_content(tx, ours.file_id)?;
            files::delete_file(tx, ours.file_id)?;
        }
        writing.add(format, &file);
        let session_path = format.layout().session_of(&file.path).to_vec();
        self.changed.insert((file.source_id, session_path));
        Ok(())
    }
}

impl Pair<'_> {
    /// Whether the headers of two logs have the same id.
    pub(super) fn has_same_id(
        &self,
        ours: (&Connection, &FileRow),
        theirs: (&Connection, &FileRow),
    ) -> Result<bool> {
        let id = |(conn, file): (&Connection, &FileRow)| -> Result<Option<String>> {
            Ok(fold::header_of(conn, self.format, file)?.and_then(|header| header.session_id))
        };
        Ok(matches!((id(ours)?, id(theirs)?), (Some(a), Some(b)) if a == b))
    }
}

/// Begins a chain with those of our lines that need no row of their own: all of a
/// local chain that continues, else the lines of the base of the local one.
fn begin(
    tx: &Connection,
    ours: &FileRow,
    common: u32,
    order: &[Piece],
    theirs: &FileRow,
) -> Result<FileRow> {
    let follows = |(n, piece): (u32, &Piece)| *piece == Piece::Ours((common + n) as usize);
    let in_place = common + (0..).zip(order).take_while(|one| follows(*one)).count() as u32;
    let mtime = ours.mtime.max(theirs.mtime);
    if ours.state == FileState::Local && in_place == ours.line_count {
        return Ok(FileRow { mtime, ..ours.clone() });
    }
    let (base_id, most) = match ours.state {
        FileState::Local => (ours.base_id, ours.base_count),
        _ => (Some(ours.file_id), ours.line_count - torn_count(tx, ours)?),
    };
    let base_count = in_place.min(most);
    if ours.state == FileState::Local {
        // A path can have only one local chain. This one is removed when the other
        // has all of it.
        let mut digest = Sha256::new();
        log::each_line(tx, ours, |_, raw| {
            digest.update(raw);
            Ok(())
        })?;
        generations::supersede_local(tx, ours.file_id, &digest.finalize())?;
    }
    let file = FileRow {
        state: FileState::Local,
        mode: if ours.state == FileState::Local { ours.mode } else { 0o600 },
        mtime,
        size: 0,
        line_count: base_count,
        sha256: None,
        missing_at: None,
        base_id: base_id.filter(|_| 0 < base_count),
        base_count,
        ..ours.clone()
    };
    let file = files::insert_next(tx, file)?;
    if 0 < ours.lost && ours.state == FileState::Local {
        generations::update_lost(tx, file.file_id, ours.lost)?;
    }
    Ok(FileRow { lost: if ours.state == FileState::Local { ours.lost } else { 0 }, ..file })
}

/// 1 if the last line of a log has no terminator, else 0.
fn torn_count(conn: &Connection, file: &FileRow) -> Result<u32> {
    let Some(last) = file.line_count.checked_sub(1) else { return Ok(0) };
    Ok(u32::from(!log::line(conn, log::key_of(file, last))?.ends_with(b"\n")))
}

/// How long the common beginning of two logs is, and where each ends.
struct Ends {
    common: u32,
    /// Without a last line that is torn where the other log continues.
    ours: u32,
    theirs: u32,
}

impl Ends {
    fn find(ours: (&Connection, &FileRow), theirs: (&Connection, &FileRow)) -> Result<Self> {
        let line = |(conn, file): (&Connection, &FileRow), n| log::line(conn, log::key_of(file, n));
        let mut ends = Self { common: 0, ours: ours.1.line_count, theirs: theirs.1.line_count };
        while ends.common < ends.ours.min(ends.theirs) {
            let (our, their) = (line(ours, ends.common)?, line(theirs, ends.common)?);
            if terminated(&our) == terminated(&their) {
                ends.common += 1;
                continue;
            }
            let is_torn = |line: &[u8]| !line.ends_with(b"\n");
            if is_torn(&our) && their.starts_with(&our) {
                ends.ours = ends.common;
            } else if is_torn(&their) && our.starts_with(&their) {
                ends.theirs = ends.common;
            }
            break;
        }
        Ok(ends)
    }
}

impl Piece {
    fn behind(self, common: u32) -> Self {
        match self {
            Self::Ours(n) => Self::Ours(n + common as usize),
            Self::Theirs(n) => Self::Theirs(n + common as usize),
        }
    }
}

fn position(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The lines of a log as items to unite.
fn items(
    conn: &Connection,
    format: Format,
    file: &FileRow,
    lines: std::ops::Range<u32>,
) -> Result<Vec<Item>> {
    lines
        .map(|n| {
            let raw = log::line(conn, log::key_of(file, n))?;
            let mut item =
                Item { digest: Sha256::digest(terminated(&raw)).into(), ..Item::default() };
            take(&mut item, format.meaning().parse(&raw));
            Ok(item)
        })
        .collect()
}

fn take(item: &mut Item, record: Record) {
    item.at = item.at.or(record.at);
    if let Some(entry) = record.entry {
        item.ids.extend(entry.id);
        if let Parent::Id(id) = entry.parent {
            item.parents.push(id);
        }
    }
    record.more.into_iter().for_each(|record| take(item, record));
}

/// The first line of a log; `None` if it has none.
pub(super) fn first_line(conn: &Connection, file: &FileRow) -> Result<Option<Vec<u8>>> {
    if file.line_count == 0 {
        return Ok(None);
    }
    Ok(Some(terminated(&log::line(conn, log::key_of(file, 0))?).into_owned()))
}

pub(super) fn terminated(line: &[u8]) -> Cow<'_, [u8]> {
    match line.ends_with(b"\n") {
        true => line.into(),
        false => [line, b"\n"].concat().into(),
    }
}

/// A line with a terminator, as the format writes it, so that another can follow.
fn with_terminator(format: Format, line: &[u8]) -> Cow<'_, [u8]> {
    if line.ends_with(b"\n") || ends_alone(format, line) { line.into() } else { terminated(line) }
}

/// Whether a line ends in a terminator other than a line feed.
fn ends_alone(format: Format, line: &[u8]) -> bool {
    line.ends_with(b"\r") && format.layout().line_end(&[line, b"x"].concat()) == Some(line.len())
}

/// Checks that each row of a log is exactly one line, as its format splits them.
pub(super) struct Cut {
    format: Format,
    /// Whether the row before had no terminator.
    is_open: bool,
}

impl Cut {
    pub(super) fn new(format: Format) -> Self {
        Self { format, is_open: false }
    }

    /// Checks the next row of all; only the last may lack a terminator.
    pub(super) fn take(&mut self, raw: &[u8]) -> Result<()> {
        if self.is_open {
            return Err(Error::Damaged(
                "a line of it has no terminator, but another line follows".to_owned(),
            ));
        }
        self.is_open = !raw.ends_with(b"\n") && !ends_alone(self.format, raw);
        self.line(raw)
    }

    /// Checks a single row.
    pub(super) fn line(&mut self, raw: &[u8]) -> Result<()> {
        match self.format.layout().line_end(raw) {
            _ if raw.is_empty() => Err(Error::Damaged("a line of it is empty".to_owned())),
            Some(end) if end < raw.len() => {
                Err(Error::Damaged("a row of it holds several lines".to_owned()))
            }
            _ => Ok(()),
        }
    }
}
