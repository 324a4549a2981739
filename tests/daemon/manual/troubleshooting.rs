//! `docs/troubleshooting.md` has every fault reason, alarm and exit code, and no other.

use std::collections::{BTreeMap, BTreeSet};
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

/// The sources that decide the exit codes of a gateway: its `main.rs` and `failure.rs`.
const GATEWAYS: [(&str, [&str; 2]); 3] = [
    (
        "inspectd-forward",
        [
            include_str!("../../../crates/forward/src/main.rs"),
            include_str!("../../../crates/forward/src/failure.rs"),
        ],
    ),
    (
        "inspectd-plc",
        [
            include_str!("../../../crates/plc/src/main.rs"),
            include_str!("../../../crates/plc/src/failure.rs"),
        ],
    ),
    (
        "inspectd-opcua",
        [
            include_str!("../../../crates/opcua/src/main.rs"),
            include_str!("../../../crates/opcua/src/failure.rs"),
        ],
    ),
];

/// The constants of `exit_code.rs`, which the gateways share.
fn shared_codes() -> BTreeMap<String, u32> {
    let source = include_str!("../../../crates/gateway/src/exit_code.rs");
    let constants = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub const "));
    let codes: BTreeMap<String, u32> = constants
        .map(|constant| {
            let (name, rest) = constant.split_once(": u8 = ").expect("an exit code");
            let code = rest.trim_end_matches(';').parse().expect("a number");
            (name.to_owned(), code)
        })
        .collect();
    assert!(codes.len() >= 7, "{codes:?}");
    codes
}

/// The exit codes of a gateway: the shared ones that its sources name, and numbers in the `match` of `failure.rs`.
fn codes_of_gateway([main, failure]: [&str; 2]) -> BTreeSet<u32> {
    let shared = shared_codes();
    let named = [main, failure].into_iter().flat_map(|source| {
        let uses = source.split("exit_code::").skip(1);
        uses.filter_map(|rest| {
            let mut words = rest.split(|letter: char| !letter.is_ascii_uppercase());
            shared.get(words.next()?).copied()
        })
    });
    let arms = failure.split("=> ").skip(1);
    let numbers = arms.filter_map(|rest| rest.split(',').next()?.trim().parse().ok());
    named.chain(numbers).chain([0]).collect()
}

#[test]
fn page_has_every_exit_code_of_the_gateways_and_names_the_programs_that_have_it() {
    const TITLE: &str = "Exit codes of the gateways";
    let codes = GATEWAYS.map(|(program, sources)| (program, codes_of_gateway(sources)));
    let all: BTreeSet<u32> = codes
        .iter()
        .flat_map(|(_, codes)| codes.iter().copied())
        .collect();
    assert_eq!(codes_of_page(TITLE), all);
    let page = page();
    for code in all {
        let beginning = format!("| {code} | ");
        let mut rows = section(&page, TITLE).lines();
        let row = rows
            .find(|row| row.starts_with(&beginning))
            .expect("compared above");
        let has = |codes: &BTreeSet<u32>| codes.contains(&code);
        // A row that names no program is about all of them.
        let of_all = codes.iter().all(|(_, codes)| has(codes));
        for (program, codes) in &codes {
            let named = row.contains(&format!("`{program}`"));
            assert!(
                of_all || named == has(codes),
                "{program}, exit code {code}: {row}"
            );
        }
    }
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
