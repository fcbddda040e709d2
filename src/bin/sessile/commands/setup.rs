//! `sessile completions` and `sessile man`.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use clap_complete::Shell;

use crate::args::{self, SetupCommand};
use crate::output::{self, note};

pub(super) fn run(command: &SetupCommand) -> Result<bool> {
    match command {
        SetupCommand::Completions { shell } => completions(*shell),
        SetupCommand::Man { folder } => man(folder),
    }
}

fn completions(shell: Shell) -> Result<bool> {
    let mut out = output::content();
    clap_complete::generate(shell, &mut args::command(), "sessile", &mut out);
    out.flush()?;
    Ok(true)
}

fn man(folder: &Path) -> Result<bool> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    clap_mangen::generate_to(args::command(), folder)
        .with_context(|| format!("cannot write manual pages to {}", folder.display()))?;
    note!("manual pages written to {}", folder.display());
    Ok(true)
}
