//! Runs the commands of the manual.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Mutex;

use inspectd_test_support::{CodeBlock, onnx_runtime, require};

use super::directive::{Directive, blocks};
use super::line::{Line, Place};
use crate::harness::inspectctl;

/// Pages whose commands run at the same time.
const CONCURRENT: usize = 2;

/// Exit code of a program that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// Runs a command, which must exit with one of these codes, and returns what is wrong otherwise.
fn fault(mut command: Command, codes: &[i32], block: &CodeBlock, text: &str) -> Option<String> {
    let output = command.output().expect("a started program");
    let [stdout, stderr] =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    let (document, line) = (&block.document, block.line);
    let failed = output
        .status
        .code()
        .is_none_or(|code| !codes.contains(&code));
    failed.then(|| {
        format!(
            "{document}:{line}: {}\n{text}\n--- output ---\n{stdout}{stderr}",
            output.status
        )
    })
}

/// The commands of a block, with those that are continued on the next line as one.
fn single_commands(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// Runs the blocks of a page next to one daemon.
fn run_with_line(blocks: &[(CodeBlock, bool)]) -> Vec<String> {
    let line = Line::start();
    let run = |(block, interrupted): &(CodeBlock, bool)| {
        if *interrupted {
            let commands = single_commands(&block.text).into_iter();
            let faults = commands.filter_map(|text| {
                // `inspectctl watch`, `inspectctl status --watch`.
                if text.contains("watch") {
                    fault(line.interrupted(&text), &[0, INTERRUPTED], block, &text)
                } else {
                    fault(line.shell(&text), &[0], block, &text)
                }
            });
            faults.collect()
        } else {
            Vec::from_iter(fault(line.shell(&block.text), &[0], block, &block.text))
        }
    };
    blocks.iter().flat_map(run).collect()
}

/// Runs the blocks of a page in one folder.
fn run_in_folder(blocks: &[(CodeBlock, bool)]) -> Vec<String> {
    let place = Place::new();
    if blocks.iter().any(|(_, photographs)| *photographs) {
        place.photographs();
    }
    let run =
        |(block, _): &(CodeBlock, bool)| fault(place.shell(&block.text), &[0], block, &block.text);
    blocks.iter().filter_map(run).collect()
}

/// Runs the blocks that `wanted` selects, page by page, some pages at the same time.
fn check(
    wanted: impl Fn(&Directive) -> Option<bool>,
    run: impl Fn(&[(CodeBlock, bool)]) -> Vec<String> + Sync,
) {
    let mut by_page: BTreeMap<String, Vec<(CodeBlock, bool)>> = BTreeMap::new();
    // Only pages whose name contains the text: while a page is written.
    let only = std::env::var("INSPECTD_MANUAL_PAGE").unwrap_or_default();
    for (block, directive) in blocks().0 {
        if let Some(option) = wanted(&directive).filter(|_| block.document.contains(&only)) {
            by_page
                .entry(block.document.clone())
                .or_default()
                .push((block, option));
        }
    }
    assert!(!by_page.is_empty(), "no block is run");
    let (pages, faults) = (Mutex::new(by_page.into_iter()), Mutex::new(Vec::new()));
    let next = || pages.lock().expect("no panic with the lock").next();
    std::thread::scope(|scope| {
        for _ in 0..CONCURRENT {
            scope.spawn(|| {
                while let Some((page, blocks)) = next() {
                    let found = run(&blocks);
                    println!(
                        "{page}: {} blocks run, {} failed",
                        blocks.len(),
                        found.len()
                    );
                    faults.lock().expect("no panic with the lock").extend(found);
                }
            });
        }
    });
    let faults = faults.into_inner().expect("no panic with the lock");
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn commands_run_next_to_a_daemon_as_they_are_written() {
    require!(onnx_runtime());
    requires_mhkd();
    let wanted = |directive: &Directive| match directive {
        Directive::Line { interrupted } => Some(*interrupted),
        _ => None,
    };
    check(wanted, run_with_line);
}

#[test]
fn commands_run_in_a_folder_as_they_are_written() {
    require!(onnx_runtime());
    requires_mhkd();
    let wanted = |directive: &Directive| match directive {
        Directive::Folder { photographs } => Some(*photographs),
        _ => None,
    };
    check(wanted, run_in_folder);
}

/// The trainer, which `cargo test --workspace` builds to the same folder.
fn requires_mhkd() {
    let program = inspectctl().with_file_name("mhkd");
    assert!(
        program.exists(),
        "{} does not exist: run `cargo build -p mhkd` (`make test` does)",
        program.display()
    );
}
