//! The first prompt of a session, as lists show it.

use super::text::{is_space, strip_points};
use crate::format::json::{self, Kind, Raw};
use crate::model::Stored;

/// Code points of a first prompt before it is truncated.
const MAX_PROMPT: usize = 200;

/// Texts in place of a prompt that the program or its host writes.
const SKIPPED: [&str; 4] = ["<local-command-stdout>", "<session-start-hook>", "<tick>", "<goal>"];

/// Elements of an editor that are handled as a whole.
const WRAPPED: [(&str, &str); 2] =
    [("<ide_opened_file>", "</ide_opened_file>"), ("<ide_selection>", "</ide_selection>")];

/// What a user's message contributes to the first prompt.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Prompt {
    pub(super) text: Option<Stored>,
    /// A command that is shown if there is no text at all.
    pub(super) command: Option<Stored>,
}

/// The prompt in a user's message.
pub(super) fn of_message(message: Raw<'_>) -> Prompt {
    let mut found = Prompt::default();
    let content = message.get("content").unwrap_or(Raw::NULL);
    if message.kind() != Kind::Object || has_result(content) {
        return found;
    }
    if let Some(points) = json::code_points(content) {
        take(&points, &mut found);
        return found;
    }
    let is_text = |block: &Raw<'_>| is_type(*block, "text");
    for block in content.items().filter(is_text) {
        let points = block.get("text").and_then(json::code_points);
        if points.is_some_and(|points| take(&points, &mut found)) {
            break;
        }
    }
    found
}

/// Whether a content block has this type.
pub(super) fn is_type(block: Raw<'_>, name: &str) -> bool {
    block.kind() == Kind::Object && block.get("type").and_then(Raw::string).as_deref() == Some(name)
}

/// Whether content contains a tool's answer.
pub(super) fn has_result(content: Raw<'_>) -> bool {
    content.items().any(|block| is_type(block, "tool_result"))
}

/// Classifies a text; returns whether it is the prompt.
fn take(text: &[u32], found: &mut Prompt) -> bool {
    let blank = |point: &u32| if *point == u32::from('\n') { u32::from(' ') } else { *point };
    let line: Vec<u32> = text.iter().map(blank).collect();
    let line = strip_points(&line);
    if line.is_empty() {
        return false;
    }
    if let Some(command) = command(line) {
        if found.command.is_none() && !command.is_empty() {
            found.command = Some(json::stored_points(command));
        }
        return false;
    }
    if is_skipped(line) {
        return false;
    }
    found.text = Some(json::stored_points(&cut(line)));
    true
}

/// Truncates to the longest prompt that is shown.
fn cut(line: &[u32]) -> Vec<u32> {
    if line.len() <= MAX_PROMPT {
        return line.to_vec();
    }
    let is_text = |point: &u32| !char::from_u32(*point).is_some_and(is_space);
    let end = line[..MAX_PROMPT].iter().rposition(is_text).map_or(0, |last| last + 1);
    [&line[..end], &[u32::from('…')]].concat()
}

/// The name of the first command in a line, which may be empty.
fn command(line: &[u32]) -> Option<&[u32]> {
    let start = find(line, "<command-name>")? + "<command-name>".len();
    let length = find(&line[start..], "</command-name>")?;
    Some(&line[start..start + length])
}

fn is_skipped(line: &[u32]) -> bool {
    if SKIPPED.iter().any(|start| starts_with(line, start)) {
        return true;
    }
    let interrupted = "[Request interrupted by user";
    if starts_with(line, interrupted) && line[interrupted.len()..].contains(&u32::from(']')) {
        return true;
    }
    WRAPPED.iter().any(|(start, end)| {
        starts_with(line, start)
            && start.len() + end.len() <= line.len()
            && starts_with(&line[line.len() - end.len()..], end)
    })
}

/// Where an ASCII text begins in a line.
fn find(line: &[u32], text: &str) -> Option<usize> {
    let last = line.len().checked_sub(text.len())?;
    (0..=last).find(|&at| starts_with(&line[at..], text))
}

fn starts_with(line: &[u32], text: &str) -> bool {
    text.len() <= line.len()
        && text.bytes().zip(line).all(|(byte, point)| u32::from(byte) == *point)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(content: &str) -> (Option<String>, Option<String>) {
        let message = format!("{{\"content\":{content}}}");
        let found = of_message(json::scan(message.as_bytes()).unwrap().0);
        let text = |stored: Option<Stored>| stored.map(|stored| stored.to_text());
        (text(found.text), text(found.command))
    }

    #[test]
    fn the_first_text_that_a_user_wrote_is_the_prompt() {
        let text = |content: &str| prompt(content).0;
        assert_eq!(text(r#""  a\nb  ""#).as_deref(), Some("a b"));
        assert_eq!(
            text(r#"[{"type":"image"},{"type":"text","text":" "},{"type":"text","text":"x"}]"#)
                .as_deref(),
            Some("x")
        );
        assert_eq!(text(r#"[{"type":"tool_result"},{"type":"text","text":"x"}]"#), None);
        for skipped in [
            "<tick>x",
            "<local-command-stdout>",
            "[Request interrupted by user for tool use] and more",
            "<ide_selection>a</ide_selection>",
        ] {
            assert_eq!(text(&json::spelt(skipped)), None, "{skipped}");
        }
        for kept in [
            "<local-command-caveat>x",
            "[Request interrupted by user",
            "<ide_selection>a</ide_selection> b",
        ] {
            assert_eq!(text(&json::spelt(kept)).as_deref(), Some(kept));
        }
    }

    #[test]
    fn a_command_stands_in_for_a_prompt() {
        assert_eq!(prompt(r#""<command-name></command-name>""#), (None, None));
        assert_eq!(
            prompt(r#""x <command-name>/a</command-name> <command-name>/b</command-name>""#),
            (None, Some("/a".to_owned()))
        );
    }

    #[test]
    fn a_long_prompt_is_cut_by_code_points() {
        let text = format!("{} {}", "é".repeat(199), "x".repeat(50));
        let expected = format!("{}…", "é".repeat(199));
        assert_eq!(prompt(&json::spelt(&text)).0, Some(expected));
    }
}
