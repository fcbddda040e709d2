-- Indexes of searches whose cost must not grow with what they pass by.

PRAGMA user_version = 18;

-- The calls of an id, the unanswered ones together.
DROP INDEX tool_executions_by_call;
CREATE INDEX tool_executions_by_call ON tool_executions (session_key, tool_call_id, result_key);

-- The events of a session of one kind, in order.
CREATE INDEX events_by_kind ON events (session_key, kind, event_id);
