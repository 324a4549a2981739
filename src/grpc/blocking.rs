//! Work that takes a while.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tonic::Status;

use super::client_shares::ClientShares;
use super::status;
use crate::access::Identity;

/// Maximum number of reads in progress; further ones wait. A read on a disk that does not answer goes on after its
/// call, and must not take all threads that may block.
pub(super) const READ_LIMIT: usize = 32;

/// Reads in progress of one client with credentials.
pub(super) const CLIENT_READ_LIMIT: usize = 8;

/// Maximum number of look-ups of keys of requests: a part waits for each, so they do not wait for other reads.
pub(super) const KEY_READ_LIMIT: usize = 16;

/// Permits of reads, as one client uses them: first of its share, then of all.
#[derive(Clone, Debug)]
pub(super) struct ReadPermits {
    all: Arc<Semaphore>,
    shares: Arc<ClientShares>,
    /// The share of the client; `None` if it has no limit.
    share: Option<Arc<Semaphore>>,
}

impl ReadPermits {
    /// `limit` permits, `client_limit` for each client with credentials.
    pub(super) fn new(limit: usize, client_limit: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(limit)),
            shares: Arc::new(ClientShares::new(client_limit)),
            share: None,
        }
    }

    /// The same permits, for a client.
    pub(super) fn of(&self, client: &Identity) -> Self {
        Self {
            share: self.shares.of(client),
            ..self.clone()
        }
    }

    /// Waits for a permit of the share and one of all.
    async fn acquire(&self) -> Result<Vec<OwnedSemaphorePermit>, Status> {
        let mut permits = Vec::new();
        for semaphore in self.share.iter().chain([&self.all]) {
            let permit = Arc::clone(semaphore).acquire_owned().await;
            permits.push(permit.map_err(|_| status::stopping())?);
        }
        Ok(permits)
    }
}

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
    permits: &ReadPermits,
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    let done = async { blocking_with(permits.acquire().await?, work).await };
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
    use crate::access::{AuthMethod, Role};

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
        let permits = ReadPermits::new(2, 1);
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

    #[tokio::test]
    async fn client_with_its_share_of_reads_leaves_the_others_theirs() {
        let permits = ReadPermits::new(3, 1);
        let client = |name: &str| {
            permits.of(&Identity {
                name: name.into(),
                role: Role::Viewer,
                method: AuthMethod::Token,
                local: true,
            })
        };
        let (screen, mes) = (client("screen"), client("mes"));
        let held = screen.acquire().await.expect("a permit");
        let second = timeout(Duration::from_millis(20), client("screen").acquire()).await;
        assert!(second.is_err(), "its share is used");
        let read = disk_work(&mes, Duration::from_mins(1), || 7).await;
        assert_eq!(read.expect("a permit"), 7);
        drop(held);
        let read = disk_work(&screen, Duration::from_mins(1), || 8).await;
        assert_eq!(read.expect("a permit"), 8);
    }
}
