//! Suggestions for names that do not exist.

use std::fmt;
use std::path::{Path, PathBuf};

use sessile::{Archived, Entry, Error, Session, SessionFilter, Store};

use super::list;
use crate::output::{self, one_line};
use crate::render::Clock;
use crate::text::cut;

/// The newest sessions, with which a name is compared.
const COMPARED: u64 = 10_000;

/// The most suggestions.
const SHOWN: usize = 3;

/// The most candidates for a name that several have.
const CANDIDATES: usize = 20;

/// An error with what may have been meant.
#[derive(Debug)]
pub(crate) struct Meant {
    cause: anyhow::Error,
    told: String,
}

impl Meant {
    pub(crate) fn cause(&self) -> &anyhow::Error {
        &self.cause
    }
}

impl fmt::Display for Meant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told)
    }
}

impl std::error::Error for Meant {}

/// Adds suggestions to an error, if something is similar.
pub(super) fn meant(db: &Path, err: anyhow::Error) -> anyhow::Error {
    let names = match err.downcast_ref::<Error>() {
        Some(Error::AmbiguousSession { name, matches }) => {
            return match candidates(db, name, matches) {
                Ok(told) => Meant { cause: err, told }.into(),
                Err(_) => err,
            };
        }
        Some(Error::SessionNotFound(name)) => sessions(db, name).unwrap_or_default(),
        Some(Error::SourceNotFound(root)) => roots(db, root).unwrap_or_default(),
        Some(Error::RootNotFound(root)) => folders(root),
        _ => Vec::new(),
    };
    with_names(err, &names)
}

/// The entry with this name; if there is none, the error suggests similar ones.
pub(super) fn find_entry(session: &Session, name: &str) -> anyhow::Result<Entry> {
    let err = match session.find_entry(name) {
        Err(err @ Error::EntryNotFound { .. }) => err,
        found => return Ok(found?),
    };
    let nodes = session.tree().unwrap_or_default();
    let ids = nodes.into_iter().map(|node| (distance_of_id(name, &node.id), quoted(&node.id)));
    Err(with_names(err.into(), &closest(ids)))
}

fn with_names(cause: anyhow::Error, names: &[String]) -> anyhow::Error {
    if names.is_empty() {
        return cause;
    }
    let told = format!("{cause:#}; did you mean {}?", names.join(" or "));
    Meant { cause, told }.into()
}

/// The sessions that a name may mean, each with a name that means no other.
fn candidates(db: &Path, name: &str, matches: &[String]) -> anyhow::Result<String> {
    let store = super::open_to_read(db)?;
    let clock = if output::is_terminal() { Clock::Local } else { Clock::Utc };
    let mut told = format!("several sessions are called {name:?}; name one of them:");
    for found in matches.iter().take(CANDIDATES) {
        // A match is a file, with the session's id in parentheses.
        let file = found.rsplit_once(" (").map_or(found.as_str(), |(file, _)| file);
        let info = store.find(file)?.info()?;
        let short = match &info.session_id {
            Some(id) => list::short_id(&store, id)?,
            None => file.to_owned(),
        };
        // If several have the same id, only the file tells them apart.
        let short = if store.find(&short).is_ok() { short } else { file.to_owned() };
        let (at, title) = (clock.show(info.modified_at), info.title.as_deref());
        let title = one_line(title.unwrap_or("Untitled"));
        told.push_str(&format!("\n  {}  {at}  {}", one_line(&short), cut(&title, TITLE)));
    }
    if let Some(more) = matches.len().checked_sub(CANDIDATES).filter(|more| 0 < *more) {
        told.push_str(&format!("\n  and {more} more"));
    }
    Ok(told)
}

/// The columns of a candidate's title.
const TITLE: usize = 40;

/// Sessions with an id similar to the name, else those whose title or work dir
/// contains it.
fn sessions(db: &Path, name: &str) -> anyhow::Result<Vec<String>> {
    let store = super::open_to_read(db)?;
    let all = SessionFilter::new().archived(Archived::Included).all_sources(true);
    let shown = |id: &str, title: Option<&str>| {
        let title = title.map(|title| format!(" ({})", one_line(title))).unwrap_or_default();
        format!("{}{title}", quoted(id))
    };
    let page = store.sessions(&all.clone().limit(COMPARED))?;
    let by_id = page.rows.iter().filter_map(|row| {
        let id = row.session_id.as_deref()?;
        Some((distance_of_id(name, id), shown(id, row.title.as_deref())))
    });
    let by_id = closest(by_id);
    if !by_id.is_empty() || name.trim().is_empty() {
        return Ok(by_id);
    }
    let page = store.sessions(&all.query(name).limit(SHOWN as u64))?;
    let by_title = page
        .rows
        .iter()
        .filter_map(|row| Some(shown(row.session_id.as_deref()?, row.title.as_deref())));
    Ok(by_title.collect())
}

/// Roots with a path similar to this one, or above or below it.
fn roots(db: &Path, root: &Path) -> anyhow::Result<Vec<String>> {
    let store: Store = super::open_to_read(db)?;
    let root = std::path::absolute(root)?;
    let roots = store.imported_roots()?.into_iter().map(|info| info.root);
    let compared = roots.filter(|known| !known.as_os_str().is_empty()).map(|known| {
        let is_related = known.starts_with(&root) || root.starts_with(&known);
        let distance = if is_related { Some(0) } else { distance_of_path(&root, &known) };
        (distance, quoted(&known.to_string_lossy()))
    });
    Ok(closest(compared))
}

/// Folders beside a missing one that have a similar name.
fn folders(root: &Path) -> Vec<String> {
    let Ok(root) = std::path::absolute(root) else { return Vec::new() };
    let beside = root.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    let paths = beside.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let folders = paths.filter(|path: &PathBuf| path.is_dir());
    closest(folders.map(|path| (distance_of_path(&root, &path), quoted(&path.to_string_lossy()))))
}

/// The most similar names, the most similar first.
fn closest(names: impl Iterator<Item = (Option<usize>, String)>) -> Vec<String> {
    let mut near: Vec<_> = names.filter_map(|(distance, name)| Some((distance?, name))).collect();
    near.sort();
    near.into_iter().map(|(_, name)| name).take(SHOWN).collect()
}

/// The distance of a name from an id, or from a prefix of the same length; `None` if
/// it is not similar.
fn distance_of_id(name: &str, id: &str) -> Option<usize> {
    let typed = name.chars().count();
    let beginning: String = id.chars().take(typed).collect();
    // One error in four characters: with more, every id would be similar.
    let most = typed / 4;
    let distance = strsim::osa_distance(name, &beginning).min(strsim::osa_distance(name, id));
    (distance <= most).then_some(distance)
}

fn distance_of_path(path: &Path, other: &Path) -> Option<usize> {
    let (path, other) = (path.to_string_lossy(), other.to_string_lossy());
    let name = Path::new(&*path).file_name().map_or(0, std::ffi::OsStr::len);
    let distance = strsim::osa_distance(&path, &other);
    (distance <= (name / 3).max(1)).then_some(distance)
}

fn quoted(name: &str) -> String {
    format!("{name:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_like_a_name_of_a_slip_in_four_characters() {
        let id = "6ad4149a-1c58-4e0b";
        for (name, expected) in [
            ("7ad4", Some(1)),
            ("6da4149a", Some(1)),
            ("6ad4149a-1c58-4e0", Some(0)),
            ("7ad5", None),
            ("6ae", None),
            ("zzzzzzzz", None),
        ] {
            assert_eq!(distance_of_id(name, id), expected, "{name}");
        }
    }

    #[test]
    fn a_path_is_like_one_of_a_slip_in_its_last_name() {
        let like = |path: &str, other: &str| distance_of_path(path.as_ref(), other.as_ref());

        assert_eq!(like("/home/ada/.kwrad", "/home/ada/.kward"), Some(1));
        assert_eq!(like("/home/ada/.pi", "/home/ada/.kimi"), None);
    }
}
