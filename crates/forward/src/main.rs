//! `inspectd-forward`: parses the command line and runs a command.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use inspectd_forward::config::{self, Settings};
use inspectd_forward::failure::Failure;
use inspectd_forward::status::{http, table};
use inspectd_forward::{app, check, tls};
use inspectd_gateway::{exit_code, log};
use inspectd_man_pages::{Manual, Shell};

const EXIT_CODES: &str = "\
Exit codes:
   0  stopped as requested, or nothing was found
   1  the check found a fault, or a local error
  64  wrong arguments
  69  status: no program answers; run: status.listen is not available
  70  internal error
  75  other programs read as the consumers of all sinks
  78  the configuration, or a file that it names, cannot be used";

const MANUAL: Manual<'_> = Manual {
    section: "8",
    see_also: &["inspectd(8)", "inspectctl(1)"],
};

/// Forwards the verdicts of inspectd to files, webhooks, MQTT brokers and databases.
#[derive(Debug, Parser)]
#[command(name = "inspectd-forward", version, after_help = EXIT_CODES)]
struct Cli {
    /// The configuration.
    #[arg(
        long,
        global = true,
        env = "INSPECTD_FORWARD_CONFIG",
        value_name = "FILE",
        default_value = "/etc/inspectd/forward.toml"
    )]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Forward until SIGTERM or SIGINT. The default.
    Run,
    /// Check the configuration, and connect to the daemon and to each sink. Sends no verdict.
    Check,
    /// Show the sinks of a running program.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the completion script of a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write the man pages of inspectd-forward.
    ManPages {
        /// Folder that the pages are written to; made if it does not exist.
        folder: PathBuf,
    },
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => {
            let failed = answer.use_stderr();
            // If it cannot be written, only the exit code reports it.
            let _ = answer.print();
            return ExitCode::from(if failed { exit_code::USAGE } else { 0 });
        }
    };
    tls::install_provider();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "inspectd-forward: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let local = |error: std::io::Error| Failure::Failed(error.to_string());
    let load = || config::load(&cli.config).map_err(Failure::from);
    match cli.command.unwrap_or(Command::Run) {
        Command::Run => {
            let settings = load()?;
            log::init(&settings.log, "inspectd-forward")
                .map_err(|error| Failure::Setup(format!("{error:#}")))?;
            in_runtime(app::run(settings))
        }
        Command::Check => {
            let settings = load()?;
            let findings = in_runtime(async { Ok(check::check(&settings).await) })?;
            print(&check::report(&findings)?)
        }
        Command::Status { json } => status(&load()?, json),
        Command::Completions { shell } => {
            inspectd_man_pages::print_completion(Cli::command(), shell).map_err(local)
        }
        Command::ManPages { folder } => {
            let pages = inspectd_man_pages::pages(Cli::command(), MANUAL);
            inspectd_man_pages::write(&pages, &folder).map_err(local)
        }
    }
}

fn in_runtime<T>(task: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Failure::Internal(error.to_string()))?;
    let result = runtime.block_on(task);
    // A disk that does not answer does not delay the end.
    runtime.shutdown_background();
    result
}

fn print(text: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{}", text.trim_end())
        .map_err(|error| Failure::Failed(error.to_string()))
}

fn status(settings: &Settings, json: bool) -> Result<(), Failure> {
    let address = settings.status_listen;
    let address = address.ok_or_else(|| Failure::Failed("status.listen is \"off\"".to_owned()))?;
    let text = in_runtime(fetch(address))?;
    if json {
        return print(&text);
    }
    let status: http::Status = serde_json::from_str(&text)
        .map_err(|error| Failure::Failed(format!("{address}: {error}")))?;
    print(&table::render(&status.sinks))
}

async fn fetch(address: SocketAddr) -> Result<String, Failure> {
    let failed = |error: reqwest::Error| {
        Failure::Unreachable(format!("no program answers at {address}: {error}"))
    };
    let answer = reqwest::get(format!("http://{address}/status"))
        .await
        .map_err(failed)?;
    let answer = answer.error_for_status().map_err(failed)?;
    answer.text().await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_passes_the_assertions_of_clap() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_documented_command_line_is_accepted() {
        inspectd_test_support::assert_documented_commands_are_accepted::<Cli>(
            "inspectd-forward",
            4,
        );
    }

    #[test]
    fn every_command_and_option_is_on_a_man_page() {
        let pages = inspectd_man_pages::pages(Cli::command(), MANUAL);
        let missing = inspectd_man_pages::missing(Cli::command(), &pages);
        assert!(missing.is_empty(), "{}", missing.join("\n"));
    }

    #[test]
    fn valid_command_lines_are_accepted_and_others_rejected() {
        let check = |line: &str, accepted: bool| {
            let parsed = Cli::try_parse_from(line.split_whitespace());
            assert_eq!(parsed.is_ok(), accepted, "{line}");
        };
        check("inspectd-forward", true);
        check("inspectd-forward run --config a.toml", true);
        check("inspectd-forward --config a.toml check", true);
        check("inspectd-forward status --json", true);
        check("inspectd-forward send", false);
    }
}
