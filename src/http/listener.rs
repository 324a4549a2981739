//! The listener of the HTTP server: limits connections, and closes those that are silent.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep};
use tracing::warn;

use crate::access::places::{Place, Places};
use crate::camera::LogThrottle;
use crate::clock::SharedClock;

/// Maximum number of open connections. Prometheus and probes have one or two each.
const CONNECTION_LIMIT: usize = 64;

/// A connection on which nothing is read or written for this long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection is closed if a request is not answered this long after it began: its head is not complete, because
/// all answers are immediate. The first request begins with the connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause after a failure to accept: the most likely reason, too many open files, persists for a while.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Interval at which repeated failures are logged.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// A listener with limits.
pub struct LimitedListener {
    listener: TcpListener,
    places: Arc<Places>,
    clock: SharedClock,
    log: LogThrottle,
}

impl LimitedListener {
    /// Limits the connections of `listener`.
    pub fn new(listener: TcpListener, clock: SharedClock) -> Self {
        Self {
            listener,
            places: Places::anonymous(CONNECTION_LIMIT),
            clock,
            log: LogThrottle::new(LOG_INTERVAL),
        }
    }
}

impl Listener for LimitedListener {
    type Io = IdleLimited;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (IdleLimited, SocketAddr) {
        loop {
            let refused = match self.listener.accept().await {
                Ok((stream, address)) => {
                    match self.places.take(Some(address.ip().to_canonical())) {
                        Ok(place) => return (IdleLimited::new(stream, place), address),
                        Err(reason) => reason.to_string(),
                    }
                }
                Err(error) => {
                    sleep(ACCEPT_PAUSE).await;
                    error.to_string()
                }
            };
            if let Some(suppressed) = self.log.allow(self.clock.now().monotonic) {
                warn!(
                    reason = refused,
                    suppressed, "a connection to server.metrics_listen is refused"
                );
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when nothing is read or written for half a minute, or the head of a request takes too long.
pub struct IdleLimited {
    stream: TcpStream,
    idle: Pin<Box<Sleep>>,
    /// The time limit of the request that is being received or answered.
    head: Option<Pin<Box<Sleep>>>,
    place: Place,
}

impl IdleLimited {
    fn new(stream: TcpStream, place: Place) -> Self {
        Self {
            stream,
            idle: Box::pin(sleep(IDLE_TIMEOUT)),
            head: Some(Box::pin(sleep(HEAD_TIMEOUT))),
            place,
        }
    }

    /// Restarts the timeout after progress; ends the connection once it is over.
    fn watched<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.idle.as_mut().reset(Instant::now() + IDLE_TIMEOUT);
        } else if self.idle.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }
}

impl AsyncRead for IdleLimited {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before && self.head.is_none() {
            self.head = Some(Box::pin(sleep(HEAD_TIMEOUT)));
        }
        if let Some(head) = &mut self.head
            && head.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.watched(context, polled)
    }
}

impl AsyncWrite for IdleLimited {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        if polled.is_ready() {
            self.head = None;
            self.place.identified();
        }
        self.watched(context, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
