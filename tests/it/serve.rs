//! The pages of the server: access control, and links.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::html::{HOSTILE, check_template, hostile_session};
use crate::support::TestStore;

/// A server of a store, which ends with this.
struct Server {
    child: Child,
    /// As in `127.0.0.1:4000`.
    host: String,
    /// The path below which everything is.
    base: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn of(test: &TestStore) -> Self {
        Self::started(test, &mut Command::new(env!("CARGO_BIN_EXE_sessile")), &[])
    }

    fn started(test: &TestStore, command: &mut Command, options: &[&str]) -> Self {
        let mut child = command
            .arg("--db")
            .arg(test.store.path())
            .arg("serve")
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let rest = line.trim().strip_prefix("http://").unwrap();
        let (host, path) = rest.split_once('/').unwrap();
        Self { host: host.to_owned(), base: format!("/{path}"), child }
    }

    fn send(&self, head: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream
    }

    /// The whole answer to a request.
    fn answer(&self, request: &str, host: &str) -> String {
        let mut stream = self.send(&format!("{request} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }

    /// The head and the body of what is at a path below the base.
    fn get(&self, path: &str) -> (String, String) {
        let answer = self.answer(&format!("GET {}{path}", self.base), &self.host);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let body =
            if head.contains("Transfer-Encoding: chunked") { whole(body) } else { body.to_owned() };
        (head.to_owned(), body)
    }

    /// A page that is there.
    #[track_caller]
    fn page(&self, path: &str) -> String {
        let (head, body) = self.get(path);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {head}");
        body
    }
}

/// What the pieces of an answer are together.
fn whole(mut pieces: &str) -> String {
    let mut all = String::new();
    loop {
        let (length, rest) = pieces.split_once("\r\n").unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            assert_eq!(rest, "\r\n");
            return all;
        }
        all.push_str(&rest[..length]);
        pieces = rest[length..].strip_prefix("\r\n").unwrap();
    }
}

/// What stands in quotes behind this, of the first that has it.
#[track_caller]
fn link<'a>(page: &'a str, begin: &str) -> &'a str {
    page.split_once(begin)
        .unwrap_or_else(|| panic!("{begin} is not in {page}"))
        .1
        .split('"')
        .next()
        .unwrap()
}

#[test]
fn a_list_leads_to_a_session_and_a_hit_to_its_entry() {
    let test = TestStore::of_fixture("demo/pi");
    let server = Server::of(&test);

    let list = server.page("?q=token&format=pi&sort=title");
    let session = link(&list, "<a class=\"name\" href=\"").strip_prefix(&server.base).unwrap();
    assert!(server.page(session).contains("<h1>The lost last token</h1>"));

    let found = server.page("search?q=delimiter");
    let hit = link(&found, "<a class=\"said\" href=\"").strip_prefix(&server.base).unwrap();
    let (session_of_hit, entry) = hit.split_once('#').unwrap();
    assert_eq!(session_of_hit, session);
    assert!(server.page(session).contains(&format!("id=\"{entry}\"")), "{hit}");
    assert!(found.contains("<mark>delimiter</mark>"), "{found}");

    assert!(server.page("?format=kimi").contains("No session is like this."));
    assert!(server.page("search?q=nowhere").contains("Nothing was found."));
    assert!(server.page("usage?measure=tokens").contains("<rect "));
    assert!(server.page("roots").contains("<td>is there</td>"));
}

#[test]
fn nobody_else_is_answered() {
    let test = TestStore::of_fixture("demo/pi");
    let server = Server::of(&test);
    let (base, host) = (server.base.clone(), server.host.clone());
    let port = host.rsplit_once(':').unwrap().1;
    let get = format!("GET {base}");

    for (request, host, status) in [
        (get.as_str(), "evil.example".to_owned(), "403"),
        (&get, format!("evil.example:{port}"), "403"),
        (&get, format!("127.0.0.1:{port}\r\nOrigin: http://evil.example"), "403"),
        (&get, format!("127.0.0.1:{port}\r\nSec-Fetch-Site: cross-site"), "403"),
        (&format!("POST {base}"), host.clone(), "405"),
        (&format!("DELETE {base}session/1"), host.clone(), "405"),
        ("GET /", host.clone(), "404"),
        ("GET /session/1", host.clone(), "404"),
        (&format!("GET {}", &base[..base.len() - 2]), host.clone(), "404"),
        (&format!("GET {base}../session/1"), host.clone(), "404"),
        (&format!("GET {base}session/../../../etc/passwd"), host.clone(), "404"),
        (&format!("GET {base}session/%2e%2e"), host.clone(), "404"),
        (&format!("GET {base}session/999"), host.clone(), "404"),
        (&format!("GET {base}session/9999999999999999999999"), host.clone(), "404"),
        ("nonsense", host.clone(), "400"),
    ] {
        let answer = server.answer(request, &host);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        assert!(!answer.contains("token") && !answer.contains("<html"), "{request}: {answer}");
        assert!(!answer.contains("Access-Control"), "{request}: {answer}");
    }
    let long = format!("{host}\r\nX: {}", "x".repeat(17 << 10));
    assert!(server.answer(&get, &long).starts_with("HTTP/1.1 431 "));
}

#[test]
fn a_browser_is_told_what_a_page_may_do() {
    let test = TestStore::of_fixture("demo/pi");
    let server = Server::of(&test);

    let (head, _) = server.get("");

    let policy = head.split_once("Content-Security-Policy: ").unwrap().1;
    let policy = policy.split_once("\r\n").unwrap().0;
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(policy.ends_with("connect-src 'self'; frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    for field in [
        "Cache-Control: no-store",
        "Referrer-Policy: no-referrer",
        "X-Content-Type-Options: nosniff",
        "Cross-Origin-Resource-Policy: same-origin",
    ] {
        assert!(head.contains(field), "{head}");
    }
}

#[test]
fn what_is_written_is_told_and_can_be_added_to_the_page() {
    let test = TestStore::of_fixture("demo/kward");
    let session = test.store.find("3c6da6fd").unwrap();
    let server = Server::of(&test);
    let list = server.page("");
    let path = link(&list, "<a class=\"name\" href=\"").strip_prefix(&server.base).unwrap();
    let page = server.page(path);
    let at = |page: &str| {
        format!(
            "{path}/after?line={}&leaf={}",
            link(page, "data-after=\""),
            link(page, "data-leaf=\"")
        )
    };
    assert!(server.get(&at(&page)).0.starts_with("HTTP/1.1 204 "));

    let events = server
        .send(&format!("GET {}events HTTP/1.1\r\nHost: {}\r\n\r\n", server.base, server.host));
    let mut events = BufReader::new(events).lines().map(Result::unwrap);
    assert!(events.any(|line| line.starts_with("retry: ")));
    session.append_message(r#"{"role":"user","content":"And <b>now</b>?"}"#).unwrap();
    assert!(events.any(|line| line == "data: changed"));

    let added = server.page(&at(&page));
    assert!(added.contains("And &lt;b&gt;now&lt;/b&gt;?"), "{added}");
    assert!(server.get(&at(&added)).0.starts_with("HTTP/1.1 204 "));

    // Elsewhere in the tree, nothing can be added to the page.
    let first = session.path().unwrap()[0].id.clone();
    session.branch(&first).unwrap();
    session.append_message(r#"{"role":"user","content":"Or else?"}"#).unwrap();
    assert!(server.get(&at(&added)).0.starts_with("HTTP/1.1 205 "));
}

#[test]
fn no_page_has_an_element_that_the_template_does_not_have() {
    let test = TestStore::of_fixture("kward/small");
    let texts = [HOSTILE, "\"><script>alert(1)</script>", "</title></svg>"].map(str::to_owned);
    test.write("sessions/--w--/one.jsonl", hostile_session("one", &texts));
    test.import();
    test.store.find("one").unwrap().tag(HOSTILE).unwrap();
    let server = Server::of(&test);
    let hostile = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E";

    for path in ["", "search?q=alert&tools=1&thinking=1", "usage", "roots"] {
        check_template(&server.page(path), Some(&server.base));
    }
    for path in [
        "?q=",
        "?dir=",
        "?tag=",
        "?since=",
        "?sort=",
        "?offset=",
        "search?q=",
        "search?q=a&after=",
        "search?order=",
        "usage?since=",
        "?format=",
        "?x=",
    ] {
        check_template(&server.page(&format!("{path}{hostile}")), Some(&server.base));
    }
    for row in test.store.sessions(&sessile::SessionFilter::new()).unwrap().rows {
        let key = serde_json::to_string(&row.key).unwrap();
        check_template(&server.page(&format!("session/{key}")), Some(&server.base));
    }
}

#[test]
fn a_browser_is_given_the_address_where_others_cannot_read_it() {
    let test = TestStore::of_fixture("demo/pi");
    let programs = test.folder().join("programs");
    fs::create_dir(&programs).unwrap();
    let told = test.folder().join("told");
    assert!(Command::new("mkfifo").arg(&told).status().unwrap().success());
    let opener = programs.join(if cfg!(target_os = "macos") { "open" } else { "xdg-open" });
    let script =
        format!("#!/bin/sh\n{{ echo \"$@\"; ls -l \"$1\"; cat \"$1\"; }} > '{}'\n", told.display());
    fs::write(&opener, script).unwrap();
    fs::set_permissions(&opener, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessile"));

    let server = Server::started(&test, command.env("PATH", path), &["--open"]);

    let told = fs::read_to_string(&told).unwrap();
    let [arguments, listed, page] = told.splitn(3, '\n').collect::<Vec<_>>()[..] else {
        panic!("{told}")
    };
    let url = format!("http://{}{}", server.host, server.base);
    assert!(!arguments.contains(server.base.trim_matches('/')), "{arguments}");
    assert!(listed.starts_with("-rw-------"), "{listed}");
    assert!(page.contains(&format!("content=\"0;url={url}\"")), "{page}");
}
