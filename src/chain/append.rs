//! Appends lines to a session.

use rusqlite::Connection;

use super::Writing;
use crate::error::{Error, Result};
use crate::fold::{self, Fold, Shape};
use crate::format::rules::OldVersions;
use crate::model::{Draft, Format, SessionKey, Stored, Timestamp};
use crate::store::file_time::FileTime;
use crate::store::files::{self, FileRow, FileState};
use crate::store::heads::Head;
use crate::store::sources::Source;
use crate::store::{entries, heads, log, sessions};

/// The state at the end of a session's log, which the next line builds on.
pub(crate) struct Tail {
    pub(crate) format: Format,
    pub(crate) leaf_id: Option<String>,
    pub(crate) name: Option<Stored>,
    pub(crate) provider: Option<Stored>,
    pub(crate) model: Option<Stored>,
    pub(crate) line_count: u32,
}

impl Tail {
    /// How deep a value may be nested that is inside `below` containers of its line.
    pub(crate) fn depth_below(&self, below: usize) -> usize {
        self.format.rules().depth.saturating_sub(below)
    }
}

/// A session that is open for appending.
pub(super) struct Open {
    file: FileRow,
    pub(super) format: Format,
    head: Head,
    pub(super) tail: Tail,
}

impl Open {
    pub(super) fn read(writing: &Writing<'_>) -> Result<Self> {
        let Writing { tx, session, .. } = *writing;
        let (file, source) = writable_log(tx, session)?;
        let head = heads::head(tx, session)?;
        if source.format.rules().old_versions == OldVersions::ReadOnly
            && fold::is_chain(source.format, &head, || entries::has_given_ids(tx, session))?
        {
            return Err(Error::Unsupported(
                "a session of version 1 cannot be appended to; clone it, and append to the copy",
            ));
        }
        let tail = Tail {
            format: source.format,
            leaf_id: head.leaf_id.clone(),
            name: head.name.clone(),
            provider: head.provider.clone(),
            model: head.model.clone(),
            line_count: file.line_count,
        };
        Ok(Self { file, format: source.format, head, tail })
    }

    pub(super) fn file(&self) -> &FileRow {
        &self.file
    }

    /// Appends lines, which include their terminators.
    pub(super) fn add<L: AsRef<[u8]>>(self, writing: &Writing<'_>, lines: &[L]) -> Result<()> {
        let Writing { tx, session, at, .. } = *writing;
        let (file, refold) = local_chain(tx, session, self.file, at)?;
        add_lines(tx, session, self.format, file, lines, (!refold).then_some(self.head))
    }
}

/// Appends the line that `make` returns; see [`Writing::append`].
pub(super) fn append<T>(
    writing: &Writing<'_>,
    make: impl FnOnce(&Tail) -> Result<Option<(String, T)>>,
) -> Result<Option<T>> {
    let open = Open::read(writing)?;
    let Some((line, value)) = make(&open.tail)? else { return Ok(None) };
    open.add(writing, &[line])?;
    Ok(Some(value))
}

/// The log that appends to a session go to.
pub(super) fn writable_log(tx: &Connection, session: SessionKey) -> Result<(FileRow, Source)> {
    if let Some(found) = sessions::file_of(tx, session)? {
        return Ok(found);
    }
    Err(match sessions::place(tx, session)? {
        Some(_) => Error::Unsupported(
            "only its program can append to a session of several files; fork it, or set its title",
        ),
        None => sessions::not_found(session),
    })
}

/// Spells a record as a line, if the format has one for it.
pub(crate) fn spelt(format: Format, draft: &Draft<'_>, at: Timestamp) -> Result<String> {
    let line = format.spelling().serialise(draft, at);
    line.ok_or(Error::Unsupported("the session's format has no record for this"))
}

/// Appends lines to a local chain and folds them: onto `head`, or by folding the
/// whole chain if there is none.
pub(super) fn add_lines<L: AsRef<[u8]>>(
    tx: &Connection,
    session: SessionKey,
    format: Format,
    mut file: FileRow,
    lines: &[L],
    head: Option<Head>,
) -> Result<()> {
    let mut records = Vec::with_capacity(lines.len());
    for line in lines {
        let line = line.as_ref();
        let key = push(tx, &mut file, line)?;
        let record = format.meaning().parse(line);
        file.mtime = record.at.map_or(file.mtime, FileTime::from);
        records.push((key, record));
    }
    files::update_progress(tx, &file)?;
    let fold = match head {
        Some(head) => Fold::resume(tx, &file, format, session, head)?,
        None => None,
    };
    let shape = match fold {
        Some(mut fold) => {
            for (key, record) in records {
                fold.apply(key, record)?;
            }
            fold.finish()?
        }
        None => Shape::Linear,
    };
    if shape == Shape::Linear {
        fold::refold(tx, &file, format, session)?;
        fold::settle_recovered(tx, file.source_id)?;
    }
    Ok(())
}

/// Appends a line to a chain in the log, and returns its key. The chain's row is
/// updated in `file` only; the caller writes it.
pub(super) fn push(tx: &Connection, file: &mut FileRow, line: &[u8]) -> Result<i64> {
    let key = log::key(file.file_id, file.line_count);
    log::insert_line(tx, key, line)?;
    file.size += line.len() as u64;
    file.line_count += 1;
    Ok(key)
}

/// The chain that a session is written to, and whether the session has to be
/// refolded.
///
/// The first append to an imported session makes its local chain, which begins with
/// all imported lines. If the last of them has no terminator, the chain has a
/// terminated copy instead; otherwise the next line would continue it.
fn local_chain(
    tx: &Connection,
    session: SessionKey,
    file: FileRow,
    at: Timestamp,
) -> Result<(FileRow, bool)> {
    if file.state == FileState::Local {
        return Ok((file, false));
    }
    let path = file.path.clone();
    let (local, is_torn) = begin_behind(tx, file, path, at)?;
    sessions::update_session_file(tx, session, local.file_id)?;
    Ok((local, is_torn))
}

/// Starts a local chain with all lines of another; returns whether its last line had
/// to be terminated.
pub(super) fn begin_behind(
    tx: &Connection,
    file: FileRow,
    path: Vec<u8>,
    at: Timestamp,
) -> Result<(FileRow, bool)> {
    let last = match file.line_count.checked_sub(1) {
        Some(last) => log::line(tx, log::key(file.file_id, last))?,
        None => Vec::new(),
    };
    let is_torn = !last.is_empty() && !last.ends_with(b"\n");
    let base_count = file.line_count - u32::from(is_torn);
    let local = FileRow {
        path,
        state: FileState::Local,
        mode: 0o600,
        mtime: at.into(),
        size: 0,
        line_count: base_count,
        sha256: None,
        missing_at: None,
        base_id: Some(file.file_id),
        base_count,
        ..file
    };
    let file_id = files::insert_file(tx, &local)?;
    let mut local = files::file_by_id(tx, file_id)?;
    if is_torn {
        push(tx, &mut local, &[&last[..], b"\n"].concat())?;
    }
    Ok((local, is_torn))
}
