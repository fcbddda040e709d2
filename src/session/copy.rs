//! Sessions made from others: whole copies, and forks at an entry.
//!
//! A copy takes the source's lines as they are. Only entries that have no id or
//! parent of their own, as in version 1, have theirs written down: their place
//! in the file, which said it, is another now.

use std::collections::HashSet;

use rusqlite::Connection;

use super::{NewSession, Session, append, kimi, pi};
use crate::error::{Error, Result};
use crate::fold;
use crate::format::stored_text;
use crate::model::{
    Change, Draft, Entry, Format, Header, NewEntry, Parent, ProblemKind, SessionInfo, SessionKey,
    Timestamp,
};
use crate::store::file_time::FileTime;
use crate::store::files::{self, FileRow};
use crate::store::{entries, heads, labels, log, paths, sessions};

impl Session {
    /// Makes a copy of the session in the folder of its file, and returns a
    /// live handle on it.
    ///
    /// It has all that the session has: every branch, label, tool execution,
    /// memory and system prompt, the name and the active entry. Lines are
    /// copied byte for byte, and entries keep their ids; only torn and blank
    /// lines stay behind. Its header names the session as its parent.
    ///
    /// It gets the id of [`with_id`](Self::with_id) and the time of
    /// [`at`](Self::at), else new ones.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound);
    /// [`SessionExists`](Error::SessionExists) when a session has the given id;
    /// [`InvalidRecord`](Error::InvalidRecord) for an id that is no file name.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(&dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/kward/small".as_ref(), &sessile::ImportOptions::new())?;
    /// let original = store.live(store.find("edge-97")?)?;
    ///
    /// let copy = original.duplicate()?;
    ///
    /// assert_eq!(copy.info()?.parent_session_id.as_deref(), Some("edge-97"));
    /// assert_eq!(store.tree(copy.key())?, store.tree(original.key())?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn duplicate(&self) -> Result<Self> {
        let made = self.store.make(|tx| {
            if kimi::has_state(tx, self.key)? {
                return Ok((self.fork_whole_kimi(tx)?, ()));
            }
            let source = Source::read(tx, self.key)?;
            let mut copy = self.begin(tx, &source)?;
            log::each_line(tx, &source.file, |_, raw| copy.take(&source, raw))?;
            Ok((copy.finish(source.info.leaf.as_deref())?, ()))
        })?;
        Ok(made.0)
    }

    /// Makes a session of the path to an entry, in the folder of this one's
    /// file. Returns a live handle on it, and the text of the chosen prompt.
    ///
    /// Of a user's prompt, the path ends before it: its whole text is returned,
    /// to be asked again or otherwise. Of any other entry, the path ends with
    /// it, and the text is empty. The entries keep their ids, parents, times
    /// and labels; the session keeps its name and model, and names this one as
    /// its parent. Other branches, tool executions, memory and system prompts
    /// are not part of a path.
    ///
    /// It gets the id of [`with_id`](Self::with_id) and the time of
    /// [`at`](Self::at), else new ones.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](Error::EntryNotFound), and as
    /// [`duplicate`](Self::duplicate).
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(&dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/kward/small".as_ref(), &sessile::ImportOptions::new())?;
    /// let original = store.live(store.find("edge-97")?)?;
    ///
    /// let (fork, text) = original.fork("c")?;
    ///
    /// assert_eq!(text, "second");
    /// let ids: Vec<String> = store.branch(fork.key())?.into_iter().map(|entry| entry.id).collect();
    /// assert_eq!(ids, ["a", "b"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fork(&self, entry_id: &str) -> Result<(Self, String)> {
        self.store.make(|tx| {
            if kimi::has_state(tx, self.key)? {
                return self.fork_kimi_at(tx, entry_id);
            }
            let source = Source::read(tx, self.key)?;
            let entry_key = entries::entry_key(tx, self.key, entry_id)?
                .ok_or_else(|| Error::EntryNotFound { entry_id: entry_id.to_owned() })?;
            let mut path = paths::path(tx, self.key, entry_key, usize::MAX)?;
            let text = match path.pop_if(|entry| is_prompt(entry)) {
                Some(prompt) => {
                    source.info.format.meaning().full_text(&log::line(tx, prompt.line_key)?)
                }
                None => String::new(),
            };
            Ok((self.make_of_path(tx, &source, &path)?, text))
        })
    }

    /// Makes a session of the active branch, as [`fork`](Self::fork) does, up
    /// to and with its last entry, whatever that is.
    ///
    /// # Errors
    ///
    /// As [`duplicate`](Self::duplicate).
    pub fn fork_branch(&self) -> Result<Self> {
        let made = self.store.make(|tx| {
            if kimi::has_state(tx, self.key)? {
                return Ok((self.fork_whole_kimi(tx)?, ()));
            }
            let source = Source::read(tx, self.key)?;
            let path = crate::context::branch(tx, self.key)?;
            Ok((self.make_of_path(tx, &source, &path)?, ()))
        })?;
        Ok(made.0)
    }

    fn make_of_path(&self, tx: &Connection, source: &Source, path: &[Entry]) -> Result<SessionKey> {
        if pi::has_fields(source.info.format) {
            return self.make_of_pi_path(tx, source, path);
        }
        let mut copy = self.begin(tx, source)?;
        let name = source.info.name.as_ref().map(stored_text);
        if let Some(name) = name.as_deref().map(append::strip).filter(|name| !name.is_empty()) {
            let line = append::spelt(source.info.format, &Draft::Name(Some(name)), self.time())?;
            copy.push(line.as_bytes(), None)?;
        }
        for entry in path {
            let raw = log::line(tx, entry.line_key)?;
            let record = source.info.format.meaning().parse(&raw);
            let leans = record.entry.as_ref().is_some_and(|new| match source.is_chain {
                true => leans(new),
                false => new.id.is_none(),
            });
            copy.push_entry(
                &raw,
                leans.then_some((&entry.id, entry.parent_id.as_deref())),
                record.at,
            )?;
        }
        let ids: HashSet<&str> = path.iter().map(|entry| entry.id.as_str()).collect();
        for (target_id, line_key) in labels::label_lines(tx, self.key)? {
            if ids.contains(target_id.as_str()) {
                let raw = log::line(tx, line_key)?;
                let at = source.info.format.meaning().parse(&raw).at;
                copy.push(&raw, at)?;
            }
        }
        copy.finish(path.last().map(|entry| entry.id.as_str()))
    }

    /// Makes the session that lines are to be copied to; it has its header.
    pub(super) fn begin<'a>(&self, tx: &'a Connection, source: &Source) -> Result<NewLog<'a>> {
        let info = &source.info;
        let mut new = NewSession::new(info.work_dir.as_deref().unwrap_or_default())
            .format(info.format)
            .at(self.time());
        if let Some(id) = &self.id {
            new = new.session_id(id);
        }
        for (value, set) in [
            (&info.provider, NewSession::provider as fn(NewSession, &str) -> NewSession),
            (&info.model, NewSession::model),
            (&info.reasoning_effort, NewSession::reasoning_effort),
        ] {
            if let Some(value) = value {
                new = set(new, &stored_text(value));
            }
        }
        if let Some(id) = &info.session_id {
            new = new.parent_id(id);
        }
        new = new.parent_path(&source.path());
        let session = super::create::create_beside(tx, &source.file, &new)?;
        let (file, _) = sessions::file_of(tx, session)?
            .ok_or_else(|| Error::SessionNotFound(session.0.to_string()))?;
        Ok(NewLog {
            tx,
            session,
            format: info.format,
            file,
            at: self.time(),
            entry_count: 0,
            last_id: None,
        })
    }
}

/// Whether an entry is what a user asked.
pub(super) fn is_prompt(entry: &Entry) -> bool {
    entry.entry_type == "message" && entry.role.as_deref() == Some("user")
}

/// The session that is copied from.
pub(super) struct Source {
    pub(super) info: SessionInfo,
    file: FileRow,
    /// Whether its entries follow one another unless they say otherwise.
    is_chain: bool,
    /// Whether its entries do not stand as its program writes them today.
    pub(super) is_old: bool,
}

impl Source {
    fn read(tx: &Connection, session: SessionKey) -> Result<Self> {
        let not_found = || Error::SessionNotFound(session.0.to_string());
        let info = sessions::info(tx, session)?.ok_or_else(not_found)?;
        let (file, _) = sessions::file_of(tx, session)?.ok_or_else(not_found)?;
        let is_chain = info.format.meaning().is_linear(info.version.as_ref())
            || info.header != Header::Stored && !entries::has_given_ids(tx, session)?;
        let is_old = is_chain || !info.format.meaning().is_current(info.version.as_ref());
        Ok(Self { info, file, is_chain, is_old })
    }

    /// Its file; below the store's own root, as it is named there.
    fn path(&self) -> String {
        let mut path = self.info.root.clone();
        if !path.is_empty() && !path.ends_with(b"/") {
            path.push(b'/');
        }
        path.extend_from_slice(&self.info.file);
        String::from_utf8_lossy(&path).into_owned()
    }
}

/// The log of a session that is being made.
pub(super) struct NewLog<'a> {
    tx: &'a Connection,
    pub(super) session: SessionKey,
    format: Format,
    file: FileRow,
    at: Timestamp,
    /// Of the entries copied so far.
    entry_count: usize,
    last_id: Option<String>,
}

/// Whether an entry's place in its file says its id or parent.
fn leans(entry: &NewEntry) -> bool {
    entry.id.is_none() || entry.parent == Parent::Unsaid
}

impl NewLog<'_> {
    /// Copies a line unless it is a header or no record.
    fn take(&mut self, source: &Source, raw: &[u8]) -> Result<()> {
        let record = self.format.meaning().parse(raw);
        let is_broken = |(kind, _): &(ProblemKind, String)| {
            matches!(kind, ProblemKind::Malformed | ProblemKind::NotARecord)
        };
        if raw.iter().all(u8::is_ascii_whitespace)
            || matches!(record.change, Some(Change::Header(_)))
            || record.problems.iter().any(is_broken)
        {
            return Ok(());
        }
        let Some(entry) = record.entry.as_ref().filter(|_| source.is_old) else {
            return self.push(raw, record.at);
        };
        // pi gives every entry of a chain an id of its own making.
        let is_numbered = source.is_chain && pi::has_fields(self.format);
        let id = entry.id.clone().filter(|_| !is_numbered);
        let id = id.unwrap_or_else(|| format!("message:{}", self.entry_count));
        let parent_id = match &entry.parent {
            _ if is_numbered => self.last_id.take(),
            Parent::Unsaid => self.last_id.take(),
            Parent::None => None,
            Parent::Id(parent_id) => Some(parent_id.clone()),
        };
        self.entry_count += 1;
        let leans = leans(entry) || pi::has_fields(self.format);
        let identity = leans.then_some((&id, parent_id.as_deref()));
        self.push_entry(raw, identity, record.at)?;
        self.last_id = Some(id);
        Ok(())
    }

    /// Copies the line of an entry, saying its id and parent if these are given.
    fn push_entry(
        &mut self,
        raw: &[u8],
        identity: Option<(&String, Option<&str>)>,
        at: Option<Timestamp>,
    ) -> Result<()> {
        match identity
            .and_then(|(id, parent_id)| self.format.spelling().identified(raw, id, parent_id))
        {
            Some(line) => self.push(line.as_bytes(), at),
            None => self.push(raw, at),
        }
    }

    pub(super) fn push(&mut self, raw: &[u8], at: Option<Timestamp>) -> Result<()> {
        let key = log::key(self.file.file_id, self.file.line_count);
        let line = match raw.ends_with(b"\n") {
            true => raw.into(),
            false => std::borrow::Cow::Owned([raw, b"\n"].concat()),
        };
        log::insert_line(self.tx, key, &line)?;
        self.file.mtime = at.map_or(self.file.mtime, FileTime::from);
        self.file.size += line.len() as u64;
        self.file.line_count += 1;
        Ok(())
    }

    /// Folds what was copied; the active entry is that of the source.
    pub(super) fn finish(self, leaf: Option<&str>) -> Result<SessionKey> {
        files::update_file(self.tx, &self.file)?;
        fold::refold(self.tx, &self.file, self.format, self.session)?;
        let found = heads::head(self.tx, self.session)?.leaf_id;
        if found.as_deref() != leaf {
            match self.format.spelling().serialise(&Draft::Leaf(leaf), self.at) {
                Some(line) => {
                    append::add_line(self.tx, self.session, self.format, self.file, &line, None)?;
                }
                None => pi::move_leaf(self.tx, self.session, leaf, self.at)?,
            }
        }
        Ok(self.session)
    }
}
