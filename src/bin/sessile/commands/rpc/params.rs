//! The parameters of a request, each as it was spelt.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Deserialize;
use serde_json::value::RawValue;
use sessile::{Error, Format, Session, Store, Timestamp};

use super::{Refusal, invalid};
use crate::args::SessionArgs;
use crate::moment::Moment;

/// Named parameters, each as it was spelt.
pub(super) struct Params<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Params<'a> {
    pub(super) fn read(raw: Option<&'a RawValue>) -> Result<Self, Refusal> {
        let Some(raw) = raw else { return Ok(Self(BTreeMap::new())) };
        serde_json::from_str(raw.get())
            .map(Self)
            .map_err(|err| invalid(format!("params must be an object: {err}")))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The JSON of a parameter; null counts as absent.
    pub(super) fn raw(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|raw| raw.get()).filter(|raw| *raw != "null")
    }

    pub(super) fn required_raw(&self, name: &str) -> Result<&'a str, Refusal> {
        self.raw(name).ok_or_else(|| invalid(format!("{name} is missing")))
    }

    pub(super) fn get<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, Refusal> {
        self.raw(name)
            .map(|raw| serde_json::from_str(raw).map_err(|err| invalid(format!("{name}: {err}"))))
            .transpose()
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        self.get(name)
    }

    /// A text, or an array of texts.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, Refusal> {
        match self.raw(name) {
            Some(raw) if raw.starts_with('[') => self.required(name),
            _ => Ok(self.text(name)?.into_iter().collect()),
        }
    }

    /// The selection of sessions, as on the command line.
    pub(super) fn sessions(&self) -> Result<SessionArgs, Refusal> {
        let format = match self.text("format")? {
            None => None,
            Some(name) => Some(
                Format::from_name(&name)
                    .ok_or_else(|| invalid("format: there is none of this name"))?,
            ),
        };
        let metadata = self.get::<BTreeMap<String, &RawValue>>("metadata")?.unwrap_or_default();
        Ok(SessionArgs {
            work_dir: self.text("work_dir")?,
            format,
            origin: self.text("origin")?,
            tags: self.texts("tags")?,
            metadata: metadata.into_iter().map(|(key, json)| (key, json.to_string())).collect(),
        })
    }

    /// The beginning and the end of a span of time.
    pub(super) fn span(&self) -> Result<(Option<Moment>, Option<Moment>), Refusal> {
        let moment = |name: &str, read: fn(&str) -> Result<Moment, String>| {
            let Some(text) = self.text(name)? else { return Ok(None) };
            read(&text).map(Some).map_err(|err| invalid(format!("{name}: {err}")))
        };
        Ok((moment("since", Moment::since)?, moment("until", Moment::until)?))
    }

    /// The place after which a page begins.
    pub(super) fn place<T: FromStr<Err = Error>>(&self) -> Result<Option<T>, Refusal> {
        let Some(text) = self.text("after")? else { return Ok(None) };
        text.parse().map(Some).map_err(|err| invalid(format!("after: {err}")))
    }

    pub(super) fn required_text(&self, name: &str) -> Result<String, Refusal> {
        self.text(name)?.ok_or_else(|| invalid(format!("{name} is missing")))
    }

    /// A required value of any type.
    pub(super) fn required<T: Deserialize<'a>>(&self, name: &str) -> Result<T, Refusal> {
        self.get(name)?.ok_or_else(|| invalid(format!("{name} is missing")))
    }

    /// The values of an object by key, each as it was spelt.
    pub(super) fn raw_values(&self, name: &str) -> Result<BTreeMap<String, &'a str>, Refusal> {
        let values: BTreeMap<String, &'a RawValue> = self.required(name)?;
        Ok(values.into_iter().map(|(key, value)| (key, value.get())).collect())
    }

    pub(super) fn time(&self) -> Result<Option<Timestamp>, Refusal> {
        let Some(text) = self.text("at")? else { return Ok(None) };
        Timestamp::parse(&text)
            .map(Some)
            .ok_or_else(|| invalid("at: an RFC 3339 time was expected"))
    }

    /// A handle for reading the session, as it is or as of the generation in the
    /// request. All reads see one state.
    pub(super) fn read_session(&self, store: &Store) -> Result<Session, Refusal> {
        let session = store.snapshot()?.find(&self.required_text("session")?)?;
        match self.get("generation")? {
            Some(generation) => {
                Ok(store.earlier(session.key(), generation)?.session(session.key())?)
            }
            None => Ok(session),
        }
    }

    /// A handle with the time, id and leaf in the request.
    pub(super) fn session(&self, store: &Store) -> Result<Session, Refusal> {
        let mut session = store.find(&self.required_text("session")?)?;
        if let Some(time) = self.time()? {
            session = session.at(time);
        }
        if let Some(id) = self.text("id")? {
            session = session.with_id(&id);
        }
        // Here null is a value: no entry is active.
        if self.spelt("expect_leaf").is_some() {
            session = session.expecting(self.text_or_null("expect_leaf")?.as_deref());
        }
        if self.spelt("parent").is_some() {
            session = session.branching_from(self.text_or_null("parent")?.as_deref());
        }
        Ok(session)
    }

    /// A required text, or null if it is said.
    pub(super) fn text_or_null(&self, name: &str) -> Result<Option<String>, Refusal> {
        serde_json::from_str(self.value(name)?).map_err(|err| invalid(format!("{name}: {err}")))
    }

    /// The JSON of a parameter, if the request has it.
    pub(super) fn spelt(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|raw| raw.get())
    }

    /// The JSON of a required parameter for which null is a value.
    pub(super) fn value(&self, name: &str) -> Result<&'a str, Refusal> {
        self.spelt(name).ok_or_else(|| invalid(format!("{name} is missing")))
    }

    /// The time in the request, else now.
    pub(super) fn now(&self) -> Result<Timestamp, Refusal> {
        Ok(self.time()?.unwrap_or_else(Timestamp::now))
    }
}
