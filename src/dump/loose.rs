//! Dumps the problems that belong to no session, each file on a line of its own.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, Write};

use rusqlite::Connection;

use super::{leave_out, place, problem_json, refused, text};
use crate::error::{Failure, Result};
use crate::model::{Format, Problem, bytes_of};
use crate::store::problems::LooseCursor;
use crate::store::{problems, readable};

/// The problems that belong to no session, in the same order as sessions (by root and
/// file), read a page at a time.
pub(super) struct Loose<'a> {
    conn: &'a Connection,
    page: VecDeque<(LooseCursor, Format, Problem)>,
    after: LooseCursor,
    ended: bool,
}

impl<'a> Loose<'a> {
    pub(super) fn new(conn: &'a Connection) -> Self {
        Self { conn, page: VecDeque::new(), after: LooseCursor::default(), ended: false }
    }

    /// Writes those that come before a root and file; all that are left for `None`.
    pub(super) fn write_before(
        &mut self,
        out: &mut dyn Write,
        limit: Option<(&[u8], &[u8])>,
        failed: &mut Vec<Failure>,
    ) -> Result<()> {
        loop {
            if self.page.is_empty() && !self.ended {
                match problems::loose_problems(self.conn, &self.after, 500) {
                    Ok(page) => {
                        self.ended = page.is_empty();
                        self.page = page.into();
                    }
                    Err(error) => {
                        leave_out(failed, Default::default(), error)?;
                        self.ended = true;
                        self.page = self.readable()?.into();
                    }
                }
            }
            let Some((at, format, problem)) = self.page.pop_front() else { return Ok(()) };
            if limit.is_some_and(|limit| limit <= (&at.root[..], &at.path[..])) {
                self.page.push_front((at, format, problem));
                return Ok(());
            }
            write_row(out, &at.root, format.name(), &problem).map_err(refused)?;
            self.after = at;
        }
    }

    /// Reads the remaining problems row by row, after a page of the table could not
    /// be read.
    fn readable(&self) -> Result<Vec<(LooseCursor, Format, Problem)>> {
        let mut found = Vec::new();
        for problem_id in readable::problems(self.conn)? {
            match problems::loose_problem(self.conn, problem_id) {
                Err(err) if err.is_of_content() => {}
                problem => found.extend(problem?.filter(|(at, _, _)| self.after < *at)),
            }
        }
        found.sort_by(|(one, _, _), (other, _, _)| one.cmp(other));
        Ok(found)
    }
}

fn write_row(out: &mut dyn Write, root: &[u8], format: &str, problem: &Problem) -> io::Result<()> {
    let mut row = format!("{{\"format\":{}", text(format));
    place(&mut row, root, bytes_of(&problem.file));
    row.push_str(
        ",\"session_id\":null,\"work_dir\":null,\"title\":null,\"created_at\":null,\
         \"modified_at\":null,\"archived\":false",
    );
    let _ = write!(row, ",\"problems\":[{}]}}", problem_json(problem));
    writeln!(out, "{row}")
}
