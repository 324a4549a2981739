//! `docs/troubleshooting.md` has every fault reason, alarm and exit code, and no other.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use inspectd::alarm::AlarmKind;
use inspectd_client::proto::FaultReason;
use inspectd_test_support::project_root;

use super::text;
use crate::harness::inspectctl;

fn page() -> String {
    text(&project_root().join("docs/troubleshooting.md"))
}

/// The text of a section of the page: from its heading `## TITLE` to the next one of that level.
fn section<'a>(page: &'a str, title: &str) -> &'a str {
    let heading = format!("\n## {title}\n");
    let (_, rest) = page
        .split_once(&heading)
        .unwrap_or_else(|| panic!("no section {title}"));
    rest.split("\n## ").next().expect("at least one part")
}

/// The headings of a section, each with its text.
fn entries(section: &str) -> Vec<(String, String)> {
    let parts = section.split("\n### ").skip(1);
    let entries = parts.map(|part| part.split_once('\n').unwrap_or((part, "")));
    entries
        .map(|(heading, text)| (heading.trim().to_owned(), text.to_owned()))
        .collect()
}

/// Compares the headings with the names, and requires what each entry has to say.
fn check(entries: &[(String, String)], expected: &BTreeSet<String>) {
    let named: BTreeSet<_> = entries.iter().map(|(heading, _)| heading.clone()).collect();
    assert_eq!(&named, expected);
    for (heading, text) in entries {
        for part in ["- **Meaning.** ", "- **Look at.** ", "- **Do.** "] {
            assert!(text.contains(part), "{heading} lacks {part}");
        }
    }
}

#[test]
fn page_has_every_fault_reason_of_the_protos() {
    let reasons = (1..1000).filter_map(|number| FaultReason::try_from(number).ok());
    let names = reasons.map(|reason| {
        let name = reason.as_str_name().trim_start_matches("FAULT_REASON_");
        name.to_lowercase()
    });
    let expected: BTreeSet<_> = names.collect();
    assert!(expected.len() >= 20, "{expected:?}");
    check(&entries(section(&page(), "Fault reasons")), &expected);
}

#[test]
fn page_has_every_alarm() {
    let kinds = AlarmKind::ALL.iter();
    let expected = kinds.map(|kind| format!("Alarm {}", kind.name())).collect();
    check(&entries(section(&page(), "Alarms")), &expected);
}

/// The exit codes in the help of a program: numbers before a meaning, in the text after `Exit codes:`.
fn codes_of_help(program: &Path) -> BTreeSet<u32> {
    let output = Command::new(program)
        .arg("--help")
        .output()
        .expect("a started program");
    let help = String::from_utf8(output.stdout).expect("UTF-8");
    let (_, codes) = help
        .split_once("Exit codes:")
        .expect("exit codes in the help");
    let words = codes.split(|character: char| !character.is_ascii_alphanumeric());
    words.filter_map(|word| word.parse().ok()).collect()
}

/// The exit codes in the table of a section.
fn codes_of_page(title: &str) -> BTreeSet<u32> {
    let page = page();
    let rows = section(&page, title)
        .lines()
        .filter_map(|line| line.strip_prefix("| "));
    let cells = rows.filter_map(|row| row.split(" |").next());
    cells.filter_map(|cell| cell.trim().parse().ok()).collect()
}

/// The exit codes that the source of the daemon returns.
fn codes_of_source() -> BTreeSet<u32> {
    let failure = include_str!("../../../src/daemon/failure.rs");
    let arrows = failure.split("=> ").skip(1);
    let numbers = arrows.map(|rest| rest.trim_start().chars().take_while(char::is_ascii_digit));
    numbers
        .filter_map(|digits| digits.collect::<String>().parse().ok())
        .collect()
}

#[test]
fn page_has_every_exit_code() {
    let daemon = codes_of_help(Path::new(env!("CARGO_BIN_EXE_inspectd")));
    let source = codes_of_source();
    assert!(source.len() >= 5, "{source:?}");
    assert!(
        source.is_subset(&daemon),
        "the help of inspectd lacks codes: {source:?}, {daemon:?}"
    );
    // 1: commands that work on files.
    let expected: BTreeSet<_> = daemon.into_iter().chain([1]).collect();
    assert_eq!(codes_of_page("Exit codes of inspectd"), expected);
    assert_eq!(
        codes_of_page("Exit codes of inspectctl"),
        codes_of_help(inspectctl())
    );
    assert_eq!(
        codes_of_page("Exit codes of mhkd"),
        BTreeSet::from([0, 1, 2, 130])
    );
}

#[test]
fn operations_page_has_the_same_exit_codes_of_the_daemon() {
    let operations = text(&project_root().join("docs/operations.md"));
    let rows = section(&operations, "Exit codes").lines();
    let cells = rows.filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let codes: BTreeSet<u32> = cells.filter_map(|cell| cell.trim().parse().ok()).collect();
    let mut expected = codes_of_page("Exit codes of inspectd");
    expected.remove(&1);
    assert_eq!(codes, expected);
}
