//! `inspectctl`, the operator's client of `inspectd`: parses the command line, calls the daemon, prints.

mod acceptance;
mod camera;
mod cameras;
mod challenge;
mod conformance;
mod connection;
mod consumers;
mod dataset;
mod decision_matrix;
#[cfg(test)]
mod documents;
mod evidence;
mod failure;
mod format;
mod image_file;
mod inspect;
mod json;
mod label;
mod last_reject;
mod lock;
mod man_pages;
mod model;
mod moved;
mod recipe;
mod reload;
mod replay;
mod report;
mod resynchronize;
mod shadow;
mod status;
mod summary;
mod table;
mod threshold;
mod time_arg;
mod trigger;
mod verdict_row;
mod verdicts;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use inspectd_man_pages::{Shell, print_completion};

use crate::connection::ConnectionOptions;
use crate::failure::Failure;

/// Wrong arguments. clap's own code, 2, is that of a rejected image here.
const USAGE: u8 = 64;

const EXIT_CODES: &str = "\
Exit codes:
   0  success
   1  the daemon refused, or a local error
  64  wrong arguments
  69  no daemon answers, or the connection was lost
`inspect` and `trigger --wait` also have 2 (REJECT), 3 (REVIEW) and 4 (FAULT); `model install` also has 5 (the new
model did not pass the challenge, and is not active).";

/// Client of inspectd: its state, its verdicts, its images.
#[derive(Debug, Parser)]
#[command(name = "inspectctl", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    connection: ConnectionOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the state of the line, the model, the engine and the cameras.
    Status(status::Arguments),
    /// Show verdicts as they are made, until Ctrl-C.
    Watch(watch::Arguments),
    /// Show stored verdicts, the newest first.
    Verdicts(verdicts::Arguments),
    /// Inspect the next frame of a camera, or of all cameras of a group.
    #[command(after_help = trigger::EXIT_CODES)]
    Trigger(trigger::Arguments),
    /// List the consumers, forget one, or acknowledge verdicts for one.
    Consumers(consumers::Arguments),
    /// List what people say of verdicts, or say it.
    Label(label::Arguments),
    /// Suggest a threshold from scores of good parts.
    Threshold(threshold::Arguments),
    /// Show how another recipe would have decided stored verdicts.
    Replay(replay::Arguments),
    /// Report what the line did in a period, such as a shift.
    Report(report::Arguments),
    /// Judge pictures of known parts, to see whether the line still tells good from bad.
    Challenge(challenge::Arguments),
    /// Study the inspection as a measurement system, for its acceptance: repeatability, misses, false rejects.
    #[command(after_help = acceptance::AFTER_HELP)]
    Acceptance(Box<acceptance::Arguments>),
    /// Export labelled verdicts as a dataset for the trainer.
    Dataset(dataset::Arguments),
    /// Inspect image files with the loaded model, while the cameras run.
    #[command(after_help = inspect::EXIT_CODES)]
    Inspect(inspect::Arguments),
    /// Save the heatmap or the frame of a recent verdict.
    Evidence(evidence::Arguments),
    /// Reload the configuration and the model bundle.
    Reload,
    /// List the cameras.
    Cameras(cameras::Arguments),
    /// Set up, pause, add and remove cameras.
    Camera(camera::Arguments),
    /// Put a group whose cameras count their parts in step, while no part is in view.
    #[command(alias = "resync")]
    Resynchronize(resynchronize::Arguments),
    /// List, prepare and activate recipes.
    Recipe(recipe::Arguments),
    /// Install a new model, undo that, or show the active model.
    Model(model::Arguments),
    /// Show what a shadow decides otherwise: a model or recipe that judges next to the active one, without effect.
    Shadow(shadow::Arguments),
    /// Refuse changes from other machines, for work on the daemon's machine.
    Lock(lock::Arguments),
    /// Release the lock.
    Unlock,
    /// Judge whether a client keeps the rules of docs/conformance.md: plays a daemon to it. Needs no daemon.
    Conformance(conformance::Arguments),
    /// Print the completion script of a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write the man pages of inspectctl.
    ManPages(man_pages::Arguments),
    /// Moved to `inspectd audit`.
    #[command(hide = true, disable_help_flag = true)]
    Audit(moved::Arguments),
    /// Moved to `inspectd token`.
    #[command(hide = true, disable_help_flag = true)]
    Token(moved::Arguments),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => {
            let failed = answer.use_stderr();
            // If it cannot be written, only the exit code reports it.
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
    let client = || cli.connection.client();
    match cli.command {
        Command::Status(arguments) => status::run(&client()?, &arguments).await?,
        Command::Watch(arguments) => watch::run(&client()?, arguments).await?,
        Command::Inspect(arguments) => return inspect::run(&client()?, &arguments).await,
        Command::Evidence(arguments) => evidence::run(&client()?, &arguments).await?,
        Command::Reload => reload::run(&client()?).await?,
        Command::Cameras(arguments) => cameras::run(&client()?, &arguments).await?,
        Command::Camera(arguments) => camera::run(&client()?, &arguments).await?,
        Command::Resynchronize(arguments) => resynchronize::run(&client()?, arguments).await?,
        Command::Recipe(arguments) => recipe::run(&client()?, &arguments).await?,
        Command::Model(arguments) => model::run(&client()?, &arguments).await?,
        Command::Shadow(arguments) => shadow::run(&client()?, &arguments).await?,
        Command::Lock(arguments) => lock::lock(&client()?, arguments).await?,
        Command::Unlock => lock::unlock(&client()?).await?,
        Command::Verdicts(arguments) => verdicts::run(&client()?, &arguments).await?,
        Command::Trigger(arguments) => return trigger::run(&client()?, &arguments).await,
        Command::Consumers(arguments) => consumers::run(&client()?, &arguments).await?,
        Command::Label(arguments) => label::run(&client()?, &arguments).await?,
        Command::Threshold(arguments) => threshold::run(&client()?, &arguments).await?,
        Command::Replay(arguments) => replay::run(&client()?, &arguments).await?,
        Command::Report(arguments) => report::run(&client()?, &arguments).await?,
        Command::Challenge(arguments) => challenge::run(&client()?, &arguments).await?,
        Command::Acceptance(arguments) => return acceptance::run(&client()?, &arguments).await,
        Command::Dataset(arguments) => dataset::run(&client()?, &arguments).await?,
        Command::Conformance(arguments) => return conformance::run(&arguments).await,
        Command::Completions { shell } => print_completion(Cli::command(), shell)?,
        Command::ManPages(arguments) => man_pages::run(Cli::command(), &arguments)?,
        Command::Audit(_) => return Ok(moved::report("audit")),
        Command::Token(_) => return Ok(moved::report("token")),
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_passes_the_assertions_of_clap() {
        Cli::command().debug_assert();
    }

    #[test]
    fn valid_command_lines_are_accepted_and_others_rejected() {
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
        check("inspectctl trigger --camera a --recipe-sha256 ab", false);
        check("inspectctl camera latency top --repeat 3", true);
        check("inspectctl camera latency", false);
        check("inspectctl camera set top --exposure-us 8000", true);
        check(
            "inspectctl camera set top --gain own --exposure-us own",
            true,
        );
        check("inspectctl camera set top --gain -1.5", true);
        check("inspectctl camera set top", false);
        check("inspectctl camera set top --exposure-us 0", false);
        check("inspectctl camera set top --gain nan", false);
        check("inspectctl camera add top --file top.toml", true);
        check("inspectctl camera add top", false);
        check("inspectctl camera add top --file a --toml b", false);
        check("inspectctl camera remove top", true);
        check("inspectctl model install bundle --dry-run --json", true);
        check("inspectctl model install", false);
        check("inspectctl model undo", true);
        check("inspectctl model show --json", true);
        check("inspectctl model", false);
        check("inspectctl shadow", true);
        check("inspectctl shadow --json", true);
        check("inspectctl shadow list --camera top --limit 5", true);
        check("inspectctl shadow list --save maps --json", true);
        check("inspectctl shadow list --limit 1001", false);
        check("inspectctl shadow reset", true);
        check("inspectctl resynchronize cell", true);
        check("inspectctl resynchronize", false);
        check("inspectctl trigger", false);
        check("inspectctl consumers", true);
        check("inspectctl consumers acknowledge mes 7 --json", true);
        check("inspectctl consumers forget", false);
        check("inspectctl label set 7 defective --class scratch", true);
        check("inspectctl label set 7 perfect", false);
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
        check("inspectctl conformance -- ./client {address} --fast", true);
        check(
            "inspectctl conformance --scenario reset --json -- client {address}",
            true,
        );
        check("inspectctl conformance --list", true);
        check("inspectctl conformance", false);
        check("inspectctl conformance --scenario other -- client", false);
        check("inspectctl completions bash", true);
        check("inspectctl audit verify file --head abc", true);
        check("inspectctl token create --name mes --help", true);
        check("inspectctl report --shift 8h --id belt --format csv", true);
        check("inspectctl report --shift 8h --from 2h", false);
    }

    #[test]
    fn every_command_groups_its_connection_options_under_one_heading() {
        let mut cli = Cli::command();
        cli.build();
        for command in cli
            .get_subcommands_mut()
            .filter(|command| !command.is_hide_set())
        {
            let help = command.render_long_help().to_string();
            let Some((own, connection)) = help.split_once("\nConnection:\n") else {
                assert_eq!(command.get_name(), "help", "{help}");
                continue;
            };
            for option in [
                "--server",
                "--ca ",
                "--certificate",
                "--key",
                "--token-file",
            ] {
                assert!(!own.contains(option), "{option} in\n{own}");
                assert!(connection.contains(option), "{option} not in\n{connection}");
            }
        }
    }
}
