//! Responses, and what a browser may do with them.

use std::io::{self, Write};

use super::request::Refusal;
use crate::html;

/// A response.
pub(super) struct Response {
    status: &'static str,
    /// An additional header field.
    field: &'static str,
    content: &'static str,
    body: String,
}

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

impl Response {
    pub(super) fn page(body: String) -> Self {
        Self { status: "200 OK", field: "", content: HTML, body }
    }

    /// 204: nothing changed.
    pub(super) fn nothing() -> Self {
        Self { status: "204 No Content", field: "", content: TEXT, body: String::new() }
    }

    /// 205: what was asked for changed its shape, so the page must be reloaded.
    pub(super) fn reset() -> Self {
        Self { status: "205 Reset Content", ..Self::nothing() }
    }

    pub(super) fn refused(refusal: Refusal) -> Self {
        let status = refusal.status();
        let field = if refusal == Refusal::Method { "Allow: GET\r\n" } else { "" };
        Self { status, field, content: TEXT, body: format!("{status}\n") }
    }

    pub(super) fn busy() -> Self {
        let status = "503 Service Unavailable";
        Self { status, field: "", content: TEXT, body: format!("{status}: too many at a time\n") }
    }

    /// 500, with the error, which concerns the user who started the server.
    pub(super) fn failed(told: &str) -> Self {
        let status = "500 Internal Server Error";
        Self { status, field: "", content: TEXT, body: format!("{told}\n") }
    }

    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { status, field, content, body } = self;
        let head = head(status, content);
        write!(out, "{head}{field}Content-Length: {}\r\n\r\n", body.len())?;
        out.write_all(body.as_bytes())?;
        out.flush()
    }
}

/// A chunked body that is written as it is generated. A client can tell a truncated
/// one from a complete one.
pub(super) struct Pieces<'a, W: Write>(&'a mut W);

impl<'a, W: Write> Pieces<'a, W> {
    pub(super) fn begin(out: &'a mut W) -> io::Result<Self> {
        write!(out, "{}Transfer-Encoding: chunked\r\n\r\n", head("200 OK", HTML))?;
        Ok(Self(out))
    }

    pub(super) fn end(self) -> io::Result<()> {
        self.0.write_all(b"0\r\n\r\n")?;
        self.0.flush()
    }
}

impl<W: Write> Write for Pieces<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // An empty chunk would be the end.
        if !bytes.is_empty() {
            write!(self.0, "{:x}\r\n", bytes.len())?;
            self.0.write_all(bytes)?;
            self.0.write_all(b"\r\n")?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The head of an event stream.
pub(super) fn stream_head() -> String {
    head("200 OK", "text/event-stream") + "\r\n"
}

/// Other pages cannot read this, frame it, cache it, or learn its address.
fn head(status: &str, content: &str) -> String {
    let policy = html::policy("'self'", "; connect-src 'self'; frame-ancestors 'none'");
    format!(
        "HTTP/1.1 {status}\r\n\
         Content-Type: {content}\r\n\
         Content-Security-Policy: {policy}\r\n\
         Cache-Control: no-store\r\n\
         Referrer-Policy: no-referrer\r\n\
         X-Content-Type-Options: nosniff\r\n\
         X-Frame-Options: DENY\r\n\
         Cross-Origin-Opener-Policy: same-origin\r\n\
         Cross-Origin-Resource-Policy: same-origin\r\n\
         Connection: close\r\n"
    )
}
