//! The manual: its commands run as they are written, its lists are complete, its drawings are those of their program.
//!
//! A comment directly before a block of commands says how the block is run:
//!
//! | comment | the block is run |
//! |---|---|
//! | `run: line` | in a folder next to a daemon that inspects rendered parts |
//! | `run: line, Ctrl-C` | each command by itself; one that watches is interrupted after some seconds |
//! | `run: folder` | in an empty folder |
//! | `run: folder, with photographs` | in a folder with photographs of good parts and of defective ones |
//! | `run: newcomer` | as root in a clean Debian 12, by `scripts/newcomer.py`; only `first-line.md` |
//! | `run: installed` | in the same system after these |
//! | `not run: REASON` | not at all |
//!
//! `run: line; before: COMMANDS` runs these commands before the block: what a reader would have done already.
//! `commands are not run: REASON` anywhere on a page is the reason of all its blocks without a comment of their own.

mod commands;
mod directive;
mod line;
mod troubleshooting;

use std::path::{Path, PathBuf};
use std::process::Command;

use inspectd_test_support::{project_root, python, require};

/// The pages of the manual: those that `docs/SUMMARY.md` lists.
fn pages() -> Vec<PathBuf> {
    let docs = project_root().join("docs");
    let summary = std::fs::read_to_string(docs.join("SUMMARY.md")).expect("docs/SUMMARY.md");
    let targets = summary.split("](").skip(1);
    let names = targets.filter_map(|rest| rest.split_once(')').map(|(name, _)| name));
    let pages: Vec<_> = names.map(|name| docs.join(name)).collect();
    assert!(pages.len() > 20, "{pages:?}");
    pages
}

/// The text of a page.
fn text(page: &Path) -> String {
    std::fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

#[test]
fn every_document_is_a_page_of_the_manual() {
    let pages = pages();
    for entry in std::fs::read_dir(project_root().join("docs")).expect("docs") {
        let path = entry.expect("docs").path();
        let is_page = path.extension().is_some_and(|extension| extension == "md");
        if is_page && !path.ends_with("SUMMARY.md") {
            assert!(
                pages.contains(&path),
                "docs/SUMMARY.md lacks {}",
                path.display()
            );
        }
    }
}

#[test]
fn links_of_the_documents_lead_to_files_and_headings() {
    require!(python());
    runs("scripts/check_links.py", &[]);
}

#[test]
fn drawings_are_those_of_their_program() {
    require!(python());
    runs("docs/drawings/draw.py", &["--check"]);
}

/// Runs a Python program of the project, which must exit with 0.
fn runs(program: &str, arguments: &[&str]) {
    let mut command = Command::new("python3");
    command.arg(project_root().join(program)).args(arguments);
    let output = command.output().expect("python3");
    let [stdout, stderr] =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{program}:\n{stdout}{stderr}");
}
