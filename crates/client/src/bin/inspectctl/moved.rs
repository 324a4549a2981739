//! Commands that moved to the program `inspectd`, because they need the daemon's files and no daemon.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;

use crate::USAGE;
use crate::failure::note;

/// Arguments of the command, which are ignored.
#[derive(Debug, Args)]
pub struct Arguments {
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    _ignored: Vec<OsString>,
}

/// Prints where the command is now. Returns the exit code of wrong arguments.
pub fn report(command: &str) -> ExitCode {
    note(&format!("inspectctl: moved to `inspectd {command}`"));
    ExitCode::from(USAGE)
}
