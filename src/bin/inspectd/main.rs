//! The inspection daemon.

mod audit;
mod bench;
#[cfg(test)]
mod documents;
mod init;
mod journal;
mod man_pages;
mod support_bundle;
mod token;

use std::io::{Error as IoError, ErrorKind};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use inspectd::camera::{CAPTURE_COMMAND, run_capture_process};
use inspectd::config::Sources;
use inspectd::daemon;
use inspectd::daemon::failure::Failure;
use inspectd::shadow::{SHADOW_COMMAND, run_shadow_process};
use inspectd_man_pages::{Shell, print_completion};

/// Default path of the configuration.
const CONFIG: &str = "/etc/inspectd/inspectd.toml";

/// Exit code for wrong usage, as in BSD's `sysexits.h`.
const EXIT_USAGE: u8 = 64;

/// Exit code for internal errors, as in BSD's `sysexits.h`.
const EXIT_SOFTWARE: u8 = 70;

/// Captures frames from cameras, inspects them with a model bundle, and streams verdicts over gRPC.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Arguments {
    /// Configuration file [default: /etc/inspectd/inspectd.toml]; the files of the folder conf.d next to it
    /// and the variables INSPECTD__TABLE__KEY override it
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon (the default)
    Run,
    /// Check the configuration and the model bundle without starting anything
    Check,
    /// Write a configuration: find cameras, take pictures, propose exposure and crop
    #[command(after_help = init::AFTER_HELP)]
    Init(Box<init::Arguments>),
    /// Compare the pipeline with a bare ONNX Runtime loop on this machine
    Bench(bench::Arguments),
    /// Measure the cost of the journal and of many clients on this machine and its disk
    BenchJournal(bench::JournalArguments),
    /// Measure the cost of many clients that read all verdicts on this machine
    BenchStreams(bench::StreamsArguments),
    /// Verify or list an audit log, from its file
    Audit(audit::Arguments),
    /// Check a journal for damage, copy what can be read of a damaged one, make and restore backups
    Journal(journal::Arguments),
    /// Make a token for a client
    Token(token::Arguments),
    /// Write an archive for support: configuration, log, versions, statistics; without secrets and pictures
    SupportBundle(support_bundle::Arguments),
    /// Print the completion script of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the man pages of inspectd and of its configuration
    ManPages(man_pages::Arguments),
    #[command(hide = true, name = CAPTURE_COMMAND)]
    Capture,
    #[command(hide = true, name = SHADOW_COMMAND)]
    Shadow,
    #[command(hide = true)]
    BenchBare(bench::BareLoopArguments),
}

const EXIT_CODES: &str = "Exit codes: 0 stopped as requested; 64 wrong usage; 65 model bundle not usable; 69 an address is in use,
or ONNX Runtime or the execution provider is not available; 70 internal error; 74 journal not usable;
78 wrong configuration or recipe; 130 second termination signal.";

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are not errors.
            let code = if error.use_stderr() { EXIT_USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let required = arguments.config.is_some();
    let file = arguments.config.unwrap_or_else(|| CONFIG.into());
    let sources = Sources::of_process(file, required);
    match arguments.command {
        None | Some(Command::Run) => daemon::exit(daemon_exit_code(daemon::run(sources))),
        Some(Command::Capture) => capture(),
        Some(Command::Shadow) => shadow(),
        Some(Command::Check) => check(&sources),
        Some(Command::Init(arguments)) => ExitCode::from(init::run(&arguments, &sources.file)),
        Some(Command::Bench(arguments)) => bench_exit_code(bench::run(&arguments)),
        Some(Command::BenchJournal(arguments)) => bench_exit_code(bench::run_journal(&arguments)),
        Some(Command::BenchStreams(arguments)) => bench_exit_code(bench::run_streams(&arguments)),
        Some(Command::BenchBare(arguments)) => bench_exit_code(bench::run_bare_loop(&arguments)),
        Some(Command::Audit(arguments)) => file_exit_code(audit::run(&arguments)),
        Some(Command::Journal(arguments)) => file_exit_code(journal::run(&arguments, &sources)),
        Some(Command::Token(arguments)) => file_exit_code(token::run(&arguments)),
        Some(Command::SupportBundle(arguments)) => {
            file_exit_code(support_bundle::run(&arguments, &sources))
        }
        Some(Command::Completions { shell }) => {
            let printed = print_completion(Arguments::command(), shell);
            file_exit_code(printed.map_err(anyhow::Error::from))
        }
        Some(Command::ManPages(arguments)) => {
            file_exit_code(man_pages::run(Arguments::command(), &arguments))
        }
    }
}

/// Runs a capture process. Exits without the destructors of the libraries that it used.
fn capture() -> ! {
    let failed = run_capture_process().map_err(|error| eprintln!("inspectd: {error}"));
    daemon::exit(u8::from(failed.is_err()))
}

/// Runs a shadow process. Exits without the destructors of ONNX Runtime.
fn shadow() -> ! {
    let failed = run_shadow_process().map_err(|error| eprintln!("inspectd: {error}"));
    daemon::exit(u8::from(failed.is_err()))
}

fn check(sources: &Sources) -> ExitCode {
    let checked = daemon::check(sources).map(|settings| {
        let cameras = settings.cameras.len();
        println!("the configuration is valid: {cameras} cameras");
    });
    ExitCode::from(daemon_exit_code(checked))
}

/// Prints the failure, if any, and returns the exit code.
fn daemon_exit_code(result: Result<(), Failure>) -> u8 {
    match result {
        Ok(()) => 0,
        Err(failure) => {
            eprintln!("{failure}");
            failure.exit_code()
        }
    }
}

/// Prints the error of a benchmark, if any, and returns the exit code.
fn bench_exit_code(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(EXIT_SOFTWARE)
        }
    }
}

/// Prints the error of a command that does not need the daemon, if any, and returns the exit code: 0 or 1.
/// A reader of standard output that ended (`inspectd audit list FILE | head`) is not an error.
fn file_exit_code(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    let io_error = error.downcast_ref::<IoError>();
    if io_error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    eprintln!("inspectd: {error:#}");
    ExitCode::FAILURE
}
