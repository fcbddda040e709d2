//! Arguments of `serve`.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The port on this machine; 0 for any free port
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) port: u16,
    /// Also open a browser
    #[arg(long)]
    pub(crate) open: bool,
}
