//! Work that takes a while.

use tokio::task::spawn_blocking;
use tonic::Status;

/// Runs work on a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    spawn_blocking(work)
        .await
        .map_err(|error| Status::internal(error.to_string()))
}
