//! The running servers: each in a task of its own, stopped one after the other.

use std::future::Future;
use std::time::Instant;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::warn;

use crate::clock::SharedClock;

/// A running server.
struct Server {
    /// Its protocol.
    name: &'static str,
    shutdown: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// The running servers, in the order in which they stop.
#[derive(Default)]
pub(super) struct Servers(Vec<Server>);

impl Servers {
    /// Runs a server in a task of its own; `serve` gets the future that ends it.
    pub(super) fn spawn<F>(
        &mut self,
        name: &'static str,
        serve: impl FnOnce(oneshot::Receiver<()>) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let (shutdown, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(stopped));
        self.0.push(Server {
            name,
            shutdown,
            task,
        });
    }

    /// The name of a server that has ended, if there is one.
    pub(super) fn ended(&self) -> Option<&'static str> {
        let ended = self.0.iter().find(|server| server.task.is_finished());
        ended.map(|server| server.name)
    }

    /// Stops all servers. Clients have until the deadline to receive their last messages.
    pub(super) async fn stop(&mut self, deadline: Instant, clock: &SharedClock) {
        for Server { shutdown, task, .. } in std::mem::take(&mut self.0) {
            let _ = shutdown.send(());
            let remaining = deadline.saturating_duration_since(clock.now().monotonic);
            if timeout(remaining, task).await.is_err() {
                warn!("a client did not receive its last messages in time");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn server_that_ends_or_panics_is_found() {
        let mut servers = Servers::default();
        servers.spawn("running", |_| pending());
        assert_eq!(servers.ended(), None);
        servers.spawn("other", |_| ready(()));
        while !servers.0[1].task.is_finished() {
            yield_now().await;
        }
        assert_eq!(servers.ended(), Some("other"));
        servers.0.pop();
        servers.spawn("panicking", |_| async { panic!("a server that panics") });
        while !servers.0[1].task.is_finished() {
            yield_now().await;
        }
        assert_eq!(servers.ended(), Some("panicking"));
    }
}
