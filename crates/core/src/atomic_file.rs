//! Files and folders that are replaced as a whole: a reader sees the old content or the new one, also after
//! a power failure.
//!
//! The new content is written to a temporary file in the same folder, flushed to the disk (`fsync`) and
//! renamed; then the folder is flushed, because a rename is only as durable as the folder's entry. A rename
//! is atomic only within one file system.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

/// Ending of temporary files.
const SUFFIX: &str = ".part";

/// Replaces the file `path` by `bytes`.
///
/// # Errors
/// When the file cannot be written. The old file is then unchanged.
pub fn write(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    replace(path, |part| fs::write(part, bytes))
}

/// Replaces the content of a file that people own: keeps its mode, its owner and group as far as this process may, and a
/// link to it. A file that does not exist is created as by [`write()`].
///
/// # Errors
/// When the file cannot be written. The old file is then unchanged.
pub fn rewrite(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    let path = match fs::canonicalize(path) {
        Ok(target) => target,
        Err(error) if error.kind() == ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    let old = fs::metadata(&path).ok();
    replace(&path, |part| {
        fs::write(part, bytes)?;
        let Some(old) = &old else { return Ok(()) };
        // Only root may give a file away; a member of a group may give it to the group.
        let _ = chown(part, Some(old.uid()), None);
        let _ = chown(part, None, Some(old.gid()));
        fs::set_permissions(part, old.permissions())
    })
}

/// Calls `write` with the path of an empty temporary file, and replaces the file `path` by it.
///
/// # Errors
/// Those of `write`, and when the file cannot be created, flushed or renamed: the old file is then unchanged, and the
/// temporary file is removed. Also when the folder cannot be flushed: the file is then already replaced.
pub fn replace<E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let part = part_of(path)?;
    write(&part)?;
    File::open(&part)?.sync_all()?;
    part.persist(path).map_err(|error| error.error)?;
    Ok(sync_folder(parent(path))?)
}

/// Replaces files of one folder, in this order: if a file is new, those before it are new too. All are on the disk before
/// the first one is replaced, and the folder is flushed once, which is faster than one call of [`write()`] for each.
///
/// # Errors
/// When a file cannot be written. Files that were replaced before the error stay replaced.
pub fn write_files(folder: &Path, files: &[(String, Vec<u8>)]) -> io::Result<()> {
    let mut parts = Vec::with_capacity(files.len());
    for (name, bytes) in files {
        let path = folder.join(name);
        let part = part_of(&path)?;
        fs::write(&part, bytes)?;
        parts.push((part, path));
    }
    for (part, _) in &parts {
        File::open(part)?.sync_all()?;
    }
    for (part, path) in parts {
        part.persist(path).map_err(|error| error.error)?;
    }
    sync_folder(folder)
}

/// An empty temporary file next to `path`. It is removed when it is dropped.
fn part_of(path: &Path) -> io::Result<tempfile::TempPath> {
    let name = path.file_name().ok_or_else(|| no_name(path))?;
    let part = tempfile::Builder::new()
        .prefix(&format!(".{}.", name.to_string_lossy()))
        .suffix(SUFFIX)
        // As for any new file: the process's umask decides.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(parent(path))?;
    Ok(part.into_temp_path())
}

/// Calls `fill` with the path of a new empty folder, replaces `folder` by it, and returns what `fill` returned. While the two are
/// exchanged, `folder` does not exist for a moment.
///
/// # Errors
/// Those of `fill`, and when a file cannot be flushed or the folder not be renamed. The old folder is
/// then in its place, and the new one is removed.
pub fn replace_folder<T, E: From<io::Error>>(
    folder: &Path,
    fill: impl FnOnce(&Path) -> Result<T, E>,
) -> Result<T, E> {
    let name = folder.file_name().ok_or_else(|| no_name(folder))?;
    let parent = parent(folder);
    let prefix = format!(".{}.", name.to_string_lossy());
    remove_leftovers_of(parent, &prefix)?;
    let workplace = tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(SUFFIX)
        .tempdir_in(parent)?;
    let [new, old] = ["new", "old"].map(|name| workplace.path().join(name));
    fs::create_dir(&new)?;
    let filled = fill(&new)?;
    sync_tree(&new)?;
    match fs::rename(folder, &old) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    if let Err(error) = fs::rename(&new, folder) {
        // The first error is the one to report; where this fails too, the old folder is in the workplace.
        if fs::rename(&old, folder).is_err() && old.exists() {
            let _ = workplace.keep();
        }
        return Err(error.into());
    }
    sync_folder(parent)?;
    Ok(filled)
}

/// Renames a file within its folder, durably.
///
/// # Errors
/// When it cannot be renamed, or the folder not be flushed.
#[allow(clippy::disallowed_methods)] // The file is complete, and the folder is flushed.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_folder(to.parent().unwrap_or(Path::new(".")))
}

/// Flushes the names in `folder` to the disk.
///
/// # Errors
/// When the folder cannot be opened or flushed.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Flushes every file and folder below `folder`, and `folder`, to the disk.
fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_folder(folder)
}

fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn no_name(path: &Path) -> io::Error {
    let message = format!("{} does not name a file or folder", path.display());
    io::Error::new(ErrorKind::InvalidInput, message)
}

/// Removes the temporary files and folders in `folder` that killed processes left. Call it where no other
/// process replaces files in this folder.
///
/// # Errors
/// When the folder cannot be listed, or an entry not be removed.
pub fn remove_leftovers(folder: &Path) -> io::Result<()> {
    remove_leftovers_of(folder, ".")
}

fn remove_leftovers_of(folder: &Path, prefix: &str) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !(name.starts_with(prefix) && name.starts_with('.') && name.ends_with(SUFFIX)) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("an entry").file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn rewritten_file_keeps_its_mode_and_a_link_to_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (
            folder.path().join("a.toml"),
            folder.path().join("link.toml"),
        );
        fs::write(&file, "old").expect("written");
        fs::set_permissions(&file, Permissions::from_mode(0o640)).expect("set");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        rewrite(&link, "new").expect("rewritten");
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&file).expect("read"), "new");
        let mode = fs::metadata(&file).expect("it exists").permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        rewrite(&folder.path().join("b.toml"), "first").expect("created");
    }

    #[test]
    fn a_file_is_replaced_and_has_the_permissions_of_a_new_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.toml");
        write(&path, "old").expect("written");
        write(&path, "new").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("read"), "new");
        assert_eq!(names(folder.path()), ["state.toml"]);
        let plain = folder.path().join("plain");
        fs::write(&plain, "").expect("written");
        let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode();
        assert_eq!(mode(&path), mode(&plain));
    }

    #[test]
    fn a_failed_write_keeps_the_old_file_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.toml");
        write(&path, "old").expect("written");
        let error = replace(&path, |part| {
            fs::write(part, "half")?;
            Err(io::Error::other("disk full"))
        });
        assert_eq!(error.expect_err("refused").to_string(), "disk full");
        assert_eq!(fs::read_to_string(&path).expect("read"), "old");
        assert_eq!(names(folder.path()), ["state.toml"]);
    }

    #[test]
    fn files_are_replaced_together_and_an_error_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
        write_files(folder.path(), &[file("b", "1"), file("a", "1")]).expect("written");
        write_files(folder.path(), &[file("b", "2"), file("c", "2")]).expect("written");
        let text = |name| fs::read_to_string(folder.path().join(name)).expect("read");
        assert_eq!(["a", "b", "c"].map(text), ["1", "2", "2"]);
        // The second file cannot be replaced: a folder has its name.
        fs::create_dir(folder.path().join("d")).expect("a folder");
        let files = [file("a", "3"), file("d", "3"), file("c", "3")];
        write_files(folder.path(), &files).expect_err("refused");
        assert_eq!(["a", "b", "c"].map(text), ["3", "2", "2"]);
        assert_eq!(names(folder.path()), ["a", "b", "c", "d"]);
    }

    #[test]
    fn a_file_in_a_folder_that_does_not_exist_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(write(&folder.path().join("absent/file"), "").is_err());
        assert!(write(Path::new("/"), "").is_err());
    }

    #[test]
    fn a_folder_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("report");
        let fill = |name: &'static str| {
            move |new: &Path| {
                fs::create_dir(new.join("images"))?;
                fs::write(new.join("images").join(name), "")
            }
        };
        replace_folder(&path, fill("a.png")).expect("written");
        replace_folder(&path, fill("b.png")).expect("written");
        assert_eq!(names(&path.join("images")), ["b.png"]);
        let error = replace_folder(&path, |_| Err::<(), _>(io::Error::other("disk full")));
        assert!(error.is_err());
        assert_eq!(names(&path.join("images")), ["b.png"]);
        assert_eq!(names(folder.path()), ["report"]);
    }

    #[test]
    fn leftovers_of_a_killed_process_are_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let part = folder.path().join(".state.toml.x1y2.part");
        for path in [&part, &folder.path().join("state.toml")] {
            fs::write(path, "").expect("written");
        }
        fs::create_dir(folder.path().join(".report.x1y2.part")).expect("a folder");
        remove_leftovers(folder.path()).expect("removed");
        assert_eq!(names(folder.path()), ["state.toml"]);
    }
}
