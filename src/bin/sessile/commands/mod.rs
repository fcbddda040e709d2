//! The commands. Each returns whether everything was found, or proven.

mod confirm;
mod import;
pub(crate) mod interrupt;
mod keeping;
pub(crate) mod list;
mod live;
mod log;
mod merge;
mod place;
mod problems;
mod progress;
mod repair;
mod roots;
mod rpc;
mod seal;
mod search;
mod setup;
mod show;
mod sql;
mod stats;
mod suggest;
mod tags;
mod tree;
pub(crate) mod usage;
mod watch;
mod work_dirs;

use std::io::Write;
use std::path::Path;

use anyhow::{Result, bail};
use serde_json::json;
use sessile::{Error, ExportOptions, Finding, ForeignObject, Session, Store};

pub(crate) use self::place::NotBegun;
pub(crate) use self::suggest::Meant;
use crate::amounts::{counted, number, size};
use crate::args::{Cli, Command, ExportArgs};
use crate::output::{self, note, one_line};
use crate::{html, pager, serve};

pub(crate) fn run(cli: Cli) -> Result<bool> {
    if !cli.no_pager && is_to_be_read(&cli.command) {
        pager::allow();
    }
    if let Command::Setup(command) = &cli.command {
        return setup::run(command);
    }
    let database = place::database(cli.db)?;
    if makes_a_database(&cli.command) {
        database.make_folder()?;
    }
    run_on(&database.path, cli.command)
        .map_err(|err| suggest::meant(&database.path, database.how_to_begin(err)))
}

/// Whether a command prints something to read, and ends.
fn is_to_be_read(command: &Command) -> bool {
    match command {
        Command::Show(args) => !args.follow,
        Command::List(_)
        | Command::Search(_)
        | Command::Tree { .. }
        | Command::Markdown { .. }
        | Command::Log(_)
        | Command::Dump(_)
        | Command::Problems { .. }
        | Command::Sql(_)
        | Command::Stats { .. }
        | Command::Usage(_)
        | Command::Verify { .. }
        | Command::Check { .. } => true,
        _ => false,
    }
}

/// Whether a command creates the database if there is none: an import, a new session
/// and `rpc` do.
fn makes_a_database(command: &Command) -> bool {
    match command {
        Command::Import(args) => !args.dry_run,
        Command::Sync(args) => !args.dry_run,
        Command::New(_)
        | Command::Watch(_)
        | Command::Merge(_)
        | Command::Rpc { schema: false } => true,
        _ => false,
    }
}

fn run_on(db: &Path, command: Command) -> Result<bool> {
    match command {
        Command::Import(args) => import::run(db, &args),
        Command::Sync(args) => import::sync(db, &args),
        Command::Watch(args) => watch::run(db, &args),
        Command::Merge(args) => merge::run(&place::options()?.open(db)?, &args),
        Command::Root(command) => roots::run(db, &command),
        Command::Verify { json, root } => verify(&open_to_read(db)?, &root, json),
        Command::Export(args) => {
            let (store, sessions) = as_of(db, &args.session, args.generation)?;
            export(&store, &sessions, &args)
        }
        Command::Dump(args) => {
            let (store, sessions) = as_of(db, &args.session, args.generation)?;
            dump(&store, &sessions)
        }
        Command::List(args) => list::run(&open_to_read(db)?, &args),
        Command::Search(args) => search::run(&open_to_search(db)?, &args),
        Command::Tree { session, json: true, .. } => tree::json(&open_to_read(db)?, &session),
        Command::Tree { session, json: false, utc } => tree::run(&open_to_read(db)?, &session, utc),
        Command::Show(args) => {
            let (store, session) = one_as_of(db, &args.session, args.generation)?;
            show::run(&store, &session, &args)
        }
        Command::Log(args) => log::run(&one_as_of(db, &args.session, args.generation)?.1, &args),
        Command::Problems { json, session } => {
            problems::run(&open_to_read(db)?, session.as_deref(), json)
        }
        Command::Sql(args) => sql::run(&open_to_read(db)?, &args),
        Command::Stats { json } => stats::run(&open_to_read(db)?, json),
        Command::Usage(args) => usage::run(&open_to_read(db)?, &args),
        Command::Check { json } => check(&open_to_read(db)?, json),
        Command::Rebuild { json } => rebuild(&open_to_write(db)?, json),
        Command::Prune(args) => repair::prune(db, &args),
        Command::Seal(args) => seal::run(&open_to_write(db)?, &args),
        Command::Recover { json, new } => repair::recover(db, &new, json),
        Command::Keep(command) => keeping::run(&open_to_write(db)?, &command),
        Command::New(args) => live::create(&place::options()?.open(db)?, &args),
        Command::Append(args) => live::append(&open_to_write(db)?, &args),
        Command::Branch { session, entry, root: _ } => {
            live::branch(&open_to_write(db)?, &session, entry.as_deref())
        }
        Command::Label(args) => live::label(&open_to_write(db)?, &args),
        Command::Rename { session, name, clear: _ } => {
            live::rename(&open_to_write(db)?, &session, name.as_deref())
        }
        Command::Tags(command) => tags::run(db, &command),
        Command::Clone { session } => live::clone(&open_to_write(db)?, &session),
        Command::Fork(args) => live::fork(&open_to_write(db)?, &args),
        Command::Markdown { session, full: true } => show::markdown(&open_to_read(db)?, &session),
        Command::Markdown { session, full: false } => live::markdown(&open_to_read(db)?, &session),
        Command::Html { session, out } => html::run(&open_to_read(db)?, &session, out.as_deref()),
        Command::Serve(args) => serve::run(&open_to_read(db)?, &args),
        Command::Rpc { schema: true } => rpc::print_schema(),
        Command::Rpc { schema: false } => serve_programs(db),
        Command::Setup(command) => setup::run(&command),
        Command::Backup { path } => Ok(open_to_read(db)?.backup(&path).map(|()| true)?),
    }
}

fn serve_programs(db: &Path) -> Result<bool> {
    let store = place::options()?.open(db)?;
    warn_of_network(&store);
    rpc::run(&store)
}

/// WAL mode uses shared memory, which other machines do not see.
fn warn_of_network(store: &Store) {
    if store.on_network_file_system() {
        note!(
            "sessile: {} is on a network file system, where a database can be damaged; use it \
             from one machine only, or put it on a local disk",
            store.path().display()
        );
    }
}

fn open_to_write(db: &Path) -> Result<Store> {
    Ok(place::options()?.create(false).open(db)?)
}

/// Read-only, so that not even the schema is migrated.
fn open_to_read(db: &Path) -> Result<Store> {
    let store = place::options()?.create(false).read_only(true).open(db)?;
    if store.is_read_alone() {
        note!(
            "sessile: cannot write beside {}; no process has it open, so it is read without locks",
            db.display()
        );
    }
    Ok(store)
}

/// A search updates its index if the database is writable.
fn open_to_search(db: &Path) -> Result<Store> {
    match place::options()?.create(false).open(db) {
        Err(Error::Io { .. } | Error::Unopenable { .. }) => open_to_read(db),
        opened => Ok(opened?),
    }
}

/// The store and the sessions with these names; or a view of the store with one
/// session as of a generation of its file, whatever its id was then.
fn as_of(db: &Path, names: &[String], generation: Option<i64>) -> Result<(Store, Vec<Session>)> {
    let store = open_to_read(db)?;
    let sessions: Vec<Session> =
        names.iter().map(|name| store.find(name)).collect::<Result<_, _>>()?;
    let Some(generation) = generation else { return Ok((store, sessions)) };
    let [name] = names else { bail!("--generation needs one session; name it") };
    let (earlier, session) = one_as_of(db, name, Some(generation))?;
    Ok((earlier, vec![session]))
}

/// A session, as it is or as of a generation of its file, and its store.
fn one_as_of(db: &Path, name: &str, generation: Option<i64>) -> Result<(Store, Session)> {
    let store = open_to_read(db)?;
    let session = store.find(name)?;
    let Some(generation) = generation else { return Ok((store, session)) };
    let earlier = store.earlier(session.key(), generation)?;
    let session = earlier.session(session.key())?;
    Ok((earlier, session))
}

fn verify(store: &Store, root: &Path, json: bool) -> Result<bool> {
    let report = store.verify(root)?;
    let mut out = if json { output::content() } else { output::report() };
    let same = report.differences.is_empty();
    if json {
        writeln!(out, "{}", json!(report))?;
        out.flush()?;
        return Ok(same);
    }
    for difference in &report.differences {
        let file = difference.file.to_string_lossy().into_owned();
        writeln!(out, "{}: {}", file.escape_debug(), difference.detail)?;
    }
    let verdict = match report.differences.len() {
        0 => "every byte is the same".to_owned(),
        many => counted(many as u64, "difference"),
    };
    let (files, folders) = (counted(report.files, "file"), counted(report.folders, "folder"));
    writeln!(out, "{files} and {folders}, {} compared: {verdict}", size(report.bytes))?;
    if 0 < report.purged {
        writeln!(out, "not compared, because purged here: {} of its files", number(report.purged))?;
    }
    out.flush()?;
    Ok(same)
}

fn export(store: &Store, sessions: &[Session], args: &ExportArgs) -> Result<bool> {
    let mut options = ExportOptions::new().source_only(args.source).damaged(args.damaged);
    for session in sessions {
        options = options.session(session.key());
    }
    if let Some(root) = &args.root {
        options = options.root(root);
    }
    let out = args.out.clone();
    let _waiting = interrupt::on_interrupt(move || {
        note!(
            "sessile: interrupted; {} holds a part of the files, and parts of files whose names \
             begin with .sessile-; remove it, and run the same command again",
            out.display()
        );
    })?;
    let report = store.export(&args.out, &options)?;
    for aside in report.aside.iter().filter(|_| !args.json) {
        let shown = |path: &Path| one_line(&path.to_string_lossy());
        note!(
            "sessile: {} was written as {}, because something else has that path",
            shown(&aside.file),
            shown(&aside.written_as)
        );
    }
    if args.json {
        return print_json(&json!(report));
    }
    let (files, bytes) = (counted(report.files, "file"), size(report.bytes));
    note!("{files}, {bytes} written to {}", args.out.display());
    Ok(true)
}

fn dump(store: &Store, sessions: &[Session]) -> Result<bool> {
    let mut out = output::content();
    if sessions.is_empty() {
        let dumped = store.dump(&mut out);
        out.flush()?;
        dumped?;
    }
    let mut is_whole = true;
    for session in sessions {
        match session.dump(&mut out) {
            Err(err @ sessile::Error::Damaged(_)) => {
                note!("sessile: {err}");
                is_whole = false;
            }
            dumped => dumped?,
        }
    }
    out.flush()?;
    Ok(is_whole)
}

/// Prints a report in the form of `--json`: one object, documented in docs/json.md.
fn print_json(report: &serde_json::Value) -> Result<bool> {
    let mut out = output::content();
    writeln!(out, "{report}")?;
    out.flush()?;
    Ok(true)
}

/// Prints what a command could not read; returns whether there is nothing of that
/// kind.
fn is_undamaged(damaged: &[String]) -> bool {
    for detail in damaged {
        note!("sessile: {}", one_line(detail));
    }
    damaged.is_empty()
}

/// Findings in the form of `check --json`.
fn check_json(findings: &[Finding], foreign: &[ForeignObject]) -> serde_json::Value {
    json!({ "findings": findings, "foreign": foreign })
}

fn check(store: &Store, json: bool) -> Result<bool> {
    let findings = store.check()?;
    let foreign = store.foreign_objects()?;
    if json {
        print_json(&check_json(&findings, &foreign))?;
        return Ok(findings.is_empty());
    }
    for object in foreign {
        note!(
            "the {} {:?} does not belong to this program, and was not changed",
            object.kind,
            object.name
        );
    }
    let mut out = output::report();
    for finding in &findings {
        writeln!(out, "{}: {}", finding.place.escape_debug(), finding.detail)?;
    }
    if findings.is_empty() {
        writeln!(out, "no errors found")?;
    }
    out.flush()?;
    Ok(findings.is_empty())
}

fn rebuild(store: &Store, json: bool) -> Result<bool> {
    let sessions = store.rebuild()?;
    if json {
        return print_json(&json!({"sessions": sessions}));
    }
    note!("{} rebuilt", counted(sessions, "session"));
    Ok(true)
}
