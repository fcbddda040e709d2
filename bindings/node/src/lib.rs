//! The border to Node: calls by name on a thread of the pool, JSON in and out.
//! What a user sees is the package around it.

// The macros of napi-rs write code that this lint would refuse.
#![allow(unsafe_code)]

use std::sync::{Mutex, PoisonError};

use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Result, Task};
use napi_derive::napi;
use sessile_calls::{Answer, Failure, Handle};

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
        let closed = Failure { kind: "Closed", message: "the store is closed".to_owned() };
        let done = match &self.handle {
            Some(handle) => handle.call(&self.method, &self.params),
            None => Err(closed),
        };
        Ok(reply(done))
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

/// Takes hold of a state on a thread of the pool.
pub struct Hold(Option<Handle>);

impl Task for Hold {
    type Output = std::result::Result<Handle, Failure>;
    type JsValue = Opened;

    fn compute(&mut self) -> Result<Self::Output> {
        let closed = Failure { kind: "Closed", message: "the store is closed".to_owned() };
        Ok(self.0.as_ref().map_or(Err(closed), Handle::snapshot))
    }

    fn resolve(&mut self, _: Env, opened: Self::Output) -> Result<Opened> {
        Ok(Opened::of(opened))
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
        AsyncTask::new(Hold(self.handle()))
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

/// The JSON of an answer: `{"ok": …}`, or the kind and the message of what failed.
fn reply(answer: Answer) -> String {
    match answer {
        Ok(result) => format!("{{\"ok\":{result}}}"),
        Err(failure) => {
            serde_json::json!({ "kind": failure.kind, "message": failure.message }).to_string()
        }
    }
}
