//! `sessile serve`: the store in a browser on this machine, read-only.
//!
//! The server listens on loopback, has one thread per request, and no state. It
//! answers GET, one request per connection, and never opens a file by a requested
//! name. `request` decides who is answered; `response`, what a browser may do.

mod events;
mod form;
mod lists;
mod plot;
mod request;
mod response;
mod roots;
mod search;
mod sessions;
mod usage;

use std::io::{self, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use sessile::{SessionKey, Store};

use self::request::{Gate, Refusal, Request};
use self::response::Response;
use crate::args::ServeArgs;
use crate::commands::interrupt;
use crate::html::PageFrame;
use crate::output::{self, note};

/// The most requests at a time: a browser makes a few, plus a stream for each visible
/// page.
const MOST: usize = 64;

/// The time that a browser may take to read a piece of a response.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn run(store: &Store, args: &ServeArgs) -> Result<bool> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port))
        .with_context(|| format!("cannot listen on port {} of this machine", args.port))?;
    let address = listener.local_addr().context("cannot tell the port")?;
    // 244 random bits from the system.
    let token = [(); 2].map(|()| uuid::Uuid::new_v4().simple().to_string()).concat();
    let gate = Gate::new(address, token);
    let mut out = output::report();
    writeln!(out, "{}", gate.url())?;
    out.flush()?;
    drop(out);
    let opened = args.open.then(|| open(&gate.url())).transpose()?;
    let page = opened.as_ref().map(|page| page.path().to_owned());
    let _waiting = interrupt::on_interrupt(move || {
        if let Some(page) = page {
            let _ = std::fs::remove_file(page);
        }
        note!("sessile: no longer served");
    })?;
    note!("read-only, for everyone who has this address; ^C ends it");
    serve(store, &listener, &gate)
}

fn serve(store: &Store, listener: &TcpListener, gate: &Gate) -> Result<bool> {
    let busy = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        // A client that disconnected early is no reason to end.
        let Ok(mut stream) = stream else { continue };
        let slot = Slot::take(&busy);
        if MOST <= slot.taken {
            let _ = stream.set_write_timeout(Some(Duration::from_millis(100)));
            let _ = Response::busy().write(&mut stream);
            continue;
        }
        let (store, gate) = (store.clone(), gate.clone());
        let answering = std::thread::Builder::new().name("request".to_owned()).spawn(move || {
            let _slot = slot;
            // A browser that disconnects is no error.
            let _ = answer(&store, &gate, &mut stream);
        });
        if let Err(err) = answering {
            note!("sessile: a request was not answered: {err}");
        }
    }
    Ok(true)
}

/// A slot for a request, freed when dropped.
struct Slot {
    all: Arc<AtomicUsize>,
    /// The number of slots in use before.
    taken: usize,
}

impl Slot {
    fn take(all: &Arc<AtomicUsize>) -> Self {
        Self { taken: all.fetch_add(1, Ordering::Relaxed), all: Arc::clone(all) }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Ordering::Relaxed);
    }
}

fn answer(store: &Store, gate: &Gate, stream: &mut TcpStream) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let request = request::read_head(stream).and_then(|head| gate.admit(&head));
    let site = Site { store, base: gate.base() };
    let path = request.as_ref().map(|request| request.path.iter().map(String::as_str));
    let path: Vec<&str> = path.map(Iterator::collect).unwrap_or_default();
    let mut out = io::BufWriter::with_capacity(64 << 10, &mut *stream);
    match (&path[..], &request) {
        (_, Err(refusal)) => Response::refused(*refusal).write(&mut out)?,
        (["events"], _) => events::write(store, &mut out)?,
        (["session", key], _) => match sessions::session(&site, key) {
            Ok(Some(session)) => {
                if let Err(err) = sessions::write(&site, &session, &mut out) {
                    note!("sessile: a page was cut off: {err:#}");
                }
            }
            Ok(None) => Response::refused(Refusal::Unknown).write(&mut out)?,
            Err(err) => failed(&err).write(&mut out)?,
        },
        (path, Ok(request)) => {
            found(&site, path, request).unwrap_or_else(|err| failed(&err)).write(&mut out)?;
        }
    }
    out.flush()?;
    drop(out);
    stream.shutdown(Shutdown::Write)
}

fn found(site: &Site<'_>, path: &[&str], request: &Request) -> Result<Response> {
    match path {
        [] => lists::page(site, request),
        ["search"] => search::page(site, request),
        ["usage"] => usage::page(site, request),
        ["roots"] => roots::page(site),
        ["session", key, "after"] => sessions::after(site, key, request),
        _ => Ok(Response::refused(Refusal::Unknown)),
    }
}

/// What does not exist (any more) is 404; other errors are shown.
fn failed(err: &anyhow::Error) -> Response {
    match err.downcast_ref::<sessile::Error>() {
        Some(err) if err.is_not_found() => Response::refused(Refusal::Unknown),
        _ => Response::failed(&format!("{err:#}")),
    }
}

/// The store that is served, and the base path.
struct Site<'a> {
    store: &'a Store,
    base: String,
}

impl Site<'_> {
    /// The links above each page, and the URL of the stream of writes.
    fn around(&self, here: &str, is_live: bool) -> PageFrame {
        let pages =
            [("", "Sessions"), ("search", "Search"), ("usage", "Usage"), ("roots", "Roots")];
        let links = pages.map(|(path, name)| {
            let class = if path == here { " class=\"here\"" } else { "" };
            format!("<a{class} href=\"{}{path}\">{name}</a>", self.base)
        });
        let above = format!("<p class=\"site\">{}</p>\n", links.join(" "));
        let events = is_live.then(|| format!("{}events", self.base));
        PageFrame { head: String::new(), above, events }
    }

    /// The URL of a session.
    fn session(&self, key: SessionKey) -> Result<String> {
        Ok(format!("{}session/{}", self.base, serde_json::to_string(&key)?))
    }
}

/// Opens the address in the user's browser. The address is secret, and other users
/// can read command lines, so the browser gets a file that redirects to it.
fn open(url: &str) -> Result<tempfile::NamedTempFile> {
    let mut page = tempfile::Builder::new().prefix("sessile-").suffix(".html").tempfile()?;
    writeln!(
        page,
        "<!DOCTYPE html><meta charset=\"utf-8\"><meta name=\"referrer\" content=\"no-referrer\">\
         <meta http-equiv=\"refresh\" content=\"0;url={url}\"><a href=\"{url}\">The sessions</a>"
    )?;
    page.flush()?;
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let started = std::process::Command::new(opener)
        .arg(page.path())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn();
    if let Err(err) = started {
        note!("sessile: no browser was opened, since {opener} could not be started: {err}");
    }
    Ok(page)
}
