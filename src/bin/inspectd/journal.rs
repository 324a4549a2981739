//! `inspectd journal`: checks a journal for damage, or copies what can be read of a damaged one, without a running daemon.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use inspectd::journal::repair::{Check, Depth, salvage};

/// Findings that are shown.
const SHOWN: u32 = 20;

/// Arguments of `journal`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read the whole file and report damage. Exits with 1 if there is any.
    Check {
        /// The journal, in use or not: journal.sqlite, or its folder.
        path: PathBuf,
    },
    /// Copy what can be read of a damaged journal into a new one.
    Salvage {
        /// The damaged journal, such as journal.sqlite.damaged-1.
        path: PathBuf,
        /// Folder of the new journal; it must not have one.
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
    },
}

/// Checks or salvages a journal.
///
/// # Errors
/// When a file cannot be read or written, or is damaged.
pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Check { path } => check(path),
        Command::Salvage { path, out } => copy(path, out),
    }
}

/// The file of a journal, given by itself or by its folder.
fn file(path: &Path) -> PathBuf {
    if path.is_dir() {
        inspectd::journal::file(path)
    } else {
        path.to_owned()
    }
}

fn check(path: &Path) -> Result<()> {
    let path = file(path);
    let named = || path.display().to_string();
    let check = Check::open(&path).with_context(named)?;
    let findings = check.run(Depth::Indexes, SHOWN).with_context(named)?;
    if findings.is_empty() {
        let (count, ends) = check.summary().with_context(named)?;
        let ends = ends.map_or_else(String::new, |(first, last)| format!(", {first} to {last}"));
        return Ok(writeln!(
            std::io::stdout(),
            "{}: intact, {count} verdicts{ends}",
            path.display()
        )?);
    }
    for finding in &findings {
        writeln!(std::io::stdout(), "{finding}")?;
    }
    bail!(
        "{}: damaged; copy what can be read: inspectd journal salvage {} --out FOLDER",
        path.display(),
        path.display()
    )
}

fn copy(path: &Path, out: &Path) -> Result<()> {
    let path = file(path);
    let terminal = std::io::stderr().is_terminal();
    let salvaged = salvage(&path, out, |copied| {
        if terminal {
            // Only for people; the result is printed at the end.
            let _ = write!(std::io::stderr(), "\r{copied} verdicts");
        }
    })
    .with_context(|| path.display().to_string())?;
    if terminal {
        let _ = writeln!(std::io::stderr());
    }
    let ends = salvaged.range.map_or_else(
        || "none".to_owned(),
        |(first, last)| format!("{first} to {last}"),
    );
    Ok(writeln!(
        std::io::stdout(),
        "{} verdicts copied ({ends}), {} sequences between them not, {} consumers -> {}",
        salvaged.copied,
        salvaged.lost,
        salvaged.consumers,
        inspectd::journal::file(out).display()
    )?)
}
