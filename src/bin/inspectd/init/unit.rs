//! The drop-in of the systemd unit.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use inspectd::commissioning::{
    DROP_IN_FILE, DROP_IN_MODE, InstallError, Plan, Sandbox, drop_in, install,
};

use super::{INSTALLED, groups};

/// The program of the unit, where this one's path is not known.
const PROGRAM: &str = "/usr/bin/inspectd";

/// Folder of systemd's units that an administrator writes.
const UNITS: &str = "/etc/systemd/system";

/// What the unit needs for a configuration, and where that is written.
pub struct Unit {
    /// The text of the drop-in; none if the unit needs none.
    text: Option<String>,
    /// Folder of systemd's units; none if the drop-in is only shown.
    folder: Option<PathBuf>,
}

impl Unit {
    /// The drop-in of a plan. Without `folder`, only the configuration of an installed daemon has one, which is shown where
    /// there is no systemd.
    pub fn of(plan: &Plan, file: &Path, folder: Option<&Path>) -> Self {
        let installed = file == Path::new(INSTALLED);
        let usual = || (installed && Path::new(UNITS).is_dir()).then(|| UNITS.into());
        let folder = folder.map(Path::to_owned).or_else(usual);
        let program = || std::env::current_exe().unwrap_or_else(|_| PROGRAM.into());
        let sandbox = Sandbox {
            groups: groups(),
            folder: file.parent().unwrap_or(Path::new("/")).to_owned(),
            other_configuration: (!installed).then(|| [program(), file.to_owned()]),
        };
        let concerned = installed || folder.is_some();
        Self {
            text: drop_in(plan, &sandbox).filter(|_| concerned),
            folder,
        }
    }

    /// Whether the daemon runs as a unit.
    pub fn is_installed(&self) -> bool {
        self.folder.is_some()
    }

    /// Checks that the drop-in can be written, before anything is.
    ///
    /// # Errors
    /// When its folder does not exist, or another drop-in may not be replaced.
    pub fn check(&self, force: bool) -> Result<()> {
        let (Some(text), Some(folder)) = (&self.text, &self.folder) else {
            return Ok(());
        };
        if !folder.is_dir() {
            bail!(
                "--systemd-dir {}: must be a folder that exists",
                folder.display()
            );
        }
        let path = folder.join(DROP_IN_FILE);
        if !force && fs::read_to_string(&path).is_ok_and(|present| present != *text) {
            return Err(InstallError::Exists(path).into());
        }
        Ok(())
    }

    /// Writes or shows the drop-in.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn install(&self, force: bool, stamp: &str) -> Result<()> {
        let mut out = io::stdout();
        let Some(text) = &self.text else {
            return Ok(());
        };
        let Some(folder) = &self.folder else {
            writeln!(
                out,
                "\nTo run it as a systemd unit, add these lines with `systemctl edit inspectd`:\n"
            )?;
            for line in text.lines().skip(1) {
                writeln!(out, "  {line}")?;
            }
            return Ok(());
        };
        let path = folder.join(DROP_IN_FILE);
        if fs::read_to_string(&path).is_ok_and(|present| present == *text) {
            return Ok(());
        }
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent)
            .with_context(|| format!("{}: cannot be created", parent.display()))?;
        let written = install(&path, text, DROP_IN_MODE, force, stamp, |_| Ok(()))?;
        writeln!(out, "written: {}", written.path.display())?;
        if let Some(backup) = written.backup {
            writeln!(out, "kept: {}", backup.display())?;
        }
        Ok(())
    }
}
