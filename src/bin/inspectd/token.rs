//! `inspectd token`: creates tokens, without a running daemon.

use std::io::Write;

use anyhow::Result;
use clap::{Args, Subcommand};
use inspectd::access::{Role, is_name, token};

/// Arguments of `token`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print a new token, and its entry for the daemon's clients file on standard error.
    Create {
        /// Name of the client.
        #[arg(long, value_parser = name)]
        name: String,
        /// Role of the client: viewer, operator or engineer.
        #[arg(long)]
        role: Role,
    },
}

fn name(text: &str) -> Result<String, &'static str> {
    let allowed = "must be 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.' and '@', and not \"local\"";
    is_name(text).then(|| text.to_owned()).ok_or(allowed)
}

/// Prints a new token on standard output, and its entry for the clients file on standard error.
///
/// # Errors
/// When the system does not provide random bytes, or standard output is closed.
pub fn run(arguments: &Arguments) -> Result<()> {
    let Command::Create { name, role } = &arguments.command;
    let token = token::create()?;
    writeln!(std::io::stdout(), "{token}")?;
    eprintln!(
        "To give the owner of this token access, add this entry to the file of access.clients:\n\n{}",
        token::entry(name, *role, &token).trim_end()
    );
    Ok(())
}
