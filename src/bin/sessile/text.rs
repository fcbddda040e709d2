//! Text in the columns of a terminal: its width, and truncation.

use std::ops::Range;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The width if it is not known.
const USUAL: usize = 80;

/// The smallest usable width.
const LEAST: usize = 20;

/// The width of the terminal.
pub(crate) fn terminal_width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    let columns = size.map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { USUAL } else { columns.max(LEAST) }
}

/// The width of the terminal for notes.
pub(crate) fn note_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| LEAST <= *columns)
}

/// The height of the terminal, if it is known.
pub(crate) fn terminal_height() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(usize::from(size.ws_row)).filter(|rows| 0 < *rows)
}

pub(crate) fn columns(text: &str) -> usize {
    text.width()
}

/// Truncates text to this many columns; truncated text ends with an ellipsis.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let dots = if width == 0 { "" } else { "…" };
    format!("{}{dots}", beginning(text, width.saturating_sub(1)))
}

/// As [`cut`], with the ellipsis in the middle, because both ends of a path matter.
pub(crate) fn cut_middle(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    let start = beginning(text, room / 3);
    format!("{start}…{}", end(text, room - columns(start)))
}

/// Text padded to this many columns.
pub(crate) fn padded(text: &str, width: usize) -> String {
    let text = cut(text, width);
    let blanks = width.saturating_sub(columns(&text));
    text + &" ".repeat(blanks)
}

/// The words in lines of this width, unless a word is longer.
pub(crate) fn wrapped(words: &str, width: usize) -> Vec<String> {
    filled(words.split_whitespace(), width)
}

/// As [`wrapped`], with commands left whole: what is quoted in backticks is one word,
/// and so is an indented line, because either is to be copied.
pub(crate) fn wrapped_note(line: &str, width: usize) -> Vec<String> {
    if line.starts_with(' ') || columns(line) <= width {
        return vec![line.to_owned()];
    }
    let mut is_quoted = false;
    let words = line.split(|c: char| {
        is_quoted ^= c == '`';
        c == ' ' && !is_quoted
    });
    filled(words.filter(|word| !word.is_empty()), width)
}

fn filled<'a>(words: impl Iterator<Item = &'a str>, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if columns(line) + 1 + columns(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Wraps long lines of prose between words; code and tables stay as they are.
pub(crate) fn wrapped_prose(text: &str, width: usize) -> String {
    let mut is_code = false;
    let mut lines: Vec<String> = Vec::new();
    for line in text.split('\n') {
        let words = line.trim_start();
        let indent = &line[..line.len() - words.len()];
        let is_fence = words.starts_with("```") || words.starts_with("~~~");
        is_code ^= is_fence;
        let is_set = is_code || is_fence || words.starts_with('|') || 4 <= columns(indent);
        if is_set || columns(line) <= width {
            lines.push(line.to_owned());
            continue;
        }
        let broken = wrapped(words, width.saturating_sub(columns(indent)).max(1));
        lines.extend(broken.into_iter().map(|words| format!("{indent}{words}")));
    }
    lines.join("\n")
}

fn beginning(text: &str, width: usize) -> &str {
    let mut left = width;
    let end = text.char_indices().find(|(_, c)| {
        let columns = c.width().unwrap_or(0);
        let is_full = left < columns;
        left = left.saturating_sub(columns);
        is_full
    });
    &text[..end.map_or(text.len(), |(at, _)| at)]
}

fn end(text: &str, width: usize) -> &str {
    let mut left = width;
    let before = text.char_indices().rev().find(|(_, c)| {
        let columns = c.width().unwrap_or(0);
        let is_full = left < columns;
        left = left.saturating_sub(columns);
        is_full
    });
    &text[before.map_or(0, |(at, c)| at + c.len_utf8())..]
}

/// Truncates text to this many columns so that the first mark is visible.
pub(crate) fn fit(text: &str, marks: &[Range<usize>], width: usize) -> (String, Vec<Range<usize>>) {
    let first = marks.first().map_or(0..0, Clone::clone);
    let mut start = 0;
    if width < columns(&text[..first.end]) + 1 {
        start = first.start - end(&text[..first.start], width / 3).len();
    }
    let dots = if 0 < start { "…" } else { "" };
    let fitted = cut(&format!("{dots}{}", &text[start..]), width);
    // The ellipsis at the end is not marked.
    let last = if fitted.ends_with('…') { fitted.len() - '…'.len_utf8() } else { fitted.len() };
    let place = |byte: usize| (byte + dots.len() - start).min(last);
    let shown = marks.iter().filter(|mark| start <= mark.start);
    let mut shown: Vec<Range<usize>> =
        shown.map(|mark| place(mark.start)..place(mark.end)).collect();
    shown.retain(|mark| mark.start < mark.end);
    (fitted, shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_has_the_width_that_was_asked_for() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut("漢字漢字", 6), "漢字…");
        assert_eq!(cut_middle("/home/me/projects/one", 12), "/ho…ects/one");
        assert_eq!(padded("漢", 4), "漢  ");
        assert_eq!(cut("ab", 0), "");
    }

    #[test]
    fn prose_is_broken_between_words_and_code_is_not() {
        let check = |text: &str, expected: &str| assert_eq!(wrapped_prose(text, 10), expected);
        check("one two three", "one two\nthree");
        check("one two\nthree\n\nfour", "one two\nthree\n\nfour");
        check("  - one two three", "  - one\n  two\n  three");
        check("    one two three", "    one two three");
        check("| one | two | three |", "| one | two | three |");
        check("```\none two three\n```\none two three", "```\none two three\n```\none two\nthree");
        check("漢字漢字漢字 漢字", "漢字漢字漢字\n漢字");
    }

    #[test]
    fn a_note_is_broken_between_words_and_a_command_in_it_is_not() {
        let wrapped = |line: &str| wrapped_note(line, 10);

        assert_eq!(wrapped("one two three"), ["one two", "three"]);
        assert_eq!(wrapped("or `sessile list --all` it"), ["or", "`sessile list --all`", "it"]);
        assert_eq!(wrapped("  sessile show 6ad4149a"), ["  sessile show 6ad4149a"]);
    }

    #[test]
    fn what_is_marked_is_shown() {
        let marked = |text: &str, mark: &str, width| {
            let at = text.find(mark).unwrap();
            let (text, marks) = fit(text, std::slice::from_ref(&(at..at + mark.len())), width);
            (marks.first().map(|mark| text[mark.clone()].to_owned()), text)
        };
        assert_eq!(marked("one two", "two", 20), (Some("two".into()), "one two".into()));
        let (found, text) = marked(&format!("{}needle and more", "x ".repeat(50)), "needle", 20);
        assert_eq!(found.as_deref(), Some("needle"));
        assert!(text.starts_with('…') && columns(&text) <= 20, "{text}");
    }
}
