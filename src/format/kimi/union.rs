//! Merges two versions of a state, or of a registry, with a common base.
//!
//! A registry gets the work dirs of both; for one that is in both, the later
//! version says which session was last. In a state, a field that was changed on one
//! side gets that value; one that was changed on both gets the later. Fields that
//! belong together are merged together.

use super::registry;
use super::state::{self, State};
use crate::format::Versions;

/// The merged state, in the bytes of the side that already has it; `None` if one of
/// them is not a state.
pub(super) fn states(versions: &Versions<'_>) -> Option<Vec<u8>> {
    if !state::is_object(versions.ours) || !state::is_object(versions.theirs) {
        return None;
    }
    let read = |content| state::load(content, None).state;
    let base = read(versions.base.filter(|base| state::is_object(base)));
    let (ours, theirs) = (read(Some(versions.ours)), read(Some(versions.theirs)));
    let choice = Choice { base: &base, ours: &ours, theirs: &theirs, later: versions.later };
    let union = choice.union();
    Some(if union == theirs {
        versions.theirs.to_owned()
    } else if union == ours {
        versions.ours.to_owned()
    } else {
        union.write().into_bytes()
    })
}

/// The merged registry; `None` if Kimi cannot read one of them.
pub(super) fn registries(versions: &Versions<'_>) -> Option<Vec<u8>> {
    if versions.later {
        registry::union(versions.theirs, versions.ours)
    } else {
        registry::union(versions.ours, versions.theirs)
    }
}

#[derive(Clone, Copy)]
struct Choice<'a> {
    base: &'a State,
    ours: &'a State,
    theirs: &'a State,
    /// Whether theirs is later.
    later: bool,
}

impl Choice<'_> {
    /// The merged value of a field, or of fields that belong together.
    fn of<T: PartialEq>(self, field: impl Fn(&State) -> T) -> T {
        let (base, ours, theirs) = (field(self.base), field(self.ours), field(self.theirs));
        if theirs == base || ours != base && !self.later { ours } else { theirs }
    }

    fn union(self) -> State {
        let (custom_title, title_generated) =
            self.of(|state| (state.custom_title.clone(), state.title_generated));
        let (plan_mode, plan_session_id, plan_slug) = self
            .of(|state| (state.plan_mode, state.plan_session_id.clone(), state.plan_slug.clone()));
        let (archived, archived_at, auto_archive_exempt) =
            self.of(|state| (state.archived, state.archived_at, state.auto_archive_exempt));
        State {
            version: self.of(|state| state.version.clone()),
            yolo: self.of(|state| state.yolo),
            afk: self.of(|state| state.afk),
            auto_approve_actions: self.of(|state| state.auto_approve_actions.clone()),
            additional_dirs: self.of(|state| state.additional_dirs.clone()),
            custom_title,
            title_generated,
            title_generate_attempts: self.of(|state| state.title_generate_attempts.clone()),
            plan_mode,
            plan_session_id,
            plan_slug,
            wire_mtime: self.of(|state| state.wire_mtime),
            archived,
            archived_at,
            auto_archive_exempt,
            todos: self.of(|state| state.todos.clone()),
            unknown: self.unknown(),
        }
    }

    /// The merged unknown keys, theirs first.
    fn unknown(self) -> Vec<(String, String)> {
        let mut keys: Vec<&String> = Vec::new();
        for (key, _) in self.theirs.unknown.iter().chain(&self.ours.unknown) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let value = |state: &State, key: &String| {
            state.unknown.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
        };
        let with_value = |key: &String| Some((key.clone(), self.of(|state| value(state, key))?));
        keys.into_iter().filter_map(with_value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(base: &str, ours: &str, theirs: &str, later: bool, expected: &str) {
        let versions = Versions {
            base: Some(base.as_bytes()),
            ours: ours.as_bytes(),
            theirs: theirs.as_bytes(),
            later,
        };

        let union = states(&versions).unwrap();

        let state = |content: &[u8]| state::load(Some(content), None).state;
        assert_eq!(state(&union), state(expected.as_bytes()));
    }

    #[test]
    fn a_field_changed_on_one_side_counts() {
        check(
            r#"{"custom_title":"a","x":1}"#,
            r#"{"custom_title":"here","x":1,"ours":2}"#,
            r#"{"custom_title":"a","plan_mode":true,"theirs":3}"#,
            true,
            r#"{"custom_title":"here","plan_mode":true,"theirs":3,"ours":2}"#,
        );
    }

    #[test]
    fn of_a_field_changed_on_both_sides_the_later_counts() {
        for (later, expected) in [(true, "there"), (false, "here")] {
            check(
                r#"{"custom_title":"a"}"#,
                r#"{"custom_title":"here"}"#,
                r#"{"custom_title":"there"}"#,
                later,
                &format!(r#"{{"custom_title":"{expected}"}}"#),
            );
        }
    }

    #[test]
    fn what_one_side_has_already_stays_as_it_is_spelt() {
        let (ours, theirs) = (r#"{"custom_title":"a"}"#, r#" {"custom_title":"a", "afk":false}"#);
        let versions =
            Versions { base: None, ours: ours.as_bytes(), theirs: theirs.as_bytes(), later: false };

        assert_eq!(states(&versions).unwrap(), theirs.as_bytes());
    }

    #[test]
    fn what_is_no_state_joins_nothing() {
        let versions = Versions { base: None, ours: b"{}", theirs: b"\0\0", later: true };

        assert_eq!(states(&versions), None);
    }
}
