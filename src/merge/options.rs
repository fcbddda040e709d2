//! How a merge runs.

use crate::error::Result;
use crate::store::sources;

/// How [`Store::merge`](crate::Store::merge) runs.
#[derive(Clone, Debug, Default)]
#[must_use = "options do nothing until they are used"]
pub struct MergeOptions {
    origin: Option<String>,
}

impl MergeOptions {
    /// The defaults named at each setter.
    pub fn new() -> Self {
        Self::default()
    }

    /// The machine or person that the sessions are of whose origin the other store
    /// does not say. Default: nothing is said of them.
    pub fn origin(mut self, origin: &str) -> Self {
        self.origin = Some(origin.to_owned());
        self
    }

    /// What is said of sessions of which the other store says nothing.
    pub(super) fn unsaid(&self) -> Result<&str> {
        self.origin.as_deref().map_or(Ok(""), sources::origin_name)
    }
}
