//! The metadata of a thread: its `session_meta`, and the header of the releases
//! before that.

use super::record::{Problem, number, owned, text};
use super::{item, layout, shape, shapes};
use crate::format::json::{Kind, Raw};
use crate::model::{ProblemKind, Stored, Timestamp};

/// How the turns of a thread are determined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    Legacy,
    Paginated,
    /// Without envelopes, up to about 0.31.
    Bare,
}

impl Mode {
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Legacy => Some("legacy"),
            Self::Paginated => Some("paginated"),
            Self::Bare => None,
        }
    }
}

/// The part of another file that a history begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    /// The file's physical id: the id of its segment, or of its thread.
    pub(crate) physical_id: String,
    pub(crate) ordinal: Option<u64>,
    /// In the decompressed bytes of that file.
    pub(crate) offset: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Git {
    pub(crate) commit: Option<String>,
    pub(crate) branch: Option<String>,
    pub(crate) repository: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Meta {
    pub(crate) thread_id: Option<String>,
    pub(crate) began_at: Option<Timestamp>,
    pub(crate) mode: Mode,
    pub(crate) cwd: Option<String>,
    pub(crate) originator: Option<String>,
    pub(crate) cli_version: Option<String>,
    pub(crate) source: &'static str,
    pub(crate) provider: Option<Stored>,
    pub(crate) parent_id: Option<String>,
    pub(crate) forked_from: Option<String>,
    pub(crate) nickname: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) git: Option<Git>,
    pub(crate) base: Option<Base>,
    /// The first ordinal of a sub-agent's own history.
    pub(crate) own_history: Option<u64>,
}

impl Meta {
    /// Reads the first `session_meta` of a file, and reports what its program would
    /// reject.
    pub(crate) fn read(payload: Raw<'_>, problems: &mut Vec<Problem>) -> Self {
        let mut note = |detail: String| problems.push((ProblemKind::Header, detail));
        let refused = "; Codex cannot read the file";
        let thread_id = owned(payload, "id");
        if !thread_id.as_deref().is_some_and(layout::is_uuid) {
            note(format!("the id is not a UUID{refused}"));
        }
        const TOLD: [&str; 4] = ["timestamp", "cwd", "originator", "cli_version"];
        for key in TOLD {
            if text(payload, key).is_none() {
                note(format!("no {key}{refused}"));
            }
        }
        let unfit = shape::misfit(payload, shapes::SESSION_META);
        if let Some(key) = unfit.filter(|key| *key != "id" && !TOLD.contains(key)) {
            note(format!("no valid {key}{refused}"));
        }
        let mode = match text(payload, "history_mode").as_deref() {
            Some("paginated") => Mode::Paginated,
            Some("legacy") => Mode::Legacy,
            Some(mode) => {
                note(format!("the history mode is {mode:.60}, which is not known{refused}"));
                Mode::Legacy
            }
            None => Mode::Legacy,
        };
        let spawn = payload
            .get("source")
            .and_then(|source| source.get("subagent"))
            .and_then(|agent| agent.get("thread_spawn"));
        let of_spawn = |key| spawn.and_then(|spawn| owned(spawn, key));
        Self {
            thread_id: thread_id
                .map(|id| if layout::is_uuid(&id) { id.to_lowercase() } else { id }),
            began_at: text(payload, "timestamp").and_then(|at| Timestamp::parse(&at)),
            mode,
            cwd: owned(payload, "cwd"),
            originator: owned(payload, "originator"),
            cli_version: owned(payload, "cli_version"),
            source: source(payload.get("source")),
            provider: owned(payload, "model_provider").map(Stored::Text),
            parent_id: owned(payload, "parent_thread_id").or_else(|| of_spawn("parent_thread_id")),
            forked_from: owned(payload, "forked_from_id"),
            nickname: owned(payload, "agent_nickname").or_else(|| of_spawn("agent_nickname")),
            role: owned(payload, "agent_role").or_else(|| of_spawn("agent_role")),
            git: git(payload),
            base: payload.get("history_base").and_then(base),
            own_history: payload.get("subagent_history_start_ordinal").and_then(number),
        }
    }

    /// Applies what a later `session_meta` of the same thread changes.
    pub(crate) fn update(&mut self, payload: Raw<'_>) {
        let id = owned(payload, "id").map(|id| id.to_lowercase());
        if shape::misfit(payload, shapes::SESSION_META).is_some() {
            return;
        }
        if id.is_none() || id != self.thread_id.as_ref().map(|id| id.to_lowercase()) {
            return;
        }
        self.cwd = owned(payload, "cwd").or_else(|| self.cwd.take());
        let provider = owned(payload, "model_provider").map(Stored::Text);
        self.provider = provider.or_else(|| self.provider.take());
        self.git = git(payload).or_else(|| self.git.take());
    }

    /// Reads the first line of a file without envelopes, or its equivalent in a
    /// document.
    pub(crate) fn read_bare(header: Raw<'_>) -> Option<Self> {
        let thread_id = owned(header, "id").filter(|_| header.get("payload").is_none())?;
        Some(Self {
            thread_id: Some(thread_id),
            began_at: text(header, "timestamp").and_then(|at| Timestamp::parse(&at)),
            mode: Mode::Bare,
            source: "vscode",
            git: git(header),
            ..Self::default()
        })
    }
}

/// Where a thread came from, in the program's spelling.
fn source(value: Option<Raw<'_>>) -> &'static str {
    let Some(value) = value.filter(|value| value.kind() != Kind::Null) else { return "vscode" };
    match value.string().as_deref() {
        Some("cli") => "cli",
        Some("vscode") => "vscode",
        Some("exec") => "exec",
        Some("mcp") => "mcp",
        Some(_) => "unknown",
        None if value.get("subagent").is_some() => "subagent",
        None if value.get("custom").is_some() => "custom",
        None => "unknown",
    }
}

fn git(payload: Raw<'_>) -> Option<Git> {
    let git = payload.get("git").filter(|git| git.kind() == Kind::Object)?;
    let git = Git {
        commit: owned(git, "commit_hash"),
        branch: owned(git, "branch"),
        repository: owned(git, "repository_url"),
    };
    (git != Git::default()).then_some(git)
}

fn base(value: Raw<'_>) -> Option<Base> {
    Some(Base {
        physical_id: owned(value, "thread_id")?.to_lowercase(),
        ordinal: value.get("end_ordinal_exclusive").and_then(number),
        offset: value.get("end_byte_offset").and_then(number),
    })
}

/// The work dir in the first message of a file without envelopes.
pub(crate) fn cwd_of_item(item: Raw<'_>) -> Option<String> {
    item::texts(item).find_map(|text| {
        let text = text.trim();
        let inner = text.strip_prefix("<environment_context>")?;
        let (_, rest) = inner.split_once("<cwd>")?;
        Some(rest.split_once("</cwd>")?.0.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json;

    fn meta(payload: &str) -> (Meta, usize) {
        let mut problems = Vec::new();
        let meta = Meta::read(json::scan(payload.as_bytes()).unwrap().0, &mut problems);
        (meta, problems.len())
    }

    #[test]
    fn a_source_reads_as_the_program_has_it() {
        for (value, expected) in [
            ("\"cli\"", "cli"),
            ("\"new\"", "unknown"),
            ("null", "vscode"),
            (r#"{"custom":"x"}"#, "custom"),
            (r#"{"subagent":"review"}"#, "subagent"),
        ] {
            assert_eq!(meta(&format!(r#"{{"source":{value}}}"#)).0.source, expected);
        }
        assert_eq!(meta("{}").0.source, "vscode");
    }

    #[test]
    fn a_header_that_the_program_refuses_is_read_and_said() {
        let fine = r#"{"id":"019B8d4f-004f-7000-8000-00000000004f","timestamp":"2026-01-02T03:04:05Z","cwd":"/w","originator":"o","cli_version":"1"}"#;
        let (read, problems) = meta(fine);
        assert_eq!(problems, 0);
        assert_eq!(read.thread_id.as_deref(), Some("019b8d4f-004f-7000-8000-00000000004f"));
        for odd in [
            r#""source":null"#,
            r#""source":{"subagent":"new"}"#,
            r#""git":"x""#,
            r#""forked_from_id":"x""#,
            r#""history_mode":null"#,
        ] {
            let odd = fine.replace("\"originator\"", &format!("{odd},\"originator\""));
            let (read, problems) = meta(&odd);
            assert_eq!((read.cwd.as_deref(), problems), (Some("/w"), 1), "{odd}");
        }
        for odd in [r#""source":{"subagent":{"other":"x"}}"#, r#""git":{},"source":{"custom":"x"}"#]
        {
            let odd = fine.replace("\"originator\"", &format!("{odd},\"originator\""));
            let (read, problems) = meta(&odd);
            assert_eq!((read.git, problems), (None, 0), "{odd}");
        }
        let (read, problems) = meta(r#"{"id":"x","history_mode":"z"}"#);
        assert_eq!((read.thread_id.as_deref(), read.mode, problems), (Some("x"), Mode::Legacy, 6));
    }

    #[test]
    fn a_later_header_of_the_same_thread_changes_what_it_says() {
        let (mut first, _) = meta(r#"{"id":"a","cwd":"/v","model_provider":"p"}"#);
        let mut update = |id: &str, cwd: &str, more: &str| {
            let payload = format!(r#"{{"id":"{id}","cwd":"{cwd}","timestamp":"t"{more}}}"#);
            first.update(json::scan(payload.as_bytes()).unwrap().0);
            first.cwd.clone().unwrap()
        };
        let whole = r#","originator":"o","cli_version":"1""#;
        assert_eq!(update("b", "/x", whole), "/v");
        assert_eq!(update("a", "/x", ""), "/v");
        assert_eq!(update("a", "/w", whole), "/w");
        assert_eq!(first.provider, Some(Stored::Text("p".to_owned())));
    }

    #[test]
    fn an_old_context_names_its_work_dir() {
        let item = r#"{"content":[{"type":"input_text","text":"<environment_context>\n<cwd>/w</cwd>\n</environment_context>"}]}"#;
        assert_eq!(cwd_of_item(json::scan(item.as_bytes()).unwrap().0).as_deref(), Some("/w"));
    }
}
