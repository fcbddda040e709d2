//! Problems: what could not be understood.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::ids::IdText;
use super::{log, readable};
use crate::error::Result;
use crate::model::{Format, Problem, ProblemKind, SessionKey, bytes_of, path_of};

/// A problem, and the session and file that it belongs to.
#[derive(Debug)]
pub(crate) struct NewProblem<'a> {
    pub(crate) source_id: i64,
    pub(crate) file_id: Option<i64>,
    pub(crate) session: Option<SessionKey>,
    pub(crate) path: &'a [u8],
    pub(crate) line: Option<u32>,
    pub(crate) kind: ProblemKind,
    pub(crate) detail: &'a str,
}

pub(crate) fn insert_problem(conn: &Connection, problem: &NewProblem<'_>) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO problems (source_id, file_id, session_key, path, line, kind, detail)
         VALUES (:source_id, :file_id, :session_key, :path, :line, :kind, :detail)",
    )?
    .execute(named_params! {
        ":source_id": problem.source_id,
        ":file_id": problem.file_id,
        ":session_key": problem.session,
        ":path": problem.path,
        ":line": problem.line,
        ":kind": problem.kind,
        ":detail": problem.detail,
    })?;
    Ok(())
}

/// Removes a session's problems of these kinds, before they are computed again.
pub(crate) fn delete_problems(
    conn: &Connection,
    session: SessionKey,
    kind: ProblemKind,
) -> Result<()> {
    conn.prepare_cached("DELETE FROM problems WHERE session_key = ?1 AND kind = ?2")?
        .execute((session, kind))?;
    Ok(())
}

/// Records each entry whose parent does not exist, and each that is its own parent.
pub(crate) fn insert_orphans(conn: &Connection, session: SessionKey) -> Result<()> {
    let mut stmt = conn.prepare_cached(
        "SELECT file.source_id, file.file_id, file.path, entry.line_key, run.parent_id,
                run.parent_id = entry.entry_id
         FROM runs AS run
         JOIN entries AS entry ON entry.entry_key = run.first_key
         JOIN sessions AS session ON session.session_key = entry.session_key
         JOIN files AS file ON file.file_id = session.file_id
         WHERE run.session_key = ?1
           AND run.parent_id IS NOT NULL",
    )?;
    let mut rows = stmt.query([session])?;
    while let Some(row) = rows.next()? {
        let path: Vec<u8> = row.get(2)?;
        let IdText(parent_id) = row.get(4)?;
        let detail = if row.get(5)? {
            "the entry is its own parent; it is shown as a root".to_owned()
        } else {
            format!("no entry has the parent's id {parent_id:.60}; it is shown as a root")
        };
        let problem = NewProblem {
            source_id: row.get(0)?,
            file_id: row.get(1)?,
            session: Some(session),
            path: &path,
            line: Some(log::line_number(row.get(3)?)),
            kind: ProblemKind::Orphan,
            detail: &detail,
        };
        insert_problem(conn, &problem)?;
    }
    Ok(())
}

/// A session's problems, by line.
pub(crate) fn session_problems(conn: &Connection, session: SessionKey) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    each_session_problem(conn, session, |problem| {
        problems.push(problem);
        Ok(())
    })?;
    Ok(problems)
}

/// Calls `each` for a session's problems, by line, without collecting them: there may
/// be one per line.
pub(crate) fn each_session_problem(
    conn: &Connection,
    session: SessionKey,
    mut each: impl FnMut(Problem) -> Result<()>,
) -> Result<()> {
    let mut stmt = conn.prepare_cached(
        "SELECT session.session_id, problem.path, problem.line, problem.kind, problem.detail
         FROM problems AS problem
         JOIN sessions AS session ON session.session_key = problem.session_key
         WHERE problem.session_key = ?1
         ORDER BY problem.line, problem.kind, problem.detail",
    )?;
    let mut rows = stmt.query([session])?;
    while let Some(row) = rows.next()? {
        each(problem_from_row(row)?)?;
    }
    Ok(())
}

/// Calls `each` for every problem with its root, by root and path; only for those of
/// one session, if one is given.
pub(crate) fn each_problem(
    conn: &Connection,
    session: Option<SessionKey>,
    mut each: impl FnMut(&Path, &Problem) -> Result<()>,
) -> Result<()> {
    let mut stmt = conn.prepare_cached(
        "SELECT source.root, session.session_id, problem.path, problem.line, problem.kind,
                problem.detail
         FROM problems AS problem
         JOIN sources AS source ON source.source_id = problem.source_id
         LEFT JOIN sessions AS session ON session.session_key = problem.session_key
         WHERE ?1 IS NULL OR problem.session_key = ?1
         ORDER BY source.root, problem.path, problem.line, problem.kind, problem.detail",
    )?;
    let mut rows = stmt.query([session])?;
    while let Some(row) = rows.next()? {
        let root = path_of(row.get("root")?);
        each(&root, &problem_from_row(row)?)?;
    }
    Ok(())
}

/// As [`each_problem`], problem by problem, for damaged tables or indexes.
pub(crate) fn each_readable_problem(
    conn: &Connection,
    session: Option<SessionKey>,
    mut each: impl FnMut(&Path, &Problem) -> Result<()>,
) -> Result<()> {
    let mut found = Vec::new();
    for problem_id in readable::problems(conn)? {
        match problem_of_session(conn, problem_id) {
            Ok((of, root, problem)) if session.is_none() || of == session => {
                found.push((path_of(root), problem));
            }
            Err(err) if !err.is_of_content() => return Err(err),
            _ => {}
        }
    }
    found.sort_by(|(root, one), (other_root, other)| {
        let root = bytes_of(root).cmp(bytes_of(other_root));
        let place = |problem: &Problem| {
            (problem.file.clone().into_os_string(), problem.line, problem.kind.name())
        };
        root.then_with(|| place(one).cmp(&place(other))).then_with(|| one.detail.cmp(&other.detail))
    });
    found.iter().try_for_each(|(root, problem)| each(root, problem))
}

fn problem_of_session(
    conn: &Connection,
    problem_id: i64,
) -> Result<(Option<SessionKey>, Vec<u8>, Problem)> {
    let mut stmt = conn.prepare_cached(
        "SELECT problem.session_key, source.root, session.session_id, problem.path, problem.line,
                problem.kind, problem.detail
         FROM problems AS problem
         JOIN sources AS source ON source.source_id = problem.source_id
         LEFT JOIN sessions AS session ON session.session_key = problem.session_key
         WHERE problem.problem_id = ?1",
    )?;
    Ok(stmt.query_row([problem_id], |row| {
        Ok((row.get("session_key")?, row.get("root")?, problem_from_row(row)?))
    })?)
}

/// A problem that belongs to no session; `None` if it belongs to one.
pub(crate) fn loose_problem(
    conn: &Connection,
    problem_id: i64,
) -> Result<Option<(LooseCursor, Format, Problem)>> {
    let mut stmt = conn.prepare_cached(
        "SELECT source.root, source.format, problem.problem_id, NULL AS session_id, problem.path,
                problem.line,
                problem.kind, problem.detail
         FROM problems AS problem
         JOIN sources AS source ON source.source_id = problem.source_id
         WHERE problem.problem_id = ?1 AND problem.session_key IS NULL",
    )?;
    Ok(stmt.query_row([problem_id], loose_from_row).optional()?)
}

/// A page of the problems that belong to no session, by root and path, with their
/// source.
///
/// The page starts after `after`: a root, a path and a problem.
pub(crate) fn loose_problems(
    conn: &Connection,
    after: &LooseCursor,
    limit: u32,
) -> Result<Vec<(LooseCursor, Format, Problem)>> {
    let mut stmt = conn.prepare_cached(
        "SELECT root, source_id FROM sources WHERE root >= ?1 ORDER BY root, source_id",
    )?;
    let rows =
        stmt.query_map([&after.root], |row| Ok((row.get("root")?, row.get("source_id")?)))?;
    let sources: Vec<(Vec<u8>, i64)> = rows.collect::<Result<_, _>>()?;
    let start = LooseCursor::default();
    // The store's own sources have one root.
    for of_root in sources.chunk_by(|(one, _), (other, _)| one == other) {
        let mut page = Vec::new();
        for (root, source_id) in of_root {
            let after = if *root == after.root { after } else { &start };
            page.extend(loose_problems_of(conn, *source_id, after, limit)?);
        }
        page.sort_by(|(one, _, _), (other, _, _)| one.cmp(other));
        page.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        if !page.is_empty() {
            return Ok(page);
        }
    }
    Ok(Vec::new())
}

fn loose_problems_of(
    conn: &Connection,
    source_id: i64,
    after: &LooseCursor,
    limit: u32,
) -> Result<Vec<(LooseCursor, Format, Problem)>> {
    let mut stmt = conn.prepare_cached(LOOSE)?;
    let rows = stmt.query_map(
        named_params! {
            ":source_id": source_id,
            ":path": after.path,
            ":problem_id": after.problem_id,
            ":limit": limit,
        },
        loose_from_row,
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A page of those of a source, in the order of an index.
pub(super) const LOOSE: &str = "
    SELECT source.root, source.format, problem.problem_id, NULL AS session_id, problem.path,
           problem.line, problem.kind, problem.detail
    FROM problems AS problem
    CROSS JOIN sources AS source ON source.source_id = problem.source_id
    WHERE problem.source_id = :source_id
      AND problem.session_key IS NULL
      AND (problem.path, problem.problem_id) > (:path, :problem_id)
    ORDER BY problem.path, problem.problem_id
    LIMIT :limit";

fn loose_from_row(row: &Row<'_>) -> rusqlite::Result<(LooseCursor, Format, Problem)> {
    let cursor = LooseCursor {
        root: row.get("root")?,
        path: row.get("path")?,
        problem_id: row.get("problem_id")?,
    };
    Ok((cursor, row.get("format")?, problem_from_row(row)?))
}

/// A position among the problems that belong to no session.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LooseCursor {
    pub(crate) root: Vec<u8>,
    pub(crate) path: Vec<u8>,
    pub(crate) problem_id: i64,
}

/// Removes the problems of a path that belong to no session.
pub(crate) fn delete_path_problems(
    conn: &Connection,
    source_id: i64,
    path: &[u8],
) -> Result<usize> {
    Ok(conn
        .prepare_cached(
            "DELETE FROM problems WHERE source_id = ?1 AND path = ?2 AND session_key IS NULL",
        )?
        .execute((source_id, path))?)
}

/// Removes what was found in the content of a file that belongs to no session. What was
/// found of the file itself stays.
pub(crate) fn delete_content_problems(
    conn: &Connection,
    source_id: i64,
    path: &[u8],
) -> Result<usize> {
    Ok(conn
        .prepare_cached(
            "DELETE FROM problems
             WHERE source_id = ?1
               AND path = ?2
               AND session_key IS NULL
               AND kind NOT IN (
                   'link', 'unreadable-file', 'special-file', 'changing', 'too-long', 'lost'
               )",
        )?
        .execute((source_id, path))?)
}

/// Removes what the last import found at a path. What was found in content that is kept
/// stays.
pub(crate) fn delete_root_problems(
    conn: &Connection,
    source_id: i64,
    path: &[u8],
) -> Result<usize> {
    Ok(conn
        .prepare_cached(
            "DELETE FROM problems
             WHERE source_id = ?1
               AND path = ?2
               AND session_key IS NULL
               AND kind IN ('link', 'unreadable-file', 'special-file', 'changing')",
        )?
        .execute((source_id, path))?)
}

/// Sets or clears the one problem of a kind that a path has outside of any session.
pub(crate) fn settle_loose(
    conn: &Connection,
    source_id: i64,
    path: &[u8],
    kind: ProblemKind,
    detail: Option<&str>,
) -> Result<()> {
    if let Some(detail) = detail
        && is_recorded(conn, source_id, path, kind, detail)?
    {
        return Ok(());
    }
    conn.prepare_cached(
        "DELETE FROM problems
         WHERE source_id = ?1 AND path = ?2 AND session_key IS NULL AND kind = ?3",
    )?
    .execute((source_id, path, kind))?;
    let Some(detail) = detail else { return Ok(()) };
    let (file_id, session, line) = (None, None, None);
    insert_problem(conn, &NewProblem { source_id, file_id, session, path, line, kind, detail })
}

/// Whether a session has a problem with a path other than its log's.
pub(crate) fn has_of_path(conn: &Connection, session: SessionKey, path: &[u8]) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT 1 FROM problems WHERE session_key = ?1 AND path = ?2")?
        .exists((session, path))?)
}

/// Moves what was found in the content of a file that belongs to no session to another
/// path.
pub(crate) fn move_path(conn: &Connection, source_id: i64, from: &[u8], to: &[u8]) -> Result<()> {
    conn.prepare_cached(
        "UPDATE problems
         SET path = :to
         WHERE source_id = :source_id
           AND path = :from
           AND session_key IS NULL
           AND kind NOT IN ('link', 'unreadable-file', 'special-file', 'changing')",
    )?
    .execute(named_params! { ":source_id": source_id, ":from": from, ":to": to })?;
    Ok(())
}

/// Whether a path has exactly this problem outside of any session.
pub(crate) fn is_recorded(
    conn: &Connection,
    source_id: i64,
    path: &[u8],
    kind: ProblemKind,
    detail: &str,
) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "SELECT 1
             FROM problems
             WHERE source_id = :source_id
               AND path = :path
               AND session_key IS NULL
               AND kind = :kind
               AND detail = :detail",
        )?
        .exists(named_params! {
            ":source_id": source_id,
            ":path": path,
            ":kind": kind,
            ":detail": detail,
        })?)
}

/// The number of problems of each kind that a source has.
pub(crate) fn count_by_kind(conn: &Connection, source_id: i64) -> Result<Vec<(ProblemKind, u64)>> {
    let mut stmt = conn.prepare_cached(
        "SELECT kind, count(*) AS problems
         FROM problems
         WHERE source_id = ?1
         GROUP BY kind
         ORDER BY problems DESC, kind",
    )?;
    let rows = stmt.query_map([source_id], |row| {
        Ok((row.get("kind")?, row.get::<_, i64>("problems")?.unsigned_abs()))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn problem_from_row(row: &Row<'_>) -> rusqlite::Result<Problem> {
    Ok(Problem {
        session_id: row.get("session_id")?,
        file: path_of(row.get("path")?),
        line: row.get("line")?,
        kind: row.get("kind")?,
        detail: row.get("detail")?,
    })
}
