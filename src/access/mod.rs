//! Access control: roles, clients, their certificates and tokens, rate limits.
//!
//! Independent of gRPC: the layer in `grpc` calls this module and converts the results to statuses.

mod certificate;
mod clients;
mod peer;
pub mod permissions;
pub mod places;
mod rate_limit;
mod reloadable;
mod role;
mod tls;
pub mod token;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_rustls::rustls::ServerConfig;
use tracing::{error, info};

use crate::alarm::{AlarmKind, Alarms};
use crate::clock::SharedClock;
use crate::config::ConfigError;
use crate::config::settings;
use crate::config::settings::Settings;
use crate::on_panic::Failed;
pub use certificate::Certificate;
use clients::Clients;
pub use clients::{LARGEST_NAME, is_name};
pub use peer::{Peer, Unknown};
use places::Places;
use rate_limit::RateLimit;
use reloadable::Reloadable;
pub use role::{AuthMethod, Identity, Role};
use tls::Tls;
pub use tls::TlsError;

/// Name of a client that is identified by its connection. No configured client may have this name.
pub const LOCAL: &str = "local";

/// Why access control cannot be set up.
#[derive(Debug, Error)]
pub enum AccessError {
    /// A certificate or the key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The clients file.
    #[error("access.clients: {0}")]
    Clients(#[from] ConfigError),
}

/// Interval between checks of the files. A change is applied at the second check that finds it.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Access control of the daemon. Certificates and clients are replaced as a whole: a call is checked against
/// the old or the new ones.
#[derive(Debug)]
pub struct Access {
    tls: Option<Reloadable<Tls, AccessError>>,
    clients: Option<Reloadable<Clients, AccessError>>,
    rate_limit: RateLimit,
    clock: SharedClock,
    alarms: Alarms,
    /// Number of times that other clients became active.
    changes: watch::Sender<u64>,
    /// The places of connections, by listener.
    places: Mutex<BTreeMap<&'static str, Arc<Places>>>,
}

impl Access {
    /// Reads the files that the settings name. `clock` decides about rates and expired certificates.
    ///
    /// # Errors
    /// When a file cannot be read, has the wrong content, or does not belong to the other files.
    pub fn open(
        settings: &Settings,
        clock: SharedClock,
        alarms: Alarms,
    ) -> Result<Self, AccessError> {
        let settings::Access {
            clients,
            requests_per_second,
            burst,
        } = settings.access.clone();
        let tls = settings.tls.clone().map(|files| {
            let all = tls::files(&files);
            Reloadable::open(all, move || Ok(Tls::load(&files)?))
        });
        let clients = clients.map(|file| {
            let all = vec![file.clone()];
            Reloadable::open(all, move || Ok(Clients::read(&file)?))
        });
        Ok(Self {
            tls: tls.transpose()?,
            clients: clients.transpose()?,
            rate_limit: RateLimit::new(requests_per_second, burst, Arc::clone(&clock)),
            clock,
            alarms,
            changes: watch::Sender::new(0),
            places: Mutex::default(),
        })
    }

    /// TLS configuration for the next connection over TCP; `None` without TLS.
    pub fn tls(&self) -> Option<Arc<ServerConfig>> {
        Some(self.tls.as_ref()?.get().config())
    }

    /// When the certificate of the daemon expires; `None` without TLS.
    pub fn certificate_expires(&self) -> Option<SystemTime> {
        Some(self.tls.as_ref()?.get().certificate().not_after)
    }

    /// The places of a listener's connections; `listener` is its configuration key.
    pub fn places(&self, listener: &'static str, limit: usize) -> Arc<Places> {
        let places = Places::new(limit);
        self.places.lock().insert(listener, Arc::clone(&places));
        places
    }

    /// Number of open connections of each listener.
    pub fn connections(&self) -> Vec<(&'static str, usize)> {
        let places = self.places.lock();
        let open = places.iter().map(|(name, places)| (*name, places.open()));
        open.collect()
    }

    /// Logs how access is controlled. The daemon also starts with an expired certificate: it inspects without
    /// clients, and applies a renewed certificate when there is one.
    pub fn log_startup(&self) {
        if let Some(tls) = &self.tls {
            let tls = tls.get();
            let valid_until = &tls.certificate().valid_until;
            if tls.certificate().not_after < self.clock.now().utc {
                error!(%valid_until, "the certificate has expired: clients cannot connect");
            } else {
                info!(%valid_until, "TLS is on");
            }
        }
        if let Some(clients) = &self.clients {
            info!(clients = clients.get().len(), "access control is on");
        } else {
            info!("access control is off: every local client is an engineer");
        }
    }

    /// Checks the files, and applies changed ones that are valid.
    fn check_files(&self) {
        let now = self.clock.now().utc;
        let valid = |tls: &Tls| tls.check_validity(now).map_err(AccessError::from);
        match self.tls.as_ref().and_then(|tls| tls.check(valid)) {
            Some(Ok(tls)) => {
                let valid_until = &tls.certificate().valid_until;
                info!(%valid_until, "new certificates are active");
                self.alarms.clear(AlarmKind::AccessFile, "certificates");
            }
            Some(Err(error)) => {
                let message =
                    format!("new certificates are refused, the old ones stay active: {error}");
                self.alarms
                    .raise(AlarmKind::AccessFile, "certificates", message);
            }
            None => {}
        }
        match self
            .clients
            .as_ref()
            .and_then(|clients| clients.check(|_| Ok(())))
        {
            Some(Ok(clients)) => {
                info!(clients = clients.len(), "new clients are active");
                self.alarms.clear(AlarmKind::AccessFile, "clients");
                self.changes.send_modify(|changes| *changes += 1);
            }
            Some(Err(error)) => {
                error!(%error, "new clients are refused, the old ones stay active");
                let message = format!(
                    "new clients are refused, the old ones stay active, also those that the file revokes: {error}"
                );
                self.alarms.raise(AlarmKind::AccessFile, "clients", message);
            }
            None => {}
        }
    }

    /// Whether clients are configured. Otherwise everybody on this machine is an engineer.
    pub fn has_clients(&self) -> bool {
        self.clients.is_some()
    }

    /// Changes when other clients become active.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Starts checking the files periodically, independent of `life.watch_files`: a daemon that does not apply
    /// renewed certificates becomes unreachable. `failed` is called if a check panics.
    pub fn watch(self: &Arc<Self>, failed: Failed) -> Watch {
        let access = Arc::clone(self);
        Watch(tokio::spawn(async move {
            loop {
                tokio::time::sleep(CHECK_INTERVAL).await;
                let access = Arc::clone(&access);
                // A file system that does not respond blocks only this task.
                if spawn_blocking(move || access.check_files()).await.is_err() {
                    error!("the check of certificates and clients failed");
                    return failed();
                }
            }
        }))
    }

    /// Whether this peer is an engineer without credentials: it is on a Unix socket, or on loopback and no
    /// clients are configured.
    pub fn trusts(&self, peer: &Peer) -> bool {
        peer.is_unix() || (self.clients.is_none() && peer.local())
    }

    /// Identifies the client of a call on this connection, with these values of the header `authorization`.
    ///
    /// A token has priority over the certificate, because it belongs to the call. A wrong token is an error
    /// also with a valid certificate, so that no call is made unintentionally as another client.
    ///
    /// # Errors
    /// When the client cannot be identified.
    pub fn identify(
        &self,
        peer: &Peer,
        authorization: &[&[u8]],
        now: SystemTime,
    ) -> Result<Identity, Unknown> {
        let local = peer.local();
        if self.trusts(peer) {
            peer.set_known();
            return Ok(Identity {
                name: LOCAL.into(),
                role: Role::Engineer,
                method: AuthMethod::Local,
                local,
            });
        }
        let clients = self.clients.as_ref().ok_or(Unknown::NoCredentials)?.get();
        let (client, method) = match (authorization, peer.certificate()) {
            ([], None) => return Err(Unknown::NoCredentials),
            ([], Some(certificate)) => {
                if certificate.not_after < now {
                    return Err(Unknown::Expired);
                }
                (
                    clients.by_certificate(&certificate.names)?,
                    AuthMethod::Certificate,
                )
            }
            ([header], _) => {
                let token = bearer(header).ok_or(Unknown::Header)?;
                let client = clients.by_token(token).ok_or(Unknown::Token)?;
                (client, AuthMethod::Token)
            }
            _ => return Err(Unknown::Header),
        };
        peer.set_known();
        Ok(Identity {
            name: Arc::clone(&client.name),
            role: client.role,
            method,
            local,
        })
    }

    /// Counts a call against the rate limit of the client. Local clients have no limit.
    ///
    /// # Errors
    /// The time until the next call is allowed.
    pub fn admit(&self, identity: &Identity) -> Result<(), Duration> {
        if identity.method == AuthMethod::Local {
            return Ok(());
        }
        self.rate_limit.admit(&identity.name)
    }
}

/// The periodic check of the files. It stops when dropped.
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
