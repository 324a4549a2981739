//! The other end of a connection, and why it could not be identified.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use thiserror::Error;

use super::Certificate;

/// The other end of a connection.
#[derive(Debug)]
pub struct Peer {
    address: Option<SocketAddr>,
    certificate: Option<Certificate>,
    /// The user of a peer on a Unix socket.
    user: Option<u32>,
    known: AtomicBool,
}

impl Peer {
    /// A peer on a Unix socket, and the user that it runs as, if that is known. The permissions of the socket file control
    /// access.
    pub fn unix(user: Option<u32>) -> Self {
        Self {
            user,
            ..Self::of(None, None)
        }
    }

    /// A peer at `address`, with its certificate, verified by the handshake, if it sent one.
    pub fn tcp(address: SocketAddr, certificate: Option<Certificate>) -> Self {
        Self::of(Some(address), certificate)
    }

    fn of(address: Option<SocketAddr>, certificate: Option<Certificate>) -> Self {
        Self {
            address,
            certificate,
            user: None,
            known: AtomicBool::new(false),
        }
    }

    /// Whether the peer is on this machine.
    pub fn local(&self) -> bool {
        self.address
            .is_none_or(|address| address.ip().to_canonical().is_loopback())
    }

    /// Its address; `None` on a Unix socket.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The user of a peer on a Unix socket, if it is known.
    pub fn user(&self) -> Option<u32> {
        self.user
    }

    /// Whether the peer is on a Unix socket.
    pub fn is_unix(&self) -> bool {
        self.address.is_none()
    }

    /// Its certificate, verified by the handshake, if it sent one.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// Records that a call on this connection was identified.
    pub(super) fn set_known(&self) {
        self.known.store(true, Ordering::Relaxed);
    }

    /// Whether a call on this connection was identified.
    pub fn known(&self) -> bool {
        self.known.load(Ordering::Relaxed)
    }

    /// Its address as text, for the log.
    pub fn place(&self) -> String {
        self.address
            .map_or_else(|| "unix".to_owned(), |address| address.to_string())
    }
}

/// Why a call could not be identified.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Unknown {
    /// Neither certificate nor token was sent.
    #[error(
        "this call needs a client certificate or a token (`authorization: Bearer TOKEN`) of a client of the daemon"
    )]
    NoCredentials,
    /// The header `authorization` is not valid.
    #[error("the header authorization must occur once and be `Bearer TOKEN`")]
    Header,
    /// The token is not that of a client.
    #[error("no client of the daemon has this token")]
    Token,
    /// The certificate is not that of a client.
    #[error("no client of the daemon has this certificate, which names {}", listed(.0))]
    Certificate(Vec<String>),
    /// The certificate is that of two clients.
    #[error("several clients of the daemon have this certificate, which names {}", listed(.0))]
    Ambiguous(Vec<String>),
    /// The certificate has expired since the handshake.
    #[error("the certificate of this connection has expired")]
    Expired,
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "no client".to_owned()
    } else {
        names.join(", ")
    }
}
