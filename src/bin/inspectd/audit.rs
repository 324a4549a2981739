//! `inspectd audit`: verifies or lists an audit log from its file, without a running daemon.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use comfy_table::{Cell, CellAlignment, Table, presets};
use inspectd::audit::{Hash, Reader, StoredEntry, Verified, verify};
use prost_types::Timestamp;
use serde::Serialize;

/// Entries that are in memory at the same time, and that share the column widths of a table.
const PAGE: usize = 1000;
/// Maximum length of a value in a table, in characters; `--json` prints whole values.
const SHOWN: usize = 40;

/// Arguments of `audit`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Verify that no entry was changed, removed or added. Prints the first broken entry and exits with 1
    /// otherwise.
    Verify {
        /// Path of the log, in use or a copy.
        file: PathBuf,
        /// A hash that was noted earlier. If it is not in the chain, entries at the end were removed.
        #[arg(long, value_name = "HASH")]
        head: Option<Hash>,
    },
    /// List the entries, oldest first, without verifying them.
    List {
        /// Path of the log, in use or a copy.
        file: PathBuf,
        /// Only entries from this time on: 2026-07-31 or 2026-07-31T06:00:00Z.
        #[arg(long, value_name = "TIME", value_parser = time_ns)]
        since: Option<i64>,
        /// Print one JSON object per line and entry, with whole values.
        #[arg(long)]
        json: bool,
    },
}

/// Verifies or lists a log.
///
/// # Errors
/// When the file cannot be read, or an entry is broken.
pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Verify { file, head } => {
            let verified = verify(file, *head)?;
            Ok(write!(std::io::stdout(), "{}", describe(file, &verified))?)
        }
        Command::List { file, since, json } => list(file, *since, *json),
    }
}

fn describe(file: &Path, verified: &Verified) -> String {
    let mut out = format!("{}: {} entries", file.display(), verified.entries);
    if let (Some(first), Some(last)) = (verified.first_ns, verified.last_ns) {
        let _ = write!(out, ", {} to {}", time(first), time(last));
    }
    let _ = writeln!(out, ", none changed\nhead: {}", verified.head);
    if let Some(number) = verified.expected {
        let _ = writeln!(out, "the expected head is entry {number}");
    }
    out
}

fn list(file: &Path, since: Option<i64>, json: bool) -> Result<()> {
    let reader = Reader::open(file)?;
    let mut out = std::io::stdout();
    let mut after = 0;
    loop {
        let page = reader.entries(after, PAGE)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        let first_page = after == 0;
        after = last.number;
        let wanted: Vec<_> = page
            .iter()
            .filter(|entry| since.is_none_or(|since| entry.time_ns >= since))
            .collect();
        if json {
            for entry in wanted {
                let line = serde_json::to_string(&JsonEntry::from(entry));
                writeln!(out, "{}", line.expect("plain data can be serialized"))?;
            }
        } else if first_page || !wanted.is_empty() {
            write!(out, "{}", rendered(&wanted))?;
        }
    }
}

fn rendered(entries: &[&StoredEntry]) -> String {
    const HEADINGS: [&str; 9] = [
        "entry", "time", "who", "role", "origin", "action", "subject", "before", "after",
    ];
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(HEADINGS);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for entry in entries {
        let number = Cell::new(entry.number).set_alignment(CellAlignment::Right);
        let texts = [
            time(entry.time_ns),
            shown(&entry.who),
            shown(&entry.role),
            shown(&entry.origin),
            shown(&entry.action),
            shown(&entry.subject),
            shown(&entry.before),
            shown(&entry.after),
        ];
        table.add_row(std::iter::once(number).chain(texts.map(Cell::new)));
    }
    format!("{}\n", table.trim_fmt())
}

/// A value, shortened, on one line of a table. Control characters are escaped, so that a name in a log
/// cannot send commands to the terminal of its reader.
fn shown(text: &str) -> String {
    let mut out = String::new();
    for (at, character) in text.chars().enumerate() {
        if at == SHOWN {
            out.push_str("...");
            break;
        }
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// Formats a time as RFC 3339, with nanoseconds.
fn time(time_ns: i64) -> String {
    const SECOND: i64 = 1_000_000_000;
    let timestamp = Timestamp {
        seconds: time_ns.div_euclid(SECOND),
        nanos: time_ns.rem_euclid(SECOND) as i32,
    };
    timestamp.to_string()
}

fn time_ns(text: &str) -> anyhow::Result<i64> {
    let wanted =
        "must be a date or a time of RFC 3339, such as 2026-07-31T06:00:00Z, from 1678 to 2261";
    let time: Timestamp = text.parse().ok().context(wanted)?;
    time.seconds
        .checked_mul(1_000_000_000)
        .and_then(|ns| ns.checked_add(time.nanos.into()))
        .context(wanted)
}

/// A line of `list --json`.
#[derive(Serialize)]
struct JsonEntry<'a> {
    number: u64,
    time: String,
    who: &'a str,
    role: &'a str,
    origin: &'a str,
    action: &'a str,
    subject: &'a str,
    before: &'a str,
    after: &'a str,
    hash: String,
}

impl<'a> From<&'a StoredEntry> for JsonEntry<'a> {
    fn from(entry: &'a StoredEntry) -> Self {
        Self {
            number: entry.number,
            time: time(entry.time_ns),
            who: &entry.who,
            role: &entry.role,
            origin: &entry.origin,
            action: &entry.action,
            subject: &entry.subject,
            before: &entry.before,
            after: &entry.after,
            hash: entry.hash.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_values_are_one_line_without_control_characters() {
        let check = |text: &str, expected: &str| assert_eq!(shown(text), expected);
        check("", "");
        check("0.5", "0.5");
        check("Grenzwert ä", "Grenzwert ä");
        check("a\nb\u{1b}[2J", "a\\nb\\u{1b}[2J");
        check(&"x".repeat(40), &"x".repeat(40));
        check(&"ä".repeat(41), &format!("{}...", "ä".repeat(40)));
    }

    #[test]
    fn time_parses_from_a_date_or_rfc_3339_only() {
        let check = |text: &str, expected: Option<i64>| {
            assert_eq!(time_ns(text).ok(), expected, "{text:?}");
        };
        check("1970-01-02", Some(86_400_000_000_000));
        check("1970-01-01T00:00:00.5Z", Some(500_000_000));
        check("1970-01-01T01:00:01+01:00", Some(1_000_000_000));
        check("1969-12-31T23:59:59Z", Some(-1_000_000_000));
        check("9999-01-01", None);
        check("yesterday", None);
        check("", None);
    }

    #[test]
    fn printed_time_parses_to_the_same_time() {
        for ns in [0, -1, 1, 1_785_000_000_123_456_789] {
            assert_eq!(time_ns(&time(ns)).ok(), Some(ns), "{}", time(ns));
        }
    }

    #[test]
    fn description_of_a_verified_log_has_entries_times_and_head() {
        let mut verified = Verified {
            entries: 0,
            head: Hash::GENESIS,
            first_ns: None,
            last_ns: None,
            expected: None,
        };
        let head = "0".repeat(64);
        assert_eq!(
            describe(Path::new("a.sqlite"), &verified),
            format!("a.sqlite: 0 entries, none changed\nhead: {head}\n")
        );
        verified = Verified {
            entries: 9,
            first_ns: Some(0),
            last_ns: Some(1_000_000_000),
            expected: Some(4),
            ..verified
        };
        assert_eq!(
            describe(Path::new("a.sqlite"), &verified),
            format!(
                "a.sqlite: 9 entries, 1970-01-01T00:00:00Z to 1970-01-01T00:00:01Z, none changed\n\
                 head: {head}\nthe expected head is entry 4\n"
            )
        );
    }
}
