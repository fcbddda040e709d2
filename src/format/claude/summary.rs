//! The summary of a session for lists: title, tag, git branch, work dir, first
//! prompt.
//!
//! If a value is repeated, the last one counts; for work dir and time, the first. A
//! file may contain the summary of another session, which only shows when all nodes
//! are known. So summaries are evaluated last, each at its own position.

use std::collections::BTreeMap;

use super::facts::SessionFacts;
use super::parse::is_said;
use super::prompt::Prompt;
use crate::model::{Stored, Timestamp};

/// The last value, and the record that it came from.
#[derive(Debug)]
struct Last<T>(Option<(usize, T)>);

impl<T> Default for Last<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: PartialEq> Last<T> {
    fn take(&mut self, place: usize, value: Option<T>) {
        let Some(value) = value else { return };
        match &mut self.0 {
            Some((before, _)) if place < *before => {}
            Some((before, known)) if *known == value => *before = place,
            last => *last = Some((place, value)),
        }
    }

    fn get(self) -> Option<T> {
        self.0.map(|(_, value)| value)
    }
}

/// The first value.
#[derive(Debug)]
struct First<T>(Option<(usize, T)>);

impl<T> Default for First<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> First<T> {
    fn take(&mut self, place: usize, value: Option<T>) {
        let Some(value) = value else { return };
        if self.0.as_ref().is_none_or(|(before, _)| place < *before) {
            self.0 = Some((place, value));
        }
    }

    fn get(self) -> Option<T> {
        self.0.map(|(_, value)| value)
    }
}

/// Collects the summary, record by record.
#[derive(Debug, Default)]
pub(super) struct Fold {
    records: usize,
    /// Summaries with their positions, until it is known which session they belong
    /// to.
    summaries: Vec<(usize, SessionFacts)>,
    said: Said,
}

#[derive(Debug, Default)]
struct Said {
    custom_title: Last<Stored>,
    ai_title: Last<Stored>,
    last_prompt: Last<Stored>,
    summary: Last<Stored>,
    git_branch: Last<Stored>,
    version: Last<Stored>,
    model: Last<Stored>,
    tag: Last<Option<Stored>>,
    work_dir: First<String>,
    at: First<Timestamp>,
    session_id: First<String>,
    forked_from: First<String>,
    /// Whether the first record is an agent's.
    is_sidechain: First<bool>,
    prompt: Prompt,
    prompt_line: Option<i64>,
    /// By type, the line of the first record, and their number.
    unknown: BTreeMap<String, (i64, u64)>,
}

/// The summary of a session.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) title: Option<Stored>,
    pub(super) custom_title: Option<Stored>,
    pub(super) first_prompt: Option<Stored>,
    /// The line of the first prompt, unless a command's name stands for it.
    pub(super) prompt_line: Option<i64>,
    pub(super) git_branch: Option<Stored>,
    pub(super) tag: Option<Stored>,
    pub(super) work_dir: Option<String>,
    pub(super) created_at: Option<Timestamp>,
    pub(super) version: Option<Stored>,
    pub(super) model: Option<Stored>,
    /// The first session id in any record.
    pub(super) session_id: Option<String>,
    pub(super) forked_from: Option<String>,
    /// Whether the program's lists hide it.
    pub(super) is_hidden: bool,
    /// Record types that were never seen, each with its first line and number.
    pub(super) unknown: Vec<(String, i64, u64)>,
    /// Nodes that summaries name, and the file does not contain.
    pub(super) strangers: Vec<String>,
}

impl Fold {
    pub(super) fn take(&mut self, line_key: i64, told: SessionFacts) {
        let place = self.records;
        self.records += 1;
        match told.summary_of {
            Some(_) => self.summaries.push((place, told)),
            None => self.said.take(place, line_key, told),
        }
    }

    /// The summary; `has` tells whether the file contains a node.
    pub(super) fn finish(mut self, has: impl Fn(&str) -> bool) -> Summary {
        let mut strangers = Vec::new();
        for (place, told) in std::mem::take(&mut self.summaries) {
            match told.summary_of.clone().flatten() {
                Some(uuid) if has(&uuid) => self.said.take(place, 0, told),
                of => strangers.extend(of),
            }
        }
        Summary { strangers, ..self.said.finish() }
    }
}

impl Said {
    fn take(&mut self, place: usize, line_key: i64, told: SessionFacts) {
        self.custom_title.take(place, told.custom_title);
        self.ai_title.take(place, told.ai_title);
        self.last_prompt.take(place, told.last_prompt);
        self.summary.take(place, told.summary);
        self.git_branch.take(place, told.git_branch);
        self.version.take(place, told.version);
        self.model.take(place, told.model);
        self.tag.take(place, told.tag);
        self.work_dir.take(place, told.work_dir);
        self.at.take(place, told.at);
        self.session_id.take(place, told.session_id);
        self.forked_from.take(place, told.forked_from);
        self.is_sidechain.take(place, Some(told.is_sidechain));
        // Summaries are never prompts, so prompts come in order.
        if self.prompt.text.is_none() {
            self.prompt_line = told.prompt.text.as_ref().map(|_| line_key);
            self.prompt.text = told.prompt.text;
            self.prompt.command = self.prompt.command.take().or(told.prompt.command);
        }
        if let Some(name) = told.unknown {
            self.unknown.entry(name).or_insert((line_key, 0)).1 += 1;
        }
    }

    fn finish(self) -> Summary {
        let said = |text: Last<Stored>| text.get().filter(is_said);
        let first_prompt = self.prompt.text.or(self.prompt.command);
        let custom_title = said(self.custom_title).or_else(|| said(self.ai_title));
        let title = custom_title.clone().or_else(|| said(self.last_prompt));
        let title = title.or_else(|| said(self.summary)).or_else(|| first_prompt.clone());
        let is_sidechain = self.is_sidechain.get().unwrap_or_default();
        Summary {
            is_hidden: is_sidechain || title.is_none(),
            title,
            custom_title,
            first_prompt,
            prompt_line: self.prompt_line,
            strangers: Vec::new(),
            git_branch: said(self.git_branch),
            tag: self.tag.get().flatten(),
            work_dir: self.work_dir.get(),
            created_at: self.at.get(),
            version: said(self.version),
            model: said(self.model),
            session_id: self.session_id.get(),
            forked_from: self.forked_from.get(),
            unknown: self.unknown.into_iter().map(|(name, (line, n))| (name, line, n)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::Facts;
    use super::super::parse::parse;
    use super::*;

    fn summary(lines: &[&str]) -> Summary {
        let mut fold = Fold::default();
        for (n, line) in lines.iter().enumerate() {
            let record = parse(line.as_bytes());
            let facts = record.own.unwrap();
            fold.take(n as i64, facts.downcast_ref::<Facts>().unwrap().told.clone());
        }
        fold.finish(|uuid| uuid == "a")
    }

    fn title(lines: &[&str]) -> Option<String> {
        summary(lines).title.map(|title| title.to_text())
    }

    #[test]
    fn titles_stand_in_their_order_whatever_came_last() {
        let prompt = r#"{"type":"user","uuid":"a","message":{"content":"prompt"}}"#;
        let summary = r#"{"type":"summary","summary":"summary","leafUuid":"a"}"#;
        let last = r#"{"type":"last-prompt","lastPrompt":"last"}"#;
        let custom = r#"{"type":"custom-title","customTitle":"custom"}"#;
        let ai = r#"{"type":"ai-title","aiTitle":"ai"}"#;
        for (n, expected) in ["custom", "ai", "last", "summary", "prompt"].into_iter().enumerate() {
            let lines = [custom, ai, last, summary, prompt];
            assert_eq!(title(&lines[n..]).as_deref(), Some(expected));
        }
        let cleared = r#"{"type":"custom-title","customTitle":""}"#;
        assert_eq!(title(&[custom, ai, cleared]).as_deref(), Some("ai"));
        assert!(super::Summary::is_shown(&[custom]));
        assert!(!super::Summary::is_shown(&[r#"{"type":"mode"}"#]));
    }

    impl Summary {
        fn is_shown(lines: &[&str]) -> bool {
            !summary(lines).is_hidden
        }
    }

    #[test]
    fn a_summary_of_another_session_says_nothing() {
        let stranger = r#"{"type":"summary","summary":"s","leafUuid":"x","gitBranch":"b"}"#;
        let own = r#"{"type":"summary","summary":"own","leafUuid":"a"}"#;
        assert_eq!(title(&[stranger]), None);
        assert_eq!(title(&[own, stranger]).as_deref(), Some("own"));
        assert_eq!(summary(&[own, stranger]).git_branch, None);
        // The record before it is still the first.
        let sidechain = r#"{"type":"user","uuid":"a","isSidechain":true}"#;
        assert!(!Summary::is_shown(&[stranger, sidechain]));
    }

    #[test]
    fn a_summary_counts_at_its_own_place() {
        let own = r#"{"type":"summary","summary":"own","leafUuid":"a","cwd":"/first"}"#;
        let later = r#"{"type":"mode","summary":"later","cwd":"/second","aiTitle":"t"}"#;
        let found = summary(&[own, later]);
        assert_eq!(found.work_dir.as_deref(), Some("/first"));
        let found = summary(&[later, own]);
        assert_eq!(found.work_dir.as_deref(), Some("/second"));
    }

    #[test]
    fn a_tag_is_cleared_by_what_is_no_text() {
        let tag = |json: &str| format!("{{\"type\":\"tag\",\"tag\":{json}}}");
        for cleared in ["null", "1", "\"\""] {
            assert_eq!(summary(&[&tag("\"a\""), &tag(cleared)]).tag, None, "{cleared}");
        }
        assert!(summary(&[&tag("1"), &tag("\"a\"")]).tag.is_some());
    }

    #[test]
    fn unknown_types_are_counted_by_kind() {
        let found = summary(&[r#"{"type":"x"}"#, r#"{"type":"mode"}"#, r#"{"type":"x"}"#]);
        assert_eq!(found.unknown, [("x".to_owned(), 0, 2)]);
    }
}
