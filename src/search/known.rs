//! What is known of the index when a search begins.

use std::sync::Arc;

use crate::model::SessionKey;
use crate::store::standings::{Standing, Standings};

/// Which sessions the index holds.
pub(super) enum IndexState {
    Nothing,
    /// How far it holds each session.
    As(Arc<Standings>),
}

impl IndexState {
    pub(super) fn standing(&self, session: SessionKey) -> Option<&Standing> {
        match self {
            Self::Nothing => None,
            Self::As(standings) => standings.standing(session),
        }
    }
}
