//! meta.json of a sub-agent.

use super::{lax, state, text};
use crate::format::json::{self, Kind, Raw};
use crate::model::Stored;

/// A sub-agent as its file describes it.
#[derive(Debug)]
pub(crate) struct Meta {
    pub(crate) agent_id: Stored,
    pub(crate) subagent_type: Stored,
    pub(crate) status: String,
    pub(crate) description: Stored,
    /// May be NaN or infinite, like the other time.
    pub(crate) created_at: f64,
    pub(crate) updated_at: f64,
    pub(crate) last_task_id: Option<Stored>,
    /// JSON.
    pub(crate) launch_spec: String,
}

const STATUSES: [&str; 6] =
    ["idle", "running_foreground", "running_background", "completed", "failed", "killed"];

/// Reads a file. The error is the reason why Kimi skips the sub-agent.
pub(crate) fn parse(content: &[u8]) -> Result<Meta, String> {
    let meta = state::object(content).map_err(|(_, detail)| detail)?;
    let text = |value: Raw<'_>, key: &str| {
        value.get(key).and_then(text::stored_string).ok_or_else(|| format!("{key} is not a string"))
    };
    let time = |value: Raw<'_>, key: &str| {
        value.get(key).and_then(lax::float).ok_or_else(|| format!("{key} is not a time"))
    };
    let text_or_null = |value: Option<Raw<'_>>, key: &str| match value {
        Some(value) if value.kind() != Kind::Null => {
            text::stored_string(value).map(Some).ok_or_else(|| format!("{key} is not a string"))
        }
        _ => Ok(None),
    };
    let status = meta.get("status").and_then(Raw::string).unwrap_or_default();
    if !STATUSES.contains(&status.as_ref()) {
        return Err(format!("its status is {status:.40}"));
    }
    let spec = meta.get("launch_spec").filter(|spec| spec.kind() == Kind::Object);
    let spec = spec.ok_or("launch_spec is not an object")?;
    for key in ["agent_id", "subagent_type"] {
        text(spec, key)?;
    }
    for key in ["model_override", "effective_model"] {
        // Null means that there is none, but the key must be present.
        let model = spec.get(key).ok_or_else(|| format!("{key} is missing"))?;
        text_or_null(Some(model), key)?;
    }
    time(spec, "created_at")?;
    Ok(Meta {
        agent_id: text(meta, "agent_id")?,
        subagent_type: text(meta, "subagent_type")?,
        status: status.into_owned(),
        description: text(meta, "description")?,
        created_at: time(meta, "created_at")?,
        updated_at: time(meta, "updated_at")?,
        last_task_id: text_or_null(meta.get("last_task_id"), "last_task_id")?,
        launch_spec: json::clean(spec, "null"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str = r#""launch_spec":{"agent_id":"a","subagent_type":"coder","model_override":null,"effective_model":"m","created_at":1.0}"#;

    #[test]
    fn an_unknown_status_or_type_of_value_is_a_reason() {
        let meta = |status: &str, id: &str| {
            parse(
                format!(
                    r#"{{"agent_id":{id},"subagent_type":"coder","status":"{status}","description":"d","created_at":"3.5","updated_at":2,{SPEC},"extra":1}}"#
                )
                .as_bytes(),
            )
        };
        assert_eq!(meta("idle", "\"a1\"").unwrap().created_at, 3.5);
        assert!(meta("exploded", "\"a1\"").unwrap_err().contains("exploded"));
        assert!(meta("idle", "7").unwrap_err().contains("agent_id"));
        assert!(parse(b"{").is_err());
        let without_model = SPEC.replace("\"model_override\":null,", "");
        let content = format!(
            r#"{{"agent_id":"a","subagent_type":"coder","status":"idle","description":"d","created_at":1,"updated_at":2,{without_model}}}"#
        );
        assert!(parse(content.as_bytes()).unwrap_err().contains("model_override"));
    }
}
