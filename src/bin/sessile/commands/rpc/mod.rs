//! `sessile rpc`: the live API for programs in other languages.
//!
//! JSON-RPC 2.0, one object a line, answered in order until the input ends. A
//! thin face of `Store` and `Session`, nothing more; a bad request is answered
//! with an error and ends nothing. Values are handed on as they were spelt.

mod methods;
mod params;

use std::io::{self, BufRead, Write};

use anyhow::Result;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use sessile::{Error, Store};

use self::params::Params;
use crate::output;

const PARSE_ERROR: i64 = -32_700;
const INVALID_REQUEST: i64 = -32_600;
const UNKNOWN_METHOD: i64 = -32_601;
const INVALID_PARAMS: i64 = -32_602;
/// An error of the store; `data.kind` has its name.
const STORE_ERROR: i64 = -32_000;

pub(crate) fn run(store: &Store) -> Result<bool> {
    let mut input = io::stdin().lock();
    let mut out = output::content();
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(true);
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if let Some(reply) = answer(store, &line) {
            writeln!(out, "{reply}")?;
            out.flush()?;
        }
    }
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    method: String,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
}

struct Refusal {
    code: i64,
    message: String,
    kind: Option<&'static str>,
}

impl From<Error> for Refusal {
    fn from(err: Error) -> Self {
        let kind = Some(err.kind());
        let message = format!("{:#}", anyhow::Error::from(err));
        Self { code: STORE_ERROR, message, kind }
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal { code: INVALID_PARAMS, message: message.into(), kind: None }
}

/// The reply to a request, as one line of JSON; none to a notification.
fn answer(store: &Store, line: &[u8]) -> Option<String> {
    let refuse = |id: &str, refusal: &Refusal| {
        let mut error = json!({ "code": refusal.code, "message": refusal.message });
        if let Some(kind) = refusal.kind {
            error["data"] = json!({ "kind": kind });
        }
        Some(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}"))
    };
    let request: Request<'_> = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(err) => {
            let code = if err.is_data() { INVALID_REQUEST } else { PARSE_ERROR };
            let message = format!("no request: {err}");
            return refuse("null", &Refusal { code, message, kind: None });
        }
    };
    let result = methods::method(&request.method)
        .and_then(|method| method(store, &Params::read(request.params)?));
    // A request without an id wants no reply.
    let id = request.id?.get();
    match result {
        Ok(result) => Some(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}")),
        Err(refusal) => refuse(id, &refusal),
    }
}
