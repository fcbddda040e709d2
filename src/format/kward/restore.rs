//! Determines which entries of a path make up the restored conversation.

use crate::format::KeptMessages;
use crate::model::{Role, Step, StepKind};

pub(in crate::format) fn role(role: Option<&str>) -> Role {
    match role {
        Some("user") => Role::Prompt,
        Some("compactionSummary") => Role::CompactionSummary,
        Some("assistant" | "tool" | "toolResult") => Role::Counted,
        Some("system") => Role::System,
        _ => Role::Other,
    }
}

/// `message:<n>` names a message by its position.
pub(in crate::format) fn kept_position(first_kept: &str) -> Option<usize> {
    let digits = first_kept.strip_prefix("message:")?;
    let position = digits.parse::<usize>().ok()?;
    // Only in plain spelling: no sign, no leading zeros.
    (position.to_string() == digits).then_some(position)
}

/// Goes through a path in order, keeping a list of the restored steps.
///
/// A message is appended to the list. A compaction replaces the list by itself and
/// what it keeps: it searches for the first message to keep in the part that begins
/// with the last compaction summary, then in the whole list, ignoring system
/// messages, and keeps everything from there. A compaction that names no message, or
/// one that is not there, keeps nothing.
///
/// `kept` has, for each compaction of the path in order, its key and what it names.
pub(in crate::format) fn restore(path: &[Step], kept: &[(i64, Option<KeptMessages>)]) -> Vec<Step> {
    let mut compactions = kept.iter();
    let mut list: Vec<Step> = Vec::new();
    for step in path {
        match step.kind {
            StepKind::Message => list.push(*step),
            StepKind::Compaction => {
                let first = compactions.find(|(key, _)| *key == step.key);
                let rest = match first {
                    Some((_, Some(first))) => keep(list, first),
                    _ => Vec::new(),
                };
                list = Vec::with_capacity(rest.len() + 1);
                list.push(*step);
                list.extend(rest);
            }
            StepKind::Edit | StepKind::Silent => {}
        }
    }
    list
}

fn keep(mut list: Vec<Step>, first: &KeptMessages) -> Vec<Step> {
    list.retain(|step| step.role != Role::System);
    let is_summary = |step: &Step| step.role == Role::CompactionSummary;
    let part = list.iter().rposition(is_summary).unwrap_or(0);
    let find = |list: &[Step]| {
        list.iter()
            .enumerate()
            .position(|(n, step)| first.keys.contains(&step.key) || first.position == Some(n))
    };
    match find(&list[part..]).map(|n| part + n).or_else(|| find(&list)) {
        Some(start) => list.split_off(start),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(key: i64, kind: StepKind, role: Role) -> Step {
        Step { key, kind, role }
    }

    fn message(key: i64) -> Step {
        step(key, StepKind::Message, Role::Counted)
    }

    fn compaction(key: i64) -> Step {
        step(key, StepKind::Compaction, Role::CompactionSummary)
    }

    #[track_caller]
    fn check(path: &[Step], kept: &[(i64, Option<KeptMessages>)], expected: &[i64]) {
        let keys: Vec<i64> = restore(path, kept).iter().map(|step| step.key).collect();

        assert_eq!(keys, expected);
    }

    fn at(position: usize) -> Option<KeptMessages> {
        Some(KeptMessages { position: Some(position), ..KeptMessages::default() })
    }

    fn named(key: i64) -> Option<KeptMessages> {
        Some(KeptMessages { keys: [key].into(), ..KeptMessages::default() })
    }

    #[test]
    fn a_compaction_keeps_from_the_entry_it_names() {
        let path = [message(1), message(2), message(3), compaction(4), message(5)];

        check(&path, &[(4, named(2))], &[4, 2, 3, 5]);
        check(&path, &[(4, at(2))], &[4, 3, 5]);
        check(&path, &[(4, None)], &[4, 5]);
        check(&path, &[(4, named(9))], &[4, 5]);
    }

    #[test]
    fn positions_count_without_system_messages() {
        let path =
            [step(1, StepKind::Message, Role::System), message(2), message(3), compaction(4)];

        check(&path, &[(4, at(1))], &[4, 3]);
    }

    #[test]
    fn position_zero_after_a_compaction_is_its_summary() {
        let path = [message(1), compaction(2), message(3), compaction(4)];

        check(&path, &[(2, None), (4, at(0))], &[4, 2, 3]);
    }

    #[test]
    fn only_the_plain_spelling_of_a_position_counts() {
        assert_eq!(kept_position("message:12"), Some(12));
        for odd in ["message:", "message:+1", "message:01", "message:-1", "12", "Message:1"] {
            assert_eq!(kept_position(odd), None, "{odd}");
        }
    }
}
