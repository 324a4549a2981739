//! `inspectd man-pages`: writes the man pages of the program and of its configuration file.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Command};
use inspectd::config;
use inspectd_man_pages::{Manual, Page};

/// Arguments of `man-pages`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder that the pages are written to, such as /usr/share/man/man8; made if it does not exist
    folder: PathBuf,
}

const MANUAL: Manual<'_> = Manual {
    section: "8",
    see_also: &["inspectd.toml(5)", "inspectctl(1)", "mhkd(1)"],
};

/// Writes the pages of `program` in section 8, and `inspectd.toml.5`.
///
/// # Errors
/// When a file cannot be written. The error names it.
pub fn run(program: Command, arguments: &Arguments) -> Result<()> {
    Ok(inspectd_man_pages::write(
        &pages(program),
        &arguments.folder,
    )?)
}

fn pages(program: Command) -> Vec<Page> {
    let mut pages = inspectd_man_pages::pages(program, MANUAL);
    pages.push(Page {
        file_name: "inspectd.toml.5".to_owned(),
        text: config::man_page(),
    });
    pages
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_command_and_option_is_on_a_page() {
        let program = crate::Arguments::command;
        let pages = pages(program());
        let missing = inspectd_man_pages::missing(program(), &pages);
        assert!(missing.is_empty(), "{}", missing.join("\n"));
        for file in [
            "inspectd.8",
            "inspectd-check.8",
            "inspectd-audit-verify.8",
            "inspectd.toml.5",
        ] {
            assert!(
                pages.iter().any(|page| page.file_name == file),
                "no page {file}"
            );
        }
        assert!(!pages.iter().any(|page| page.file_name.contains("capture")));
    }
}
