//! The command line, a thin layer over the library.
//!
//! Exit status: 0 done, 1 a named thing does not exist or a check failed, 2 usage
//! or error. Results go to standard output, the rest to standard error. A closed
//! pipe is success, since whoever closed it has seen enough.

mod amounts;
mod args;
mod commands;
mod conversation;
mod html;
mod ids;
mod moment;
mod output;
mod pager;
mod prices;
mod render;
mod serve;
mod text;
mod transcript;

use std::io;
use std::process::ExitCode;

use clap::FromArgMatches;
use clap::error::ErrorKind;

fn main() -> ExitCode {
    let matches = args::command().try_get_matches().unwrap_or_else(|err| say_and_exit(&err));
    let cli = args::Cli::from_arg_matches(&matches).unwrap_or_else(|err| err.exit());
    let outcome = commands::run(cli);
    pager::finish();
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(err) if is_broken_pipe(&err) => ExitCode::SUCCESS,
        Err(err) => {
            output::note!("sessile: {err:#}");
            ExitCode::from(if is_of_what_is_named(&err) { 1 } else { 2 })
        }
    }
}

/// Prints what is wrong with the arguments, or the help that was asked for, and
/// exits.
fn say_and_exit(err: &clap::Error) -> ! {
    if err.use_stderr() {
        err.exit();
    }
    let is_paged = err.kind() == ErrorKind::DisplayHelp && output::is_terminal();
    if is_paged && std::env::args_os().all(|arg| arg != "--no-pager") {
        pager::allow();
    }
    let printed = output::print_help(&err.render());
    pager::finish();
    match printed {
        // A pager that was quit early is no error.
        Err(err) if err.kind() != io::ErrorKind::BrokenPipe => {
            output::note!("sessile: cannot write to standard output: {err}");
            std::process::exit(2);
        }
        _ => std::process::exit(0),
    }
}

fn is_broken_pipe(err: &anyhow::Error) -> bool {
    err.chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// Whether the error is that a named session, root or database does not exist, or
/// that something damaged was left out.
fn is_of_what_is_named(err: &anyhow::Error) -> bool {
    let err = err.downcast_ref().map_or(err, commands::Meant::cause);
    if err.is::<commands::NotBegun>() {
        return true;
    }
    matches!(
        err.downcast_ref::<sessile::Error>(),
        Some(
            sessile::Error::SessionNotFound(_)
                | sessile::Error::EntryNotFound { .. }
                | sessile::Error::TurnNotFound { .. }
                | sessile::Error::GenerationNotFound { .. }
                | sessile::Error::RootNotFound(_)
                | sessile::Error::SourceNotFound(_)
                | sessile::Error::DatabaseMissing(_)
                | sessile::Error::Incomplete { .. }
        )
    )
}
