//! The port of the played daemon, and its connections, which can be reset.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tonic::service::Routes;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 64;

/// A port of the loopback interface.
#[derive(Debug)]
pub struct Port {
    address: SocketAddr,
    routes: Routes,
    /// Accepts connections and owns them: they are reset when it ends.
    serving: JoinHandle<()>,
    /// While the port is closed: bound, so that connections are refused and no other process takes it.
    closed: Option<TcpSocket>,
}

impl Port {
    /// Opens a free port.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(routes: Routes) -> io::Result<Self> {
        let listener = bound((Ipv4Addr::LOCALHOST, 0).into())?.listen(BACKLOG)?;
        Ok(Self {
            address: listener.local_addr()?,
            serving: tokio::spawn(serve(listener, routes.clone())),
            routes,
            closed: None,
        })
    }

    /// The address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resets all connections and refuses new ones.
    ///
    /// # Errors
    /// When the port cannot be kept.
    pub async fn close(&mut self) -> io::Result<()> {
        self.serving.abort();
        // The listener is gone once the task has ended.
        let _ = (&mut self.serving).await;
        self.closed = Some(bound(self.address)?);
        Ok(())
    }

    /// Accepts connections again.
    ///
    /// # Errors
    /// When the port cannot be opened.
    pub fn reopen(&mut self) -> io::Result<()> {
        if let Some(socket) = self.closed.take() {
            let listener = socket.listen(BACKLOG)?;
            self.serving = tokio::spawn(serve(listener, self.routes.clone()));
        }
        Ok(())
    }

    /// Resets all connections.
    ///
    /// # Errors
    /// When the port cannot be opened again.
    pub async fn reset(&mut self) -> io::Result<()> {
        self.close().await?;
        self.reopen()
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn serve(listener: TcpListener, routes: Routes) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(stream, routes.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves a connection. tonic's own server is not used: it ends calls at their deadline, which is to be left to the client.
async fn connection(stream: TcpStream, routes: Routes) {
    // The client sees a reset, and the port has no connection that waits for its end.
    if stream.set_zero_linger().is_err() {
        return;
    }
    let service = TowerToHyperService::new(routes);
    let served =
        http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
    // A client that goes away is no error.
    let _ = served.await;
}
