//! The other end of a connection, and why nobody knows who it is.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use thiserror::Error;

use super::Certificate;

/// The other end of a connection.
#[derive(Debug)]
pub struct Peer {
    address: Option<SocketAddr>,
    certificate: Option<Certificate>,
    known: AtomicBool,
}

impl Peer {
    /// Somebody on a Unix socket, whom the file's permissions let in.
    pub fn unix() -> Self {
        Self::of(None, None)
    }

    /// Somebody at `address`, with the certificate that the handshake has verified, if any was shown.
    pub fn tcp(address: SocketAddr, certificate: Option<Certificate>) -> Self {
        Self::of(Some(address), certificate)
    }

    fn of(address: Option<SocketAddr>, certificate: Option<Certificate>) -> Self {
        Self {
            address,
            certificate,
            known: AtomicBool::new(false),
        }
    }

    /// Whether it is on this machine.
    pub fn local(&self) -> bool {
        self.address
            .is_none_or(|address| address.ip().to_canonical().is_loopback())
    }

    /// Where it is; nowhere on a Unix socket.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Whether it is on a Unix socket.
    pub fn is_unix(&self) -> bool {
        self.address.is_none()
    }

    /// Its certificate, which the handshake has verified, if it has shown one.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// Notes that a call of this connection was by somebody who is known.
    pub(super) fn recognise(&self) {
        self.known.store(true, Ordering::Relaxed);
    }

    /// Whether a call of this connection was by somebody who is known.
    pub fn known(&self) -> bool {
        self.known.load(Ordering::Relaxed)
    }

    /// Where it is, for the log.
    pub fn place(&self) -> String {
        self.address
            .map_or_else(|| "unix".to_owned(), |address| address.to_string())
    }
}

/// Why nobody knows who asks.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Unknown {
    /// Nothing was shown.
    #[error(
        "this call needs a client certificate or a token (`authorization: Bearer TOKEN`) of a client of the daemon"
    )]
    NoCredentials,
    /// The header is not understood.
    #[error("the header authorization must be there once and be `Bearer TOKEN`")]
    Header,
    /// Nobody has this token.
    #[error("no client of the daemon has this token")]
    Token,
    /// Nobody has this certificate.
    #[error("no client of the daemon has this certificate, which names {}", listed(.0))]
    Certificate(Vec<String>),
    /// Two clients have this certificate.
    #[error("several clients of the daemon have this certificate, which names {}", listed(.0))]
    Ambiguous(Vec<String>),
    /// It was valid when the connection began.
    #[error("the certificate of this connection has expired")]
    Expired,
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "nobody".to_owned()
    } else {
        names.join(", ")
    }
}
