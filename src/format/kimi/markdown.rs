//! A conversation as Markdown, in the form of Kimi's `/export`: metadata of the
//! session, an overview, then the turns.

use super::display::parts;
use crate::format::{Part, Transcript};

pub(in crate::format) fn markdown(transcript: &Transcript<'_>) -> String {
    let messages: Vec<(String, Vec<Part>)> =
        transcript.messages.iter().map(|message| parts(message)).collect();
    let mut out = String::from("---\n");
    for (key, value) in [
        ("session_id", transcript.session_id.unwrap_or_default()),
        ("exported_at", &transcript.exported_at.to_string()),
        ("work_dir", transcript.work_dir.unwrap_or_default()),
        ("message_count", &messages.len().to_string()),
        ("token_count", transcript.token_count.unwrap_or("0")),
    ] {
        out.push_str(&format!("{key}: {value}\n"));
    }
    out.push_str("---\n\n# Kimi Session\n\n## Overview\n\n");
    let topic =
        messages.iter().find(|(role, _)| role == "user").map(|(_, parts)| text_of_parts(parts));
    let turns = messages.iter().filter(|(role, _)| role == "user").count();
    let is_call = |part: &&Part| matches!(part, Part::ToolCall(_));
    let calls = messages.iter().flat_map(|(_, parts)| parts).filter(is_call).count();
    out.push_str(&format!("- Topic: {}\n", one_line(topic.as_deref().unwrap_or_default())));
    out.push_str(&format!("- Turns: {turns}\n- Tool calls: {calls}\n"));
    let mut turn = 0;
    for (role, parts) in &messages {
        if role == "user" {
            turn += 1;
            out.push_str(&format!("\n---\n\n## Turn {turn}\n"));
        }
        let heading = match role.as_str() {
            "user" => "User",
            "assistant" => "Assistant",
            "tool" => "Tool result",
            "system" => "System",
            other => other,
        };
        out.push_str(&format!("\n### {heading}\n"));
        for part in parts {
            out.push_str(&format!("\n{}\n", spelt(part)));
        }
    }
    out
}

fn spelt(part: &Part) -> String {
    match part {
        Part::Text(text) | Part::ToolResult { text, .. } => text.trim_end().to_owned(),
        Part::Thinking(text) => {
            format!("<details>\n<summary>Thinking</summary>\n\n{}\n\n</details>", text.trim_end())
        }
        Part::ToolCall(call) => format!("`{}`", call.label),
        Part::Image { .. } => "[image]".to_owned(),
        Part::Other(kind) => format!("[{kind}]"),
    }
}

fn text_of_parts(parts: &[Part]) -> String {
    let text = |part: &Part| match part {
        Part::Text(text) => Some(text.clone()),
        _ => None,
    };
    parts.iter().filter_map(text).collect::<Vec<_>>().join(" ")
}

/// The first characters, on one line.
fn one_line(text: &str) -> String {
    let points: Vec<u32> = text.chars().map(u32::from).collect();
    super::text::stored(&super::text::shorten(&points, 80)).to_text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn a_transcript_stands_turn_by_turn() {
        let messages = [
            r#"{"role":"user","content":"What is a leaf?"}"#.to_owned(),
            r#"{"role":"assistant","content":[{"type":"think","think":"hm"},{"type":"text","text":"The active entry."}]}"#.to_owned(),
            r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:x"}}]}"#.to_owned(),
        ];
        let transcript = Transcript {
            session_id: Some("s"),
            work_dir: Some("/w"),
            exported_at: Timestamp(0),
            token_count: Some("7"),
            messages: &messages,
        };

        assert_eq!(
            markdown(&transcript),
            "---\nsession_id: s\nexported_at: 1970-01-01T00:00:00.000Z\nwork_dir: /w\n\
             message_count: 3\ntoken_count: 7\n---\n\n# Kimi Session\n\n## Overview\n\n\
             - Topic: What is a leaf?\n- Turns: 2\n- Tool calls: 0\n\
             \n---\n\n## Turn 1\n\n### User\n\nWhat is a leaf?\n\n### Assistant\n\
             \n<details>\n<summary>Thinking</summary>\n\nhm\n\n</details>\n\nThe active entry.\n\
             \n---\n\n## Turn 2\n\n### User\n\n[image]\n"
        );
    }
}
