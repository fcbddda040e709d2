//! A conversation as Markdown, in the form of Kward's export.

use super::text::text;
use crate::format::json::{self, Kind, Raw};

/// Markdown of restored messages, each given as JSON. System messages are left out.
pub(in crate::format) fn markdown<'a>(messages: impl Iterator<Item = &'a str>) -> String {
    let mut lines = vec!["# Kward Session".to_owned(), String::new()];
    for message in messages {
        let Ok((message, _)) = json::scan(message.as_bytes()) else { continue };
        let role = message.get("role").map(text).unwrap_or_default();
        if role == "system" {
            continue;
        }
        lines.push(format!("## {}", capitalised(&role)));
        let tool = message.get("name").map(text).filter(|name| !name.is_empty());
        if let Some(tool) = tool.filter(|_| role == "tool") {
            lines.push(format!("Tool: `{tool}`"));
        }
        lines.push(String::new());
        lines.push(content(&role, message));
        lines.push(String::new());
    }
    lines.join("\n")
}

/// With an upper-case first letter, and the rest in lower case.
fn capitalised(role: &str) -> String {
    let mut letters = role.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters.flat_map(char::to_lowercase)).collect(),
        None => String::new(),
    }
}

fn content(role: &str, message: Raw<'_>) -> String {
    let given = |key: &str| message.get(key).filter(|value| !value.is_falsy());
    let content = match role {
        "compactionSummary" => message.get("summary"),
        "user" => given("display_content")
            .or_else(|| given("displayContent"))
            .or_else(|| message.get("content")),
        _ => message.get("content"),
    };
    let Some(content) = content else { return String::new() };
    if content.kind() != Kind::Array {
        return text(content);
    }
    let parts: Vec<String> = content.items().map(part).filter(|part| !part.is_empty()).collect();
    parts.join("\n")
}

fn part(part: Raw<'_>) -> String {
    if part.kind() != Kind::Object {
        return text(part);
    }
    let first = |keys: &[&str]| {
        let value = keys.iter().find_map(|key| part.get(key).filter(|value| !value.is_falsy()));
        value.map(text).unwrap_or_default()
    };
    match part.get("type").map(text).as_deref() {
        Some("image") => {
            let mime = first(&["mimeType", "media_type"]);
            match first(&["path"]) {
                path if path.is_empty() => format!("[{mime}]"),
                path => format!("[{mime}: {path}]"),
            }
        }
        Some("thinking" | "reasoning") => {
            format!("Reasoning:\n{}", first(&["thinking", "reasoning", "text"]))
        }
        _ => first(&["text"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, expected: &str) {
        let shown = markdown([message].into_iter());

        assert_eq!(shown, format!("# Kward Session\n\n{expected}"));
    }

    #[test]
    fn roles_are_headings_and_the_system_is_silent() {
        check(r#"{"role":"user","content":"hi"}"#, "## User\n\nhi\n");
        check(r#"{"role":"compactionSummary","summary":"S"}"#, "## Compactionsummary\n\nS\n");
        assert_eq!(
            markdown([r#"{"role":"system","content":"rules"}"#].into_iter()),
            "# Kward Session\n"
        );
    }

    #[test]
    fn tools_that_have_a_name_say_it() {
        check(r#"{"role":"tool","name":"bash","content":"ok"}"#, "## Tool\nTool: `bash`\n\nok\n");
        check(r#"{"role":"tool","content":"ok"}"#, "## Tool\n\nok\n");
    }

    #[test]
    fn what_the_user_typed_stands_for_its_expansion() {
        check(r#"{"role":"user","content":"long","display_content":"/f"}"#, "## User\n\n/f\n");
        check(r#"{"role":"assistant","content":"a","display_content":"b"}"#, "## Assistant\n\na\n");
    }

    #[test]
    fn parts_show_what_they_are() {
        check(
            r#"{"role":"user","content":[{"type":"text","text":"see"},
                {"type":"image","mimeType":"image/png","path":"/x.png","data":"AA"},
                {"type":"thinking","thinking":"hm"},{"type":"note","text":"n"}]}"#,
            "## User\n\nsee\n[image/png: /x.png]\nReasoning:\nhm\nn\n",
        );
    }
}
