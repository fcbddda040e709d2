//! Writes lines as pi itself does.

use super::text::string;
use crate::format::json::{self, Kind, Raw};
use crate::model::{Compaction, Draft, Timestamp};

/// `None` for drafts that pi has no record for.
pub(in crate::format) fn serialise(draft: &Draft<'_>, at: Timestamp) -> Option<String> {
    let spelt = json::spelt;
    let mut members = Vec::new();
    match draft {
        Draft::Header { session_id, cwd, parent_path, .. } => {
            members.push("\"type\":\"session\",\"version\":3".to_owned());
            members.push(format!("\"id\":{}", spelt(session_id)));
            members.push(format!("\"timestamp\":{}", spelt(&stamp(at))));
            members.push(format!("\"cwd\":{}", spelt(cwd)));
            members.extend(parent_path.map(|path| format!("\"parentSession\":{}", spelt(path))));
        }
        Draft::Fields { entry_type, id, parent_id, fields } => {
            let base = format!(
                "\"id\":{},\"parentId\":{},\"timestamp\":{}",
                spelt(id),
                parent_id.map_or("null".to_owned(), spelt),
                spelt(&stamp(at)),
            );
            let fields = fields.strip_prefix('{').and_then(|fields| fields.strip_suffix('}'))?;
            let fields = Some(fields.to_owned()).filter(|fields| !fields.is_empty());
            members.push(format!("\"type\":{}", spelt(entry_type)));
            // In entries of extensions, the common keys come after their own.
            match *entry_type {
                "custom" | "custom_message" => {
                    members.extend(fields);
                    members.push(base);
                }
                _ => {
                    members.push(base);
                    members.extend(fields);
                }
            }
        }
        _ => return None,
    }
    Some(format!("{{{}}}\n", members.join(",")))
}

/// A compaction's own keys.
pub(in crate::format) fn compaction(new: &Compaction) -> String {
    let tokens = new.tokens_before.unwrap_or_default();
    let members = [
        ("summary", Some(json::spelt(&new.summary))),
        ("firstKeptEntryId", new.keep_from.as_ref().map(|id| json::spelt(id))),
        ("tokensBefore", Some(tokens.to_string())),
        ("details", new.details.as_ref().map(ToString::to_string)),
    ];
    let said = members.into_iter().filter_map(|(key, value)| Some((key, value?)));
    let said: Vec<String> = said.map(|(key, value)| format!("\"{key}\":{value}")).collect();
    format!("{{{}}}", said.join(","))
}

/// The line of an entry of an older version in the form of version 3, with its id and
/// parent written out, otherwise unchanged.
///
/// `None` for a line that is no record.
pub(in crate::format) fn identified(
    line: &[u8],
    id: &str,
    parent_id: Option<&str>,
) -> Option<String> {
    let (value, _) = json::scan(line).ok()?;
    let by_position = super::parse::kept_index(value.get("firstKeptEntryIndex"))
        .map(|n| json::spelt(&format!("message:{n}")));
    let mut said = vec![
        ("id", json::spelt(id)),
        ("parentId", parent_id.map_or("null".to_owned(), json::spelt)),
    ];
    said.extend(by_position.map(|first_kept| ("firstKeptEntryId", first_kept)));
    let mut members = Vec::new();
    for (key, value) in json::distinct_members(value) {
        let key = key.text();
        if key == "firstKeptEntryIndex" {
            continue;
        }
        // An existing key keeps its position.
        let value = match said.iter().position(|(name, _)| *name == key) {
            Some(n) => said.remove(n).1,
            None => migrated(&key, value),
        };
        members.push(format!("{}:{value}", json::spelt(&key)));
    }
    members.extend(said.into_iter().map(|(name, value)| format!("\"{name}\":{value}")));
    Some(format!("{{{}}}\n", members.join(",")))
}

/// The line of an entry with another parent, and another entry that a compaction
/// keeps from, otherwise unchanged.
pub(in crate::format) fn relinked(
    line: &[u8],
    parent_id: Option<&str>,
    first_kept: Option<&str>,
) -> Option<String> {
    let (value, _) = json::scan(line).ok()?;
    let parent_id = parent_id.map_or("null".to_owned(), json::spelt);
    let mut has_parent = false;
    let mut members: Vec<String> = json::distinct_members(value)
        .into_iter()
        .map(|(key, value)| {
            let is_parent = key.is("parentId");
            has_parent |= is_parent;
            let value = match first_kept {
                _ if is_parent => parent_id.clone(),
                Some(first_kept) if key.is("firstKeptEntryId") => json::spelt(first_kept),
                _ => json::compact(value),
            };
            format!("{}:{value}", json::spelt(&key.text()))
        })
        .collect();
    if !has_parent {
        members.push(format!("\"parentId\":{parent_id}"));
    }
    Some(format!("{{{}}}\n", members.join(",")))
}

/// Some roles of version 2 have other names in version 3.
fn migrated(key: &str, value: Raw<'_>) -> String {
    let is_hook = string(value.get("role")).as_deref() == Some("hookMessage");
    if key != "message" || value.kind() != Kind::Object || !is_hook {
        return json::compact(value);
    }
    let members: Vec<String> = json::distinct_members(value)
        .into_iter()
        .map(|(key, value)| {
            let value = if key.is("role") { "\"custom\"".to_owned() } else { json::compact(value) };
            format!("{}:{value}", json::spelt(&key.text()))
        })
        .collect();
    format!("{{{}}}", members.join(","))
}

/// Three decimals, truncated rather than rounded.
pub(super) fn stamp(at: Timestamp) -> String {
    Timestamp(at.0.div_euclid(1_000_000) * 1_000_000).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_extensions_write_has_the_base_last() {
        let line = |entry_type| {
            let draft = Draft::Fields { entry_type, id: "a", parent_id: None, fields: "{\"x\":1}" };
            serialise(&draft, Timestamp(0)).unwrap()
        };
        let base = r#""id":"a","parentId":null,"timestamp":"1970-01-01T00:00:00.000Z""#;
        assert_eq!(line("custom"), format!("{{\"type\":\"custom\",\"x\":1,{base}}}\n"));
        assert_eq!(line("usage"), format!("{{\"type\":\"usage\",{base},\"x\":1}}\n"));
    }

    #[test]
    fn an_entry_of_version_1_gets_the_keys_it_lacks_at_the_end() {
        let line =
            br#"{"type":"compaction","summary":"s","firstKeptEntryIndex":2,"tokensBefore":5}"#;
        assert_eq!(
            identified(line, "message:3", Some("message:2")).unwrap(),
            "{\"type\":\"compaction\",\"summary\":\"s\",\"tokensBefore\":5,\"id\":\"message:3\",\
             \"parentId\":\"message:2\",\"firstKeptEntryId\":\"message:1\"}\n"
        );
        let line = br#"{"type":"custom","id":"a","parentId":"x","data":1}"#;
        assert_eq!(
            identified(line, "a", None).unwrap(),
            "{\"type\":\"custom\",\"id\":\"a\",\"parentId\":null,\"data\":1}\n"
        );
    }
}
