//! Who may call the daemon, and what: roles, the clients that have them, and what proves who is who.
//!
//! gRPC is not named here: `grpc::gate` asks, and turns the answers into statuses.

mod certificate;
mod clients;
mod peer;
pub mod permissions;
mod rate_limit;
mod reloadable;
mod role;
mod tls;
pub mod token;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use thiserror::Error;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_rustls::rustls::ServerConfig;
use tracing::{error, info};

use crate::config::ConfigError;
use crate::config::settings;
use crate::config::settings::Settings;
pub use certificate::Certificate;
use clients::Clients;
pub use clients::{LARGEST_NAME, is_name};
pub use peer::{Peer, Unknown};
use rate_limit::Rate;
use reloadable::Live;
pub use role::{How, Identity, Role};
use tls::Tls;
pub use tls::TlsError;

/// What whoever needs no proof is called; no client may have this name.
pub const LOCAL: &str = "local";

/// Why access control cannot be set up.
#[derive(Debug, Error)]
pub enum AccessError {
    /// The certificates, or the key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The file of the clients.
    #[error("access.clients: {0}")]
    Clients(#[from] ConfigError),
}

/// How often files are looked at. A change counts at the second look that sees it.
const ROUND: Duration = Duration::from_secs(1);

/// Who may call. Certificates and clients are replaced as a whole, so that a call meets the old or the
/// new ones.
#[derive(Debug)]
pub struct Access {
    tls: Option<Live<Tls, AccessError>>,
    clients: Option<Live<Clients, AccessError>>,
    rate: Mutex<Rate>,
    /// Counts the files of clients that came into force.
    changes: watch::Sender<u64>,
}

impl Access {
    /// Reads what the settings name.
    ///
    /// # Errors
    /// When a file cannot be read, is not what it should be, or does not go with the others.
    pub fn open(settings: &Settings) -> Result<Self, AccessError> {
        let settings::Access {
            clients,
            requests_per_second,
            burst,
        } = settings.access.clone();
        let tls = settings.tls.clone().map(|files| {
            let all = tls::files(&files);
            Live::open(all, move || Ok(Tls::load(&files)?))
        });
        let clients = clients.map(|file| {
            let all = vec![file.clone()];
            Live::open(all, move || Ok(Clients::read(&file)?))
        });
        Ok(Self {
            tls: tls.transpose()?,
            clients: clients.transpose()?,
            rate: Mutex::new(Rate::new(requests_per_second, burst)),
            changes: watch::Sender::new(0),
        })
    }

    /// TLS for the next connection over TCP; none if it goes without.
    pub fn tls(&self) -> Option<Arc<ServerConfig>> {
        Some(self.tls.as_ref()?.get().config())
    }

    /// Logs how access is controlled. A certificate that has expired is no reason not to start: the line
    /// runs without its clients, and a renewed one is taken when it comes.
    pub fn greet(&self) {
        if let Some(tls) = &self.tls {
            let tls = tls.get();
            let valid_until = &tls.certificate().valid_until;
            if tls.certificate().not_after < SystemTime::now() {
                error!(%valid_until, "the certificate has expired: clients will not connect");
            } else {
                info!(%valid_until, "TLS is on");
            }
        }
        if let Some(clients) = &self.clients {
            info!(clients = clients.get().len(), "access control is on");
        } else {
            info!("access control is off: everybody on this machine is an engineer");
        }
    }

    /// Looks whether files have changed, and takes those that are good into use.
    fn look(&self) {
        let current = |tls: &Tls| tls.current(SystemTime::now()).map_err(AccessError::from);
        match self.tls.as_ref().and_then(|tls| tls.look(current)) {
            Some(Ok(tls)) => {
                let valid_until = &tls.certificate().valid_until;
                info!(%valid_until, "new certificates are in use");
            }
            Some(Err(error)) => {
                error!(%error, "new certificates are refused, the old ones stay in use");
            }
            None => {}
        }
        match self
            .clients
            .as_ref()
            .and_then(|clients| clients.look(|_| Ok(())))
        {
            Some(Ok(clients)) => {
                info!(clients = clients.len(), "new clients are in force");
                self.changes.send_modify(|changes| *changes += 1);
            }
            Some(Err(error)) => {
                error!(%error, "new clients are refused, the old ones stay in force");
            }
            None => {}
        }
    }

    /// Changes whenever other clients are in force.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Looks at the files again and again, whatever `life.watch_files` says: a certificate that nobody
    /// takes into use ends all service.
    pub fn watch(self: &Arc<Self>) -> Watch {
        let access = Arc::clone(self);
        Watch(tokio::spawn(async move {
            loop {
                tokio::time::sleep(ROUND).await;
                let access = Arc::clone(&access);
                // A file system that hangs holds up this alone.
                if spawn_blocking(move || access.look()).await.is_err() {
                    error!("changed certificates and clients go unnoticed from now on");
                    return;
                }
            }
        }))
    }

    /// Whether this peer is an engineer without further ado: it is on a Unix socket, or on loopback
    /// where no clients are configured.
    pub fn trusts(&self, peer: &Peer) -> bool {
        peer.is_unix() || (self.clients.is_none() && peer.local())
    }

    /// Who makes a call on this connection, with these values of the header `authorization`.
    ///
    /// A token is looked at before the certificate: it belongs to the call, and who shows a wrong one
    /// shall not act as somebody else unawares.
    ///
    /// # Errors
    /// When it is not known.
    pub fn identify(
        &self,
        peer: &Peer,
        authorization: &[&[u8]],
        now: SystemTime,
    ) -> Result<Identity, Unknown> {
        let local = peer.local();
        if self.trusts(peer) {
            return Ok(Identity {
                name: LOCAL.into(),
                role: Role::Engineer,
                how: How::Local,
                local,
            });
        }
        let clients = self.clients.as_ref().ok_or(Unknown::NoCredentials)?.get();
        let (client, how) = match (authorization, peer.certificate()) {
            ([], None) => return Err(Unknown::NoCredentials),
            ([], Some(certificate)) => {
                if certificate.not_after < now {
                    return Err(Unknown::Expired);
                }
                (
                    clients.by_certificate(&certificate.names)?,
                    How::Certificate,
                )
            }
            ([header], _) => {
                let token = bearer(header).ok_or(Unknown::Header)?;
                let client = clients.by_token(token).ok_or(Unknown::Token)?;
                (client, How::Token)
            }
            _ => return Err(Unknown::Header),
        };
        peer.recognise();
        Ok(Identity {
            name: Arc::clone(&client.name),
            role: client.role,
            how,
            local,
        })
    }

    /// Whether the client may begin a call now; local ones may always.
    ///
    /// # Errors
    /// How long it has to wait if not.
    pub fn admit(&self, identity: &Identity, now: Instant) -> Result<(), Duration> {
        if identity.how == How::Local {
            return Ok(());
        }
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        rate.admit(&identity.name, now)
    }
}

/// A watch over the files; it ends when dropped.
#[derive(Debug)]
pub struct Watch(JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The token of `Bearer TOKEN`.
fn bearer(header: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer ";
    let (scheme, token) = header.split_at_checked(SCHEME.len())?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(SCHEME) && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests;
