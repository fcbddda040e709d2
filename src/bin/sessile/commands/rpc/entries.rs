//! Methods that return entries, with the messages that they add.

use serde_json::{Value, json};
use sessile::{Entry, Message, Session, Store};

use super::Refusal;
use super::methods::answer;
use super::params::Params;
use super::table::{Answer, Method, method};
use super::takes::{ENTRY, Param, READ, optional, required};

const ENTRIES: &str = "entries, as of `entry`";
const BODIES: &[Param] =
    &[optional("bodies", "boolean", "false leaves `message` out; true when absent")];
const PAIR: &[Param] = &[
    required("one", "string", "an entry's id"),
    required("other", "string", "another entry's id"),
];

pub(super) const METHODS: &[Method] = &[
    method(
        "path",
        &[
            READ,
            &[
                optional("entry_id", "string", "the active entry when absent"),
                optional("limit", "integer", "the last N only"),
            ],
            BODIES,
        ],
        ENTRIES,
        "Returns the entries of the active branch, or of the path to an entry, root first.",
        path,
    ),
    method(
        "entry",
        &[READ, ENTRY, BODIES],
        "null, or `id`, `parent_id`, `type`, `role`, `created_at`, `label`, `line`; `message`, which it \
         adds to the conversation, as its format spells it, or null; of several the last, and \
         `messages`, all of them",
        "Returns an entry.",
        entry,
    ),
    method("children", &[READ, ENTRY, BODIES], ENTRIES, "Returns an entry's children.", children),
    method(
        "entries_after",
        &[
            READ,
            &[
                optional("line", "integer", "0 when absent"),
                optional("limit", "integer", "100 when absent"),
            ],
            BODIES,
        ],
        ENTRIES,
        "Returns the entries after a line: what was added since.",
        entries_after,
    ),
    method("leaves", &[READ, BODIES], ENTRIES, "Returns the ends of all branches.", leaves),
    method(
        "find_entry",
        &[READ, &[required("name", "string", "its id, or a prefix of it")], BODIES],
        "an entry, as of `entry`",
        "Finds an entry by a prefix of its id.",
        find_entry,
    ),
    method(
        "root_entries",
        &[READ, BODIES],
        ENTRIES,
        "Returns the entries without a parent.",
        root_entries,
    ),
    method(
        "abandoned",
        &[READ, BODIES],
        ENTRIES,
        "Returns the ends of the branches that are not active.",
        abandoned,
    ),
    method(
        "is_on_path",
        &[READ, ENTRY],
        "true or false",
        "Returns whether an entry is on the active branch.",
        is_on_path,
    ),
    method(
        "common_ancestor",
        &[READ, PAIR, BODIES],
        "an entry, or null",
        "Returns the last entry that the paths to two entries have in common.",
        common_ancestor,
    ),
    method(
        "text",
        &[READ, ENTRY],
        "string; empty if it adds no message",
        "Returns the text of an entry.",
        text,
    ),
];

fn path(store: &Store, params: &Params<'_>) -> Answer {
    let session = params.read_session(store)?;
    let limit = params.get::<usize>("limit")?;
    let path = match (params.text("entry_id")?, limit) {
        (Some(entry_id), limit) => session.last_of_path(&entry_id, limit.unwrap_or(usize::MAX))?,
        (None, None) => session.path()?,
        (None, Some(limit)) => session.last_of_branch(limit)?,
    };
    entries(params, &session, &path)
}

fn entry(store: &Store, params: &Params<'_>) -> Answer {
    let session = params.read_session(store)?;
    let entry = session.entry(&params.required_text("entry_id")?)?;
    one_or_null(params, &session, entry.as_ref())
}

fn children(store: &Store, params: &Params<'_>) -> Answer {
    let session = params.read_session(store)?;
    let children = session.children(&params.required_text("entry_id")?)?;
    entries(params, &session, &children)
}

fn entries_after(store: &Store, params: &Params<'_>) -> Answer {
    let session = params.read_session(store)?;
    let line = params.get("line")?.unwrap_or(0);
    let limit = params.get("limit")?.unwrap_or(100);
    entries(params, &session, &session.entries_after(line, limit)?)
}

fn leaves(store: &Store, params: &Params<'_>) -> Answer {
    let session = params.read_session(store)?;
    entries(params, &session, &session.leaves()?)
}

fn root_entries(store: &Store, params: &Params<'_>) -> Answer {
    let session = params.read_session(store)?;
    entries(params, &session, &session.roots()?)
}

fn abandoned(store: &Store, params: &Params<'_>) -> Answer {
    let session = params.read_session(store)?;
    entries(params, &session, &session.abandoned()?)
}

fn find_entry(store: &Store, params: &Params<'_>) -> Answer {
    let session = params.read_session(store)?;
    let entry = session.find_entry(&params.required_text("name")?)?;
    one_or_null(params, &session, Some(&entry))
}

fn is_on_path(store: &Store, params: &Params<'_>) -> Answer {
    let session = params.read_session(store)?;
    answer(session.is_on_path(&params.required_text("entry_id")?)?)
}

fn common_ancestor(store: &Store, params: &Params<'_>) -> Answer {
    let session = params.read_session(store)?;
    let (one, other) = (params.required_text("one")?, params.required_text("other")?);
    one_or_null(params, &session, session.common_ancestor(&one, &other)?.as_ref())
}

fn text(store: &Store, params: &Params<'_>) -> Answer {
    answer(params.read_session(store)?.text_of(&params.required_text("entry_id")?)?)
}

fn entries(params: &Params<'_>, session: &Session, entries: &[Entry]) -> Answer {
    let with_bodies = with_bodies(params)?;
    let rows = entries.iter().map(|entry| entry_json(session, entry, with_bodies));
    Ok(format!("[{}]", rows.collect::<Result<Vec<_>, _>>()?.join(",")))
}

fn one_or_null(params: &Params<'_>, session: &Session, entry: Option<&Entry>) -> Answer {
    let with_bodies = with_bodies(params)?;
    entry.map_or(Ok("null".to_owned()), |entry| entry_json(session, entry, with_bodies))
}

fn with_bodies(params: &Params<'_>) -> Result<bool, Refusal> {
    Ok(params.get("bodies")?.unwrap_or(true))
}

/// An entry as JSON text, because its messages are passed on as they are spelt.
fn entry_json(session: &Session, entry: &Entry, with_bodies: bool) -> Answer {
    let head = json!({
        "id": entry.id,
        "parent_id": entry.parent_id,
        "type": entry.entry_type,
        "role": entry.role,
        "created_at": entry.created_at.map(|time| time.to_string()),
        "label": entry.label,
        "line": entry.line,
    });
    if !with_bodies {
        return answer(head);
    }
    let messages = session.messages_of(&entry.id)?;
    let message = messages.last().map_or("null", Message::json);
    let all = match &messages[..] {
        [_, _, ..] => {
            let all: Vec<&str> = messages.iter().map(Message::json).collect();
            format!(",\"messages\":[{}]", all.join(","))
        }
        _ => String::new(),
    };
    let head = head.to_string();
    let head = head.strip_suffix('}').unwrap_or(&head);
    Ok(format!("{head},\"message\":{message}{all}}}"))
}

/// The context, each message with its role, text and parts in the common form.
pub(super) fn messages(store: &Store, params: &Params<'_>) -> Answer {
    let session = params.read_session(store)?;
    let messages = match params.text("entry_id")? {
        Some(entry_id) => session.context_at(&entry_id)?,
        None => session.context()?,
    };
    let rows = messages.iter().map(|message| {
        format!(
            "{{\"entry_id\":{},\"role\":{},\"text\":{},\"message\":{}}}",
            Value::from(&message.entry_id[..]),
            Value::from(message.role()),
            Value::from(message.text()),
            message.json()
        )
    });
    Ok(format!("[{}]", rows.collect::<Vec<_>>().join(",")))
}
