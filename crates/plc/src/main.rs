//! `inspectd-plc`: a Modbus TCP server for PLCs, which triggers inspections of the daemon and shows their results.

mod check;
mod config;
mod daemon;
mod driver;
mod failure;
mod handshake;
mod live;
mod map;
mod registers;
mod run;
mod server;
mod state_file;
mod station;
mod transport;
mod verdict;
mod watchdog;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};
use inspectd_gateway::{exit_code, log};
use inspectd_man_pages::{Manual, Shell, print_completion};

use crate::config::{DEFAULT_FILE, Settings};
use crate::failure::{EXIT_CODES, Failure};

/// Modbus TCP server for PLCs: triggers inspections of inspectd, and shows their results in registers.
#[derive(Debug, Parser)]
#[command(name = "inspectd-plc", version, after_help = EXIT_CODES)]
struct Arguments {
    /// Configuration file
    #[arg(long, short, global = true, value_name = "FILE", default_value = DEFAULT_FILE)]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the stations (the default)
    Run,
    /// Check the configuration, the state files, the daemon, and what each station needs of it
    Check,
    /// Print the registers of a station of the running server
    Registers {
        /// The station; may be left out if there is only one
        station: Option<String>,
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

/// How long the end of the program waits for a disk.
const DISK_TIMEOUT: Duration = Duration::from_secs(1);

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
            eprintln!("inspectd-plc: {failure}");
            failure.exit_code()
        }
    }
}

fn execute(arguments: &Arguments) -> Result<(), Failure> {
    let settings = || Settings::read(&arguments.config);
    match arguments.command.as_ref().unwrap_or(&Command::Run) {
        Command::Run => {
            let settings = settings()?;
            log::init(&settings.log, "inspectd-plc")?;
            block_on(run::run(settings))
        }
        Command::Check => block_on(check::check(&settings()?)),
        Command::Registers { station } => {
            block_on(live::registers(&settings()?, station.as_deref()))
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

/// Runs a future on a runtime. One thread serves the PLCs while another waits for a disk.
fn block_on(future: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)?;
    let result = runtime.block_on(future);
    // Dropping the runtime would wait without limit for a state file on a disk that hangs.
    runtime.shutdown_timeout(DISK_TIMEOUT);
    result
}

#[cfg(test)]
mod tests {
    use inspectd_test_support::assert_documented_commands_are_accepted;

    use super::*;

    #[test]
    fn every_documented_command_line_is_accepted() {
        assert_documented_commands_are_accepted::<Arguments>("inspectd-plc", 3);
    }

    #[test]
    fn end_of_the_program_does_not_wait_for_a_disk_that_hangs() {
        let (disk, hangs) = std::sync::mpsc::channel::<()>();
        let start = std::time::Instant::now();
        let result = block_on(async {
            let (started, has_started) = tokio::sync::oneshot::channel();
            tokio::task::spawn_blocking(move || {
                let _ = started.send(());
                let _ = hangs.recv_timeout(Duration::from_mins(2));
            });
            has_started.await.expect("a thread");
            Ok(())
        });
        assert!(result.is_ok());
        assert!(start.elapsed() < Duration::from_mins(1));
        drop(disk);
    }

    #[test]
    fn every_command_and_option_is_on_a_man_page() {
        let pages = inspectd_man_pages::pages(Arguments::command(), MANUAL);
        let missing = inspectd_man_pages::missing(Arguments::command(), &pages);
        assert!(missing.is_empty(), "{}", missing.join("\n"));
    }
}
