//! `inspectctl man-pages`: writes the man pages of the program.

use std::path::PathBuf;

use clap::{Args, Command};
use inspectd_man_pages::Manual;

use crate::failure::Failure;

/// Arguments of `man-pages`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder that the pages are written to, such as /usr/share/man/man1; made if it does not exist.
    folder: PathBuf,
}

const MANUAL: Manual<'_> = Manual {
    section: "1",
    see_also: &["inspectd(8)", "inspectd.toml(5)"],
};

/// Writes the pages of `program`.
pub fn run(program: Command, arguments: &Arguments) -> Result<(), Failure> {
    let pages = inspectd_man_pages::pages(program, MANUAL);
    Ok(inspectd_man_pages::write(&pages, &arguments.folder)?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_command_and_option_is_on_a_page() {
        let program = crate::Cli::command;
        let pages = inspectd_man_pages::pages(program(), MANUAL);
        let missing = inspectd_man_pages::missing(program(), &pages);
        assert!(missing.is_empty(), "{}", missing.join("\n"));
        for file in [
            "inspectctl.1",
            "inspectctl-watch.1",
            "inspectctl-camera-set.1",
        ] {
            assert!(
                pages.iter().any(|page| page.file_name == file),
                "no page {file}"
            );
        }
        // It has moved to inspectd, and is hidden.
        assert!(!pages.iter().any(|page| page.file_name.contains("token")));
    }
}
