//! The listener of the status with limits: of connections, of the time of a request, and of silence.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};
use tracing::warn;

/// Pause after a failure to accept: the most likely reason, too many open files, persists for a while.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// The limits of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections. Others wait until one is closed.
    pub connections: usize,
    /// A connection is closed if a request is not answered this long after it began: its head is not complete, because all
    /// answers are immediate. The first request begins with the connection.
    pub head: Duration,
    /// A connection on which nothing is read or written for this long is closed.
    pub idle: Duration,
}

impl Limits {
    /// Prometheus and probes have one or two connections each.
    pub const STATUS: Self = Self {
        connections: 64,
        head: Duration::from_secs(10),
        idle: Duration::from_secs(30),
    };
}

/// A listener with limits.
pub struct LimitedListener {
    listener: TcpListener,
    limits: Limits,
    places: Arc<Semaphore>,
}

impl LimitedListener {
    /// Limits the connections of `listener`.
    pub fn new(listener: TcpListener, limits: Limits) -> Self {
        Self {
            listener,
            limits,
            places: Arc::new(Semaphore::new(limits.connections)),
        }
    }
}

impl Listener for LimitedListener {
    type Io = LimitedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (LimitedStream, SocketAddr) {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.expect("nothing closes the semaphore");
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    return (LimitedStream::new(stream, self.limits, place), address);
                }
                Err(error) => {
                    warn!(%error, "a connection to status.listen cannot be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when it is silent, or when the head of a request takes too long.
pub struct LimitedStream {
    stream: TcpStream,
    limits: Limits,
    idle: Pin<Box<Sleep>>,
    /// The time limit of the request that is being received or answered.
    head: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl LimitedStream {
    fn new(stream: TcpStream, limits: Limits, place: OwnedSemaphorePermit) -> Self {
        Self {
            stream,
            limits,
            idle: Box::pin(sleep(limits.idle)),
            head: Some(Box::pin(sleep(limits.head))),
            _place: place,
        }
    }

    /// Restarts the time limit of silence after progress; ends the connection once it is over.
    fn watched<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            let end = Instant::now() + self.limits.idle;
            self.idle.as_mut().reset(end);
        } else if self.idle.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }
}

impl AsyncRead for LimitedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before && self.head.is_none() {
            let limit = self.limits.head;
            self.head = Some(Box::pin(sleep(limit)));
        }
        if let Some(head) = &mut self.head
            && head.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.watched(context, polled)
    }
}

impl AsyncWrite for LimitedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        if polled.is_ready() {
            self.head = None;
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
