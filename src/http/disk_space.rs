//! Free space of a disk that may not answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// How long a scrape waits for the disk. Its file system answers from memory, unless it hangs.
const TIMEOUT: Duration = Duration::from_millis(200);

/// Size and free space of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// Free bytes, for users other than root.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

/// The disk does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the disk does not answer")]
pub struct NoAnswer;

/// Reads the space of the disk with a folder, with one thread at most that waits for it.
#[derive(Clone, Debug)]
pub struct DiskReader {
    folder: PathBuf,
    reading: Arc<Semaphore>,
}

impl DiskReader {
    /// Reads the disk with this folder.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            reading: Arc::new(Semaphore::new(1)),
        }
    }

    /// The space now.
    ///
    /// # Errors
    /// When the disk does not answer, or the folder does not exist.
    pub async fn read(&self) -> Result<DiskSpace, NoAnswer> {
        self.try_read().await.ok_or(NoAnswer)
    }

    async fn try_read(&self) -> Option<DiskSpace> {
        let permit = Arc::clone(&self.reading).try_acquire_owned().ok()?;
        let folder = self.folder.clone();
        let read = spawn_blocking(move || {
            let _permit = permit;
            rustix::fs::statvfs(&folder)
        });
        let space = timeout(TIMEOUT, read).await.ok()?.ok()?.ok()?;
        Some(DiskSpace {
            free: space.f_bavail.saturating_mul(space.f_frsize),
            total: space.f_blocks.saturating_mul(space.f_frsize),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn space_of_a_folder_is_read_and_a_missing_folder_has_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let reader = DiskReader::new(folder.path().to_owned());
        let space = reader.read().await.expect("it answers");
        assert!(space.total > 0 && space.free <= space.total, "{space:?}");
        let missing = DiskReader::new(folder.path().join("missing"));
        assert_eq!(missing.read().await, Err(NoAnswer));
    }

    #[tokio::test]
    async fn disk_that_is_still_waited_for_is_not_asked_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let reader = DiskReader::new(folder.path().to_owned());
        let waiting = Arc::clone(&reader.reading).try_acquire_owned();
        assert_eq!(reader.read().await, Err(NoAnswer));
        drop(waiting);
        assert!(reader.read().await.is_ok());
    }
}
