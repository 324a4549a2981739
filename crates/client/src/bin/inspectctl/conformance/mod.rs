//! `inspectctl conformance`: plays a daemon to a client, and judges what the client does.
//!
//! A scenario is a script of a [`stage::Stage`]: it has a server with a journal, runs the program under test, and fails with
//! the first rule that is broken. docs/conformance.md has the rules and the protocol of the program.

mod behaviour;
mod call;
mod decision;
mod encoded;
mod journal;
mod outcome;
mod port;
mod program;
mod report;
mod scenarios;
mod server;
mod stage;
mod task;
mod user;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use futures_util::stream::{StreamExt, iter};

use self::outcome::Outcome;
use self::program::ADDRESS;
use self::scenarios::Scenario;
use crate::failure::Failure;

/// Arguments of `conformance`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only this scenario; can be repeated.
    #[arg(long = "scenario", value_name = "NAME", value_parser = scenarios::names())]
    scenarios: Vec<String>,
    /// List the scenarios and run nothing.
    #[arg(long, conflicts_with = "program")]
    list: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Print everything that happened.
    #[arg(long)]
    verbose: bool,
    /// Scenarios that run at the same time.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    jobs: u8,
    /// Longest time from the start of the program to its first request, seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    start_timeout: u64,
    /// The program under test and its arguments; {address} in an argument is replaced by the address of the server.
    #[arg(last = true, required_unless_present = "list", value_name = "PROGRAM")]
    program: Vec<String>,
}

/// Runs the scenarios and prints the results. Returns 1 if one failed.
///
/// # Errors
/// If the program cannot be started, or the results not be printed.
pub async fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let mut out = anstream::stdout();
    if arguments.list {
        write!(out, "{}", report::list(&scenarios::ALL))?;
        return Ok(ExitCode::SUCCESS);
    }
    if !arguments.program.iter().any(|word| word.contains(ADDRESS)) {
        let text = "no argument of the program contains {address}, which is replaced by the address of the server";
        return Err(anyhow!(text).into());
    }
    let wanted = |scenario: &&Scenario| {
        let names = &arguments.scenarios;
        names.is_empty() || names.iter().any(|name| name == scenario.name)
    };
    let start_timeout = Duration::from_secs(arguments.start_timeout);
    let runs = scenarios::ALL
        .iter()
        .filter(wanted)
        .map(|scenario| scenario.play(&arguments.program, start_timeout));
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut running = iter(runs).buffered(arguments.jobs.into());
    while let Some(outcome) = running.next().await {
        outcomes.push(outcome.with_context(|| arguments.program.join(" "))?);
    }
    if arguments.json {
        let report = report::json(&arguments.program, &outcomes, arguments.verbose);
        crate::json::write(&mut out, &report)?;
    } else {
        write!(out, "{}", report::text(&outcomes, arguments.verbose))?;
    }
    let passed = outcomes.iter().all(Outcome::passed);
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
