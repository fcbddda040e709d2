//! Which sessions a caller asks for by origin, tags, metadata and work dir. Lists,
//! searches and usage share it.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::{metadata, sources};
use crate::error::{Error, Result};
use crate::model::Json;

/// The conditions; without any, every session passes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Narrowing {
    pub(crate) origin: Option<String>,
    pub(crate) tags: Vec<String>,
    /// Keys with their values as JSON; an error for a value that is not JSON.
    values: Vec<(String, std::result::Result<String, String>)>,
}

/// Work dirs that a caller asks for; all of them if none is named. A trailing slash
/// makes no difference.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkDirs(Vec<String>);

impl WorkDirs {
    pub(crate) fn add(&mut self, path: &str) {
        self.0.push(without_slash(path).to_owned());
    }

    pub(crate) fn include(&self, path: Option<&str>) -> bool {
        let is_named = |path| self.0.iter().any(|dir| dir == without_slash(path));
        self.0.is_empty() || path.is_some_and(is_named)
    }
}

pub(crate) fn without_slash(path: &str) -> &str {
    path.trim_end_matches('/')
}

impl Narrowing {
    /// Adds a condition: this value under this key.
    pub(crate) fn metadata<'v>(&mut self, key: &str, value: impl Into<Json<'v>>) {
        let value = value.into().compact(metadata::MAX_DEPTH);
        self.values.push((key.to_owned(), value));
    }

    /// The sessions that pass; `None` if there are no conditions.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](Error::InvalidRecord) for a value that is not JSON.
    pub(crate) fn sessions(&self, conn: &Connection) -> Result<Option<BTreeSet<i64>>> {
        let of_origin = match &self.origin {
            Some(origin) => Some(sources::sessions_of_origin(conn, origin)?),
            None => None,
        };
        if self.tags.is_empty() && self.values.is_empty() {
            return Ok(of_origin);
        }
        let values = self.values.iter().cloned().map(|(key, value)| Ok((key, value?)));
        let values = values.collect::<Result<Vec<_>, _>>().map_err(Error::InvalidRecord)?;
        let mut found = metadata::sessions_with(conn, &self.tags, &values)?;
        if let Some(of_origin) = of_origin {
            found.retain(|key| of_origin.contains(key));
        }
        Ok(Some(found))
    }
}
