//! Compactions that are written here, and their keys.
//!
//! Nothing from before is kept verbatim. The program has a note for that in its
//! metadata, but only the program itself uses it: its SDK starts at the boundary in
//! any case, and so does this reader.

use super::text::{object, string};
use crate::format::json::{self, Raw};
use crate::model::Compaction;

/// The keys of a compaction that is given as JSON.
pub(super) const KEYS: &str = "summary, compactMetadata";

/// The key for what is kept, which must be absent.
const KEPT: &str = "keepFrom";

/// A compaction in its keys.
pub(super) fn spelt(new: &Compaction) -> String {
    let details = new.details.as_ref().map(ToString::to_string);
    let details = details.as_deref().and_then(|details| json::scan(details.as_bytes()).ok());
    let details = details.map(|(details, _)| details).unwrap_or(Raw::NULL);
    let mut metadata = vec![
        ("trigger".to_owned(), json::spelt("manual")),
        ("preTokens".to_owned(), new.tokens_before.unwrap_or_default().to_string()),
    ];
    for (key, value) in details.members() {
        let (key, value) = (key.text().into_owned(), json::compact(value));
        match metadata.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = value,
            None => metadata.push((key, value)),
        }
    }
    let metadata = metadata.iter().map(|(key, value)| format!("{}:{value}", json::spelt(key)));
    let metadata = metadata.collect::<Vec<_>>().join(",");
    let kept = new.keep_from.as_ref().map(|id| format!("\"{KEPT}\":{},", json::spelt(id)));
    let (summary, kept) = (json::spelt(&new.summary), kept.unwrap_or_default());
    format!("{{{kept}\"summary\":{summary},\"compactMetadata\":{{{metadata}}}}}")
}

/// Why JSON is not a compaction of this format.
pub(super) fn refused(compaction: &str) -> Option<String> {
    let compaction = object(compaction.as_bytes())?;
    if compaction.get(KEPT).is_some() {
        let reason =
            "a compaction of this format keeps no entries; put what is to be kept into its summary";
        return Some(reason.to_owned());
    }
    let summary = string(compaction.get("summary"));
    summary.is_none().then(|| "a compaction needs a summary, as a string".to_owned())
}

/// The parts of a compaction, each a JSON object.
pub(super) struct Spelt {
    /// The message with the summary.
    pub(super) message: String,
    pub(super) metadata: String,
}

/// Reads a compaction that [`refused`] accepts.
pub(super) fn read(compaction: &str) -> Spelt {
    let read = object(compaction.as_bytes()).unwrap_or(Raw::NULL);
    let summary = read.get("summary").map_or("\"\"".to_owned(), json::compact);
    let metadata = read.get("compactMetadata").filter(|told| told.kind() == json::Kind::Object);
    Spelt {
        message: format!("{{\"role\":\"user\",\"content\":{summary}}}"),
        metadata: metadata.map_or("{\"trigger\":\"manual\"}".to_owned(), json::compact),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_compaction_stands_in_its_metadata() {
        let new = Compaction::new("All.").tokens_before(7);
        let new = new.details(serde_json::json!({"trigger": "auto", "postTokens": 2}));

        let spelt = spelt(&new);

        assert_eq!(refused(&spelt), None);
        let read = read(&spelt);
        assert_eq!(read.message, r#"{"role":"user","content":"All."}"#);
        assert_eq!(read.metadata, r#"{"trigger":"auto","preTokens":7,"postTokens":2}"#);
    }

    #[test]
    fn what_keeps_something_or_has_no_summary_is_refused() {
        assert!(refused(&spelt(&Compaction::new("s").keep_from("a"))).is_some());
        assert!(refused(r#"{"compactMetadata":{}}"#).is_some());
        assert!(refused(r#"{"summary":1}"#).is_some());
        assert_eq!(refused(r#"{"summary":""}"#), None);
    }
}
