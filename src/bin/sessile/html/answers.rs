//! Matches tool results with calls, so that a call is shown with its result.

use std::collections::{HashMap, HashSet};

use sessile::Part;

use crate::conversation::MessageContent;

/// The position of a part: the index of the entry in a run, of the message, and of
/// the part.
pub(super) type Place = (usize, usize, usize);

/// The calls of a run, and their results.
#[derive(Debug, Default)]
pub(super) struct Answers {
    of_call: HashMap<Place, Place>,
    /// Results, and images after them, that are shown with a call.
    taken: HashSet<Place>,
}

impl Answers {
    /// Matches the messages of a run's entries. A result answers the last unanswered
    /// call with its id before it.
    pub(super) fn of(run: &[&[MessageContent]]) -> Self {
        let mut answers = Self::default();
        let mut open: HashMap<&str, Vec<Place>> = HashMap::new();
        for (e, said) in run.iter().enumerate() {
            for (m, said) in said.iter().enumerate() {
                let mut is_taken = false;
                for (p, part) in said.parts.iter().enumerate() {
                    let place = (e, m, p);
                    match part {
                        Part::ToolCall(call) if !call.id.is_empty() => {
                            open.entry(&call.id).or_default().push(place);
                            is_taken = false;
                        }
                        Part::ToolResult { call_id, .. } => {
                            let call = open.get_mut(call_id.as_str()).and_then(Vec::pop);
                            is_taken = call.is_some();
                            answers.of_call.extend(call.map(|call| (call, place)));
                        }
                        Part::Image { .. } => {}
                        _ => is_taken = false,
                    }
                    if is_taken {
                        answers.taken.insert(place);
                    }
                }
            }
        }
        answers
    }

    pub(super) fn of_call(&self, call: Place) -> Option<Place> {
        self.of_call.get(&call).copied()
    }

    pub(super) fn is_taken(&self, place: Place) -> bool {
        self.taken.contains(&place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(id: &str) -> Part {
        Part::ToolResult { call_id: id.to_owned(), text: String::new() }
    }

    fn said(parts: Vec<Part>) -> Vec<MessageContent> {
        vec![MessageContent { speaker: "tool".to_owned(), parts }]
    }

    #[test]
    fn a_result_without_a_call_stands_alone() {
        let image = Part::Image { mime: String::new(), path: String::new(), data: String::new() };
        let run = [said(vec![Part::Text("a".to_owned()), image, result("x"), result("")])];

        let answers = Answers::of(&[&run[0]]);

        assert!((0..4).all(|p| !answers.is_taken((0, 0, p))));
    }
}
