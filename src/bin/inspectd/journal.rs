//! `inspectd journal`: checks a journal for damage, copies what can be read of a damaged one, makes and restores backups.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use inspectd::config::{self, Sources};
use inspectd::journal::backup::{Progress, RestoreOptions, backup, restore};
use inspectd::journal::repair::{Check, Depth, salvage};

/// Size of the write-ahead log at which a backup ends, bytes, if the configuration does not say what the daemon permits.
const WAL_LIMIT: u64 = 256 << 20;

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
    /// Copy a journal, in use or not, to a new file, and verify the copy.
    Backup {
        /// The journal: journal.sqlite, or its folder [default: journal.folder of the configuration].
        path: Option<PathBuf>,
        /// The new file.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Put a backup in place, while the daemon is stopped. Its next verdicts have sequences that were never used.
    Restore {
        /// The backup.
        from: PathBuf,
        /// Folder of the journal [default: journal.folder of the configuration].
        #[arg(long, value_name = "FOLDER")]
        folder: Option<PathBuf>,
        /// Use no sequence up to this one; required if the folder has no sequences.toml.
        #[arg(long, value_name = "SEQUENCE")]
        after: Option<u64>,
        /// Keep a journal which has verdicts that the backup lacks, or cannot be read, under another name.
        #[arg(long)]
        set_aside: bool,
    },
}

/// Checks, salvages, copies or restores a journal.
///
/// # Errors
/// When a file cannot be read or written, or is damaged, or a backup is refused.
pub fn run(arguments: &Arguments, sources: &Sources) -> Result<()> {
    match &arguments.command {
        Command::Check { path } => check(path),
        Command::Salvage { path, out } => copy(path, out),
        Command::Backup { path, to } => back_up(path.as_deref(), to, sources),
        Command::Restore {
            from,
            folder,
            after,
            set_aside,
        } => {
            let options = RestoreOptions {
                after: *after,
                set_aside: *set_aside,
            };
            put_back(from, folder.as_deref(), options, sources)
        }
    }
}

/// The settings of the journal in the configuration: its folder, and half of the largest write-ahead log, bytes.
fn configured(sources: &Sources) -> Result<(PathBuf, u64)> {
    let loaded = config::load(sources)?;
    let journal = loaded.settings.journal;
    let folder = journal.folder.context("journal.folder is not set")?;
    Ok((folder, journal.wal_limit / 2))
}

fn back_up(path: Option<&Path>, to: &Path, sources: &Sources) -> Result<()> {
    let configured = configured(sources);
    // A journal that is given is copied whatever the configuration is.
    let wal_limit = configured.as_ref().map_or(WAL_LIMIT, |(_, limit)| *limit);
    let journal = if let Some(path) = path {
        file(path)
    } else {
        let (folder, _) = configured.context("give the journal as an argument")?;
        inspectd::journal::file(&folder)
    };
    let mut shown = ProgressLine::new();
    let made = backup(&journal, to, wal_limit, |progress| shown.show(progress));
    shown.end();
    let made = made.with_context(|| journal.display().to_string())?;
    Ok(writeln!(
        std::io::stdout(),
        "{}: {}, {} bytes, verified",
        to.display(),
        verdicts(made.verdicts, made.range),
        made.bytes
    )?)
}

fn put_back(
    from: &Path,
    folder: Option<&Path>,
    options: RestoreOptions,
    sources: &Sources,
) -> Result<()> {
    let folder = match folder {
        Some(folder) => folder.to_owned(),
        None => configured(sources).context("give --folder")?.0,
    };
    let mut shown = ProgressLine::new();
    let restored = restore(from, &folder, options, |progress| shown.show(progress));
    shown.end();
    let restored = restored?;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{}: {} restored",
        inspectd::journal::file(&folder).display(),
        verdicts(restored.verdicts, restored.range)
    )?;
    if let Some(aside) = &restored.aside {
        writeln!(out, "the journal that was there is {}", aside.display())?;
    }
    Ok(writeln!(
        out,
        "the next start begins epoch {}; its verdicts have sequences after {}, and those between are reported as lost",
        restored.epoch, restored.sequence
    )?)
}

fn verdicts(count: u64, range: Option<(u64, u64)>) -> String {
    match range {
        Some((first, last)) => format!("{count} verdicts ({first} to {last})"),
        None => "no verdicts".to_owned(),
    }
}

/// How far a copy is, on a terminal.
struct ProgressLine {
    terminal: bool,
    percent: u64,
}

impl ProgressLine {
    fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            percent: u64::MAX,
        }
    }

    fn show(&mut self, progress: Progress) {
        let (percent, text) = match progress {
            Progress::Copied(copied, all) => {
                let percent = (100 * copied).checked_div(all).unwrap_or(100);
                (
                    percent,
                    format!("{percent:3} % of {} MiB copied", all >> 20),
                )
            }
            Progress::Verifying => (u64::MAX - 1, "the copy is being verified".to_owned()),
        };
        if self.terminal && percent != self.percent {
            self.percent = percent;
            // Only for people; the result is printed at the end.
            let _ = write!(std::io::stderr(), "\r{text:40}");
        }
    }

    fn end(&self) {
        if self.terminal {
            let _ = writeln!(std::io::stderr());
        }
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
