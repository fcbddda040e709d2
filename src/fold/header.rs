//! What the fold takes from headers, and from later records that change the same.

use super::Fold;
use crate::error::Result;
use crate::format::rules::HeaderPlace;
use crate::model::{Header, HeaderRecord, ProblemKind, Runtime, Stored};
use crate::store::sessions;

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
        // A runtime record may precede the header; it overrides the header all the same.
        let early = std::mem::take(&mut self.early);
        self.take_runtime(early);
        if self.format.rules().header == HeaderPlace::First && 0 < self.seen {
            let detail = "records stand before the header; the program cannot open the file";
            self.note(None, ProblemKind::Header, detail)?;
        }
        if self.head.entry_count == 0 {
            self.linear = self.format.meaning().is_linear(self.head.version.as_ref());
        }
        Ok(())
    }

    /// Without a usable header, makes one from the file's name, if the records show
    /// that the program wrote the file.
    pub(super) fn make_header(&mut self) -> Result<()> {
        if self.head.header == Header::Stored || self.take_name()? {
            return Ok(());
        }
        let made = self.format.layout().header_from_name(&self.file.path).filter(|_| self.vouched);
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
            self.head.work_dir_id =
                Some(sessions::work_dir_id(self.conn, &work_dir, sessions::LOCAL)?);
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

    /// Takes a new name and new settings.
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
