//! What a call gives, each value as it was spelt.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use sessile::{Format, SessionKey, Timestamp};

use crate::Failure;

/// Named parameters; null counts as absent unless a method says otherwise.
pub(crate) struct Params<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Params<'a> {
    pub(crate) fn read(text: &'a str) -> Result<Self, Failure> {
        let read = serde_json::from_str(text).map(Self);
        read.map_err(|err| Failure::argument(format!("no object of parameters: {err}")))
    }

    /// The JSON of a parameter, be it null.
    pub(crate) fn value(&self, name: &str) -> Result<&'a str, Failure> {
        let found = self.0.get(name).map(|raw| raw.get());
        found.ok_or_else(|| Failure::argument(format!("{name} is missing")))
    }

    pub(crate) fn raw(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|raw| raw.get()).filter(|raw| *raw != "null")
    }

    pub(crate) fn get<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, Failure> {
        let refuse = |err| Failure::argument(format!("{name}: {err}"));
        self.raw(name).map(|raw| serde_json::from_str(raw).map_err(refuse)).transpose()
    }

    pub(crate) fn required<T: Deserialize<'a>>(&self, name: &str) -> Result<T, Failure> {
        self.get(name)?.ok_or_else(|| Failure::argument(format!("{name} is missing")))
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Failure> {
        self.get(name)
    }

    pub(crate) fn is_set(&self, name: &str) -> Result<bool, Failure> {
        Ok(self.get(name)?.unwrap_or(false))
    }

    /// One text, or several.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, Failure> {
        match self.raw(name) {
            Some(raw) if raw.starts_with('[') => self.required(name),
            _ => Ok(self.text(name)?.into_iter().collect()),
        }
    }

    /// What sessions are asked to be said of, each value as it was spelt.
    pub(crate) fn metadata(&self) -> Result<BTreeMap<String, &'a RawValue>, Failure> {
        Ok(self.get("metadata")?.unwrap_or_default())
    }

    /// Refuses two that contradict each other, because one of them would be ignored.
    /// What is null or false says nothing, but null is an entry: none.
    pub(crate) fn refuse_contradictions(&self) -> Result<(), Failure> {
        let says = |name: &str| match self.0.get(name).map(|raw| raw.get()) {
            None | Some("false") => false,
            Some("null") => matches!(name, "expect_leaf" | "parent"),
            Some(_) => true,
        };
        for one in self.0.keys().filter(|name| says(name)) {
            if let Some(other) = apart_from(one).iter().find(|other| says(other)) {
                return Err(Failure::argument(format!("give {one} or {other}, not both")));
            }
        }
        Ok(())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn format(&self) -> Result<Option<Format>, Failure> {
        let Some(name) = self.text("format")? else { return Ok(None) };
        let names: Vec<_> = Format::ALL.iter().map(|format| format.name()).collect();
        let refuse = || Failure::argument(format!("format: {name:?}; it is one of {names:?}"));
        Format::from_name(&name).map(Some).ok_or_else(refuse)
    }

    /// The time that a call gives, else now.
    pub(crate) fn now(&self) -> Result<Timestamp, Failure> {
        Ok(self.get("at")?.unwrap_or_else(Timestamp::now))
    }
}

/// Those that a parameter contradicts.
fn apart_from(name: &str) -> &'static [&'static str] {
    match name {
        "expect_leaf" => &["parent"],
        "turn" => &["entry_id"],
        "file" => &["id", "work_dir"],
        "fixed" => &["regex"],
        "record" => &[
            "summary",
            "keep_from",
            "tokens_before",
            "details",
            "provider",
            "model",
            "reasoning_effort",
            "parent_id",
            "parent_path",
        ],
        _ => &[],
    }
}

/// The session of a number, as lists give it.
pub(crate) fn key(number: i64) -> Result<SessionKey, Failure> {
    serde_json::from_value(number.into()).map_err(|err| Failure::argument(err.to_string()))
}
