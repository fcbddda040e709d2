//! Options of a merge.

use crate::error::Result;
use crate::store::sources;

/// How [`Store::merge`](crate::Store::merge) works.
#[derive(Clone, Debug, Default)]
#[must_use = "options do nothing until they are used"]
pub struct MergeOptions {
    origin: Option<String>,
}

impl MergeOptions {
    /// The defaults, which each setter documents.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the origin of those sessions for which the other store names none.
    /// Default: none.
    pub fn origin(mut self, origin: &str) -> Self {
        self.origin = Some(origin.to_owned());
        self
    }

    /// The origin for sessions without one.
    pub(super) fn unsaid(&self) -> Result<&str> {
        self.origin.as_deref().map_or(Ok(""), sources::origin_name)
    }
}
