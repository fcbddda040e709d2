//! Snippets: excerpts of a text around the first match.

use std::ops::Range;

/// Characters of a snippet.
const LENGTH: usize = 160;

/// Characters before the first match.
const BEFORE: usize = 50;

/// Cuts a snippet from a text: one line, and the places of the matches in it. The
/// first of `found` is in it.
pub(super) fn cut(text: &str, found: &[Range<usize>]) -> (String, Vec<Range<usize>>) {
    let first = found.iter().min_by_key(|place| place.start);
    let first = first.map_or(0, |place| text.floor_char_boundary(place.start));
    let start = start_of(text, first);
    let mut snippet = String::new();
    if 0 < start {
        snippet.push('…');
    }
    // For each byte of the text, its position in the snippet.
    let mut places = Vec::new();
    let mut length = 0;
    let mut is_cut = false;
    for (at, c) in text[start..].char_indices() {
        if length == LENGTH {
            is_cut = true;
            break;
        }
        places.push((start + at, snippet.len()));
        let is_blank = c.is_whitespace() || c.is_control();
        if !is_blank {
            snippet.push(c);
            length += 1;
        } else if !snippet.is_empty() && !snippet.ends_with([' ', '…']) {
            snippet.push(' ');
            length += 1;
        }
    }
    let end = places.last().map_or(start, |(at, _)| at + 1);
    snippet.truncate(snippet.trim_end().len());
    let place_of = |byte: usize| {
        let n = places.partition_point(|(at, _)| *at < byte);
        places.get(n).map_or(snippet.len(), |(_, place)| *place).min(snippet.len())
    };
    let shown = found.iter().filter(|place| start <= place.start && place.start < end);
    let mut marks: Vec<Range<usize>> =
        shown.map(|place| place_of(place.start)..place_of(place.end)).collect();
    marks.retain(|mark| mark.start < mark.end);
    marks.sort_by_key(|mark| (mark.start, mark.end));
    // Overlapping matches are joined.
    marks.dedup_by(|next, mark| {
        let overlaps = next.start <= mark.end;
        if overlaps {
            mark.end = mark.end.max(next.end);
        }
        overlaps
    });
    if is_cut {
        snippet.push('…');
    }
    (snippet, marks)
}

/// Where a snippet begins that contains `first`: at a word, if one is near.
fn start_of(text: &str, first: usize) -> usize {
    let before = text[..first].char_indices().rev();
    let Some((earliest, _)) = before.clone().nth(BEFORE) else { return 0 };
    let blank = text[earliest..first].find(char::is_whitespace);
    blank.map_or(earliest, |blank| {
        let behind = &text[earliest + blank..first];
        first - behind.trim_start().len()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, word: &str, expected: &str) {
        let found: Vec<Range<usize>> =
            text.match_indices(word).map(|(at, _)| at..at + word.len()).collect();

        let (mut snippet, marks) = cut(text, &found);

        for mark in marks.iter().rev() {
            snippet.insert(mark.end, ']');
            snippet.insert(mark.start, '[');
        }
        assert_eq!(snippet, expected);
    }

    #[test]
    fn a_snippet_is_one_line_around_what_was_found() {
        check("  a\n\n\tb  c ", "b", "a [b] c");
        check("b", "b", "[b]");
        check("bbb", "b", "[bbb]");
        check("nothing", "b", "nothing");
        check("a \u{1b}[31mb", "b", "a [31m[b]");
    }

    #[test]
    fn a_long_text_is_cut_on_both_sides() {
        let text = format!("{}b {}", "word ".repeat(50), "漢".repeat(200));
        let expected = format!("…{}[b] {}…", "word ".repeat(10), "漢".repeat(108));
        check(&text, "b", &expected);
        let long = "x".repeat(1_000);
        check(&format!("{long}b"), "b", &format!("…{}[b]", "x".repeat(51)));
    }
}
