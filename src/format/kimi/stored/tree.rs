//! Folds contexts as paths through one tree.

use super::Fold;
use super::tables::{self, ContextRow};
use crate::error::Result;
use crate::format::kimi::context;
use crate::format::kimi::layout::{self, Part};
use crate::model::RecordPlace;
use crate::store::entries::{self, EntryRow};
use crate::store::files::FileRow;
use crate::store::log;
use crate::store::runs::ParentLink;

/// What the contexts say of the session as a whole.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The last entry of the current context.
    pub(super) leaf_id: Option<String>,
    pub(super) leaf_key: Option<i64>,
    /// Messages of the current context.
    pub(super) message_count: i64,
    pub(super) entry_count: i64,
    /// Whether Kimi's command line finds anything in the current context.
    pub(super) is_used: bool,
}

pub(super) fn fold(fold: &Fold<'_>) -> Result<Tree> {
    let mut tree = Tree::default();
    let mut contexts = fold.logs(|part| matches!(part, Part::Context | Part::Rotation));
    contexts.sort_by_key(|file| {
        (fold.unit.part(file) == Part::Context, layout::rotation_order(&file.path))
    });
    let mut agents = fold.logs(|part| matches!(part, Part::OldSubagent | Part::SubagentContext(_)));
    agents.sort_by_key(|file| layout::rotation_order(&file.path));
    for file in contexts {
        let is_current = fold.unit.part(file) == Part::Context;
        let path = follow(fold, file, b"", &mut tree)?;
        let kind = if is_current { "current" } else { "rotation" };
        insert_context(fold, file, kind, &path)?;
        if is_current {
            tree.leaf_key = path.last.as_ref().map(|(_, key)| *key);
            tree.leaf_id = path.last.map(|(id, _)| id);
            tree.message_count = path.message_count;
            tree.is_used = path.is_used;
        }
    }
    for file in agents {
        // A sub-agent has a tree of its own, even if it begins with the same
        // records.
        let path = follow(fold, file, &file.path, &mut tree)?;
        insert_context(fold, file, "subagent", &path)?;
    }
    Ok(tree)
}

/// What one context contains.
#[derive(Default)]
struct Path {
    last: Option<(String, i64)>,
    message_count: i64,
    is_used: bool,
}

fn follow(fold: &Fold<'_>, file: &FileRow, salt: &[u8], tree: &mut Tree) -> Result<Path> {
    let mut path = Path::default();
    log::each_line_left(fold.conn, file, |line_key, raw| {
        let line = context::parse(raw);
        path.is_used |= !path.is_used && context::is_used(raw);
        for (kind, detail) in &line.problems {
            fold.note(Some(file), Some(line_key), *kind, detail)?;
        }
        let Some(entry) = line.entry else { return Ok(()) };
        path.message_count += i64::from(entry.role.is_some());
        let parent = path.last.take();
        // A renamed file keeps its entries, but a sub-agent's name is not part of
        // their ids.
        let id = context::entry_id(parent.as_ref().map(|(id, _)| id.as_str()), raw, salt);
        let key = match entries::entry_key(fold.conn, fold.session, &id)? {
            Some(key) => {
                entries::insert_entry_line(fold.conn, fold.session, line_key, key)?;
                key
            }
            None => {
                let ordinal = u32::try_from(tree.entry_count).unwrap_or(u32::MAX);
                let key = entries::key(fold.session, ordinal);
                let row = EntryRow {
                    entry_key: key,
                    place: RecordPlace { line_key, span: None },
                    session: fold.session,
                    entry_id: &id,
                    id_made: true,
                    above: ParentLink { key: parent.map(|(_, key)| key), ..ParentLink::default() },
                    entry_type: entry.entry_type,
                    role: entry.role.as_deref(),
                    message_id: None,
                    created_at: None,
                };
                entries::insert_entry(fold.conn, &row)?;
                tree.entry_count += 1;
                key
            }
        };
        path.last = Some((id, key));
        Ok(())
    })?;
    Ok(path)
}

fn insert_context(fold: &Fold<'_>, file: &FileRow, kind: &str, path: &Path) -> Result<()> {
    let context = ContextRow {
        file_id: file.file_id,
        path: file.path.clone(),
        kind: kind.to_owned(),
        leaf_key: path.last.as_ref().map(|(_, key)| *key),
    };
    tables::insert_context(fold.conn, fold.session, &context)
}
