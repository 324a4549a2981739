//! Accepts connections, and passes their chunks to the library and its answers back.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout, timeout_at};
use tracing::{debug, info, warn};

use super::frame::{HEADER_BYTES, Header, Kind, Part, error_message};
use super::screen::{NOT_ENOUGH_RESOURCES, Phase, Refusal, Rules, Screen, TIMEOUT};
use crate::config::Limits;
use crate::pki::Trust;

/// How long a connection without security may stay open.
const DISCOVERY_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum time to receive the rest of a chunk, and to send a chunk to a client.
const CHUNK_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest chunk of the library.
const LARGEST_ANSWER_BYTES: usize = 1 << 20;
/// The pause after a failure to accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The gate.
pub struct Gate {
    /// Where clients connect.
    pub listener: TcpListener,
    /// Where the library listens.
    pub inner: SocketAddr,
    /// What is allowed on each connection.
    pub rules: Rules,
    /// The limits.
    pub limits: Limits,
    /// The certificates of trusted clients.
    pub trust: Trust,
}

/// What all connections share.
struct Shared {
    inner: SocketAddr,
    rules: Rules,
    limits: Limits,
    trust: Trust,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// Counts a connection while it is open.
struct Slot {
    shared: Arc<Shared>,
    address: IpAddr,
}

impl Slot {
    /// Takes a slot. `None` if there are too many connections.
    fn take(shared: &Arc<Shared>, address: IpAddr) -> Option<Self> {
        let mut open = shared.open.lock();
        let total: usize = open.values().sum();
        let count = open.entry(address).or_default();
        if total >= shared.limits.connections || *count >= shared.limits.connections_per_address {
            if *count == 0 {
                open.remove(&address);
            }
            return None;
        }
        *count += 1;
        Some(Self {
            shared: Arc::clone(shared),
            address,
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.shared.open.lock();
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

impl Gate {
    /// Serves clients until the future is dropped.
    pub async fn run(self) {
        let shared = Arc::new(Shared {
            inner: self.inner,
            rules: self.rules,
            limits: self.limits,
            trust: self.trust,
            open: Mutex::default(),
        });
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((client, peer)) => match Slot::take(&shared, peer.ip()) {
                        Some(slot) => {
                            connections.spawn(serve(client, peer, slot));
                        }
                        None => refuse(&client, peer),
                    },
                    Err(error) => {
                        warn!(%error, "a connection cannot be accepted");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

/// Closes a connection that exceeds a limit. The client gets the reason if it can be sent without a wait.
fn refuse(client: &TcpStream, peer: SocketAddr) {
    warn!(%peer, "refused: too many connections");
    let message = error_message(NOT_ENOUGH_RESOURCES, "too many connections");
    let _ = client.try_write(&message);
}

/// Why a connection ended.
enum End {
    Closed,
    Refused(Refusal),
    Io(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

async fn serve(client: TcpStream, peer: SocketAddr, slot: Slot) {
    let server = match TcpStream::connect(slot.shared.inner).await {
        Ok(server) => server,
        Err(error) => return warn!(%error, "the server cannot be reached"),
    };
    // The messages are small, and each one is waited for.
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let free = Semaphore::new(slot.shared.limits.requests_in_progress);
    let end = tokio::select! {
        end = requests(&slot.shared, &mut from_client, &mut to_server, &free) => end,
        end = answers(&mut from_server, &mut to_client, &free) => end,
    };
    match end {
        Err(End::Refused(refusal)) => {
            info!(%peer, reason = refusal.reason, "connection refused");
            let message = error_message(refusal.code, refusal.reason);
            let _ = timeout(CHUNK_TIMEOUT, to_client.write_all(&message)).await;
            let _ = to_client.shutdown().await;
        }
        Err(End::Io(error)) => debug!(%peer, %error, "connection lost"),
        Err(End::Closed) | Ok(()) => debug!(%peer, "connection closed"),
    }
}

/// Passes requests on.
async fn requests(
    shared: &Shared,
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    free: &Semaphore,
) -> Result<(), End> {
    let began = tokio::time::Instant::now();
    let mut screen = Screen::new(&shared.rules);
    loop {
        let limit = match screen.phase() {
            Phase::Start | Phase::Greeted => Some(shared.limits.handshake_timeout),
            Phase::Discovery => Some(DISCOVERY_TIMEOUT),
            // The library closes a channel that is not renewed.
            Phase::Admitted => None,
        };
        let chunk = chunk(&mut screen, from);
        let (header, chunk) = match limit {
            Some(limit) => timeout_at(began + limit, chunk)
                .await
                .map_err(|_| slow())??,
            None => chunk.await?,
        };
        screen.chunk(header, &chunk, Instant::now(), |certificate| {
            shared.trust.admits(certificate)
        })?;
        if header.kind == Kind::Message && header.part == Part::Final {
            // Released by the answer. It is never closed.
            if let Ok(permit) = free.acquire().await {
                permit.forget();
            }
        }
        to.write_all(&chunk).await?;
    }
}

fn slow() -> Refusal {
    Refusal {
        code: TIMEOUT,
        reason: "the client was too slow",
    }
}

/// Reads a chunk, after its header is known to be allowed.
async fn chunk(
    screen: &mut Screen<'_>,
    from: &mut OwnedReadHalf,
) -> Result<(Header, Vec<u8>), End> {
    let mut start = [0; HEADER_BYTES];
    from.read_exact(&mut start).await?;
    let header = screen.header(Header::parse(start))?;
    let mut chunk = vec![0; header.size];
    chunk[..HEADER_BYTES].copy_from_slice(&start);
    let rest = from.read_exact(&mut chunk[HEADER_BYTES..]);
    timeout(CHUNK_TIMEOUT, rest).await.map_err(|_| slow())??;
    Ok((header, chunk))
}

/// Passes answers back.
async fn answers(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    free: &Semaphore,
) -> Result<(), End> {
    let mut buffer = Vec::new();
    loop {
        let mut start = [0; HEADER_BYTES];
        from.read_exact(&mut start).await?;
        let header = Header::parse(start).filter(|it| it.size <= LARGEST_ANSWER_BYTES);
        let header =
            header.ok_or_else(|| io::Error::other("an answer that is not one of OPC UA"))?;
        buffer.clear();
        buffer.extend(start);
        buffer.resize(header.size, 0);
        from.read_exact(&mut buffer[HEADER_BYTES..]).await?;
        let written = timeout(CHUNK_TIMEOUT, to.write_all(&buffer)).await;
        written.map_err(|_| slow())??;
        if header.kind == Kind::Message && header.part != Part::Intermediate {
            free.add_permits(1);
        }
    }
}
