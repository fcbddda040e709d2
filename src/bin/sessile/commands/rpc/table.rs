//! The table of methods: name, purpose, parameters and result.
//!
//! Requests are validated against this table, and `rpc --schema` prints it: methods
//! and parameters that it does not list do not exist.

use serde_json::{Value, json};
use sessile::Store;

use super::params::Params;
use super::takes::{
    ENTRY, EXPECTED, FORCE, FORMAT, KEY, LIST, MADE, MESSAGE, OF_SESSIONS, PAGE, PARENT, Param,
    READ, SESSION, SORT, SPAN, TAG, WORK_DIR, WRITE, apart_from, optional, required,
};
use super::{
    Refusal, UNKNOWN_METHOD, entries, find as finding, house, invalid, lines, methods, parts, whole,
};

/// A result as JSON.
pub(super) type Answer = Result<String, Refusal>;

pub(super) struct Method {
    name: &'static str,
    about: &'static str,
    takes: &'static [&'static [Param]],
    /// A description of its result.
    result: &'static str,
    pub(super) call: fn(&Store, &Params<'_>) -> Answer,
}

pub(super) const fn method(
    name: &'static str,
    takes: &'static [&'static [Param]],
    result: &'static str,
    about: &'static str,
    call: fn(&Store, &Params<'_>) -> Answer,
) -> Method {
    Method { name, about, takes, result, call }
}

pub(super) const NOTHING: &str = "null";

const METHODS: &[Method] = &[
    method(
        "create",
        &[&[
            optional("format", "string", "as in `import`; that of new sessions when absent"),
            optional("id", "string", "its id; a new one when absent"),
            optional("at", "time", "the time of its header; now when absent"),
            optional("cwd", "string", "the directory that it works in"),
            optional("provider", "string", ""),
            optional("model", "string", ""),
            optional("reasoning_effort", "string", ""),
            optional("parent_id", "string", "the id of the session that it comes from"),
            optional("parent_path", "string", "the file of that session"),
            optional("record", "object", "its first record, which replaces everything else"),
            optional("messages", "array of objects", "its first messages; written all or none"),
        ]],
        "`session_id`",
        "Creates a session.",
        methods::create,
    ),
    method(
        "append_message",
        &[WRITE, MADE, EXPECTED, PARENT, MESSAGE],
        "`entry_id`",
        "Appends a message after the active entry.",
        methods::append_message,
    ),
    method(
        "compact",
        &[
            WRITE,
            MADE,
            EXPECTED,
            PARENT,
            &[
                optional("summary", "string", "the text that replaces the messages before"),
                optional("keep_from", "string", "the first entry whose message is kept"),
                optional("tokens_before", "integer", ""),
                optional("details", "object", ""),
                optional("message", "object", "the record's own keys, instead of these"),
            ],
        ],
        "`entry_id`",
        "Appends a compaction after the active entry: a `summary`, or a `message` in the format's own keys.",
        methods::compact,
    ),
    method(
        "append_entry",
        &[
            WRITE,
            MADE,
            EXPECTED,
            PARENT,
            &[
                required("type", "string", "the entry's type"),
                optional("fields", "object", "its own keys, in order"),
            ],
        ],
        "`entry_id`",
        "Appends an entry of any type with its own keys, in formats that have such entries.",
        methods::append_entry,
    ),
    method(
        "append_branch_summary",
        &[
            WRITE,
            MADE,
            &[
                optional("parent_id", "string", "the entry that it follows"),
                optional("from_id", "string", "the last entry of the branch"),
                optional("summary", "string", ""),
                optional("details", "any", ""),
            ],
        ],
        "`entry_id`",
        "Appends the summary of an abandoned branch.",
        methods::append_branch_summary,
    ),
    method(
        "append_label_change",
        &[
            WRITE,
            MADE,
            &[
                required("entry_id", "string", "any id; the entry need not exist yet"),
                required("label", "string or null", "null removes it"),
            ],
        ],
        "`label_id`, `known` (false if there is no such entry)",
        "Sets or removes the label of an entry.",
        methods::append_label_change,
    ),
    method(
        "append_system_prompt_snapshot",
        &[
            WRITE,
            &[
                optional("content", "string", ""),
                optional("reason", "string", "`changed` when absent"),
            ],
        ],
        "`hash`, `written` (false if it is empty or unchanged)",
        "Records the system prompt.",
        methods::append_system_prompt_snapshot,
    ),
    method(
        "append_tool_execution",
        &[WRITE, &[required("tool_call", "object", ""), optional("content", "string", "")]],
        "`record`, as written",
        "Records a tool call and its result.",
        methods::append_tool_execution,
    ),
    method(
        "append_record",
        &[WRITE, &[required("record", "object", "any record of the format")]],
        "`line`, its number",
        "Appends a record.",
        methods::append_record,
    ),
    method(
        "append_lines",
        &[
            WRITE,
            EXPECTED,
            &[required("lines", "array of strings", "complete lines, kept byte for byte")],
        ],
        "`lines`, their numbers; for a record that was already there, its number",
        "Appends lines of the session's format unchanged, all or none.",
        lines::append_lines,
    ),
    method(
        "append_messages",
        &[
            WRITE,
            MADE,
            EXPECTED,
            PARENT,
            &[required("messages", "array", "in the session's format")],
        ],
        "`entry_ids`",
        "Appends messages, each after the one before, all or none.",
        lines::append_messages,
    ),
    method(
        "pop_message",
        &[WRITE],
        "`message`, which stays in the tree; null if there is none",
        "Makes the entry before the last message of the active branch the active one.",
        lines::pop_message,
    ),
    method(
        "update_memory_state",
        &[
            WRITE,
            &[optional("session_memories", "array", ""), optional("last_retrieval", "any", "")],
        ],
        NOTHING,
        "Records the state of the memory.",
        methods::update_memory_state,
    ),
    method(
        "update_runtime",
        &[
            WRITE,
            &[
                optional("provider", "string", ""),
                optional("model", "string", ""),
                optional("reasoning_effort", "string", ""),
            ],
        ],
        NOTHING,
        "Records provider, model and reasoning effort.",
        methods::update_runtime,
    ),
    method(
        "rename",
        &[WRITE, &[required("name", "string or null", "null removes it")]],
        NOTHING,
        "Sets or removes the name of a session.",
        methods::rename,
    ),
    method(
        "set_title",
        &[WRITE, &[required("title", "string", "")]],
        NOTHING,
        "Sets the name of a session, as `rename` does.",
        methods::set_title,
    ),
    method(
        "tag",
        &[WRITE, &[required("tag", "string or null", "null removes all tags")]],
        NOTHING,
        "Adds a tag to a session; if its program has one tag for a session, replaces that.",
        methods::tag,
    ),
    method("untag", &[WRITE, TAG], NOTHING, "Removes a tag.", methods::untag),
    method("clear_tags", &[WRITE], NOTHING, "Removes all tags.", methods::clear_tags),
    method("tags", &[SESSION], "array of tags", "Returns a session's tags.", methods::session_tags),
    method(
        "set_metadata",
        &[WRITE, KEY, &[required("value", "any", "null is a value")]],
        NOTHING,
        "Sets a metadata value of a session.",
        methods::set_metadata,
    ),
    method(
        "remove_metadata",
        &[WRITE, KEY],
        NOTHING,
        "Removes a metadata value of a session.",
        methods::remove_metadata,
    ),
    method(
        "metadata",
        &[SESSION],
        "object",
        "Returns the metadata of a session.",
        methods::metadata,
    ),
    method(
        "branch",
        &[WRITE, &[required("entry_id", "string or null", "null leaves every branch")]],
        NOTHING,
        "Makes an entry the active one.",
        methods::branch,
    ),
    method(
        "reset_leaf",
        &[WRITE],
        NOTHING,
        "Leaves every branch: the next entry is a root.",
        methods::reset_leaf,
    ),
    method(
        "navigate",
        &[WRITE, ENTRY],
        "`text` of a prompt, to be edited; else null",
        "Makes an entry active; for a user's prompt, the entry before it.",
        methods::navigate,
    ),
    method(
        "clone",
        &[WRITE, MADE],
        "`session_id`",
        "Copies a session with all of its branches.",
        methods::clone,
    ),
    method(
        "fork",
        &[
            WRITE,
            MADE,
            &[
                optional("entry_id", "string", "where the path ends; the active entry when absent"),
                optional("turn", "integer", "the last turn, in formats that have turns"),
            ],
        ],
        "`session_id`, `text` of the prompt before which the path ends",
        "Creates a session from one path of another.",
        methods::fork,
    ),
    method("archive", &[WRITE], NOTHING, "Archives a session.", methods::archive),
    method("unarchive", &[WRITE], NOTHING, "Takes it out of the archive.", methods::unarchive),
    method("delete", &[WRITE], NOTHING, "Moves a session to the trash.", methods::trash),
    method("restore", &[WRITE], NOTHING, "Takes it out of the trash.", methods::restore),
    method(
        "delete_if_unused",
        &[WRITE],
        "`deleted`",
        "Moves a session to the trash if it was never used.",
        methods::delete_if_unused,
    ),
    method(
        "purge",
        &[&[required("session", "string", "its full id or its file")], FORCE],
        "null, or `traces`: what may be left of its text in the database's files",
        "Deletes a session in the trash for good.",
        methods::purge,
    ),
    method(
        "relink",
        &[&[
            required("from", "string", "a work dir"),
            required("to", "string", "its new path"),
            optional("at", "time", "now when absent"),
        ]],
        "`sessions`, how many",
        "Changes the work dir of every session in it.",
        methods::relink,
    ),
    method(
        "info",
        &[READ],
        "as `dump` prints it",
        "Returns everything of a session.",
        methods::info,
    ),
    method(
        "context",
        &[READ],
        "messages",
        "Returns the conversation that the program would continue with.",
        methods::context,
    ),
    method("tree", &[READ], "nodes, as in `dump`", "Returns the tree.", methods::tree),
    method(
        "lines",
        &[READ, &[optional("after", "integer", "only lines after this one; 0 when absent")]],
        "array of strings, each a line with its terminator; one that is not valid UTF-8 is an \
         object with its bytes under `hex`",
        "Returns the lines of a session's file.",
        lines::lines,
    ),
    method(
        "labels",
        &[READ],
        "array of `entry_id`, `label`, `labelled_at`",
        "Returns a session's labels.",
        whole::labels,
    ),
    method(
        "rewind_points",
        &[READ],
        "array of `entry_id`, `preview`, `created_at`",
        "Returns the user's prompts on the active branch, newest first.",
        methods::rewind_points,
    ),
    method(
        "markdown",
        &[READ, &[optional("at", "time", "the time of the export; now when absent")]],
        "string",
        "Returns the conversation as Markdown.",
        methods::markdown,
    ),
    method(
        "list",
        &[LIST, PAGE, OF_SESSIONS, WORK_DIR, FORMAT, SPAN, SORT],
        "rows as of `list --json`",
        "Lists sessions, newest first.",
        methods::list_sessions,
    ),
    method(
        "search",
        &[finding::PARAMS, PAGE, OF_SESSIONS, WORK_DIR, FORMAT, SPAN],
        "hits as of `search --json`",
        "Finds entries by their text, newest first.",
        finding::search,
    ),
];

/// All methods.
fn all() -> impl Iterator<Item = &'static Method> {
    [METHODS, whole::METHODS, entries::METHODS, parts::METHODS, house::METHODS]
        .into_iter()
        .flatten()
}

/// The method with a name.
pub(super) fn find(name: &str) -> Result<&'static Method, Refusal> {
    all().find(|method| method.name == name).ok_or_else(|| {
        let message = format!("there is no method {name:?}");
        Refusal { code: UNKNOWN_METHOD, message, kind: None }
    })
}

impl Method {
    /// Rejects unknown parameters: a mistyped one would otherwise be ignored, and a
    /// mistyped guard would not guard. Rejects those that contradict each other,
    /// because one of them would be ignored.
    pub(super) fn accept(&self, params: &Params<'_>) -> Result<(), Refusal> {
        for name in params.names() {
            let Some(param) = self.params().find(|param| param.name == name) else {
                return Err(self.unknown(name));
            };
            let is_given = |name: &str| self.params().any(|of| of.name == name && of.is_in(params));
            if !param.is_in(params) {
                continue;
            }
            if let Some(other) = apart_from(name).find(|other| is_given(other)) {
                let message = format!("{} takes {name} or {other}, not both", self.name);
                return Err(invalid(message));
            }
        }
        Ok(())
    }

    fn unknown(&self, name: &str) -> Refusal {
        let known: Vec<&str> = self.params().map(|param| param.name).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        invalid(format!("{} has no parameter {name:?}; it takes {known}", self.name))
    }

    /// The parameters of this method that contradict one of them.
    fn apart_from(&self, name: &str) -> Vec<&'static str> {
        apart_from(name).filter(|other| self.params().any(|of| of.name == *other)).collect()
    }

    fn params(&self) -> impl Iterator<Item = &'static Param> {
        self.takes.iter().copied().flatten()
    }
}

/// The table as JSON.
pub(super) fn schema() -> Value {
    all()
        .map(|method| {
            let params: Value = method
                .params()
                .map(|param| {
                    json!({
                        "name": param.name,
                        "type": param.kind,
                        "required": param.is_required,
                        "about": param.about,
                        "not_with": method.apart_from(param.name),
                    })
                })
                .collect();
            json!({
                "method": method.name,
                "about": method.about,
                "params": params,
                "result": method.result,
            })
        })
        .collect()
}
