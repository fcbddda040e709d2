//! The head of a request, and whether it is answered at all.
//!
//! Any web site can make a browser send requests to this port. A request is
//! answered only if it names this server as host, does not come from another site,
//! has the token, and only reads.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The longest head, in bytes.
const LONGEST: usize = 16 << 10;
/// The most fields of a head.
const FIELDS: usize = 64;
/// The time that a head may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// The segments of the path after the token.
    pub(super) path: Vec<String>,
    /// The parameters after `?`, in order.
    pub(super) query: Vec<(String, String)>,
}

impl Request {
    /// The value of a parameter; a blank one counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let found = self.query.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Not a valid request.
    Malformed,
    /// The head is too long.
    TooLong,
    /// It names another host, or comes from another site.
    Foreign,
    /// The method is not GET.
    Method,
    /// The token is missing or wrong.
    Unknown,
}

impl Refusal {
    pub(super) fn status(self) -> &'static str {
        match self {
            Self::Malformed => "400 Bad Request",
            Self::TooLong => "431 Request Header Fields Too Large",
            Self::Foreign => "403 Forbidden",
            Self::Method => "405 Method Not Allowed",
            Self::Unknown => "404 Not Found",
        }
    }
}

/// What a request must contain.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    token: String,
    port: u16,
}

impl Gate {
    pub(super) fn new(address: SocketAddr, token: String) -> Self {
        Self { token, port: address.port() }
    }

    /// The base URL, with a trailing slash.
    pub(super) fn base(&self) -> String {
        format!("/{}/", self.token)
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, self.base())
    }

    /// Whether this is the host name of a browser on this machine.
    fn is_here(&self, host: &[u8]) -> bool {
        ["127.0.0.1", "localhost"]
            .iter()
            .any(|name| host == format!("{name}:{}", self.port).as_bytes())
    }

    /// Parses a head; returns the request if it may be answered.
    pub(super) fn admit(&self, head: &[u8]) -> Result<Request, Refusal> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS];
        let mut read = httparse::Request::new(&mut fields);
        match read.parse(head) {
            Ok(httparse::Status::Complete(length)) if length == head.len() => {}
            _ => return Err(Refusal::Malformed),
        }
        let all = |name: &str| -> Vec<&[u8]> {
            let named = read.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
            named.map(|field| field.value).collect()
        };
        let [host] = all("host")[..] else { return Err(Refusal::Malformed) };
        let is_ours =
            |origin: &&[u8]| origin.strip_prefix(b"http://").is_some_and(|host| self.is_here(host));
        if !self.is_here(host) || !all("origin").iter().all(is_ours) {
            return Err(Refusal::Foreign);
        }
        // Browsers report the origin of a request. Following a link from another
        // site is allowed; images, scripts and frames are not.
        let is_followed =
            all("sec-fetch-mode") == [b"navigate"] && all("sec-fetch-dest") == [b"document"];
        let is_own = |site: &&[u8]| matches!(*site, b"same-origin" | b"none");
        if !all("sec-fetch-site").iter().all(is_own) && !is_followed {
            return Err(Refusal::Foreign);
        }
        if read.method != Some("GET") {
            return Err(Refusal::Method);
        }
        let has_body = all("content-length").iter().any(|length| *length != b"0")
            || !all("transfer-encoding").is_empty();
        if has_body {
            return Err(Refusal::Malformed);
        }
        self.locate(read.path.ok_or(Refusal::Malformed)?)
    }

    fn locate(&self, target: &str) -> Result<Request, Refusal> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = path.strip_prefix('/').ok_or(Refusal::Malformed)?;
        let (token, path) = path.split_once('/').ok_or(Refusal::Unknown)?;
        if !is_same(token.as_bytes(), self.token.as_bytes()) {
            return Err(Refusal::Unknown);
        }
        // Names here consist of letters and digits, so no path leads up or out.
        let is_name = |part: &str| part.bytes().all(|c| c.is_ascii_alphanumeric());
        let parts: Vec<String> =
            path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        if !parts.iter().all(|part| is_name(part)) {
            return Err(Refusal::Unknown);
        }
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let query = pairs.map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key), decoded(value))
        });
        Ok(Request { path: parts, query: query.collect() })
    }
}

/// Compares in constant time.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differing = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && std::hint::black_box(differing) == 0
}

/// Decodes a part of a query; invalid UTF-8 is replaced by U+FFFD.
fn decoded(spelt: &str) -> String {
    let spelt = spelt.as_bytes();
    let mut bytes = Vec::with_capacity(spelt.len());
    let mut at = 0;
    while at < spelt.len() {
        let digit = |at: usize| char::from(*spelt.get(at)?).to_digit(16);
        let escaped = digit(at + 1).zip(digit(at + 2)).filter(|_| spelt[at] == b'%');
        let (byte, length) = match (spelt[at], escaped) {
            (_, Some((high, low))) => ((high * 16 + low) as u8, 3),
            (b'+', None) => (b' ', 1),
            (byte, None) => (byte, 1),
        };
        bytes.push(byte);
        at += length;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Encodes text as a part of a query.
pub(super) fn encoded(said: &str) -> String {
    let spelt = said.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    });
    spelt.collect()
}

/// Reads a complete head, within the time limit.
pub(super) fn read_head(stream: &mut TcpStream) -> Result<Vec<u8>, Refusal> {
    let until = Instant::now() + PATIENCE;
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    while !head.ends_with(b"\r\n\r\n") {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return Err(Refusal::Malformed);
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return Err(Refusal::Malformed),
            Ok(count) => head.extend_from_slice(&piece[..count]),
        }
        if LONGEST < head.len() {
            return Err(Refusal::TooLong);
        }
    }
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        Gate { token: "secret".to_owned(), port: 4000 }
    }

    /// The result of a request for this target, with these fields.
    fn asked(target: &str, fields: &[&str]) -> Result<Request, Refusal> {
        let host = ["Host: 127.0.0.1:4000"];
        let fields = if fields.is_empty() { &host[..] } else { fields };
        gate().admit(format!("{target} HTTP/1.1\r\n{}\r\n\r\n", fields.join("\r\n")).as_bytes())
    }

    #[test]
    fn who_knows_the_token_may_read() {
        let request = asked("GET /secret/session/12?q=a%20b+c%zz&x=%C3%A9&empty=+", &[]).unwrap();

        assert_eq!(request.path, ["session", "12"]);
        assert_eq!(request.get("q"), Some("a b c%zz"));
        assert_eq!(request.get("x"), Some("é"));
        assert_eq!(request.get("empty"), None);
        assert_eq!(asked("GET /secret/", &["Host: localhost:4000"]).unwrap().path, [""; 0]);
        assert_eq!(decoded(&encoded("a b&c=é%")), "a b&c=é%");
    }

    #[test]
    fn another_host_is_refused() {
        for host in [
            "evil.example",
            "127.0.0.1",
            "127.0.0.1:4001",
            "127.0.0.1:4000.evil.example",
            "evil.example:4000",
            "[::1]:4000",
            "",
        ] {
            let host = format!("Host: {host}");
            assert_eq!(asked("GET /secret/", &[&host]), Err(Refusal::Foreign), "{host}");
        }
        assert_eq!(asked("GET /secret/", &["Accept: */*"]), Err(Refusal::Malformed));
        let two = ["Host: 127.0.0.1:4000", "Host: evil.example"];
        assert_eq!(asked("GET /secret/", &two), Err(Refusal::Malformed));
    }

    #[test]
    fn another_origin_is_refused() {
        let from = |field: &str| asked("GET /secret/", &["Host: 127.0.0.1:4000", field]);

        for field in [
            "Origin: http://evil.example",
            "Origin: null",
            "Origin: https://127.0.0.1:4000",
            "Origin: http://127.0.0.1:4000.evil.example",
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Site: same-site",
            "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe",
        ] {
            assert_eq!(from(field), Err(Refusal::Foreign), "{field}");
        }
        for field in [
            "Origin: http://127.0.0.1:4000",
            "Sec-Fetch-Site: same-origin",
            "Sec-Fetch-Site: none",
            "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document",
        ] {
            assert!(from(field).is_ok(), "{field}");
        }
    }

    #[test]
    fn without_the_token_there_is_nothing() {
        for target in
            ["/", "/secret", "/secre/", "/secrets/", "/SECRET/", "//secret/", "/x/../secret/"]
        {
            assert_eq!(asked(&format!("GET {target}"), &[]), Err(Refusal::Unknown), "{target}");
        }
    }

    #[test]
    fn no_path_leads_up_or_out() {
        for path in [
            "..",
            "../secret/",
            "session/..",
            "session/%2e%2e",
            "session/12/../../..",
            "%2e%2e/",
            "session\\12",
            "file:etc",
            ".",
        ] {
            let target = format!("GET /secret/{path}");
            assert_eq!(asked(&target, &[]), Err(Refusal::Unknown), "{path}");
        }
        assert_eq!(asked("GET http://127.0.0.1:4000/secret/", &[]), Err(Refusal::Malformed));
    }

    #[test]
    fn only_reading_is_answered() {
        for method in ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE", "get"] {
            let target = format!("{method} /secret/");
            assert_eq!(asked(&target, &[]), Err(Refusal::Method), "{method}");
        }
        for field in ["Content-Length: 3", "Transfer-Encoding: chunked"] {
            let fields = ["Host: 127.0.0.1:4000", field];
            assert_eq!(asked("GET /secret/", &fields), Err(Refusal::Malformed), "{field}");
        }
    }
}
