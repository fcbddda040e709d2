//! Finds sessions by their titles.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::find::Finder;
use super::known::IndexState;
use crate::error::Result;
use crate::model::{SessionKey, Timestamp};
use crate::store::texts::{self, SessionFacts};

impl Finder<'_> {
    /// Finds the sessions whose title matches: among those that the index found, and
    /// those that it lacks. Only for the first page, and not if a role, tool or model
    /// is asked for. A title that is the first message is found as that message.
    pub(super) fn titles(&mut self, named: Vec<SessionKey>, known: &IndexState) -> Result<()> {
        let limit = self.search.limit;
        if self.is_of_someone() || self.search.after.is_some() {
            return Ok(());
        }
        let mut sessions: BTreeSet<i64> = self.lacked(known)?;
        sessions.extend(named.into_iter().map(|session| session.0));
        let mut by_time = Vec::new();
        for session in sessions.into_iter().map(SessionKey) {
            by_time.extend(self.titled(session, known)?);
        }
        by_time.sort_by_key(|(at, session, _)| Reverse((*at, *session)));
        for (_, session, facts) in by_time {
            let facts = match facts {
                Some(facts) => Some(facts),
                None => texts::session(self.conn, session)?,
            };
            let Some(facts) = facts else { continue };
            if facts.is_of_message || !self.is_asked_for(session, &facts) {
                continue;
            }
            self.page.titles.extend(self.prover.title(session, &facts));
            if limit != 0 && self.page.titles.len() as u64 == limit {
                break;
            }
        }
        Ok(())
    }

    /// When a session was last active, if that is within the range asked for; and the
    /// facts that had to be read for it.
    fn titled(
        &self,
        session: SessionKey,
        known: &IndexState,
    ) -> Result<Option<(Timestamp, SessionKey, Option<SessionFacts>)>> {
        let (at, facts) = match known.standing(session) {
            Some(standing) => (standing.modified_at, None),
            None => match texts::session(self.conn, session)? {
                Some(facts) => (facts.modified_at, Some(facts)),
                None => return Ok(None),
            },
        };
        let is_of_time = self.search.since.is_none_or(|since| since <= at)
            && self.search.until.is_none_or(|until| at <= until);
        Ok(is_of_time.then_some((at, session, facts)))
    }
}
