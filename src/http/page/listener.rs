//! The page's listener: with the limits, the TLS and the peers of the gRPC listener.

use std::io;
use std::net::SocketAddr;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};

use super::PagePeer;
use crate::grpc::{Acceptance, AcceptedConnection};

/// A listener for `axum::serve`.
pub struct PageListener {
    address: SocketAddr,
    accepted: Acceptance,
}

impl PageListener {
    /// Serves the connections that are accepted at `address`.
    pub fn new(address: SocketAddr, accepted: Acceptance) -> Self {
        Self { address, accepted }
    }
}

impl Listener for PageListener {
    type Io = AcceptedConnection;
    type Addr = PagePeer;

    async fn accept(&mut self) -> (AcceptedConnection, PagePeer) {
        let connection = self.accepted.next().await;
        let peer = PagePeer(connection.peer());
        (connection, peer)
    }

    fn local_addr(&self) -> io::Result<PagePeer> {
        let peer = crate::access::Peer::tcp(self.address, None);
        Ok(PagePeer(peer.into()))
    }
}

impl Connected<IncomingStream<'_, PageListener>> for PagePeer {
    fn connect_info(stream: IncomingStream<'_, PageListener>) -> Self {
        stream.remote_addr().clone()
    }
}
