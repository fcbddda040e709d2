//! state.json, and its predecessor metadata.json.
//!
//! Kimi discards the whole state because of one bad field, and permanently at the
//! next write. Here a bad field gets its default, and the others are kept.

use super::layout::Part;
use super::{lax, text, wire};
use crate::format::json::{self, Kind, Raw};
use crate::model::{ProblemKind, Stored};

/// A session's state; fields that the file lacks have Kimi's defaults.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    /// In digits, like `attempts`: integers may have any length.
    pub(crate) version: String,
    pub(crate) yolo: bool,
    pub(crate) afk: bool,
    pub(crate) auto_approve_actions: Vec<Stored>,
    pub(crate) additional_dirs: Vec<Stored>,
    pub(crate) custom_title: Option<Stored>,
    pub(crate) title_generated: bool,
    pub(crate) title_generate_attempts: String,
    pub(crate) plan_mode: bool,
    pub(crate) plan_session_id: Option<Stored>,
    pub(crate) plan_slug: Option<Stored>,
    /// Unix seconds, like the other times.
    pub(crate) wire_mtime: Option<f64>,
    pub(crate) archived: bool,
    pub(crate) archived_at: Option<f64>,
    pub(crate) auto_archive_exempt: bool,
    pub(crate) todos: Vec<Todo>,
    /// Keys that Kimi does not know, and their values as it would write them.
    pub(crate) unknown: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Todo {
    pub(crate) title: Stored,
    pub(crate) status: String,
}

impl Default for State {
    fn default() -> Self {
        Self {
            version: "1".to_owned(),
            yolo: false,
            afk: false,
            auto_approve_actions: Vec::new(),
            additional_dirs: Vec::new(),
            custom_title: None,
            title_generated: false,
            title_generate_attempts: "0".to_owned(),
            plan_mode: false,
            plan_session_id: None,
            plan_slug: None,
            wire_mtime: None,
            archived: false,
            archived_at: None,
            auto_archive_exempt: false,
            todos: Vec::new(),
            unknown: Vec::new(),
        }
    }
}

/// A state that was read.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) state: State,
    /// Each with the file that it concerns.
    pub(crate) problems: Vec<(Part<'static>, ProblemKind, String)>,
}

const STATUSES: [&str; 3] = ["pending", "in_progress", "done"];

/// Reads a state, and merges the metadata of older versions into it.
pub(crate) fn load(state: Option<&[u8]>, metadata: Option<&[u8]>) -> Loaded {
    let mut loaded = Loaded::default();
    if let Some(content) = state {
        match object(content) {
            Ok(value) => read(value, &mut loaded),
            Err((kind, detail)) => {
                let detail = format!("{detail}; Kimi continues with an empty state");
                loaded.problems.push((Part::State, kind, detail));
            }
        }
    }
    if let Some(content) = metadata {
        match object(content) {
            Ok(value) => merge(value, &mut loaded),
            Err((kind, detail)) => loaded.problems.push((Part::Metadata, kind, detail)),
        }
    }
    loaded
}

/// A document that is one JSON object, as Python reads it.
pub(super) fn object(content: &[u8]) -> Result<Raw<'_>, (ProblemKind, String)> {
    let Ok(content) = std::str::from_utf8(content) else {
        return Err((ProblemKind::InvalidUtf8, "bytes that are not UTF-8".to_owned()));
    };
    match wire::strict(content) {
        Ok((value, _)) if value.kind() == Kind::Object => Ok(value),
        Ok(_) => Err((ProblemKind::NotARecord, "JSON that is not an object".to_owned())),
        Err(detail) => Err((ProblemKind::Malformed, detail)),
    }
}

/// Whether Kimi can read a document.
pub(crate) fn is_object(content: &[u8]) -> bool {
    object(content).is_ok()
}

fn read(value: Raw<'_>, loaded: &mut Loaded) {
    let mut bad = Vec::new();
    let state = &mut loaded.state;
    for (key, value) in json::distinct_members(value) {
        let name = key.text();
        let good = match name.as_ref() {
            "version" => set(&mut state.version, lax::integer(value)),
            "approval" => read_approval(value, state),
            "additional_dirs" => set_texts(&mut state.additional_dirs, value),
            "custom_title" => set_text(&mut state.custom_title, value),
            "title_generated" => set(&mut state.title_generated, lax::boolean(value)),
            "title_generate_attempts" => {
                set(&mut state.title_generate_attempts, lax::integer(value))
            }
            "plan_mode" => set(&mut state.plan_mode, lax::boolean(value)),
            "plan_session_id" => set_text(&mut state.plan_session_id, value),
            "plan_slug" => set_text(&mut state.plan_slug, value),
            "wire_mtime" => set_time(&mut state.wire_mtime, value),
            "archived" => set(&mut state.archived, lax::boolean(value)),
            "archived_at" => set_time(&mut state.archived_at, value),
            "auto_archive_exempt" => set(&mut state.auto_archive_exempt, lax::boolean(value)),
            "todos" => read_todos(value, state),
            _ => {
                state.unknown.push((name.clone().into_owned(), pretty(value, 1)));
                true
            }
        };
        if !good {
            let is_number = lax::float(value).is_some_and(|number| !number.is_finite());
            bad.push(match name.as_ref() {
                "wire_mtime" | "archived_at" if is_number => format!("{name} is NaN or infinite"),
                _ => format!(
                    "{name:.60} has a value that Kimi rejects, and Kimi then drops the whole \
                     state"
                ),
            });
        }
    }
    for detail in bad {
        loaded.problems.push((Part::State, ProblemKind::Unreadable, detail));
    }
}

fn set<T>(field: &mut T, value: Option<T>) -> bool {
    let is_valid = value.is_some();
    if let Some(value) = value {
        *field = value;
    }
    is_valid
}

fn set_text(field: &mut Option<Stored>, value: Raw<'_>) -> bool {
    *field = text::stored_string(value);
    matches!(value.kind(), Kind::String | Kind::Null)
}

/// A time that is out of range counts as absent.
fn set_time(field: &mut Option<f64>, value: Raw<'_>) -> bool {
    *field = lax::float(value).filter(|time| time.is_finite());
    field.is_some() || value.kind() == Kind::Null
}

fn set_texts(field: &mut Vec<Stored>, value: Raw<'_>) -> bool {
    let items: Vec<Raw<'_>> = value.items().collect();
    *field = items.iter().filter_map(|item| text::stored_string(*item)).collect();
    value.kind() == Kind::Array && field.len() == items.len()
}

fn read_approval(value: Raw<'_>, state: &mut State) -> bool {
    let boolean = |key: &str, field: &mut bool| {
        value.get(key).is_none_or(|value| set(field, lax::boolean(value)))
    };
    let yolo = boolean("yolo", &mut state.yolo);
    let afk = boolean("afk", &mut state.afk);
    let actions = value
        .get("auto_approve_actions")
        .is_none_or(|actions| set_texts(&mut state.auto_approve_actions, actions));
    // It is a set; the first of equal elements is kept.
    let mut seen = Vec::new();
    state.auto_approve_actions.retain(|action| {
        let is_new = !seen.contains(action);
        if is_new {
            seen.push(action.clone());
        }
        is_new
    });
    value.kind() == Kind::Object && yolo && afk && actions
}

fn read_todos(value: Raw<'_>, state: &mut State) -> bool {
    let mut good = value.kind() == Kind::Array;
    for item in value.items() {
        let title = item.get("title").and_then(text::stored_string);
        let status = item.get("status").and_then(Raw::string);
        match (title, status.filter(|status| STATUSES.contains(&status.as_ref()))) {
            (Some(title), Some(status)) => {
                state.todos.push(Todo { title, status: status.into_owned() });
            }
            _ => good = false,
        }
    }
    good
}

/// Merges legacy metadata as Kimi does when it migrates.
fn merge(value: Raw<'_>, loaded: &mut Loaded) {
    let state = &mut loaded.state;
    let mut bad = Vec::new();
    let mut given = |key: &'static str, good: &mut dyn FnMut(Raw<'_>) -> bool| {
        if value.get(key).is_some_and(|value| value.kind() != Kind::Null && !good(value)) {
            bad.push(key);
        }
    };
    given("title", &mut |value| {
        let title = text::stored_string(value)
            .filter(|title| !matches!(title.to_text().as_str(), "" | "Untitled"));
        if state.custom_title.is_none() {
            state.custom_title = title;
        }
        value.kind() == Kind::String
    });
    for (key, field) in [
        ("title_generated", &mut state.title_generated),
        ("archived", &mut state.archived),
        ("auto_archive_exempt", &mut state.auto_archive_exempt),
    ] {
        given(key, &mut |value| {
            // Kimi tests truthiness, so `"no"` sets the flag.
            *field |= wire::is_true(value);
            lax::boolean(value).is_some()
        });
    }
    given("title_generate_attempts", &mut |value| {
        let attempts = lax::integer(value);
        let is_positive = |digits: &&String| !digits.starts_with('-') && *digits != "0";
        if state.title_generate_attempts == "0"
            && let Some(attempts) = attempts.as_ref().filter(is_positive)
        {
            state.title_generate_attempts.clone_from(attempts);
        }
        attempts.is_some()
    });
    for (key, field) in
        [("archived_at", &mut state.archived_at), ("wire_mtime", &mut state.wire_mtime)]
    {
        given(key, &mut |value| {
            let mut time = None;
            let good = set_time(&mut time, value);
            *field = field.or(time);
            good
        });
    }
    for key in bad {
        let detail = format!("{key} has a value that Kimi copies into the state and then fails on");
        loaded.problems.push((Part::Metadata, ProblemKind::Unreadable, detail));
    }
}

impl State {
    /// All fields that Kimi knows, as one JSON object.
    pub(crate) fn to_json(&self) -> String {
        // Kimi's spelling is JSON. Unknown keys are not part of the state.
        let known = Self { unknown: Vec::new(), ..self.clone() };
        let written = known.write();
        json::scan(written.as_bytes()).map(|(value, _)| json::compact(value)).unwrap_or(written)
    }

    /// The file as Kimi writes it, with unknown keys last.
    pub(crate) fn write(&self) -> String {
        let boolean = |flag: bool| flag.to_string();
        let text =
            |value: &Option<Stored>| value.as_ref().map_or("null".to_owned(), Stored::to_json);
        let time = |value: Option<f64>| value.map_or("null".to_owned(), float);
        let texts = |values: &[Stored], depth| {
            array(&values.iter().map(Stored::to_json).collect::<Vec<_>>(), depth)
        };
        let approval = [
            ("yolo", boolean(self.yolo)),
            ("afk", boolean(self.afk)),
            ("auto_approve_actions", texts(&self.auto_approve_actions, 2)),
        ];
        let todos: Vec<String> = self
            .todos
            .iter()
            .map(|todo| {
                let members =
                    [("title", todo.title.to_json()), ("status", json::spelt(&todo.status))];
                object_of(&members, 2)
            })
            .collect();
        let mut members = vec![
            ("version", self.version.clone()),
            ("approval", object_of(&approval, 1)),
            ("additional_dirs", texts(&self.additional_dirs, 1)),
            ("custom_title", text(&self.custom_title)),
            ("title_generated", boolean(self.title_generated)),
            ("title_generate_attempts", self.title_generate_attempts.clone()),
            ("plan_mode", boolean(self.plan_mode)),
            ("plan_session_id", text(&self.plan_session_id)),
            ("plan_slug", text(&self.plan_slug)),
            ("wire_mtime", time(self.wire_mtime)),
            ("archived", boolean(self.archived)),
            ("archived_at", time(self.archived_at)),
            ("auto_archive_exempt", boolean(self.auto_archive_exempt)),
            ("todos", array(&todos, 1)),
        ];
        members.extend(self.unknown.iter().map(|(key, value)| (key.as_str(), value.clone())));
        object_of(&members, 0)
    }
}

/// An object with indentation, one member per line.
fn object_of(members: &[(&str, String)], depth: usize) -> String {
    let members: Vec<String> =
        members.iter().map(|(key, value)| format!("{}: {value}", json::spelt(key))).collect();
    lines('{', &members, '}', depth)
}

fn array(items: &[String], depth: usize) -> String {
    lines('[', items, ']', depth)
}

fn lines(open: char, items: &[String], close: char, depth: usize) -> String {
    if items.is_empty() {
        return format!("{open}{close}");
    }
    let outer = "  ".repeat(depth);
    let items: Vec<String> = items.iter().map(|item| format!("\n{outer}  {item}")).collect();
    format!("{open}{}\n{outer}{close}", items.join(","))
}

/// A value as Python's json writes it with an indent of two.
fn pretty(value: Raw<'_>, depth: usize) -> String {
    match value.kind() {
        // The bound prevents a stack overflow.
        _ if 200 < depth => json::clean(value, "null"),
        Kind::Object => {
            let members: Vec<(String, String)> = json::distinct_members(value)
                .into_iter()
                .map(|(key, value)| (key.text().into_owned(), pretty(value, depth + 1)))
                .collect();
            let members: Vec<(&str, String)> =
                members.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
            object_of(&members, depth)
        }
        Kind::Array => {
            let items: Vec<String> = value.items().map(|item| pretty(item, depth + 1)).collect();
            array(&items, depth)
        }
        _ => json::clean(value, "null"),
    }
}

/// A number as Python spells it.
pub(crate) fn float(number: f64) -> String {
    if number == 0.0 {
        return if number.is_sign_negative() { "-0.0" } else { "0.0" }.to_owned();
    }
    let shortest = format!("{number:e}");
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..16).contains(&exponent) {
        let plain = format!("{number}");
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(content: &str) -> (State, Vec<String>) {
        let loaded = load(Some(content.as_bytes()), None);
        (loaded.state, loaded.problems.into_iter().map(|(.., detail)| detail).collect())
    }

    #[test]
    fn one_bad_field_leaves_the_others_as_they_are() {
        let (state, problems) = state(
            r#"{"custom_title":"precious","title_generate_attempts":"three","archived":"YES",
                "todos":[{"title":"a","status":"blocked"},{"title":"b","status":"done"}]}"#,
        );

        assert_eq!(state.custom_title, Some(Stored::Text("precious".to_owned())));
        assert!(state.archived);
        assert_eq!(state.title_generate_attempts, "0");
        assert_eq!(state.todos.len(), 1);
        assert_eq!(problems.len(), 2);
    }

    #[test]
    fn metadata_adds_what_the_state_does_not_say() {
        let metadata =
            br#"{"title":"meta","archived":true,"archived_at":5.0,"title_generate_attempts":null}"#;
        let loaded = load(Some(br#"{"custom_title":"state"}"#), Some(metadata));

        assert_eq!(loaded.state.custom_title, Some(Stored::Text("state".to_owned())));
        assert_eq!((loaded.state.archived, loaded.state.archived_at), (true, Some(5.0)));
        assert!(loaded.problems.is_empty());
        let loaded = load(None, Some(br#"{"title":"Untitled","archived":[]}"#));
        assert_eq!(loaded.state.custom_title, None);
        assert_eq!(loaded.problems.len(), 1);
    }

    #[test]
    fn a_state_is_written_as_kimi_writes_it() {
        let (state, _) = state(
            r#"{"todos":[{"title":"t","status":"done"}],"archived_at":1783900801,"x":{"a":[1]},
                "custom_title":"\ud83d h\u00e9","approval":{"auto_approve_actions":["run"]}}"#,
        );

        let expected = r#"{
  "version": 1,
  "approval": {
    "yolo": false,
    "afk": false,
    "auto_approve_actions": [
      "run"
    ]
  },
  "additional_dirs": [],
  "custom_title": "\ud83d hé",
  "title_generated": false,
  "title_generate_attempts": 0,
  "plan_mode": false,
  "plan_session_id": null,
  "plan_slug": null,
  "wire_mtime": null,
  "archived": false,
  "archived_at": 1783900801.0,
  "auto_archive_exempt": false,
  "todos": [
    {
      "title": "t",
      "status": "done"
    }
  ],
  "x": {
    "a": [
      1
    ]
  }
}"#;
        assert_eq!(state.write(), expected);
        assert!(state.to_json().ends_with(r#""todos":[{"title":"t","status":"done"}]}"#));
    }

    #[test]
    fn numbers_are_spelt_as_python_spells_them() {
        for (number, expected) in [
            (1.0, "1.0"),
            (1784000000.123457, "1784000000.123457"),
            (1e16, "1e+16"),
            (1e22, "1e+22"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (-0.0, "-0.0"),
        ] {
            assert_eq!(float(number), expected);
        }
    }
}
