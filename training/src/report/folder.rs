//! Atomic creation and replacement of a report's folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

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

/// Runs `fill` on a new folder next to `folder`, then renames it to `folder`.
pub(super) fn replace(folder: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let attempt = || -> Result<()> {
        let parent_folder = parent(folder);
        fs::create_dir_all(parent_folder)?;
        // Removed with its contents on drop.
        let temporary = tempfile::Builder::new()
            .prefix(".report-")
            .tempdir_in(parent_folder)?;
        let [new, old] = ["new", "old"].map(|name| temporary.path().join(name));
        fs::create_dir(&new)?;
        fill(&new)?;
        sync(&new)?;
        match fs::rename(folder, &old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        if let Err(error) = fs::rename(&new, folder) {
            // Report the first error; restoring is best effort.
            let _ = fs::rename(&old, folder);
            return Err(error.into());
        }
        Ok(fs::File::open(parent_folder)?.sync_all()?)
    };
    attempt().with_context(|| format!("cannot write the report {}", folder.display()))
}

fn parent(folder: &Path) -> &Path {
    folder
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Flushes every file and folder to the disk.
fn sync(folder: &Path) -> Result<()> {
    let entries: Vec<PathBuf> = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.map(walkdir::DirEntry::into_path))
        .collect::<Result<_, _>>()?;
    for path in entries {
        fs::File::open(path)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folder: &Path, name: &str) -> Result<()> {
        Ok(fs::write(folder.join(name), name)?)
    }

    #[test]
    fn report_is_replaced_but_other_files_are_not() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let folder = home.path().join("report");
        let write = |extra: &str| {
            check_folder(&folder)?;
            replace(&folder, |new| {
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

    #[test]
    fn failed_report_keeps_the_existing_folder() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let folder = home.path().join("report");
        replace(&folder, |new| put(new, "complete")).expect("written");
        let failed = replace(&folder, |new| {
            put(new, "partial")?;
            bail!("disk full")
        });
        let error = format!("{:#}", failed.expect_err("it fails"));
        assert!(error.contains("report: disk full"), "{error}");
        assert!(folder.join("complete").is_file() && !folder.join("partial").exists());
        let left = fs::read_dir(home.path()).expect("a folder").count();
        assert_eq!(left, 1, "temporary files are removed");
    }
}
