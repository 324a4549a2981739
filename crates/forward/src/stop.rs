//! The order to stop.

use tokio::sync::watch;

/// Waits until the program stops: the value is true, or its owner is dropped.
pub async fn requested(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|&stop| stop).await;
}
