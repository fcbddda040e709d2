//! What is known of the index when a search begins.

use crate::model::SessionKey;
use crate::store::standings::Standing;

/// Which sessions the index holds.
pub(super) enum Known {
    Nothing,
    /// How far each, by key.
    As(Vec<Standing>),
}

impl Known {
    pub(super) fn standing(&self, session: SessionKey) -> Option<&Standing> {
        match self {
            Self::Nothing => None,
            Self::As(standings) => {
                let n = standings.binary_search_by_key(&session, |standing| standing.session);
                n.ok().map(|n| &standings[n])
            }
        }
    }
}
