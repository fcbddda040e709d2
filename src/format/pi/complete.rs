//! Completes messages so that pi can open them.
//!
//! pi trusts what it reads: its footer adds up the usage of every assistant
//! message, its list goes through the blocks of every user and assistant message,
//! and one message without them crashes pi whenever the session is opened. So
//! messages that are written here are completed with everything that pi reads
//! unconditionally, and messages that cannot be completed are rejected.

use super::text::string;
use crate::error::{Error, Result};
use crate::format::json::{self, Kind, Raw};
use crate::model::{Stored, Timestamp};

/// The context of an entry that is to be written.
pub(super) struct Surroundings<'a> {
    pub(super) at: Timestamp,
    /// The settings in effect at its position.
    pub(super) provider: Option<&'a Stored>,
    pub(super) model: Option<&'a Stored>,
    /// Reads the record of the last answer above it.
    pub(super) last_answer: &'a dyn Fn() -> Result<Option<Vec<u8>>>,
}

/// An entry's own keys, completed; an error if they are wrong in another way.
pub(super) fn fields(entry_type: &str, fields: &str, around: &Surroundings<'_>) -> Result<String> {
    let (value, _) = json::scan(fields.as_bytes()).map_err(|err| refused(err.reason))?;
    let mut made = Members::of(value);
    match entry_type {
        "message" => match value.get("message").filter(|message| message.kind() == Kind::Object) {
            Some(said) => made.set("message", message(said, around)?),
            None => return Err(refused("it has no message")),
        },
        "compaction" => {
            require_text("summary", value)?;
            made.number("tokensBefore", value, "0")?;
        }
        "custom_message" => {
            require_text("customType", value)?;
            made.content(value, Blocks::OrText)?;
        }
        "session_info" if value.get("name").is_some() => require_text("name", value)?,
        "label" => require_text("targetId", value)?,
        _ => {}
    }
    Ok(made.object())
}

/// A message with the missing keys after its own.
fn message(message: Raw<'_>, around: &Surroundings<'_>) -> Result<String> {
    require_text("role", message)?;
    let mut made = Members::of(message);
    match string(message.get("role")).unwrap_or_default().as_str() {
        "user" => made.content(message, Blocks::OrText)?,
        "assistant" => {
            made.content(message, Blocks::Only)?;
            made.origin(message, around)?;
            made.usage(message)?;
            made.text("stopReason", message, || "stop".to_owned())?;
        }
        "toolResult" => {
            require_text("toolCallId", message)?;
            require_text("toolName", message)?;
            made.content(message, Blocks::Only)?;
            made.flag("isError", message)?;
        }
        "bashExecution" => {
            require_text("command", message)?;
            require_text("output", message)?;
            made.flag("cancelled", message)?;
            made.flag("truncated", message)?;
        }
        "custom" => {
            require_text("customType", message)?;
            made.content(message, Blocks::OrText)?;
        }
        _ => {}
    }
    let millis = around.at.0.div_euclid(1_000_000);
    made.number("timestamp", message, &millis.to_string())?;
    Ok(made.object())
}

/// What content may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blocks {
    Only,
    OrText,
}

/// The members of an object in order, to which missing ones are added.
struct Members(Vec<(String, String)>);

impl Members {
    fn of(value: Raw<'_>) -> Self {
        let members = json::distinct_members(value).into_iter();
        Self(members.map(|(key, value)| (json::spelt(&key.text()), json::compact(value))).collect())
    }

    fn set(&mut self, key: &str, json: String) {
        let key = json::spelt(key);
        match self.0.iter_mut().find(|(known, _)| *known == key) {
            Some((_, value)) => *value = json,
            None => self.0.push((key, json)),
        }
    }

    fn object(self) -> String {
        let members: Vec<String> =
            self.0.into_iter().map(|(key, value)| format!("{key}:{value}")).collect();
        format!("{{{}}}", members.join(","))
    }

    fn content(&mut self, message: Raw<'_>, blocks: Blocks) -> Result<()> {
        let content = message.get("content");
        match (content.map(Raw::kind), content) {
            (Some(Kind::Array), Some(content)) => content.items().try_for_each(require_block),
            (Some(Kind::String), Some(content)) => {
                if blocks == Blocks::Only {
                    let text = json::compact(content);
                    self.set("content", format!("[{{\"type\":\"text\",\"text\":{text}}}]"));
                }
                Ok(())
            }
            _ => Err(refused("its content is neither text nor a list of blocks")),
        }
    }

    /// Who answered: as the message says, else as the session does.
    fn origin(&mut self, message: Raw<'_>, around: &Surroundings<'_>) -> Result<()> {
        let unknown = || "unknown".to_owned();
        let known = |setting: Option<&Stored>| match setting {
            Some(Stored::Text(text)) => text.clone(),
            _ => unknown(),
        };
        let earlier = match message.get("api") {
            Some(_) => None,
            None => (around.last_answer)()?,
        };
        self.text("api", message, || earlier.as_deref().and_then(api_of).unwrap_or_else(unknown))?;
        self.text("provider", message, || known(around.provider))?;
        self.text("model", message, || known(around.model))
    }

    fn usage(&mut self, message: Raw<'_>) -> Result<()> {
        let usage = object_or_none("usage", message)?;
        let mut made = usage.map_or(Self(Vec::new()), Self::of);
        let usage = usage.unwrap_or(Raw::NULL);
        for key in ["input", "output", "cacheRead", "cacheWrite", "totalTokens"] {
            made.number(key, usage, "0")?;
        }
        let cost = object_or_none("cost", usage)?;
        let mut made_cost = cost.map_or(Self(Vec::new()), Self::of);
        for key in ["input", "output", "cacheRead", "cacheWrite", "total"] {
            made_cost.number(key, cost.unwrap_or(Raw::NULL), "0")?;
        }
        made.set("cost", made_cost.object());
        self.set("usage", made.object());
        Ok(())
    }

    fn text(&mut self, key: &str, message: Raw<'_>, make: impl FnOnce() -> String) -> Result<()> {
        if message.get(key).is_some() {
            return require_text(key, message);
        }
        self.set(key, json::spelt(&make()));
        Ok(())
    }

    fn number(&mut self, key: &str, message: Raw<'_>, default: &str) -> Result<()> {
        match message.get(key).map(Raw::kind) {
            Some(Kind::Number) => Ok(()),
            None => {
                self.set(key, default.to_owned());
                Ok(())
            }
            _ => Err(refused(&format!("its {key} is not a number"))),
        }
    }

    fn flag(&mut self, key: &str, message: Raw<'_>) -> Result<()> {
        match message.get(key).map(Raw::kind) {
            Some(Kind::True | Kind::False) => Ok(()),
            None => {
                self.set(key, "false".to_owned());
                Ok(())
            }
            _ => Err(refused(&format!("its {key} is neither true nor false"))),
        }
    }
}

/// Checks that the parts of a content block have the types that pi assumes.
fn require_block(block: Raw<'_>) -> Result<()> {
    require_text("type", block)
        .map_err(|_| refused("its content has something that is not a block"))?;
    match string(block.get("type")).unwrap_or_default().as_str() {
        "text" => require_text("text", block),
        "thinking" => require_text("thinking", block),
        "image" => {
            require_text("data", block)?;
            require_text("mimeType", block)
        }
        "toolCall" => {
            require_text("id", block)?;
            require_text("name", block)?;
            match block.get("arguments").map(Raw::kind) {
                Some(Kind::Object) => Ok(()),
                _ => Err(refused("the arguments of its tool call are no object")),
            }
        }
        _ => Ok(()),
    }
}

fn require_text(key: &str, object: Raw<'_>) -> Result<()> {
    match object.get(key).map(Raw::kind) {
        Some(Kind::String) => Ok(()),
        _ => Err(refused(&format!("its {key} is not a string"))),
    }
}

fn object_or_none<'a>(key: &str, object: Raw<'a>) -> Result<Option<Raw<'a>>> {
    match object.get(key) {
        None => Ok(None),
        Some(value) if value.kind() == Kind::Object => Ok(Some(value)),
        Some(_) => Err(refused(&format!("its {key} is not an object"))),
    }
}

/// The `api` of the assistant message in this line.
fn api_of(line: &[u8]) -> Option<String> {
    let (record, _) = json::scan(line).ok()?;
    string(record.get("message")?.get("api"))
}

fn refused(reason: &str) -> Error {
    Error::InvalidRecord(format!("pi could not open the session with this entry: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: &str = r#"{"input":0,"output":0,"cacheRead":0,"cacheWrite":0,"totalTokens":0,"cost":{"input":0,"output":0,"cacheRead":0,"cacheWrite":0,"total":0}}"#;

    fn completed(entry_type: &str, own: &str) -> Result<String> {
        let around = Surroundings {
            at: Timestamp(1_777_593_601_000_999_999),
            provider: Some(&Stored::Text("p".to_owned())),
            model: Some(&Stored::Text("m".to_owned())),
            last_answer: &|| Ok(Some(br#"{"message":{"api":"x"}}"#.to_vec())),
        };
        fields(entry_type, own, &around)
    }

    #[test]
    fn plain_text_of_an_assistant_becomes_a_message_of_pis() {
        assert_eq!(
            completed("message", r#"{"message":{"role":"assistant","content":"hi"}}"#).unwrap(),
            format!(
                r#"{{"message":{{"role":"assistant","content":[{{"type":"text","text":"hi"}}],"api":"x","provider":"p","model":"m","usage":{NOTHING},"stopReason":"stop","timestamp":1777593601000}}}}"#
            )
        );
    }

    #[test]
    fn what_is_complete_stays_as_it_is() {
        let message = format!(
            r#"{{"message":{{"timestamp":1.50,"x":{{"9":1,"1":2}},"role":"assistant","content":[{{"type":"toolCall","id":"t","name":"n","arguments":{{}}}}],"api":"a","provider":"q","model":"o","usage":{NOTHING},"stopReason":"toolUse"}}}}"#
        );
        assert_eq!(completed("message", &message).unwrap(), message);
    }

    #[test]
    fn a_usage_gets_the_counts_that_it_lacks() {
        let message = r#"{"message":{"role":"assistant","content":[],"usage":{"output":7,"cost":{"total":0.5}}}}"#;
        let made = completed("message", message).unwrap();
        assert!(made.contains(
            r#""usage":{"output":7,"cost":{"total":0.5,"input":0,"output":0,"cacheRead":0,"cacheWrite":0},"input":0"#
        ), "{made}");
    }

    #[test]
    fn what_pi_would_die_of_is_refused() {
        for (entry_type, own) in [
            ("message", r#"{}"#),
            ("message", r#"{"message":null}"#),
            ("message", r#"{"message":{"content":"no role"}}"#),
            ("message", r#"{"message":{"role":"user","content":null}}"#),
            ("message", r#"{"message":{"role":"user"}}"#),
            ("message", r#"{"message":{"role":"user","content":[null]}}"#),
            ("message", r#"{"message":{"role":"assistant","content":[{"type":"text"}]}}"#),
            ("message", r#"{"message":{"role":"assistant","content":"x","usage":1}}"#),
            ("message", r#"{"message":{"role":"assistant","content":"x","usage":{"input":"1"}}}"#),
            ("message", r#"{"message":{"role":"assistant","content":"x","model":null}}"#),
            ("message", r#"{"message":{"role":"toolResult","content":"x"}}"#),
            ("message", r#"{"message":{"role":"user","content":"x","timestamp":"now"}}"#),
            ("compaction", r#"{"firstKeptEntryId":"a"}"#),
            ("session_info", r#"{"name":1}"#),
            ("custom_message", r#"{"customType":"x"}"#),
            ("label", r#"{"label":"x"}"#),
        ] {
            assert!(completed(entry_type, own).is_err(), "{own}");
        }
    }
}
