//! The calls of sessile by name, with JSON in and out.
//!
//! Python and Node have JSON readers that are quicker than any object built
//! value by value across a language's border, and each has its own idea of a
//! class. So the border is one function, [`Handle::call`], and what a user sees
//! is written in the user's language.
//!
//! A handle is bound to the process that opened it: SQLite's locks and
//! connections do not survive a fork.

mod format;
mod house;
mod params;
mod session;
mod store;
mod watch;
mod write;

use std::time::Duration;

use params::Params;
pub use watch::Watcher;

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
    /// The store as a session once was, which is only read.
    Earlier(Store),
}

/// Asks a store, or one state of it, the same.
macro_rules! ask {
    ($handle:expr, $place:ident => $asked:expr) => {
        match &$handle.place {
            $crate::Place::Store($place) | $crate::Place::Earlier($place) => $asked,
            $crate::Place::Snapshot($place) => $asked,
        }
    };
}
pub(crate) use ask;

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
            Place::Snapshot(_) | Place::Earlier(_) => Ok(self.clone()),
        }
    }

    /// The state that one session was in as of a generation of its file.
    ///
    /// # Errors
    ///
    /// The library's.
    pub fn earlier(&self, session: i64, generation: i64) -> Result<Self, Failure> {
        self.require_process()?;
        let earlier = self.store()?.earlier(params::key(session)?, generation)?;
        Ok(Self::of(Place::Earlier(earlier)))
    }

    /// Begins to watch the database for what anybody writes.
    ///
    /// # Errors
    ///
    /// The library's.
    pub fn watch(&self) -> Result<Watcher, Failure> {
        self.require_process()?;
        Watcher::begin(self.store()?)
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
        params.refuse_contradictions()?;
        let methods =
            [store::METHODS, house::METHODS, session::METHODS, write::METHODS, format::METHODS];
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
        Ok(self.store()?.session(params::key(session)?)?.append_lines(lines)?)
    }

    fn require_process(&self) -> Result<(), Failure> {
        require_process(self.process)
    }

    fn store(&self) -> Result<&Store, Failure> {
        match &self.place {
            Place::Store(store) => Ok(store),
            Place::Snapshot(_) | Place::Earlier(_) => {
                Err(Error::Unsupported("a snapshot is read, nothing else").into())
            }
        }
    }

    fn session_of(&self, key: SessionKey) -> Result<Session, Failure> {
        Ok(ask!(self, place => place.session(key)?))
    }

    fn session(&self, params: &Params<'_>) -> Result<Session, Failure> {
        self.session_of(params.required("session")?)
    }
}

/// SQLite's locks and connections do not survive a fork.
fn require_process(opened_by: u32) -> Result<(), Failure> {
    if opened_by == std::process::id() {
        return Ok(());
    }
    let message = "the store was opened in another process; open it again in this one";
    Err(Failure { kind: "Forked", message: message.to_owned() })
}
