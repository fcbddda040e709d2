//! The content of a message of a restored conversation.

use serde_json::Value;

use super::{Part, json};
use crate::model::Message;

impl Message {
    /// Returns the message as a JSON object that every common reader can read, with
    /// numbers and the order of keys as they were.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Returns the message as an object. Lone surrogates are replaced by U+FFFD, and
    /// numbers beyond 64 bits become the nearest double.
    pub fn value(&self) -> Value {
        json::scan(self.json.as_bytes()).map_or(Value::Null, |(value, _)| json::value(value))
    }

    /// Returns the role in the format's own terms, for example `user` or `assistant`;
    /// empty if the message has none.
    pub fn role(&self) -> String {
        self.format.meaning().parts(&self.json).0
    }

    /// Returns the parts of the content, in order.
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

    /// Returns the text of the message: its text parts and the answers of tools,
    /// joined by line feeds. Thinking and tool calls are left out. Empty if there is
    /// none.
    pub fn text(&self) -> String {
        let parts = self.parts();
        parts.iter().filter_map(Part::text).collect::<Vec<_>>().join("\n")
    }
}
