//! How a block of commands is run, from the comment before it.

use inspectd_test_support::{CodeBlock, code_blocks};

use super::{pages, text};

/// Begins the commands that are run before a block, which a reader need not see.
const BEFORE: &str = "before:";

/// How a block of commands is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Directive {
    /// Next to a daemon; `interrupted`: each command by itself, and ended by SIGINT.
    Line { interrupted: bool },
    /// In a folder, with photographs or empty.
    Folder { photographs: bool },
    /// By `scripts/newcomer.py`.
    Newcomer,
    /// Not at all, for a reason.
    NotRun(String),
}

impl Directive {
    /// Parses a comment: `run: line`.
    pub fn parse(comment: &str) -> Result<Self, String> {
        let unknown = || format!("unknown comment: {comment:?}");
        if let Some(reason) = comment.strip_prefix("not run:") {
            let reason = reason.trim();
            return if reason.len() < 8 {
                Err(format!("{comment:?} needs a reason"))
            } else {
                Ok(Self::NotRun(reason.to_owned()))
            };
        }
        let (kind, option) = comment.split_once(';').unwrap_or((comment, ""));
        let kind = kind.strip_prefix("run:").ok_or_else(unknown)?.trim();
        let has_option = !option.is_empty();
        if has_option && kind != "newcomer" && !option.trim().starts_with(BEFORE) {
            return Err(unknown());
        }
        match kind {
            "line" => Ok(Self::Line { interrupted: false }),
            "line, Ctrl-C" => Ok(Self::Line { interrupted: true }),
            "folder" => Ok(Self::Folder { photographs: false }),
            "folder, with photographs" => Ok(Self::Folder { photographs: true }),
            // Their options are for scripts/newcomer.py.
            "newcomer" | "installed" => Ok(Self::Newcomer),
            _ => Err(unknown()),
        }
    }
}

/// The reason for which the commands of a page are not run, if it has one.
fn reason_of_page(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("<!-- commands are not run:")?;
    Some(rest.split_once("-->")?.0.trim())
}

/// The commands that a comment wants to be run before a block: `run: line; before: COMMANDS`.
fn commands_before(comment: &str) -> Option<&str> {
    let (_, option) = comment.split_once(';')?;
    option.trim().strip_prefix(BEFORE).map(str::trim)
}

/// The blocks of commands of all pages, and what is wrong with their comments.
pub fn blocks() -> (Vec<(CodeBlock, Directive)>, Vec<String>) {
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    for page in pages() {
        let text = text(&page);
        let blocks = code_blocks(&page).into_iter();
        for mut block in blocks.filter(|block| block.language == "sh") {
            let directive = match (block.comment.as_str(), reason_of_page(&text)) {
                ("", Some(reason)) => Ok(Directive::NotRun(reason.to_owned())),
                ("", None) => Err("no comment says how it is run".to_owned()),
                (comment, _) => Directive::parse(comment),
            };
            match directive {
                Ok(directive) => {
                    if let Some(commands) = commands_before(&block.comment) {
                        block.text = format!("{commands}\n{}", block.text);
                    }
                    found.push((block, directive));
                }
                Err(fault) => faults.push(format!("{}:{}: {fault}", block.document, block.line)),
            }
        }
    }
    (found, faults)
}

#[test]
fn every_block_of_commands_is_run_or_has_a_reason() {
    let (blocks, faults) = blocks();
    let count = |wanted: fn(&Directive) -> bool| {
        blocks
            .iter()
            .filter(|(_, directive)| wanted(directive))
            .count()
    };
    println!(
        "{} blocks of commands: {} run next to a daemon, {} in a folder, {} in a clean Debian; {} not run:",
        blocks.len(),
        count(|directive| matches!(directive, Directive::Line { .. })),
        count(|directive| matches!(directive, Directive::Folder { .. })),
        count(|directive| *directive == Directive::Newcomer),
        count(|directive| matches!(directive, Directive::NotRun(_))),
    );
    for (block, directive) in &blocks {
        if let Directive::NotRun(reason) = directive {
            println!("{}:{}: {reason}", block.document, block.line);
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn comment_is_parsed_or_refused() {
    let line = |interrupted| Ok(Directive::Line { interrupted });
    assert_eq!(Directive::parse("run: line"), line(false));
    assert_eq!(Directive::parse("run: line, Ctrl-C"), line(true));
    assert_eq!(
        Directive::parse("run: folder, with photographs"),
        Ok(Directive::Folder { photographs: true })
    );
    assert_eq!(
        Directive::parse("run: newcomer; prints: valid"),
        Ok(Directive::Newcomer)
    );
    let reason = "needs a camera".to_owned();
    assert_eq!(
        Directive::parse("not run: needs a camera"),
        Ok(Directive::NotRun(reason))
    );
    for wrong in [
        "run: nowhere",
        "not run:",
        "not run: so",
        "runs: line",
        "run: newcomers",
        "run: line; after: false",
    ] {
        assert!(Directive::parse(wrong).is_err(), "{wrong}");
    }
}
