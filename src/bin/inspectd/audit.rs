//! `inspectd audit`: verifies or lists an audit log from its file. It needs no running daemon.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use comfy_table::{Cell, CellAlignment, Table, presets};
use inspectd::audit::{Hash, Numbered, Reader, Verified, verify};
use prost_types::Timestamp;
use serde::Serialize;

/// Entries that are in memory at once, and that a table's columns are made for.
const PAGE: usize = 1000;
/// What a table shows of a value, in characters; `--json` has all of it.
const SHOWN: usize = 40;

/// Of `audit`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Verify that no entry was changed, removed or added; ends with 1 and the first broken one if so.
    Verify {
        /// The log, in use or a copy.
        file: PathBuf,
        /// A hash that was noted earlier: it must be in the chain, or the end was cut off.
        #[arg(long, value_name = "HASH")]
        head: Option<Hash>,
    },
    /// List the entries, oldest first, without verifying them.
    List {
        /// The log, in use or a copy.
        file: PathBuf,
        /// Only entries from this time on: 2026-07-31 or 2026-07-31T06:00:00Z.
        #[arg(long, value_name = "TIME", value_parser = time_ns)]
        since: Option<i64>,
        /// One JSON object an entry, a line each, with all of every value.
        #[arg(long)]
        json: bool,
    },
}

/// Verifies or lists.
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
                writeln!(out, "{}", line.expect("plain data becomes JSON"))?;
            }
        } else if first_page || !wanted.is_empty() {
            write!(out, "{}", rendered(&wanted))?;
        }
    }
}

fn rendered(entries: &[&Numbered]) -> String {
    const HEADINGS: [&str; 9] = [
        "entry", "time", "who", "role", "origin", "action", "subject", "before", "after",
    ];
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(HEADINGS);
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

/// A value on one line of a table. Control characters are escaped: nobody who is named in a log may
/// write to the terminal of who reads it.
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

/// RFC 3339, to the nanosecond.
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

/// One line of `list --json`.
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

impl<'a> From<&'a Numbered> for JsonEntry<'a> {
    fn from(entry: &'a Numbered) -> Self {
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
    fn values_are_shown_on_one_line_and_cannot_steer_a_terminal() {
        let check = |text: &str, expected: &str| assert_eq!(shown(text), expected);
        check("", "");
        check("0.5", "0.5");
        check("Grenzwert ä", "Grenzwert ä");
        check("a\nb\u{1b}[2J", "a\\nb\\u{1b}[2J");
        check(&"x".repeat(40), &"x".repeat(40));
        check(&"ä".repeat(41), &format!("{}...", "ä".repeat(40)));
    }

    #[test]
    fn a_time_is_a_date_or_rfc_3339() {
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
    fn a_time_is_printed_as_it_is_read() {
        for ns in [0, -1, 1, 1_785_000_000_123_456_789] {
            assert_eq!(time_ns(&time(ns)).ok(), Some(ns), "{}", time(ns));
        }
    }

    #[test]
    fn what_was_verified_is_said() {
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
