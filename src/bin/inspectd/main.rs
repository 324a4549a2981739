//! The inspection daemon.

mod audit;
mod bench;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use inspectd::config::Sources;
use inspectd::daemon;
use inspectd::daemon::failure::Failure;

/// Where the configuration is unless something else is said.
const CONFIG: &str = "/etc/inspectd/inspectd.toml";

/// Grabs frames from cameras, inspects them with a model bundle, and streams verdicts over gRPC.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Arguments {
    /// The configuration [default: /etc/inspectd/inspectd.toml]; the files of conf.d beside it and
    /// variables INSPECTD__TABLE__KEY come on top
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon (what happens without a command)
    Run,
    /// Check the configuration and the model bundle, and start nothing
    Check,
    /// Measure the line beside a bare ONNX Runtime loop on this machine
    Bench(bench::Arguments),
    /// Measure what the journal and a crowd of clients cost, on this machine and its disk
    BenchJournal(bench::JournalArguments),
    /// Verify or list an audit log, from its file
    Audit(audit::Arguments),
    /// Make a token for a client
    Token(token::Arguments),
    #[command(hide = true)]
    BenchBare(bench::BareArguments),
}

const EXIT_CODES: &str = "Exit codes: 0 ended as told; 64 wrong usage; 65 unusable model bundle; 69 an address is taken, or
ONNX Runtime or the provider is not there; 70 internal error; 74 the journal is not usable; 78 wrong
configuration or recipe; 130 told twice to end.";

#[allow(clippy::needless_pass_by_value)] // As map_err wants it.
fn failed(error: anyhow::Error) -> Failure {
    Failure::Internal(format!("{error:#}"))
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors.
            let code = if error.use_stderr() { 64 } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let required = arguments.config.is_some();
    let file = arguments.config.unwrap_or_else(|| CONFIG.into());
    let sources = Sources::of_process(file, required);
    let result = match arguments.command {
        None | Some(Command::Run) => daemon::leave(told(daemon::run(sources))),
        Some(Command::Check) => daemon::check(&sources).map(|settings| {
            println!(
                "the configuration is valid: {} cameras",
                settings.cameras.len()
            );
        }),
        Some(Command::Bench(arguments)) => bench::run(&arguments).map_err(failed),
        Some(Command::BenchJournal(arguments)) => bench::run_journal(&arguments).map_err(failed),
        Some(Command::Audit(arguments)) => return file_command(audit::run(&arguments)),
        Some(Command::Token(arguments)) => return file_command(token::run(&arguments)),
        Some(Command::BenchBare(arguments)) => bench::run_bare(&arguments).map_err(failed),
    };
    ExitCode::from(told(result))
}

/// Ends a command that needs no daemon: 0, or 1 with the error on standard error. A reader of standard
/// output that went away (`inspectd audit list FILE | head`) is not an error.
fn file_command(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    let io_error = error.downcast_ref::<std::io::Error>();
    if io_error.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    eprintln!("inspectd: {error:#}");
    ExitCode::FAILURE
}

/// Tells what failed, if anything did, and gives back the exit code.
fn told(result: Result<(), Failure>) -> u8 {
    match result {
        Ok(()) => 0,
        Err(failure) => {
            eprintln!("{failure}");
            failure.exit_code()
        }
    }
}
