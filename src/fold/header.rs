//! Folds headers, and later records that change what a header says.

use rusqlite::Connection;

use super::Fold;
use crate::error::Result;
use crate::format::rules::HeaderPlace;
use crate::model::{Change, Format, Header, HeaderRecord, ProblemKind, Record, Runtime, Stored};
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::{generations, log, sessions};

/// The first header of a log; `None` if it is unusable, or there is none.
pub(crate) fn header_of(
    conn: &Connection,
    format: Format,
    file: &FileRow,
) -> Result<Option<HeaderRecord>> {
    for position in 0..file.line_count {
        let record = match log::line(conn, log::key_of(file, position)) {
            Err(err) if err.is_of_content() => continue,
            line => format.meaning().parse(&line?),
        };
        if let Some(header) = header_in(record) {
            return Ok(Some(header).filter(|header| header.session_id.is_some()));
        }
    }
    Ok(None)
}

fn header_in(record: Record) -> Option<HeaderRecord> {
    match record.change {
        Some(Change::Header(header)) => Some(*header),
        _ => record.more.into_iter().find_map(header_in),
    }
}

/// The header that a log had before it was rewritten; `None` if it never had one.
pub(crate) fn earlier_header(
    conn: &Connection,
    format: Format,
    file: &FileRow,
) -> Result<Option<HeaderRecord>> {
    let Some(generation) = generation_at_root(conn, file)? else { return Ok(None) };
    let earlier = generations::rows(conn, file.source_id, &file.path)?.into_iter().rev();
    for earlier in earlier.filter(|file| file.generation < generation) {
        if earlier.kind == FileKind::Log
            && let Some(header) = header_of(conn, format, &earlier)?
        {
            return Ok(Some(header));
        }
    }
    Ok(None)
}

/// The generation at the root of a log or of its base; `None` for the first.
fn generation_at_root(conn: &Connection, file: &FileRow) -> Result<Option<i64>> {
    let generation = match file.base_id.filter(|_| file.state == FileState::Local) {
        None if file.state == FileState::Local => return Ok(None),
        None => file.generation,
        // A view of an earlier state does not contain later generations.
        Some(base_id) => match files::file_by_id(conn, base_id) {
            Ok(base) if base.path == file.path => base.generation,
            Err(err) if !err.is_of_content() => return Err(err),
            _ => return Ok(None),
        },
    };
    Ok(Some(generation).filter(|generation| 1 < *generation))
}

impl Fold<'_> {
    /// The first header counts, even if it is unusable.
    pub(super) fn take_header(&mut self, header: HeaderRecord) -> Result<()> {
        if self.head.header != Header::Missing {
            return Ok(());
        }
        if header.session_id.is_none() {
            self.head.header = Header::Unusable;
            return Ok(());
        }
        self.head.header = Header::Stored;
        for (key, value) in &header.unknown {
            sessions::insert_metadata(self.conn, self.session, key, value)?;
        }
        self.set_header(header)?;
        // A runtime record may come before the header, and overrides it all the
        // same.
        let early = std::mem::take(&mut self.early);
        self.take_runtime(early);
        if self.format.rules().header == HeaderPlace::First && 0 < self.seen {
            let detail = "records are before the header; the program cannot open the file";
            self.note(None, ProblemKind::Header, detail)?;
        }
        if self.head.entry_count == 0 {
            self.linear = self.format.meaning().is_linear(self.head.version.as_ref());
        }
        Ok(())
    }

    /// Without a usable header, takes the one that the file had before it was
    /// rewritten. If there is none, and the records show that the program wrote the
    /// file, makes one from the file's name.
    pub(super) fn make_header(&mut self) -> Result<()> {
        if self.head.header == Header::Stored || self.take_name()? {
            return Ok(());
        }
        if let Some(earlier) = earlier_header(self.conn, self.format, &self.file)? {
            self.set_header(earlier)?;
            self.head.header = Header::Recovered;
            let detail = "no usable header; id and time were taken from an earlier generation";
            return self.note(None, ProblemKind::Header, detail);
        }
        // The header of a file that was rewritten may have been pruned.
        let is_vouched = self.vouched || generation_at_root(self.conn, &self.file)?.is_some();
        let path = generations::without_kept(&self.file.path);
        let made = self.format.layout().header_from_name(&path).filter(|_| is_vouched);
        let (header, detail) = match (made, self.head.header) {
            (Some(made), _) => {
                self.set_header(made)?;
                (Header::Recovered, "no usable header; id and time were taken from the file's name")
            }
            (None, Header::Unusable) => (Header::Unusable, "the header has no id"),
            (None, _) => (Header::Missing, "no header"),
        };
        self.head.header = header;
        self.note(None, ProblemKind::Header, detail)
    }

    pub(super) fn set_header(&mut self, header: HeaderRecord) -> Result<()> {
        self.head.session_id = header.session_id;
        self.head.version = header.version;
        self.head.created_at = header.created_at;
        self.head.parent_session_id = header.parent_session_id;
        self.head.parent_session_path = header.parent_session_path;
        if let Some(work_dir) = header.work_dir {
            let id = sessions::work_dir_id(self.conn, &work_dir, sessions::LOCAL)?;
            self.head.work_dir_id = Some(id);
            self.work_dir = Some((id, work_dir));
        }
        self.take_runtime(header.runtime);
        Ok(())
    }

    pub(super) fn take_runtime(&mut self, runtime: Runtime) {
        let set = |setting: &mut Option<Stored>, new: Option<Option<Stored>>| {
            if let Some(new) = new {
                *setting = new;
            }
        };
        set(&mut self.head.provider, runtime.provider);
        set(&mut self.head.model, runtime.model);
        set(&mut self.head.reasoning_effort, runtime.reasoning_effort);
    }

    /// Applies a new name and new settings.
    pub(super) fn take_info(&mut self, name: Option<Stored>, runtime: Runtime) {
        self.head.name = name;
        if self.head.header == Header::Missing {
            let early = std::mem::replace(&mut self.early, runtime.clone());
            self.early.provider = self.early.provider.take().or(early.provider);
            self.early.model = self.early.model.take().or(early.model);
            self.early.reasoning_effort =
                self.early.reasoning_effort.take().or(early.reasoning_effort);
        }
        self.take_runtime(runtime);
    }
}
