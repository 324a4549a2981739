//! A connection over TCP, TLS or a Unix socket, as tonic requires it: with its peer, a place within the
//! connection limit, and a timeout for clients that do not authenticate or send nothing.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Sleep, sleep};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::authority::AuthorityFilter;
use crate::access::Peer;
use crate::access::places::Place;

/// The transport of a connection.
pub(super) enum Transport {
    /// Plain TCP.
    Tcp(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
    /// A Unix socket.
    Unix {
        /// The socket.
        stream: UnixStream,
        /// What is done to the received bytes.
        authority: AuthorityFilter,
    },
}

/// A trusted peer, which needs no authentication, has this time to send the beginning of its first request. Once it has,
/// the keepalive of HTTP/2 finds out whether it still exists.
const PREFACE_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of the preface of HTTP/2; a request of HTTP/1.1 has more.
const PREFACE_BYTES: usize = 24;

/// The time limit of the beginning of the first request.
struct Preface {
    timeout: Pin<Box<Sleep>>,
    missing_bytes: usize,
}

/// A connection.
pub struct Connection {
    transport: Transport,
    peer: Arc<Peer>,
    /// Until the beginning of the first request was received, if there is no other timeout.
    preface: Option<Preface>,
    /// Expires unless an authenticated client makes a call.
    auth_timeout: Option<Pin<Box<Sleep>>>,
    /// Place within the connection limit.
    place: Place,
}

impl Connection {
    /// A connection that holds `place` while it is open. It is closed after `auth_timeout` unless an authenticated client
    /// has made a call. Without `auth_timeout`, it is closed if it does not begin a request in time.
    pub(super) fn new(
        transport: Transport,
        peer: Peer,
        place: Place,
        auth_timeout: Option<Duration>,
    ) -> Self {
        let preface = || Preface {
            timeout: Box::pin(sleep(PREFACE_TIMEOUT)),
            missing_bytes: PREFACE_BYTES,
        };
        Self {
            transport,
            peer: Arc::new(peer),
            preface: auth_timeout.is_none().then(preface),
            auth_timeout: auth_timeout.map(|timeout| Box::pin(sleep(timeout))),
            place,
        }
    }
}

impl Connection {
    /// The other end.
    pub fn peer(&self) -> Arc<Peer> {
        Arc::clone(&self.peer)
    }
}

impl Connected for Connection {
    type ConnectInfo = Arc<Peer>;

    fn connect_info(&self) -> Arc<Peer> {
        Arc::clone(&self.peer)
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.place.is_silent() && this.peer.known() {
            this.place.identified();
        }
        if let Some(timeout) = &mut this.auth_timeout {
            if this.peer.known() {
                this.auth_timeout = None;
            } else if timeout.as_mut().poll(context).is_ready() {
                let message = "no authenticated call in time";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)));
            }
        }
        if let Some(preface) = &mut this.preface
            && preface.timeout.as_mut().poll(context).is_ready()
        {
            let message = "no request in time";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)));
        }
        let before = buffer.filled().len();
        let read = match &mut this.transport {
            Transport::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
            Transport::Unix { stream, authority } => {
                let read = Pin::new(stream).poll_read(context, buffer);
                authority.pass(&mut buffer.filled_mut()[before..]);
                read
            }
        };
        if let Some(preface) = &mut this.preface {
            let received = buffer.filled().len() - before;
            preface.missing_bytes = preface.missing_bytes.saturating_sub(received);
            if preface.missing_bytes == 0 {
                this.preface = None;
            }
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().transport {
            Transport::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Unix { stream, .. } => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().transport {
            Transport::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Transport::Unix { stream, .. } => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Tcp(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
            Transport::Unix { stream, .. } => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().transport {
            Transport::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(context),
            Transport::Unix { stream, .. } => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().transport {
            Transport::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Transport::Unix { stream, .. } => Pin::new(stream).poll_shutdown(context),
        }
    }
}
