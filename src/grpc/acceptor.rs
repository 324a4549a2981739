//! Connections as they come in, over TCP and a Unix socket: counted, shaken hands with where there is
//! TLS, and each with what is known of its other end.
//!
//! A loop a door accepts and nothing else: what may take its time happens in a task of the connection's
//! own, which has its place among the connections from the first byte on.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::stream::{Stream, poll_fn};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::warn;

use super::connection::{Connection, Wire};
use crate::access::{Access, Certificate, Peer};
use crate::camera::LogThrottle;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long the other end of a failed one may take to read why.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection over TCP on which nobody who is known has called within this time is closed: it costs a
/// place, and anybody could have it.
const STRANGER: Duration = Duration::from_secs(30);

/// How long accepting rests after a failure: out of files, most likely, and that does not pass at once.
const REST: Duration = Duration::from_millis(100);

/// How often trouble is logged.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Where connections come from.
#[derive(Debug)]
pub struct Doors {
    /// `server.listen`.
    pub tcp: TcpListener,
    /// `server.unix_socket`.
    pub unix: Option<UnixListener>,
}

/// All connections; their doors are shut once it is dropped.
pub(super) fn connections(
    doors: Doors,
    access: &Arc<Access>,
    limit: usize,
) -> impl Stream<Item = io::Result<Connection>> {
    // Whoever has shaken hands waits with its place taken: `limit` bounds that, too.
    let (sender, mut receiver) = channel(1);
    if let Some(listener) = doors.unix {
        let hall = Hall::new(sender.clone(), access, limit, "server.unix_socket");
        tokio::spawn(hall.unix(listener));
    }
    let hall = Hall::new(sender, access, limit, "server.listen");
    tokio::spawn(hall.tcp(doors.tcp));
    poll_fn(move |context| receiver.poll_recv(context).map(|next| next.map(Ok)))
}

/// What is behind one door.
struct Hall {
    sender: Sender<Connection>,
    access: Arc<Access>,
    places: Arc<Semaphore>,
    door: &'static str,
    full: LogThrottle,
    failed: LogThrottle,
    /// Of handshakes, which come to nothing in tasks of their own.
    shaken: Arc<Mutex<LogThrottle>>,
}

impl Hall {
    fn new(
        sender: Sender<Connection>,
        access: &Arc<Access>,
        limit: usize,
        door: &'static str,
    ) -> Self {
        Self {
            sender,
            access: Arc::clone(access),
            places: Arc::new(Semaphore::new(limit)),
            door,
            full: LogThrottle::new(LOG_INTERVAL),
            failed: LogThrottle::new(LOG_INTERVAL),
            shaken: Arc::new(Mutex::new(LogThrottle::new(LOG_INTERVAL))),
        }
    }

    async fn unix(mut self, listener: UnixListener) {
        loop {
            let accepted = tokio::select! {
                () = self.sender.closed() => return,
                accepted = listener.accept() => accepted,
            };
            let Some((stream, place)) = self.enter(accepted).await else {
                continue;
            };
            let connection = Connection::new(Wire::Unix(stream.0), Peer::unix(), place, None);
            let sender = self.sender.clone();
            tokio::spawn(async move { drop(sender.send(connection).await) });
        }
    }

    async fn tcp(mut self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                () = self.sender.closed() => return,
                accepted = listener.accept() => accepted,
            };
            let Some(((stream, address), place)) = self.enter(accepted).await else {
                continue;
            };
            let (sender, access) = (self.sender.clone(), Arc::clone(&self.access));
            let shaken = Arc::clone(&self.shaken);
            tokio::spawn(async move {
                match receive(stream, address, &access, place).await {
                    Ok(connection) => drop(sender.send(connection).await),
                    Err(reason) => {
                        let mut shaken = shaken.lock().unwrap_or_else(PoisonError::into_inner);
                        if let Some(suppressed) = shaken.allow(Instant::now()) {
                            warn!(peer = %address, %reason, suppressed, "a TLS handshake failed");
                        }
                    }
                }
            });
        }
    }

    /// Gives what was accepted a place, if there is one; otherwise it is closed.
    async fn enter<T>(&mut self, accepted: io::Result<T>) -> Option<(T, OwnedSemaphorePermit)> {
        let now = Instant::now();
        let door = self.door;
        match accepted {
            Ok(accepted) => {
                if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                    return Some((accepted, place));
                }
                if let Some(suppressed) = self.full.allow(now) {
                    warn!(
                        door,
                        suppressed, "a connection beyond server.connection_limit is closed"
                    );
                }
            }
            Err(error) => {
                if let Some(suppressed) = self.failed.allow(now) {
                    warn!(%error, door, suppressed, "cannot accept a connection");
                }
                sleep(REST).await;
            }
        }
        None
    }
}

/// Shakes hands with whoever came over TCP.
async fn receive(
    stream: TcpStream,
    address: SocketAddr,
    access: &Access,
    place: OwnedSemaphorePermit,
) -> io::Result<Connection> {
    // A verdict is small and urgent: never held back for a fuller packet. Where that cannot be had, it
    // goes as it is.
    let _ = stream.set_nodelay(true);
    let (wire, certificate) = match access.tls() {
        None => (Wire::Tcp(stream), None),
        Some(config) => {
            let accept = TlsAcceptor::from(config).accept(stream).into_fallible();
            let shaken = timeout(HANDSHAKE, accept).await.map_err(|_| {
                let message = format!("not done within {} s", HANDSHAKE.as_secs());
                io::Error::new(io::ErrorKind::TimedOut, message)
            })?;
            let stream = match shaken {
                Ok(stream) => stream,
                Err((error, stream)) => {
                    let _ = timeout(DRAIN_TIMEOUT, part(stream)).await;
                    return Err(error);
                }
            };
            let shown = stream.get_ref().1.peer_certificates();
            let first = shown.and_then(|chain| chain.first());
            let certificate = first.and_then(|first| Certificate::from_der(first));
            (Wire::Tls(Box::new(stream)), certificate)
        }
    };
    let peer = Peer::tcp(address, certificate);
    let patience = (!access.trusts(&peer)).then_some(STRANGER);
    Ok(Connection::new(wire, peer, place, patience))
}

/// Closes a connection so that the other end still reads why: what it has sent on is taken first, as the
/// system throws the alert away if there is anything unread.
async fn part(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut bytes = [0; 4096];
    for _ in 0..16 {
        if stream.read(&mut bytes).await? == 0 {
            break;
        }
    }
    Ok(())
}
