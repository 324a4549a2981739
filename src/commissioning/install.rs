//! Writes the files of a commissioning: each is replaced as a whole, after a check, and the one before is kept.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use inspectd_core::atomic_file;
use thiserror::Error;

/// Mode of a new configuration, which may contain passwords of network cameras.
pub const CONFIGURATION_MODE: u32 = 0o640;

/// Mode of a new drop-in.
pub const DROP_IN_MODE: u32 = 0o644;

/// Why a file is not written.
#[derive(Debug, Error)]
pub enum InstallError {
    /// It exists.
    #[error("{}: exists; --force replaces it and keeps a copy", .0.display())]
    Exists(PathBuf),
    /// It, or its folder, cannot be written.
    #[error("{}: cannot be written: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Its folder does not exist.
    #[error("{}: does not exist, must be a folder: create it first", .0.display())]
    NoFolder(PathBuf),
    /// The check refused its content.
    #[error("{0}")]
    Refused(String),
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The file.
    pub path: PathBuf,
    /// The copy of the file before.
    pub backup: Option<PathBuf>,
}

/// Checks that a file can be written, before a person answers questions.
///
/// # Errors
/// When it exists and may not be replaced, or its folder cannot be written.
pub fn check_target(path: &Path, force: bool) -> Result<(), InstallError> {
    if !force && path.symlink_metadata().is_ok() {
        return Err(InstallError::Exists(path.to_owned()));
    }
    let folder = folder_of(path);
    if !folder.is_dir() {
        return Err(InstallError::NoFolder(folder.to_owned()));
    }
    let probe = folder.join(format!(".inspectd-init.{}", std::process::id()));
    let created = File::create_new(&probe).and_then(|_| fs::remove_file(&probe));
    created.map_err(|source| InstallError::Write {
        path: folder.to_owned(),
        source,
    })
}

/// Whether a file is still the one that the installation created: its bytes are those of `shipped`.
pub fn is_untouched(path: &Path, shipped: &Path) -> bool {
    // A symbolic link is a decision of a person, whatever it leads to.
    let is_file = |path: &Path| path.symlink_metadata().is_ok_and(|meta| meta.is_file());
    is_file(path)
        && match (fs::read(path), fs::read(shipped)) {
            (Ok(present), Ok(shipped)) => present == shipped,
            _ => false,
        }
}

/// Writes `text` to a file whose temporary file `check` has accepted. The messages of `check` name the temporary file, and
/// are returned with the name of the file. A new file has the mode `mode`. With `force`, a file that exists is replaced and copied
/// to a file whose name ends in `.backup-` and `stamp`.
///
/// # Errors
/// When the file exists and may not be replaced, `check` refuses it, or it cannot be written. The file is then unchanged.
pub fn install(
    path: &Path,
    text: &str,
    mode: u32,
    force: bool,
    stamp: &str,
    check: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<Installed, InstallError> {
    let mut backup = None;
    let written = atomic_file::replace(path, |part| {
        fs::write(part, text).map_err(Stop::Io)?;
        take_over_owner(part, path, mode).map_err(Stop::Io)?;
        check(part).map_err(|reason| {
            let [part, path] = [part, path].map(|path| path.display().to_string());
            Stop::Refused(reason.replace(&part, &path))
        })?;
        match fs::read(path) {
            Ok(_) if !force => return Err(Stop::Exists),
            Ok(before) => backup = Some(keep(path, &before, stamp).map_err(Stop::Io)?),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Stop::Io(error)),
        }
        Ok(())
    });
    let path = path.to_owned();
    match written {
        Ok(()) => Ok(Installed { path, backup }),
        Err(Stop::Exists) => Err(InstallError::Exists(path)),
        Err(Stop::Refused(reason)) => Err(InstallError::Refused(reason)),
        Err(Stop::Io(source)) => Err(InstallError::Write { path, source }),
    }
}

/// Why the replacement of a file stopped.
enum Stop {
    Exists,
    Refused(String),
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Gives a new file the mode and the owners of the file before; without one, the group of the folder.
fn take_over_owner(part: &Path, path: &Path, mode: u32) -> io::Result<()> {
    if let Ok(old) = fs::metadata(path) {
        // Only root may give a file away.
        let _ = chown(part, Some(old.uid()), Some(old.gid()));
        fs::set_permissions(part, old.permissions())
    } else {
        let folder = fs::metadata(folder_of(path))?;
        let _ = chown(part, None, Some(folder.gid()));
        fs::set_permissions(part, Permissions::from_mode(mode))
    }
}

/// Copies the content of a file, with its mode, to a file next to it.
fn keep(path: &Path, content: &[u8], stamp: &str) -> io::Result<PathBuf> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".backup-{stamp}"));
    let backup = path.with_file_name(name);
    let old = fs::metadata(path)?;
    atomic_file::replace(&backup, |part| {
        fs::write(part, content)?;
        let _ = chown(part, Some(old.uid()), Some(old.gid()));
        fs::set_permissions(part, old.permissions())
    })?;
    Ok(backup)
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        let mut names: Vec<_> = entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn file_is_written_only_after_its_check_and_replaced_only_with_force() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("inspectd.toml");
        let refused = install(&file, "a", CONFIGURATION_MODE, false, "s", |part| {
            Err(format!("{}:1: wrong", part.display()))
        });
        let refused = refused.expect_err("refused").to_string();
        assert_eq!(refused, format!("{}:1: wrong", file.display()));
        assert!(names(folder.path()).is_empty());

        let check = |part: &Path| {
            let text = fs::read_to_string(part).map_err(|error| error.to_string())?;
            assert_eq!(text, "a");
            Ok(())
        };
        let written = install(&file, "a", CONFIGURATION_MODE, false, "s", check).expect("written");
        assert_eq!(written.backup, None);
        let mode = fs::metadata(&file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, CONFIGURATION_MODE);

        let kept = install(&file, "b", CONFIGURATION_MODE, false, "s", |_| Ok(()));
        assert!(matches!(kept, Err(InstallError::Exists(_))), "{kept:?}");
        assert_eq!(fs::read_to_string(&file).expect("read"), "a");
        assert_eq!(names(folder.path()), ["inspectd.toml"]);
    }

    #[test]
    fn replaced_file_is_kept_with_its_mode() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("inspectd.toml");
        fs::write(&file, "old").expect("written");
        fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("set");
        let written =
            install(&file, "new", CONFIGURATION_MODE, true, "1", |_| Ok(())).expect("written");
        let backup = written.backup.expect("a copy");
        assert_eq!(
            names(folder.path()),
            ["inspectd.toml", "inspectd.toml.backup-1"]
        );
        for (path, content) in [(&file, "new"), (&backup, "old")] {
            assert_eq!(fs::read_to_string(path).expect("read"), content);
            let mode = fs::metadata(path).expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        }
        // Nothing is copied if the new content is refused.
        let refused = install(&file, "worse", CONFIGURATION_MODE, true, "2", |_| {
            Err("no".to_owned())
        });
        assert!(refused.is_err());
        assert_eq!(names(folder.path()).len(), 2);
    }

    #[test]
    fn file_is_untouched_only_while_it_is_equal_to_the_shipped_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let [file, shipped, link] =
            ["inspectd.toml", "shipped", "link"].map(|name| folder.path().join(name));
        assert!(!is_untouched(&file, &shipped), "neither exists");
        fs::write(&file, "[server]\n").expect("written");
        assert!(!is_untouched(&file, &shipped), "nothing was shipped");
        fs::write(&shipped, "[server]\n").expect("written");
        assert!(is_untouched(&file, &shipped));
        std::os::unix::fs::symlink(&shipped, &link).expect("a link");
        assert!(!is_untouched(&link, &shipped), "a link");
        fs::write(&file, "[server]\n\n").expect("written");
        assert!(!is_untouched(&file, &shipped), "an empty line was added");
    }

    #[test]
    fn target_is_checked_before_anything_is_asked() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("inspectd.toml");
        check_target(&file, false).expect("free");
        assert!(names(folder.path()).is_empty());
        fs::write(&file, "old").expect("written");
        assert!(matches!(
            check_target(&file, false),
            Err(InstallError::Exists(_))
        ));
        check_target(&file, true).expect("may be replaced");
        let absent = folder.path().join("none/inspectd.toml");
        assert!(matches!(
            check_target(&absent, false),
            Err(InstallError::NoFolder(_))
        ));
    }
}
