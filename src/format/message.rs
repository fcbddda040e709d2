//! What a message of a restored conversation says.

use serde_json::Value;

use super::{Part, json};
use crate::model::Message;

impl Message {
    /// The message object, as JSON that every common reader takes: numbers as
    /// they were spelt, keys in their order.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The message object. Half surrogate pairs stand as U+FFFD, and a number
    /// beyond 64 bits is the nearest double.
    pub fn value(&self) -> Value {
        json::scan(self.json.as_bytes()).map_or(Value::Null, |(value, _)| json::value(value))
    }

    /// Who speaks, as the format names them: `user`, `assistant` and so on.
    /// Empty when the message does not say.
    pub fn role(&self) -> String {
        self.format.meaning().parts(&self.json).0
    }

    /// What the message says, part by part, in order.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/pi/small", &sessile::ImportOptions::new())?;
    /// use sessile::{Part, SessionFilter};
    ///
    /// let newest = &store.sessions(&SessionFilter::new())?.rows[0];
    /// for message in store.session(newest.key)?.context()? {
    ///     for part in message.parts() {
    ///         match part {
    ///             Part::Text(text) => println!("{}: {text}", message.role()),
    ///             Part::ToolCall(call) => println!("{} {}", call.name, call.arguments),
    ///             Part::ToolResult { call_id, text } => println!("{call_id}: {text}"),
    ///             _ => {}
    ///         }
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parts(&self) -> Vec<Part> {
        self.format.meaning().parts(&self.json).1
    }

    /// The text of the message: what is said and what tools answered, a line
    /// feed between two parts. Empty when there is none; thoughts and tool calls
    /// are not among it.
    pub fn text(&self) -> String {
        let parts = self.parts();
        parts.iter().filter_map(Part::text).collect::<Vec<_>>().join("\n")
    }
}
