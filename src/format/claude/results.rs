//! Long answers of tools, which the program stores in files of their own.
//!
//! The message has a note instead, which names the file by its path on the
//! program's machine.

use super::prompt::is_type;
use super::text::string;
use crate::format::json;

/// The folder of a session's stored answers.
pub(super) const FOLDER: &str = "tool-results";

/// The beginning of such a note, since 2.0.
const TAG: &str = "<persisted-output>";

/// The text before the path, with or without a colon.
const BEFORE_PATH: &str = "saved to";

/// A note that names the file of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Note<'a> {
    /// The path as spelt; empty if there is none.
    pub(super) path: &'a str,
}

impl<'a> Note<'a> {
    /// Reads an answer that may be such a note.
    pub(super) fn read(answer: &'a str) -> Option<Self> {
        let answer = answer.trim_start();
        let tagged = answer.strip_prefix(TAG);
        let first = tagged.unwrap_or(answer).trim_start().lines().next().unwrap_or_default();
        let path = first.split_once(BEFORE_PATH).map(|(_, path)| path);
        let path = path.and_then(|path| path.trim_start_matches(':').strip_prefix(' '));
        let path = path.map(|path| path.trim_end().trim_end_matches('.')).unwrap_or_default();
        let note = Self { path };
        // Without the tag, any text may say that something was saved somewhere.
        (tagged.is_some() || note.place().is_some()).then_some(note)
    }

    /// The names of the project's folder, the session's folder, and the file.
    pub(super) fn place(&self) -> Option<[&'a str; 3]> {
        let mut names = self.path.rsplit(['/', '\\']);
        let (file, folder) = (names.next()?, names.next()?);
        let (session, project) = (names.next()?, names.next()?);
        let is_it = folder == FOLDER && ![file, session, project].contains(&"");
        is_it.then_some([project, session, file])
    }
}

/// The text in a file of this name: plain, or that of content blocks.
pub(super) fn text_of(name: &str, content: &[u8]) -> String {
    let text = String::from_utf8_lossy(content);
    let scanned = name.ends_with(".json").then(|| json::scan(content).ok()).flatten();
    let Some((value, _)) = scanned else { return text.into_owned() };
    let texts = value.items().filter(|block| is_type(*block, "text"));
    let texts: Vec<String> = texts.filter_map(|block| string(block.get("text"))).collect();
    if texts.is_empty() { text.into_owned() } else { texts.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(note: &str) -> Option<Option<[&str; 3]>> {
        Note::read(note).map(|note| note.place())
    }

    #[test]
    fn a_note_names_the_file_that_holds_the_answer() {
        let large = "<persisted-output>\nOutput too large (1.8KB). Full output saved to: /h/.claude/projects/-w x/S/tool-results/t.txt\n\nPreview (first 2KB):\nsaved to: /a/b/c/tool-results/d";
        assert_eq!(place(large), Some(Some(["-w x", "S", "t.txt"])));
        let long = "Error: result (61,338 characters) exceeds maximum allowed tokens. Output has been saved to C:\\h\\projects\\-w\\S\\tool-results\\mcp-a.b.txt.\nFormat: text";
        assert_eq!(place(long), Some(Some(["-w", "S", "mcp-a.b.txt"])));
        assert_eq!(place("<persisted-output>short</persisted-output>"), Some(None));
        for other in
            ["", "saved to: /a/b", "saved to: tool-results/x", "a\nsaved to: /p/S/tool-results/x"]
        {
            assert_eq!(place(other), None, "{other}");
        }
    }

    #[test]
    fn a_file_of_blocks_says_their_texts() {
        let blocks = br#"[{"type":"text","text":"a"},{"type":"image"},{"type":"text","text":"b"}]"#;
        assert_eq!(text_of("t.json", blocks), "a\nb");
        assert_eq!(text_of("t.txt", blocks), String::from_utf8_lossy(blocks));
        assert_eq!(text_of("t.json", b"[{\xff"), "[{\u{fffd}");
    }
}
