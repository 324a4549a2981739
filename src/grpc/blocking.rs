//! Work that takes a while.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tonic::Status;

use super::status;

/// Maximum number of reads in progress; further ones wait. A read on a disk that does not answer goes on after its
/// call, and must not take all threads that may block.
pub(super) const READ_LIMIT: usize = 32;

/// Runs work on a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    spawn_blocking(work)
        .await
        .map_err(|error| Status::internal(error.to_string()))
}

/// As [`blocking`], with a permit, which is released when the work has ended: it goes on if its call is cancelled.
pub(super) async fn blocking_with<T: Send + 'static>(
    permit: impl Send + 'static,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    blocking(move || {
        let _permit = permit;
        work()
    })
    .await
}

/// Does `work`, which may wait for the disk of the journal, with one of `permits`.
///
/// # Errors
/// When `limit` passes before the work has ended. Work that was started keeps its permit until it ends.
pub(super) async fn disk_work<T: Send + 'static>(
    permits: &Arc<Semaphore>,
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    let done = async {
        let permit = Arc::clone(permits).acquire_owned().await;
        let permit = permit.map_err(|_| status::stopping())?;
        blocking_with(permit, work).await
    };
    timeout(limit, done)
        .await
        .map_err(|_| status::no_answer())?
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    use tonic::Code;

    use super::*;

    #[tokio::test]
    async fn work_of_a_cancelled_call_keeps_its_permit_until_it_ends() {
        let permits = Arc::new(Semaphore::new(1));
        let permit = Arc::clone(&permits).acquire_owned().await;
        let (end, ended) = channel::<()>();
        let call = blocking_with(permit, move || ended.recv().is_ok());
        let cancelled = timeout(Duration::from_millis(20), call).await;
        assert!(cancelled.is_err());
        assert_eq!(permits.available_permits(), 0);
        drop(end);
        let freed = timeout(Duration::from_mins(1), permits.acquire()).await;
        assert!(freed.is_ok());
    }

    #[tokio::test]
    async fn reads_that_hang_end_in_time_and_take_no_more_threads_than_there_are_permits() {
        let permits = Arc::new(Semaphore::new(2));
        let begun = Arc::new(AtomicUsize::new(0));
        let (answer, answered) = channel::<()>();
        let answered = Arc::new(parking_lot::Mutex::new(answered));
        let read = || {
            let (begun, answered) = (Arc::clone(&begun), Arc::clone(&answered));
            let hang = move || {
                begun.fetch_add(1, Ordering::Relaxed);
                answered.lock().recv().is_ok()
            };
            disk_work(&permits, Duration::from_millis(50), hang)
        };
        for _ in 0..5 {
            let refused = read().await.expect_err("no answer");
            assert_eq!(refused.code(), Code::Unavailable);
            assert_eq!(refused.message(), "the disk of the journal does not answer");
        }
        assert_eq!(begun.load(Ordering::Relaxed), 2);
        drop(answer);
        let read = disk_work(&permits, Duration::from_mins(1), || 7).await;
        assert_eq!(read.expect("the disk answers"), 7);
    }
}
