//! A thing that is read from files, and read again when these change. What cannot be read changes
//! nothing.
//!
//! The files' contents are compared, every second: they are few and small, and neither links that are
//! swapped (as Kubernetes does), nor network file systems, nor clocks get in the way of that.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use sha2::{Digest, Sha256};

/// A larger file is none that anybody wrote.
const LARGEST_FILE: u64 = 1 << 20;

type Hash = [u8; 32];
type Reader<T, E> = Box<dyn Fn() -> Result<T, E> + Send + Sync>;

/// The contents that were taken or refused, and those that were seen last.
struct Watched {
    settled: Hash,
    seen: Hash,
}

/// What was read last.
pub(super) struct Live<T, E> {
    value: ArcSwap<T>,
    files: Vec<PathBuf>,
    read: Reader<T, E>,
    watched: Mutex<Watched>,
}

impl<T: fmt::Debug, E> fmt::Debug for Live<T, E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Live")
            .field("value", &self.value)
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl<T, E> Live<T, E> {
    /// Reads `files` with `read`.
    ///
    /// # Errors
    /// What `read` says.
    pub fn open(
        files: Vec<PathBuf>,
        read: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Self, E> {
        // Before reading: a change in between is seen as one.
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

    /// What is in force.
    pub fn get(&self) -> Arc<T> {
        self.value.load_full()
    }

    /// Looks whether the files have changed, and brings what they say into force once they are the same
    /// at two looks: several files are not written in one go. None where nothing was tried.
    pub fn look(&self, accepts: impl FnOnce(&T) -> Result<(), E>) -> Option<Result<Arc<T>, E>> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
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
        // An error is a content like any other: a file that goes has changed.
        let content = read(file).unwrap_or_else(|error| error.kind().to_string().into_bytes());
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(content);
    }
    hash.finalize().into()
}

/// A file's bytes.
///
/// # Errors
/// What the system says, or that it is too large.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(io::Error::other("it has more than 1 MiB"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    type Outcome = Option<Result<u32, String>>;

    /// A number in a file, which must not be 13.
    fn live(file: &Path) -> Live<u32, String> {
        let path = file.to_owned();
        let read = move || {
            let text = fs::read_to_string(&path).map_err(|error| error.kind().to_string())?;
            text.parse().map_err(|_| format!("{text:?}"))
        };
        Live::open(vec![file.to_owned()], read).expect("a number")
    }

    fn look(live: &Live<u32, String>) -> Outcome {
        let lucky = |number: &u32| (*number != 13).then_some(()).ok_or("13".to_owned());
        live.look(lucky).map(|read| read.map(|number| *number))
    }

    #[test]
    fn a_change_counts_once_it_has_stayed() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("number");
        fs::write(&file, "1").expect("written");
        let live = live(&file);
        let check = |text: Option<&str>, expected: [Outcome; 3], value: u32| {
            match text {
                Some(text) => fs::write(&file, text).expect("written"),
                None => fs::remove_file(&file).expect("removed"),
            }
            for expected in expected {
                assert_eq!(look(&live), expected, "{text:?}");
            }
            assert_eq!(*live.get(), value, "{text:?}");
        };
        check(Some("1"), [None, None, None], 1);
        check(Some("2"), [None, Some(Ok(2)), None], 2);
        check(Some("x"), [None, Some(Err("\"x\"".into())), None], 2);
        check(Some("13"), [None, Some(Err("13".into())), None], 2);
        let gone = Some(Err("entity not found".to_owned()));
        check(None, [None, gone, None], 2);
        check(Some("2"), [None, Some(Ok(2)), None], 2);
    }

    #[test]
    fn a_file_that_goes_on_changing_is_left_until_it_rests() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("number");
        fs::write(&file, "1").expect("written");
        let live = live(&file);
        for number in 2..6 {
            fs::write(&file, number.to_string()).expect("written");
            assert_eq!(look(&live), None);
        }
        assert_eq!(look(&live), Some(Ok(5)));
    }
}
