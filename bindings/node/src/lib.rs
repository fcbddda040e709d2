//! The border to Node: calls by name on a thread of the pool, JSON in and out.
//! What a user sees is the package around it.

// The macros of napi-rs write code that this lint would refuse.
#![allow(unsafe_code)]

use std::sync::{Arc, Mutex, PoisonError};

use napi::bindgen_prelude::{AsyncTask, Buffer};
use napi::{Env, Result, Task};
use napi_derive::napi;
use sessile_calls::{Answer, Failure, Handle, Watcher};

/// An open store, or one state of it.
#[napi]
pub struct Native(Mutex<Option<Handle>>);

/// A call that runs on a thread of the pool.
pub struct Call {
    handle: Option<Handle>,
    method: String,
    params: String,
}

impl Task for Call {
    type Output = String;
    type JsValue = String;

    fn compute(&mut self) -> Result<String> {
        Ok(reply(held(self.handle.as_ref()).and_then(|at| at.call(&self.method, &self.params))))
    }

    fn resolve(&mut self, _: Env, reply: String) -> Result<String> {
        Ok(reply)
    }
}

/// Opens a store on a thread of the pool.
pub struct Open(String);

impl Task for Open {
    type Output = std::result::Result<Handle, Failure>;
    type JsValue = Opened;

    fn compute(&mut self) -> Result<Self::Output> {
        Ok(Handle::open(&self.0))
    }

    fn resolve(&mut self, _: Env, opened: Self::Output) -> Result<Opened> {
        Ok(Opened::of(opened))
    }
}

/// Takes hold of a state on a thread of the pool: the one of now, or of a session's generation.
pub struct Hold {
    handle: Option<Handle>,
    earlier: Option<(i64, i64)>,
}

impl Task for Hold {
    type Output = std::result::Result<Handle, Failure>;
    type JsValue = Opened;

    fn compute(&mut self) -> Result<Self::Output> {
        Ok(held(self.handle.as_ref()).and_then(|handle| match self.earlier {
            Some((session, generation)) => handle.earlier(session, generation),
            None => handle.snapshot(),
        }))
    }

    fn resolve(&mut self, _: Env, opened: Self::Output) -> Result<Opened> {
        Ok(Opened::of(opened))
    }
}

/// Begins to watch on a thread of the pool.
pub struct Begin(Option<Handle>);

impl Task for Begin {
    type Output = std::result::Result<Watcher, Failure>;
    type JsValue = Watched;

    fn compute(&mut self) -> Result<Self::Output> {
        Ok(held(self.0.as_ref()).and_then(Handle::watch))
    }

    fn resolve(&mut self, _: Env, begun: Self::Output) -> Result<Watched> {
        Ok(match begun {
            Ok(watch) => Watched { watch: Mutex::new(Some(Arc::new(watch))), failure: None },
            Err(failure) => Watched { watch: Mutex::new(None), failure: Some(reply(Err(failure))) },
        })
    }
}

/// Asks a watch on a thread of the pool.
pub struct Look(Option<Arc<Watcher>>);

impl Task for Look {
    type Output = String;
    type JsValue = String;

    fn compute(&mut self) -> Result<String> {
        let changed = self.0.as_ref().map_or_else(|| Err(closed()), |watch| watch.changed());
        Ok(reply(changed.map(|changed| changed.to_string())))
    }

    fn resolve(&mut self, _: Env, reply: String) -> Result<String> {
        Ok(reply)
    }
}

/// Reads the lines of a session on a thread of the pool.
pub struct Lines {
    handle: Option<Handle>,
    session: i64,
    after: u32,
}

impl Task for Lines {
    type Output = std::result::Result<Vec<Vec<u8>>, Failure>;
    type JsValue = Read;

    fn compute(&mut self) -> Result<Self::Output> {
        let handle = held(self.handle.as_ref());
        Ok(handle.and_then(|handle| handle.lines(self.session, self.after)))
    }

    fn resolve(&mut self, _: Env, lines: Self::Output) -> Result<Read> {
        Ok(match lines {
            Ok(lines) => Read { lines: Some(lines), failure: None },
            Err(failure) => Read { lines: None, failure: Some(reply(Err(failure))) },
        })
    }
}

/// Adds lines to a session on a thread of the pool.
pub struct AppendLines {
    handle: Option<Handle>,
    session: i64,
    lines: Vec<Vec<u8>>,
}

impl Task for AppendLines {
    type Output = String;
    type JsValue = String;

    fn compute(&mut self) -> Result<String> {
        let handle = held(self.handle.as_ref());
        let numbers = handle.and_then(|handle| handle.append_lines(self.session, &self.lines));
        Ok(reply(numbers.map(|numbers| serde_json::json!(numbers).to_string())))
    }

    fn resolve(&mut self, _: Env, reply: String) -> Result<String> {
        Ok(reply)
    }
}

/// Lines, or why there are none.
#[napi]
pub struct Read {
    lines: Option<Vec<Vec<u8>>>,
    failure: Option<String>,
}

#[napi]
impl Read {
    /// What failed, as a call says it.
    #[napi(getter)]
    pub fn failure(&self) -> Option<String> {
        self.failure.clone()
    }

    /// The lines, once.
    #[napi]
    pub fn take(&mut self) -> Vec<Buffer> {
        self.lines.take().unwrap_or_default().into_iter().map(Buffer::from).collect()
    }
}

/// A watch over the database of a store, or why there is none.
#[napi]
pub struct Watched {
    watch: Mutex<Option<Arc<Watcher>>>,
    failure: Option<String>,
}

#[napi]
impl Watched {
    /// What failed, as a call says it.
    #[napi(getter)]
    pub fn failure(&self) -> Option<String> {
        self.failure.clone()
    }

    #[napi]
    pub fn changed(&self) -> AsyncTask<Look> {
        AsyncTask::new(Look(self.watch.lock().unwrap_or_else(PoisonError::into_inner).clone()))
    }

    #[napi]
    pub fn close(&self) {
        drop(self.watch.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// A store, or why there is none.
#[napi]
pub struct Opened {
    native: Option<Handle>,
    failure: Option<String>,
}

#[napi]
impl Opened {
    fn of(opened: std::result::Result<Handle, Failure>) -> Self {
        match opened {
            Ok(handle) => Self { native: Some(handle), failure: None },
            Err(failure) => Self { native: None, failure: Some(reply(Err(failure))) },
        }
    }

    /// What failed, as a call says it.
    #[napi(getter)]
    pub fn failure(&self) -> Option<String> {
        self.failure.clone()
    }

    /// The store.
    #[napi(getter)]
    pub fn native(&self) -> Option<Native> {
        self.native.clone().map(|handle| Native(Mutex::new(Some(handle))))
    }
}

#[napi]
impl Native {
    #[napi]
    pub fn open(params: String) -> AsyncTask<Open> {
        AsyncTask::new(Open(params))
    }

    #[napi]
    pub fn snapshot(&self) -> AsyncTask<Hold> {
        AsyncTask::new(Hold { handle: self.handle(), earlier: None })
    }

    #[napi]
    pub fn earlier(&self, session: i64, generation: i64) -> AsyncTask<Hold> {
        AsyncTask::new(Hold { handle: self.handle(), earlier: Some((session, generation)) })
    }

    #[napi]
    pub fn watch(&self) -> AsyncTask<Begin> {
        AsyncTask::new(Begin(self.handle()))
    }

    #[napi]
    pub fn lines(&self, session: i64, after: u32) -> AsyncTask<Lines> {
        AsyncTask::new(Lines { handle: self.handle(), session, after })
    }

    #[napi]
    pub fn append_lines(&self, session: i64, lines: Vec<Buffer>) -> AsyncTask<AppendLines> {
        // Copied: who hands over a buffer may write to it meanwhile.
        let lines = lines.into_iter().map(|line| line.to_vec()).collect();
        AsyncTask::new(AppendLines { handle: self.handle(), session, lines })
    }

    #[napi]
    pub fn close(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    #[napi]
    pub fn call(&self, method: String, params: String) -> AsyncTask<Call> {
        AsyncTask::new(Call { handle: self.handle(), method, params })
    }

    fn handle(&self) -> Option<Handle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn closed() -> Failure {
    Failure { kind: "Closed", message: "the store is closed".to_owned() }
}

fn held(handle: Option<&Handle>) -> std::result::Result<&Handle, Failure> {
    handle.ok_or_else(closed)
}

/// The JSON of an answer: `{"ok": …}`, or the kind and the message of what failed.
fn reply(answer: Answer) -> String {
    match answer {
        Ok(result) => format!("{{\"ok\":{result}}}"),
        Err(failure) => {
            serde_json::json!({ "kind": failure.kind, "message": failure.message }).to_string()
        }
    }
}
