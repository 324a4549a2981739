//! `mhkd`: trains, calibrates, evaluates and exports the models that inspectd runs.

use std::process::ExitCode;

use clap::Parser;
use mhkd::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("mhkd: {error:#}");
            ExitCode::FAILURE
        }
    }
}
