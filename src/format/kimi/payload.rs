//! Validates the messages of the wire and their payloads against Kimi's models.

use super::lax;
use crate::format::json::{Kind, Raw};

/// Whether a payload matches its message's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    Valid,
    Invalid,
    /// Kimi never wrote such a message.
    Unknown,
}

/// The type of a field.
#[derive(Clone, Copy)]
enum Type {
    Text,
    Integer,
    Float,
    Boolean,
    Object,
    Texts,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Text, or parts of a message.
    TextOrParts,
    Record(&'static [Field]),
    List(&'static [Field]),
    /// Display blocks, each with a type of its own.
    Blocks,
    /// An event within an event.
    Event,
}

/// Whether a field is required, and whether it may be null.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    /// Required, but may be null.
    Nullable,
    /// May be absent, but not null.
    Default,
    /// May be absent or null.
    Optional,
}

struct Field(&'static str, Type, Need);

use Need::{Default, Nullable, Optional, Required};
use Type::{Blocks, Boolean, Event, Float, Integer, List, Object, Text, TextOrParts, Texts, Word};

const NOTHING: &[Field] = &[];
const INPUT: &[Field] = &[Field("user_input", TextOrParts, Required)];
const STEP: &[Field] = &[Field("n", Integer, Required)];
const RETRY: &[Field] = &[
    Field("n", Integer, Required),
    Field("next_attempt", Integer, Required),
    Field("max_attempts", Integer, Required),
    Field("wait_s", Float, Required),
    Field("error_type", Text, Required),
    Field("status_code", Integer, Optional),
];
const FUNCTION: &[Field] = &[Field("name", Text, Required), Field("arguments", Text, Nullable)];
const CALL: &[Field] = &[
    Field("type", Word(&["function"]), Default),
    Field("id", Text, Required),
    Field("function", Type::Record(FUNCTION), Required),
    Field("extras", Object, Optional),
];
const CALL_PART: &[Field] = &[Field("arguments_part", Text, Optional)];
const RETURN: &[Field] = &[
    Field("is_error", Boolean, Required),
    Field("output", TextOrParts, Required),
    Field("message", Text, Required),
    Field("display", Blocks, Required),
    Field("extras", Object, Optional),
];
const BRIEF: &[Field] = &[Field("text", Text, Required)];
const DIFF: &[Field] = &[
    Field("path", Text, Required),
    Field("old_text", Text, Required),
    Field("new_text", Text, Required),
    Field("old_start", Integer, Default),
    Field("new_start", Integer, Default),
    Field("is_summary", Boolean, Default),
];
const TODO: &[Field] = &[
    Field("title", Text, Required),
    Field("status", Word(&["pending", "in_progress", "done"]), Required),
];
const TODOS: &[Field] = &[Field("items", List(TODO), Required)];
const SHELL: &[Field] = &[Field("language", Text, Required), Field("command", Text, Required)];
const TASK: &[Field] = &[
    Field("task_id", Text, Required),
    Field("kind", Text, Required),
    Field("status", Text, Required),
    Field("description", Text, Required),
];
const RESULT: &[Field] =
    &[Field("tool_call_id", Text, Required), Field("return_value", Type::Record(RETURN), Required)];
const USAGE: &[Field] = &[
    Field("input_other", Integer, Required),
    Field("output", Integer, Required),
    Field("input_cache_read", Integer, Default),
    Field("input_cache_creation", Integer, Default),
];
const SERVER: &[Field] = &[
    Field("name", Text, Required),
    Field(
        "status",
        Word(&["pending", "connecting", "connected", "failed", "unauthorized"]),
        Required,
    ),
    Field("tools", Texts, Default),
];
const MCP: &[Field] = &[
    Field("loading", Boolean, Required),
    Field("connected", Integer, Required),
    Field("total", Integer, Required),
    Field("tools", Integer, Required),
    Field("servers", List(SERVER), Default),
];
const STATUS: &[Field] = &[
    Field("context_usage", Float, Optional),
    Field("context_tokens", Integer, Optional),
    Field("max_context_tokens", Integer, Optional),
    Field("token_usage", Type::Record(USAGE), Optional),
    Field("message_id", Text, Optional),
    Field("plan_mode", Boolean, Optional),
    Field("mcp_status", Type::Record(MCP), Optional),
];
const APPROVAL: &[Field] = &[
    Field("id", Text, Required),
    Field("tool_call_id", Text, Required),
    Field("sender", Text, Required),
    Field("action", Text, Required),
    Field("description", Text, Required),
    Field("source_kind", Word(&["foreground_turn", "background_agent"]), Optional),
    Field("source_id", Text, Optional),
    Field("agent_id", Text, Optional),
    Field("subagent_type", Text, Optional),
    Field("source_description", Text, Optional),
    Field("display", Blocks, Default),
];
const RESPONSE: &[Field] = &[
    Field("request_id", Text, Required),
    Field("response", Word(&["approve", "approve_for_session", "reject"]), Required),
    Field("feedback", Text, Default),
];
const OPTION: &[Field] = &[Field("label", Text, Required), Field("description", Text, Default)];
const QUESTION: &[Field] = &[
    Field("question", Text, Required),
    Field("header", Text, Default),
    Field("options", List(OPTION), Required),
    Field("multi_select", Boolean, Default),
    Field("body", Text, Default),
    Field("other_label", Text, Default),
    Field("other_description", Text, Default),
];
const QUESTIONS: &[Field] = &[
    Field("id", Text, Required),
    Field("tool_call_id", Text, Required),
    Field("questions", List(QUESTION), Required),
];
const CALL_REQUEST: &[Field] = &[
    Field("id", Text, Required),
    Field("name", Text, Required),
    Field("arguments", Text, Nullable),
];
const HOOK_REQUEST: &[Field] = &[
    Field("id", Text, Required),
    Field("subscription_id", Text, Default),
    Field("event", Text, Required),
    Field("target", Text, Default),
    Field("input_data", Object, Default),
];
const HOOK_TRIGGERED: &[Field] = &[
    Field("event", Text, Required),
    Field("target", Text, Default),
    Field("hook_count", Integer, Default),
];
const HOOK_RESOLVED: &[Field] = &[
    Field("event", Text, Required),
    Field("target", Text, Default),
    Field("action", Word(&["allow", "block"]), Default),
    Field("reason", Text, Default),
    Field("duration_ms", Integer, Default),
];
const SUBAGENT: &[Field] = &[
    Field("parent_tool_call_id", Text, Optional),
    Field("task_tool_call_id", Text, Optional),
    Field("agent_id", Text, Optional),
    Field("subagent_type", Text, Optional),
    Field("event", Event, Required),
];
const NOTIFICATION: &[Field] = &[
    Field("id", Text, Required),
    Field("category", Text, Required),
    Field("type", Text, Required),
    Field("source_kind", Text, Required),
    Field("source_id", Text, Required),
    Field("title", Text, Required),
    Field("body", Text, Required),
    Field("severity", Text, Required),
    Field("created_at", Float, Required),
    Field("payload", Object, Default),
];
const PLAN: &[Field] = &[Field("content", Text, Required), Field("file_path", Text, Required)];
const BTW_BEGIN: &[Field] = &[Field("id", Text, Required), Field("question", Text, Required)];
const BTW_END: &[Field] = &[
    Field("id", Text, Required),
    Field("response", Text, Optional),
    Field("error", Text, Optional),
];

/// Requests, which expect an answer. A sub-agent's cannot be wrapped in an event.
const REQUESTS: [&str; 4] =
    ["ApprovalRequest", "QuestionRequest", "ToolCallRequest", "HookRequest"];

fn fields(message_type: &str) -> Option<&'static [Field]> {
    Some(match message_type {
        "TurnBegin" | "SteerInput" => INPUT,
        "TurnEnd" | "StepInterrupted" | "CompactionBegin" | "CompactionEnd" | "MCPLoadingBegin"
        | "MCPLoadingEnd" => NOTHING,
        "StepBegin" => STEP,
        "StepRetry" => RETRY,
        "ToolCall" => CALL,
        "ToolCallPart" => CALL_PART,
        "ToolResult" => RESULT,
        "StatusUpdate" => STATUS,
        "ApprovalRequest" => APPROVAL,
        "ApprovalResponse" | "ApprovalRequestResolved" => RESPONSE,
        "QuestionRequest" => QUESTIONS,
        "ToolCallRequest" => CALL_REQUEST,
        "HookRequest" => HOOK_REQUEST,
        "HookTriggered" => HOOK_TRIGGERED,
        "HookResolved" => HOOK_RESOLVED,
        "SubagentEvent" => SUBAGENT,
        "Notification" => NOTIFICATION,
        "PlanDisplay" => PLAN,
        "BtwBegin" => BTW_BEGIN,
        "BtwEnd" => BTW_END,
        _ => return None,
    })
}

pub(super) fn check(message_type: &str, payload: Raw<'_>) -> Payload {
    let is_valid = match (message_type, fields(message_type)) {
        ("ContentPart", _) => lax::check_part(payload).is_ok(),
        (_, Some(fields)) => holds(payload, fields),
        (_, None) => return Payload::Unknown,
    };
    if is_valid { Payload::Valid } else { Payload::Invalid }
}

fn holds(value: Raw<'_>, fields: &[Field]) -> bool {
    value.kind() == Kind::Object
        && fields.iter().all(|Field(name, kind, need)| match value.get(name) {
            None => matches!(need, Default | Optional),
            Some(value) if value.kind() == Kind::Null => matches!(need, Nullable | Optional),
            Some(value) => takes(*kind, value),
        })
}

fn takes(kind: Type, value: Raw<'_>) -> bool {
    match kind {
        Text => value.kind() == Kind::String,
        Integer => lax::integer(value).is_some(),
        Float => lax::float(value).is_some(),
        Boolean => lax::boolean(value).is_some(),
        Object => value.kind() == Kind::Object,
        Texts => {
            value.kind() == Kind::Array && value.items().all(|item| item.kind() == Kind::String)
        }
        Blocks => value.kind() == Kind::Array && value.items().all(is_block),
        Word(words) => value.string().is_some_and(|word| words.contains(&word.as_ref())),
        TextOrParts => match value.kind() {
            Kind::String => true,
            Kind::Array => value.items().all(|part| lax::check_part(part).is_ok()),
            _ => false,
        },
        Type::Record(fields) => holds(value, fields),
        List(fields) => {
            value.kind() == Kind::Array && value.items().all(|item| holds(item, fields))
        }
        Event => {
            let inner = value.get("payload").unwrap_or(Raw::NULL);
            let event_type = value.get("type").and_then(Raw::string);
            // Nested events are no deeper than the line, which is only checked if
            // it is shallow.
            event_type.is_some_and(|event_type| {
                !REQUESTS.contains(&event_type.as_ref())
                    && check(&event_type, inner) == Payload::Valid
            })
        }
    }
}

/// Blocks of a type that Kimi does not know are kept unchanged.
fn is_block(block: Raw<'_>) -> bool {
    let fields = match block.get("type").and_then(Raw::string).as_deref() {
        Some("brief") => BRIEF,
        Some("diff") => DIFF,
        Some("todo") => TODOS,
        Some("shell") => SHELL,
        Some("background_task") => TASK,
        Some(_) => NOTHING,
        None => return false,
    };
    holds(block, fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json;

    #[track_caller]
    fn is(message_type: &str, payload: &str, expected: Payload) {
        let (value, _) = json::scan(payload.as_bytes()).unwrap();
        assert_eq!(check(message_type, value), expected, "{message_type} {payload}");
    }

    #[test]
    fn payloads_are_taken_as_kimis_models_take_them() {
        is("StepBegin", r#"{"n":"2"}"#, Payload::Valid);
        is("StepBegin", r#"{"n":2.5}"#, Payload::Invalid);
        is("TurnEnd", r#"{"extra":1}"#, Payload::Valid);
        is("TurnEnd", "null", Payload::Invalid);
        is("Future", "{}", Payload::Unknown);
        is("ContentPart", r#"{"type":"hologram"}"#, Payload::Invalid);
        is("HookRequest", r#"{"event":"e"}"#, Payload::Invalid);
        is("HookRequest", r#"{"id":"i","event":"e"}"#, Payload::Valid);
        for (block, expected) in [
            (r#"{"type":"shell","language":"sh","command":"c"}"#, Payload::Valid),
            (r#"{"type":"shell","language":"sh"}"#, Payload::Invalid),
            (r#"{"type":"todo","items":[{"title":"t","status":"blocked"}]}"#, Payload::Invalid),
            (r#"{"type":"hologram"}"#, Payload::Valid),
        ] {
            let value = format!(
                r#"{{"tool_call_id":"c","return_value":{{"is_error":false,"output":"","message":"","display":[{block}]}}}}"#
            );
            is("ToolResult", &value, expected);
        }
        is("ApprovalRequestResolved", r#"{"request_id":"r","response":"approve"}"#, Payload::Valid);
        is("ApprovalResponse", r#"{"request_id":"r","response":"maybe"}"#, Payload::Invalid);
        is(
            "SubagentEvent",
            r#"{"task_tool_call_id":"T","event":{"type":"StepBegin","payload":{"n":1}}}"#,
            Payload::Valid,
        );
        is(
            "SubagentEvent",
            r#"{"parent_tool_call_id":"T","event":{"type":"ApprovalRequest","payload":{}}}"#,
            Payload::Invalid,
        );
        is(
            "SubagentEvent",
            r#"{"event":{"type":"SubagentEvent","payload":{"event":{"type":"TurnEnd","payload":{}}}}}"#,
            Payload::Valid,
        );
    }
}
