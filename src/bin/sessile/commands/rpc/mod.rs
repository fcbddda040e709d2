//! `sessile rpc`: the live API for programs in other languages.
//!
//! JSON-RPC 2.0, one object or batch per line, answered in order until the input
//! ends. It is a thin layer over `Store` and `Session`. An invalid request gets an
//! error, and does not end the loop. Values are passed on as they were spelt.

mod entries;
mod find;
mod house;
mod lines;
mod methods;
mod params;
mod parts;
mod table;
mod takes;
mod whole;

use std::io::{self, BufRead, Write};

use anyhow::Result;
use serde::{Deserialize, Deserializer};
use serde_json::json;
use serde_json::value::RawValue;
use sessile::{Error, Store};

use self::params::Params;
use crate::output;

const PARSE_ERROR: i64 = -32_700;
const INVALID_REQUEST: i64 = -32_600;
const UNKNOWN_METHOD: i64 = -32_601;
const INVALID_PARAMS: i64 = -32_602;
const INTERNAL_ERROR: i64 = -32_603;
/// The code of errors of the store; `data.kind` has the variant.
const STORE_ERROR: i64 = -32_000;

/// Prints the methods and their parameters as JSON.
pub(crate) fn print_schema() -> Result<bool> {
    let mut out = output::content();
    serde_json::to_writer_pretty(&mut out, &table::schema())?;
    writeln!(out)?;
    out.flush()?;
    Ok(true)
}

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
    #[serde(borrow, default, deserialize_with = "given")]
    id: Option<&'a RawValue>,
    method: String,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
}

/// An id of null is an id: its sender waits for the reply.
fn given<'de: 'a, 'a, D: Deserializer<'de>>(id: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(id).map(Some)
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

impl Refusal {
    /// A result that cannot be serialised.
    fn internal(err: &dyn std::fmt::Display) -> Self {
        Self { code: INTERNAL_ERROR, message: format!("{err:#}"), kind: None }
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal { code: INVALID_PARAMS, message: message.into(), kind: None }
}

/// Rows as JSON, with where the next page begins if the request asks for that.
fn page(
    params: &Params<'_>,
    rows: &[String],
    next: Option<&impl ToString>,
) -> Result<String, Refusal> {
    let rows = format!("[{}]", rows.join(","));
    if !params.get("paged")?.unwrap_or(false) {
        return Ok(rows);
    }
    let next = json!(next.map(ToString::to_string));
    Ok(format!("{{\"rows\":{rows},\"next\":{next}}}"))
}

/// The reply to a line as one line of JSON; `None` if no request in it wants one.
///
/// The requests of a batch are answered one by one, in order, independently of each
/// other.
fn answer(store: &Store, line: &[u8]) -> Option<String> {
    if line.trim_ascii_start().first() != Some(&b'[') {
        return answer_one(store, line);
    }
    let batch: Vec<&RawValue> = match serde_json::from_slice(line) {
        Ok(batch) => batch,
        Err(err) => return Some(refused("null", &no_request(&err))),
    };
    if batch.is_empty() {
        let message = "not a request: the batch is empty".to_owned();
        return Some(refused("null", &Refusal { code: INVALID_REQUEST, message, kind: None }));
    }
    let replies = batch.iter().filter_map(|request| answer_one(store, request.get().as_bytes()));
    let replies: Vec<String> = replies.collect();
    (!replies.is_empty()).then(|| format!("[{}]", replies.join(",")))
}

fn answer_one(store: &Store, request: &[u8]) -> Option<String> {
    // Serde would read an array as the fields in order.
    if request.trim_ascii_start().first() == Some(&b'[') {
        let message = "not a request: an array within a batch".to_owned();
        return Some(refused("null", &Refusal { code: INVALID_REQUEST, message, kind: None }));
    }
    let request: Request<'_> = match serde_json::from_slice(request) {
        Ok(request) => request,
        Err(err) => return Some(refused("null", &no_request(&err))),
    };
    let result = table::find(&request.method).and_then(|method| {
        let params = Params::read(request.params)?;
        method.accept(&params)?;
        (method.call)(store, &params)
    });
    // A request without an id wants no reply.
    let id = request.id?.get();
    Some(match result {
        Ok(result) => format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}"),
        Err(refusal) => refused(id, &refusal),
    })
}

fn no_request(err: &serde_json::Error) -> Refusal {
    let (code, what) = if err.is_data() {
        (INVALID_REQUEST, "not a request")
    } else {
        (PARSE_ERROR, "the line is not JSON")
    };
    Refusal { code, message: format!("{what}: {err}"), kind: None }
}

fn refused(id: &str, refusal: &Refusal) -> String {
    let mut error = json!({ "code": refusal.code, "message": refusal.message });
    if let Some(kind) = refusal.kind {
        error["data"] = json!({ "kind": kind });
    }
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}")
}
