//! `inspectd-opcua`: an OPC UA server for machine vision (OPC 40100-1), whose vision systems are cameras and groups of the daemon
//! inspectd.

mod access;
mod call;
mod check;
mod config;
mod configuration;
mod event;
mod failure;
mod gate;
mod ids;
mod instance;
mod machine;
mod method;
mod nodes;
mod nodeset;
mod password;
mod pki;
mod publisher;
mod request;
mod result;
mod run;
mod server;
mod structures;
mod system;
mod watchdog;

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use inspectd_gateway::{exit_code, log};
use inspectd_man_pages::{Manual, Shell, print_completion};

use crate::config::{DEFAULT_FILE, Settings};
use crate::failure::{EXIT_CODES, Failure};
use crate::password::{LONGEST_BYTES, PasswordHash};

/// OPC UA server for machine vision (OPC 40100-1): jobs, results and recipes of inspectd.
#[derive(Debug, Parser)]
#[command(name = "inspectd-opcua", version, after_help = EXIT_CODES)]
struct Arguments {
    /// Configuration file
    #[arg(long, short, global = true, value_name = "FILE", default_value = DEFAULT_FILE)]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the vision systems (the default)
    Run,
    /// Check the configuration, the certificates, the daemon, and what each system needs of it
    Check,
    /// Print the hash of a password, which is read from standard input
    HashPassword,
    /// Add the certificate of a client to the trusted ones
    Trust {
        /// File with the certificate, DER or PEM
        file: PathBuf,
    },
    /// Print the completion script of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the man pages
    ManPages {
        /// Folder that the pages are written to; made if it does not exist
        folder: PathBuf,
    },
}

const MANUAL: Manual<'_> = Manual {
    section: "8",
    see_also: &["inspectd(8)", "inspectctl(1)"],
};

/// The stack that a thread needs apart from nested messages.
const STACK_BYTES: usize = 8 << 20;
/// The stack for a level of nesting in a message. A message can nest one level in each byte (a `DiagnosticInfo` in another
/// one), and the library has no limit for it; at most 600 bytes were measured.
const STACK_BYTES_PER_LEVEL: usize = 2048;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are not errors.
            let code = if error.use_stderr() {
                exit_code::USAGE
            } else {
                0
            };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match execute(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("inspectd-opcua: {failure}");
            failure.exit_code()
        }
    }
}

fn execute(arguments: &Arguments) -> Result<(), Failure> {
    let settings = || Settings::read(&arguments.config);
    match arguments.command.as_ref().unwrap_or(&Command::Run) {
        Command::Run => {
            let settings = settings()?;
            log::init(&settings.log, "inspectd-opcua")?;
            let nesting = settings.limits.request_bytes * STACK_BYTES_PER_LEVEL;
            block_on(STACK_BYTES + nesting, run::run(settings))
        }
        Command::Check => block_on(STACK_BYTES, check::check(settings()?)),
        Command::HashPassword => {
            println!("{}", hash_password()?.text());
            Ok(())
        }
        Command::Trust { file } => {
            let path = pki::trust(&settings()?.pki_folder, file)?;
            println!("{}", path.display());
            Ok(())
        }
        Command::Completions { shell } => {
            let printed = print_completion(Arguments::command(), *shell);
            Ok(printed.map_err(anyhow::Error::from)?)
        }
        Command::ManPages { folder } => {
            let pages = inspectd_man_pages::pages(Arguments::command(), MANUAL);
            let written = inspectd_man_pages::write(&pages, folder);
            Ok(written.map_err(anyhow::Error::from)?)
        }
    }
}

/// Reads a password from standard input, without the end of its line.
fn hash_password() -> Result<PasswordHash, Failure> {
    let mut text = String::new();
    let mut input = std::io::stdin().take(LONGEST_BYTES as u64 + 2);
    input
        .read_to_string(&mut text)
        .map_err(anyhow::Error::from)?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    Ok(PasswordHash::create(
        password.strip_suffix('\r').unwrap_or(password),
    )?)
}

/// Runs a future on a thread of a runtime whose threads have a stack of this size. Untouched pages of a stack need no memory.
fn block_on(
    stack_bytes: usize,
    future: impl Future<Output = Result<(), Failure>> + Send + 'static,
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(run::THREADS)
        .thread_stack_size(stack_bytes)
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)?;
    let result = runtime.block_on(async { tokio::spawn(future).await });
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    result.map_err(anyhow::Error::from)?
}

#[cfg(test)]
mod tests {
    use inspectd_test_support::assert_documented_commands_are_accepted;

    use super::*;

    #[test]
    fn every_documented_command_line_is_accepted() {
        assert_documented_commands_are_accepted::<Arguments>("inspectd-opcua", 3);
    }

    #[test]
    fn every_command_and_option_is_on_a_man_page() {
        let pages = inspectd_man_pages::pages(Arguments::command(), MANUAL);
        let missing = inspectd_man_pages::missing(Arguments::command(), &pages);
        assert!(missing.is_empty(), "{}", missing.join("\n"));
    }
}
