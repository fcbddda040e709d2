//! Folds the state, and the sub-agents.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::tables::{self, StateRow, SubagentRow};
use super::wire::Wire;
use super::{Fold, StateOfRow, Unit, document};
use crate::error::Result;
use crate::format::kimi::layout::Part;
use crate::format::kimi::state::{self, State};
use crate::format::kimi::subagents;
use crate::format::kimi::wire::instant;
use crate::model::{ProblemKind, Stored};
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::generations;

/// A session's state, merged with the legacy metadata as Kimi would.
///
/// If the metadata is gone from its root while the state is there, Kimi itself has
/// merged it. If the state was written here, it was merged then. Merging it again
/// would undo later decisions.
pub(crate) fn load_state(conn: &Connection, unit: &Unit) -> Result<state::Loaded> {
    let find = |part: Part<'_>| {
        let mut files = unit.files.iter();
        files.find(|file| file.kind == FileKind::Document && unit.part(file) == part)
    };
    let (state, metadata) = (find(Part::State), find(Part::Metadata));
    let metadata = metadata.filter(|metadata| {
        state.is_none_or(|state| metadata.missing_at.is_none() || state.missing_at.is_some())
    });
    let read = |file: Option<&FileRow>| file.map(|file| document(conn, file)).transpose();
    let is_local = state.is_some_and(|state| state.state == FileState::Local);
    // Unreadable metadata was not merged, and is still a problem.
    let metadata = read(metadata)?.filter(|content| !is_local || !state::is_object(content));
    Ok(state::load(read(state)?.as_deref(), metadata.as_deref()))
}

/// The legacy metadata files of a root's sessions whose state was written here.
///
/// Unreadable metadata was not merged.
pub(crate) fn merged(conn: &Connection, source_id: i64) -> Result<BTreeSet<Vec<u8>>> {
    let mut merged = BTreeSet::new();
    for path in generations::local_documents(conn, source_id)? {
        let Some(folder) = path.strip_suffix(b"state.json") else { continue };
        let metadata = [folder, b"metadata.json"].concat();
        let file = files::newest(conn, source_id, &metadata)?;
        let Some(file) = file.filter(|file| file.kind == FileKind::Document) else { continue };
        match document(conn, &file) {
            Ok(content) if state::is_object(&content) => {
                merged.insert(metadata);
            }
            // Damage is reported by whoever reads the document itself.
            Err(err) if !err.is_of_content() => return Err(err),
            _ => {}
        }
    }
    Ok(merged)
}

pub(super) fn fold(fold: &Fold<'_>, wire: &Wire, is_used: bool) -> Result<StateOfRow> {
    let loaded = load_state(fold.conn, fold.unit)?;
    for (part, kind, detail) in &loaded.problems {
        let file = fold.unit.files.iter().find(|file| fold.unit.part(file) == *part);
        fold.note(file, None, *kind, detail)?;
    }
    let state = loaded.state;
    let given = state.custom_title.clone().filter(|title| !title.to_text().is_empty());
    let cli_title = given.clone().unwrap_or_else(|| wire.titles.cli.clone());
    let is_empty = given.is_none() && !wire.titles.has_records && !is_used;
    insert(fold, &state, &cli_title, is_empty)?;
    fold_subagents(fold)?;
    Ok(StateOfRow {
        custom_title: state.custom_title,
        title: given.unwrap_or_else(|| wire.titles.web.clone()),
        archived_at: state.archived.then(|| state.archived_at.and_then(instant)),
        archive_exempt: state.auto_archive_exempt,
    })
}

fn insert(fold: &Fold<'_>, state: &State, cli_title: &Stored, is_empty: bool) -> Result<()> {
    let (conn, session) = (fold.conn, fold.session);
    let row = StateRow {
        cli_title,
        is_empty,
        title_generated: state.title_generated,
        title_generate_attempts: Stored::Json(state.title_generate_attempts.clone()),
        yolo: state.yolo,
        afk: state.afk,
        plan_mode: state.plan_mode,
        plan_session_id: state.plan_session_id.as_ref(),
        plan_slug: state.plan_slug.as_ref(),
        wire_mtime: state.wire_mtime.map(|mtime| Stored::Json(state::float(mtime))),
    };
    tables::insert_state(conn, session, &row)?;
    for (n, action) in state.auto_approve_actions.iter().enumerate() {
        tables::insert_approved_action(conn, session, n, action)?;
    }
    for (n, path) in state.additional_dirs.iter().enumerate() {
        tables::insert_additional_dir(conn, session, n, path)?;
    }
    for (n, todo) in state.todos.iter().enumerate() {
        tables::insert_todo(conn, session, n, &todo.title, &todo.status)?;
    }
    Ok(())
}

fn fold_subagents(fold: &Fold<'_>) -> Result<()> {
    let mut agents: Vec<(f64, SubagentRow)> = Vec::new();
    for file in &fold.unit.files {
        let Part::SubagentMeta(folder) = fold.unit.part(file) else { continue };
        if file.kind != FileKind::Document {
            continue;
        }
        let meta = match subagents::parse(&document(fold.conn, file)?) {
            Ok(meta) => meta,
            Err(reason) => {
                let detail = format!("no sub-agent: {reason}");
                fold.note(Some(file), None, ProblemKind::Unreadable, &detail)?;
                continue;
            }
        };
        let seconds = |at: f64| {
            if at.is_finite() {
                Stored::Json(state::float(at))
            } else {
                Stored::Json("null".to_owned())
            }
        };
        if !meta.created_at.is_finite() || !meta.updated_at.is_finite() {
            let detail = "a time of the sub-agent is NaN or infinite";
            fold.note(Some(file), None, ProblemKind::Time, detail)?;
        }
        let row = SubagentRow {
            folder: String::from_utf8_lossy(folder).into_owned(),
            agent_id: meta.agent_id,
            subagent_type: meta.subagent_type,
            status: meta.status,
            description: meta.description,
            created_at: seconds(meta.created_at),
            updated_at: seconds(meta.updated_at),
            last_task_id: meta.last_task_id,
            launch_spec: meta.launch_spec,
        };
        agents.push((meta.updated_at, row));
    }
    // Files come by path. For equal times, the first one stays first.
    agents.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (n, (_, agent)) in agents.iter().enumerate() {
        tables::insert_subagent(fold.conn, fold.session, n, agent)?;
    }
    Ok(())
}
