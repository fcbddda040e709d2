//! The calls of sessile by name, with JSON in and out.
//!
//! Python and Node have JSON readers that are quicker than any object built
//! value by value across a language's border, and each has its own idea of a
//! class. So the border is one function, [`Handle::call`], and what a user sees
//! is written in the user's language.
//!
//! A handle is bound to the process that opened it: SQLite's locks and
//! connections do not survive a fork.

mod params;
mod session;
mod store;
mod write;

use std::time::Duration;

use params::Params;
use sessile::{Durability, Error, Session, SessionKey, Snapshot, Store, StoreOptions};

/// The JSON of a result, or why there is none.
pub type Answer = Result<String, Failure>;

/// Why a call failed: the name of the error, and what to tell a person.
#[derive(Debug)]
pub struct Failure {
    /// The name of the library's error, or `Argument`, `Closed`, `Forked`.
    pub kind: &'static str,
    /// What happened, with its causes.
    pub message: String,
}

impl Failure {
    fn argument(message: impl Into<String>) -> Self {
        Self { kind: "Argument", message: message.into() }
    }
}

impl From<Error> for Failure {
    fn from(err: Error) -> Self {
        let mut message = err.to_string();
        let mut cause = std::error::Error::source(&err);
        while let Some(err) = cause {
            message = format!("{message}: {err}");
            cause = err.source();
        }
        Self { kind: err.kind(), message }
    }
}

/// An open store, or one state of it.
#[derive(Clone, Debug)]
pub struct Handle {
    place: Place,
    process: u32,
}

#[derive(Clone, Debug)]
enum Place {
    Store(Store),
    Snapshot(Snapshot),
}

/// A method by its name.
type Method = (&'static str, fn(&Handle, &Params<'_>) -> Answer);

impl Handle {
    /// Opens a database by `path`, `create`, `read_only`, `busy_timeout` (seconds),
    /// `pool_size`, `durability` (`full`, `normal`).
    ///
    /// # Errors
    ///
    /// The library's, and `Argument` for parameters that are none.
    pub fn open(params: &str) -> Result<Self, Failure> {
        let params = Params::read(params)?;
        let mut options = StoreOptions::new();
        if let Some(create) = params.get("create")? {
            options = options.create(create);
        }
        if let Some(read_only) = params.get("read_only")? {
            options = options.read_only(read_only);
        }
        if let Some(seconds) = params.get::<f64>("busy_timeout")? {
            let timeout = Duration::try_from_secs_f64(seconds);
            let timeout =
                timeout.map_err(|err| Failure::argument(format!("busy_timeout: {err}")))?;
            options = options.busy_timeout(timeout);
        }
        if let Some(connections) = params.get("pool_size")? {
            options = options.pool_size(connections);
        }
        match params.text("durability")?.as_deref() {
            None | Some("full") => {}
            Some("normal") => options = options.durability(Durability::Normal),
            Some(other) => {
                let message = format!("durability: {other:?}; it is \"full\" or \"normal\"");
                return Err(Failure::argument(message));
            }
        }
        Ok(Self::of(Place::Store(options.open(params.required::<String>("path")?)?)))
    }

    fn of(place: Place) -> Self {
        Self { place, process: std::process::id() }
    }

    /// The state that the database is in now.
    ///
    /// # Errors
    ///
    /// The library's.
    pub fn snapshot(&self) -> Result<Self, Failure> {
        self.require_process()?;
        match &self.place {
            Place::Store(store) => Ok(Self::of(Place::Snapshot(store.snapshot()?))),
            Place::Snapshot(_) => Ok(self.clone()),
        }
    }

    /// Calls a method of the store or of one of its sessions, which `session` names
    /// by its key.
    ///
    /// # Errors
    ///
    /// The library's; `Argument` for a method or parameters that are none.
    pub fn call(&self, method: &str, params: &str) -> Answer {
        self.require_process()?;
        let params = Params::read(params)?;
        let methods = [store::METHODS, session::METHODS, write::METHODS];
        let found = methods.into_iter().flatten().find(|(name, _)| *name == method);
        let (_, call) =
            found.ok_or_else(|| Failure::argument(format!("there is no method {method:?}")))?;
        call(self, &params)
    }

    /// The lines of a session's file behind the first `after`, each with its terminator.
    ///
    /// # Errors
    ///
    /// The library's.
    pub fn lines(&self, session: i64, after: u32) -> Result<Vec<Vec<u8>>, Failure> {
        self.require_process()?;
        Ok(self.session_of(params::key(session)?)?.lines(after)?)
    }

    /// Adds lines as they are, and returns the number of each.
    ///
    /// # Errors
    ///
    /// The library's.
    pub fn append_lines<L: AsRef<[u8]>>(
        &self,
        session: i64,
        lines: &[L],
    ) -> Result<Vec<u32>, Failure> {
        self.require_process()?;
        Ok(self.session_of(params::key(session)?)?.append_lines(lines)?)
    }

    fn require_process(&self) -> Result<(), Failure> {
        if self.process == std::process::id() {
            return Ok(());
        }
        let message = "the store was opened in another process; open it again in this one";
        Err(Failure { kind: "Forked", message: message.to_owned() })
    }

    fn store(&self) -> Result<&Store, Failure> {
        match &self.place {
            Place::Store(store) => Ok(store),
            Place::Snapshot(_) => {
                Err(Error::Unsupported("a snapshot is read, nothing else").into())
            }
        }
    }

    fn session_of(&self, key: SessionKey) -> Result<Session, Failure> {
        Ok(match &self.place {
            Place::Store(store) => store.session(key)?,
            Place::Snapshot(snapshot) => snapshot.session(key)?,
        })
    }

    fn session(&self, params: &Params<'_>) -> Result<Session, Failure> {
        self.session_of(params.required("session")?)
    }
}
