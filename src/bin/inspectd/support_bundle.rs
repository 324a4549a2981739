//! `inspectd support-bundle`: an archive for the vendor's support, without secrets.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use inspectd::clock::{Clock, SystemClock};
use inspectd::config::Sources;
use inspectd::support::{Options, Part, collect, rfc3339, write};

/// Most verdicts whose pictures are included.
const MOST_EVIDENCE: u64 = 1000;

/// Arguments of `support-bundle`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The archive [default: inspectd-support-TIME.tar.gz in the working folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Age of the oldest line of the log, such as 30m, 24h or 7d
    #[arg(long, value_name = "AGE", default_value = "24h", value_parser = age)]
    since: Duration,
    /// Include the pictures of the last N verdicts that have some; they show parts
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=MOST_EVIDENCE))]
    evidence: u64,
    /// File of the log, if it is not in systemd's journal
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Folder of the journal, if the configuration cannot be read
    #[arg(long, value_name = "FOLDER")]
    journal: Option<PathBuf>,
    /// Address of the running daemon [default: INSPECTD_SERVER, or that of the configuration]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// CA of the daemon's certificate, PEM; required for https://
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// File with the token of a client
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Parses an age: a whole number and a unit.
fn age(text: &str) -> Result<Duration, String> {
    let wanted = || format!("{text:?}: must be a whole number and s, m, h or d, such as 24h");
    let (number, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(wanted)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wanted()),
    };
    let number: u64 = number.parse().map_err(|_| wanted())?;
    let seconds = number.checked_mul(seconds).ok_or_else(wanted)?;
    Ok(Duration::from_secs(seconds))
}

/// Collects and writes the archive, and prints what is missing in it.
///
/// # Errors
/// When the archive cannot be written. A part that cannot be collected is no error.
pub fn run(arguments: &Arguments, sources: &Sources) -> Result<()> {
    let now = SystemClock.now().utc;
    let inspectd = std::env::current_exe().context("the path of this program")?;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let pairs = [
        ("--server", arguments.server.clone()),
        ("--ca", arguments.ca.as_deref().map(text)),
        ("--token-file", arguments.token_file.as_deref().map(text)),
    ];
    let given = pairs
        .into_iter()
        .filter_map(|(name, value)| Some([name.to_owned(), value?]));
    let options = Options {
        sources: sources.clone(),
        since: arguments.since,
        log: arguments.log.clone(),
        journal: arguments.journal.clone(),
        evidence: arguments.evidence as usize,
        inspectctl: inspectctl(&inspectd),
        inspectd,
        connection: given.flatten().collect(),
        now,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let parts = runtime.block_on(collect(&options));
    let out = arguments
        .out
        .clone()
        .unwrap_or_else(|| default_name(&rfc3339(now)));
    write(&out, &parts, arguments.evidence > 0, now).with_context(|| out.display().to_string())?;
    report(&out, &parts)
}

/// The program next to this one; where it is not, the one that the shell finds.
fn inspectctl(inspectd: &Path) -> PathBuf {
    let next_to = inspectd.with_file_name("inspectctl");
    if next_to.exists() {
        next_to
    } else {
        "inspectctl".into()
    }
}

/// `inspectd-support-20261130T120000Z.tar.gz`
fn default_name(time: &str) -> PathBuf {
    let time: String = time.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("inspectd-support-{time}.tar.gz").into()
}

fn report(out: &Path, parts: &[Part]) -> Result<()> {
    let mut output = std::io::stdout();
    let collected = parts.iter().filter(|part| part.content.is_ok()).count();
    writeln!(
        output,
        "{}: {collected} files, without secrets",
        out.display()
    )?;
    for part in parts {
        if let Err(reason) = &part.content {
            let reason = reason.lines().next().unwrap_or_default();
            writeln!(output, "not collected: {}: {reason}", part.name)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_is_a_whole_number_and_a_unit() {
        let check = |text: &str, seconds: Option<u64>| {
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(age(text).ok(), expected, "{text:?}");
        };
        check("24h", Some(86_400));
        check("30m", Some(1800));
        check("7d", Some(604_800));
        check("5s", Some(5));
        check("5", None);
        check("h", None);
        check("", None);
        check("1.5h", None);
        check("5ä", None);
        check("999999999999999999d", None);
    }

    #[test]
    fn default_name_has_the_time() {
        assert_eq!(
            default_name("2026-11-30T12:00:00Z"),
            PathBuf::from("inspectd-support-20261130T120000Z.tar.gz")
        );
    }
}
