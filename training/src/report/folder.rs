//! A report's folder: there whole or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{METRICS, PAGE};

/// Refuses a folder that a report must not replace: one that holds something else.
///
/// # Errors
/// When it does, or cannot be read.
pub fn check_folder(folder: &Path) -> Result<()> {
    let mut entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        read => read.with_context(|| folder.display().to_string())?,
    };
    let is_report = folder.join(PAGE).is_file() && folder.join(METRICS).is_file();
    if entries.next().is_some() && !is_report {
        bail!(
            "{} holds something else than a report: give --out another folder, a new one or one of a former report",
            folder.display()
        );
    }
    Ok(())
}

/// Lets `fill` write to a new folder beside `folder`, and puts it in its place when all is written.
pub(super) fn replace(folder: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let attempt = || -> Result<()> {
        let beside = parent(folder);
        fs::create_dir_all(beside)?;
        // Removed when it is dropped, with all that is in it.
        let workplace = tempfile::Builder::new()
            .prefix(".report-")
            .tempdir_in(beside)?;
        let [new, old] = ["new", "old"].map(|name| workplace.path().join(name));
        fs::create_dir(&new)?;
        fill(&new)?;
        sync(&new)?;
        match fs::rename(folder, &old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        if let Err(error) = fs::rename(&new, folder) {
            // The first error says what is wrong.
            let _ = fs::rename(&old, folder);
            return Err(error.into());
        }
        Ok(fs::File::open(beside)?.sync_all()?)
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
    fn a_report_replaces_a_report_and_nothing_else() {
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
        write("first").expect("there is nothing yet");
        write("second").expect("a report is replaced");
        assert!(folder.join("second").is_file() && !folder.join("first").exists());
        fs::remove_file(folder.join(METRICS)).expect("removed");
        let error = write("third").expect_err("not a report any more");
        assert!(error.to_string().contains("something else"), "{error}");
        assert!(folder.join("second").is_file());
    }

    #[test]
    fn a_report_that_fails_leaves_what_was_there() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let folder = home.path().join("report");
        replace(&folder, |new| put(new, "whole")).expect("written");
        let failed = replace(&folder, |new| {
            put(new, "half")?;
            bail!("no more room")
        });
        let error = format!("{:#}", failed.expect_err("it fails"));
        assert!(error.contains("report: no more room"), "{error}");
        assert!(folder.join("whole").is_file() && !folder.join("half").exists());
        let left = fs::read_dir(home.path()).expect("a folder").count();
        assert_eq!(left, 1, "nothing is left beside it");
    }
}
