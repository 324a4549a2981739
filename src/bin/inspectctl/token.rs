//! `inspectctl token`: makes tokens. No daemon has a part in it.

use std::io::Write;

use anyhow::Context;
use clap::{Args, Subcommand};
use inspectd::access::{Role, is_name, token};

use crate::failure::{Failure, note};

/// Of `token`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print a new token, once, and on standard error what stands for it in the daemon's file of clients.
    Create {
        /// The client's name.
        #[arg(long, value_parser = name)]
        name: String,
        /// viewer, operator or engineer.
        #[arg(long)]
        role: Role,
    },
}

fn name(text: &str) -> Result<String, &'static str> {
    let allowed = "must be 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.' and '@', and not \"local\"";
    is_name(text).then(|| text.to_owned()).ok_or(allowed)
}

/// Makes one.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Command::Create { name, role } = &arguments.command;
    let token = token::create().context("no token is made")?;
    writeln!(std::io::stdout(), "{token}")?;
    note(&format!(
        "To let its owner in, add to the file that access.clients names:\n\n{}",
        token::entry(name, *role, &token).trim_end()
    ));
    Ok(())
}
