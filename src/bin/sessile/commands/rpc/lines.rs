//! Methods for raw lines, and for several messages at once.

use serde_json::value::RawValue;
use serde_json::{Value, json};
use sessile::Store;

use super::invalid;
use super::methods::answer;
use super::params::Params;
use super::table::Answer;

pub(super) fn lines(store: &Store, params: &Params<'_>) -> Answer {
    let after = params.get("after")?.unwrap_or(0);
    let lines = params.read_session(store)?.lines(after)?;
    answer(lines.into_iter().map(line_json).collect::<Value>())
}

fn line_json(line: Vec<u8>) -> Value {
    match String::from_utf8(line) {
        Ok(text) => text.into(),
        Err(err) => {
            let hex =
                err.as_bytes().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
            json!({ "hex": hex })
        }
    }
}

pub(super) fn append_lines(store: &Store, params: &Params<'_>) -> Answer {
    let lines = params.get::<Vec<String>>("lines")?.ok_or_else(|| invalid("lines is missing"))?;
    answer(json!({ "lines": params.session(store)?.append_lines(lines)? }))
}

pub(super) fn append_messages(store: &Store, params: &Params<'_>) -> Answer {
    let messages = params.get::<Vec<&RawValue>>("messages")?;
    let messages = messages.ok_or_else(|| invalid("messages is missing"))?;
    let ids = params.session(store)?.append_messages(messages.into_iter().map(RawValue::get))?;
    answer(json!({ "entry_ids": ids }))
}

pub(super) fn pop_message(store: &Store, params: &Params<'_>) -> Answer {
    let popped = params.session(store)?.pop_message()?;
    let message = popped.as_ref().map_or("null", |message| message.json());
    Ok(format!("{{\"message\":{message}}}"))
}
