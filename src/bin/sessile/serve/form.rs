//! Filter forms, which request the page again with the choices.

use sessile::Format;

use super::request::{Request, encoded};
use crate::html::escape::text;

/// How long ago, as a parameter value and as text.
pub(super) const SINCE: &[(&str, &str)] = &[
    ("", "Any time"),
    ("1d", "Last day"),
    ("1w", "Last week"),
    ("30d", "Last 30 days"),
    ("90d", "Last 90 days"),
    ("1y", "Last year"),
];

pub(super) fn form(to: &str, fields: &str) -> String {
    format!("<form method=\"get\" action=\"{to}\">\n{fields}<button>Show</button>\n</form>\n")
}

/// A text field for a search.
pub(super) fn search(request: &Request, name: &str) -> String {
    field(request, ("search", "q"), name)
}

pub(super) fn text_field(request: &Request, key: &str, name: &str) -> String {
    field(request, ("text", key), name)
}

fn field(request: &Request, (kind, key): (&str, &str), name: &str) -> String {
    let (value, name) = (text(request.get(key).unwrap_or_default()), text(name));
    format!(
        "<input type=\"{kind}\" name=\"{key}\" value=\"{value}\" placeholder=\"{name}\" aria-label=\"{name}\">\n"
    )
}

pub(super) fn check(request: &Request, key: &str, name: &str) -> String {
    let checked = if request.get(key).is_some() { " checked" } else { "" };
    format!("<label><input type=\"checkbox\" name=\"{key}\" value=\"1\"{checked}> {name}</label>\n")
}

/// A choice of several; the first is the default.
pub(super) fn select(request: &Request, key: &str, all: &[(&str, &str)]) -> String {
    let chosen = request.get(key).unwrap_or_default();
    let options = all.iter().map(|(value, name)| {
        let selected = if *value == chosen { " selected" } else { "" };
        format!("<option value=\"{value}\"{selected}>{name}</option>")
    });
    format!(
        "<select name=\"{key}\" aria-label=\"{key}\">{}</select>\n",
        options.collect::<String>()
    )
}

pub(super) fn formats(request: &Request) -> String {
    let names = Format::ALL.iter().map(|format| (format.name(), format.name()));
    let all: Vec<(&str, &str)> = [("", "Every program")].into_iter().chain(names).collect();
    select(request, "format", &all)
}

pub(super) fn format(request: &Request) -> Option<Format> {
    request.get("format").and_then(Format::from_name)
}

/// The query string of a request with another value of one parameter.
pub(super) fn with(request: &Request, key: &str, value: &str) -> String {
    let others = request.query.iter().filter(|(name, value)| name != key && !value.is_empty());
    let mut pairs: Vec<String> =
        others.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    pairs.push(format!("{key}={}", encoded(value)));
    pairs.join("&")
}
