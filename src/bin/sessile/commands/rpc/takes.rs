//! The parameters that methods take, and those that several have in common.

use super::params::Params;

/// A named parameter; null counts as absent unless its description says otherwise.
pub(super) struct Param {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) is_required: bool,
    pub(super) about: &'static str,
}

impl Param {
    /// Whether a request says something by it: null may be a value, and false is none.
    pub(super) fn is_in(&self, params: &Params<'_>) -> bool {
        match params.spelt(self.name) {
            None | Some("false") => false,
            Some("null") => self.kind.ends_with("or null"),
            Some(_) => true,
        }
    }
}

pub(super) const fn required(name: &'static str, kind: &'static str, about: &'static str) -> Param {
    Param { name, kind, is_required: true, about }
}

pub(super) const fn optional(name: &'static str, kind: &'static str, about: &'static str) -> Param {
    Param { name, kind, is_required: false, about }
}

pub(super) const SESSION: &[Param] =
    &[required("session", "string", "its id, a prefix of it, or its file")];
/// Parameters of methods that read a session, now or as it was.
pub(super) const READ: &[Param] = &[
    required("session", "string", "its id, a prefix of it, or its file"),
    optional("generation", "integer", "as it was in this generation of its file"),
];
/// Parameters of methods that write to a session.
pub(super) const WRITE: &[Param] = &[
    required("session", "string", "its id, a prefix of it, or its file"),
    optional("at", "time", "the time of what is written; now when absent"),
];
/// A further parameter of methods that create something with an id.
pub(super) const MADE: &[Param] =
    &[optional("id", "string", "the id of what is created; a new one when absent")];
pub(super) const EXPECTED: &[Param] = &[optional(
    "expect_leaf",
    "string or null",
    "the expected active entry, null for none; if it is another, nothing is written (LeafMoved)",
)];
/// A further parameter of methods that append an entry to the one that is active.
pub(super) const PARENT: &[Param] = &[optional(
    "parent",
    "string or null",
    "append after this entry, null for none, whichever is active",
)];
pub(super) const MESSAGE: &[Param] = &[required("message", "object", "in the session's format")];
/// A parameter of methods that delete sessions for good.
pub(super) const FORCE: &[Param] = &[optional("force", "boolean", "also what is not in the trash")];
pub(super) const TAG: &[Param] = &[required("tag", "string", "")];
pub(super) const KEY: &[Param] = &[required("key", "string", "")];
pub(super) const ENTRY: &[Param] = &[required("entry_id", "string", "an entry of the session")];
/// Parameters of lists.
pub(super) const LIST: &[Param] = &[
    optional("query", "string", "a part of the title or work dir, ignoring case"),
    optional("archived", "boolean", "archived sessions only"),
    optional("all", "boolean", "archived sessions, too"),
    optional("sources", "string", "`all`: also those that their program's lists hide"),
    optional("limit", "integer", "100 when absent"),
    optional("offset", "integer", ""),
];
/// Parameters of methods that answer page by page.
pub(super) const PAGE: &[Param] = &[
    optional("after", "string", "the `next` of the page before"),
    optional("paged", "boolean", "the result has `rows`, and `next`: null on the last page"),
];
pub(super) const WORK_DIR: &[Param] = &[optional("work_dir", "string", "")];
pub(super) const FORMAT: &[Param] = &[optional("format", "string", "as in `import`")];
/// Parameters for a span of time.
pub(super) const SPAN: &[Param] = &[
    optional("since", "string", "a date, a time, or how long ago, as in `2w`"),
    optional("until", "string", "the same; a date means its end"),
];
/// Parameters that select sessions.
pub(super) const OF_SESSIONS: &[Param] = &[
    optional("origin", "string", "only of this machine or person"),
    optional("tags", "string or array", "only with all of these"),
    optional("metadata", "object", "only with all of these values"),
];
/// Further parameters of lists in the form of the command.
pub(super) const SORT: &[Param] =
    &[optional("sort", "string", "`modified` (when absent), `oldest`, `messages` or `title`")];

/// Parameters of one method that contradict each other.
const APART: &[(&str, &[&str])] = &[
    ("expect_leaf", &["parent"]),
    ("turn", &["entry_id"]),
    ("message", &["summary", "keep_from", "tokens_before", "details"]),
    ("record", &["id", "cwd", "provider", "model", "reasoning_effort", "parent_id", "parent_path"]),
    ("fixed", &["regex"]),
    ("archived", &["all", "not_archived"]),
];

/// Those that contradict a parameter.
pub(super) fn apart_from(name: &str) -> impl Iterator<Item = &'static str> {
    APART.iter().flat_map(move |(one, others)| {
        let here = if *one == name { *others } else { &[][..] };
        let there = others.contains(&name).then_some(*one);
        here.iter().copied().chain(there)
    })
}
