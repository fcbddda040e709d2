//! The history of a thread: the files that it begins with, and its own.
//!
//! A file may name another file, and a byte in it, as its base, which may have a
//! base itself. Bases are found wherever they are, compressed or not. If one is
//! missing, the history consists of what exists.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::own::ParsedRollout;
use super::place::{Rollout, readable};
use super::tables::{self, KnownRollout};
use crate::error::Result;
use crate::format::codex::layout::{self, Form};
use crate::format::codex::meta::{Base, Mode};
use crate::format::codex::record::{self, Line, Problem};
use crate::format::json::{self, Raw};
use crate::model::{RecordPlace, SessionKey, Span};
use crate::store::files::FileRow;
use crate::store::log;

/// A file of a history.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) known: KnownRollout,
    pub(crate) log: FileRow,
    /// If set, only the lines that end at or before this byte count.
    pub(crate) cut: Option<u64>,
    is_document: bool,
    /// For a base: why its program rejects it, and with it what begins there.
    pub(crate) problems: Vec<Problem>,
}

/// The files of a history in order; the last one is the rollout itself.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) links: Vec<Link>,
    /// Why it does not begin where it should.
    pub(crate) problem: Option<String>,
}

impl History {
    pub(crate) fn of(conn: &Connection, own: &ParsedRollout) -> Result<Self> {
        Self::behind(conn, Link::of_own(own))
    }

    /// The history of a known file.
    pub(crate) fn of_known(conn: &Connection, known: &KnownRollout) -> Result<Option<Self>> {
        match Link::of(conn, known, None)? {
            Some(link) => Ok(Some(Self::behind(conn, link)?)),
            None => Ok(None),
        }
    }

    fn behind(conn: &Connection, link: Link) -> Result<Self> {
        let mut seen = BTreeSet::from([link.known.session]);
        let mut history = Self { links: vec![link], problem: None };
        while let Some(first) = history.links.first()
            && let Some(base) = first.known.base.clone()
        {
            match next(conn, &first.known, &base, &mut seen)? {
                Ok(link) => history.links.insert(0, link),
                Err(problem) => {
                    history.problem = Some(problem);
                    break;
                }
            }
        }
        Ok(history)
    }

    /// The file that the rollout itself names as its base.
    pub(crate) fn base(&self) -> Option<&Link> {
        self.links.len().checked_sub(2).and_then(|at| self.links.get(at))
    }

    /// Calls `each` for every line, with the byte at which it ends.
    pub(crate) fn each_line(
        &self,
        conn: &Connection,
        mut each: impl FnMut(&Link, i64, u64, &[u8]) -> Result<()>,
    ) -> Result<()> {
        self.links
            .iter()
            .try_for_each(|link| link.each_line(conn, |key, end, raw| each(link, key, end, raw)))
    }
}

/// The file that a base names, or why there is none.
fn next(
    conn: &Connection,
    of: &KnownRollout,
    base: &Base,
    seen: &mut BTreeSet<SessionKey>,
) -> Result<Result<Link, String>> {
    let id = &base.physical_id;
    let mut found = tables::of_physical_id(conn, of.source_id, id)?;
    found.sort_by(|one, other| {
        let place = |known: &KnownRollout| {
            (known.is_archived, std::cmp::Reverse(known.name.clone()), known.place.clone())
        };
        place(one).cmp(&place(other))
    });
    let Some(known) = found.first() else {
        return Ok(Err(format!("the base file of the history is missing: {id:.60}")));
    };
    if !seen.insert(known.session) {
        return Ok(Err(format!("the history is its own base, through {id:.60}")));
    }
    let link = Link::of(conn, known, base.offset)?;
    Ok(link.ok_or_else(|| format!("the base file of the history is missing: {id:.60}")))
}

impl Link {
    /// The rollout itself.
    pub(crate) fn of_own(own: &ParsedRollout) -> Self {
        Self {
            known: own.known.clone(),
            log: own.log.clone(),
            cut: None,
            is_document: own.is_document,
            problems: Vec::new(),
        }
    }

    fn of(conn: &Connection, known: &KnownRollout, cut: Option<u64>) -> Result<Option<Self>> {
        let Some(path) = tables::path(conn, known.session)? else { return Ok(None) };
        let rollout = Rollout::at(conn, known.source_id, &path)?;
        let Some(file) = rollout.main() else { return Ok(None) };
        let log = readable(conn, file)?;
        let is_document = layout::form(&rollout.place) == Some(Form::Document);
        let own = ParsedRollout::read(conn, known.session, &rollout)?;
        let problems = own.map(|own| own.problems).unwrap_or_default();
        let problems = problems.into_iter().map(|(_, problem)| problem).collect();
        Ok(Some(Self { known: known.clone(), log, cut, is_document, problems }))
    }

    /// Calls `each` for its lines, as far as they belong to the history.
    pub(crate) fn each_line(
        &self,
        conn: &Connection,
        mut each: impl FnMut(i64, u64, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut end = 0;
        log::each_line_left(conn, &self.log, |key, raw| {
            end += raw.len() as u64;
            match self.cut {
                Some(cut) if cut < end => Ok(()),
                _ => each(key, end, raw),
            }
        })
    }

    /// Whether the file is at least this long.
    pub(crate) fn reaches(&self, conn: &Connection, cut: u64) -> bool {
        let mut size = 0;
        let read = log::each_line_left(conn, &self.log, |_, raw| {
            size += raw.len() as u64;
            Ok(())
        });
        read.is_ok() && cut <= size
    }

    /// Calls `each` for every record in a line, with its place.
    pub(crate) fn each_record(
        &self,
        key: i64,
        raw: &[u8],
        mut each: impl FnMut(RecordPlace, Line<'_>) -> Result<()>,
    ) -> Result<()> {
        let place = |span| RecordPlace { line_key: key, span };
        if !self.is_document {
            let line = match self.known.mode {
                Mode::Bare => record::parse_bare(raw),
                _ => record::parse(raw),
            };
            return each(place(None), line);
        }
        let Ok((document, _)) = json::scan(raw) else { return Ok(()) };
        for item in document.get("items").into_iter().flat_map(Raw::items) {
            let start = item.bytes().as_ptr() as usize - raw.as_ptr() as usize;
            let span = Span::new(&(start..start + item.bytes().len()));
            each(place(span), record::parse_bare(item.bytes()))?;
        }
        Ok(())
    }
}
