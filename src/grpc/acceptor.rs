//! Accepts connections over TCP and a Unix socket: limits their number, makes the TLS handshake, and
//! attaches what is known of the peer.
//!
//! The loop of each listener only accepts. Everything that may take time runs in a task of the connection,
//! which holds a place of the connection limit from the first byte on.

use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{Stream, poll_fn};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::warn;

use super::authority::AuthorityFilter;
use super::connection::{Connection, Transport};
use crate::access::places::{Place, Places};
use crate::access::{Access, Certificate, Peer};
use crate::camera::LogThrottle;
use crate::clock::SharedClock;
use crate::on_panic::{Failed, OnPanic};

/// Timeout of a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Time that the peer of a failed handshake has to read the reason.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// A TCP connection without an authenticated call is closed after this time: it holds a place of the
/// connection limit, and anyone could open it.
const AUTH_TIMEOUT: Duration = Duration::from_secs(30);

/// Pause after a failure to accept: the most likely reason, too many open files, persists for a while.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Interval at which repeated failures are logged.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The listeners of the gRPC server.
#[derive(Debug)]
pub struct Listeners {
    /// `server.listen`.
    pub tcp: TcpListener,
    /// `server.unix_socket`.
    pub unix: Option<UnixListener>,
    /// Maximum number of connections of each.
    pub connection_limit: usize,
}

/// Accepted connections of the page's listener. The listener is closed when this is dropped.
pub struct Acceptance(Receiver<Connection>);

impl Acceptance {
    /// Accepts the connections of a TCP listener; `key` is its configuration key. `failed` is called if the loop panics.
    pub fn start(
        key: &'static str,
        listener: TcpListener,
        connection_limit: usize,
        access: &Arc<Access>,
        clock: &SharedClock,
        failed: Failed,
    ) -> Self {
        let (sender, receiver) = channel(1);
        let acceptor = Acceptor::new(key, sender, connection_limit, access, clock, failed);
        tokio::spawn(acceptor.accept_tcp(listener));
        Self(receiver)
    }

    /// The next connection.
    pub async fn next(&mut self) -> Connection {
        match self.0.recv().await {
            Some(connection) => connection,
            // The loop that accepts ends with this object only.
            None => pending().await,
        }
    }
}

/// Returns the accepted connections. The listeners are closed when the stream is dropped. `failed` is called if a loop
/// panics.
pub(super) fn connections(
    listeners: Listeners,
    access: &Arc<Access>,
    clock: &SharedClock,
    failed: &Failed,
) -> impl Stream<Item = io::Result<Connection>> {
    // A connection that waits here holds its place, so the limit bounds those, too.
    let (sender, mut receiver) = channel(1);
    let limit = listeners.connection_limit;
    let acceptor = |listener| {
        let (sender, failed) = (sender.clone(), Arc::clone(failed));
        Acceptor::new(listener, sender, limit, access, clock, failed)
    };
    if let Some(listener) = listeners.unix {
        tokio::spawn(acceptor("server.unix_socket").accept_unix(listener));
    }
    tokio::spawn(acceptor("server.listen").accept_tcp(listeners.tcp));
    poll_fn(move |context| receiver.poll_recv(context).map(|next| next.map(Ok)))
}

/// Returns the accepted connections of a Unix socket; `key` is its configuration key. The listener is closed when the stream
/// is dropped. `failed` is called if the loop panics.
pub(super) fn unix_connections(
    key: &'static str,
    listener: UnixListener,
    connection_limit: usize,
    access: &Arc<Access>,
    clock: &SharedClock,
    failed: Failed,
) -> impl Stream<Item = io::Result<Connection>> + use<> {
    let (sender, mut receiver) = channel(1);
    let acceptor = Acceptor::new(key, sender, connection_limit, access, clock, failed);
    tokio::spawn(acceptor.accept_unix(listener));
    poll_fn(move |context| receiver.poll_recv(context).map(|next| next.map(Ok)))
}

/// Accepts the connections of one listener.
struct Acceptor {
    sender: Sender<Connection>,
    access: Arc<Access>,
    clock: SharedClock,
    places: Arc<Places>,
    /// The configuration key of the listener.
    listener: &'static str,
    limit_log: LogThrottle,
    accept_log: LogThrottle,
    /// Shared with the tasks that make handshakes.
    handshake_log: Arc<Mutex<LogThrottle>>,
    /// Reports a panic of the loop, which owns this.
    _guard: OnPanic,
}

impl Acceptor {
    fn new(
        listener: &'static str,
        sender: Sender<Connection>,
        connection_limit: usize,
        access: &Arc<Access>,
        clock: &SharedClock,
        failed: Failed,
    ) -> Self {
        Self {
            sender,
            access: Arc::clone(access),
            clock: clock.clone(),
            places: access.places(listener, connection_limit),
            listener,
            limit_log: LogThrottle::new(LOG_INTERVAL),
            accept_log: LogThrottle::new(LOG_INTERVAL),
            handshake_log: Arc::new(Mutex::new(LogThrottle::new(LOG_INTERVAL))),
            _guard: OnPanic(failed),
        }
    }

    async fn accept_unix(mut self, listener: UnixListener) {
        loop {
            let accepted = tokio::select! {
                () = self.sender.closed() => return,
                accepted = listener.accept() => accepted,
            };
            let Some((stream, place)) = self.admit(accepted, |_| None).await else {
                continue;
            };
            let user = stream.0.peer_cred().ok().map(|peer| peer.uid());
            let peer = Peer::unix(user);
            let transport = Transport::Unix {
                stream: stream.0,
                authority: AuthorityFilter::default(),
            };
            let connection = Connection::new(transport, peer, place, None);
            let sender = self.sender.clone();
            tokio::spawn(async move { drop(sender.send(connection).await) });
        }
    }

    async fn accept_tcp(mut self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                () = self.sender.closed() => return,
                accepted = listener.accept() => accepted,
            };
            let ip = |(_, address): &(TcpStream, SocketAddr)| Some(address.ip().to_canonical());
            let Some(((stream, address), place)) = self.admit(accepted, ip).await else {
                continue;
            };
            let (sender, access) = (self.sender.clone(), Arc::clone(&self.access));
            let (clock, log) = (self.clock.clone(), Arc::clone(&self.handshake_log));
            tokio::spawn(async move {
                match handshake(stream, address, &access, place).await {
                    Ok(connection) => drop(sender.send(connection).await),
                    Err(reason) => {
                        if let Some(suppressed) = log.lock().allow(clock.now().monotonic) {
                            warn!(peer = %address, %reason, suppressed, "a TLS handshake failed");
                        }
                    }
                }
            });
        }
    }

    /// Takes a place for an accepted connection; without one it is closed.
    async fn admit<T>(
        &mut self,
        accepted: io::Result<T>,
        address: impl FnOnce(&T) -> Option<IpAddr>,
    ) -> Option<(T, Place)> {
        let now = self.clock.now().monotonic;
        let listener = self.listener;
        match accepted {
            Ok(accepted) => match self.places.take(address(&accepted)) {
                Ok(place) => return Some((accepted, place)),
                Err(reason) => {
                    if let Some(suppressed) = self.limit_log.allow(now) {
                        warn!(listener, %reason, suppressed, "a connection is refused");
                    }
                }
            },
            Err(error) => {
                if let Some(suppressed) = self.accept_log.allow(now) {
                    warn!(%error, listener, suppressed, "cannot accept a connection");
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
        None
    }
}

/// Makes the TLS handshake, if TLS is configured.
async fn handshake(
    stream: TcpStream,
    address: SocketAddr,
    access: &Access,
    place: Place,
) -> io::Result<Connection> {
    // A verdict is small and urgent: it must not be delayed for a fuller packet. If the option is not
    // supported, the connection works without it.
    let _ = stream.set_nodelay(true);
    let (transport, certificate) = match access.tls() {
        None => (Transport::Tcp(stream), None),
        Some(config) => {
            let accept = TlsAcceptor::from(config).accept(stream).into_fallible();
            let accepted = timeout(HANDSHAKE_TIMEOUT, accept).await.map_err(|_| {
                let message = format!("not done within {} s", HANDSHAKE_TIMEOUT.as_secs());
                io::Error::new(io::ErrorKind::TimedOut, message)
            })?;
            let stream = match accepted {
                Ok(stream) => stream,
                Err((error, stream)) => {
                    let _ = timeout(DRAIN_TIMEOUT, close(stream)).await;
                    return Err(error);
                }
            };
            let chain = stream.get_ref().1.peer_certificates();
            let first = chain.and_then(|chain| chain.first());
            let certificate = first.and_then(|first| Certificate::from_der(first));
            (Transport::Tls(Box::new(stream)), certificate)
        }
    };
    let peer = Peer::tcp(address, certificate);
    let auth_timeout = (!access.trusts(&peer)).then_some(AUTH_TIMEOUT);
    Ok(Connection::new(transport, peer, place, auth_timeout))
}

/// Closes a connection so that the peer can read the TLS alert: reads what the peer has sent first, because
/// the system discards the alert if unread data is left.
async fn close(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut bytes = [0; 4096];
    for _ in 0..16 {
        if stream.read(&mut bytes).await? == 0 {
            break;
        }
    }
    Ok(())
}
