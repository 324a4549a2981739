//! A value that is read from files, and reloaded when they change. Files that cannot be read do not change
//! the value.
//!
//! The contents of the files are compared every second: they are few and small. Unlike notifications or
//! file times, this also works with swapped links (as in Kubernetes), network file systems and any clock.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

/// Maximum size of a file.
const LARGEST_FILE: u64 = 1 << 20;

type Hash = [u8; 32];
type Reader<T, E> = Box<dyn Fn() -> Result<T, E> + Send + Sync>;

/// Hashes of the contents of the files.
struct Watched {
    /// The contents that were accepted or refused last.
    settled: Hash,
    /// The contents at the last check.
    seen: Hash,
}

/// The value of a set of files.
pub(super) struct Reloadable<T, E> {
    value: ArcSwap<T>,
    files: Vec<PathBuf>,
    read: Reader<T, E>,
    watched: Mutex<Watched>,
}

impl<T: fmt::Debug, E> fmt::Debug for Reloadable<T, E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Reloadable")
            .field("value", &self.value)
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl<T, E> Reloadable<T, E> {
    /// Reads the value of `files` with `read`.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn open(
        files: Vec<PathBuf>,
        read: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Self, E> {
        // Before reading, so that a change in between is detected.
        let seen = hash(&files);
        Ok(Self {
            value: ArcSwap::from_pointee(read()?),
            files,
            read: Box::new(read),
            watched: Mutex::new(Watched {
                settled: seen,
                seen,
            }),
        })
    }

    /// The current value.
    pub fn get(&self) -> Arc<T> {
        self.value.load_full()
    }

    /// Checks the files. Reads changed files once their contents are equal at two checks, because several
    /// files are not written at the same time, and replaces the value if `accepts` allows it. Returns `None`
    /// if nothing was read.
    pub fn check(&self, accepts: impl FnOnce(&T) -> Result<(), E>) -> Option<Result<Arc<T>, E>> {
        let mut watched = self.watched.lock();
        let now = hash(&self.files);
        let before = std::mem::replace(&mut watched.seen, now);
        if now == watched.settled || now != before {
            return None;
        }
        watched.settled = now;
        let new = (self.read)().and_then(|new| accepts(&new).map(|()| Arc::new(new)));
        if let Ok(new) = &new {
            self.value.store(Arc::clone(new));
        }
        Some(new)
    }
}

fn hash(files: &[PathBuf]) -> Hash {
    let mut hash = Sha256::new();
    for file in files {
        // An error counts as content: a removed file has changed.
        let content = read(file).unwrap_or_else(|error| error.kind().to_string().into_bytes());
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(content);
    }
    hash.finalize().into()
}

/// Reads a file.
///
/// # Errors
/// When it cannot be read, or is too large.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(io::Error::other("is larger than 1 MiB"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    type Checked = Option<Result<u32, String>>;

    /// A number in a file, which must not be 13.
    fn reloadable(file: &Path) -> Reloadable<u32, String> {
        let path = file.to_owned();
        let read = move || {
            let text = fs::read_to_string(&path).map_err(|error| error.kind().to_string())?;
            text.parse().map_err(|_| format!("{text:?}"))
        };
        Reloadable::open(vec![file.to_owned()], read).expect("a number")
    }

    fn check_file(value: &Reloadable<u32, String>) -> Checked {
        let lucky = |number: &u32| (*number != 13).then_some(()).ok_or("13".to_owned());
        value.check(lucky).map(|read| read.map(|number| *number))
    }

    #[test]
    fn changed_file_is_read_when_it_is_equal_at_two_checks() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("number");
        fs::write(&file, "1").expect("written");
        let value = reloadable(&file);
        let check = |text: Option<&str>, expected: [Checked; 3], number: u32| {
            match text {
                Some(text) => fs::write(&file, text).expect("written"),
                None => fs::remove_file(&file).expect("removed"),
            }
            for expected in expected {
                assert_eq!(check_file(&value), expected, "{text:?}");
            }
            assert_eq!(*value.get(), number, "{text:?}");
        };
        check(Some("1"), [None, None, None], 1);
        check(Some("2"), [None, Some(Ok(2)), None], 2);
        check(Some("x"), [None, Some(Err("\"x\"".into())), None], 2);
        check(Some("13"), [None, Some(Err("13".into())), None], 2);
        let removed = Some(Err("entity not found".to_owned()));
        check(None, [None, removed, None], 2);
        check(Some("2"), [None, Some(Ok(2)), None], 2);
    }

    #[test]
    fn file_that_keeps_changing_is_read_only_when_it_is_stable() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("number");
        fs::write(&file, "1").expect("written");
        let value = reloadable(&file);
        for number in 2..6 {
            fs::write(&file, number.to_string()).expect("written");
            assert_eq!(check_file(&value), None);
        }
        assert_eq!(check_file(&value), Some(Ok(5)));
    }
}
