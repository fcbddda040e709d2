//! Dump: everything the store knows of its sessions, one JSON object per line.

mod loose;
mod whole;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use self::loose::Loose;
use self::whole::AtomicObject;
use crate::context;
use crate::error::{Error, Failure, Result};
use crate::format::projection;
use crate::model::{Problem, SessionInfo, SessionKey, Stored, bytes_of};
use crate::store::{Store, labels, log, problems, readable, sessions};

impl Store {
    /// Writes one JSON object per line for each session, by root and file, and one
    /// for each file that has problems and belongs to no session.
    ///
    /// Each object has `format`, `root`, `file`, `session_id`, `work_dir`, `title`,
    /// `created_at`, `modified_at` (RFC 3339, UTC), `archived` and `problems` (an
    /// array of `{line, file, kind, detail}`); `file_hex` if the name of the file is
    /// not valid UTF-8; and `trashed_at` for a session in the trash. A session adds
    /// `version`, `name`, `provider`, `model`, `reasoning_effort`,
    /// `parent_session_id`, `parent_session_path`, `header_recovered`, `leaf`,
    /// `branch` (ids, root first), `context` (messages), `labels` (`{id: {label,
    /// timestamp}}`), `tree` (`{id, depth, children}`, depth first), `first_message`,
    /// `message_count`, `memory` and `system_prompt_hash`.
    ///
    /// Values that common JSON readers cannot read (nested deeper than 500, integers
    /// of more than 4,300 digits, NaN and infinities) are replaced by `{"$raw":
    /// [file, line]}`.
    ///
    /// # Errors
    ///
    /// [`Io`](Error::Io) if `out` fails. [`Incomplete`](Error::Incomplete) if part of
    /// the database is damaged: it names each session that was left out; all others
    /// were written.
    pub fn dump(&self, out: &mut dyn Write) -> Result<()> {
        self.read(|conn| dump(conn, out))
    }

    /// Calls `each` for every problem, with its root, ordered by root and path: those
    /// of sessions, and those of files that belong to no session.
    ///
    /// `each` must not use the store.
    ///
    /// # Errors
    ///
    /// Any error that `each` returns, which ends the iteration.
    /// [`Incomplete`](Error::Incomplete) if part of the database is damaged, after
    /// `each` was called for every problem that can be read.
    pub fn each_problem(&self, mut each: impl FnMut(&Path, &Problem) -> Result<()>) -> Result<()> {
        self.read(|conn| each_problem(conn, None, &mut each))
    }
}

/// Calls `each` for every problem, or for those of one session.
pub(crate) fn each_problem(
    conn: &Connection,
    session: Option<SessionKey>,
    each: &mut dyn FnMut(&Path, &Problem) -> Result<()>,
) -> Result<()> {
    let mut done = 0;
    let mut last = None;
    let read = problems::each_problem(conn, session, |root, problem| {
        done += 1;
        last = Some((root.to_owned(), problem.clone()));
        each(root, problem)
    });
    let Err(error) = read else { return Ok(()) };
    if !error.is_of_content() {
        return Err(error);
    }
    let mut is_new = last.is_none();
    problems::each_readable_problem(conn, session, |root, problem| {
        if is_new {
            done += 1;
            each(root, problem)?;
        }
        is_new |= last.as_ref().is_some_and(|(of, last)| of == root && last == problem);
        Ok(())
    })?;
    let failed = vec![Failure { root: PathBuf::new(), file: PathBuf::new(), error }];
    Err(Error::Incomplete { done, failed })
}

/// Writes the object of one session.
pub(crate) fn dump_session(
    conn: &Connection,
    session: SessionKey,
    out: &mut dyn Write,
) -> Result<()> {
    let info = sessions::info(conn, session)?.ok_or_else(|| sessions::not_found(session))?;
    AtomicObject::default().write(out, |out| write_session(conn, out, &info))
}

/// Calls `each` for every line of a session's file, in order.
pub(crate) fn each_line(
    conn: &Connection,
    session: SessionKey,
    each: &mut dyn FnMut(u32, &[u8]) -> Result<()>,
) -> Result<()> {
    let file = projection::log_of(conn, session)?.ok_or_else(|| sessions::not_found(session))?;
    log::each_line(conn, &file, |key, raw| each(log::line_number(key), raw))
}

/// The lines of a session's file after the first `after`, at a cost that does not
/// depend on those.
pub(crate) fn lines(conn: &Connection, session: SessionKey, after: u32) -> Result<Vec<Vec<u8>>> {
    let file = projection::log_of(conn, session)?.ok_or_else(|| sessions::not_found(session))?;
    if 0 < after {
        let positions = after..file.line_count;
        return positions.map(|position| log::line(conn, log::key_of(&file, position))).collect();
    }
    let mut lines = Vec::new();
    log::each_line(conn, &file, |_, raw| {
        lines.push(raw.to_vec());
        Ok(())
    })?;
    Ok(lines)
}

pub(crate) fn refused(err: io::Error) -> Error {
    Error::io("write to", Path::new("the output"))(err)
}

fn dump(conn: &Connection, out: &mut dyn Write) -> Result<()> {
    let mut done = 0;
    let mut failed = Vec::new();
    let mut whole = AtomicObject::default();
    let mut loose = Loose::new(conn);
    for session in all_sessions(conn, &mut failed)? {
        let info = match sessions::info(conn, session) {
            Ok(Some(info)) => info,
            Ok(None) => continue,
            Err(error) => {
                let error = match error {
                    Error::Damaged(detail) => {
                        Error::Damaged(format!("session {}: {detail}", session.0))
                    }
                    error => error,
                };
                leave_out(&mut failed, Default::default(), error)?;
                continue;
            }
        };
        if info.format.layout().is_part(bytes_of(&info.file)) {
            continue;
        }
        loose.write_before(out, Some((bytes_of(&info.root), bytes_of(&info.file))), &mut failed)?;
        match whole.write(out, |out| write_session(conn, out, &info)) {
            Ok(()) => done += 1,
            Err(error) => leave_out(&mut failed, (info.root, info.file), error)?,
        }
    }
    loose.write_before(out, None, &mut failed)?;
    if failed.is_empty() { Ok(()) } else { Err(Error::Incomplete { done, failed }) }
}

/// Every session, by root and file. If a page of the table is damaged, those that can
/// still be read.
fn all_sessions(conn: &Connection, failed: &mut Vec<Failure>) -> Result<Vec<SessionKey>> {
    match sessions::sessions_by_file(conn) {
        Ok(sessions) => return Ok(sessions),
        Err(error) => leave_out(failed, Default::default(), error)?,
    }
    let mut found = Vec::new();
    for key in readable::sessions(conn)?.into_iter().map(SessionKey) {
        if let Ok(Some(info)) = sessions::info(conn, key) {
            found.push((info.root.into_os_string(), info.file.into_os_string(), key));
        }
    }
    found.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
    Ok(found.into_iter().map(|(_, _, key)| key).collect())
}

/// Adds a failure that concerns one session to the list; returns any other error.
fn leave_out(
    failed: &mut Vec<Failure>,
    (root, file): (PathBuf, PathBuf),
    error: Error,
) -> Result<()> {
    if !error.is_of_content() {
        return Err(error);
    }
    failed.push(Failure { root, file, error });
    Ok(())
}

fn write_session(conn: &Connection, out: &mut dyn Write, info: &SessionInfo) -> Result<()> {
    let mut row = format!("{{\"format\":{}", text(info.format.name()));
    place(&mut row, bytes_of(&info.root), bytes_of(&info.file));
    field(&mut row, "session_id", &optional(info.session_id.as_deref()));
    field(&mut row, "work_dir", &optional(info.work_dir.as_deref()));
    field(&mut row, "title", &info.title_json());
    let began_at = info.format.extras().began_at(conn, info)?;
    field(&mut row, "created_at", &optional(began_at.map(|at| at.to_string()).as_deref()));
    field(&mut row, "modified_at", &text(&info.modified_at.to_string()));
    field(&mut row, "archived", if info.archived_at.is_some() { "true" } else { "false" });
    if let Some(time) = info.trashed_at {
        field(&mut row, "trashed_at", &text(&time.to_string()));
    }
    out.write_all(row.as_bytes()).map_err(refused)?;
    info.format.extras().dump(conn, out, info)?;
    write_tree(conn, out, info)
}

/// Writes the fields of a session that is one conversation.
pub(crate) fn write_conversation(
    conn: &Connection,
    out: &mut dyn Write,
    info: &SessionInfo,
    first_message: Option<&Stored>,
) -> Result<()> {
    let mut row = String::new();
    field(&mut row, "version", &stored(info.version.as_ref()));
    field(&mut row, "name", &stored(info.name.as_ref()));
    field(&mut row, "provider", &stored(info.provider.as_ref()));
    field(&mut row, "model", &stored(info.model.as_ref()));
    field(&mut row, "parent_session_id", &optional(info.parent_session_id.as_deref()));
    field(&mut row, "parent_session_path", &stored(info.parent_session_path.as_ref()));
    field(&mut row, "leaf", &optional(info.leaf.as_deref()));
    field(&mut row, "first_message", &stored(first_message));
    field(&mut row, "message_count", &info.message_count.to_string());
    out.write_all(row.as_bytes()).map_err(refused)?;
    write_array(out, "context", |each| {
        context::each_message(conn, info.key, |message| each(&message.json))
    })
}

/// Writes labels, branch, tree and problems as a stream.
fn write_tree(conn: &Connection, out: &mut dyn Write, info: &SessionInfo) -> Result<()> {
    out.write_all(b",\"labels\":").map_err(refused)?;
    let mut comma = "{";
    labels::each_label(conn, info.key, |label| {
        let timestamp = stored(label.labelled_at.as_ref());
        write!(
            out,
            "{comma}{}:{{\"label\":{},\"timestamp\":{timestamp}}}",
            text(&label.target_id),
            label.exact_label.to_json()
        )
        .map_err(refused)?;
        comma = ",";
        Ok(())
    })?;
    out.write_all(if comma == "{" { b"{}" } else { b"}" }).map_err(refused)?;
    write_array(out, "branch", |each| {
        context::each_id_of_branch(conn, info.key, |id| each(&text(id)))
    })?;
    out.write_all(b",\"tree\":[").map_err(refused)?;
    let mut comma = "";
    context::each_node(conn, info.key, |node| {
        write!(out, "{comma}{}", node_json(&node)).map_err(refused)?;
        comma = ",";
        Ok(())
    })?;
    out.write_all(b"],\"problems\":[").map_err(refused)?;
    let mut comma = "";
    let within = info.format.extras().sessions_within(conn, info.key)?;
    for session in std::iter::once(info.key).chain(within) {
        problems::each_session_problem(conn, session, |problem| {
            write!(out, "{comma}{}", problem_json(&problem)).map_err(refused)?;
            comma = ",";
            Ok(())
        })?;
    }
    out.write_all(b"]}\n").map_err(refused)
}

/// Writes an array; `items` calls its argument for each item.
pub(crate) fn write_array(
    out: &mut dyn Write,
    name: &str,
    items: impl FnOnce(&mut dyn FnMut(&str) -> Result<()>) -> Result<()>,
) -> Result<()> {
    write!(out, ",{}:[", text(name)).map_err(refused)?;
    let mut comma = "";
    items(&mut |item| {
        write!(out, "{comma}{item}").map_err(refused)?;
        comma = ",";
        Ok(())
    })?;
    out.write_all(b"]").map_err(refused)
}

fn node_json(node: &context::Node) -> String {
    let children: Vec<String> = node.children.iter().map(|id| text(id)).collect();
    format!(
        "{{\"id\":{},\"depth\":{},\"children\":[{}]}}",
        text(&node.id),
        node.depth,
        children.join(",")
    )
}

fn problem_json(problem: &Problem) -> String {
    let line = problem.line.map_or("null".to_owned(), |line| line.to_string());
    format!(
        "{{\"line\":{line},\"file\":{},\"kind\":{},\"detail\":{}}}",
        text(&problem.file.to_string_lossy()),
        text(problem.kind.name()),
        text(&problem.detail)
    )
}

/// Adds the root and file; a name that is not valid UTF-8 is also given in hex.
fn place(row: &mut String, root: &[u8], file: &[u8]) {
    field(row, "root", &text(&String::from_utf8_lossy(root)));
    field(row, "file", &text(&String::from_utf8_lossy(file)));
    if std::str::from_utf8(file).is_err() {
        let hex: String = file.iter().map(|byte| format!("{byte:02x}")).collect();
        field(row, "file_hex", &text(&hex));
    }
}

pub(crate) fn field(row: &mut String, name: &str, json: &str) {
    let _ = write!(row, ",\"{name}\":{json}");
}

pub(crate) fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

pub(crate) fn optional(value: Option<&str>) -> String {
    value.map_or("null".to_owned(), text)
}

pub(crate) fn stored(value: Option<&Stored>) -> String {
    value.map_or("null".to_owned(), Stored::to_json)
}
