//! Tool executions as Kward records them: names, arguments and results, normalised.

use crate::format::json::{self, Features, Kind, Raw};

/// A normalised tool call and its output; the values are JSON.
pub(super) struct Execution {
    pub(super) tool_call_id: String,
    pub(super) tool_name: String,
    pub(super) args: String,
    pub(super) is_error: bool,
    pub(super) diff: Option<String>,
    pub(super) changed_files: Option<String>,
}

/// Reads a tool call. Name and arguments are only read from `function`.
pub(super) fn normalise(tool_call: Raw<'_>, content: &str) -> Execution {
    let function = tool_call.get("function");
    let named = function.and_then(|function| function.get("name"));
    let name = named.and_then(Raw::string);
    let name = name.as_deref().map(short_name);
    let decoded;
    let arguments = match function.and_then(|function| function.get("arguments")) {
        Some(arguments) if arguments.kind() == Kind::String => {
            decoded = arguments.string().unwrap_or_default();
            json::scan(decoded.as_bytes()).ok().filter(|(_, features)| is_plain(features))
        }
        Some(arguments) => Some((arguments, Features::default())),
        None => None,
    };
    let arguments = arguments.map(|(value, _)| value).filter(|value| value.kind() == Kind::Object);
    let args = match name {
        Some("edit") => edit_args(arguments),
        Some("write") => {
            members([("path", given(arguments, "path")), ("content", given(arguments, "content"))])
        }
        Some("bash") => bash_args(arguments),
        _ => arguments.map_or_else(|| "{}".to_owned(), camel_case),
    };
    let is_error =
        ["Error:", "Declined:", "Cancelled."].iter().any(|mark| content.starts_with(mark));
    let changes = !is_error && matches!(name, Some("edit" | "write"));
    let path = given(arguments, "path").filter(|path| path != "\"\"");
    Execution {
        tool_call_id: tool_call.get("id").map_or("null".to_owned(), json::compact),
        tool_name: match name {
            Some(name) => json::spelt(name),
            None => named.map_or("null".to_owned(), json::compact),
        },
        args,
        is_error,
        diff: diff(content).filter(|_| changes).map(str::to_owned),
        changed_files: path.filter(|_| changes).map(|path| format!("[{path}]")),
    }
}

/// Whether Kward's own reader accepts these arguments.
fn is_plain(features: &Features) -> bool {
    !features.non_finite && !features.control_character && features.depth <= super::parse::MAX_DEPTH
}

pub(super) fn short_name(name: &str) -> &str {
    match name {
        "read_file" => "read",
        "edit_file" => "edit",
        "write_file" => "write",
        "run_shell_command" => "bash",
        other => other,
    }
}

/// From the first line of a diff to the end.
fn diff(content: &str) -> Option<&str> {
    if content.starts_with("--- ") {
        return Some(content);
    }
    content.find("\n--- ").map(|at| &content[at + 1..])
}

/// An argument that is neither missing nor null nor false.
fn given(arguments: Option<Raw<'_>>, key: &str) -> Option<String> {
    arguments?.get(key).filter(|value| !value.is_falsy()).map(json::compact)
}

fn members<const N: usize>(members: [(&str, Option<String>); N]) -> String {
    let members: Vec<String> = members
        .into_iter()
        .filter_map(|(key, value)| Some(format!("\"{key}\":{}", value?)))
        .collect();
    format!("{{{}}}", members.join(","))
}

fn edit_args(arguments: Option<Raw<'_>>) -> String {
    // If it is false, the other spelling is used, if that is there.
    let text = |edit: Raw<'_>, camel, snake| {
        let other = || edit.get(snake).filter(|value| value.kind() != Kind::Null);
        edit.get(camel).filter(|value| !value.is_falsy()).or_else(other).map(json::compact)
    };
    let edits: Vec<String> = arguments
        .and_then(|arguments| arguments.get("edits"))
        .into_iter()
        .flat_map(Raw::items)
        .filter(|edit| edit.kind() == Kind::Object)
        .map(|edit| {
            members([
                ("oldText", text(edit, "oldText", "old_text")),
                ("newText", text(edit, "newText", "new_text")),
            ])
        })
        .collect();
    let edits = (!edits.is_empty()).then(|| format!("[{}]", edits.join(",")));
    members([("path", given(arguments, "path")), ("edits", edits)])
}

fn bash_args(arguments: Option<Raw<'_>>) -> String {
    let timeout = given(arguments, "timeout")
        .or_else(|| given(arguments, "timeout_seconds"))
        .unwrap_or_else(|| "30".to_owned());
    members([("command", given(arguments, "command")), ("timeout", Some(timeout))])
}

/// Renames all keys from snake_case to camelCase, at every depth, which the reader
/// bounds.
fn camel_case(value: Raw<'_>) -> String {
    match value.kind() {
        Kind::Array => {
            let items: Vec<String> = value.items().map(camel_case).collect();
            format!("[{}]", items.join(","))
        }
        Kind::Object => {
            let mut members: Vec<(String, String)> = Vec::new();
            for (key, value) in json::distinct_members(value) {
                let key = camel_key(&key.text());
                let value = camel_case(value);
                match members.iter_mut().find(|(known, _)| *known == key) {
                    Some(member) => member.1 = value,
                    None => members.push((key, value)),
                }
            }
            let members: Vec<String> = members
                .iter()
                .map(|(key, value)| format!("{}:{value}", json::spelt(key)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        _ => json::compact(value),
    }
}

fn camel_key(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    let mut characters = key.chars().peekable();
    while let Some(character) = characters.next() {
        match characters.peek() {
            Some(next) if character == '_' && next.is_ascii_lowercase() => {
                out.push(next.to_ascii_uppercase());
                characters.next();
            }
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_args(name: &str, arguments: &str, expected: &str) {
        let call =
            format!(r#"{{"id":"c","function":{{"name":"{name}","arguments":{arguments}}}}}"#);

        let execution = normalise(json::scan(call.as_bytes()).unwrap().0, "done");

        assert_eq!(execution.args, expected);
    }

    #[test]
    fn arguments_take_the_shape_of_their_tool() {
        check_args(
            "write_file",
            r#""{\"path\":\"a\",\"content\":\"b\",\"x\":1}""#,
            r#"{"path":"a","content":"b"}"#,
        );
        check_args(
            "run_shell_command",
            r#"{"command":"ls","timeout":null,"timeout_seconds":4}"#,
            r#"{"command":"ls","timeout":4}"#,
        );
        check_args("bash", r#""{bad""#, r#"{"timeout":30}"#);
        check_args(
            "edit_file",
            r#"{"path":"a","edits":[{"old_text":"x","newText":null},3]}"#,
            r#"{"path":"a","edits":[{"oldText":"x"}]}"#,
        );
        check_args(
            "edit",
            r#"{"edits":[{"oldText":false},{"oldText":false,"old_text":"x"},{"old_text":false}]}"#,
            r#"{"edits":[{},{"oldText":"x"},{"oldText":false}]}"#,
        );
        check_args(
            "other",
            r#"{"a_b":[{"_c":1.50}],"two__d":2,"e_":3,"f_1":4}"#,
            r#"{"aB":[{"C":1.50}],"two_D":2,"e_":3,"f_1":4}"#,
        );
        check_args("other", "[1]", "{}");
    }

    #[test]
    fn a_name_that_is_no_text_stays_as_it_is() {
        for name in ["5", "true", "[\"edit\"]", "null"] {
            let call = format!(r#"{{"function":{{"name":{name},"arguments":{{"a_b":1}}}}}}"#);
            let execution = normalise(json::scan(call.as_bytes()).unwrap().0, "done");

            assert_eq!(
                (execution.tool_name, execution.args),
                (name.to_owned(), r#"{"aB":1}"#.to_owned())
            );
        }
    }

    #[test]
    fn a_diff_begins_at_the_start_of_a_line() {
        assert_eq!(diff("Edited\n--- a\n+++ b"), Some("--- a\n+++ b"));
        assert_eq!(diff("text --- not a diff"), None);
    }
}
