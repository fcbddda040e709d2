//! The shapes of the records of a rollout, as 0.171 reads them.

use super::shape::Shape::{
    self, Any, Either, Flag, Id, Integer, List, Map, Number, Open, Struct, Tagged, Text, UpTo,
    Variant, Word,
};
use super::shape::{Field, lacks, may, must};

/// The fields of an event type; empty for one that is not used here.
pub(super) fn of_event(name: &str) -> &'static [Field] {
    match name {
        "task_started" | "turn_started" => TASK_STARTED,
        "task_complete" | "turn_complete" => TASK_COMPLETE,
        "turn_aborted" => TURN_ABORTED,
        "user_message" => USER_MESSAGE,
        "agent_message" => AGENT_MESSAGE,
        "agent_reasoning" | "agent_reasoning_raw_content" => TEXT,
        "web_search_end" => WEB_SEARCH_END,
        "mcp_tool_call_end" => TOOL_CALL_END,
        "patch_apply_end" => PATCH_END,
        "entered_review_mode" => ENTERED_REVIEW,
        "exited_review_mode" => EXITED_REVIEW,
        "item_completed" => ITEM_COMPLETED,
        "thread_rolled_back" => ROLLED_BACK,
        _ => &[],
    }
}

/// The fields of an item type; `None` for an unknown type.
pub(super) fn of_item(item_type: &str) -> Option<&'static [Field]> {
    ITEMS.iter().find(|(known, _)| *known == item_type).map(|(_, fields)| *fields)
}

/// The fields of a completed item's type; `None` for an unknown type.
pub(super) fn of_completed(item_type: &str) -> Option<&'static [Field]> {
    COMPLETED.iter().find(|(known, _)| *known == item_type).map(|(_, fields)| *fields)
}

/// Keys of a line besides those of its envelope.
pub(super) const AROUND: &[Field] = &[may("ordinal", U64)];

pub(super) const AROUND_ITEM: &[Field] =
    &[may("ordinal", U64), may("metadata", Struct(&[may("history_sequence", U64)]))];

const TEXT: &[Field] = &[must("text", Text)];

const OBJECT: Shape = Struct(&[]);

const U32: Shape = UpTo(u32::MAX as u64);

const U64: Shape = UpTo(u64::MAX);

const TASK_STARTED: &[Field] = &[
    must("turn_id", Text),
    may("root_turn_id", Text),
    may("trace_id", Text),
    may("started_at", Integer),
    may("model_context_window", Integer),
    lacks(
        "collaboration_mode_kind",
        Word(&["default", "plan", "code", "pair_programming", "execute", "custom"]),
    ),
];

const TASK_COMPLETE: &[Field] = &[
    must("turn_id", Text),
    may("root_turn_id", Text),
    may("last_agent_message", Text),
    may("error", Struct(&[must("message", Text)])),
    may("started_at", Integer),
    may("completed_at", Integer),
    may("duration_ms", Integer),
    may("time_to_first_token_ms", Integer),
];

const TURN_ABORTED: &[Field] = &[
    may("turn_id", Text),
    may("root_turn_id", Text),
    must("reason", Word(&["interrupted", "replaced", "review_ended", "budget_limited"])),
    may("started_at", Integer),
    may("completed_at", Integer),
    may("duration_ms", Integer),
];

const USER_MESSAGE: &[Field] = &[
    must("message", Text),
    may("client_id", Text),
    may("images", List(&Text)),
    lacks("image_order", List(&Any)),
    lacks("local_images", List(&Text)),
    may("audio", List(&Text)),
    may("local_audio", List(&Text)),
    lacks("text_elements", List(&TEXT_ELEMENT)),
];

const TEXT_ELEMENT: Shape = Struct(&[
    must("byte_range", Struct(&[must("start", U64), must("end", U64)])),
    may("placeholder", Text),
]);

const PHASE: Shape = Word(&["commentary", "final_answer"]);

const AGENT_MESSAGE: &[Field] =
    &[must("message", Text), may("phase", PHASE), may("memory_citation", OBJECT)];

const SEARCH: Shape = Struct(&[
    must("type", Text),
    may("query", Text),
    may("queries", List(&Text)),
    may("url", Text),
    may("pattern", Text),
]);

const WEB_SEARCH_END: &[Field] =
    &[must("call_id", Text), must("query", Text), must("action", SEARCH)];

const TOOL_CALL_END: &[Field] = &[
    must("call_id", Text),
    must("invocation", Struct(&[must("server", Text), must("tool", Text)])),
    may("mcp_app_resource_uri", Text),
    must("duration", Struct(&[must("secs", U64), must("nanos", U32)])),
    must(
        "result",
        Variant(&[
            must("Ok", Struct(&[must("content", List(&Any)), may("isError", Flag)])),
            must("Err", Text),
        ]),
    ),
];

const CHANGE: Shape = Tagged(&[
    ("add", &[must("content", Text)]),
    ("delete", &[must("content", Text)]),
    ("update", &[must("unified_diff", Text), may("move_path", Text)]),
]);

const PATCH_END: &[Field] = &[
    must("call_id", Text),
    lacks("turn_id", Text),
    must("stdout", Text),
    must("stderr", Text),
    must("success", Flag),
    lacks("changes", Map(&CHANGE)),
    must("status", Word(&["completed", "failed", "declined"])),
];

const TARGET: Shape = Tagged(&[
    ("uncommittedChanges", &[]),
    ("baseBranch", &[must("branch", Text)]),
    ("commit", &[must("sha", Text), may("title", Text)]),
    ("custom", &[must("instructions", Text)]),
]);

const ENTERED_REVIEW: &[Field] = &[
    must("target", TARGET),
    may("user_facing_hint", Text),
    may("turn_id", Text),
    may("item_id", Text),
];

const EXITED_REVIEW: &[Field] =
    &[may("turn_id", Text), may("item_id", Text), may("review_output", REVIEW)];

const REVIEW: Shape = Struct(&[
    must("findings", List(&FINDING)),
    must("overall_correctness", Text),
    must("overall_explanation", Text),
    must("overall_confidence_score", Number),
]);

const FINDING: Shape = Struct(&[
    must("title", Text),
    must("body", Text),
    must("confidence_score", Number),
    must("priority", Integer),
    must(
        "code_location",
        Struct(&[
            must("absolute_file_path", Text),
            must("line_range", Struct(&[must("start", U32), must("end", U32)])),
        ]),
    ),
]);

const ITEM_COMPLETED: &[Field] = &[
    // It is not used here, so it may be absent.
    lacks("thread_id", Id),
    must("turn_id", Text),
    must("item", OBJECT),
    may("started_at_ms", Integer),
    lacks("completed_at_ms", Integer),
];

const ROLLED_BACK: &[Field] = &[must("num_turns", U32)];

/// A compaction, whose history may contain items of unknown types.
pub(super) const COMPACTED: &[Field] = &[
    must("message", Text),
    may("replacement_history", List(&Open(ITEMS))),
    may("window_number", U64),
    may("first_window_id", Text),
    may("previous_window_id", Text),
];

/// Items of the conversation, by type.
const ITEMS: &[(&str, &[Field])] = &[
    (
        "message",
        &[may("id", Text), must("role", Text), must("content", List(&PART)), may("phase", PHASE)],
    ),
    (
        "reasoning",
        &[
            may("id", Text),
            must("summary", List(&Tagged(&[("summary_text", TEXT)]))),
            may("content", List(&Tagged(&[("reasoning_text", TEXT), ("text", TEXT)]))),
            may("encrypted_content", Text),
        ],
    ),
    (
        "function_call",
        &[
            may("id", Text),
            must("name", Text),
            may("namespace", Text),
            must("arguments", Text),
            must("call_id", Text),
        ],
    ),
    ("function_call_output", &[may("id", Text), may("call_id", Text), must("output", OUTPUT)]),
    (
        "custom_tool_call",
        &[
            may("id", Text),
            may("status", Text),
            must("call_id", Text),
            must("name", Text),
            must("input", Text),
        ],
    ),
    (
        "custom_tool_call_output",
        &[may("id", Text), must("call_id", Text), may("name", Text), must("output", OUTPUT)],
    ),
    (
        "local_shell_call",
        &[
            may("id", Text),
            may("call_id", Text),
            must("status", Word(&["completed", "in_progress", "incomplete"])),
            must("action", Tagged(&[("exec", SHELL)])),
        ],
    ),
    ("web_search_call", &[may("id", Text), may("status", Text), may("action", SEARCH)]),
    (
        "tool_search_call",
        &[
            may("id", Text),
            may("call_id", Text),
            may("status", Text),
            must("execution", Text),
            must("arguments", Any),
        ],
    ),
    (
        "tool_search_output",
        &[
            may("id", Text),
            may("call_id", Text),
            must("status", Text),
            must("execution", Text),
            must("tools", List(&Any)),
        ],
    ),
    (
        "image_generation_call",
        &[may("id", Text), must("status", Text), may("revised_prompt", Text), must("result", Text)],
    ),
    ("compaction", &[may("id", Text), must("encrypted_content", Text)]),
    ("compaction_summary", &[may("id", Text), must("encrypted_content", Text)]),
    ("context_compaction", &[may("id", Text), may("encrypted_content", Text)]),
    (
        "agent_message",
        &[
            may("id", Text),
            must("author", Text),
            must("recipient", Text),
            must("content", List(&Tagged(&[("input_text", TEXT), ENCRYPTED]))),
        ],
    ),
    ("additional_tools", &[may("id", Text), must("role", Text), must("tools", List(&Any))]),
];

/// A part of a message.
const PART: Shape = Tagged(&[("input_text", TEXT), ("output_text", TEXT), IMAGE, AUDIO]);

const IMAGE: (&str, &[Field]) = (
    "input_image",
    &[must("image_url", Text), may("detail", Word(&["auto", "low", "high", "original"]))],
);

const AUDIO: (&str, &[Field]) = ("input_audio", &[must("audio_url", Text)]);

const ENCRYPTED: (&str, &[Field]) = ("encrypted_content", &[must("encrypted_content", Text)]);

const OUTPUT: Shape =
    Either(&[Text, List(&Tagged(&[("input_text", TEXT), IMAGE, AUDIO, ENCRYPTED]))]);

const SHELL: &[Field] = &[
    must("command", List(&Text)),
    may("timeout_ms", U64),
    may("working_directory", Text),
    may("env", Map(&Text)),
    may("user", Text),
];

/// Completed items of a turn, by type.
const COMPLETED: &[(&str, &[Field])] = &[
    ("AgentMessage", AGENT_ITEM),
    ("CollabAgentToolCall", ID),
    ("CommandExecution", COMMAND),
    ("ContextCompaction", ID),
    ("DynamicToolCall", ID),
    (
        "EnteredReviewMode",
        &[must("id", Text), must("target", TARGET), must("user_facing_hint", Text)],
    ),
    ("ExitedReviewMode", &[must("id", Text), may("review_output", REVIEW)]),
    ("FileChange", &[must("id", Text), must("changes", Map(&CHANGE))]),
    ("HookPrompt", &[must("id", Text), must("fragments", List(&OBJECT))]),
    ("ImageGeneration", &[must("id", Text), must("status", Text), must("result", Text)]),
    ("ImageView", ID),
    (
        "McpToolCall",
        &[
            must("id", Text),
            must("server", Text),
            must("tool", Text),
            must("arguments", Any),
            must("status", Text),
        ],
    ),
    ("Plan", &[must("id", Text), must("text", Text)]),
    (
        "Reasoning",
        &[must("id", Text), must("summary_text", List(&Text)), lacks("raw_content", List(&Text))],
    ),
    ("Sleep", ID),
    ("SubAgentActivity", ID),
    ("UserMessage", USER_ITEM),
    ("WebSearch", &[must("id", Text), must("query", Text), must("action", SEARCH)]),
];

const ID: &[Field] = &[must("id", Text)];

const AGENT_ITEM: &[Field] = &[
    must("id", Text),
    must("content", List(&Tagged(&[("Text", TEXT)]))),
    may("phase", PHASE),
    may("memory_citation", OBJECT),
];

const USER_ITEM: &[Field] = &[
    must("id", Text),
    may("client_id", Text),
    must(
        "content",
        List(&Tagged(&[
            ("text", &[must("text", Text), lacks("text_elements", List(&TEXT_ELEMENT))]),
            ("image", &[must("image_url", Text)]),
            ("local_image", &[must("path", Text)]),
            ("audio", &[]),
            ("local_audio", &[]),
            ("skill", &[must("name", Text), must("path", Text)]),
            ("mention", &[must("name", Text), must("path", Text)]),
        ])),
    ),
];

const COMMAND: &[Field] = &[
    must("id", Text),
    must("command", List(&Text)),
    must("cwd", Text),
    must("parsed_cmd", List(&OBJECT)),
    must("status", Text),
];

/// A header. The first is read whatever its shape; a later one has no effect unless
/// it matches.
pub(super) const SESSION_META: &[Field] = &[
    must("id", Text),
    must("timestamp", Text),
    must("cwd", Text),
    must("originator", Text),
    must("cli_version", Text),
    lacks("session_id", Id),
    may("forked_from_id", Id),
    may("parent_thread_id", Id),
    lacks("source", SOURCE),
    may("agent_nickname", Text),
    may("agent_role", Text),
    may("model_provider", Text),
    may("base_instructions", Struct(TEXT)),
    lacks("history_mode", Text),
    may("subagent_history_start_ordinal", U64),
    may(
        "git",
        Struct(&[may("commit_hash", Text), may("branch", Text), may("repository_url", Text)]),
    ),
];

const SOURCE: Shape = Either(&[
    Text,
    Variant(&[
        must("custom", Text),
        must(
            "subagent",
            Either(&[
                Word(&["review", "compact", "memory_consolidation"]),
                Variant(&[must("thread_spawn", OBJECT), must("other", Text)]),
            ]),
        ),
    ]),
]);

/// Names of events that the program knows and that have no effect here.
pub(super) const OTHER_EVENTS: &[&str] = &[
    "agent_message_content_delta",
    "agent_message_delta",
    "agent_reasoning_delta",
    "agent_reasoning_raw_content_delta",
    "agent_reasoning_section_break",
    "apply_patch_approval_request",
    "background_event",
    "collab_agent_interaction_begin",
    "collab_agent_interaction_end",
    "collab_agent_spawn_begin",
    "collab_agent_spawn_end",
    "collab_close_begin",
    "collab_close_end",
    "collab_resume_begin",
    "collab_resume_end",
    "collab_waiting_begin",
    "collab_waiting_end",
    "deprecation_notice",
    "dynamic_tool_call_request",
    "dynamic_tool_call_response",
    "elicitation_request",
    "error",
    "exec_approval_request",
    "exec_command_begin",
    "exec_command_end",
    "exec_command_output_delta",
    "get_history_entry_response",
    "guardian_assessment",
    "guardian_warning",
    "hook_completed",
    "hook_started",
    "image_generation_begin",
    "image_generation_end",
    "item_started",
    "list_custom_prompts_response",
    "list_skills_response",
    "mcp_list_tools_response",
    "mcp_startup_complete",
    "mcp_startup_update",
    "mcp_tool_call_begin",
    "model_reroute",
    "patch_apply_begin",
    "patch_apply_updated",
    "plan_delta",
    "plan_update",
    "raw_response_item",
    "reasoning_content_delta",
    "reasoning_raw_content_delta",
    "request_permissions",
    "request_user_input",
    "session_configured",
    "shutdown_complete",
    "skills_update_available",
    "stream_error",
    "terminal_interaction",
    "turn_diff",
    "undo_completed",
    "undo_started",
    "view_image_tool_call",
    "warning",
    "web_search_begin",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_events_are_in_order() {
        assert!(OTHER_EVENTS.is_sorted());
    }
}
