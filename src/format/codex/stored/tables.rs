//! Codex's table: what is stored of a rollout besides its session and tree.
//!
//! Rollouts are looked up by what refers to them: the name, the thread, the
//! physical id. These lookups always read the database's own table, never the
//! shadow table of a check, which does not contain rollouts that are not folded
//! yet.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, named_params};

use crate::error::Result;
use crate::format::codex::layout;
use crate::format::codex::meta::{Base, Git, Meta, Mode};
use crate::model::{SessionKey, Timestamp};
use crate::store::projections::{Owner, Table};

/// The table that `migrations/V10__codex.sql` creates.
pub(crate) const TABLES: [Table; 1] = [Table::new("rollouts", Owner::Session, "session_key")];

/// A rollout among those of its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownRollout {
    pub(crate) session: SessionKey,
    pub(crate) source_id: i64,
    /// Its path without `.zst`.
    pub(crate) place: Vec<u8>,
    pub(crate) name: Vec<u8>,
    pub(crate) file_id: i64,
    pub(crate) thread_id: Option<String>,
    pub(crate) segment_id: Option<String>,
    pub(crate) physical_id: Option<String>,
    pub(crate) meta_at: Option<Timestamp>,
    pub(crate) is_archived: bool,
    pub(crate) mode: Mode,
    pub(crate) base: Option<Base>,
    pub(crate) base_file: Option<i64>,
    pub(crate) base_is_whole: bool,
}

/// What the fold determined of a rollout.
pub(crate) struct FoldedRollout<'a> {
    pub(crate) meta: &'a Meta,
    pub(crate) is_superseded: bool,
    pub(crate) token_count: Option<i64>,
}

pub(crate) fn insert(
    conn: &Connection,
    known: &KnownRollout,
    told: &FoldedRollout<'_>,
) -> Result<()> {
    let FoldedRollout { meta, is_superseded, token_count } = told;
    let git = meta.git.clone().unwrap_or_default();
    let whole = |number: Option<u64>| number.map(|n| i64::try_from(n).unwrap_or(i64::MAX));
    conn.prepare_cached(
        "INSERT INTO rollouts (session_key, name, file_id, thread_id, segment_id, physical_id,
                               meta_at, is_archived, is_superseded, mode, base_id,
                               base_ordinal, base_offset, base_file, base_is_whole, originator,
                               cli_version, origin, forked_from, agent_nickname, agent_role,
                               has_git, git_commit, git_branch, git_repository, token_count)
         VALUES (:session_key, :name, :file_id, :thread_id, :segment_id, :physical_id,
                 :meta_at, :is_archived, :is_superseded, :mode, :base_id,
                 :base_ordinal, :base_offset, :base_file, :base_is_whole, :originator,
                 :cli_version, :origin, :forked_from, :agent_nickname, :agent_role,
                 :has_git, :git_commit, :git_branch, :git_repository, :token_count)",
    )?
    .execute(named_params! {
        ":session_key": known.session,
        ":name": known.name,
        ":file_id": known.file_id,
        ":thread_id": known.thread_id,
        ":segment_id": known.segment_id,
        ":physical_id": known.physical_id,
        ":meta_at": known.meta_at,
        ":is_archived": known.is_archived,
        ":is_superseded": is_superseded,
        ":mode": known.mode.name().unwrap_or("bare"),
        ":base_id": known.base.as_ref().map(|base| &base.physical_id),
        ":base_ordinal": whole(known.base.as_ref().and_then(|base| base.ordinal)),
        ":base_offset": whole(known.base.as_ref().and_then(|base| base.offset)),
        ":base_file": known.base_file,
        ":base_is_whole": known.base_is_whole,
        ":originator": meta.originator,
        ":cli_version": meta.cli_version,
        ":origin": meta.source,
        ":forked_from": meta.forked_from,
        ":agent_nickname": meta.nickname,
        ":agent_role": meta.role,
        ":has_git": meta.git.is_some(),
        ":git_commit": git.commit,
        ":git_branch": git.branch,
        ":git_repository": git.repository,
        ":token_count": token_count,
    })?;
    Ok(())
}

pub(crate) fn delete(conn: &Connection, session: SessionKey) -> Result<()> {
    conn.prepare_cached("DELETE FROM rollouts WHERE session_key = ?1")?.execute([session])?;
    Ok(())
}

pub(crate) fn update_token_count(
    conn: &Connection,
    session: SessionKey,
    token_count: i64,
) -> Result<()> {
    conn.prepare_cached("UPDATE rollouts SET token_count = ?2 WHERE session_key = ?1")?
        .execute((session, token_count))?;
    Ok(())
}

fn known_from_row(row: &Row<'_>) -> rusqlite::Result<KnownRollout> {
    let physical_id: Option<String> = row.get("base_id")?;
    let number = |n: Option<i64>| n.map(i64::unsigned_abs);
    let path: Vec<u8> = row.get("path")?;
    let mode: String = row.get("mode")?;
    let base = match physical_id {
        Some(physical_id) => Some(Base {
            physical_id,
            ordinal: number(row.get("base_ordinal")?),
            offset: number(row.get("base_offset")?),
        }),
        None => None,
    };
    Ok(KnownRollout {
        session: row.get("session_key")?,
        source_id: row.get("source_id")?,
        place: layout::place(&path).to_vec(),
        name: row.get("name")?,
        file_id: row.get("file_id")?,
        thread_id: row.get("thread_id")?,
        segment_id: row.get("segment_id")?,
        physical_id: row.get("physical_id")?,
        meta_at: row.get("meta_at")?,
        is_archived: row.get("is_archived")?,
        mode: match mode.as_str() {
            "paginated" => Mode::Paginated,
            "legacy" => Mode::Legacy,
            _ => Mode::Bare,
        },
        base,
        base_file: row.get("base_file")?,
        base_is_whole: row.get("base_is_whole")?,
    })
}

/// The rollout of a session.
pub(crate) fn of_session(conn: &Connection, session: SessionKey) -> Result<Option<KnownRollout>> {
    Ok(conn
        .prepare_cached(
            "SELECT rollout.session_key, session.source_id, session.path, rollout.name, rollout.file_id, thread_id,
                    segment_id, physical_id, meta_at, is_archived, mode, base_id, base_ordinal,
                    base_offset, base_file, base_is_whole
             FROM main.rollouts AS rollout
             JOIN main.sessions AS session ON session.session_key = rollout.session_key
             WHERE rollout.session_key = ?1",
        )?
        .query_row([session], known_from_row)
        .optional()?)
}

/// The path of a session.
pub(crate) fn path(conn: &Connection, session: SessionKey) -> Result<Option<Vec<u8>>> {
    Ok(conn
        .prepare_cached("SELECT path FROM main.sessions WHERE session_key = ?1")?
        .query_row([session], |row| row.get("path"))
        .optional()?)
}

/// Selects the rollouts of the source `?1` by one column.
macro_rules! rollouts_by {
    ($column:literal) => {
        concat!(
            "SELECT rollout.session_key, session.source_id, session.path, rollout.name, rollout.file_id, thread_id,
                    segment_id, physical_id, meta_at, is_archived, mode, base_id, base_ordinal,
                    base_offset, base_file, base_is_whole
             FROM main.rollouts AS rollout
             CROSS JOIN main.sessions AS session ON session.session_key = rollout.session_key
             WHERE rollout.",
            $column,
            " = ?2 AND session.source_id = ?1
             ORDER BY rollout.session_key"
        )
    };
}

fn select(
    conn: &Connection,
    sql: &str,
    source_id: i64,
    value: impl ToSql,
) -> Result<Vec<KnownRollout>> {
    let mut stmt = conn.prepare_cached(sql)?;
    let rows = stmt.query_map((source_id, value), known_from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The rollouts with this name, in any folder.
pub(crate) fn of_name(conn: &Connection, source_id: i64, name: &[u8]) -> Result<Vec<KnownRollout>> {
    select(conn, rollouts_by!("name"), source_id, name)
}

/// The rollouts of a thread.
pub(crate) fn of_thread(
    conn: &Connection,
    source_id: i64,
    thread_id: &str,
) -> Result<Vec<KnownRollout>> {
    select(conn, rollouts_by!("thread_id"), source_id, thread_id)
}

/// The rollouts with a physical id.
pub(crate) fn of_physical_id(
    conn: &Connection,
    source_id: i64,
    id: &str,
) -> Result<Vec<KnownRollout>> {
    select(conn, rollouts_by!("physical_id"), source_id, id)
}

/// The rollouts whose history begins with a file with this physical id.
pub(crate) fn beginning_with(
    conn: &Connection,
    source_id: i64,
    id: &str,
) -> Result<Vec<KnownRollout>> {
    select(conn, rollouts_by!("base_id"), source_id, id)
}

/// What a dump shows of a rollout besides its session's row.
pub(crate) struct DumpFields {
    pub(crate) mode: Mode,
    pub(crate) segment_id: Option<String>,
    pub(crate) is_superseded: bool,
    pub(crate) originator: Option<String>,
    pub(crate) cli_version: Option<String>,
    pub(crate) origin: String,
    pub(crate) forked_from: Option<String>,
    pub(crate) nickname: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) git: Option<Git>,
    pub(crate) token_count: Option<i64>,
    pub(crate) base: Option<Base>,
    pub(crate) base_file: Option<i64>,
}

pub(crate) fn shown(conn: &Connection, session: SessionKey) -> Result<Option<DumpFields>> {
    let Some(known) = of_session(conn, session)? else { return Ok(None) };
    let KnownRollout { mode, segment_id, base, base_file, .. } = known;
    Ok(conn
        .prepare_cached(
            "SELECT is_superseded, originator, cli_version, origin, forked_from, agent_nickname,
                    agent_role, has_git, git_commit, git_branch, git_repository, token_count
             FROM main.rollouts
             WHERE session_key = ?1",
        )?
        .query_row([session], |row| {
            let git = Git {
                commit: row.get("git_commit")?,
                branch: row.get("git_branch")?,
                repository: row.get("git_repository")?,
            };
            let has_git: bool = row.get("has_git")?;
            Ok(DumpFields {
                mode,
                segment_id,
                is_superseded: row.get("is_superseded")?,
                originator: row.get("originator")?,
                cli_version: row.get("cli_version")?,
                origin: row.get("origin")?,
                forked_from: row.get("forked_from")?,
                nickname: row.get("agent_nickname")?,
                role: row.get("agent_role")?,
                git: has_git.then_some(git),
                token_count: row.get("token_count")?,
                base,
                base_file,
            })
        })
        .optional()?)
}

/// Whether another file is the head of a rollout's thread; `None` if it is not a
/// rollout.
pub(crate) fn is_superseded(conn: &Connection, session: SessionKey) -> Result<Option<bool>> {
    Ok(shown(conn, session)?.map(|shown| shown.is_superseded))
}
