//! The folder of a report.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::{METRICS, PAGE};

/// Checks that a report may be written to `folder`: it does not exist, is empty, or contains a report.
///
/// # Errors
/// Returns an error if it contains other files or cannot be read.
pub fn check_folder(folder: &Path) -> Result<()> {
    let mut entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        read => read.with_context(|| folder.display().to_string())?,
    };
    let is_report = folder.join(PAGE).is_file() && folder.join(METRICS).is_file();
    if entries.next().is_some() && !is_report {
        bail!(
            "{} contains files that are not a report; set --out to a new folder or to the folder of an earlier report",
            folder.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;

    fn put(folder: &Path, name: &str) -> Result<()> {
        Ok(fs::write(folder.join(name), name)?)
    }

    #[test]
    fn report_is_replaced_but_other_files_are_not() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let folder = home.path().join("report");
        let write = |extra: &str| {
            check_folder(&folder)?;
            files::replace_folder(&folder, |new| {
                put(new, PAGE)?;
                put(new, METRICS)?;
                put(new, extra)
            })
        };
        write("first").expect("the folder is new");
        write("second").expect("a report is replaced");
        assert!(folder.join("second").is_file() && !folder.join("first").exists());
        fs::remove_file(folder.join(METRICS)).expect("removed");
        let error = write("third").expect_err("the folder is not a report without metrics.json");
        assert!(error.to_string().contains("not a report"), "{error}");
        assert!(folder.join("second").is_file());
    }
}
