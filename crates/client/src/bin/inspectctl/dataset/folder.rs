//! The folder of a dataset.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail};
use inspectd_core::atomic_file;

/// The file that marks the folder of an export, and names its camera.
const MARK: &str = ".inspectd-dataset";

/// Folders of the dataset.
const PARTS: [&str; 3] = ["train", "test", "ground_truth"];

/// A folder that contains an export.
#[derive(Debug)]
pub struct DatasetFolder(PathBuf);

impl DatasetFolder {
    /// Opens the folder of an earlier export of this camera, or makes a new one.
    ///
    /// # Errors
    /// When it contains something else, or cannot be written.
    pub fn open(path: &Path, camera: &str) -> anyhow::Result<Self> {
        let named = || path.display().to_string();
        fs::create_dir_all(path).with_context(named)?;
        let mark = path.join(MARK);
        match fs::read_to_string(&mark) {
            Ok(other) if other.trim() == camera => {}
            Ok(other) => bail!(
                "{}: is a dataset of camera {}, not of {camera}",
                named(),
                other.trim()
            ),
            Err(_) => {
                if fs::read_dir(path).with_context(named)?.next().is_some() {
                    bail!(
                        "{}: is neither empty nor a dataset that was exported",
                        named()
                    );
                }
                atomic_file::write(&mark, format!("{camera}\n")).with_context(named)?;
            }
        }
        // Every layout of a dataset has these.
        for folder in ["train/good", "test/good", "ground_truth"] {
            fs::create_dir_all(path.join(folder)).with_context(named)?;
        }
        Ok(Self(path.to_owned()))
    }

    /// The paths of the pictures that it contains.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn pictures(&self) -> anyhow::Result<Vec<String>> {
        let mut paths = self.files()?;
        paths.retain(|path| !path.starts_with("ground_truth/"));
        Ok(paths)
    }

    /// Writes a file.
    ///
    /// # Errors
    /// When it cannot be written, or the path leads out of the dataset.
    pub fn write(&self, path: &str, content: &[u8]) -> anyhow::Result<()> {
        let file = self.file(path)?;
        atomic_file::write(&file, content)
            .with_context(|| format!("{}: cannot be written", file.display()))
    }

    /// Moves a file within the dataset.
    ///
    /// # Errors
    /// When it cannot be moved, or a path leads out of the dataset.
    pub fn move_file(&self, from: &str, to: &str) -> anyhow::Result<()> {
        let (from, to) = (self.file(from)?, self.file(to)?);
        fs::read(&from)
            .and_then(|content| atomic_file::write(&to, content))
            .and_then(|()| fs::remove_file(&from))
            .with_context(|| format!("{}: cannot be moved to {}", from.display(), to.display()))
    }

    /// The file at a path, whose folder is made.
    fn file(&self, path: &str) -> anyhow::Result<PathBuf> {
        let mut parts = Path::new(path).components();
        let first = parts.next();
        let inside = first.is_some_and(|first| PARTS.iter().any(|part| first.as_os_str() == *part));
        if !inside || !parts.all(|part| matches!(part, Component::Normal(_))) {
            bail!("the daemon sent the path {path:?}, which is not one of a dataset");
        }
        let file = self.0.join(path);
        let folder = file.parent().unwrap_or(&self.0);
        fs::create_dir_all(folder)
            .with_context(|| format!("{}: cannot be created", folder.display()))?;
        Ok(file)
    }

    /// Removes all files of the dataset but these, and folders that are then empty. Returns the number of files.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn keep_only(&self, paths: &[String]) -> anyhow::Result<usize> {
        let kept: BTreeSet<&str> = paths.iter().map(String::as_str).collect();
        let files = self.files()?;
        let surplus = files.iter().filter(|path| !kept.contains(path.as_str()));
        let mut removed = 0;
        for path in surplus {
            let file = self.0.join(path);
            fs::remove_file(&file)
                .with_context(|| format!("{}: cannot be removed", file.display()))?;
            removed += 1;
            if let Some(folder) = file.parent().filter(|folder| !folder.ends_with("good")) {
                // A folder that is not empty stays.
                let _ = fs::remove_dir(folder);
            }
        }
        Ok(removed)
    }

    /// The paths of all files of the dataset.
    fn files(&self) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        for part in PARTS {
            for folder in listed(&self.0.join(part))? {
                for file in listed(&folder)? {
                    let path = file.strip_prefix(&self.0).unwrap_or(&file);
                    found.push(path.display().to_string());
                }
            }
        }
        Ok(found)
    }
}

/// The entries of a folder, by name; none for a file.
fn listed(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let named = || folder.display().to_string();
    let entries = fs::read_dir(folder).with_context(named)?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut paths: Vec<PathBuf> = paths.collect::<std::io::Result<_>>().with_context(named)?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn export_replaces_an_earlier_one_of_the_same_camera_only() {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("set");
        let folder = DatasetFolder::open(&path, "top").expect("a new folder");
        for name in [
            "train/good/1.jpg",
            "test/dent/2.jpg",
            "ground_truth/dent/2_mask.png",
        ] {
            folder.write(name, b"x").expect("written");
        }
        let folder = DatasetFolder::open(&path, "top").expect("an earlier export");
        assert_eq!(
            folder.pictures().expect("read"),
            ["train/good/1.jpg", "test/dent/2.jpg"]
        );
        let removed = folder.keep_only(&["train/good/1.jpg".to_owned()]);
        assert_eq!(removed.expect("removed"), 2);
        assert!(!path.join("test/dent").exists() && path.join("test/good").exists());
        let error = DatasetFolder::open(&path, "left").expect_err("another camera");
        assert!(
            error.to_string().contains("of camera top, not of left"),
            "{error}"
        );
        let error = DatasetFolder::open(place.path(), "top").expect_err("not empty");
        assert!(
            error.to_string().contains("neither empty nor a dataset"),
            "{error}"
        );
    }

    #[test]
    fn path_that_leads_out_of_the_dataset_is_refused() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = DatasetFolder::open(place.path(), "top").expect("an empty folder");
        for path in ["../x.png", "train/../../x.png", "/etc/x", "other/x.png", ""] {
            folder.write(path, b"x").expect_err(path);
        }
    }
}
