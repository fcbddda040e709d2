//! What was typed to read in a browser.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The port of this machine; any that is free when 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) port: u16,
    /// Open a browser, too
    #[arg(long)]
    pub(crate) open: bool,
}
