//! `inspectctl`, the operator's client of `inspectd`: parse, call, print.

mod cameras;
mod connection;
mod consumers;
mod credentials;
mod evidence;
mod failure;
mod format;
mod image_file;
mod inspect;
mod json;
mod last_reject;
mod lock;
mod recipe;
mod reload;
mod replay;
mod status;
mod summary;
mod table;
mod threshold;
mod time_arg;
mod trigger;
mod verdict_row;
mod verdicts;
mod watch;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::connection::{Daemon, Server};
use crate::credentials::Credentials;
use crate::failure::Failure;

/// Wrong arguments; clap's own code, 2, is that of a rejected image here.
const USAGE: u8 = 64;

const EXIT_CODES: &str = "\
Exit codes:
   0  done
   1  the daemon refused, or something failed here
  64  wrong arguments
  69  no daemon answers, or it went away
`inspect` and `trigger --wait` also have 2 (REJECT), 3 (REVIEW) and 4 (FAULT).";

/// Talks to a running inspectd: its state, its verdicts, its pictures.
#[derive(Debug, Parser)]
#[command(name = "inspectctl", version, after_help = EXIT_CODES)]
struct Cli {
    /// Where the daemon listens: http://HOST:PORT, https://HOST:PORT or unix:/PATH.
    #[arg(
        long,
        global = true,
        env = "INSPECTD_SERVER",
        value_name = "URL",
        default_value = "http://127.0.0.1:50051"
    )]
    server: Server,
    #[command(flatten)]
    credentials: Credentials,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what the line, its model, its engine and its cameras are doing.
    Status(status::Arguments),
    /// Show verdicts as they come, until Ctrl-C.
    Watch(watch::Arguments),
    /// Show stored verdicts, the newest first.
    Verdicts(verdicts::Arguments),
    /// Have a part inspected: the next frame of a camera, or of a group's cameras.
    #[command(after_help = trigger::EXIT_CODES)]
    Trigger(trigger::Arguments),
    /// Show who acknowledges verdicts; forget one, or acknowledge for it.
    Consumers(consumers::Arguments),
    /// Find a threshold from good parts.
    Threshold(threshold::Arguments),
    /// Show what another recipe would have made of stored verdicts.
    Replay(replay::Arguments),
    /// Have images judged by the loaded model, beside the cameras' frames.
    #[command(after_help = inspect::EXIT_CODES)]
    Inspect(inspect::Arguments),
    /// Save the heatmap, or the frame, of a recent verdict.
    Evidence(evidence::Arguments),
    /// Have the configuration and the model bundle read again.
    Reload,
    /// List the cameras.
    Cameras(cameras::Arguments),
    /// List, prepare and activate recipes.
    Recipe(recipe::Arguments),
    /// Refuse changes from other machines, while somebody works at this one.
    Lock(lock::Arguments),
    /// Open the lock.
    Unlock,
    /// Print a shell's completion script.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => {
            let failed = answer.use_stderr();
            // Where not even this can be written, the exit code is all there is to say.
            let _ = answer.print();
            return ExitCode::from(if failed { USAGE } else { 0 });
        }
    };
    match run(cli) {
        Ok(code) => code,
        Err(failure) => {
            failure.report();
            failure.exit_code()
        }
    }
}

/// One thread is enough: a command waits for one answer or one stream.
#[tokio::main(flavor = "current_thread")]
async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let daemon = || Daemon::at(&cli.server, &cli.credentials);
    match cli.command {
        Command::Status(arguments) => status::run(&daemon()?, &arguments).await?,
        Command::Watch(arguments) => watch::run(&daemon()?, arguments).await?,
        Command::Inspect(arguments) => return inspect::run(&daemon()?, &arguments).await,
        Command::Evidence(arguments) => evidence::run(&daemon()?, &arguments).await?,
        Command::Reload => reload::run(&daemon()?).await?,
        Command::Cameras(arguments) => cameras::run(&daemon()?, &arguments).await?,
        Command::Recipe(arguments) => recipe::run(&daemon()?, &arguments).await?,
        Command::Lock(arguments) => lock::lock(&daemon()?, arguments).await?,
        Command::Unlock => lock::unlock(&daemon()?).await?,
        Command::Verdicts(arguments) => verdicts::run(&daemon()?, &arguments).await?,
        Command::Trigger(arguments) => return trigger::run(&daemon()?, &arguments).await,
        Command::Consumers(arguments) => consumers::run(&daemon()?, &arguments).await?,
        Command::Threshold(arguments) => threshold::run(&daemon()?, &arguments).await?,
        Command::Replay(arguments) => replay::run(&daemon()?, &arguments).await?,
        Command::Completions { shell } => completions(shell)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Into memory first: the generator panics where standard output is closed.
fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "inspectctl", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn arguments_are_accepted_or_refused() {
        let check = |line: &str, accepted: bool| {
            let parsed = Cli::try_parse_from(line.split_whitespace());
            assert_eq!(parsed.is_ok(), accepted, "{line}");
        };
        check("inspectctl status", true);
        check("inspectctl --server box:50051 status", true);
        check("inspectctl status --server http://box:50051 --watch", true);
        check("inspectctl --server https://box:50051 --ca ca status", true);
        check("inspectctl status --server unix:/run/inspectd.sock", true);
        check("inspectctl --server https://box status", false);
        check("inspectctl watch --camera a --camera b --limit 5", true);
        check("inspectctl watch --decision reject --json", true);
        check("inspectctl watch --decision good", false);
        check("inspectctl watch --limit 0", false);
        check("inspectctl watch --from-time 10m --json", true);
        check("inspectctl watch --from-time soon", false);
        check("inspectctl watch --from-sequence 1 --consumer mes", false);
        check("inspectctl verdicts --from 2h --to 1h --limit 5", true);
        check("inspectctl verdicts --limit 5 --all", false);
        check("inspectctl trigger --camera top --part 7 --wait", true);
        check("inspectctl trigger", false);
        check("inspectctl consumers", true);
        check("inspectctl consumers acknowledge mes 7 --json", true);
        check("inspectctl consumers forget", false);
        check(
            "inspectctl threshold suggest --false-reject-rate 0.001",
            true,
        );
        check("inspectctl threshold suggest", false);
        check("inspectctl threshold", false);
        check(
            "inspectctl replay --recipe a.toml --from 2h --to 1h --json",
            true,
        );
        check("inspectctl replay", false);
        check("inspectctl inspect", false);
        check("inspectctl evidence 7 -o part.png", true);
        check("inspectctl evidence 7 -o part.jpeg --frame", true);
        check("inspectctl evidence 7 -o - --jpeg", true);
        check("inspectctl evidence 0 -o part.png", false);
        check("inspectctl evidence 7", false);
        check("inspectctl evidence 7 -o part.gif", false);
        check("inspectctl completions bash", true);
    }
}
