//! Fenced code blocks in the text of a message.

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    Code(&'a str),
}

/// The pieces of a text in order, without the fences. A fence that is not closed
/// extends to the end, as in Markdown.
pub(super) fn pieces(said: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    // Where the piece begins, and the fence that opened it.
    let (mut from, mut open) = (0, None);
    let mut at = 0;
    for line in said.split_inclusive('\n') {
        let fence = fence_of(line);
        let is_end = fence > 0 && open.is_some_and(|length| length <= fence && is_bare(line));
        if is_end {
            pieces.push(Piece::Code(&said[from..at]));
            (from, open) = (at + line.len(), None);
        } else if fence > 0 && open.is_none() {
            pieces.push(Piece::Text(&said[from..at]));
            (from, open) = (at + line.len(), Some(fence));
        }
        at += line.len();
    }
    let rest = &said[from..];
    pieces.push(if open.is_some() { Piece::Code(rest) } else { Piece::Text(rest) });
    pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.trim().is_empty()));
    // Blank lines around code only separate it.
    for piece in &mut pieces {
        if let Piece::Text(text) = piece {
            *text = text.trim_start_matches(['\r', '\n']).trim_end();
        }
    }
    pieces
}

/// The number of backticks if a line is a fence, else 0.
fn fence_of(line: &str) -> usize {
    let inner = line.trim_start_matches(' ');
    let count = inner.bytes().take_while(|c| *c == b'`').count();
    let is_fence = line.len() - inner.len() < 4 && 3 <= count && !inner[count..].contains('`');
    if is_fence { count } else { 0 }
}

fn is_bare(line: &str) -> bool {
    line.trim().bytes().all(|c| c == b'`')
}

#[cfg(test)]
mod tests {
    use super::Piece::{Code, Text};
    use super::*;

    #[test]
    fn what_stands_between_fences_is_code() {
        assert_eq!(pieces("a\n\n```rust\nb\n```\n\nc"), [Text("a"), Code("b\n"), Text("c")]);
        assert_eq!(pieces("````\n```\nb\n````"), [Code("```\nb\n")]);
        assert_eq!(pieces("a\n```\nb"), [Text("a"), Code("b")]);
        assert_eq!(pieces("a ``` b\n    ```\n```x```"), [Text("a ``` b\n    ```\n```x```")]);
        assert_eq!(pieces(""), []);
    }
}
