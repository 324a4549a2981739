//! `mhkd man-pages`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Command};
use inspectd_man_pages::Manual;

/// Writes the man pages of mhkd, one for each command.
#[derive(Debug, Args)]
pub(super) struct ManPages {
    /// Folder that the pages are written to, such as /usr/share/man/man1; made if it does not exist
    folder: PathBuf,
}

const MANUAL: Manual<'_> = Manual {
    section: "1",
    see_also: &["inspectd(8)", "inspectctl(1)"],
};

impl ManPages {
    pub(super) fn run(self, program: Command) -> Result<ExitCode> {
        let pages = inspectd_man_pages::pages(program, MANUAL);
        inspectd_man_pages::write(&pages, &self.folder)?;
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_command_and_option_is_on_a_page() {
        let pages = inspectd_man_pages::pages(Cli::command(), MANUAL);
        let missing = inspectd_man_pages::missing(Cli::command(), &pages);
        assert!(missing.is_empty(), "{}", missing.join("\n"));
        for file in ["mhkd.1", "mhkd-fit.1", "mhkd-teacher-distill.1"] {
            assert!(
                pages.iter().any(|page| page.file_name == file),
                "no page {file}"
            );
        }
    }
}
